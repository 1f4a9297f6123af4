//! `[capacity]`: how busy the machine may get before less is done for callers.

use crate::base::Effort;

use super::capacity::{CallsConversing, CapacityConfig};
use super::raw::{NumberOrWord, RawCapacity};
use super::suggest::did_you_mean;
use super::validate::Checker;

/// Checks the table. `calls_max` is that of `[server]`.
pub(super) fn capacity(
    check: &mut Checker<'_>,
    raw: RawCapacity,
    calls_max: usize,
) -> CapacityConfig {
    let latency_p95_max_ms = check.number(
        &["capacity", "latency_p95_max_ms"],
        raw.latency_p95_max_ms,
        800,
        300..=10_000,
    );
    CapacityConfig {
        latency_p95_max_ms: latency_p95_max_ms.into(),
        calls_conversing_max: calls_conversing(check, raw.calls_conversing_max, calls_max),
        least_effort: least_effort(check, raw.least_effort),
    }
}

fn calls_conversing(
    check: &mut Checker<'_>,
    written: Option<NumberOrWord>,
    calls_max: usize,
) -> CallsConversing {
    let path = ["capacity", "calls_conversing_max"];
    let number = match written {
        None => return CallsConversing::Auto,
        Some(NumberOrWord::Word(word)) if word == "auto" => return CallsConversing::Auto,
        Some(NumberOrWord::Word(word)) => {
            let message = format!("\"{word}\" is neither a number nor \"auto\"");
            check.problem(&path, message);
            return CallsConversing::Auto;
        }
        Some(NumberOrWord::Number(number)) => number,
    };
    match usize::try_from(number).ok().filter(|number| (1..=calls_max).contains(number)) {
        Some(number) => CallsConversing::AtMost(number),
        None => {
            check.problem(
                &path,
                format!(
                    "{number} is not between 1 and server.calls_max ({calls_max}). Write \"auto\" \
                     for as many as turn out to go well"
                ),
            );
            CallsConversing::Auto
        }
    }
}

fn least_effort(check: &mut Checker<'_>, written: Option<String>) -> Effort {
    let Some(word) = written else { return Effort::StraightToPeople };
    Effort::parse(&word).unwrap_or_else(|| {
        let known = Effort::ALL.map(Effort::as_str);
        let hint =
            did_you_mean(&word, known).unwrap_or_else(|| format!("Known: {}", known.join(", ")));
        check.problem(&["capacity", "least_effort"], format!("\"{word}\" is no effort. {hint}"));
        Effort::StraightToPeople
    })
}
