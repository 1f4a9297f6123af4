//! The result of `frontdoor eval turns`, for the terminal and as a page.

use std::io::{self, Write};

use super::Measured;
use super::rules::Tally;
use super::sweep::{CUT_OFF_GOALS, NUMBERS_CUT_OFF_MAX, Point};
use crate::cli::bench::report::{Curve, Plot, Report, Section, Table};
use crate::cli::eval::tally::wilson;

/// Dead air that is aimed at, for each share of callers cut off.
const DEAD_AIR_GOALS_MS: [f64; 2] = [700.0, 450.0];

/// Beyond this nobody looks at a curve.
const DEAD_AIR_SHOWN_MS: f64 = 2_500.0;
const CUT_OFF_SHOWN: f64 = 0.5;

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

fn cells(tally: &Tally) -> [String; 4] {
    [
        percent(tally.cut_off_share()),
        format!("{:.0}", tally.dead_air_mean_ms),
        tally.dead_air_p50_ms.to_string(),
        tally.dead_air_p95_ms.to_string(),
    ]
}

/// Each rule at each goal.
fn at_goals(measured: &Measured) -> Table {
    let columns =
        ["cut off at most", "rule", "setting", "cut off %", "mean ms", "p50 ms", "p95 ms"];
    let mut table = Table::new(columns);
    for goal in CUT_OFF_GOALS {
        for method in &measured.methods {
            let head = |setting: &str| {
                [format!("{} %", percent(goal)), method.name.clone(), setting.to_owned()]
            };
            match method.at(goal) {
                Some(Point { setting, tally, .. }) => {
                    table.push(head(setting).into_iter().chain(cells(tally)));
                }
                None => {
                    let nothing = std::iter::repeat_n("-".to_owned(), 4);
                    table.push(head("never").into_iter().chain(nothing));
                }
            }
        }
    }
    let now = ["as configured".to_owned(), "ours".to_owned(), measured.configured_as.clone()];
    table.push(now.into_iter().chain(cells(&measured.configured)));
    table
}

/// Numbers said in groups.
fn numbers(measured: &Measured) -> Table {
    let columns = ["rule", "pauses s", "numbers", "cut off %", "95 % between", "mean ms", "p95 ms"];
    let mut table = Table::new(columns);
    for row in &measured.numbers {
        let tally = &row.tally;
        let (low, high) = wilson(tally.cut_off, tally.turns);
        table.push([
            row.method.clone(),
            format!("{:.1}", row.gap_ms as f64 / 1_000.0),
            tally.turns.to_string(),
            percent(tally.cut_off_share()),
            format!("{} - {}", percent(low), percent(high)),
            format!("{:.0}", tally.dead_air_mean_ms),
            tally.dead_air_p95_ms.to_string(),
        ]);
    }
    table
}

/// The best settings, and what to expect of them.
fn best(measured: &Measured) -> Table {
    let columns = [
        "goal",
        "cut off %",
        "mean ms",
        "p50 ms",
        "p95 ms",
        "numbers cut off %",
        "other callers: cut off %",
        "mean ms",
    ];
    let mut table = Table::new(columns);
    for best in &measured.best {
        let other = best.held_out.as_ref();
        let others = other.map_or(["-".to_owned(), "-".to_owned()], |tally| {
            let [cut_off, mean, ..] = cells(tally);
            [cut_off, mean]
        });
        let goal = [format!("{} % cut off", percent(best.cut_off_max))];
        let numbers = [percent(best.numbers.cut_off_share())];
        table.push(goal.into_iter().chain(cells(&best.tally)).chain(numbers).chain(others));
    }
    table
}

fn material(measured: &Measured) -> String {
    let ear = measured.ear_p50_ms.map_or(String::new(), |ms| format!("; the ear takes {ms} ms"));
    let noise = measured.snr_db.map_or(String::new(), |snr| format!(", noise {snr} dB below"));
    format!(
        "{} turns with {} pauses put in, seed {}, over a simulated telephone line{noise}; {} not \
         heard at all. Words at {} pauses: p50 {} ms, p95 {} ms{ear}. {} settings of ours tried in \
         {} ms.",
        measured.recordings,
        measured.pauses_put_in,
        measured.seed,
        measured.configured.unheard,
        measured.pauses,
        measured.words_p50_ms,
        measured.words_p95_ms,
        measured.settings_tried,
        measured.tried_in_ms,
    )
}

