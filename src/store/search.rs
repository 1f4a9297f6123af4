//! Looking for past calls, page by page.
//!
//! Looking through what was said takes its time, so it is done on connections of its own, which
//! only read: calls in progress are recorded meanwhile, and hand-offs stored.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::base::{CallId, Pii};

use super::calls::{CALL_COLUMNS, stamp};
use super::record::CallSummary;
use super::{Store, StoreError};

/// What came of a call, as it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchedOutcome {
    /// Something was understood, and no person was needed.
    Contained,
    /// A person got it.
    HandedOff,
    /// The caller left before anything was understood.
    Abandoned,
    /// We or another system failed, or nothing was understood of what was asked for.
    Failed,
}

/// Which calls are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallSearch {
    /// Something that was said, a part of a number or address, or the first digits of a call's id.
    pub text: Option<Pii<String>>,
    /// Those that arrived then or later.
    pub from: Option<Timestamp>,
    /// Those that arrived before.
    pub to: Option<Timestamp>,
    /// Those of which this came.
    pub outcome: Option<SearchedOutcome>,
    /// Those behind this place.
    pub before: Option<CallPlace>,
    /// So many at most.
    pub limit: u32,
}

/// A place in the list of all calls, the latest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPlace {
    started_at: String,
    id: CallId,
}

/// Written as one word, to be given back as it is.
impl fmt::Display for CallPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.started_at, self.id)
    }
}

/// The word is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not what an answer before gave as `next`")]
pub struct ParseCallPlaceError;

impl FromStr for CallPlace {
    type Err = ParseCallPlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (started_at, id) = text.split_once('_').ok_or(ParseCallPlaceError)?;
        let at: Timestamp = started_at.parse().map_err(|_| ParseCallPlaceError)?;
        let id = id.parse().map_err(|_| ParseCallPlaceError)?;
        Ok(Self { started_at: stamp(at), id })
    }
}

/// A call that was found.
#[derive(Debug, Clone)]
pub struct FoundCall {
    /// The call.
    pub summary: CallSummary,
    /// What the caller wanted, as far as it was understood; each once.
    pub intents: Vec<String>,
    /// A person got it.
    pub handed_off: bool,
}

impl FoundCall {
    /// Where it stands in the list of all calls.
    pub fn place(&self) -> CallPlace {
        CallPlace { started_at: stamp(self.summary.started_at), id: self.summary.id }
    }
}

/// Requests of the caller that were understood; `?1` is how sure that has to be.
const UNDERSTOOD: &str = "FROM lines WHERE lines.call = calls.id AND speaker = 'caller'
    AND intent IS NOT NULL AND intent_confidence >= ?1
    AND coalesce(expected, 'request') = 'request' AND coalesce(failed, 0) = 0";

/// Whether a person got the call. Of a hand-off that went into a file beside the database only the
/// call's outcome may know.
const HANDED_OFF: &str = "(EXISTS (SELECT 1 FROM handoffs WHERE handoffs.call = calls.id)
    OR coalesce(outcome, '') IN ('handed off', 'transferred', 'bridged'))";

const FAILED: &str = "(coalesce(result, '') IN ('our error', 'upstream error') OR coalesce(outcome, '') = 'not helped')";

/// A condition on calls with this outcome.
fn condition(outcome: Option<SearchedOutcome>) -> String {
    let understood = format!("EXISTS (SELECT 1 {UNDERSTOOD})");
    match outcome {
        None => "1".to_owned(),
        Some(SearchedOutcome::Contained) => format!("{understood} AND NOT {HANDED_OFF}"),
        Some(SearchedOutcome::HandedOff) => HANDED_OFF.to_owned(),
        Some(SearchedOutcome::Abandoned) => {
            format!(
                "ended_at IS NOT NULL AND NOT {understood} AND NOT {HANDED_OFF} AND NOT {FAILED}"
            )
        }
        Some(SearchedOutcome::Failed) => FAILED.to_owned(),
    }
}

/// The digits of something that is written like a telephone number.
fn digits_of(text: &str) -> Option<String> {
    let is_written_so = |c: char| c.is_ascii_digit() || " +-()./".contains(c);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (text.chars().all(is_written_so) && !digits.is_empty()).then_some(digits)
}

