//! What the calls of an evaluation add up to, and how that is shown.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Serialize;

use super::running::{Ran, Spoken};
use super::scenario::Scenario;
use crate::cli::table::write_table;

/// Two-sided 95 % of the normal distribution.
const Z_95: f64 = 1.959_964;

/// The Wilson interval of a share: where the true one lies in 95 of 100 evaluations. It holds for
/// few trials and for shares near 0 and 1, where the usual interval does not.
pub(super) fn wilson(successes: usize, trials: usize) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let trials = trials as f64;
    let share = successes as f64 / trials;
    let z2 = Z_95 * Z_95;
    let scale = 1.0 + z2 / trials;
    let centre = (share + z2 / (2.0 * trials)) / scale;
    let spread = (share * (1.0 - share) / trials + z2 / (4.0 * trials * trials)).sqrt();
    let half = Z_95 * spread / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Sums over calls.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Tally {
    scenarios: usize,
    /// Scenarios of which every call passed.
    passed: usize,
    calls: usize,
    /// Calls in which everything was as expected.
    as_expected: usize,
    /// Calls that changed what they should and nothing else.
    succeeded: usize,
    /// Those of them that needed no person.
    contained: usize,
    turns: usize,
    wrong_actions: usize,
    /// CPU time of spoken calls.
    cpu_s: f64,
}

impl Tally {
    fn add_call(&mut self, ran: &Ran) {
        self.calls += 1;
        self.as_expected += usize::from(ran.failures.is_empty());
        self.succeeded += usize::from(ran.database_right);
        self.contained += usize::from(ran.database_right && !ran.handed_over);
        self.turns += ran.turns;
        self.wrong_actions += ran.wrong_changes.len();
        self.cpu_s += ran.spoken.as_ref().map_or(0.0, |spoken| spoken.cpu_s);
    }

    fn add_scenario(&mut self, passed: bool) {
        self.scenarios += 1;
        self.passed += usize::from(passed);
    }

    fn with(self, other: &Self) -> Self {
        Self {
            scenarios: self.scenarios + other.scenarios,
            passed: self.passed + other.passed,
            calls: self.calls + other.calls,
            as_expected: self.as_expected + other.as_expected,
            succeeded: self.succeeded + other.succeeded,
            contained: self.contained + other.contained,
            turns: self.turns + other.turns,
            wrong_actions: self.wrong_actions + other.wrong_actions,
            cpu_s: self.cpu_s + other.cpu_s,
        }
    }

    fn rates(&self) -> Rates {
        let calls = self.calls.max(1) as f64;
        let share = |count: usize| count as f64 / calls;
        Rates {
            scenarios: self.scenarios,
            passed: self.passed,
            calls: self.calls,
            as_expected: share(self.as_expected),
            task_success: share(self.succeeded),
            task_success_95: wilson(self.succeeded, self.calls),
            containment: share(self.contained),
            turns_per_call: share(self.turns),
            wrong_actions: self.wrong_actions,
            cpu_s_per_call: self.cpu_s / calls,
        }
    }
}

/// What the table shows. Shares are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Rates {
    scenarios: usize,
    passed: usize,
    calls: usize,
    as_expected: f64,
    task_success: f64,
    task_success_95: (f64, f64),
    containment: f64,
    turns_per_call: f64,
    wrong_actions: usize,
    /// 0 for calls on text, which are not measured.
    cpu_s_per_call: f64,
}

impl Rates {
    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            self.scenarios.to_string(),
            self.passed.to_string(),
            format!("{:.1} %", self.task_success * 100.0),
            format!("{:.1} %", self.containment * 100.0),
            format!("{:.1}", self.turns_per_call),
            self.wrong_actions.to_string(),
        ]
    }
}

