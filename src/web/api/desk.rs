//! `/api/desk`: what agents do. All of it is asked of the running front door.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acd::{AgentId, OfferId, Presence};
use crate::base::Pii;
use crate::web::accounts::Look;
use crate::web::auth::{Agent, check_fetched_here};
use crate::web::backend::{AnswerWay, DeskAsk, Target};
use crate::web::error::{ApiError, ForBodies, ForSignedIn, ForWhatMayBeOver};
use crate::web::ice::{IceServer, Page};
use crate::web::input::{JsonBody, PathPart, SDP_LEN_MAX, SdpOrJson};
use crate::web::view::DeskEvent;
use crate::web::{Web, sse};

use super::call::Keys;

const REASON_LEN_MAX: usize = 80;
const NOTES_LEN_MAX: usize = 4000;

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    let takes =
        OpenApiRouter::new().routes(routes!(take)).layer(DefaultBodyLimit::max(SDP_LEN_MAX));
    OpenApiRouter::new()
        .merge(takes)
        .routes(routes!(events))
        .routes(routes!(options))
        .routes(routes!(state))
        .routes(routes!(shown))
        .routes(routes!(decline))
        .routes(routes!(hold))
        .routes(routes!(resume))
        .routes(routes!(mute))
        .routes(routes!(unmute))
        .routes(routes!(hang_up))
        .routes(routes!(keys))
        .routes(routes!(transfer))
        .routes(routes!(conference))
        .routes(routes!(front_door))
        .routes(routes!(wrap_up))
}

/// What somebody does.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StateWanted {
    /// Which.
    state: StateWord,
    /// Why, for `away`.
    reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StateWord {
    /// Takes calls.
    Ready,
    /// Takes none.
    Away,
    /// Has gone home.
    Offline,
}

impl StateWanted {
    /// What the router is to be told.
    pub(super) fn presence(self) -> Result<Presence, ApiError> {
        let reason = self.reason.unwrap_or_default();
        if reason.chars().count() > REASON_LEN_MAX || reason.chars().any(char::is_control) {
            let error = format!("a reason has {REASON_LEN_MAX} characters at most");
            return Err(ApiError::bad_request(error));
        }
        Ok(match self.state {
            StateWord::Ready => Presence::Ready,
            StateWord::Away => Presence::Away(reason.trim().to_owned()),
            StateWord::Offline => Presence::Offline,
        })
    }
}

/// Where a caller is sent: exactly one of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetWanted {
    /// A queue.
    queue: Option<String>,
    /// A colleague.
    agent: Option<String>,
    /// A number of `[desk.numbers]`, by its name.
    number: Option<String>,
}

impl TargetWanted {
    fn target(self) -> Result<Target, ApiError> {
        match (self.queue, self.agent, self.number) {
            (Some(queue), None, None) => Ok(Target::Queue(queue)),
            (None, Some(agent), None) => Ok(Target::Agent(AgentId::new(agent))),
            (None, None, Some(number)) => Ok(Target::Number(number)),
            _ => Err(ApiError::bad_request("give exactly one of queue, agent and number")),
        }
    }
}

/// How a call is taken, if not in the browser.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TakeWith {
    /// With what.
    with: TakeDevice,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TakeDevice {
    /// The telephone that is declared for the agent.
    Phone,
}

/// What the front door is to do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TaskWanted {
    /// The intent.
    task: String,
}

/// What came of a call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrapUp {
    /// One of the declared ones.
    disposition: Option<String>,
    /// In the agent's words.
    notes: Option<String>,
    /// The work after the call is done.
    #[serde(default)]
    done: bool,
}

/// What an agent can choose from.
#[derive(Serialize, ToSchema)]
struct DeskOptions {
    /// What may come of a call.
    dispositions: Vec<String>,
    /// Why somebody takes no calls.
    away_reasons: Vec<String>,
    /// For `RTCPeerConnection`.
    ice_servers: Vec<IceServer>,
    /// Whether calls can be taken on a telephone.
    has_phone: bool,
    /// Where callers can be sent.
    targets: Targets,
    /// What can be done at the front door while the agent keeps the call.
    tasks: Vec<String>,
}

/// Where callers can be sent.
#[derive(Serialize, ToSchema)]
struct Targets {
    /// Queues.
    queues: Vec<String>,
    /// Colleagues who have a desk.
    agents: Vec<Colleague>,
    /// Numbers, by their names.
    numbers: Vec<String>,
}

/// Somebody else with a desk.
#[derive(Serialize, ToSchema)]
struct Colleague {
    /// The account.
    name: String,
    /// As colleagues know them.
    display_name: String,
}

type Done = Result<StatusCode, ApiError>;

const DONE: Done = Ok(StatusCode::NO_CONTENT);

