//! A whole call on simulated time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::acd::handoff::Handoff;
use crate::acd::{BackInQueue, LeftQueue, WaitEnd};
use crate::audio::{AudioFrame, MediaTime, SampleRate};
use crate::base::{Pii, QueueName, SpeechId, Termination, TerminationResult, UtteranceId};
use crate::call::{Call, CallInput, CallOutput, HeardResult, TranscriptLine, TurnTiming, WaitNews};
use crate::conversation::{ActionResult, TransferOutcome};
use crate::nlu::{Readings, Understanding};

use super::caller::{Caller, Doing, Step};
use super::pace::{
    ACT, CALL_MAX, FIRST_SOUND, FRAME, RING, STORE, TRANSCRIBE, UNDERSTAND, our_speech,
};

/// What audio waits in a quiet network's jitter buffer.
const JITTER_BUFFER: Duration = Duration::from_millis(40);

/// Samples of a caller who speaks.
const CALLER_LEVEL: i16 = 8_000;

/// Everything outside the call: what it hears, understands and can do. The defaults work.
pub trait World {
    /// What these words mean; `None`: the classifier is down.
    fn understand(&mut self, words: &str) -> Option<Understanding>;

    /// Runs a declared action; `None`: it never answers.
    fn act(&mut self, action: &str, inputs: &BTreeMap<String, Pii<String>>)
    -> Option<ActionResult>;

    /// What is heard of what was said.
    fn hear(&mut self, said: &str) -> HeardResult {
        HeardResult::Text {
            text: Pii::new(said.to_owned()),
            confidence: 0.9,
            readings: Readings::default(),
        }
    }

    /// Whether this sentence can be spoken.
    fn can_speak(&mut self, _words: &str) -> bool {
        true
    }

    /// What comes of putting a caller through to this queue, and after how long; `None`: it is never
    /// told.
    fn put_through(&mut self, _queue: &str) -> Option<(Duration, TransferOutcome)> {
        Some((RING, TransferOutcome::NoAnswer))
    }

    /// What happens to a caller who waits in this queue, each so long after the one before.
    fn wait_in(&mut self, _queue: &str) -> Vec<(Duration, LineEvent)> {
        vec![(STORE, LineEvent::Over(WaitEnd::NoQueue))]
    }

    /// Whether a call back gets onto the disk; `None`: it is never told.
    fn book_callback(&mut self) -> Option<bool> {
        Some(true)
    }

    /// Whether a hand-off gets onto the disk.
    fn store(&mut self, _handoff: &Handoff) -> bool {
        true
    }
}

/// Something that happens to a caller in line, or to one who was taken out of it by somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEvent {
    /// Their place and wait are these.
    News(WaitNews),
    /// They wait in this queue now.
    Moved(String),
    /// Somebody takes the call.
    Taken,
    /// Whoever was offered it or took it is gone.
    Back(BackInQueue),
    /// The wait is over, and nobody took the call.
    Over(WaitEnd),
    /// Whoever took the call sends the caller to us for this intent.
    FrontDoor(String),
    /// Whoever took the call is done with it, or it was never theirs.
    Done(TransferOutcome),
}

impl LineEvent {
    fn into_input(self) -> CallInput {
        match self {
            Self::News(news) => CallInput::Waiting(news),
            Self::Moved(to) => CallInput::Moved { to: QueueName::new(to) },
            Self::Taken => CallInput::AgentTook,
            Self::Back(why) => CallInput::BackInQueue { why },
            Self::Over(why) => CallInput::WaitEnded { why },
            Self::FrontDoor(task) => CallInput::BackFromAgent { task },
            Self::Done(outcome) => CallInput::TransferEnded { outcome },
        }
    }
}

/// A wait in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRun {
    /// For whom.
    pub queue: String,
    /// When it began, from answer.
    pub at: Duration,
    /// Why the caller left, if they did by themselves.
    pub left: Option<LeftQueue>,
    /// When somebody took the call, from answer.
    pub taken: Option<Duration>,
}

