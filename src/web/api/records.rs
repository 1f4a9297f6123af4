//! `/api/ops/calls`: past calls, to be looked for, read and heard.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::{CallId, Pii};
use crate::store::{AuditAction, CallPlace, CallRecord, CallSearch, SearchedOutcome, StoreError};
use crate::web::Web;
use crate::web::auth::Operations;
use crate::web::error::{ApiError, ErrorBody, ForSignedIn};
use crate::web::file::{self, Wanted};
use crate::web::input::{PathPart, QueryPart};
use crate::web::record_view::{CallLine, RecordView};

/// Calls of one answer, unless fewer or more are asked for.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// What is looked for; nobody types more.
const TEXT_LEN_MAX: usize = 200;

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(search)).routes(routes!(call)).routes(routes!(recording))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Something that was said, a part of a number or address, or the first digits of a call's id.
    text: Option<String>,
    /// The first day (`2026-04-02`, in the server's time zone), or a time (RFC 3339).
    from: Option<String>,
    /// The last day, or a time before which they arrived.
    to: Option<String>,
    /// What came of them.
    #[param(inline)]
    outcome: Option<OutcomeWord>,
    /// `next` of the answer before.
    before: Option<String>,
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeWord {
    /// Something was understood, and no person was needed.
    Contained,
    /// A person got it.
    HandedOff,
    /// The caller left before anything was understood.
    Abandoned,
    /// We or another system failed, or nothing was understood of what was asked for.
    Failed,
}

impl From<OutcomeWord> for SearchedOutcome {
    fn from(word: OutcomeWord) -> Self {
        match word {
            OutcomeWord::Contained => Self::Contained,
            OutcomeWord::HandedOff => Self::HandedOff,
            OutcomeWord::Abandoned => Self::Abandoned,
            OutcomeWord::Failed => Self::Failed,
        }
    }
}

/// Which end of a day is meant.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

/// The moment that is written as a day or as a time; none if nothing is written.
fn moment(
    key: &str,
    written: Option<&str>,
    end: End,
    zone: &TimeZone,
) -> Result<Option<Timestamp>, ApiError> {
    let Some(written) = written.map(str::trim).filter(|written| !written.is_empty()) else {
        return Ok(None);
    };
    if let Ok(at) = written.parse::<Timestamp>() {
        return Ok(Some(at));
    }
    let wrong = || {
        ApiError::bad_request(format!("{key} is neither a day nor a time"))
            .with_fix("write it like 2026-04-02, or like 2026-04-02T10:00:00Z")
    };
    let day: Date = written.parse().map_err(|_| wrong())?;
    let day = match end {
        End::First => day,
        End::Last => day.tomorrow().map_err(|_| wrong())?,
    };
    let begins = day.to_zoned(zone.clone()).map_err(|_| wrong())?;
    Ok(Some(begins.timestamp()))
}

impl Search {
    fn read(self, zone: &TimeZone) -> Result<CallSearch, ApiError> {
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(ApiError::bad_request(format!("limit is not between 1 and {LIMIT_MAX}")));
        }
        if self.text.as_ref().is_some_and(|text| text.len() > TEXT_LEN_MAX) {
            let error = format!("text is longer than {TEXT_LEN_MAX} bytes");
            return Err(ApiError::bad_request(error));
        }
        let before = self.before.filter(|before| !before.is_empty());
        let before = before.map(|before| before.parse::<CallPlace>()).transpose();
        let before = before.map_err(|error| ApiError::bad_request(format!("before: {error}")))?;
        Ok(CallSearch {
            text: self.text.map(Pii::new),
            from: moment("from", self.from.as_deref(), End::First, zone)?,
            to: moment("to", self.to.as_deref(), End::Last, zone)?,
            outcome: self.outcome.map(SearchedOutcome::from),
            before,
            limit,
        })
    }
}

/// By what calls were looked for, without what was typed: that may be somebody's number.
fn looked_for(search: &CallSearch) -> String {
    let by = [
        ("text", search.text.is_some()),
        ("time", search.from.is_some() || search.to.is_some()),
        ("outcome", search.outcome.is_some()),
    ];
    let by: Vec<&str> = by.iter().filter(|(_, is_given)| *is_given).map(|(by, _)| *by).collect();
    if by.is_empty() { "all".to_owned() } else { by.join(", ") }
}

#[derive(Serialize, ToSchema)]
struct CallPage {
    /// The latest first.
    calls: Vec<CallLine>,
    /// `before` of those that follow, if any do.
    next: Option<String>,
}

