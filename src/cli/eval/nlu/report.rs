//! Prints what was measured.

use std::io::stdout;

use serde::Serialize;

use super::bench::Outcome;
use crate::cli::table::write_table;

/// What is written as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub shots: Option<usize>,
    pub measured: Vec<Measured>,
}

/// One way to look at sentences, over all seeds.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub variant: &'static str,
    pub encode_cpu_ms: f64,
    pub outcomes: Vec<Outcome>,
}

/// Mean and standard deviation.
pub(super) fn mean_and_spread(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    Some((mean, variance.sqrt()))
}

impl Measured {
    /// Mean and standard deviation over the seeds.
    fn over_seeds(&self, value: impl Fn(&Outcome) -> Option<f64>) -> Option<(f64, f64)> {
        let values: Option<Vec<f64>> = self.outcomes.iter().map(value).collect();
        mean_and_spread(&values?)
    }

    /// Prints everything, a line each.
    pub fn print(&self) {
        let percent = |name: &str, value: &dyn Fn(&Outcome) -> Option<f64>| {
            if let Some((mean, spread)) = self.over_seeds(value) {
                println!("{name:<44} {:>6.1} % +- {:.1}", mean * 100.0, spread * 100.0);
            }
        };
        percent("accuracy", &|o| Some(o.accuracy));
        percent("accuracy, misheard", &|o| o.accuracy_misheard);
        percent("word error rate of the misheard", &|o| o.word_error_rate);
        percent("in scope, accepted", &|o| Some(o.accepted));
        percent("in scope, accepted and right", &|o| Some(o.accepted_and_right));
        percent("out of scope, refused", &|o| o.out_of_scope_recall);
        percent("out of scope, refused with 5 % of the rest", &|o| o.out_of_scope_recall_at_5);
        percent("out of scope, AUROC", &|o| o.auroc);
        percent("calibration error", &|o| Some(o.calibration_error));
        percent("calibration error expected by training", &|o| Some(o.expected_calibration_error));
        let plain = |name: &str, unit: &str, value: &dyn Fn(&Outcome) -> Option<f64>| {
            if let Some((mean, _)) = self.over_seeds(value) {
                println!("{name:<44} {mean:>6.2} {unit}");
            }
        };
        plain("sentences learned from", "", &|o| Some(o.train_sentences as f64));
        plain("sentences examined on", "", &|o| Some(o.test_sentences as f64));
        plain("training", "s of a core", &|o| Some(o.train_cpu_s));
        plain("temperature", "", &|o| Some(f64::from(o.temperature)));
        plain("one sentence, classifying", "ms of a core", &|o| Some(o.classify_cpu_ms));
        println!("{:<44} {:>6.2} ms of a core", "one sentence, encoding", self.encode_cpu_ms);
    }

    /// The row of the table.
    fn row(&self) -> Vec<String> {
        let percent = |value: &dyn Fn(&Outcome) -> Option<f64>| {
            let mean = self.over_seeds(value);
            mean.map_or_else(|| "-".to_owned(), |(mean, _)| format!("{:.1}", mean * 100.0))
        };
        let mean = |value: &dyn Fn(&Outcome) -> Option<f64>| {
            self.over_seeds(value).map_or(0.0, |(mean, _)| mean)
        };
        let spread = self.over_seeds(|o| Some(o.accuracy)).map_or(0.0, |(_, spread)| spread);
        vec![
            self.variant.to_owned(),
            percent(&|o| Some(o.accuracy)),
            format!("{:.1}", spread * 100.0),
            percent(&|o| o.accuracy_misheard),
            percent(&|o| Some(1.0 - o.accepted)),
            percent(&|o| o.out_of_scope_recall),
            percent(&|o| o.out_of_scope_recall_at_5),
            percent(&|o| o.auroc),
            percent(&|o| Some(o.calibration_error)),
            format!("{:.2}", mean(&|o| Some(o.train_cpu_s))),
            format!("{:.2}", self.encode_cpu_ms + mean(&|o| Some(o.classify_cpu_ms))),
        ]
    }
}

/// Columns of the table. "false rej" is the share of in-scope sentences that are refused with the
/// threshold from training, "oos" the share of the others with the same one, "oos@5" with the
/// threshold that refuses exactly 5 % of this test.
const COLUMNS: [&str; 11] = [
    "variant",
    "accuracy",
    "+-",
    "misheard",
    "false rej",
    "oos",
    "oos@5",
    "auroc",
    "ece",
    "train s",
    "ms",
];

/// Prints one row for each way.
pub(super) fn print_table(measured: &[Measured]) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = measured.iter().map(Measured::row).collect();
    write_table(&mut stdout().lock(), &COLUMNS, &rows)?;
    let error_rates: Option<Vec<f64>> = measured
        .iter()
        .flat_map(|one| &one.outcomes)
        .map(|outcome| outcome.word_error_rate)
        .collect();
    if let Some((mean, _)) = error_rates.and_then(|rates| mean_and_spread(&rates)) {
        println!("misheard: word error rate {:.1} %", mean * 100.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_spreads() {
        assert_eq!(mean_and_spread(&[1.0, 3.0]), Some((2.0, 1.0)));
        assert_eq!(mean_and_spread(&[]), None);
    }
}
