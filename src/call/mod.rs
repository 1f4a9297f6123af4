//! The `Call` machine: one leg, turns, conversation, hand-off. Pure: it owns a call's whole state,
//! takes typed inputs with `now`, and its outputs are drained with [`Call::poll_output`].
//!
//! ```text
//!  CallInput::Audio ─▶ VAD ─▶ Endpointer ─▶ Transcribe ─▶ Understand ─▶ Conversation
//!                        │                                                   │ acts
//!                    TurnMachine ◀── playout queue ◀── SpeechAudio ◀── Speak ─┘
//! ```
//!
//! The run loop is: [`Call::handle`] once, [`Call::poll_output`] until `None`, wait for the next
//! input or [`Call::poll_timeout`]. Every 20 ms the shell hands in a caller frame and takes an
//! agent frame with [`Call::next_frame`].

mod acts;
mod handoff;
mod io;
mod listening;
mod speaking;
mod timing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use io::{
    CallFacts, CallInput, CallOutput, CallSettings, HeardResult, LineSpeaker, PlayoutFrame,
    TranscriptLine,
};
use listening::PendingUtterance;
use speaking::PlayItem;
use timing::TurnClock;
pub use timing::TurnTiming;

use crate::base::{
    ActionRunId, Pii, SpeechId, Termination, TerminationResult, TimerTable, TurnId, UtteranceId,
};
use crate::conversation::{Conversation, ConversationInput, Expectation, Expected, Rules};
use crate::prompts::Generation;
use crate::speech::{Endpointer, TurnMachine, TurnState, Vad};

/// The timers of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// The caller says nothing where an answer is expected.
    NoInput,
    /// The caller has stopped pressing keys.
    InterDigit,
    /// A transcript or an understanding is overdue.
    Deciding,
    /// An action is overdue.
    Acting,
    /// Speech that was asked for has not come.
    Speech,
}

/// One call, from answer to end.
pub struct Call {
    facts: CallFacts,
    settings: CallSettings,
    conversation: Conversation,
    turn: TurnMachine,
    endpointer: Endpointer,
    vad: Box<dyn Vad>,
    vad_pending: Vec<i16>,
    timers: TimerTable<Timer>,
    outputs: VecDeque<CallOutput>,
    generation_hash: String,
    answered_at: Option<Instant>,
    on_hold: bool,
    ended: bool,

    next_utterance: UtteranceId,
    pending: Vec<PendingUtterance>,
    keys: String,
    expectation: Expectation,

    next_speech: SpeechId,
    playout: VecDeque<PlayItem>,
    hang_up_after_speech: Option<String>,

    turn_id: TurnId,
    clock: Option<TurnClock>,
    lines: Vec<TranscriptLine>,
    action_times: BTreeMap<ActionRunId, u64>,
    running: Option<ActionRunId>,
    /// Answers to past utterances, speeches and actions: dropped and counted.
    pub stale: u64,
}

impl Call {
    /// A call that has not been answered yet. `seed` varies the wording.
    pub fn new(
        facts: CallFacts,
        settings: CallSettings,
        generation: Arc<Generation>,
        rules: Rules,
        vad: Box<dyn Vad>,
        seed: u64,
    ) -> Self {
        Self {
            generation_hash: generation.hash.as_str().to_owned(),
            conversation: Conversation::new(generation, rules, seed),
            turn: TurnMachine::new(settings.barge_in),
            endpointer: Endpointer::new(settings.endpointer),
            vad,
            vad_pending: Vec::new(),
            timers: TimerTable::default(),
            outputs: VecDeque::new(),
            answered_at: None,
            on_hold: false,
            ended: false,
            next_utterance: UtteranceId::default(),
            pending: Vec::new(),
            keys: String::new(),
            expectation: Expectation::of(Expected::Request),
            next_speech: SpeechId::default(),
            playout: VecDeque::new(),
            hang_up_after_speech: None,
            turn_id: TurnId::default(),
            clock: None,
            lines: Vec::new(),
            action_times: BTreeMap::new(),
            running: None,
            stale: 0,
            facts,
            settings,
        }
    }