/// `38 of 40, 95.0 % (95 % interval: 83.5 to 98.6)`.
fn share_with_interval(count: usize, of: usize) -> String {
    let (low, high) = wilson(count, of);
    let [share, low, high] =
        [count as f64 / of.max(1) as f64, low, high].map(|share| share * 100.0);
    format!("{count} of {of}, {share:.1} % (95 % interval: {low:.1} to {high:.1})")
}

/// Everything that the calls gave.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// By the file.
    files: BTreeMap<String, Tally>,
    calls: Vec<CallResult>,
    /// Changes that nobody expected, with their calls.
    wrong: Vec<String>,
}

impl Results {
    /// Adds one call of a scenario.
    pub(super) fn add_call(&mut self, scenario: &Scenario, ran: &Ran, seed: u64) {
        self.files.entry(scenario.path.clone()).or_default().add_call(ran);
        self.calls.push(CallResult::new(scenario, ran, seed));
        let Scenario { path, line, title, .. } = scenario;
        for change in &ran.wrong_changes {
            self.wrong.push(format!("{path}:{line} \"{title}\", seed {seed}: {change}"));
        }
    }

    /// Adds a scenario once all its calls were had.
    pub(super) fn add_scenario(&mut self, scenario: &Scenario, passed: bool) {
        self.files.entry(scenario.path.clone()).or_default().add_scenario(passed);
    }

    fn total(&self) -> Tally {
        self.files.values().fold(Tally::default(), |total, tally| total.with(tally))
    }

    /// Prints the table and the sums, and names every change that nobody expected.
    ///
    /// # Errors
    /// Nobody reads.
    pub(super) fn print(&self) -> std::io::Result<()> {
        let columns = [
            "calls in",
            "scenarios",
            "passed",
            "task success",
            "containment",
            "turns per call",
            "wrong actions",
        ];
        let total = self.total();
        let mut rows: Vec<Vec<String>> =
            self.files.iter().map(|(path, tally)| tally.rates().row(path)).collect();
        if rows.len() != 1 {
            rows.push(total.rates().row("all"));
        }
        write_table(&mut std::io::stdout(), &columns, &rows)?;
        println!();
        println!("as expected   {}", share_with_interval(total.as_expected, total.calls));
        println!("task success  {}", share_with_interval(total.succeeded, total.calls));
        if total.cpu_s > 0.0 {
            println!("CPU per call  {:.1} s", total.rates().cpu_s_per_call);
        }
        if !self.wrong.is_empty() {
            println!("\nwrong actions:");
            for change in &self.wrong {
                println!("  {change}");
            }
        }
        Ok(())
    }

    /// What `--json` writes.
    pub(super) fn report(&self) -> Report<'_> {
        let files = self.files.iter().map(|(path, tally)| (path.as_str(), tally.rates()));
        Report { total: self.total().rates(), files: files.collect(), calls: &self.calls }
    }

    /// Whether that is good enough: this percentage of the calls as expected, all if none is given,
    /// and never a change that nobody expected.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn verdict(&self, at_least: Option<f64>) -> anyhow::Result<()> {
        let total = self.total();
        match at_least {
            None if total.passed < total.scenarios => {
                let failed = total.scenarios - total.passed;
                bail!("{failed} of {} calls are not as they should be", total.scenarios)
            }
            _ if total.wrong_actions > 0 => {
                bail!("{} changes were made that nobody expected", total.wrong_actions)
            }
            Some(percent) if total.rates().as_expected * 100.0 < percent => {
                let share = total.rates().as_expected * 100.0;
                bail!("{share:.1} % of the calls are as they should be, not {percent} %")
            }
            _ => Ok(()),
        }
    }
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
pub(super) struct Report<'r> {
    total: Rates,
    files: BTreeMap<&'r str, Rates>,
    calls: &'r [CallResult],
}

#[derive(Debug, Serialize)]
struct CallResult {
    path: String,
    line: usize,
    title: String,
    seed: u64,
    turns: usize,
    handed_over: bool,
    task_success: bool,
    failures: Vec<FailureResult>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wrong_actions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spoken: Option<Spoken>,
}

