//! What it takes to bring callers together with people at desks: the floor, the ways to them, and how it is
//! done there. Shared by all calls.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::acd::AgentId;
use crate::audio::hold_music;
use crate::base::Pii;
use crate::config::{Config, DeskConfig};
use crate::net::webrtc::WebRtc;
use crate::web::{AnswerWay, NotDone, Reply};

use super::Engines;
use super::agent_leg::AgentLeg;
use super::behaviour::call_settings;
use super::bridge::{Callee, Means, Music, Origin, Recording};
use super::floor::Acd;
use super::metrics::Metrics;
use super::transcribing::Scribe;
use super::transfer::{NotReached, Ringing, Transfers};
use super::web_calls::answer_agent;

/// How long it may take until an agent who has taken a call in the browser can be heard.
const BROWSER_LIMIT: Duration = Duration::from_secs(10);

/// All of it. Cheap to clone.
#[derive(Clone)]
pub(super) struct People {
    pub acd: Acd,
    pub transfers: Transfers,
    pub scribe: Scribe,
    webrtc: WebRtc,
    no_media_timeout: Duration,
    desk: Arc<DeskConfig>,
    music: Arc<[i16]>,
}

/// Somebody at a desk who has taken a call.
pub(super) struct Taker {
    pub agent: AgentId,
    pub way: AnswerWay,
    /// Our SDP for a browser; that it is tried, for a telephone.
    pub answer: Reply<Option<String>>,
    /// What the hand-off is found by from outside.
    pub reference: Option<String>,
    /// What it is about, for whoever is told before they have the caller.
    pub announcement: Pii<String>,
    /// Where media is bound, unless the way to them is known.
    pub near: IpAddr,
}

impl People {
    /// As the configuration says.
    pub fn new(
        config: &Config,
        (acd, transfers): (Acd, Transfers),
        (engines, metrics): (Engines, Arc<Metrics>),
    ) -> Self {
        let endpointer = call_settings(config).endpointer;
        Self {
            acd,
            transfers,
            scribe: Scribe { engines, metrics, endpointer },
            webrtc: WebRtc::new(&config.webrtc),
            no_media_timeout: Duration::from_secs(config.media.no_media_timeout_s),
            desk: Arc::new(config.desk.clone()),
            music: hold_music(),
        }
    }

    /// Who can be called from a desk.
    pub fn means(&self, origin: Origin) -> Means {
        let (numbers, phones) = (self.transfers.desk_numbers(), self.transfers.desk_phones());
        Means { origin, numbers, phones }
    }

    /// What callers on hold hear.
    pub fn music(&self) -> Music {
        Music::new(Arc::clone(&self.music))
    }

    /// Whether recordings go on while callers and agents talk.
    pub fn recording(&self) -> Recording {
        match self.desk.record {
            true => Recording::GoesOn,
            false => Recording::Rests,
        }
    }

    /// Sets up the audio of whoever has taken a call, until they can be heard. Dropping what this gives ends
    /// it.
    pub fn reach(&self, taker: Taker) -> Ringing {
        let Taker { agent, way, answer, reference, announcement, near } = taker;
        let span = tracing::info_span!("desk", leg_id = 1, %agent);
        match way {
            AnswerWay::Browser { offer_sdp } => {
                let reaching = self.clone().in_browser(offer_sdp, answer);
                AbortOnDropHandle::new(tokio::spawn(reaching.instrument(span)))
            }
            AnswerWay::Phone => {
                let whom = Callee::Colleague(agent);
                let reference = reference.as_deref();
                let ringing = self.transfers.call(&whom, reference, announcement.clone(), near);
                let voice = self.transfers.voice().clone();
                let told = self.desk.whisper.then_some(announcement);
                let reaching = async move {
                    let mut leg = on_telephone(ringing, answer).await?;
                    if let Some(words) = told {
                        leg.whisper(&voice, &words).await?;
                    }
                    Ok(leg)
                };
                AbortOnDropHandle::new(tokio::spawn(reaching.instrument(span)))
            }
        }
    }

    async fn in_browser(
        self,
        offer_sdp: String,
        answer: Reply<Option<String>>,
    ) -> Result<AgentLeg, NotReached> {
        let (sdp, browser) = match answer_agent(&self.webrtc, &offer_sdp).await {
            Ok(answered) => answered,
            Err(not) => {
                let why = NotReached::failed(&not.to_string());
                // The page may be gone by now.
                let _ = answer.send(Err(not));
                return Err(why);
            }
        };
        if answer.send(Ok(Some(sdp))).is_err() {
            return Err(NotReached::failed("the agent's page did not wait for the answer"));
        }
        let mut leg = AgentLeg::from_browser(browser, self.no_media_timeout);
        let heard = async {
            leg.await_keys().await?;
            leg.await_audio().await
        };
        match timeout(BROWSER_LIMIT, heard).await {
            Ok(heard) => heard.map(|()| leg),
            Err(_) => Err(NotReached::failed("no audio came from the agent's browser in time")),
        }
    }
}

async fn on_telephone(
    ringing: Option<Ringing>,
    answer: Reply<Option<String>>,
) -> Result<AgentLeg, NotReached> {
    let Some(ringing) = ringing else {
        let why = "[desk.phones] has no telephone for this account";
        let _ = answer.send(Err(NotDone::NotFound(why.to_owned())));
        return Err(NotReached::failed(why));
    };
    // That it rings is all that the page is to know.
    let _ = answer.send(Ok(None));
    let mut leg = match ringing.await {
        Ok(reached) => reached?,
        Err(error) => return Err(NotReached::failed(&error.to_string())),
    };
    leg.await_audio().await?;
    Ok(leg)
}
