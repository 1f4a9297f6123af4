//! Carries out what `registration` decides: sends REGISTER, waits, tells how it stands.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rsipstack::sip::{
    CSeq, CallId, Contact, ContentLength, Expires, From, Header, MaxForwards, Method, Request,
    Response, To, UserAgent, Version, Via,
};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::address::{NameAddr, SipUri, split_list, user_part};
use super::dialog::{client, new_branch, new_token, verbatim, via_value};
use super::digest::Credentials;
use super::door::credentials;
use super::hops::Hop;
use super::keepalive::Alarm;
use super::leg::final_answer;
use super::links::{Link, Wire};
use super::registration::{Ask, Registration, RegistrationState, Reply, Todo};
use super::ways::is_out_of_service;
use super::{ALLOW, SipError};
use crate::config::Config;

/// An address to keep registered.
#[derive(Debug, Clone)]
pub struct RegisterPlan {
    /// The trunk that it belongs to.
    pub trunk: String,
    /// SIP URIs of registrars; the next is asked when one fails.
    pub registrars: Vec<String>,
    /// The user part of the address.
    pub username: String,
    /// What the registrar is shown.
    pub credentials: Credentials,
    /// Seconds to ask for.
    pub expires_s: u32,
}

impl RegisterPlan {
    /// What a configuration says; passwords are read from the environment.
    ///
    /// # Errors
    /// A password is not there.
    pub fn from_config(config: &Config) -> Result<Vec<Self>, SipError> {
        let planned =
            config.trunks.iter().filter_map(|trunk| Some((trunk, trunk.register.as_ref()?)));
        planned
            .map(|(trunk, register)| {
                let key = format!("{}.register", trunk.name);
                Ok(Self {
                    trunk: trunk.name.clone(),
                    registrars: register.registrars.clone(),
                    username: register.username.clone(),
                    credentials: credentials(&key, &register.login)?,
                    expires_s: register.expires_s,
                })
            })
            .collect()
    }
}

/// Keeps one address registered.
pub(super) struct Registrar {
    wire: Arc<Wire>,
    plan: RegisterPlan,
    machine: Registration,
    state: watch::Sender<RegistrationState>,
    /// The same for all requests of a registration (RFC 3261 10.2).
    call_id: String,
    tag: String,
    /// The connection over which we are reached, if it is one.
    connection: Option<Arc<Link>>,
    /// The server that answered last, and the registrar it is one of: a challenge is answered where
    /// it came from.
    server: Option<(String, Hop)>,
    /// Registrars that have come or gone, as the keepalive sees it.
    alarms: mpsc::Receiver<Alarm>,
}

impl Registrar {
    pub(super) fn new(wire: &Arc<Wire>, plan: RegisterPlan, alarms: mpsc::Receiver<Alarm>) -> Self {
        let machine = Registration::new(
            plan.registrars.clone(),
            plan.credentials.clone(),
            plan.expires_s,
            rand::random(),
        );
        Self {
            wire: wire.clone(),
            state: watch::Sender::new(machine.state().clone()),
            machine,
            plan,
            call_id: format!("{}{}", new_token(), new_token()),
            tag: new_token(),
            connection: None,
            server: None,
            alarms,
        }
    }

    pub(super) fn state(&self) -> watch::Receiver<RegistrationState> {
        self.state.subscribe()
    }

    /// Runs until `leave` is cancelled and the registrar knows.
    pub(super) async fn run(mut self, leave: CancellationToken) {
        loop {
            match self.machine.poll(Instant::now()) {
                Todo::Send(ask) => {
                    let reply = self.ask(&ask).await;
                    self.machine.handle_reply(Instant::now(), reply);
                    self.tell();
                }
                Todo::Wait(until) => {
                    let connection = self.connection.clone();
                    tokio::select! {
                        () = sleep_until(until.into()) => {}
                        () = leave.cancelled() => self.machine.leave(Instant::now()),
                        () = lost(connection) => {
                            self.connection = None;
                            self.machine.handle_lost_connection(Instant::now());
                        }
                        Some(alarm) = self.alarms.recv() => match alarm.is_up {
                            true => self.machine.handle_reachable(&alarm.uri),
                            false => self.machine.handle_unreachable(&alarm.uri),
                        },
                    }
                }
                Todo::Over => return self.tell(),
            }
            if leave.is_cancelled() {
                self.machine.leave(Instant::now());
            }
        }
    }

    /// Shows and logs how it stands, if that has changed.
    fn tell(&self) {
        let state = self.machine.state();
        let changed = self.state.send_if_modified(|shown| {
            let differs = shown != state;
            shown.clone_from(state);
            differs
        });
        if !changed {
            return;
        }
        let trunk = &self.plan.trunk;
        match state {
            RegistrationState::Registered { registrar, granted } => {
                tracing::info!(trunk, registrar, granted_s = granted.as_secs(), "registered");
            }
            RegistrationState::Failed { reason, wait } => {
                tracing::warn!(trunk, reason, wait_s = wait.as_secs(), "not registered");
            }
            RegistrationState::Left => tracing::info!(trunk, "no longer registered"),
            RegistrationState::Trying => {}
        }
    }