#[derive(Debug, Serialize)]
struct FailureResult {
    line: usize,
    expected: String,
    got: String,
}

impl CallResult {
    fn new(scenario: &Scenario, ran: &Ran, seed: u64) -> Self {
        let failures = ran.failures.iter().map(|failure| FailureResult {
            line: failure.line,
            expected: failure.expected.clone(),
            got: failure.got.clone(),
        });
        Self {
            path: scenario.path.clone(),
            line: scenario.line,
            title: scenario.title.clone(),
            seed,
            turns: ran.turns,
            handed_over: ran.handed_over,
            task_success: ran.database_right,
            failures: failures.collect(),
            wrong_actions: ran.wrong_changes.clone(),
            spoken: ran.spoken.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::running::Failure;
    use super::super::scenario::parse;
    use super::*;

    fn ran(handed_over: bool, wrong_changes: usize, turns: usize) -> Ran {
        Ran {
            failures: Vec::new(),
            transcript: Vec::new(),
            turns,
            handed_over,
            database_right: wrong_changes == 0,
            wrong_changes: vec!["cards.status of 1: active -> blocked".to_owned(); wrong_changes],
            spoken: None,
        }
    }

    fn failed(mut ran: Ran) -> Ran {
        let (expected, got) = ("says \"hello\"".to_owned(), "nothing".to_owned());
        ran.failures.push(Failure { line: 2, expected, got });
        ran
    }

    #[test]
    fn a_call_that_did_the_wrong_thing_is_not_contained() {
        let mut tally = Tally::default();
        for call in [ran(false, 0, 2), ran(true, 0, 4), ran(false, 3, 6), ran(false, 0, 4)] {
            tally.add_call(&call);
        }
        tally.add_scenario(true);
        tally.add_scenario(false);
        let row = tally.rates().row("all");
        assert_eq!(row, ["all", "2", "1", "75.0 %", "50.0 %", "4.0", "3"]);
        assert_eq!(Tally::default().with(&tally), tally);
        assert_eq!(Tally::default().rates().turns_per_call, 0.0);
    }

    #[test]
    fn the_interval_is_wilsons() {
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        let rounded = |(low, high): (f64, f64)| ((low * 1e3).round(), (high * 1e3).round());
        assert_eq!(rounded(wilson(38, 40)), (835.0, 986.0));
        assert_eq!(rounded(wilson(0, 10)), (0.0, 278.0));
        assert_eq!(rounded(wilson(10, 10)), (722.0, 1000.0));
        let told = "38 of 40, 95.0 % (95 % interval: 83.5 to 98.6)";
        assert_eq!(share_with_interval(38, 40), told);
    }

    /// Calls of one scenario, one after the other.
    fn results(calls: &[Ran]) -> Results {
        let scenario = parse("c.md", "# A\n- silence\n").expect("good").remove(0);
        let mut results = Results::default();
        for (seed, call) in (0..).zip(calls) {
            results.add_call(&scenario, call, seed);
            results.add_scenario(&scenario, call.failures.is_empty());
        }
        results
    }

    #[test]
    fn wrong_changes_are_never_good_enough() {
        let good = results(&[ran(false, 0, 1), ran(true, 0, 1)]);
        assert!(good.verdict(None).is_ok() && good.verdict(Some(100.0)).is_ok());
        let half = results(&[ran(false, 0, 1), failed(ran(false, 0, 1))]);
        assert!(half.verdict(None).is_err() && half.verdict(Some(51.0)).is_err());
        assert!(half.verdict(Some(50.0)).is_ok());
        let wrong = results(&[ran(false, 0, 1), failed(ran(false, 1, 1))]);
        assert!(wrong.verdict(Some(0.0)).is_err());
        let change = "c.md:1 \"A\", seed 1: cards.status of 1: active -> blocked";
        assert_eq!(wrong.wrong, [change]);
        assert_eq!(wrong.report().calls.len(), 2);
    }
}