impl Store {
    /// Calls that are looked for, the latest first. `understood_from` says how sure an intent must
    /// have been to count as understood, 0 to 1.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn search_calls(
        &self,
        search: &CallSearch,
        understood_from: f32,
    ) -> Result<Vec<FoundCall>, StoreError> {
        let text = search.text.as_ref().map(|text| text.expose().trim().to_ascii_lowercase());
        let text = text.filter(|text| !text.is_empty());
        let digits = text.as_deref().and_then(digits_of);
        let condition = condition(search.outcome);
        let before = search.before.as_ref();
        let mut reading = self.reading().await?;
        let sql = format!(
            "SELECT {CALL_COLUMNS}, {HANDED_OFF} AS handed_off,
                 (SELECT json_group_array(DISTINCT intent) {UNDERSTOOD}) AS intents
             FROM calls
             WHERE started_at >= coalesce(?2, '') AND started_at < coalesce(?3, '9999')
                 AND (started_at, id) < (coalesce(?4, '9999'), coalesce(?5, ''))
                 AND (?6 IS NULL OR substr(id, 1, length(?6)) = ?6
                     OR instr(lower(caller), ?6) > 0 OR instr(lower(called), ?6) > 0
                     OR instr(caller, ?7) > 0
                     OR EXISTS (SELECT 1 FROM lines
                         WHERE lines.call = calls.id AND instr(lower(text), ?6) > 0))
                 AND {condition}
             ORDER BY started_at DESC, id DESC LIMIT ?8"
        );
        let rows = sqlx::query(&sql)
            .bind(understood_from)
            .bind(search.from.map(stamp))
            .bind(search.to.map(stamp))
            .bind(before.map(|place| place.started_at.clone()))
            .bind(before.map(|place| place.id.to_string()))
            .bind(text)
            .bind(digits)
            .bind(search.limit)
            .fetch_all(reading.connection())
            .await
            .map_err(|error| reading.failed(error))?;
        rows.iter().map(|row| self.found(row)).collect()
    }

    fn found(&self, row: &SqliteRow) -> Result<FoundCall, StoreError> {
        let intents: Option<String> = row.try_get("intents").map_err(|error| self.failed(error))?;
        let senseless =
            |_| StoreError::Senseless { path: self.inner.path.clone(), what: "list of intents" };
        let intents = intents.as_deref().map(serde_json::from_str).transpose();
        Ok(FoundCall {
            summary: self.summary(row)?,
            intents: intents.map_err(senseless)?.unwrap_or_default(),
            handed_off: row.try_get("handed_off").map_err(|error| self.failed(error))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reports::tests::{at, five_calls};
    use super::*;

    async fn found(store: &Store, search: CallSearch) -> Vec<u128> {
        let search = CallSearch { limit: search.limit.max(1), ..search };
        let calls = store.search_calls(&search, 0.4).await.expect("looks");
        calls.iter().map(|call| call.summary.id.to_u128()).collect()
    }

    fn text(text: &str) -> CallSearch {
        CallSearch { text: Some(Pii::new(text.to_owned())), limit: 50, ..CallSearch::default() }
    }

    #[tokio::test]
    async fn calls_are_found_by_words_numbers_times_and_what_came_of_them() {
        let (_folder, store) = five_calls().await;
        let all = CallSearch { limit: 50, ..CallSearch::default() };
        assert_eq!(found(&store, all.clone()).await, [5, 4, 3, 2, 1]);
        for (wanted, calls) in [
            ("OPEN", &[3, 2][..]),
            ("return it", &[4]),
            ("a zebra", &[]),
            (" ", &[5, 4, 3, 2, 1]),
            ("555 01-23", &[5, 4, 3, 2, 1]),
            ("+1 (555) 9", &[]),
            ("00000000000000000000000000000003", &[3]),
            ("100%", &[]),
        ] {
            assert_eq!(found(&store, text(wanted)).await, calls, "{wanted}");
        }
        let between = CallSearch { from: Some(at(2)), to: Some(at(4)), ..all.clone() };
        assert_eq!(found(&store, between).await, [3, 2]);
        for (outcome, calls) in [
            (SearchedOutcome::Contained, &[3, 2, 1][..]),
            (SearchedOutcome::HandedOff, &[5, 4]),
            (SearchedOutcome::Abandoned, &[]),
            (SearchedOutcome::Failed, &[]),
        ] {
            let search = CallSearch { outcome: Some(outcome), ..all.clone() };
            assert_eq!(found(&store, search).await, calls, "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn pages_follow_each_other_whatever_comes_meanwhile() {
        let (_folder, store) = five_calls().await;
        let search = CallSearch { limit: 2, ..CallSearch::default() };
        let first = store.search_calls(&search, 0.4).await.expect("looks");
        let place: CallPlace = first[1].place().to_string().parse().expect("as it was given");
        assert_eq!((first.len(), first[1].handed_off), (2, true));
        assert_eq!(first[1].intents, ["return"]);
        let search = CallSearch { before: Some(place), ..search };
        assert_eq!(found(&store, search).await, [3, 2]);
        for wrong in ["", "_", "x_y", "2026-04-02T10:00:00Z", "2026-04-02T10:00:00Z_7"] {
            assert_eq!(wrong.parse::<CallPlace>(), Err(ParseCallPlaceError), "{wrong}");
        }
    }

    #[tokio::test]
    async fn who_looks_holds_up_nobody() {
        let (_folder, store) = five_calls().await;
        // Somebody holds the connection that writes.
        let writing = store.session().await.expect("a session");
        assert_eq!(found(&store, text("boat")).await, [5]);
        drop(writing);
    }
}
