//! `/api/call`: calls from browsers.
//!
//! A call is known to its own browser by a secret in its address, and to nobody else. Whoever may
//! call is either everybody who reaches the page, or who shows a token or a pass. A pass is made by
//! the organisation's own system, with its token, for one call of somebody that it knows; the token
//! itself never has to be in a page.

use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::Pii;
use crate::config::CallTokens;
use crate::store::Scope;
use crate::web::auth::{check_origin, wrong_token};
use crate::web::backend::{Ask, BrowserCall};
use crate::web::error::{ApiError, ErrorBody, ForBodies, ForLimited, ForWhatMayBeOver};
use crate::web::ice::{IceServer, Page};
use crate::web::input::{JsonBody, PathPart, QueryPart, SDP_LEN_MAX, SdpBody};
use crate::web::page_calls::{PageCalls, Pass};
use crate::web::secret::bearer;
use crate::web::source::Source;
use crate::web::view::LiveEvent;
use crate::web::{Web, sse};

/// Keys of one request.
const KEYS_LEN_MAX: usize = 32;
const NUMBER_LEN_MAX: usize = 64;
const CALLER_LEN_MAX: usize = 128;

/// How long a stream of events waits for a call that has just begun, and how often it looks.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);
const LOOKS_EVERY: Duration = Duration::from_millis(100);

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    let calls =
        OpenApiRouter::new().routes(routes!(begin)).layer(DefaultBodyLimit::max(SDP_LEN_MAX));
    OpenApiRouter::new()
        .merge(calls)
        .routes(routes!(options))
        .routes(routes!(make_pass))
        .routes(routes!(hang_up))
        .routes(routes!(keys))
        .routes(routes!(events))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct To {
    /// The number that is called; without one, it is the first of all profiles that answers.
    #[serde(default)]
    to: String,
}

/// What a page has to know before it calls.
#[derive(Serialize, ToSchema)]
struct CallOptions {
    /// Who answers.
    house: String,
    /// For `RTCPeerConnection`.
    ice_servers: Vec<IceServer>,
    /// Whether a token or a pass has to be shown.
    token_required: bool,
}

/// Keys that are pressed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    /// `0` to `9`, `*`, `#`.
    #[schema(example = "1#", min_length = 1, max_length = 32, pattern = "^[0-9*#]+$")]
    keys: String,
}

impl Keys {
    /// The keys, if they are some.
    pub(super) fn checked(self) -> Result<Pii<String>, ApiError> {
        let is_key = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
        if self.keys.is_empty() || self.keys.len() > KEYS_LEN_MAX || !self.keys.chars().all(is_key)
        {
            let error = format!("keys are 1 to {KEYS_LEN_MAX} of 0 to 9, * and #");
            return Err(ApiError::bad_request(error));
        }
        Ok(Pii::new(self.keys))
    }
}

/// For whom a pass is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPass {
    /// Who will call, as your system knows them: looked up like the number of a caller.
    caller: Option<String>,
    /// The one number that may be called with it.
    to: Option<String>,
}

/// A pass for one call.
#[derive(Serialize, ToSchema)]
struct PassView {
    /// To be shown as `Authorization: Bearer` when the call begins.
    pass: String,
    /// How long it is good.
    expires_in_s: u64,
}

/// What a page has to know before it calls
#[utoipa::path(
    get,
    path = "/api/call/options",
    tag = "call",
    params(To),
    responses(
        (status = 200, description = "What to know.", body = CallOptions),
        (status = 400, description = "The question makes no sense.", body = ErrorBody),
        (status = 404, description = "Nobody answers this number.", body = ErrorBody),
    )
)]
async fn options(
    State(web): State<Web>,
    QueryPart(To { to }): QueryPart<To>,
) -> Result<Json<CallOptions>, ApiError> {
    let house = web.facts().house(&to);
    let token_required = web.config().call_tokens == CallTokens::Required;
    let page = if token_required { Page::Anyone } else { Page::Admitted };
    Ok(Json(CallOptions {
        house: house.ok_or_else(|| ApiError::not_found("nobody answers this number here"))?,
        ice_servers: web.ice_servers(page),
        token_required,
    }))
}

