//! `frontdoor replay`: what callers said before, understood by edited prompt files.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::base::CallId;
use crate::config::Config;
use crate::engine::understanding::{Phrase, Understander};
use crate::nlu::{ConfidencePolicy, Understanding};
use crate::server::{Lessons, Trainer, load_profile};
use crate::store::{Reveal, UtteranceRecord};

use super::past::{
    PeriodArgs, Verdict, counted, minutes, open_records, open_trainer, policy, quoted, write_json,
};

/// Arguments of `frontdoor replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Compare the configured profile's files with those in this folder; without it, what was
    /// understood in the calls is compared with the configured profile's files as they are now
    #[arg(long, value_name = "FOLDER")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    period: PeriodArgs,
    /// Most utterances, the latest calls' first
    #[arg(
        long,
        default_value_t = 1_000,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    limit: u32,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Show what was said; it is masked otherwise
    #[arg(long)]
    reveal: bool,
}

/// What an utterance is taken for by one set of files.
#[derive(Debug, Clone, PartialEq)]
struct Taken {
    verdict: Verdict,
    /// The intent that it is most like.
    nearest: String,
    confidence: f32,
}

impl Taken {
    fn of(understanding: &Understanding, policy: &ConfidencePolicy) -> Self {
        let top = understanding.top();
        Self {
            verdict: Verdict::of(understanding, policy),
            nearest: top.map_or_else(String::new, |top| top.intent.as_str().to_owned()),
            confidence: top.map_or(0.0, |top| top.confidence),
        }
    }

    fn recorded(said: &UtteranceRecord, policy: &ConfidencePolicy) -> Self {
        let (intent, confidence) = (said.intent.as_str(), said.confidence);
        Self {
            verdict: Verdict::of_score(intent, confidence, said.out_of_scope, policy),
            nearest: said.intent.clone(),
            confidence,
        }
    }

    fn shown(&self) -> String {
        match &self.verdict {
            Verdict::Intent(intent) => format!("{intent} {:.2}", self.confidence),
            other => format!("{} (most like {})", other.as_str(), self.nearest),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "verdict": self.verdict.as_str(),
            "nearest": self.nearest,
            "confidence": self.confidence,
        })
    }
}

/// An utterance with what it was and would be taken for.
struct Replayed {
    said: UtteranceRecord,
    before: Taken,
    after: Taken,
}

impl Replayed {
    fn is_changed(&self) -> bool {
        self.before.verdict != self.after.verdict
    }
}

/// How many utterances would change, and how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    utterances: usize,
    changed: usize,
    other_intent: usize,
    now_understood: usize,
    no_longer_understood: usize,
    into_scope: usize,
    out_of_scope: usize,
}

impl Summary {
    fn of(replayed: &[Replayed]) -> Self {
        let mut summary = Self { utterances: replayed.len(), ..Self::default() };
        for one in replayed.iter().filter(|one| one.is_changed()) {
            summary.changed += 1;
            let (before, after) = (&one.before.verdict, &one.after.verdict);
            match (before, after) {
                (Verdict::Intent(_), Verdict::Intent(_)) => summary.other_intent += 1,
                (_, Verdict::Intent(_)) => summary.now_understood += 1,
                (Verdict::Intent(_), _) => summary.no_longer_understood += 1,
                _ => {}
            }
            summary.into_scope += usize::from(*before == Verdict::OutOfScope);
            summary.out_of_scope += usize::from(*after == Verdict::OutOfScope);
        }
        summary
    }
}

/// Runs `frontdoor replay`.
///
/// # Errors
/// There are no records, a profile is refused, or the models are missing.
pub async fn run(args: ReplayArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let store = open_records(config).await?;
    let mut said = store.utterances(args.period.began(), args.limit).await?;
    store.close().await?;
    // Nothing to classify by; such a line is out of scope whatever the files say.
    said.retain(|one| one.text.expose().contains(char::is_alphanumeric));
    let trainer = open_trainer(config)?;
    let policy = policy(config);
    let present = train(config, &trainer)?;
    let edited = match &args.profile {
        None => None,
        Some(folder) => {
            let mut config = config.clone();
            config.server.profile = std::path::absolute(folder)?;
            Some(train(&config, &trainer)?)
        }
    };
    let texts: Vec<&str> = said.iter().map(|one| one.text.expose().as_str()).collect();
    // Both classifiers look at a sentence in the same way.
    let phrases = present.phrases(&texts, None)?;
    let by =
        |files: &Understander, phrase: &Phrase| Taken::of(&files.head().classify(phrase), &policy);
    let replayed: Vec<Replayed> = said
        .into_iter()
        .zip(&phrases)
        .map(|(said, phrase)| {
            let (before, after) = match &edited {
                None => (Taken::recorded(&said, &policy), by(&present, phrase)),
                Some(edited) => (by(&present, phrase), by(edited, phrase)),
            };
            Replayed { said, before, after }
        })
        .collect();
    let reveal = if args.reveal { Reveal::Full } else { Reveal::Masked };
    if args.json {
        write_json(out, &to_json(&replayed, reveal))?;
    } else {
        show(out, &replayed, &args.period.name(), reveal)?;
    }
    Ok(())
}

