//! Agents without a browser: signed in over HTTP, told by server-sent events, and heard on a telephone.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::audio::write_ulaw;
use super::front_door::{FrontDoor, frontdoor, read, root};
use super::peers::SippAgent;

/// The password that an account is made with, and the one that is chosen at its first use.
pub(super) const PASSWORD: &str = "the first of two passwords";
pub(super) const NEW_PASSWORD: &str = "the second one, of their own";

/// How long it may take until something is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// An account whose password is to be changed at its first use.
pub(super) fn account(door: &FrontDoor, name: &str, options: &[&str]) {
    let mut command = frontdoor();
    command.args(["accounts", "add", name, "--password-stdin"]).args(options);
    command.arg("--config").arg(&door.config).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    writeln!(input, "{PASSWORD}").expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

/// Somebody at a desk.
pub(super) struct Agent {
    name: String,
    runtime: Runtime,
    http: reqwest::Client,
    base: String,
    cookie: String,
    csrf: String,
    told: mpsc::Receiver<Value>,
    so_far: Vec<Value>,
}

impl Agent {
    /// A new account with these options of `accounts add`, signed in for the first time, whose desk is open.
    pub fn new(door: &FrontDoor, name: &str, options: &[&str]) -> Self {
        account(door, name, options);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        // What is on this machine is behind nobody's proxy.
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let (_, told) = mpsc::channel();
        let mut agent = Self {
            name: name.to_owned(),
            runtime,
            http,
            base: String::new(),
            cookie: String::new(),
            csrf: String::new(),
            told,
            so_far: Vec::new(),
        };
        agent.sign_in(door, PASSWORD);
        let change = json!({ "old": PASSWORD, "new": NEW_PASSWORD });
        let (status, headers, body) = agent.ask(Method::POST, "/api/session/password", &change);
        assert_eq!(status, StatusCode::OK, "{body}");
        agent.take_session(&headers, &body);
        agent.open_desk();
        agent
    }

    /// Signs in again and opens the desk, at a front door that was started again.
    pub fn come_back(&mut self, door: &FrontDoor) {
        self.sign_in(door, NEW_PASSWORD);
        self.open_desk();
    }

    fn sign_in(&mut self, door: &FrontDoor, password: &str) {
        door.web
            .as_deref()
            .expect("the demo's configuration serves pages")
            .clone_into(&mut self.base);
        self.cookie.clear();
        let who = json!({ "name": self.name, "password": password });
        let (status, headers, body) = self.ask(Method::POST, "/api/session", &who);
        assert_eq!(status, StatusCode::OK, "{body}");
        self.take_session(&headers, &body);
    }

    fn take_session(&mut self, headers: &HeaderMap, body: &str) {
        let cookie = headers.get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let pair = cookie.and_then(|cookie| cookie.split(';').next()).expect("a session");
        pair.clone_into(&mut self.cookie);
        let session: Value = serde_json::from_str(body).expect("JSON");
        session["csrf"].as_str().expect("a token").clone_into(&mut self.csrf);
    }

    /// Asks for something; gives what is answered.
    fn ask(&self, method: Method, path: &str, body: &Value) -> (StatusCode, HeaderMap, String) {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).header("x-csrf-token", &self.csrf);
        if !self.cookie.is_empty() {
            request = request.header(COOKIE, &self.cookie);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await.expect("the front door answers");
            let (status, headers) = (response.status(), response.headers().clone());
            (status, headers, response.text().await.expect("text"))
        })
    }

    /// Does something at the desk (`state`, `call/hold`); gives the status and what is said to it.
    pub fn tries(&self, what: &str, body: &Value) -> (u16, String) {
        let (status, _, said) = self.ask(Method::POST, &format!("/api/desk/{what}"), body);
        (status.as_u16(), said)
    }

    /// The same; it must be done.
    #[track_caller]
    pub fn does(&self, what: &str, body: &Value) {
        let (status, said) = self.tries(what, body);
        assert!((200..300).contains(&status), "{what}: {status} {said}");
    }

    /// Opens the desk: what is told there comes in from now on.
    fn open_desk(&mut self) {
        let url = format!("{}/api/desk/events", self.base);
        let request = self.http.get(url).header(COOKIE, &self.cookie);
        let mut response = self.runtime.block_on(request.send()).expect("the front door answers");
        assert_eq!(response.status(), StatusCode::OK);
        let (sender, told) = mpsc::channel();
        self.runtime.spawn(async move {
            let mut rest: Vec<u8> = Vec::new();
            while let Ok(Some(piece)) = response.chunk().await {
                rest.extend_from_slice(&piece);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    let line = String::from_utf8_lossy(&line);
                    let data = line.strip_prefix("data:").map(str::trim);
                    let event = data.and_then(|data| serde_json::from_str(data).ok());
                    if event.is_some_and(|event: Value| sender.send(event).is_err()) {
                        return;
                    }
                }
            }
        });
        (self.told, self.so_far) = (told, Vec::new());
        self.told("the desk is open", |event| event["event"] == "state");
    }

    /// Waits until something is told at the desk that `is_it` knows, and gives that.
    #[track_caller]
    pub fn told(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        match self.told_within(PATIENCE, is_it) {
            Some(event) => event,
            None => panic!("{what}: was not told, but\n{}", self.summary()),
        }
    }

    /// The same, unless that takes too long.
    pub fn told_within(
        &mut self,
        limit: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let end = Instant::now() + limit;
        loop {
            let event =
                self.told.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            self.so_far.push(event.clone());
            if is_it(&event) {
                return Some(event);
            }
        }
    }

    /// What was told since the desk was opened, without the documents.
    fn summary(&self) -> String {
        let short = |event: &Value| {
            let mut event = event.clone();
            if let Some(fields) = event.as_object_mut() {
                fields.remove("handoff");
            }
            event.to_string()
        };
        self.so_far.iter().map(short).collect::<Vec<_>>().join("\n")
    }

    /// Says that calls are taken.
    pub fn ready(&self) {
        self.does("state", &json!({ "state": "ready" }));
    }

    /// Waits for an offer and says that it is shown; gives it.
    #[track_caller]
    pub fn is_offered(&mut self) -> Value {
        let offer = self.told("an offer", |event| event["event"] == "offer");
        self.does(&format!("offers/{}/shown", offer["offer_id"]), &Value::Null);
        offer
    }

    /// Takes an offer on the telephone, which begins to ring.
    #[track_caller]
    pub fn takes(&self, offer: &Value) {
        let with = json!({ "with": "phone" });
        self.does(&format!("offers/{}/take", offer["offer_id"]), &with);
    }

    /// Waits until the agent's call has come so far (`talking`).
    #[track_caller]
    pub fn call_is(&mut self, phase: &str) -> Value {
        self.told(phase, |event| event["event"] == "call" && event["phase"] == phase)
    }

    /// Waits until so many callers wait in a queue.
    #[track_caller]
    pub fn wait_in(&mut self, queue: &str, waiting: u64) {
        self.told(&format!("{waiting} wait in {queue}"), |event| {
            let mut queues = event["queues"].as_array().into_iter().flatten();
            queues.any(|shown| shown["name"] == queue && shown["waiting"] == waiting)
        });
    }
}

