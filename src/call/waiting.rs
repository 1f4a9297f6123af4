//! A caller in line: when they get there, what they hear meanwhile, and when something is said.
//!
//! ```text
//!  No ──Enqueue act──▶ AfterSpeech ──all is said──▶ Waiting ──AgentTook──▶ WithAgent
//!  ▲                                                │  ▲  ▲                 │  │  ▲
//!  ├─── LeaveQueue act, WaitEnded ──────────────────┘  │  └───BackInQueue───┘  │  │ all is said
//!  │                                                   │         BackFromAgent ▼  │ AgentTook
//!  └─── TransferEnded ◀── (the three on the right)     └─BackInQueue── AtFrontDoor ─▶ Returning
//! ```
//! Nobody is put in line before everything is said. The place is told soon after, then about every
//! [`PLACE_EVERY`], and earlier if it got better; in between the caller is kept company. How long
//! somebody may wait is the queue's business, not ours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::acd::{BackInQueue, LeftQueue, WaitEnd};
use crate::audio::hold_music;
use crate::base::{Pii, QueueName};
use crate::conversation::{ConversationInput, TransferOutcome, WaitNews, WaitTopic};
use crate::speech::TurnInput;

use super::speaking::FRAME;
use super::{Call, CallOutput, Timer};

/// Music before the place is told for the first time.
const FIRST_AFTER: Duration = Duration::from_secs(4);

/// From one telling of the place to the next.
const PLACE_EVERY: Duration = Duration::from_secs(45);

/// Music before something is said to keep the caller company.
const COMPANY_AFTER: Duration = Duration::from_secs(25);

/// Music at least from one thing that is said by ourselves to the next.
const PAUSE_MIN: Duration = Duration::from_secs(20);

/// What is due while somebody speaks is tried again after this.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long the music takes to come back, and to give way.
const FADE_IN: Duration = Duration::from_millis(800);
const FADE_OUT: Duration = Duration::from_millis(120);

/// Longest wait for a call back to be noted.
const BOOKING_LIMIT: Duration = Duration::from_secs(10);

/// Where the caller is on the way to people.
#[derive(Debug)]
pub(super) enum InLine {
    No,
    /// To be put in line once everything is said.
    AfterSpeech {
        queue: String,
        announcement: Pii<String>,
    },
    Waiting(Line),
    WithAgent {
        /// Since when they had been waiting.
        since: Instant,
    },
    /// With us again, for something that whoever took the call wants done here.
    AtFrontDoor {
        since: Instant,
    },
    /// To be given back once everything is said.
    Returning {
        since: Instant,
    },
}

impl InLine {
    /// Whether something is done once everything is said, of which nobody has been told yet.
    pub fn is_about_to_change(&self) -> bool {
        matches!(self, Self::AfterSpeech { .. } | Self::Returning { .. })
    }

    /// Since when they had waited for whoever took the call.
    fn taken_since(&self) -> Option<Instant> {
        match self {
            Self::WithAgent { since } | Self::AtFrontDoor { since } | Self::Returning { since } => {
                Some(*since)
            }
            Self::No | Self::AfterSpeech { .. } | Self::Waiting(_) => None,
        }
    }
}

/// A wait, as far as time goes.
#[derive(Debug)]
pub(super) struct Line {
    since: Instant,
    /// When our last words ended.
    quiet_since: Instant,
    /// When the place was told last, and which.
    place_told: Option<(Instant, Option<usize>)>,
    position: Option<usize>,
    music: Music,
}

impl Line {
    fn new(since: Instant, now: Instant) -> Self {
        Self { since, quiet_since: now, place_told: None, position: None, music: Music::new() }
    }

    /// What is to be said next, and when.
    fn next_words(&self) -> (Instant, WaitTopic) {
        let Some((told_at, told)) = self.place_told else {
            return (self.quiet_since + FIRST_AFTER, WaitTopic::Place);
        };
        let soonest = self.quiet_since + PAUSE_MIN;
        let is_better =
            matches!((self.position, told), (Some(position), Some(told)) if position < told);
        if is_better {
            return (soonest, WaitTopic::Place);
        }
        let place = (told_at + PLACE_EVERY).max(soonest);
        let company = self.quiet_since + COMPANY_AFTER;
        // Not right before the place is told.
        if company + PAUSE_MIN / 2 <= place {
            return (company, WaitTopic::Company);
        }
        (place, WaitTopic::Place)
    }

    fn tell(&mut self, now: Instant, topic: WaitTopic) {
        self.quiet_since = now;
        if topic == WaitTopic::Place {
            self.place_told = Some((now, self.position));
        }
    }
}