/// Looks for calls
#[utoipa::path(
    get,
    path = "/api/ops/calls",
    tag = "ops",
    params(Search),
    responses(
        (status = 200, description = "The latest first.", body = CallPage),
        (status = 400, description = "The question makes no sense.", body = ErrorBody),
        ForSignedIn,
    ),
    security(("session" = ["operations", "admin"]))
)]
async fn search(
    operations: Operations,
    State(web): State<Web>,
    QueryPart(search): QueryPart<Search>,
) -> Result<Json<CallPage>, ApiError> {
    let search = search.read(&TimeZone::system())?;
    web.audit(&operations.actor(), AuditAction::CallsSearched, &looked_for(&search)).await?;
    let limit = search.limit as usize;
    // One more tells whether there are more.
    let search = CallSearch { limit: search.limit + 1, ..search };
    let understood_from = web.reporting().understood_from;
    let mut found = web.store().search_calls(&search, understood_from).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|call| call.place().to_string());
    Ok(Json(CallPage { calls: found.into_iter().map(CallLine::from).collect(), next }))
}

fn no_such_call() -> ApiError {
    ApiError::not_found("there is no such call")
}

async fn kept(web: &Web, call_id: &str) -> Result<CallRecord, ApiError> {
    let call: CallId = call_id.parse().map_err(|_| no_such_call())?;
    match web.store().call(call).await {
        Ok(record) => Ok(record),
        Err(StoreError::NoSuchCall { .. }) => Err(no_such_call()),
        Err(error) => Err(error.into()),
    }
}

/// Everything kept of a call
#[utoipa::path(
    get,
    path = "/api/ops/calls/{call_id}",
    tag = "ops",
    params(("call_id" = String, Path, description = "The call.")),
    responses(
        (status = 200, description = "Everything.", body = RecordView),
        (status = 404, description = "There is no such call.", body = ErrorBody),
        ForSignedIn,
    ),
    security(("session" = ["operations", "admin"]))
)]
async fn call(
    operations: Operations,
    State(web): State<Web>,
    PathPart(call_id): PathPart<String>,
) -> Result<Json<RecordView>, ApiError> {
    let record = kept(&web, &call_id).await?;
    let wrap_ups = web.store().wrap_ups_of(record.summary.id).await?;
    let id = record.summary.id.to_string();
    web.audit(&operations.actor(), AuditAction::RecordOpened, &id).await?;
    Ok(Json(RecordView::of(record, wrap_ups)))
}

/// The recording of a call
///
/// The caller on the left channel, the front door on the right. A part is given to who asks for it
/// with `Range`.
#[utoipa::path(
    get,
    path = "/api/ops/calls/{call_id}/recording",
    tag = "ops",
    params(
        ("call_id" = String, Path, description = "The call."),
        ("Range" = Option<String>, Header, description = "One range of bytes (RFC 9110 14.2)."),
    ),
    responses(
        (status = 200, description = "All of it.", content_type = "audio/wav"),
        (status = 206, description = "A part of it.", content_type = "audio/wav"),
        (status = 404, description = "There is no such recording.", body = ErrorBody),
        (status = 416, description = "It is not that long.", body = ErrorBody),
        ForSignedIn,
    ),
    security(("session" = ["operations", "admin"]))
)]
async fn recording(
    operations: Operations,
    State(web): State<Web>,
    PathPart(call_id): PathPart<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let none = || ApiError::not_found("there is no recording of this call");
    let call = kept(&web, &call_id).await?.summary;
    let path = call.recording.ok_or_else(none)?;
    let wanted = Wanted::of(&headers);
    let opened = file::open(path.as_ref()).await.map_err(|error| none().with_cause(error))?;
    // Players fetch one recording in many parts. Whoever leaves out the beginning is noted too.
    let listener = (operations.session.clone(), call.id);
    let begins = web.begins_to_play(&listener);
    if begins || wanted.is_beginning() {
        let by = operations.actor();
        let noted = web.audit(&by, AuditAction::RecordingPlayed, &call.id.to_string()).await;
        noted.inspect_err(|_| web.has_not_played(&listener))?;
    }
    opened.answer(wanted, "audio/wav").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_moments() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (written, end, expected) in [
            ("2026-04-02", End::First, Some("2026-04-01T22:00:00Z")),
            ("2026-04-02", End::Last, Some("2026-04-02T22:00:00Z")),
            ("2026-04-02T10:00:00Z", End::Last, Some("2026-04-02T10:00:00Z")),
            (" ", End::First, None),
        ] {
            let at = moment("from", Some(written), end, &zone).expect("it makes sense");
            assert_eq!(at.map(|at| at.to_string()).as_deref(), expected, "{written}");
        }
        for wrong in ["yesterday", "2026-02-30", "9999-12-31"] {
            assert!(moment("to", Some(wrong), End::Last, &zone).is_err(), "{wrong}");
        }
    }
}
