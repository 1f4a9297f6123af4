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
mod ears;
mod effort;
mod handoff;
mod heard;
mod io;
mod keys;
mod listening;
mod overlap;
mod patience;
mod presence;
mod put_through;
mod speaking;
mod speculation;
mod take_back;
mod timing;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ears::Ears;
pub use handoff::handoff_document;
pub use io::{
    CallFacts, CallInput, CallOutput, CallSettings, HeardResult, LineSpeaker, PlayoutFrame, Taken,
    TranscriptLine, Urgency,
};
use listening::PendingUtterance;
use overlap::Overlap;
pub use overlap::OverlapCounts;
pub use patience::{Patience, PatienceConfig, PauseEvidence};
use presence::Presence;
use put_through::PutThrough;
use speaking::PlayItem;
use speculation::Speculation;
pub use speculation::SpeculationCounts;
use take_back::TakenTurn;
use timing::TurnClock;
pub use timing::TurnTiming;
use waiting::InLine;

pub use crate::conversation::WaitNews;

use crate::base::{
    ActionRunId, Effort, Pii, SpeechId, Termination, TerminationResult, TimerTable, TurnId,
    UtteranceId,
};
use crate::conversation::{Conversation, ConversationInput, Expectation, Expected, Rules};
use crate::nlu::spoken::mask_secrets;
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
    /// A hand-off is not on the disk yet.
    Storing,
    /// Nobody knows yet what came of putting the caller through.
    PuttingThrough,
    /// Speech that was asked for has not come.
    Speech,
    /// Something is to be said to a caller in line.
    InLine,
    /// Whether a call back is noted is not known yet.
    Booking,
    /// We have paused for a caller who is silent again, and their words have not come.
    Overlap,
}

/// One call, from answer to end.
pub struct Call {
    facts: CallFacts,
    settings: CallSettings,
    conversation: Conversation,
    turn: TurnMachine,
    endpointer: Endpointer,
    vad: Box<dyn Vad>,
    ears: Ears,
    timers: TimerTable<Timer>,
    outputs: VecDeque<CallOutput>,
    generation_hash: String,
    answered_at: Option<Instant>,
    on_hold: bool,
    ended: bool,
    /// What may be spent on this call.
    effort: Effort,
    /// It began as a keypad menu, or goes straight to people.
    is_cut_short: bool,

    next_utterance: UtteranceId,
    pending: Vec<PendingUtterance>,
    /// What is done ahead about what the caller is saying.
    speculation: Option<Speculation>,
    speculation_counts: SpeculationCounts,
    patience: Patience,
    /// What we are answering, as long as nothing but words came of it.
    taken_turn: Option<TakenTurn>,
    /// When audio of the caller came last, and how long it had waited then.
    latest_audio: Option<(Instant, Duration)>,
    keys: String,
    /// The first of the keys was pressed before the question could be heard.
    keys_before_question: bool,
    expectation: Expectation,
    /// The sentence that asks for what is expected, until it begins to play.
    question: Option<SpeechId>,
    /// Since when the caller can know what is asked.
    asked_at: Option<Instant>,
    /// What the caller is saying was begun, or went on, while a secret was asked for.
    utterance_secret: bool,

