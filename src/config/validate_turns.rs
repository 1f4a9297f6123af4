//! `[turns]`: how long a caller who pauses is waited for, and how we give way to one who speaks while
//! we do.

use super::checked::{BargeInTimes, TurnsConfig};
use super::raw::RawTurns;
use super::validate::Checker;

/// Less than the usual pause for a stop consonant cuts words in two.
const SILENCE_MIN_MS: u32 = 150;
/// After so long nobody believes that they are still listened to.
const SILENCE_MAX_MS: u32 = 10_000;

/// Checks the table, and that the surer waits are the shorter ones.
pub(super) fn turns(check: &mut Checker<'_>, raw: RawTurns) -> TurnsConfig {
    let barge_in = barge_in(check, &raw);
    let mut silence = |key: &str, value, default| {
        check.number(&["turns", key], value, default, SILENCE_MIN_MS..=SILENCE_MAX_MS)
    };
    let silence_min_ms = silence("silence_min_ms", raw.silence_min_ms, 250);
    let complete_ms = silence("complete_ms", raw.complete_ms, 300);
    let likely_ms = silence("likely_ms", raw.likely_ms, 450);
    let open_ms = silence("open_ms", raw.open_ms, 700);
    let unfinished_ms = silence("unfinished_ms", raw.unfinished_ms, 1500);
    let value_gap_ms = silence("value_gap_ms", raw.value_gap_ms, 2300);
    let hold_on_ms = silence("hold_on_ms", raw.hold_on_ms, 2000);
    in_order(
        check,
        &[
            ("silence_min_ms", silence_min_ms),
            ("complete_ms", complete_ms),
            ("likely_ms", likely_ms),
            ("open_ms", open_ms),
            ("unfinished_ms", unfinished_ms),
            ("value_gap_ms", value_gap_ms),
        ],
    );
    let pace_percent = check.number(&["turns", "pace_percent"], raw.pace_percent, 120, 0..=300);
    if (1..100).contains(&pace_percent) {
        check.problem(
            &["turns", "pace_percent"],
            format!(
                "{pace_percent} is less than the caller's own pause, which would be cut off. Use \
                 100 or more, or 0 to learn nothing of callers"
            ),
        );
    }
    let end_likely = check.fraction(&["turns", "end_likely"], raw.end_likely, 0.8);
    let end_unlikely = check.fraction(&["turns", "end_unlikely"], raw.end_unlikely, 0.2);
    if end_unlikely >= end_likely {
        check.problem(
            &["turns", "end_unlikely"],
            format!("{end_unlikely} is not less than end_likely ({end_likely})"),
        );
    }
    let end_model = raw.end_model.filter(|name| name != "none" && !name.trim().is_empty());
    TurnsConfig {
        silence_min_ms: silence_min_ms.into(),
        complete_ms: complete_ms.into(),
        likely_ms: likely_ms.into(),
        open_ms: open_ms.into(),
        unfinished_ms: unfinished_ms.into(),
        value_gap_ms: value_gap_ms.into(),
        hold_on_ms: hold_on_ms.into(),
        pace_percent,
        end_model,
        end_likely,
        end_unlikely,
        barge_in,
    }
}

fn barge_in(check: &mut Checker<'_>, raw: &RawTurns) -> BargeInTimes {
    let mut number =
        |key: &str, value, default, range| check.number(&["turns", key], value, default, range);
    // Nothing is believed to be speech before 96 ms, three chunks of the voice activity model.
    let duck_ms = number("barge_in_duck_ms", raw.barge_in_duck_ms, 96, 96..=2000);
    let duck_db = number("barge_in_duck_db", raw.barge_in_duck_db, 14, 0..=40);
    let hold_ms = number("barge_in_hold_ms", raw.barge_in_hold_ms, 224, 96..=3000);
    let commit_ms = number("barge_in_commit_ms", raw.barge_in_commit_ms, 1000, 96..=10_000);
    let hold_max_ms = number("barge_in_hold_max_ms", raw.barge_in_hold_max_ms, 2000, 200..=10_000);
    for (shorter, low, longer, high, why) in [
        (
            "barge_in_duck_ms",
            duck_ms,
            "barge_in_hold_ms",
            hold_ms,
            "We become softer before we pause",
        ),
        (
            "barge_in_hold_ms",
            hold_ms,
            "barge_in_commit_ms",
            commit_ms,
            "We pause before we give up",
        ),
    ] {
        if high < low {
            let what = format!("{high} is less than {shorter} ({low}). {why}");
            check.problem(&["turns", longer], what);
        }
    }
    BargeInTimes {
        duck_ms: duck_ms.into(),
        duck_db,
        hold_ms: hold_ms.into(),
        commit_ms: commit_ms.into(),
        hold_max_ms: hold_max_ms.into(),
    }
}

fn in_order(check: &mut Checker<'_>, waits: &[(&str, u32)]) {
    for two in waits.windows(2) {
        let ((shorter, low), (longer, high)) = (two[0], two[1]);
        if high < low {
            check.problem(
                &["turns", longer],
                format!(
                    "{high} is less than {shorter} ({low}). The less certain it is that a caller \
                     has finished, the longer they are waited for"
                ),
            );
        }
    }
}