/// Makes a pass for one call of somebody that your system knows
///
/// Good once, for a minute. The pass goes to the page, and the token stays with you.
#[utoipa::path(
    post,
    path = "/api/call/passes",
    tag = "call",
    request_body = NewPass,
    responses(
        (status = 201, description = "Made.", body = PassView),
        (status = 401, description = "The token is missing or wrong.", body = ErrorBody),
        (status = 503, description = "Too many passes are out.", body = ErrorBody),
        ForBodies,
    ),
    security(("token" = ["call"]))
)]
async fn make_pass(
    State(web): State<Web>,
    headers: HeaderMap,
    JsonBody(NewPass { caller, to }): JsonBody<NewPass>,
) -> Result<(StatusCode, Json<PassView>), ApiError> {
    let token = bearer(&headers).ok_or_else(wrong_token)?;
    let found = web.accounts().token(token, Scope::Call, web.now().at).await?;
    found.ok_or_else(wrong_token)?;
    let caller = caller.map(check_caller).transpose()?;
    let to = to.map(check_number).transpose()?;
    let made = web.page_calls().make_pass(Pass { caller, to }, web.now().instant);
    let (pass, good_for) = made.ok_or_else(|| {
        ApiError::unavailable("too many passes are out").with_retry_after(Duration::from_secs(10))
    })?;
    let view = PassView { pass: pass.into_inner(), expires_in_s: good_for.as_secs() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Calls
///
/// The body is the browser's SDP offer with all its candidates, the answer ours. `Location` names
/// the call; whoever knows it can hang up.
#[utoipa::path(
    post,
    path = "/api/call",
    tag = "call",
    params(To),
    request_body(content = String, content_type = "application/sdp"),
    responses(
        (
            status = 201,
            description = "Our SDP answer.",
            body = String,
            content_type = "application/sdp",
            headers(("Location" = String, description = "The call."))
        ),
        (status = 401, description = "A token is needed, or it is wrong.", body = ErrorBody),
        (
            status = 403,
            description = "The page is of another site, or the pass is for another number.",
            body = ErrorBody
        ),
        (status = 503, description = "No line is free.", body = ErrorBody),
        ForBodies,
        ForWhatMayBeOver,
        ForLimited,
    ),
    security((), ("token" = ["call"]))
)]
async fn begin(
    State(web): State<Web>,
    Source(source): Source,
    headers: HeaderMap,
    QueryPart(To { to }): QueryPart<To>,
    SdpBody(offer_sdp): SdpBody,
) -> Result<Response, ApiError> {
    web.take_call(source)?;
    let to = check_number(to)?;
    let pass = admit(&web, &headers).await?;
    let called = match pass.to {
        Some(only) if !to.is_empty() && to != only => {
            return Err(ApiError::forbidden("the pass is for another number"));
        }
        Some(only) => only,
        None => to,
    };
    let call = BrowserCall { offer_sdp, source, called, caller: pass.caller };
    let answer = web.ask(|reply| Ask::Call { call, reply }).await?;
    web.page_calls().begun(&answer.secret, answer.call, web.live(), web.now().instant);
    let location = format!("/api/call/{}", answer.secret.expose());
    let headers = [(LOCATION, location), (CONTENT_TYPE, "application/sdp".to_owned())];
    Ok((StatusCode::CREATED, headers, answer.answer_sdp).into_response())
}