    next_speech: SpeechId,
    playout: VecDeque<PlayItem>,
    /// What is said next, if the turn turns out to be over.
    prepared: Option<PlayItem>,
    overlap: Overlap,
    hang_up_after_speech: Option<String>,
    /// What is being said is that nobody took the call.
    tells_of_failure: bool,
    presence: Presence,
    put_through: PutThrough,
    in_line: InLine,

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
            turn: TurnMachine::default(),
            endpointer: Endpointer::new(settings.endpointer),
            vad,
            ears: Ears::new(),
            timers: TimerTable::default(),
            outputs: VecDeque::new(),
            answered_at: None,
            on_hold: false,
            ended: false,
            effort: Effort::Full,
            is_cut_short: false,
            next_utterance: UtteranceId::default(),
            pending: Vec::new(),
            speculation: None,
            speculation_counts: SpeculationCounts::default(),
            patience: Patience::new(settings.patience),
            taken_turn: None,
            latest_audio: None,
            keys: String::new(),
            keys_before_question: false,
            expectation: Expectation::of(Expected::Request),
            question: None,
            asked_at: None,
            utterance_secret: false,
            next_speech: SpeechId::default(),
            playout: VecDeque::new(),
            prepared: None,
            overlap: Overlap::default(),
            hang_up_after_speech: None,
            tells_of_failure: false,
            presence: Presence::default(),
            put_through: PutThrough::No,
            in_line: InLine::No,
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
            CallInput::EndJudged { utterance, probability } => {
                self.on_end_judged(now, utterance, probability);
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
                self.timers.cancel(Timer::Storing);
                self.converse(now, ConversationInput::HandoffStored { stored });
            }
            CallInput::TransferEnded { outcome } => self.on_transfer_ended(now, outcome),
            CallInput::Waiting(news) => self.on_waiting(now, news),
            CallInput::Moved { to } => self.on_moved(now, to),
            CallInput::AgentTook => self.on_agent_took(now),
            CallInput::BackInQueue { why } => self.on_back_in_queue(now, why),
            CallInput::WaitEnded { why } => self.on_wait_ended(now, why),
            CallInput::CallbackBooked { booked } => self.on_callback_booked(now, booked),
            CallInput::BackFromAgent { task } => self.on_back_from_agent(now, task),
            CallInput::Effort(effort) => self.on_effort(effort),
            CallInput::LegEnded(termination) => self.on_leg_ended(now, termination),
            CallInput::Timeout => self.on_timeout(now),
        }
        self.settle_overlap(now);
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
    /// A caller who still speaks when the next question begins is masked to the end of what
    /// they are saying.
    pub fn is_masking(&self) -> bool {
        self.expectation.secret || (self.utterance_secret && self.endpointer.is_speaking())
    }

    /// Where the turn is.
    pub fn turn_state(&self) -> TurnState {
        self.turn.state()
    }

    /// The conversation as it stands.
    pub const fn conversation(&self) -> &Conversation {
        &self.conversation
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
        self.withdraw();
        // What was known of the pause decides nothing once it goes on.
        self.apply_patience();
        // Nothing is heard of the caller any more: what was interrupted is taken up when they are back.
        self.come_back();
        self.timers.cancel(Timer::NoInput);
    }

    fn on_resume(&mut self, now: Instant) {
        self.on_hold = false;
        self.vad.reset();
        self.ears.forget();
        self.arm_no_input(now);
    }

    fn on_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::NoInput => self.converse(now, ConversationInput::Silence),
                Timer::InterDigit => self.deliver_keys(now),
                Timer::Deciding => {
                    self.withdraw();
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
                Timer::Storing => {
                    self.converse(now, ConversationInput::HandoffStored { stored: false });
                }
                Timer::PuttingThrough => self.on_transfer_overdue(now),
                Timer::Speech => self.on_speech_overdue(now),
                Timer::InLine => self.on_words_due(now),
                Timer::Booking => self.on_callback_booked(now, false),
                Timer::Overlap => self.come_back(),
            }
        }
    }

    fn on_leg_ended(&mut self, now: Instant, termination: Termination) {
        self.withdraw();
        self.drop_speech(now);
        self.ended = true;
        self.outputs.push_back(CallOutput::Ended(termination));
    }

    /// What was said without card numbers and other secrets, as transcripts and records have it.
    pub fn masked(&self, said: &Pii<String>) -> Pii<String> {
        Pii::new(mask_secrets(said.expose(), self.conversation.secrets()))
    }

    fn push_line(&mut self, mut line: TranscriptLine) {
        if line.speaker == LineSpeaker::Caller {
            line.text = self.masked(&line.text);
        }
        self.outputs.push_back(CallOutput::Line(line.clone()));
        self.lines.push(line);
    }

    fn arm_no_input(&mut self, now: Instant) {
        let idle = self.playout.is_empty() && self.running.is_none() && !self.on_hold;
        if idle
            && self.put_through.is_no()
            && !self.conversation.is_resting()
            && self.pending.is_empty()
            && !self.endpointer.is_speaking()
            && self.hang_up_after_speech.is_none()
            && !self.caller_waits()
        {
            let patience = self.settings.no_input * self.expectation.silence_factor;
            self.timers.set(Timer::NoInput, now + patience);
        }
    }

    fn finish(&mut self, reason: String) {
        let termination = Termination::new(TerminationResult::Success, reason);
        self.outputs.push_back(CallOutput::HangUp(termination));
    }

    /// Longest wait for a transcript before the hearing counts as down.
    fn deciding_limit() -> Duration {
        Duration::from_secs(15)
    }

    /// Longest wait for a hand-off to be on the disk before it counts as lost.
    fn storing_limit() -> Duration {
        Duration::from_secs(10)
    }

    /// Longest wait for what comes of putting the caller through. Whoever does it has limits of its
    /// own, which are shorter.
    fn putting_through_limit() -> Duration {
        Duration::from_secs(5 * 60)
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
