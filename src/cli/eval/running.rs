//! Has one call of a scenario and looks at everything that it expects.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::database::{Change, ExpectedChange, Snapshot, Values, compare};
use super::scenario::{Expect, Scenario, Step};
use super::spoken::{SpokenCall, Studio};
use super::talk::{Event, Heard, Talk, Turn};
use crate::acd::handoff::HandoffReason;
use crate::actions::Actions;
use crate::cli::sandbox::{Sandbox, own_databases};
use crate::cli::telling;
use crate::config::Config;
use crate::engine::understanding::Understander;
use crate::nlu::{IntentName, SlotName};
use crate::prompts::Generation;
use crate::server::{CustomerSystem, TextCall, TextCallParts};

/// What all calls to one profile share.
pub(super) struct Profile {
    pub config: Config,
    pub generation: Arc<Generation>,
    pub understander: Arc<Understander>,
}

/// Something that was not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// In the scenario's file.
    pub line: usize,
    pub expected: String,
    pub got: String,
}

/// A call as it went.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    pub failures: Vec<Failure>,
    /// Who said and did what, one thing a line.
    pub transcript: Vec<String>,
    /// Times that the caller said, keyed or withheld something.
    pub turns: usize,
    pub handed_over: bool,
    /// The database was changed as expected, and in no other way.
    pub database_right: bool,
    /// Changes of the database that nobody expected.
    pub wrong_changes: Vec<String>,
    /// How it was spoken; `None`: it was on text.
    pub spoken: Option<Spoken>,
}

/// How a call was spoken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Spoken {
    /// The voice's name.
    pub voice: String,
    /// How far the voice lay above the noise.
    pub snr_db: f32,
    /// CPU time of everything in the call.
    pub cpu_s: f64,
    /// What the caller said and what was heard of it, turn by turn.
    pub turns: Vec<SaidAndHeard>,
}

/// A line of the scenario, and what the recogniser made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SaidAndHeard {
    pub said: String,
    pub heard: String,
}

/// Has the call on a customer system of its own; spoken, if there is a studio. `seed` varies our
/// wording, and the caller's voice and line.
pub(super) async fn run(
    scenario: &Scenario,
    profile: &Profile,
    studio: Option<&Studio>,
    seed: u64,
) -> anyhow::Result<Ran> {
    let sandbox = Sandbox::new(&profile.config)?;
    let config = sandbox.config();
    let actions = Actions::open(config).await?;
    let before = snapshot(config).await?;
    let today = jiff::Zoned::now().date().to_string();
    let parts = TextCallParts {
        config: Arc::new(config.clone()),
        generation: Arc::clone(&profile.generation),
        understander: Arc::clone(&profile.understander),
        actions: actions.clone(),
    };
    let (talk, spoken) = begin(scenario, parts, studio, seed)?;
    let mut running = Running::new(scenario, talk, spoken);
    let cpu_before = process_cpu();
    for (line, step) in &scenario.steps {
        running.step(*line, step).await?;
    }
    if let Some(spoken) = &mut running.ran.spoken {
        spoken.cpu_s = process_cpu().saturating_sub(cpu_before).as_secs_f64();
    }
    actions.close().await;
    let after = snapshot(config).await?;
    Ok(running.finish(&before.changes_to(&after, &scenario.ignored_tables), &today))
}

/// The call of a scenario, not yet answered.
fn begin(
    scenario: &Scenario,
    parts: TextCallParts,
    studio: Option<&Studio>,
    seed: u64,
) -> anyhow::Result<(Talk, Option<Spoken>)> {
    let Some(studio) = studio else {
        return Ok((Talk::Text(Box::new(TextCall::new(parts, seed))), None));
    };
    let said = scenario.steps.iter().filter_map(|(_, step)| match step {
        Step::Caller(words) => Some(words.as_str()),
        _ => None,
    });
    let cast = studio.cast(&scenario.title, &said.collect::<Vec<_>>(), seed)?;
    let spoken = Spoken {
        voice: cast.voice.clone(),
        snr_db: cast.conditions.snr_db,
        cpu_s: 0.0,
        turns: Vec::new(),
    };
    let call = SpokenCall::new(&parts, studio, cast, seed);
    Ok((Talk::Spoken(Box::new(call)), Some(spoken)))
}

/// CPU time of the whole program so far, as the kernel tells it in hundredths of a second; zero
/// where it does not.
fn process_cpu() -> Duration {
    let hundredths = |stat: &str| {
        // The program's name, in brackets, may hold blanks; user and system time are the 12th and
        // 13th values behind it (proc(5)).
        let mut values = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user, system): (u64, u64) =
            (values.next()?.parse().ok()?, values.next()?.parse().ok()?);
        Some(user + system)
    };
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    Duration::from_millis(hundredths(&stat).unwrap_or(0) * 10)
}