    /// Takes one input. Drain [`Call::poll_output`] afterwards.
    pub fn handle(&mut self, now: Instant, input: CallInput) {
        if self.ended {
            self.stale += 1;
            return;
        }
        match input {
            CallInput::Answered { caller } => {
                self.answered_at = Some(now);
                self.converse(now, ConversationInput::Started { caller });
            }
            CallInput::Audio { frame, waited } => self.on_audio(now, &frame, waited),
            CallInput::Digit(digit) => self.on_digit(now, digit),
            CallInput::Hold => self.on_hold(),
            CallInput::Resume => self.on_resume(now),
            CallInput::Transcribed { utterance, result } => {
                self.on_transcribed(now, utterance, result);
            }
            CallInput::Understood { utterance, understanding } => {
                self.on_understood(now, utterance, understanding);
            }
            CallInput::SpeechAudio { speech, samples } => {
                self.on_speech_audio(now, speech, &samples);
            }
            CallInput::SpeechDone { speech } => self.on_speech_done(now, speech),
            CallInput::SpeechFailed { speech } => self.on_speech_failed(now, speech),
            CallInput::ActionFinished { run, result } => {
                if self.running != Some(run) {
                    self.stale += 1;
                    return;
                }
                self.running = None;
                self.timers.cancel(Timer::Acting);
                self.converse(now, ConversationInput::ActionFinished { run, result });
            }
            CallInput::HandoffStored { stored } => {
                self.converse(now, ConversationInput::HandoffStored { stored });
            }
            CallInput::LegEnded(termination) => self.on_leg_ended(now, termination),
            CallInput::Timeout => self.on_timeout(now),
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<CallOutput> {
        self.outputs.pop_front()
    }

    /// When [`CallInput::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Whether the caller's side must not be recorded right now (a PIN is being asked for).
    pub fn is_masking(&self) -> bool {
        self.expectation.secret
    }

    /// Where the turn is.
    pub fn turn_state(&self) -> TurnState {
        self.turn.state()
    }

    /// Turns in which we answered.
    pub fn turns(&self) -> u32 {
        self.turn_id.0
    }

    /// Whether the caller's side has put us on hold: then no audio need come.
    pub fn is_on_hold(&self) -> bool {
        self.on_hold
    }

    /// Whether the call is over.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    fn elapsed_ms(&self, now: Instant) -> u64 {
        self.answered_at.map_or(0, |at| now.saturating_duration_since(at).as_millis() as u64)
    }

    fn on_hold(&mut self) {
        self.on_hold = true;
        self.timers.cancel(Timer::NoInput);
    }

    fn on_resume(&mut self, now: Instant) {
        self.on_hold = false;
        self.vad.reset();
        self.vad_pending.clear();
        self.arm_no_input(now);
    }

    fn on_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::NoInput => self.converse(now, ConversationInput::Silence),
                Timer::InterDigit => self.deliver_keys(now),
                Timer::Deciding => {
                    self.pending.clear();
                    self.clock = None;
                    self.turn.handle(crate::speech::TurnInput::Ignored);
                    self.converse(now, ConversationInput::HearingDown);
                }
                Timer::Acting => {
                    if let Some(run) = self.running.take() {
                        let result = Err(crate::conversation::FailureWords::Timeout);
                        self.converse(now, ConversationInput::ActionFinished { run, result });
                    }
                }
                Timer::Speech => self.on_speech_overdue(now),
            }
        }
    }

    fn on_leg_ended(&mut self, now: Instant, termination: Termination) {
        self.drop_speech(now);
        self.ended = true;
        self.outputs.push_back(CallOutput::Ended(termination));
    }

    fn push_line(&mut self, line: TranscriptLine) {
        self.outputs.push_back(CallOutput::Line(line.clone()));
        self.lines.push(line);
    }

    fn arm_no_input(&mut self, now: Instant) {
        let idle = self.playout.is_empty() && self.running.is_none() && !self.on_hold;
        if idle
            && self.pending.is_empty()
            && !self.endpointer.is_speaking()
            && self.hang_up_after_speech.is_none()
        {
            let patience = self.settings.no_input * self.expectation.silence_factor;
            self.timers.set(Timer::NoInput, now + patience);
        }
    }

    fn on_digit(&mut self, now: Instant, digit: char) {
        self.timers.cancel(Timer::NoInput);
        self.stop_agent(now);
        let Some(keys_max) = self.expectation.keys_max else {
            if digit == '0' {
                self.keys.clear();
                self.keys.push(digit);
                self.deliver_keys(now);
            } else {
                self.arm_no_input(now);
            }
            return;
        };
        if digit != '#' {
            self.keys.push(digit);
        }
        if digit == '#' || self.keys.len() >= keys_max {
            self.deliver_keys(now);
        } else {
            self.timers.set(Timer::InterDigit, now + self.settings.inter_digit);
        }
    }

    fn deliver_keys(&mut self, now: Instant) {
        self.timers.cancel(Timer::InterDigit);
        let keys = std::mem::take(&mut self.keys);
        if keys.is_empty() {
            return self.arm_no_input(now);
        }
        let shown = if self.expectation.secret { "•".repeat(keys.len()) } else { keys.clone() };
        self.push_line(TranscriptLine {
            at_ms: self.elapsed_ms(now),
            speaker: LineSpeaker::Caller,
            text: Pii::new(format!("[keys {shown}]")),
            confidence: Some(1.0),
            intent: None,
        });
        self.converse(now, ConversationInput::Keyed(Pii::new(keys)));
    }

    fn finish(&mut self, reason: String) {
        let termination = Termination::new(TerminationResult::Success, reason);
        self.outputs.push_back(CallOutput::HangUp(termination));
    }

    /// Longest wait for a transcript before the hearing counts as down.
    fn deciding_limit() -> Duration {
        Duration::from_secs(15)
    }

    /// Longest wait for an action beyond its own timeout.
    fn acting_limit() -> Duration {
        Duration::from_secs(30)
    }

    /// Longest wait for the next sound of a sentence.
    fn speech_limit() -> Duration {
        Duration::from_secs(10)
    }
}
