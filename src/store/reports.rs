//! What past calls add up to, and what callers said in them: for the people who edit the prompt
//! files.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};

use crate::base::{CallId, Pii};

use super::calls::stamp;
use super::{Store, StoreError};

/// The outcome of a call in which nothing was understood that was asked for.
pub const NOT_HELPED: &str = "not helped";

/// Which calls count, and what counts in them.
#[derive(Debug, Clone)]
pub struct ReportRules {
    /// Calls that arrived before do not.
    pub since: Timestamp,
    /// 0 to 1: how sure an intent must have been to count as understood.
    pub understood_from: f32,
    /// Actions that only check who is calling: nobody is served by them.
    pub checks: Vec<String>,
}

/// All calls together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallsReport {
    /// Calls that were taken.
    pub calls: usize,
    /// Of these, ended without a person, and something was understood in them.
    pub contained: usize,
    /// Of these, handed over to a person.
    pub handed_off: usize,
    /// Of these, nothing was understood of what was asked for, and nobody took over.
    pub not_helped: usize,
    /// Turns a call, of those that have ended.
    pub turns_mean: Option<f64>,
    /// Response latency that half of all turns do not exceed.
    pub latency_p50_ms: Option<u32>,
    /// Response latency that 95 of 100 turns do not exceed.
    pub latency_p95_ms: Option<u32>,
    /// By intent, the most frequent first.
    pub intents: Vec<IntentReport>,
}

/// The calls in which one thing was wanted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntentReport {
    /// The intent; `None` for what was not understood as any.
    pub intent: Option<String>,
    /// Calls in which it was wanted.
    pub calls: usize,
    /// Of these, an action was done for it.
    pub served: usize,
    /// Of these, handed over to a person because of it.
    pub handed_off: usize,
    /// Turns of which nothing could be made while it was in hand: each was followed by a re-ask,
    /// an offer of a person, or a person.
    pub failed_turns: usize,
    /// How sure its requests were, 0 to 1.
    pub confidence_mean: Option<f64>,
}

/// Something a caller said when anything could be said, nothing masked in it.
#[derive(Debug, Clone, PartialEq)]
pub struct UtteranceRecord {
    /// In which call.
    pub call: CallId,
    /// When, from answer.
    pub at_ms: u64,
    /// What.
    pub text: Pii<String>,
    /// The intent that it was most like.
    pub intent: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Above 0 is out of scope; `None` in records from before this was noted.
    pub out_of_scope: Option<f32>,
    /// Whether nothing could be made of it; `None` likewise.
    pub failed: Option<bool>,
    /// Hash of the prompt files in force.
    pub generation: String,
}

/// A line of a caller, as far as it counts.
struct Said {
    call: String,
    at_ms: i64,
    intent: Option<String>,
    confidence: f32,
    is_request: bool,
    failed: bool,
}

/// Something that belongs to a call and, by its time or itself, to an intent.
struct Mark<T> {
    call: String,
    what: T,
}

#[derive(Default)]
struct IntentTally {
    calls: BTreeSet<String>,
    served: BTreeSet<String>,
    handed_off: BTreeSet<String>,
    failed_turns: usize,
    confidences: Vec<f32>,
}

