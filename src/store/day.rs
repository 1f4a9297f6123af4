//! What the calls since a time of day add up to, for those who watch how it goes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::Row;

use super::calls::stamp;
use super::reports::{CallsReport, ReportRules, percentile};
use super::{Store, StoreError};

/// Parts of the response latency, in their order, as columns of `turns`.
const PARTS: [&str; 7] =
    ["network", "endpoint", "transcribe", "understand", "act", "voice", "playout"];

/// How long one part of the response takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLatency {
    /// `network`, `endpoint`, `transcribe`, `understand`, `act`, `voice` or `playout`.
    pub part: &'static str,
    /// What half of all turns do not exceed.
    pub p50_ms: u32,
    /// What 95 of 100 turns do not exceed.
    pub p95_ms: u32,
}

/// What the calls since a time add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct DayReport {
    /// Calls, containment and latencies.
    pub calls: CallsReport,
    /// Why people took over, as hand-offs name it, the most frequent first.
    pub reasons: Vec<(String, usize)>,
    /// By part; none before the first turn.
    pub parts: Vec<PartLatency>,
    /// When each call arrived.
    pub began: Vec<Timestamp>,
}

impl Store {
    /// What the calls since a time add up to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn day_report(&self, rules: &ReportRules) -> Result<DayReport, StoreError> {
        let calls = self.calls_report(rules).await?;
        let mut reading = self.reading().await?;
        let since = stamp(rules.since);
        let reasons = sqlx::query(
            "SELECT json_extract(json, '$.reason') AS reason, count(*) AS count
             FROM handoffs JOIN calls ON calls.id = handoffs.call
             WHERE calls.started_at >= ? GROUP BY reason ORDER BY count DESC, reason",
        )
        .bind(&since)
        .fetch_all(reading.connection())
        .await
        .map_err(|error| reading.failed(error))?;
        let turns = sqlx::query(
            "SELECT network_ms, endpoint_ms, transcribe_ms, understand_ms, act_ms, voice_ms, playout_ms
             FROM turns JOIN calls ON calls.id = turns.call WHERE calls.started_at >= ?",
        )
        .bind(&since)
        .fetch_all(reading.connection())
        .await
        .map_err(|error| reading.failed(error))?;
        let began = sqlx::query("SELECT started_at FROM calls WHERE started_at >= ?")
            .bind(&since)
            .fetch_all(reading.connection())
            .await
            .map_err(|error| reading.failed(error))?;
        let mut times: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
        for row in &turns {
            for (index, part) in PARTS.into_iter().enumerate() {
                let ms: u32 = row.try_get(index).map_err(|error| reading.failed(error))?;
                times.entry(part).or_default().push(ms);
            }
        }
        let reason = |row: &sqlx::sqlite::SqliteRow| {
            let count: i64 = row.try_get("count")?;
            Ok((row.try_get("reason")?, usize::try_from(count).unwrap_or(0)))
        };
        Ok(DayReport {
            calls,
            reasons: reasons
                .iter()
                .map(reason)
                .collect::<Result<_, sqlx::Error>>()
                .map_err(|error| reading.failed(error))?,
            parts: PARTS
                .into_iter()
                .filter_map(|part| latency(part, times.get_mut(part)?))
                .collect(),
            began: began
                .iter()
                .map(|row| self.parsed(row, "started_at", "time"))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn latency(part: &'static str, times: &mut [u32]) -> Option<PartLatency> {
    times.sort_unstable();
    Some(PartLatency { part, p50_ms: percentile(times, 50)?, p95_ms: percentile(times, 95)? })
}

#[cfg(test)]
mod tests {
    use super::super::reports::tests::{at, five_calls};
    use super::*;

    #[tokio::test]
    async fn a_day_has_its_reasons_parts_and_hours() {
        let (_folder, store) = five_calls().await;
        let rules = ReportRules { since: at(2), understood_from: 0.4, checks: Vec::new() };
        let day = store.day_report(&rules).await.expect("reports");
        assert_eq!((day.calls.calls, day.calls.contained, day.calls.handed_off), (4, 2, 2));
        assert_eq!(day.reasons, [("asked".to_owned(), 2)]);
        assert_eq!(day.began.len(), 4);
        let names: Vec<&str> = day.parts.iter().map(|part| part.part).collect();
        assert_eq!(names, PARTS);
        assert!(day.parts.iter().all(|part| part.p50_ms == 0 && part.p95_ms == 0));
        let nothing = ReportRules { since: at(900), ..rules };
        let day = store.day_report(&nothing).await.expect("reports");
        assert!(day.reasons.is_empty() && day.parts.is_empty() && day.began.is_empty());
    }

    #[test]
    fn a_part_is_told_by_what_most_turns_do_not_exceed() {
        let mut times: Vec<u32> = (1..=100).rev().collect();
        let part = latency("voice", &mut times).expect("there are turns");
        assert_eq!((part.p50_ms, part.p95_ms), (50, 95));
        assert_eq!(latency("voice", &mut []), None);
    }
}