/// Opens the desk, and tells what happens there
///
/// Begins with everything as it is. A desk that is open elsewhere is told that it is replaced, and
/// ends. Once the stream is closed and not opened again within seconds, the desk is gone: a call
/// that is under way goes back to the head of its queue.
#[utoipa::path(
    get,
    path = "/api/desk/events",
    tag = "desk",
    responses(
        (
            status = 200,
            description = "Server-sent events; `event` is the tag, `data` this.",
            body = DeskEvent,
            content_type = "text/event-stream"
        ),
        ForSignedIn,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn events(
    agent: Agent,
    State(web): State<Web>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check_fetched_here(&headers)?;
    let news = web.ask_desk(&agent.name, |reply| DeskAsk::Open { reply }).await?;
    let events = stream::unfold(news, |mut news| async move {
        let event = news.recv().await?;
        Some((sse::tagged(&event), news))
    });
    let until = sse::Until::SessionEnds(agent.session, Look::KeepsAlive);
    Ok(sse::answer(web, until, events))
}

/// What the agent can choose from
#[utoipa::path(
    get,
    path = "/api/desk/options",
    tag = "desk",
    responses((status = 200, description = "The choices.", body = DeskOptions), ForSignedIn),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn options(agent: Agent, State(web): State<Web>) -> Json<DeskOptions> {
    let facts = web.facts().desk(&agent.name);
    let floor = web.backend().floor.borrow().clone();
    let queues = floor.queues.iter().map(|queue| queue.name.clone()).collect();
    let others = floor.agents.iter().filter(|other| other.name != agent.name);
    let agents = others.map(|other| Colleague {
        name: other.name.clone(),
        display_name: other.display_name.clone(),
    });
    Json(DeskOptions {
        dispositions: facts.dispositions,
        away_reasons: facts.away_reasons,
        ice_servers: web.ice_servers(Page::Admitted),
        has_phone: facts.has_phone,
        targets: Targets { queues, agents: agents.collect(), numbers: facts.numbers },
        tasks: facts.tasks,
    })
}

/// Says what the agent does
#[utoipa::path(
    post,
    path = "/api/desk/state",
    tag = "desk",
    request_body = StateWanted,
    responses(
        (status = 204, description = "It holds; during a call or an offer, after it."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn state(
    agent: Agent,
    State(web): State<Web>,
    JsonBody(wanted): JsonBody<StateWanted>,
) -> Done {
    let presence = wanted.presence()?;
    web.ask_desk(&agent.name, |reply| DeskAsk::Presence { presence, reply }).await?;
    DONE
}

/// Says that an offer is on the screen, with its hand-off
///
/// Before this it cannot be taken.
#[utoipa::path(
    post,
    path = "/api/desk/offers/{id}/shown",
    tag = "desk",
    params(("id" = u64, Path, description = "The offer.")),
    responses(
        (status = 204, description = "It can be taken."),
        ForSignedIn,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn shown(agent: Agent, State(web): State<Web>, PathPart(id): PathPart<u64>) -> Done {
    let offer = OfferId(id);
    web.ask_desk(&agent.name, |reply| DeskAsk::Shown { offer, reply }).await?;
    DONE
}

/// Does not take an offer
#[utoipa::path(
    post,
    path = "/api/desk/offers/{id}/decline",
    tag = "desk",
    params(("id" = u64, Path, description = "The offer.")),
    responses((status = 204, description = "Declined."), ForSignedIn, ForWhatMayBeOver),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn decline(agent: Agent, State(web): State<Web>, PathPart(id): PathPart<u64>) -> Done {
    let offer = OfferId(id);
    web.ask_desk(&agent.name, |reply| DeskAsk::Decline { offer, reply }).await?;
    DONE
}

/// Takes an offer
///
/// In the browser with its SDP offer, which is answered with ours, or on the agent's telephone with
/// `{"with": "phone"}`.
#[utoipa::path(
    post,
    path = "/api/desk/offers/{id}/take",
    tag = "desk",
    params(("id" = u64, Path, description = "The offer.")),
    request_body(content((String = "application/sdp"), (TakeWith = "application/json"))),
    responses(
        (
            status = 200,
            description = "Our SDP answer.",
            body = String,
            content_type = "application/sdp"
        ),
        (status = 204, description = "The telephone rings."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn take(
    agent: Agent,
    State(web): State<Web>,
    PathPart(id): PathPart<u64>,
    body: SdpOrJson<TakeWith>,
) -> Result<Response, ApiError> {
    let way = match body {
        SdpOrJson::Sdp(offer_sdp) => AnswerWay::Browser { offer_sdp },
        SdpOrJson::Json(TakeWith { with: TakeDevice::Phone }) => AnswerWay::Phone,
    };
    let offer = OfferId(id);
    let taken = web.ask_desk(&agent.name, |reply| DeskAsk::Take { offer, way, reply }).await?;
    Ok(match taken {
        Some(sdp) => ([(CONTENT_TYPE, "application/sdp")], sdp).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Puts the caller on hold, with music
#[utoipa::path(
    post,
    path = "/api/desk/call/hold",
    tag = "desk",
    responses((status = 204, description = "On hold."), ForSignedIn, ForWhatMayBeOver),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn hold(agent: Agent, State(web): State<Web>) -> Done {
    web.ask_desk(&agent.name, |reply| DeskAsk::Hold { reply }).await?;
    DONE
}

/// Takes the caller back from hold
#[utoipa::path(
    post,
    path = "/api/desk/call/resume",
    tag = "desk",
    responses((status = 204, description = "They talk."), ForSignedIn, ForWhatMayBeOver),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn resume(agent: Agent, State(web): State<Web>) -> Done {
    web.ask_desk(&agent.name, |reply| DeskAsk::Resume { reply }).await?;
    DONE
}

/// Has the agent not heard
#[utoipa::path(
    post,
    path = "/api/desk/call/mute",
    tag = "desk",
    responses((status = 204, description = "Not heard."), ForSignedIn, ForWhatMayBeOver),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn mute(agent: Agent, State(web): State<Web>) -> Done {
    web.ask_desk(&agent.name, |reply| DeskAsk::Mute { muted: true, reply }).await?;
    DONE
}

/// Has the agent heard again
#[utoipa::path(
    post,
    path = "/api/desk/call/unmute",
    tag = "desk",
    responses((status = 204, description = "Heard."), ForSignedIn, ForWhatMayBeOver),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn unmute(agent: Agent, State(web): State<Web>) -> Done {
    web.ask_desk(&agent.name, |reply| DeskAsk::Mute { muted: false, reply }).await?;
    DONE
}

/// Ends the call
#[utoipa::path(
    post,
    path = "/api/desk/call/hang_up",
    tag = "desk",
    responses((status = 204, description = "Over."), ForSignedIn, ForWhatMayBeOver),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn hang_up(agent: Agent, State(web): State<Web>) -> Done {
    web.ask_desk(&agent.name, |reply| DeskAsk::HangUp { reply }).await?;
    DONE
}

/// Presses keys towards the caller's side
#[utoipa::path(
    post,
    path = "/api/desk/call/keys",
    tag = "desk",
    request_body = Keys,
    responses(
        (status = 204, description = "Pressed."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn keys(agent: Agent, State(web): State<Web>, JsonBody(keys): JsonBody<Keys>) -> Done {
    let keys = keys.checked()?;
    web.ask_desk(&agent.name, |reply| DeskAsk::Keys { keys, reply }).await?;
    DONE
}

/// Sends the caller on
#[utoipa::path(
    post,
    path = "/api/desk/call/transfer",
    tag = "desk",
    request_body = TargetWanted,
    responses(
        (status = 204, description = "It has begun."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn transfer(
    agent: Agent,
    State(web): State<Web>,
    JsonBody(wanted): JsonBody<TargetWanted>,
) -> Done {
    let target = wanted.target()?;
    web.ask_desk(&agent.name, |reply| DeskAsk::Transfer { target, reply }).await?;
    DONE
}

/// Has somebody else join the call
#[utoipa::path(
    post,
    path = "/api/desk/call/conference",
    tag = "desk",
    request_body = TargetWanted,
    responses(
        (status = 204, description = "It has begun."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn conference(
    agent: Agent,
    State(web): State<Web>,
    JsonBody(wanted): JsonBody<TargetWanted>,
) -> Done {
    let target = wanted.target()?;
    web.ask_desk(&agent.name, |reply| DeskAsk::Conference { target, reply }).await?;
    DONE
}

/// Gives the caller to the front door for a task; they come back
#[utoipa::path(
    post,
    path = "/api/desk/call/front_door",
    tag = "desk",
    request_body = TaskWanted,
    responses(
        (status = 204, description = "It has begun."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn front_door(
    agent: Agent,
    State(web): State<Web>,
    JsonBody(TaskWanted { task }): JsonBody<TaskWanted>,
) -> Done {
    web.ask_desk(&agent.name, |reply| DeskAsk::FrontDoor { task, reply }).await?;
    DONE
}

/// Says what came of the call
#[utoipa::path(
    post,
    path = "/api/desk/wrap_up",
    tag = "desk",
    request_body = WrapUp,
    responses(
        (status = 204, description = "Kept; with `done`, the agent is ready for the next."),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["agent", "supervisor", "admin"]))
)]
async fn wrap_up(
    agent: Agent,
    State(web): State<Web>,
    JsonBody(WrapUp { disposition, notes, done }): JsonBody<WrapUp>,
) -> Done {
    if notes.as_ref().is_some_and(|notes| notes.chars().count() > NOTES_LEN_MAX) {
        let error = format!("notes have {NOTES_LEN_MAX} characters at most");
        return Err(ApiError::bad_request(error));
    }
    let notes = notes.map(Pii::new);
    let ask = |reply| DeskAsk::WrapUp { disposition, notes, done, reply };
    web.ask_desk(&agent.name, ask).await?;
    DONE
}