/// The customer system's tables; none where it is not ours.
async fn snapshot(config: &Config) -> anyhow::Result<Snapshot> {
    let Some(path) = own_databases(config).into_iter().next() else {
        return Ok(Snapshot::default());
    };
    Snapshot::take(&path).await.with_context(|| format!("cannot read {}", path.display()))
}

struct Running<'s> {
    scenario: &'s Scenario,
    call: Talk,
    /// The latest turn; `None` until the call is answered.
    turn: Option<Turn>,
    actions: Vec<(String, String)>,
    handoff: Option<(HandoffReason, String)>,
    ended: Option<String>,
    ran: Ran,
}

impl<'s> Running<'s> {
    fn new(scenario: &'s Scenario, call: Talk, spoken: Option<Spoken>) -> Self {
        let ran = Ran {
            failures: Vec::new(),
            transcript: Vec::new(),
            turns: 0,
            handed_over: false,
            database_right: true,
            wrong_changes: Vec::new(),
            spoken,
        };
        let (turn, handoff, ended) = (None, None, None);
        Self { scenario, call, turn, actions: Vec::new(), handoff, ended, ran }
    }

    async fn step(&mut self, line: usize, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Crm(state) => {
                self.call.set_customer_system(*state);
                let told = match state {
                    CustomerSystem::Up => "works",
                    CustomerSystem::Down => "is down",
                    CustomerSystem::Silent => "answers no more",
                };
                self.tell("crm", told);
                return Ok(());
            }
            Step::Store(state) => {
                self.call.set_handoff_storage(*state);
                return Ok(());
            }
            _ => self.begin().await?,
        }
        if let Step::Expect(expect) = step {
            self.check(line, expect);
            return Ok(());
        }
        self.ran.turns += 1;
        if let Some(reason) = &self.ended {
            let got = format!("we had hung up: {reason}");
            self.fail(line, "a call that goes on".to_owned(), got);
            return Ok(());
        }
        let turn = match step {
            Step::Caller(words) => {
                let turn = self.call.say(words).await?;
                self.tell_words(words, &turn);
                turn
            }
            Step::Keys(keys) => {
                self.tell("keys", keys);
                self.call.key(keys).await?
            }
            _ => {
                self.tell("silence", "");
                self.call.keep_silent().await?
            }
        };
        self.take(turn);
        Ok(())
    }

    /// Answers the call, if it has not been answered yet.
    async fn begin(&mut self) -> anyhow::Result<()> {
        if self.turn.is_none() {
            let turn = self.call.start(self.scenario.caller_number.as_deref()).await?;
            self.take(turn);
        }
        Ok(())
    }

    /// What the caller said, what was heard of it, and what that was taken for.
    fn tell_words(&mut self, words: &str, turn: &Turn) {
        let understood = turn.understanding.as_ref().map(telling::understanding);
        let understood = understood.unwrap_or_default();
        let Some(spoken) = &mut self.ran.spoken else {
            return self.tell("caller", &format!("{words}   [{understood}]"));
        };
        let heard: Vec<&str> = turn.heard.iter().map(|heard| heard.text.as_str()).collect();
        spoken.turns.push(SaidAndHeard { said: words.to_owned(), heard: heard.join(" ") });
        self.tell("caller", words);
        self.tell("heard", &format!("{}   [{understood}]", heard_words(&turn.heard)));
    }

    fn tell(&mut self, who: &str, what: &str) {
        self.ran.transcript.push(format!("{who:<10} {what}").trim_end().to_owned());
    }

    fn take(&mut self, turn: Turn) {
        for event in &turn.events {
            match event {
                Event::Said(words) => self.tell("frontdoor", words),
                Event::Acted { action, result } => {
                    self.tell("action", &format!("{action}: {}", telling::result(result)));
                    let words = telling::result_words(result).to_owned();
                    self.actions.push((action.clone(), words));
                }
                Event::HandedOff { reason, queue, stored } => {
                    let told = telling::reason(*reason);
                    let stored = if *stored { "" } else { ", which could not be stored" };
                    self.tell("hand-off", &format!("{told}, to {queue}{stored}"));
                    self.handoff = Some((*reason, queue.clone()));
                    self.ran.handed_over = true;
                }
                Event::HungUp { reason } => {
                    self.tell("hangs up", reason);
                    self.ended = Some(reason.clone());
                }
            }
        }
        self.turn = Some(turn);
    }

    fn fail(&mut self, line: usize, expected: String, got: String) {
        self.ran.failures.push(Failure { line, expected, got });
    }

    fn check(&mut self, line: usize, expect: &Expect) {
        if let Some((expected, got)) = self.complaint(expect) {
            self.fail(line, expected, got);
        }
    }

    /// What was expected and what was got, where they differ.
    fn complaint(&self, expect: &Expect) -> Option<(String, String)> {
        match expect {
            Expect::Intent(wanted) => self.check_intent(wanted.as_deref()),
            Expect::Says(wanted) => self.check_said(wanted),
            Expect::NotSays(unwanted) => self.check_not_said(unwanted),
            Expect::Slot { name, value } => self.check_slot(name, value),
            Expect::Action { name, result } => {
                let ran = self.actions.iter().any(|(action, is)| action == name && is == result);
                let actions = self.actions.iter().map(|(action, is)| format!("{action} {is}"));
                let actions: Vec<String> = actions.collect();
                (!ran).then(|| (format!("action {name} {result}"), or_nothing(&actions.join(", "))))
            }
            Expect::Handoff(wanted) => {
                let told = |handoff: &Option<(HandoffReason, String)>| match handoff {
                    Some((reason, queue)) => {
                        format!("hand-off {} {queue}", telling::reason(*reason))
                    }
                    None => "no hand-off".to_owned(),
                };
                (*wanted != self.handoff).then(|| (told(wanted), told(&self.handoff)))
            }
            Expect::Ends(wanted) => {
                let told = |over: bool| if over { "we hang up" } else { "the call goes on" };
                let over = self.ended.is_some();
                (*wanted != over).then(|| (told(*wanted).to_owned(), told(over).to_owned()))
            }
        }
    }

    fn check_intent(&self, wanted: Option<&str>) -> Option<(String, String)> {
        let found = self.call.conversation().intent().map(|(name, _, _)| IntentName::as_str(name));
        if wanted == found {
            return None;
        }
        let heard = self.turn.as_ref().and_then(|turn| turn.understanding.as_ref());
        let heard = heard.map_or_else(String::new, |heard| {
            format!(" (last heard: {})", telling::understanding(heard))
        });
        let told = |intent: Option<&str>| intent.map_or("no intent".to_owned(), str::to_owned);
        Some((format!("intent {}", told(wanted)), format!("{}{heard}", told(found))))
    }

    /// Everything said since the caller's last turn.
    fn last_words(&self) -> String {
        let said = self.turn.iter().flat_map(Turn::said);
        said.collect::<Vec<_>>().join(" ")
    }

    fn check_said(&self, wanted: &str) -> Option<(String, String)> {
        let said = self.last_words();
        let found = said.to_lowercase().contains(&wanted.to_lowercase());
        (!found).then(|| (format!("says \"{wanted}\""), quoted_or_nothing(&said)))
    }

    fn check_not_said(&self, unwanted: &str) -> Option<(String, String)> {
        let said = self.last_words();
        let found = said.to_lowercase().contains(&unwanted.to_lowercase());
        found.then(|| (format!("does not say \"{unwanted}\""), quoted_or_nothing(&said)))
    }

    fn check_slot(&self, name: &str, wanted: &str) -> Option<(String, String)> {
        let found = self.call.slots().get(&SlotName::new(name));
        let found = found.map(|slot| slot.value.expose().as_str());
        if found == Some(wanted) {
            return None;
        }
        let got = found.map_or_else(|| format!("no {name}"), |value| format!("{name}={value}"));
        Some((format!("{name}={wanted}"), got))
    }

    /// Compares what became of the database.
    fn finish(mut self, happened: &[Change], today: &str) -> Ran {
        let scenario = self.scenario;
        let changes = &scenario.changes;
        let expected: Vec<ExpectedChange> =
            changes.iter().map(|(_, change)| change.on_day(today)).collect();
        let values = match self.ran.spoken {
            Some(_) => Values::AsHeard,
            None => Values::AsWritten,
        };
        let differences = compare(&expected, happened, values);
        let told: Vec<String> = happened.iter().map(ToString::to_string).collect();
        let told = if told.is_empty() { "no change".to_owned() } else { told.join("; ") };
        for place in &differences.missing {
            let (line, change) = &changes[*place];
            self.fail(*line, format!("database: {change}"), told.clone());
        }
        let line = changes.last().map_or(scenario.line, |(line, _)| *line);
        for change in &differences.surprising {
            self.fail(line, "no other change of the database".to_owned(), change.to_string());
        }
        self.ran.wrong_changes =
            differences.surprising.iter().map(|change| change.to_string()).collect();
        self.ran.database_right =
            differences.missing.is_empty() && differences.surprising.is_empty();
        self.ran
    }
}

/// `"I lost my card" (0.87), "yes" (0.64)`.
fn heard_words(heard: &[Heard]) -> String {
    let told = heard.iter().map(|heard| format!("\"{}\" ({:.2})", heard.text, heard.confidence));
    or_nothing(&told.collect::<Vec<_>>().join(", "))
}

fn or_nothing(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { text.to_owned() }
}

fn quoted_or_nothing(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("\"{text}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_is_told_with_its_confidence() {
        let heard = |text: &str, confidence| Heard { text: text.to_owned(), confidence };
        let both = [heard("my card", 0.874), heard("yes", 0.5)];
        assert_eq!(heard_words(&both), "\"my card\" (0.87), \"yes\" (0.50)");
        assert_eq!(heard_words(&[]), "nothing");
    }

    #[test]
    fn cpu_time_only_grows() {
        let before = process_cpu();
        assert!(process_cpu() >= before);
    }
}