/// A port at which nobody listens yet.
pub(super) fn free_port() -> u16 {
    let free = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("bound").port()
}

/// A telephone at this port that is answered by somebody who says this: `telephone` (until they are hung up
/// on) or `leaves` (hangs up after 15 s).
pub(super) fn telephone(port: u16, way: &str, folder: &Path, said: &[i16]) -> SippAgent {
    std::fs::create_dir_all(folder).expect("a folder");
    write_ulaw(&folder.join("agent.ulaw"), said);
    let scenario = read(&root().join(format!("tests/fixtures/sip/desk/{way}.xml")));
    let path = folder.join("agent.xml");
    std::fs::write(&path, scenario).expect("written");
    SippAgent::start_at(port, &path, folder)
}

/// A telephone that is there and that nobody answers.
pub(super) struct SilentTelephone {
    socket: UdpSocket,
}

impl SilentTelephone {
    /// At this port.
    pub fn at(port: u16) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", port)).expect("the port is free");
        Self { socket }
    }

    /// Waits until it is called; gives the calls that have come by then, by their Call-IDs.
    #[track_caller]
    pub fn is_called(&self) -> BTreeSet<String> {
        self.socket.set_read_timeout(Some(PATIENCE)).expect("set");
        let mut calls = BTreeSet::new();
        let mut message = [0_u8; 4_096];
        loop {
            match self.socket.recv(&mut message) {
                Ok(len) => calls.extend(invited(&String::from_utf8_lossy(&message[..len]))),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    assert!(!calls.is_empty(), "the telephone was not called");
                    return calls;
                }
                Err(error) => panic!("{error}"),
            }
            if !calls.is_empty() {
                // What comes at once besides.
                self.socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
            }
        }
    }
}

/// The Call-ID of an INVITE.
fn invited(message: &str) -> Option<String> {
    let mut lines = message.lines();
    lines.next().filter(|line| line.starts_with("INVITE "))?;
    let id = lines.find_map(|line| line.strip_prefix("Call-ID:"))?;
    Some(id.trim().to_owned())
}
