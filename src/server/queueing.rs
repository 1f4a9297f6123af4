//! A caller's way to people at desks, as their call's task has it.
//!
//! ```text
//!  Out ──Enqueue──▶ Entering ──▶ InLine ──Join──▶ Connecting ──can be heard──▶ talk (`agent_call`)
//!   ▲                  │ refused    │ ▲               │ not reached: Back             │
//!   │                  ▼            │ └───────────────┴── agent lost: Back ───────────┤
//!   └──── WaitEnded ◀──┴─── Over ◀──┘ └────────────────── sent on to others ──────────┤
//!   │                                     AtFrontDoor ◀── for a task ────────────────▶┤
//!   └──────────────────────── hung up, or passed on to a number ──────────────────────┘
//! ```
//!
//! Who waits where, and who is offered whom, is decided by the floor (`floor`), which is told here that a
//! caller comes and goes. What the caller hears of it is decided by their `Call`.

mod steps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::acd::handoff::{Handoff, HandoffLine};
use crate::acd::standing::RecordMeaning;
use crate::acd::{AgentId, Level, Need, RouterRefusal, Skill};
use crate::audio::{SampleRate, tone};
use crate::base::{CallId, Pii, QueueName};
use crate::store::TransferRecord;

use super::agent_call::AgentCall;
use super::agent_leg::{AgentLeg, AgentStep};
use super::bridge::{Desk, Entering};
use super::floor::{AgentCommand, QueueEvent};
use super::people::People;
use super::transcribing::{Minutes, Said, SaidQueue, Transcribing, speaker_word};
use super::transfer::{NotReached, Ringing};

/// How long we may go on speaking once somebody has taken the call and can be heard.
const COMING_LIMIT: Duration = Duration::from_secs(3);

/// Level of the tone that tells that somebody is called: well below that of speech.
const TONE_DBFS: f64 = -30.0;

/// Everything about it.
pub(super) struct Queueing {
    pub people: People,
    pub(super) standing: Standing,
    /// What the caller's queue tells.
    events: Events,
    /// The hand-off that was stored last.
    handoff: Option<Arc<Handoff>>,
    /// Where the caller waits, or waited last.
    queue: Option<QueueName>,
    /// Where an agent is sending them.
    sending_to: Option<QueueName>,
    /// The wait that is under way, or led to the talk.
    wait: Option<Wait>,
    /// Since when the caller's place counts.
    since: Option<Instant>,
    said: SaidQueue,
    /// What was said to agents so far.
    minutes: Minutes,
    /// What is told to whoever takes the call on a telephone.
    announcement: Pii<String>,
    /// Where the caller could be called back.
    callback: Option<Pii<String>>,
    /// What their record means for who can help them.
    record: RecordMeaning,
    /// The tone that tells that somebody is called, and how far it has been played.
    tone: Vec<i16>,
    rung: usize,
}

/// Where the caller is on their way.
pub(super) enum Standing {
    /// With us, or put through.
    Out,
    /// The floor has not said yet whether they may wait.
    Entering(Entering),
    /// In line.
    InLine,
    /// In line until their wish to be called back is noted.
    Booking,
    /// Somebody has taken the call.
    Connecting(Box<Connecting>),
    /// They can be heard: once we have said that they come, they talk.
    Ready(Box<AgentCall>, Instant),
    /// Somebody waits until the front door has done something.
    AtFrontDoor(Box<AgentCall>),
    /// It has been done.
    Returning(Box<AgentCall>),
    /// An agent has let the caller go to somebody who rings yet: an attempt, if it is still under way.
    PassedOn,
}

/// Somebody has taken the call, and is not to be heard yet.
pub(super) struct Connecting {
    agent: AgentId,
    display_name: String,
    desk: Desk,
    work: Ringing,
}

/// A wait.
#[derive(Debug, Clone, Copy)]
struct Wait {
    began: Instant,
    /// The same from answer.
    at_ms: u64,
}