/// A run of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRun {
    /// Which.
    pub action: String,
    /// With what.
    pub inputs: BTreeMap<String, String>,
    /// When, from answer.
    pub at: Duration,
}

/// A try to put the caller through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRun {
    /// To whom.
    pub queue: String,
    /// What they are told before they take the call.
    pub announcement: String,
    /// When, from answer.
    pub at: Duration,
    /// What came of it, once it is known.
    pub outcome: Option<TransferOutcome>,
}

/// A call as it went.
#[derive(Debug)]
pub struct Rehearsed {
    /// The transcript, as it would be recorded.
    pub lines: Vec<TranscriptLine>,
    /// Actions in order.
    pub actions: Vec<ActionRun>,
    /// Hand-offs in order.
    pub handoffs: Vec<Handoff>,
    /// Tries to put the caller through, in order.
    pub transfers: Vec<TransferRun>,
    /// Waits in line, in order.
    pub waits: Vec<WaitRun>,
    /// Hand-offs as they were told again while the caller waited, in order.
    pub updates: Vec<Handoff>,
    /// Whether the caller has agreed to be recorded.
    pub agreed_to_recording: bool,
    /// How often the caller was given back to whoever had sent them to us.
    pub given_back: u32,
    /// Turns answered.
    pub turns: Vec<TurnTiming>,
    /// Frames of the caller's voice that a recording would hold though they were begun while a
    /// secret was asked for: should be 0.
    pub secret_frames_recorded: u32,
    /// The longest silence between the caller's last word or key and ours.
    pub longest_silence: Duration,
    /// How it ended; `None`: it had to be cut off, it never would have.
    pub ended: Option<Termination>,
    /// How long it took.
    pub took: Duration,
}