/// Who may call, and what is known of them. What is shown has to be good, also where nothing needs
/// to be.
async fn admit(web: &Web, headers: &HeaderMap) -> Result<Pass, ApiError> {
    let anybody = Pass { caller: None, to: None };
    let now = web.now();
    match bearer(headers) {
        None if web.config().call_tokens == CallTokens::Required => Err(wrong_token()),
        None => check_origin(headers, web.config()).map(|()| anybody),
        Some(pass) if PageCalls::is_pass(pass) => {
            web.page_calls().take_pass(pass, now.instant).ok_or_else(wrong_token)
        }
        Some(token) => {
            let found = web.accounts().token(token, Scope::Call, now.at).await?;
            found.map(|_| anybody).ok_or_else(wrong_token)
        }
    }
}

fn check_number(to: String) -> Result<String, ApiError> {
    let fits = to.chars().count() <= NUMBER_LEN_MAX && !to.chars().any(char::is_control);
    if fits { Ok(to) } else { Err(ApiError::bad_request("`to` is no number")) }
}

fn check_caller(caller: String) -> Result<Pii<String>, ApiError> {
    let fits = !caller.trim().is_empty()
        && caller.chars().count() <= CALLER_LEN_MAX
        && !caller.chars().any(char::is_control);
    if fits {
        return Ok(Pii::new(caller.trim().to_owned()));
    }
    let error = format!("`caller` has 1 to {CALLER_LEN_MAX} characters");
    Err(ApiError::bad_request(error))
}

/// Hangs up
#[utoipa::path(
    delete,
    path = "/api/call/{secret}",
    tag = "call",
    params(("secret" = String, Path, description = "As in `Location`.")),
    responses(
        (status = 204, description = "The call is over."),
        (status = 503, description = "It cannot be done at present.", body = ErrorBody),
        ForWhatMayBeOver,
        ForLimited,
    )
)]
async fn hang_up(
    State(web): State<Web>,
    Source(source): Source,
    PathPart(secret): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    let secret = Pii::new(secret);
    web.with_secret(source, web.ask(|reply| Ask::HangUp { secret, reply })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Presses keys
#[utoipa::path(
    post,
    path = "/api/call/{secret}/keys",
    tag = "call",
    params(("secret" = String, Path, description = "As in `Location`.")),
    request_body = Keys,
    responses(
        (status = 204, description = "Pressed."),
        (status = 503, description = "It cannot be done at present.", body = ErrorBody),
        ForBodies,
        ForWhatMayBeOver,
        ForLimited,
    )
)]
async fn keys(
    State(web): State<Web>,
    Source(source): Source,
    PathPart(secret): PathPart<String>,
    JsonBody(keys): JsonBody<Keys>,
) -> Result<StatusCode, ApiError> {
    let (secret, keys) = (Pii::new(secret), keys.checked()?);
    web.with_secret(source, web.ask(|reply| Ask::Keys { secret, keys, reply })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells what happens in the call, from its beginning to its end
#[utoipa::path(
    get,
    path = "/api/call/{secret}/events",
    tag = "call",
    params(("secret" = String, Path, description = "As in `Location`.")),
    responses(
        (
            status = 200,
            description = "Server-sent events; `event` is the tag, `data` this.",
            body = LiveEvent,
            content_type = "text/event-stream"
        ),
        (status = 404, description = "There is no such call (any more).", body = ErrorBody),
        ForLimited,
    )
)]
async fn events(
    State(web): State<Web>,
    Source(source): Source,
    PathPart(secret): PathPart<String>,
) -> Result<Response, ApiError> {
    let no_call = || ApiError::not_found("there is no such call");
    let call = async { web.page_calls().call(&secret).ok_or_else(no_call) };
    let call = web.with_secret(source, call).await?;
    // The call's own task may not have got to the point yet at which it can be watched.
    let watched = tokio::time::timeout(BEGINS_WITHIN, async {
        loop {
            if let Some(watched) = web.live().watch(call) {
                return watched;
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    });
    let (so_far, live) = watched.await.map_err(|_| no_call())?;
    let events = sse::of_call(web.live().clone(), call, so_far, live);
    Ok(sse::answer(web, sse::Until::Over, events))
}