/// Prints all of it.
pub(super) fn print(measured: &Measured) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n", material(measured))?;
    writeln!(out, "Dead air: from the last voiced sample to the decision, of turns not cut off.")?;
    at_goals(measured).print(&mut out)?;
    if measured.numbers.is_empty() {
        writeln!(out, "\nNo numbers in groups: the manifest has no recordings of kind `digit`.")?;
    } else {
        writeln!(out, "\nNumbers of eight digits, said in groups with pauses between them:")?;
        numbers(measured).print(&mut out)?;
    }
    writeln!(
        out,
        "\nThe quickest settings for the goals (numbers cut off at most {} %), and the same chosen on \
         half of the callers and tried on the others:",
        percent(NUMBERS_CUT_OFF_MAX)
    )?;
    best(measured).print(&mut out)?;
    for best in &measured.best {
        writeln!(out, "\nFor {} % cut off, in frontdoor.toml:", percent(best.cut_off_max))?;
        writeln!(out, "[turns]\n{}", best.toml.trim_end())?;
    }
    if measured.best.len() < CUT_OFF_GOALS.len() {
        writeln!(out, "\nNo setting that was tried reaches every goal.")?;
    }
    if !measured.unreadable.is_empty() {
        writeln!(out, "\n{} recordings could not be used:", measured.unreadable.len())?;
        for error in &measured.unreadable {
            writeln!(out, "  {error}")?;
        }
    }
    Ok(())
}

/// The curves: callers cut off against dead air.
fn curves(measured: &Measured) -> Plot {
    let shown = |point: &&Point| {
        point.tally.dead_air_mean_ms <= DEAD_AIR_SHOWN_MS && point.cut_off_share <= CUT_OFF_SHOWN
    };
    let at = |point: &Point| (point.tally.dead_air_mean_ms, point.cut_off_share * 100.0);
    let series = measured
        .methods
        .iter()
        .map(|method| Curve::new(&method.name, method.points.iter().filter(shown).map(at)))
        .collect();
    let mut plot = Plot::lines(
        "Callers cut off against dead air",
        "dead air, mean, ms",
        "cut off, % of turns",
        series,
    );
    for (goal, dead_air_ms) in CUT_OFF_GOALS.iter().zip(DEAD_AIR_GOALS_MS) {
        plot = plot
            .mark_y(goal * 100.0, format!("{} %", percent(*goal)))
            .mark_x(dead_air_ms, format!("{dead_air_ms:.0} ms"));
    }
    plot.x_range(0.0, DEAD_AIR_SHOWN_MS).y_range(0.0, CUT_OFF_SHOWN * 100.0)
}

/// Puts all of it into a report.
pub(in crate::cli) fn report(report: &mut Report, measured: &Measured) -> anyhow::Result<()> {
    report.about(material(measured));
    report.about(
        "A turn counts as cut off if it is taken to be over before its last voiced sample. Dead air \
         is the time from that sample to the decision, of the turns that were not cut off. Each point \
         of a curve is one setting of a rule; words count from when the recogniser has them, and what \
         the models took for them is charged.",
    );
    let mut turns = Section::new("Turns").plot(curves(measured)).table(at_goals(measured));
    turns = turns.text(
        "Pauses of 0.3 to 1.5 s are put into the gaps of recordings that have any, beside the pauses \
         that the callers make themselves.",
    );
    report.push(turns);
    if !measured.numbers.is_empty() {
        report.push(Section::new("Numbers in groups").table(numbers(measured)));
    }
    let mut settings = Section::new("Settings").table(best(measured));
    for best in &measured.best {
        let toml = best.toml.trim_end().replace('\n', ", ");
        settings = settings.text(format!("{} % cut off: {toml}", percent(best.cut_off_max)));
    }
    report.push(settings);
    report.figures("turns", measured)?;
    Ok(())
}