impl Store {
    /// What the calls since a time add up to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn calls_report(&self, rules: &ReportRules) -> Result<CallsReport, StoreError> {
        let mut reading = self.reading().await?;
        let failed = |error| self.unread(error);
        // One transaction, so that everything is of the same moment.
        let mut transaction = reading.connection().begin().await.map_err(failed)?;
        let since = stamp(rules.since);
        let mut rows = async |sql: &str| {
            sqlx::query(sql).bind(since.clone()).fetch_all(&mut *transaction).await
        };
        let calls = rows("SELECT id, turns, outcome FROM calls WHERE started_at >= ?").await;
        let calls = calls.map_err(failed)?;
        let lines = rows(
            "SELECT lines.call, at_ms, intent, intent_confidence, expected, failed
             FROM lines JOIN calls ON calls.id = lines.call
             WHERE calls.started_at >= ? AND speaker = 'caller'
             ORDER BY lines.call, at_ms, lines.id",
        )
        .await
        .map_err(failed)?;
        let actions = rows(
            "SELECT action_runs.call, at_ms, action
             FROM action_runs JOIN calls ON calls.id = action_runs.call
             WHERE calls.started_at >= ? AND action_runs.result = 'done'",
        )
        .await
        .map_err(failed)?;
        let handoffs = rows(
            "SELECT handoffs.call, json_extract(json, '$.intent.name') AS intent
             FROM handoffs JOIN calls ON calls.id = handoffs.call
             WHERE calls.started_at >= ?",
        )
        .await
        .map_err(failed)?;
        let turns = rows(
            "SELECT total_ms FROM turns JOIN calls ON calls.id = turns.call
             WHERE calls.started_at >= ? ORDER BY total_ms",
        )
        .await
        .map_err(failed)?;
        let lines: Vec<Said> = read(&lines, said).map_err(failed)?;
        let actions = read(&actions, done).map_err(failed)?;
        let handoffs = read(&handoffs, handed).map_err(failed)?;
        let latencies: Vec<u32> = read(&turns, |row| row.try_get("total_ms")).map_err(failed)?;
        let tallies = tally(&lines, &actions, &handoffs, rules);
        totals(&calls, &handoffs, tallies, &latencies).map_err(failed)
    }

    /// What callers said since a time when anything could be said, the latest calls first and the
    /// lines of each call in order. Lines in which something is masked are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn utterances(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<UtteranceRecord>, StoreError> {
        let mut session = self.session().await?;
        let failed = |error| self.failed(error);
        let rows = sqlx::query(
            "SELECT lines.call, at_ms, text, intent, intent_confidence, out_of_scope, failed,
                 generation
             FROM lines JOIN calls ON calls.id = lines.call
             WHERE calls.started_at >= ? AND speaker = 'caller' AND intent IS NOT NULL
                 AND coalesce(expected, 'request') = 'request'
                 AND instr(text, '[hidden]') = 0 AND instr(text, '[keys ') = 0
                 AND trim(text) <> ''
             ORDER BY calls.started_at DESC, lines.call, at_ms, lines.id
             LIMIT ?",
        )
        .bind(stamp(since))
        .bind(limit)
        .fetch_all(session.connection()?)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let call = self.parsed(row, "call", "call id")?;
                utterance(row, call).map_err(failed)
            })
            .collect()
    }
}