impl Wait {
    /// What is kept of it, if this came of it there.
    fn record(&self, queue: &str, outcome: &str, agent: Option<&AgentId>) -> TransferRecord {
        TransferRecord {
            at_ms: self.at_ms,
            queue: queue.to_owned(),
            way: "desk".to_owned(),
            outcome: outcome.to_owned(),
            agent: agent.map(|agent| agent.as_str().to_owned()),
            status: None,
            took_ms: millis(self.began.elapsed()),
            bridged_ms: None,
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// What the caller's queue tells, as long as there is one.
pub(super) enum Events {
    Open(mpsc::Receiver<QueueEvent>),
    Closed,
}

impl Events {
    /// The next event, or that there will be none: once, and then nothing for ever. Safe to cancel.
    pub async fn next(&mut self) -> Option<QueueEvent> {
        match self {
            Self::Open(events) => {
                let event = events.recv().await;
                if event.is_none() {
                    *self = Self::Closed;
                }
                event
            }
            Self::Closed => std::future::pending().await,
        }
    }
}

/// Something that happened on the way.
pub(super) enum Happening {
    Entered(Result<mpsc::Receiver<QueueEvent>, RouterRefusal>),
    Queue(Option<QueueEvent>),
    Reached(Result<Box<AgentLeg>, NotReached>),
    Command(AgentCommand),
    /// On the leg of whoever waits for the front door.
    Agent(AgentStep),
    Return,
    Said(Said),
}

impl Queueing {
    /// A caller who has not asked for anybody yet.
    pub fn new(people: People, callback: Option<Pii<String>>, record: RecordMeaning) -> Self {
        Self {
            people,
            standing: Standing::Out,
            events: Events::Closed,
            handoff: None,
            queue: None,
            sending_to: None,
            wait: None,
            since: None,
            said: SaidQueue::new(),
            minutes: Minutes::default(),
            announcement: Pii::default(),
            callback,
            record,
            tone: tone::ringback(SampleRate::HZ_8000, TONE_DBFS),
            rung: 0,
        }
    }

    /// The next of what the caller hears while somebody is about to be heard: that it rings.
    pub fn ring(&mut self, samples: &mut [i16], is_tried: bool) {
        let rings = match self.standing {
            Standing::Connecting(_) => true,
            Standing::PassedOn => is_tried,
            _ => false,
        };
        if !rings {
            self.rung = 0;
            return;
        }
        for sample in samples {
            let tone = self.tone.get(self.rung).copied().unwrap_or_default();
            *sample = sample.saturating_add(tone);
            self.rung = if self.rung + 1 < self.tone.len() { self.rung + 1 } else { 0 };
        }
    }

    /// What is waited for while the caller talks with somebody.
    pub fn parts(&mut self) -> (&mut Events, &mut SaidQueue) {
        (&mut self.events, &mut self.said)
    }

    /// What is told to whoever is called, where that is asked for.
    pub fn announcement(&self) -> &Pii<String> {
        &self.announcement
    }

    /// Where the caller waits, or waited last.
    pub fn queue(&self) -> Option<&QueueName> {
        self.queue.as_ref()
    }

    /// Whether the caller waits for people, or is with them.
    pub fn is_under_way(&self) -> bool {
        !matches!(self.standing, Standing::Out | Standing::PassedOn)
    }

    /// Notes the hand-off that is stored.
    pub fn note_handoff(&mut self, handoff: Arc<Handoff>) {
        self.handoff = Some(handoff);
    }

    /// Waits for what happens next; for ever if nothing is under way. Safe to cancel.
    pub async fn next(&mut self) -> Happening {
        let Self { standing, events, said, .. } = self;
        // That nothing more will be told may have been told while they talked with somebody.
        if matches!((&*standing, &*events), (Standing::InLine, Events::Closed)) {
            return Happening::Queue(None);
        }
        tokio::select! {
            happening = standing.next() => happening,
            event = events.next() => Happening::Queue(event),
            said = said.next() => Happening::Said(said),
        }
    }

    /// The hand-off for whoever takes the call next: with what was said to the one before.
    fn handoff_for(&self, queue: &QueueName) -> Option<Arc<Handoff>> {
        let mut handoff = Handoff::clone(self.handoff.as_ref()?);
        handoff.queue = queue.as_str().to_owned();
        handoff.transcript.extend(self.minutes.iter().map(|said| HandoffLine {
            at_ms: said.at_ms,
            speaker: speaker_word(said.speaker).to_owned(),
            text: said.text.expose().clone(),
        }));
        Some(Arc::new(handoff))
    }

    fn needs_besides(&self, handoff: &Handoff) -> Vec<Need> {
        needs_of_record(&self.record, handoff)
    }

    /// Writes down the next talk.
    fn scribe(&self, call: CallId) -> Transcribing {
        Transcribing::start(&self.people.scribe, call, self.said.sender())
    }
}

/// What agents have to be good at besides what a queue asks for, whichever it is: what the caller's
/// record says. Other skills of the hand-off are those of the queue it was made for.
fn needs_of_record(meaning: &RecordMeaning, handoff: &Handoff) -> Vec<Need> {
    let crm = handoff.crm.as_ref();
    let standing = meaning.read(|field| crm?.get(field)?.as_str());
    let skills = meaning.skills(&standing).into_iter();
    skills.map(|skill| Need { skill: Skill::new(skill), level: Level::ONE }).collect()
}

impl Standing {
    async fn next(&mut self) -> Happening {
        match self {
            Self::Out | Self::InLine | Self::Booking | Self::PassedOn => {
                std::future::pending().await
            }
            Self::Entering(work) => Happening::Entered(match work.await {
                Ok(entered) => entered,
                Err(_) => Err(RouterRefusal::NoQueue),
            }),
            Self::Connecting(connecting) => {
                let Connecting { desk, work, .. } = &mut **connecting;
                tokio::select! {
                    command = desk.next_command() => Happening::Command(command),
                    reached = work => Happening::Reached(match reached {
                        Ok(reached) => reached.map(Box::new),
                        Err(error) => {
                            Err(NotReached::failed(&error.to_string()))
                        }
                    }),
                }
            }
            Self::Ready(with, _) | Self::AtFrontDoor(with) => with.next_while_waiting().await,
            Self::Returning(_) => Happening::Return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::conversation::TransferOutcome;

    #[test]
    fn a_wait_is_kept_as_a_way_of_its_own() {
        let wait = Wait { began: Instant::now(), at_ms: 1_500 };
        let succeeded = TransferOutcome::Succeeded.as_str();
        let record = wait.record("cards", succeeded, Some(&AgentId::new("sam")));
        assert_eq!((record.way.as_str(), record.agent.as_deref()), ("desk", Some("sam")));
        assert_eq!((record.queue.as_str(), record.outcome.as_str()), ("cards", "succeeded"));
        assert_eq!((record.at_ms, record.bridged_ms), (1_500, None));
    }

    #[test]
    fn a_record_asks_for_skills_in_whichever_queue() {
        let meaning = RecordMeaning {
            tier: Some("tier".to_owned()),
            skills: BTreeMap::from([("gold".to_owned(), vec!["private".to_owned()])]),
            ..RecordMeaning::default()
        };
        let mut handoff = crate::acd::handoff::tests::handoff();
        handoff.crm = serde_json::from_str(r#"{"tier": "Gold"}"#).expect("a record");
        let need = Need { skill: Skill::new("private"), level: Level::ONE };
        assert_eq!(needs_of_record(&meaning, &handoff), [need]);
        handoff.crm = None;
        assert_eq!(needs_of_record(&meaning, &handoff), []);
    }

    #[tokio::test]
    async fn a_queue_that_says_no_more_says_so_once() {
        let (sender, receiver) = mpsc::channel(1);
        let mut events = Events::Open(receiver);
        drop(sender);
        assert!(events.next().await.is_none());
        let again = std::future::poll_fn(|context| {
            let next = std::pin::pin!(events.next());
            std::task::Poll::Ready(next.poll(context).is_pending())
        });
        assert!(again.await);
    }
}