impl Rehearsed {
    /// All that one side said, a line a sentence.
    pub fn said_by(&self, speaker: crate::call::LineSpeaker) -> String {
        let lines = self.lines.iter().filter(|line| line.speaker == speaker);
        lines.map(|line| line.text.expose().as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// Runs a call, not yet answered, with this caller in this world. `record` is the CRM's record of
/// the caller.
pub fn rehearse(
    call: Call,
    script: &[Step],
    record: BTreeMap<String, Pii<String>>,
    world: &mut dyn World,
) -> Rehearsed {
    let begun = Instant::now();
    let mut stage = Stage {
        call,
        world,
        begun,
        now: begun,
        due: BTreeMap::new(),
        next_event: 0,
        spoken: VecDeque::new(),
        withdrawable: BTreeMap::new(),
        waiting_since: None,
        secret: false,
        result: Rehearsed {
            lines: Vec::new(),
            actions: Vec::new(),
            handoffs: Vec::new(),
            transfers: Vec::new(),
            waits: Vec::new(),
            updates: Vec::new(),
            agreed_to_recording: false,
            given_back: 0,
            turns: Vec::new(),
            secret_frames_recorded: 0,
            longest_silence: Duration::ZERO,
            ended: None,
            took: Duration::ZERO,
        },
    };
    stage.input(CallInput::Answered { caller: record });
    let mut caller = Caller::new(script);
    while !stage.call.is_ended() && stage.elapsed() < CALL_MAX {
        stage.frame(&mut caller);
    }
    stage.result.took = stage.elapsed();
    stage.result
}

struct Stage<'w> {
    call: Call,
    world: &'w mut dyn World,
    begun: Instant,
    now: Instant,
    /// Answers of engines, by when they come and in which order they were asked for.
    due: BTreeMap<(Instant, u64), CallInput>,
    next_event: u64,
    /// Said and not yet transcribed.
    spoken: VecDeque<String>,
    /// What was asked for, by utterance.
    withdrawable: BTreeMap<UtteranceId, String>,
    waiting_since: Option<Instant>,
    /// What the caller says or keys now was begun while a secret was asked for.
    secret: bool,
    result: Rehearsed,
}

impl Stage<'_> {
    fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.begun)
    }

    fn frame(&mut self, caller: &mut Caller) {
        self.now += FRAME;
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let input = entry.remove();
            self.input(input);
        }
        if self.call.poll_timeout().is_some_and(|at| at <= self.now) {
            self.input(CallInput::Timeout);
        }
        let doing = caller.act();
        let audible = matches!(doing, Doing::Speaking(_) | Doing::Pressing(_));
        if audible {
            self.waiting_since = Some(self.now);
        }
        if matches!(doing, Doing::Speaking(Some(_)) | Doing::Pressing(_)) {
            self.secret = self.call.is_masking();
        }
        let level = if matches!(doing, Doing::Speaking(_)) { CALLER_LEVEL } else { 0 };
        match doing {
            Doing::Silent | Doing::Speaking(None) => {}
            Doing::Speaking(Some(words)) => self.spoken.push_back(words),
            Doing::Pressing(key) => self.input(CallInput::Digit(key)),
            Doing::HangingUp => {
                let by_caller = Termination::new(TerminationResult::Success, "the caller hung up");
                self.input(CallInput::LegEnded(by_caller));
            }
        }
        let frame = AudioFrame {
            rate: SampleRate::HZ_8000,
            time: MediaTime(0),
            samples: vec![level; SampleRate::HZ_8000.samples_in(FRAME)],
        };
        self.input(CallInput::Audio { frame, waited: JITTER_BUFFER });
        // The recorder masks by what holds after the frame was taken.
        if audible && self.secret && !self.call.is_masking() && level != 0 {
            self.result.secret_frames_recorded += 1;
        }
        let ours = self.call.next_frame(self.now);
        self.drain();
        let voiced = ours.samples.iter().any(|sample| *sample != 0);
        if voiced && let Some(since) = self.waiting_since.take() {
            let silence = self.now.saturating_duration_since(since);
            self.result.longest_silence = self.result.longest_silence.max(silence);
        }
        caller.hear(ours.speaking);
    }

    fn input(&mut self, input: CallInput) {
        if let CallInput::TransferEnded { outcome } = &input
            && let Some(run) = self.result.transfers.last_mut()
        {
            run.outcome = Some(*outcome);
        }
        if matches!(input, CallInput::AgentTook) {
            let taken = Some(self.elapsed()).filter(|_| self.call.is_in_line());
            if let Some(run) = self.result.waits.last_mut() {
                run.taken = run.taken.or(taken);
            }
        }
        self.call.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll_output() {
            self.carry_out(output);
        }
    }

    fn later(&mut self, delay: Duration, input: CallInput) {
        self.due.insert((self.now + delay, self.next_event), input);
        self.next_event += 1;
    }

    fn carry_out(&mut self, output: CallOutput) {
        match output {
            CallOutput::Transcribe { utterance, .. } => {
                // What could not be heard may be heard again.
                let said = match self.withdrawable.remove(&utterance) {
                    Some(said) => said,
                    None => self.spoken.pop_front().unwrap_or_default(),
                };
                let result = self.world.hear(&said);
                self.withdrawable.insert(utterance, said);
                self.later(TRANSCRIBE, CallInput::Transcribed { utterance, result });
            }
            CallOutput::Hurry { .. } | CallOutput::HurrySpeech { .. } => {}
            CallOutput::Withdraw { utterance } => self.withdraw(utterance),
            CallOutput::JudgeEnd { utterance, .. } => {
                self.later(STORE, CallInput::EndJudged { utterance, probability: None });
            }
            CallOutput::Understand { utterance, text } => {
                let understanding = self.world.understand(text.expose());
                self.later(UNDERSTAND, CallInput::Understood { utterance, understanding });
            }
            CallOutput::Speak { speech, text, .. } => self.speak(speech, text.expose()),
            CallOutput::CancelSpeech { speech: cancelled } => {
                self.due.retain(|_, input| {
                    !matches!(input, CallInput::SpeechAudio { speech, .. } | CallInput::SpeechDone { speech }
                        if *speech == cancelled)
                });
            }
            CallOutput::Record => self.result.agreed_to_recording = true,
            CallOutput::RunAction { run, action, inputs } => {
                let result = self.world.act(&action, &inputs);
                let inputs = inputs.into_iter().map(|(k, v)| (k, v.into_inner())).collect();
                self.result.actions.push(ActionRun { action, inputs, at: self.elapsed() });
                if let Some(result) = result {
                    self.later(ACT, CallInput::ActionFinished { run, result });
                }
            }
            CallOutput::StoreHandoff(handoff) => {
                let stored = self.world.store(&handoff);
                self.result.handoffs.push(*handoff);
                self.later(STORE, CallInput::HandoffStored { stored });
            }
            CallOutput::Transfer { queue, announcement } => {
                if let Some((delay, outcome)) = self.world.put_through(&queue) {
                    self.later(delay, CallInput::TransferEnded { outcome });
                }
                let (announcement, at) = (announcement.into_inner(), self.elapsed());
                self.result.transfers.push(TransferRun { queue, announcement, at, outcome: None });
            }
            CallOutput::CancelTransfer => {
                self.due.retain(|_, input| !matches!(input, CallInput::TransferEnded { .. }));
            }
            CallOutput::Enqueue { queue, .. } => self.enqueue(queue),
            CallOutput::LeaveQueue { why } => self.leave_queue(why),
            CallOutput::UpdateHandoff(handoff) => self.result.updates.push(*handoff),
            CallOutput::ReturnToAgent => self.result.given_back += 1,
            CallOutput::Line(line) => self.result.lines.push(line),
            CallOutput::Turn(timing) => self.result.turns.push(timing),
            CallOutput::HangUp(termination) => {
                self.call.handle(self.now, CallInput::LegEnded(termination));
            }
            CallOutput::Ended(termination) => self.result.ended = Some(termination),
        }
    }

    /// The caller went on: what they said is heard again, with the rest.
    fn withdraw(&mut self, withdrawn: UtteranceId) {
        self.due.retain(|_, input| utterance_of(input) != Some(withdrawn));
        if let Some(said) = self.withdrawable.remove(&withdrawn) {
            self.spoken.push_front(said);
        }
    }

    fn enqueue(&mut self, queue: String) {
        let mut after = Duration::ZERO;
        for (delay, event) in self.world.wait_in(&queue) {
            after += delay;
            self.later(after, event.into_input());
        }
        let run = WaitRun { queue, at: self.elapsed(), left: None, taken: None };
        self.result.waits.push(run);
    }

    fn leave_queue(&mut self, why: LeftQueue) {
        if why == LeftQueue::ForCallback {
            let Some(booked) = self.world.book_callback() else { return };
            self.later(STORE, CallInput::CallbackBooked { booked });
            if !booked {
                return;
            }
        }
        if let Some(run) = self.result.waits.last_mut() {
            run.left = Some(why);
        }
        self.due.retain(|_, input| !is_of_line(input));
    }

    fn speak(&mut self, speech: SpeechId, text: &str) {
        if !self.world.can_speak(text) {
            return self.later(FIRST_SOUND, CallInput::SpeechFailed { speech });
        }
        let samples = our_speech(text);
        self.later(FIRST_SOUND, CallInput::SpeechAudio { speech, samples });
        self.later(FIRST_SOUND, CallInput::SpeechDone { speech });
    }
}

/// Which utterance this tells something about, if it does.
fn utterance_of(input: &CallInput) -> Option<UtteranceId> {
    match input {
        CallInput::Transcribed { utterance, .. }
        | CallInput::Understood { utterance, .. }
        | CallInput::EndJudged { utterance, .. } => Some(*utterance),
        _ => None,
    }
}

/// Whether this happens only to callers in line.
fn is_of_line(input: &CallInput) -> bool {
    matches!(
        input,
        CallInput::Waiting(_)
            | CallInput::Moved { .. }
            | CallInput::AgentTook
            | CallInput::BackInQueue { .. }
            | CallInput::WaitEnded { .. }
            | CallInput::BackFromAgent { .. }
    )
}
