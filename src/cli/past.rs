//! What commands that look back at past calls have in common.

use std::io::{self, Write};

use anyhow::{Context, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::base::Pii;
use crate::config::Config;
use crate::engine::models::ModelStore;
use crate::nlu::{ConfidencePolicy, Understanding};
use crate::server::{Trainer, rules};
use crate::store::{Reveal, Store};

/// Which calls are looked at.
#[derive(Debug, Args)]
pub(super) struct PeriodArgs {
    /// Look at the calls of the last so many days
    #[arg(
        long,
        default_value_t = 30,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3_650)
    )]
    pub since: u32,
}

impl PeriodArgs {
    /// When the period began.
    pub fn began(&self) -> Timestamp {
        let length = SignedDuration::from_hours(24 * i64::from(self.since));
        Timestamp::now().checked_sub(length).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// `last 30 days`.
    pub fn name(&self) -> String {
        match self.since {
            1 => "last day".to_owned(),
            days => format!("last {days} days"),
        }
    }
}

/// Opens the records; fails if nothing has been recorded yet.
pub(super) async fn open_records(config: &Config) -> anyhow::Result<Store> {
    let path = config.store_path();
    if !path.exists() {
        bail!(
            "{}: no call has been recorded yet. Take calls with: frontdoor serve",
            path.display()
        );
    }
    Ok(Store::open(&path).await?)
}

/// Loads what classifiers are trained with.
pub(super) fn open_trainer(config: &Config) -> anyhow::Result<Trainer> {
    let models = ModelStore::open(config.models.cache_dir.clone())?;
    Trainer::open(&models, &config.understanding.encoder).context("cannot classify")
}

/// What an utterance is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is this, or at least asked about.
    Intent(String),
    /// Nothing is likely enough.
    NotUnderstood,
    /// None of our business.
    OutOfScope,
}

impl Verdict {
    /// By the classifier's view of it.
    pub fn of(understanding: &Understanding, policy: &ConfidencePolicy) -> Self {
        let top = understanding.top().map(|top| (top.intent.as_str(), top.confidence));
        let (intent, confidence) = top.unwrap_or_default();
        Self::of_score(intent, confidence, Some(understanding.out_of_scope), policy)
    }

    /// By the most likely intent, and how far out of scope it is if that is known.
    pub fn of_score(
        intent: &str,
        confidence: f32,
        out_of_scope: Option<f32>,
        policy: &ConfidencePolicy,
    ) -> Self {
        if policy.refuses(confidence, out_of_scope.unwrap_or_default()) {
            Self::OutOfScope
        } else if confidence < policy.confirm {
            Self::NotUnderstood
        } else {
            Self::Intent(intent.to_owned())
        }
    }

    /// The intent, or why there is none.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Intent(intent) => intent,
            Self::NotUnderstood => "not understood",
            Self::OutOfScope => "out of scope",
        }
    }
}

/// The confidences from which this configuration acts on an intent, or asks about it.
pub(super) fn policy(config: &Config) -> ConfidencePolicy {
    rules(config).policy
}

/// What was said, in quotes, or how many words it has.
pub(super) fn quoted(text: &Pii<String>, reveal: Reveal) -> String {
    match reveal {
        Reveal::Full => format!("\"{}\"", text.expose()),
        Reveal::Masked => reveal.text(text),
    }
}

/// `61.2` seconds into a call as `1:01`.
pub(super) fn minutes(at_ms: u64) -> String {
    format!("{}:{:02}", at_ms / 60_000, at_ms / 1_000 % 60)
}

/// `1 call`, `2 calls`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Writes a report as JSON.
pub(super) fn write_json(out: &mut impl Write, value: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{value:#}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::CallId;
    use crate::store::CallStart;

    /// A call as it begins, for what looks back at it.
    pub fn call_start(id: CallId) -> CallStart {
        CallStart {
            id,
            started_at: Timestamp::from_second(1_775_000_000).expect("valid"),
            caller: Pii::new("5550123".into()),
            called: "100".into(),
            channel: "sip".into(),
            profile: "bank".into(),
            generation: "g1".into(),
        }
    }

    #[test]
    fn a_verdict_follows_the_policy() {
        let policy = ConfidencePolicy { confirm: 0.3, ..ConfidencePolicy::default() };
        for (confidence, out_of_scope, expected) in [
            (0.9, Some(-1.0), "return"),
            (0.3, Some(-1.0), "return"),
            (0.29, Some(-1.0), "not understood"),
            (0.9, Some(0.1), "out of scope"),
            (0.1, Some(0.1), "out of scope"),
            (0.98, Some(0.1), "return"),
            (0.9, None, "return"),
        ] {
            let verdict = Verdict::of_score("return", confidence, out_of_scope, &policy);
            assert_eq!(verdict.as_str(), expected, "{confidence} {out_of_scope:?}");
        }
        let nothing = Understanding::of(Vec::new(), -1.0);
        assert_eq!(Verdict::of(&nothing, &policy), Verdict::NotUnderstood);
    }

    #[test]
    fn words_for_counts_and_times() {
        assert_eq!(counted(1, "call", "calls"), "1 call");
        assert_eq!(counted(0, "call", "calls"), "0 calls");
        assert_eq!(minutes(61_250), "1:01");
        assert_eq!(PeriodArgs { since: 1 }.name(), "last day");
        assert_eq!(PeriodArgs { since: 7 }.name(), "last 7 days");
    }
}