fn read<T>(
    rows: &[SqliteRow],
    one: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, sqlx::Error> {
    rows.iter().map(one).collect()
}

fn said(row: &SqliteRow) -> Result<Said, sqlx::Error> {
    let expected: Option<String> = row.try_get("expected")?;
    Ok(Said {
        call: row.try_get("call")?,
        at_ms: row.try_get("at_ms")?,
        intent: row.try_get("intent")?,
        confidence: row.try_get::<Option<f32>, _>("intent_confidence")?.unwrap_or(0.0),
        is_request: expected.is_none_or(|expected| expected == "request"),
        failed: row.try_get::<Option<bool>, _>("failed")?.unwrap_or(false),
    })
}

fn done(row: &SqliteRow) -> Result<Mark<(i64, String)>, sqlx::Error> {
    let what = (row.try_get("at_ms")?, row.try_get("action")?);
    Ok(Mark { call: row.try_get("call")?, what })
}

fn handed(row: &SqliteRow) -> Result<Mark<Option<String>>, sqlx::Error> {
    Ok(Mark { call: row.try_get("call")?, what: row.try_get("intent")? })
}

fn utterance(row: &SqliteRow, call: CallId) -> Result<UtteranceRecord, sqlx::Error> {
    Ok(UtteranceRecord {
        call,
        at_ms: row.try_get::<i64, _>("at_ms")?.unsigned_abs(),
        text: Pii::new(row.try_get("text")?),
        intent: row.try_get("intent")?,
        confidence: row.try_get::<Option<f32>, _>("intent_confidence")?.unwrap_or(0.0),
        out_of_scope: row.try_get("out_of_scope")?,
        failed: row.try_get("failed")?,
        generation: row.try_get("generation")?,
    })
}

/// Counts by intent. An action, and a turn that failed in the middle of a task, belong to what the
/// caller had asked for last. `said` is in the order of calls and times.
fn tally(
    said: &[Said],
    done: &[Mark<(i64, String)>],
    handed: &[Mark<Option<String>>],
    rules: &ReportRules,
) -> BTreeMap<Option<String>, IntentTally> {
    let mut tallies: BTreeMap<Option<String>, IntentTally> = BTreeMap::new();
    let mut wanted: BTreeMap<&str, Vec<(i64, &String)>> = BTreeMap::new();
    for line in said {
        let in_hand = wanted.entry(line.call.as_str()).or_default();
        let intent = match &line.intent {
            // A request that failed belongs to nothing.
            _ if line.failed && line.is_request => None,
            Some(intent) if line.is_request && line.confidence >= rules.understood_from => {
                in_hand.push((line.at_ms, intent));
                let tally = tallies.entry(Some(intent.clone())).or_default();
                tally.calls.insert(line.call.clone());
                tally.confidences.push(line.confidence);
                continue;
            }
            _ => in_hand.last().map(|(_, intent)| (*intent).clone()),
        };
        if line.failed {
            let tally = tallies.entry(intent).or_default();
            tally.calls.insert(line.call.clone());
            tally.failed_turns += 1;
        }
    }
    for Mark { call, what: (at_ms, action) } in done {
        let before = wanted.get(call.as_str()).into_iter().flatten();
        let last = before.rev().find(|(from_ms, _)| from_ms <= at_ms);
        if let Some((_, intent)) = last
            && !rules.checks.contains(action)
        {
            tallies.entry(Some((*intent).clone())).or_default().served.insert(call.clone());
        }
    }
    for Mark { call, what: intent } in handed {
        let tally = tallies.entry(intent.clone()).or_default();
        tally.calls.insert(call.clone());
        tally.handed_off.insert(call.clone());
    }
    tallies
}

fn totals(
    calls: &[SqliteRow],
    handed: &[Mark<Option<String>>],
    tallies: BTreeMap<Option<String>, IntentTally>,
    latencies: &[u32],
) -> Result<CallsReport, sqlx::Error> {
    let mut handed: BTreeSet<String> = handed.iter().map(|mark| mark.call.clone()).collect();
    let mut turns = Vec::new();
    let mut not_helped = 0;
    for row in calls {
        match row.try_get::<Option<String>, _>("outcome")?.as_deref() {
            // A hand-off that went into a file beside the database may not be in it yet.
            Some("handed off" | "transferred" | "bridged") => {
                handed.insert(row.try_get("id")?);
            }
            Some(NOT_HELPED) => not_helped += 1,
            _ => {}
        }
        turns.extend(row.try_get::<Option<u32>, _>("turns")?);
    }
    let understood: BTreeSet<&String> = tallies
        .iter()
        .filter(|(intent, _)| intent.is_some())
        .flat_map(|(_, tally)| &tally.calls)
        .collect();
    let contained = understood.iter().filter(|call| !handed.contains(**call)).count();
    let mut intents: Vec<IntentReport> = tallies
        .into_iter()
        .map(|(intent, tally)| IntentReport {
            intent,
            calls: tally.calls.len(),
            served: tally.served.len(),
            handed_off: tally.handed_off.len(),
            failed_turns: tally.failed_turns,
            confidence_mean: mean(tally.confidences.into_iter().map(f64::from)),
        })
        .collect();
    intents.sort_by_key(|report| std::cmp::Reverse(report.calls));
    Ok(CallsReport {
        calls: calls.len(),
        contained,
        handed_off: handed.len(),
        not_helped,
        turns_mean: mean(turns.into_iter().map(f64::from)),
        latency_p50_ms: percentile(latencies, 50),
        latency_p95_ms: percentile(latencies, 95),
        intents,
    })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

/// The value that this share of the sorted values does not exceed.
pub(super) fn percentile(sorted: &[u32], percent: usize) -> Option<u32> {
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).copied()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{ActionRunRecord, CallEnd, CallStart, Entry, LineRecord, TurnRecord};
    use super::*;
    use crate::acd::handoff::{Handoff, HandoffIntent, HandoffReason, HandoffSignals, SCHEMA};
    use crate::base::{ActionRunId, Termination, TerminationResult, TurnId};

    pub(in crate::store) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_775_000_000 + seconds).expect("in range")
    }

    /// A caller's line: when, what, understood as what and how surely, after which question, and
    /// whether it failed.
    fn line(at_ms: u64, text: &str, intent: (&str, f32), asked: &str, failed: bool) -> Entry {
        Entry::Line(LineRecord {
            at_ms,
            speaker: "caller".into(),
            text: Pii::new(text.into()),
            confidence: Some(0.9),
            intent: Some(intent.0.into()),
            intent_confidence: Some(intent.1),
            expected: Some(asked.into()),
            out_of_scope: Some(if failed { 0.5 } else { -0.5 }),
            failed: Some(failed),
        })
    }

    fn done(run: u32, at_ms: u64, action: &str) -> Entry {
        let (run, action, result) = (ActionRunId(run), action.into(), "done".into());
        Entry::Action(ActionRunRecord { run, at_ms, action, result, took_ms: 5 })
    }

    fn turn(turn: u32, total_ms: u32) -> Entry {
        Entry::Turn(TurnRecord { turn: TurnId(turn), total_ms, ..TurnRecord::default() })
    }

    async fn call(store: &Store, id: u128, outcome: &str, turns: u32, entries: &[Entry]) {
        let started_at = at(i64::try_from(id).expect("small"));
        let id = CallId::from_u128(id);
        let start = CallStart {
            id,
            started_at,
            caller: Pii::new("+15550123".into()),
            called: "100".into(),
            channel: "sip".into(),
            profile: "shop".into(),
            generation: "abc".into(),
        };
        store.begin_call(&start).await.expect("begins");
        store.append(id, entries).await.expect("appends");
        let end = CallEnd {
            ended_at: started_at,
            termination: Termination::new(TerminationResult::Success, "over"),
            recording: None,
            protection: None,
            turns,
            outcome: outcome.into(),
        };
        store.end_call(id, &end).await.expect("ends");
    }

    fn handoff(call: u128, intent: Option<&str>) -> Handoff {
        let intent = intent.map(|name| HandoffIntent {
            name: name.into(),
            confidence: 0.8,
            words: "words".into(),
        });
        Handoff {
            schema: SCHEMA.into(),
            call_id: CallId::from_u128(call).to_string(),
            when: "2026-04-02T10:00:00Z".into(),
            caller: "+15550123".into(),
            called: "100".into(),
            channel: "sip".into(),
            language: "en-US".into(),
            reason: HandoffReason::Asked,
            intent,
            slots: Vec::new(),
            verification: None,
            crm: None,
            actions: Vec::new(),
            transcript: Vec::new(),
            signals: HandoffSignals::default(),
            queue: "general".into(),
            skills: Vec::new(),
            priority: 5,
            summary: "Wanted something.".into(),
            generation: "abc".into(),
            promise: "callback".into(),
            reference: None,
        }
    }

    /// Call 1 is before the period; 2 is served, 3 hears something and leaves, 4 is handed over
    /// with its intent, 5 without any.
    pub(in crate::store) async fn five_calls() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("r.sqlite")).await.expect("opens");
        call(&store, 1, "served", 9, &[line(0, "old", ("return", 0.9), "request", false)]).await;
        let served = [
            line(1_000, "send it back", ("return", 0.8), "request", false),
            line(2_000, "uh what", ("hours", 0.2), "slot", true),
            done(1, 2_500, "shop.check"),
            line(3_000, "[hidden] seven", ("hours", 0.3), "slot", false),
            done(2, 3_500, "shop.return"),
            line(4_000, "when do you open", ("hours", 0.9), "request", false),
            turn(1, 400),
            turn(2, 600),
        ];
        call(&store, 2, "served", 3, &served).await;
        let left = [
            line(1_000, "are you open", ("hours", 0.7), "request", false),
            line(2_000, "what's [hidden]", ("hours", 0.1), "request", true),
            turn(1, 900),
        ];
        call(&store, 3, "answered", 1, &left).await;
        let returned = [
            line(1_000, "I want to return it", ("return", 0.6), "request", false),
            done(1, 1_500, "shop.check"),
        ];
        call(&store, 4, "handed off", 1, &returned).await;
        store.put_handoff(&handoff(4, Some("return"))).await.expect("kept");
        let lost = [line(500, "a boat", ("return", 0.3), "request", true)];
        call(&store, 5, "handed off", 1, &lost).await;
        store.put_handoff(&handoff(5, None)).await.expect("kept");
        (folder, store)
    }

    #[tokio::test]
    async fn calls_are_counted_by_what_was_wanted() {
        let (_folder, store) = five_calls().await;
        let rules = ReportRules {
            since: at(2),
            understood_from: 0.4,
            checks: vec!["shop.check".to_owned()],
        };
        let report = store.calls_report(&rules).await.expect("reports");
        assert_eq!((report.calls, report.contained, report.handed_off), (4, 2, 2));
        assert_eq!(report.turns_mean, Some(1.5));
        assert_eq!((report.latency_p50_ms, report.latency_p95_ms), (Some(600), Some(900)));
        let row = |intent: Option<&str>| {
            let of = |report: &&IntentReport| report.intent.as_deref() == intent;
            let found = report.intents.iter().find(of).expect("a row");
            (found.calls, found.served, found.handed_off, found.failed_turns)
        };
        assert_eq!(row(Some("return")), (2, 1, 1, 1), "a check serves nobody");
        assert_eq!(row(Some("hours")), (2, 0, 0, 0));
        assert_eq!(row(None), (2, 0, 1, 2));
        let sure = report.intents.iter().find(|one| one.intent.as_deref() == Some("return"));
        let mean = sure.and_then(|one| one.confidence_mean).expect("a mean");
        assert!((mean - 0.7).abs() < 1e-6, "{mean}");

        // A goodbye is no request, and one that was refused was not understood.
        let refused = [
            line(1_000, "sell me a boat", ("return", 0.5), "request", true),
            Entry::Line(LineRecord {
                at_ms: 2_000,
                speaker: "caller".into(),
                text: Pii::new("goodbye".into()),
                confidence: Some(0.9),
                intent: None,
                intent_confidence: None,
                expected: Some("request".into()),
                out_of_scope: Some(-0.5),
                failed: Some(false),
            }),
        ];
        call(&store, 6, NOT_HELPED, 2, &refused).await;
        let report = store.calls_report(&rules).await.expect("reports");
        assert_eq!((report.calls, report.contained, report.not_helped), (5, 2, 1));

        let none = ReportRules { since: at(900), ..rules };
        let empty = store.calls_report(&none).await.expect("reports");
        assert_eq!((empty.calls, empty.latency_p50_ms, empty.turns_mean), (0, None, None));
        assert!(empty.intents.is_empty());
    }

    #[tokio::test]
    async fn utterances_are_requests_with_nothing_masked() {
        let (_folder, store) = five_calls().await;
        let said = store.utterances(at(2), 10).await.expect("reads");
        let texts: Vec<&str> = said.iter().map(|one| one.text.expose().as_str()).collect();
        assert_eq!(
            texts,
            ["a boat", "I want to return it", "are you open", "send it back", "when do you open"]
        );
        assert_eq!(said[0].failed, Some(true));
        assert_eq!(said[0].call, CallId::from_u128(5));
        assert_eq!(said[0].intent, "return");
        assert_eq!(store.utterances(at(0), 2).await.expect("reads").len(), 2);
        assert!(!format!("{said:?}").contains("boat"));
    }
}