/// The music, which gives way to whoever speaks and then goes on.
#[derive(Debug)]
struct Music {
    samples: Arc<[i16]>,
    at: usize,
    /// 0 to 1.
    gain: f32,
}

impl Music {
    fn new() -> Self {
        Self { samples: hold_music(), at: 0, gain: 0.0 }
    }

    fn mix(&mut self, frame: &mut [i16; FRAME], is_wanted: bool) {
        let step = |fade: Duration| 1.0 / (fade.as_secs_f32() * 8_000.0);
        let change = if is_wanted { step(FADE_IN) } else { -step(FADE_OUT) };
        for sample in frame {
            self.gain = (self.gain + change).clamp(0.0, 1.0);
            if self.gain <= 0.0 {
                continue;
            }
            let note = self.samples.get(self.at).copied().unwrap_or_default();
            self.at = if self.at + 1 < self.samples.len() { self.at + 1 } else { 0 };
            *sample = sample.saturating_add((f32::from(note) * self.gain) as i16);
        }
    }
}

impl Call {
    /// Whether the caller is in line, and may be joined with somebody who takes the call.
    pub fn is_in_line(&self) -> bool {
        matches!(self.in_line, InLine::Waiting(_))
    }

    pub(super) fn put_in_line(&mut self, now: Instant, queue: String, announcement: Pii<String>) {
        self.in_line = InLine::AfterSpeech { queue, announcement };
        if self.playout.is_empty() {
            self.all_said_in_line(now);
        }
    }

    pub(super) fn give_back(&mut self, now: Instant) {
        let Some(since) = self.in_line.taken_since() else {
            self.stale += 1;
            return;
        };
        self.in_line = InLine::Returning { since };
        if self.playout.is_empty() {
            self.all_said_in_line(now);
        }
    }

    /// Everything is said, or was cut off: does what has waited for it.
    pub(super) fn all_said_in_line(&mut self, now: Instant) {
        match std::mem::replace(&mut self.in_line, InLine::No) {
            InLine::AfterSpeech { queue, announcement } => {
                self.in_line = InLine::Waiting(Line::new(now, now));
                self.outputs.push_back(CallOutput::Enqueue { queue, announcement });
            }
            InLine::Waiting(line) => {
                self.in_line = InLine::Waiting(Line { quiet_since: now, ..line });
            }
            InLine::Returning { since } => {
                self.fall_silent(now);
                self.in_line = InLine::WithAgent { since };
                self.outputs.push_back(CallOutput::ReturnToAgent);
            }
            other => self.in_line = other,
        }
        self.arm_in_line();
    }

    fn arm_in_line(&mut self) {
        if let InLine::Waiting(line) = &self.in_line {
            let (at, _) = line.next_words();
            self.timers.set(Timer::InLine, at);
        }
    }