/// The classifier of the configured profile's files as they are now.
fn train(config: &Config, trainer: &Trainer) -> anyhow::Result<Understander> {
    let (generation, _) = load_profile(config)?;
    Ok(trainer.train(&Lessons::of(&generation))?)
}

fn to_json(replayed: &[Replayed], reveal: Reveal) -> Value {
    let summary = Summary::of(replayed);
    let changes: Vec<Value> = replayed
        .iter()
        .filter(|one| one.is_changed())
        .map(|one| {
            json!({
                "call": one.said.call.to_string(),
                "at_ms": one.said.at_ms,
                "text": reveal.text(&one.said.text),
                "before": one.before.to_json(),
                "after": one.after.to_json(),
            })
        })
        .collect();
    json!({
        "utterances": summary.utterances,
        "changed": summary.changed,
        "other_intent": summary.other_intent,
        "now_understood": summary.now_understood,
        "no_longer_understood": summary.no_longer_understood,
        "from_out_of_scope": summary.into_scope,
        "to_out_of_scope": summary.out_of_scope,
        "changes": changes,
    })
}

fn show(
    out: &mut impl Write,
    replayed: &[Replayed],
    period: &str,
    reveal: Reveal,
) -> io::Result<()> {
    if replayed.is_empty() {
        return writeln!(out, "Nothing that callers said in the {period} can be replayed.");
    }
    let mut call: Option<CallId> = None;
    for one in replayed.iter().filter(|one| one.is_changed()) {
        if call != Some(one.said.call) {
            writeln!(out, "call {}", one.said.call)?;
            call = Some(one.said.call);
        }
        let text = quoted(&one.said.text, reveal);
        writeln!(out, "  {:>6}  {text}", minutes(one.said.at_ms))?;
        writeln!(out, "          {}  ->  {}", one.before.shown(), one.after.shown())?;
    }
    let summary = Summary::of(replayed);
    if summary.changed > 0 {
        writeln!(out)?;
    }
    let all = counted(summary.utterances, "utterance", "utterances");
    writeln!(out, "{all} of the {period}, of which {} would change", summary.changed)?;
    let parts = [
        ("understood as something else", summary.other_intent),
        ("understood, and were not", summary.now_understood),
        ("no longer understood", summary.no_longer_understood),
        ("from out of scope", summary.into_scope),
        ("to out of scope", summary.out_of_scope),
    ];
    for (name, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
        writeln!(out, "  {count:>6}  {name}")?;
    }
    if summary.changed > 0 && reveal == Reveal::Masked {
        writeln!(out, "--reveal shows what was said.")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pii;

    fn taken(verdict: Verdict, confidence: f32) -> Taken {
        Taken { verdict, nearest: "return".to_owned(), confidence }
    }

    fn intent(name: &str) -> Verdict {
        Verdict::Intent(name.to_owned())
    }

    fn replayed(call: u128, before: Verdict, after: Verdict) -> Replayed {
        let said = UtteranceRecord {
            call: CallId::from_u128(call),
            at_ms: 61_250,
            text: Pii::new("send it back".to_owned()),
            intent: "return".to_owned(),
            confidence: 0.8,
            out_of_scope: Some(-1.0),
            failed: Some(false),
            generation: "abc".to_owned(),
        };
        Replayed { said, before: taken(before, 0.8), after: taken(after, 0.6) }
    }

    fn some() -> Vec<Replayed> {
        vec![
            replayed(1, intent("return"), intent("return")),
            replayed(1, intent("return"), intent("hours")),
            replayed(1, Verdict::OutOfScope, intent("hours")),
            replayed(2, intent("return"), Verdict::OutOfScope),
            replayed(2, Verdict::NotUnderstood, Verdict::OutOfScope),
        ]
    }

    #[test]
    fn changes_are_counted_by_kind() {
        let expected = Summary {
            utterances: 5,
            changed: 4,
            other_intent: 1,
            now_understood: 1,
            no_longer_understood: 1,
            into_scope: 1,
            out_of_scope: 2,
        };
        assert_eq!(Summary::of(&some()), expected);
    }

    #[test]
    fn what_was_said_is_shown_only_when_asked_for() {
        let shown = |reveal| {
            let mut out = Vec::new();
            show(&mut out, &some(), "last 7 days", reveal).expect("writes to memory");
            String::from_utf8(out).expect("text")
        };
        let masked = shown(Reveal::Masked);
        assert!(!masked.contains("send it back"), "{masked}");
        assert!(masked.contains("[3 words]") && masked.contains("--reveal"), "{masked}");
        assert!(masked.contains("return 0.80  ->  hours 0.60"), "{masked}");
        assert!(masked.contains("->  out of scope (most like return)"), "{masked}");
        assert!(masked.contains("5 utterances of the last 7 days, of which 4 would"), "{masked}");
        assert_eq!(masked.matches("call 0").count(), 2, "{masked}");
        let full = shown(Reveal::Full);
        assert!(full.contains("  1:01  \"send it back\""), "{full}");
        let json = to_json(&some(), Reveal::Masked);
        assert_eq!(json["changes"][0]["text"], "[3 words]");
        assert_eq!(json["to_out_of_scope"], 2);
    }
}
