//! What goes wrong, as whoever asked is told: a status and a sentence. What the log says is apart.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder, Type,
};
use utoipa::{IntoResponses, ToSchema};

use crate::store::StoreError;

use super::accounts::AccountsError;
use super::backend::NotDone;

/// Something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// An answer that is a refusal.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    retry_after: Option<Duration>,
    /// For the log: what whoever asked need not know.
    cause: Option<String>,
}

impl ApiError {
    /// A refusal with this sentence.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let body = ErrorBody { error: error.into(), fix: None };
        Self { status, body, retry_after: None, cause: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.body.fix = Some(fix.into());
        self
    }

    /// When it may be tried again.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// What the log says besides. No personal data.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// 400.
    pub fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// 401.
    pub fn not_signed_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "nobody is signed in")
            .with_fix("sign in with POST /api/session")
    }

    /// 403.
    pub fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// 404.
    pub fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// 409.
    pub fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    /// 429.
    pub fn too_many(error: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error).with_retry_after(retry_after)
    }

    /// 503.
    pub fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    /// Whether it says that something is not there.
    pub fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, body, retry_after, cause } = self;
        if let Some(cause) = cause {
            tracing::error!(status = status.as_u16(), error = body.error, cause, "web");
        }
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 15.5.2 wants to be told how; a browser asks nobody for a bearer token.
            let challenge = HeaderValue::from_static("Bearer realm=\"frontdoor\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(retry_after) = retry_after {
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::unavailable("the records cannot be used at present").with_cause(error)
    }
}

/// When somebody may try again where the front door itself is busy.
const BUSY_RETRY: Duration = Duration::from_secs(5);

impl From<NotDone> for ApiError {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::NotFound(why) => Self::not_found(why),
            NotDone::Conflict(why) => Self::conflict(why),
            NotDone::BadRequest(why) => Self::bad_request(why),
            NotDone::Unavailable(why) => Self::unavailable(why).with_retry_after(BUSY_RETRY),
        }
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        let told = error.to_string();
        match error {
            AccountsError::Wrong => Self::new(StatusCode::UNAUTHORIZED, told),
            AccountsError::TooMany { retry_after } => Self::too_many(told, retry_after),
            AccountsError::Unfit(_) => Self::bad_request(told),
            AccountsError::NoSuch(_) => Self::not_found(told),
            AccountsError::Taken(_) | AccountsError::LastAdmin(_) | AccountsError::Own => {
                Self::conflict(told)
            }
            AccountsError::Store(error) => error.into(),
            AccountsError::Machine(cause) => {
                Self::unavailable("passwords cannot be worked on at present").with_cause(cause)
            }
        }
    }
}

/// Refusals in the description of the API, by their status.
type Described = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

fn refusal(description: &str) -> ResponseBuilder {
    let schema = Ref::from_schema_name("ErrorBody");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content)
}

fn refusals(list: &[(StatusCode, &str)]) -> Described {
    list.iter()
        .map(|(status, words)| (status.as_str().to_owned(), RefOr::T(refusal(words).build())))
        .collect()
}

/// What every route for people who have signed in may answer besides, for its description.
pub(super) enum ForSignedIn {}

impl IntoResponses for ForSignedIn {
    fn responses() -> Described {
        refusals(&[
            (StatusCode::UNAUTHORIZED, "Nobody is signed in, or the session is over."),
            (
                StatusCode::FORBIDDEN,
                "The account's role does not allow it, its password is to be changed first, or \
                 X-CSRF-Token is missing or wrong.",
            ),
            (StatusCode::SERVICE_UNAVAILABLE, "It cannot be done at present."),
        ])
    }
}

/// What every route that takes a body may answer besides.
pub(super) enum ForBodies {}

impl IntoResponses for ForBodies {
    fn responses() -> Described {
        refusals(&[
            (StatusCode::BAD_REQUEST, "The body makes no sense; the error says where."),
            (StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another Content-Type."),
        ])
    }
}

/// What every route that asks for something that may be over may answer besides.
pub(super) enum ForWhatMayBeOver {}

impl IntoResponses for ForWhatMayBeOver {
    fn responses() -> Described {
        refusals(&[
            (StatusCode::NOT_FOUND, "There is no such thing (any more)."),
            (StatusCode::CONFLICT, "It does not go together with what is going on."),
        ])
    }
}

/// What every route that may be asked too often may answer besides.
pub(super) enum ForLimited {}

impl IntoResponses for ForLimited {
    fn responses() -> Described {
        let retry_after = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
            .description(Some("Seconds after which it may be tried again."))
            .build();
        let response = refusal("Too often.").header("Retry-After", retry_after).build();
        BTreeMap::from([(StatusCode::TOO_MANY_REQUESTS.as_str().to_owned(), RefOr::T(response))])
    }
}
