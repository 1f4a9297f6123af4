//! `/api/admin/audit`: who saw or changed what.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::store::AuditEntry;
use crate::web::Web;
use crate::web::auth::Admin;
use crate::web::error::{ApiError, ErrorBody, ForSignedIn};
use crate::web::input::QueryPart;

/// Lines of one answer, unless fewer are asked for.
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 1000;

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list_audit))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Lines before this one: `next` of the answer before.
    before: Option<i64>,
    /// How many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// Something that somebody saw or changed.
#[derive(Serialize, ToSchema)]
struct AuditLine {
    /// Grows from line to line.
    id: i64,
    /// When.
    at: String,
    /// `account`, `token`, `command_line` or `nobody` (nobody was let in).
    kind: String,
    /// The account, or the token; empty for the other kinds.
    who: String,
    /// What was done, such as `record_opened`.
    what: String,
    /// To what.
    about: String,
    /// The address that it came from.
    source: String,
}

impl From<AuditEntry> for AuditLine {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, at, kind, who, action, subject, source } = entry;
        Self { id, at: at.to_string(), kind, who, what: action, about: subject, source }
    }
}

#[derive(Serialize, ToSchema)]
struct AuditPage {
    /// The latest first.
    entries: Vec<AuditLine>,
    /// `before` of those that follow, if any do.
    next: Option<i64>,
}

/// Who saw or changed what
#[utoipa::path(
    get,
    path = "/api/admin/audit",
    tag = "admin",
    params(Page),
    responses(
        (status = 200, description = "The latest first.", body = AuditPage),
        (status = 400, description = "There are no such pages.", body = ErrorBody),
        ForSignedIn,
    ),
    security(("session" = ["admin"]))
)]
async fn list_audit(
    _: Admin,
    State(web): State<Web>,
    QueryPart(Page { before, limit }): QueryPart<Page>,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is not between 1 and {LIMIT_MAX}")));
    }
    // One more tells whether there are more.
    let mut entries = web.store().audit(before, limit + 1).await?;
    let has_more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| has_more).map(|entry| entry.id);
    let entries = entries.into_iter().map(AuditLine::from).collect();
    Ok(Json(AuditPage { entries, next }))
}