    /// Takes the caller out of the line, for a call back once that is noted.
    pub(super) fn leave_queue(&mut self, now: Instant, why: LeftQueue) {
        if matches!(self.in_line, InLine::AfterSpeech { .. }) {
            self.all_said_in_line(now);
        }
        self.outputs.push_back(CallOutput::LeaveQueue { why });
        if why == LeftQueue::ForCallback {
            self.timers.set(Timer::Booking, now + BOOKING_LIMIT);
        } else {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        self.in_line = InLine::No;
        self.timers.cancel(Timer::InLine);
        self.timers.cancel(Timer::Booking);
    }

    pub(super) fn on_waiting(&mut self, now: Instant, news: WaitNews) {
        let InLine::Waiting(line) = &mut self.in_line else {
            self.stale += 1;
            return;
        };
        line.position = Some(news.position);
        self.arm_in_line();
        self.converse(now, ConversationInput::Waiting(news));
    }

    pub(super) fn on_moved(&mut self, now: Instant, to: QueueName) {
        if !self.is_in_line() {
            self.stale += 1;
            return;
        }
        self.converse(now, ConversationInput::Moved { to });
    }

    /// Whether the caller waits, and neither side speaks or works anything out.
    fn is_quiet_in_line(&self) -> bool {
        self.playout.is_empty()
            && self.pending.is_empty()
            && self.hang_up_after_speech.is_none()
            && !self.on_hold
            && !self.endpointer.is_speaking()
            && self.conversation.is_waiting()
    }

    /// Something is due to be said.
    pub(super) fn on_words_due(&mut self, now: Instant) {
        let is_quiet = self.is_quiet_in_line();
        let InLine::Waiting(line) = &mut self.in_line else { return };
        if !is_quiet {
            return self.timers.set(Timer::InLine, now + TRY_AGAIN_AFTER);
        }
        let (at, topic) = line.next_words();
        if at <= now {
            line.tell(now, topic);
            let waited = now.saturating_duration_since(line.since);
            // It answers nothing that was said.
            self.clock = None;
            self.converse(now, ConversationInput::StillWaiting { waited, topic });
        }
        self.arm_in_line();
    }

    /// Plays the music below everything else.
    pub(super) fn play_music(&mut self, frame: &mut [i16; FRAME], is_speech: bool) {
        let is_wanted = !is_speech && self.is_quiet_in_line();
        if let InLine::Waiting(line) = &mut self.in_line {
            line.music.mix(frame, is_wanted);
        }
    }

    /// Somebody takes the call, or takes it back from us: we stop in mid-word.
    pub(super) fn on_agent_took(&mut self, now: Instant) {
        let (InLine::Waiting(Line { since, .. })
        | InLine::AtFrontDoor { since }
        | InLine::Returning { since }) = self.in_line
        else {
            self.stale += 1;
            return;
        };
        self.fall_silent(now);
        self.end_line();
        self.in_line = InLine::WithAgent { since };
        self.converse(now, ConversationInput::AgentTook);
    }

    /// Stops speaking, and forgets what the caller has just said to us. An action that runs goes on.
    fn fall_silent(&mut self, now: Instant) {
        self.withdraw();
        self.drop_speech(now);
        self.turn.handle(TurnInput::AgentEnded);
        self.turn.handle(TurnInput::Ignored);
        self.pending.clear();
        self.keys.clear();
        self.clock = None;
        self.tells_of_failure = false;
        for timer in [Timer::NoInput, Timer::InterDigit, Timer::Deciding] {
            self.timers.cancel(timer);
        }
    }

    /// The caller hears us again, after others.
    fn listen_anew(&mut self, now: Instant) {
        // What they were saying as they went was said to somebody else by now.
        if self.endpointer.finish().is_some() {
            self.turn.handle(TurnInput::CallerEnded);
            self.utterance_secret = false;
        }
        self.fall_silent(now);
        self.vad.reset();
        self.ears.forget();
    }

    pub(super) fn on_back_in_queue(&mut self, now: Instant, why: BackInQueue) {
        let is_told = why != BackInQueue::NotTaken;
        match self.in_line {
            InLine::Waiting(_) => {}
            InLine::WithAgent { since }
            | InLine::AtFrontDoor { since }
            | InLine::Returning { since } => {
                if !matches!(self.in_line, InLine::AtFrontDoor { .. }) {
                    self.listen_anew(now);
                }
                // That they are first is what they are told now.
                let place_told = is_told.then_some((now, Some(1)));
                self.in_line = InLine::Waiting(Line { place_told, ..Line::new(since, now) });
            }
            InLine::No | InLine::AfterSpeech { .. } => {
                self.stale += 1;
                return;
            }
        }
        self.converse(now, ConversationInput::BackInQueue { why });
        self.tells_of_failure = is_told && !self.playout.is_empty();
        self.arm_in_line();
    }

    pub(super) fn on_wait_ended(&mut self, now: Instant, why: WaitEnd) {
        if matches!(self.in_line, InLine::No) {
            self.stale += 1;
            return;
        }
        if matches!(self.in_line, InLine::WithAgent { .. } | InLine::Returning { .. }) {
            self.listen_anew(now);
        }
        self.end_line();
        self.clock = None;
        self.converse(now, ConversationInput::WaitEnded { why });
        self.tells_of_failure = !self.playout.is_empty();
    }

    /// The time with whoever took the call is over. Says whether somebody had.
    pub(super) fn on_agent_done(&mut self, now: Instant, outcome: TransferOutcome) -> bool {
        if self.in_line.taken_since().is_none() {
            return false;
        }
        if !matches!(self.in_line, InLine::AtFrontDoor { .. }) {
            self.listen_anew(now);
        }
        self.end_line();
        self.converse(now, ConversationInput::TransferEnded { outcome });
        self.tells_of_failure = outcome != TransferOutcome::Succeeded && !self.playout.is_empty();
        true
    }

    pub(super) fn on_callback_booked(&mut self, now: Instant, booked: bool) {
        if !self.is_in_line() {
            self.stale += 1;
            return;
        }
        self.timers.cancel(Timer::Booking);
        if booked {
            self.end_line();
        }
        self.converse(now, ConversationInput::CallbackBooked { booked });
    }

    pub(super) fn on_back_from_agent(&mut self, now: Instant, task: String) {
        let InLine::WithAgent { since } = self.in_line else {
            self.stale += 1;
            return;
        };
        self.listen_anew(now);
        self.in_line = InLine::AtFrontDoor { since };
        self.converse(now, ConversationInput::BackFromAgent { task });
    }
}
