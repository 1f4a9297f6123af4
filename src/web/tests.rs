//! The API as browsers and programs see it, request by request.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::handler::Handler;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, IntoHeaderName};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::{MethodRouter, any_service};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::accounts::Accounts;
use super::clock::Clock;
use super::live::Live;
use super::secret::{Digest, csrf_of};
use super::view::{DeskEvent, DeskState, Floor, LoadView};
use super::*;
use crate::base::{CallId, Pii};
use crate::config::{Config, WebConfig};
use crate::store::{Account, Role, Scope, Store};

mod access;
mod calling;
mod desks;
mod ops;
mod sessions;

const HERE: &str = "127.0.0.1:9090";
const SOMEWHERE: &str = "192.0.2.7:4711";

/// What the front door says to whatever it is asked.
type Says = Arc<Mutex<Option<NotDone>>>;

struct Place {
    web: Web,
    service: MethodRouter,
    description: Value,
    clock: Arc<Mutex<Now>>,
    /// What the front door was asked, in short.
    asked: Arc<Mutex<Vec<String>>>,
    says: Says,
    floor: watch::Sender<Arc<Floor>>,
    sessions: Mutex<u32>,
    _folder: tempfile::TempDir,
}

struct House;

impl Facts for House {
    fn house(&self, to: &str) -> Option<String> {
        (to != "999").then(|| "Harbor Bank".to_owned())
    }

    fn desk(&self, agent: &str) -> DeskFacts {
        let has_phone = agent == "agent";
        DeskFacts { dispositions: vec!["solved".to_owned()], has_phone, ..DeskFacts::default() }
    }
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().expect("an error").to_owned()
    }
}

impl Place {
    async fn open() -> Self {
        Self::open_with("").await
    }

    /// With an account for each role, named like it, and further lines of `[web]`.
    async fn open_with(lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "[server]\nprofile = \"p\"\ndata_dir = \"d\"\n[web]\nlisten = \"{HERE}\"\n{lines}\n"
        );
        let config = Config::parse(&folder.path().join("f.toml"), &text, |_| None).expect("valid");
        let store = Store::open(&config.store_path()).await.expect("opens");
        let start = Timestamp::from_second(1_775_000_000).expect("in range");
        for role in Role::ALL {
            let account = Account {
                name: role.as_str().to_owned(),
                display_name: format!("The {role}"),
                role,
                must_change: false,
                skills: BTreeMap::new(),
                languages: BTreeSet::new(),
                created_at: start,
                disabled_at: None,
            };
            let no_password = Pii::new(String::new());
            store.add_account(&account, &no_password).await.expect("adds");
        }
        let (asks, asked) = mpsc::channel(8);
        let (floor, floors) = watch::channel(Arc::default());
        let (_, loads) = watch::channel(LoadView::default());
        let (log, says) = (Arc::default(), Says::default());
        tokio::spawn(front_door(asked, Arc::clone(&log), Arc::clone(&says)));
        let clock = Arc::new(Mutex::new(Now { at: start, instant: Instant::now() }));
        let parts = WebParts {
            backend: Backend { asks, floor: floors, live: Live::default(), load: loads },
            accounts: Accounts::new(store.clone()).expect("it works"),
            store,
            config: web_config(config),
            reporting: Reporting { understood_from: 0.4, checks: Vec::new() },
            facts: Arc::new(House),
            ice_servers: crate::web::ice::IceServers::default(),
        };
        let web = Web::with_clock(parts, Clock::Set(Arc::clone(&clock)));
        let (router, description) = router(web.clone());
        Self {
            web,
            service: any_service(router),
            description: serde_json::to_value(description).expect("JSON"),
            clock,
            asked: log,
            says,
            floor,
            sessions: Mutex::new(0),
            _folder: folder,
        }
    }

    /// A new session of this account: its secret.
    async fn session_of(&self, account: &str) -> String {
        let secret = {
            let mut sessions = self.sessions.lock().expect("unharmed");
            *sessions += 1;
            format!("{account}-session-{sessions}")
        };
        let (digest, now) = (Digest::of(&secret).to_hex(), self.web.now().at);
        self.web.store().begin_session(&digest, account, now).await.expect("begins");
        secret
    }

    async fn token(&self, scope: Scope) -> String {
        let by = Actor::command_line();
        let scopes = BTreeSet::from([scope]);
        let made = self.web.accounts().add_token(&by, "a program", &scopes, self.web.now().at);
        made.await.expect("makes").1.into_inner()
    }

    fn pass_time(&self, seconds: u64) {
        let mut now = self.clock.lock().expect("unharmed");
        now.at += SignedDuration::from_secs(seconds.cast_signed());
        now.instant += Duration::from_secs(seconds);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("unharmed").clone()
    }

    fn say(&self, not_done: NotDone) {
        *self.says.lock().expect("unharmed") = Some(not_done);
    }

    async fn answer(&self, request: Request<Body>) -> axum::response::Response {
        Handler::<(), ()>::call(self.service.clone(), request, ()).await
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.answer(request).await.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("it ends");
        let body = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Asks as somebody with this session, as our own pages do.
    async fn page(&self, method: Method, path: &str, session: &str, body: Value) -> Answer {
        let request = asking(method, path).session(session).csrf(session).json(&body);
        self.ask(request.into()).await
    }

    async fn get(&self, path: &str, session: &str) -> Answer {
        self.ask(asking(Method::GET, path).session(session).into()).await
    }

    async fn audited(&self) -> Vec<String> {
        let lines = self.web.store().audit(None, 100).await.expect("reads");
        lines
            .iter()
            .map(|line| format!("{} {} {} {}", line.who, line.action, line.subject, line.source))
            .collect()
    }
}