    /// Asks the servers of a registrar, until one has an answer other than that it is out of
    /// service (RFC 3263 4.3).
    async fn ask(&mut self, ask: &Ask) -> Reply {
        let Some(target) = SipUri::parse(&ask.registrar).filter(SipUri::is_within_reach) else {
            return failed(&"is no address that can be reached");
        };
        let mut ways = match self.wire.ways_to(&target).await {
            Ok(ways) => ways,
            Err(error) => return failed(&error),
        };
        if let Some((registrar, hop)) = &self.server
            && *registrar == ask.registrar
        {
            ways.prefer(hop);
        }
        let mut last = None;
        loop {
            let (link, hop) = match ways.next_way(&self.wire).await {
                Ok(way) => way,
                Err(error) => return last.unwrap_or_else(|| failed(&error)),
            };
            let reply = self.ask_server(ask, &target, &link, hop.address).await;
            if reply.status == 0 || is_out_of_service(reply.status) {
                self.wire.mark_lame(&hop);
                self.server = None;
                last = Some(reply);
                continue;
            }
            self.wire.clear_lame(&hop);
            self.connection = link.remote.is_some().then(|| link.clone());
            if reply.status == 200 && ask.expires_s > 0 {
                let granted_s = reply.granted_s.unwrap_or(ask.expires_s).min(86_400);
                let until = Instant::now() + Duration::from_secs(granted_s.into());
                // Its calls may come from any of its servers.
                for server in ways.hops() {
                    self.wire.door.learn(server.address.ip(), &self.plan.trunk, until);
                }
            }
            self.server = Some((ask.registrar.clone(), hop));
            return reply;
        }
    }

    async fn ask_server(
        &self,
        ask: &Ask,
        target: &SipUri,
        link: &Arc<Link>,
        to: SocketAddr,
    ) -> Reply {
        let sent = self
            .request(ask, target, link, to)
            .and_then(|request| client(&self.wire, request, link, to));
        let transaction = match sent {
            Ok(transaction) => transaction,
            Err(error) => return failed(&error),
        };
        match final_answer(&self.wire, transaction).await {
            Ok(Some(response)) => {
                reply_of(&response, link.contact_address(to, self.wire.advertise_ip))
            }
            _ => failed(&"no answer"),
        }
    }

    fn request(
        &self,
        ask: &Ask,
        target: &SipUri,
        link: &Link,
        to: SocketAddr,
    ) -> Result<Request, SipError> {
        let bad = || SipError::BadTarget { uri: ask.registrar.clone().into() };
        let uri = verbatim(&ask.registrar).ok_or_else(bad)?;
        let user = user_part(&self.plan.username);
        let host = match target.host.contains(':') {
            true => format!("[{}]", target.host),
            false => target.host.clone(),
        };
        let ours = format!("sip:{user}@{host}");
        let us = link.contact_address(to, self.wire.advertise_ip);
        let contact = format!("<sip:{user}@{us}{}>", link.transport.uri_parameter());
        let mut headers = vec![
            Header::Via(Via::new(via_value(&self.wire, link, to, &new_branch()))),
            Header::From(From::new(format!("<{ours}>;tag={}", self.tag))),
            Header::To(To::new(format!("<{ours}>"))),
            Header::CallId(CallId::new(self.call_id.clone())),
            Header::CSeq(CSeq::new(format!("{} REGISTER", ask.cseq))),
            Header::MaxForwards(MaxForwards::new("70")),
            Header::Contact(Contact::new(format!("{contact};expires={}", ask.expires_s))),
            Header::Expires(Expires::new(ask.expires_s.to_string())),
            Header::Allow(ALLOW.into()),
            Header::UserAgent(UserAgent::new(self.wire.agent.clone())),
        ];
        if let Some((name, value)) = &ask.authorization {
            headers.push(Header::Other((*name).to_owned(), value.clone()));
        }
        headers.push(Header::ContentLength(ContentLength::new("0")));
        let (version, body) = (Version::V2, Vec::new());
        Ok(Request { method: Method::Register, uri, version, headers: headers.into(), body })
    }
}

/// That nothing came back, and why.
fn failed(why: &dyn std::fmt::Display) -> Reply {
    Reply { detail: why.to_string(), ..Reply::default() }
}

async fn lost(connection: Option<Arc<Link>>) {
    match connection {
        Some(link) => link.closed.cancelled().await,
        None => std::future::pending().await,
    }
}

/// What a registrar's answer says; `us` is the address that we asked it to remember.
fn reply_of(response: &Response, us: SocketAddr) -> Reply {
    let values = |name: &'static str| {
        let named = move |header: &&Header| header.name().eq_ignore_ascii_case(name);
        response.headers.iter().filter(named).map(|header| header.value().trim())
    };
    let number = |name| values(name).next().and_then(leading_number);
    let status = response.status_code.code();
    let challenges = match status {
        407 => values("Proxy-Authenticate").map(str::to_owned).collect(),
        _ => values("WWW-Authenticate").map(str::to_owned).collect(),
    };
    let contacts: Vec<NameAddr> =
        values("Contact").flat_map(split_list).filter_map(NameAddr::parse).collect();
    let is_ours = |contact: &&NameAddr| {
        SipUri::parse(&contact.uri).is_some_and(|uri| {
            uri.host.parse::<IpAddr>().is_ok_and(|ip| ip == us.ip())
                && uri.port.unwrap_or(5060) == us.port()
        })
    };
    // The registrar lists all that it remembers; ours counts (RFC 3261 10.3).
    let of_contact = contacts.iter().find(is_ours).and_then(|contact| contact.param("expires"));
    Reply {
        status,
        detail: response.status_code.text().to_owned(),
        granted_s: of_contact.and_then(leading_number).or_else(|| number("Expires")),
        min_expires_s: number("Min-Expires"),
        retry_after_s: number("Retry-After"),
        challenges,
    }
}

/// The number that a value begins with: Retry-After may carry a comment (RFC 3261 20.33).
fn leading_number(value: &str) -> Option<u32> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    value[..end].parse().ok()
}
