//! Carries out what `pulse` decides: asks a trunk's addresses whether they are there, logs and
//! shows each change once, and wakes the trunk's registration.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::SipError;
use super::counters::Counters;
use super::links::Wire;
use super::ping::{Pong, ping};
use super::pulse::{Pulse, TrunkState};
use crate::config::Config;

/// Changes that wait for a registration; a full queue loses them, and the registration finds out by
/// itself.
pub(super) const ALARM_QUEUE_LEN_MAX: usize = 8;

/// Addresses of a trunk to be asked whether they are there.
#[derive(Debug, Clone)]
pub struct KeepalivePlan {
    /// The trunk.
    pub trunk: String,
    /// SIP URIs.
    pub uris: Vec<String>,
    /// How often; faster while there is doubt.
    pub every: Duration,
}

impl KeepalivePlan {
    /// What a configuration says.
    pub fn from_config(config: &Config) -> Vec<Self> {
        let asked = config.trunks.iter().filter(|trunk| trunk.keepalive_s > 0);
        asked
            .map(|trunk| Self {
                trunk: trunk.name.clone(),
                uris: trunk.addresses().map(str::to_owned).collect(),
                every: Duration::from_secs(trunk.keepalive_s.into()),
            })
            .collect()
    }
}

/// How one address of a trunk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkReach {
    /// The trunk.
    pub trunk: String,
    /// Its SIP URI.
    pub uri: String,
    /// Whether it answers.
    pub state: TrunkState,
}

/// That an address has come or gone.
#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) uri: String,
    pub(super) is_up: bool,
}

/// Keeps asking one address.
pub(super) struct Keeper {
    wire: Arc<Wire>,
    trunk: String,
    uri: String,
    pulse: Pulse,
    state: watch::Sender<TrunkReach>,
    /// The trunk's registration, if it has one.
    alarms: Option<mpsc::Sender<Alarm>>,
}

impl Keeper {
    pub(super) fn new(
        wire: &Arc<Wire>,
        (trunk, uri): (&str, &str),
        every: Duration,
        alarms: Option<mpsc::Sender<Alarm>>,
    ) -> Self {
        let pulse = Pulse::new(every, rand::random());
        let state = pulse.state().clone();
        let (trunk, uri) = (trunk.to_owned(), uri.to_owned());
        let reach = TrunkReach { trunk: trunk.clone(), uri: uri.clone(), state };
        Self { wire: wire.clone(), trunk, uri, pulse, state: watch::Sender::new(reach), alarms }
    }

    pub(super) fn state(&self) -> watch::Receiver<TrunkReach> {
        self.state.subscribe()
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let asked = ping(&self.wire, &self.uri).await;
            self.handle(&asked);
            tokio::time::sleep(self.pulse.pause()).await;
        }
    }

    fn handle(&mut self, asked: &Result<Pong, SipError>) {
        let outcome = match asked {
            Ok(pong) if pong.is_in_service() => Ok(()),
            Ok(pong) => Err(format!("{} answered {}", pong.from, pong.status)),
            Err(error) => Err(error.to_string()),
        };
        if outcome.is_err() {
            Counters::add(&self.wire.counters.keepalives_missed);
        }
        let was_down = matches!(self.pulse.state(), TrunkState::Down { .. });
        if !self.pulse.handle(outcome) {
            return;
        }
        let state = self.pulse.state().clone();
        let (trunk, uri) = (&self.trunk, &self.uri);
        match &state {
            TrunkState::Down { reason } => {
                Counters::add(&self.wire.counters.trunk_addresses_down);
                tracing::warn!(trunk, address = uri, reason, "the trunk does not answer");
            }
            TrunkState::Up | TrunkState::Trying => {
                if was_down {
                    Counters::remove(&self.wire.counters.trunk_addresses_down);
                }
                tracing::info!(trunk, address = uri, "the trunk answers");
            }
        }
        let is_up = state == TrunkState::Up;
        self.state.send_modify(|reach| reach.state = state);
        if let Some(alarms) = &self.alarms {
            _ = alarms.try_send(Alarm { uri: self.uri.clone(), is_up });
        }
    }
}