fn web_config(config: Config) -> WebConfig {
    config.web.expect("it is there")
}

/// A request that is being put together.
struct Asking(Request<Body>);

fn asking(method: Method, path: &str) -> Asking {
    let peer: SocketAddr = SOMEWHERE.parse().expect("an address");
    let request = Request::builder().method(method).uri(path).header(HOST, HERE);
    let request = request.extension(ConnectInfo(Peer(peer))).body(Body::empty());
    Asking(request.expect("a request"))
}

impl Asking {
    fn header(mut self, name: impl IntoHeaderName, value: &str) -> Self {
        self.0.headers_mut().insert(name, value.parse().expect("a value"));
        self
    }

    fn session(self, secret: &str) -> Self {
        let cookie = format!("other=1; {}={secret}", auth::SESSION_COOKIE);
        self.header(COOKIE, &cookie)
    }

    fn csrf(self, secret: &str) -> Self {
        self.header(auth::CSRF_HEADER, &csrf_of(secret))
    }

    fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    fn body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        *self.0.body_mut() = body.into();
        self.header(CONTENT_TYPE, content_type)
    }

    fn json(self, body: &Value) -> Self {
        if body.is_null() { self } else { self.body("application/json", body.to_string()) }
    }
}

impl From<Asking> for Request<Body> {
    fn from(asking: Asking) -> Self {
        asking.0
    }
}

/// Takes everything, and does as it is told.
async fn front_door(mut asks: mpsc::Receiver<Ask>, log: Arc<Mutex<Vec<String>>>, says: Says) {
    while let Some(ask) = asks.recv().await {
        let refused = says.lock().expect("unharmed").take();
        let in_short = in_short(&ask);
        log.lock().expect("unharmed").push(in_short);
        answer(ask, refused);
    }
}

fn in_short(ask: &Ask) -> String {
    match ask {
        Ask::Call { call, .. } => {
            let caller = call.caller.as_ref().map(|caller| caller.expose().as_str());
            format!("call {:?} {} {caller:?}", call.called, call.source)
        }
        Ask::HangUp { secret, .. } => format!("hang up {}", secret.expose()),
        Ask::Keys { secret, keys, .. } => format!("keys {} {}", secret.expose(), keys.expose()),
        Ask::SetPresence { agent, presence, .. } => format!("set {agent} {presence:?}"),
        Ask::Desk { agent, ask } => {
            let debug = format!("{ask:?}");
            let end = debug.find(", reply").or_else(|| debug.find(" { reply"));
            format!("{agent} {}", &debug[..end.unwrap_or(debug.len())])
        }
    }
}

fn answer(ask: Ask, refused: Option<NotDone>) {
    fn done<T>(reply: Reply<T>, refused: Option<NotDone>, value: T) {
        // Nobody may wait for it any more.
        let _ = reply.send(refused.map_or(Ok(value), Err));
    }
    match ask {
        Ask::Call { reply, .. } => {
            let answer = BrowserAnswer {
                answer_sdp: "v=0\r\nanswer".to_owned(),
                secret: Pii::new("5ec4e7".to_owned()),
                call: CallId::from_u128(7),
            };
            done(reply, refused, answer);
        }
        Ask::HangUp { reply, secret } | Ask::Keys { reply, secret, .. } => {
            let is_there = secret.expose() == "5ec4e7";
            let nowhere = (!is_there).then(|| NotDone::NotFound("there is no such call".into()));
            done(reply, refused.or(nowhere), ());
        }
        Ask::SetPresence { reply, .. } => done(reply, refused, ()),
        Ask::Desk { ask, .. } => match ask {
            DeskAsk::Open { reply } => {
                let (sender, news) = mpsc::channel(4);
                let ready = DeskEvent::State { state: DeskState::Ready };
                sender.try_send(ready).expect("there is room");
                tokio::spawn(async move { sender.closed().await });
                done(reply, refused, news);
            }
            DeskAsk::Take { reply, way, .. } => {
                let sdp = match way {
                    AnswerWay::Browser { .. } => Some("v=0\r\nanswer".to_owned()),
                    AnswerWay::Phone => None,
                };
                done(reply, refused, sdp);
            }
            DeskAsk::Presence { reply, .. }
            | DeskAsk::Shown { reply, .. }
            | DeskAsk::Decline { reply, .. }
            | DeskAsk::Hold { reply }
            | DeskAsk::Resume { reply }
            | DeskAsk::Mute { reply, .. }
            | DeskAsk::Keys { reply, .. }
            | DeskAsk::Transfer { reply, .. }
            | DeskAsk::Conference { reply, .. }
            | DeskAsk::FrontDoor { reply, .. }
            | DeskAsk::HangUp { reply }
            | DeskAsk::WrapUp { reply, .. } => done(reply, refused, ()),
        },
    }
}
