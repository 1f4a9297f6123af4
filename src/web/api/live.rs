//! `/api/ops/live`: calls in progress, as they are watched. `/api/ops/load`: how busy the machine is.

use std::collections::{BTreeSet, VecDeque};

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::CallId;
use crate::store::AuditAction;
use crate::web::accounts::Look;
use crate::web::auth::Operations;
use crate::web::error::{ApiError, ErrorBody, ForSignedIn};
use crate::web::input::PathPart;
use crate::web::live::{Live, LiveEvents};
use crate::web::view::{LiveCallView, LiveEvent, LoadView};
use crate::web::{Web, sse};

/// What the audit calls all calls in progress.
const ALL: &str = "all calls in progress";

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(load))
        .routes(routes!(events))
        .routes(routes!(call_events))
}

#[derive(Serialize, ToSchema)]
struct LiveCalls {
    /// The oldest first.
    calls: Vec<LiveCallView>,
}

/// Something that happened in one of the calls.
#[derive(Serialize)]
struct InCall<'a> {
    /// Which.
    call_id: String,
    /// What, with its kind as `event`.
    #[serde(flatten)]
    event: &'a LiveEvent,
}

/// Events that did not get through, since whoever watches was too slow.
#[derive(Serialize)]
struct Missed {
    count: u64,
}

/// Calls in progress
#[utoipa::path(
    get,
    path = "/api/ops/live",
    tag = "ops",
    responses((status = 200, description = "As they are now.", body = LiveCalls), ForSignedIn),
    security(("session" = ["operations", "admin"]))
)]
async fn list(operations: Operations, State(web): State<Web>) -> Result<Json<LiveCalls>, ApiError> {
    let calls = web.live().list();
    // What was said last stands with each.
    web.audit(&operations.actor(), AuditAction::CallWatched, ALL).await?;
    Ok(Json(LiveCalls { calls }))
}

/// How busy the machine is
///
/// And how much is done for callers because of it. It is looked at twice a second.
#[utoipa::path(
    get,
    path = "/api/ops/load",
    tag = "ops",
    responses((status = 200, description = "As it is now.", body = LoadView), ForSignedIn),
    security(("session" = ["operations", "admin"]))
)]
async fn load(_: Operations, State(web): State<Web>) -> Json<LoadView> {
    Json(web.backend().load.borrow().clone())
}

/// What happens in all calls
///
/// Begins with `started` for each call that is in progress, and has one for each that begins.
#[utoipa::path(
    get,
    path = "/api/ops/live/events",
    tag = "ops",
    responses(
        (
            status = 200,
            description = "Server-sent events: `started`, whose `data` is a call as GET \
                           /api/ops/live has it; `call`, whose `data` is this, with the call's \
                           `call_id` besides; and `missed`, with a `count` of those that did not \
                           get through.",
            body = LiveEvent,
            content_type = "text/event-stream"
        ),
        ForSignedIn,
    ),
    security(("session" = ["operations", "admin"]))
)]
async fn events(operations: Operations, State(web): State<Web>) -> Result<Response, ApiError> {
    web.audit(&operations.actor(), AuditAction::CallWatched, ALL).await?;
    let events = of_all(web.live().clone());
    Ok(sse::answer(web, sse::Until::SessionEnds(operations.session, Look::Leaves), events))
}

/// What happens in one call
///
/// Begins with what has happened so far.
#[utoipa::path(
    get,
    path = "/api/ops/live/{call_id}/events",
    tag = "ops",
    params(("call_id" = String, Path, description = "The call.")),
    responses(
        (
            status = 200,
            description = "Server-sent events, each named as its `event`; `gone` is the last. \
                           `missed` has a `count` of those that did not get through.",
            body = LiveEvent,
            content_type = "text/event-stream"
        ),
        (status = 404, description = "It is not in progress.", body = ErrorBody),
        ForSignedIn,
    ),
    security(("session" = ["operations", "admin"]))
)]
async fn call_events(
    operations: Operations,
    State(web): State<Web>,
    PathPart(call_id): PathPart<String>,
) -> Result<Response, ApiError> {
    let gone = || ApiError::not_found("there is no such call in progress");
    let call: CallId = call_id.parse().map_err(|_| gone())?;
    let (so_far, live) = web.live().watch(call).ok_or_else(gone)?;
    web.audit(&operations.actor(), AuditAction::CallWatched, &call.to_string()).await?;
    let events = sse::of_call(web.live().clone(), call, so_far, live);
    Ok(sse::answer(web, sse::Until::SessionEnds(operations.session, Look::Leaves), events))
}

/// Somebody who watches all calls.
struct Watching {
    live: Live,
    events: LiveEvents,
    /// Calls that were told of.
    known: BTreeSet<CallId>,
    /// To be told next.
    next: VecDeque<Event>,
}

impl Watching {
    /// Tells of calls that have begun, and of those that are over, as far as that was missed.
    fn catch_up(&mut self) {
        let calls = self.live.list();
        let is_over = |call: &CallId| calls.iter().all(|view| view.call_id != call.to_string());
        let over: Vec<CallId> = self.known.iter().copied().filter(is_over).collect();
        for call in over {
            self.take(call, &LiveEvent::Gone);
        }
        for view in &calls {
            self.tell_of(view);
        }
    }

    fn tell_of(&mut self, view: &LiveCallView) {
        let Ok(call) = view.call_id.parse::<CallId>() else { return };
        if self.known.insert(call) {
            self.next.push_back(sse::event("started", view));
        }
    }

    fn take(&mut self, call: CallId, event: &LiveEvent) {
        // A call is told of with the first thing that happens in it.
        if !self.known.contains(&call)
            && let Some(view) = self.live.view(call)
        {
            self.tell_of(&view);
        }
        if *event == LiveEvent::Gone {
            self.known.remove(&call);
        }
        self.next.push_back(sse::event("call", &InCall { call_id: call.to_string(), event }));
    }
}

fn of_all(live: Live) -> impl Stream<Item = Event> + Send + 'static {
    // Watched before it is looked who is there: nothing is missed in between.
    let events = live.watch_all();
    let (known, next) = (BTreeSet::new(), VecDeque::new());
    let mut watching = Watching { live, events, known, next };
    watching.catch_up();
    stream::unfold(watching, |mut watching| async move {
        loop {
            if let Some(event) = watching.next.pop_front() {
                return Some((event, watching));
            }
            match watching.events.recv().await {
                Ok((call, event)) => watching.take(call, &event),
                Err(RecvError::Lagged(count)) => {
                    watching.next.push_back(sse::event("missed", &Missed { count }));
                    watching.catch_up();
                }
                Err(RecvError::Closed) => return None,
            }
        }
    })
}
