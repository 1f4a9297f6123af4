//! A call that is spoken: synthetic callers on a simulated telephone line, and from there on what a
//! caller gets. The real VAD, endpointer, recogniser, classifier, conversation and actions run in
//! the real [`Call`]; only time is simulated, so that a call takes as long as its models do.
//!
//! Our own voice is left out: what stands for it lasts as long as the sentence would. Answers of
//! the models come after the times in [`pace`], however long this machine takes, so that a call
//! goes the same way whenever it has the same seed.

pub mod telephone;
mod voices;
mod wording;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::channel::{Recording, SNR_DB, between, read, white_noise};
use super::talk::{Event, Heard, Turn};
use crate::acd::WaitEnd;
use crate::acd::handoff::Handoff;
use crate::audio::{Random, SampleRate};
use crate::base::{CallId, Pii, SpeechId, UtteranceId};
use crate::call::{Call, CallFacts, CallInput, CallOutput, HeardResult, LineSpeaker};
use crate::config::Config;
use crate::conversation::{Conversation, Expected, FailureWords, Step, TransferOutcome};
use crate::engine::hearing::{HearingRequest, Transcript};
use crate::engine::models::ModelStore;
use crate::engine::understanding::Understander;
use crate::nlu::{SlotName, SlotValue};
use crate::rtp::FRAME_LEN;
use crate::server::{
    CustomerSystem, Customers, Ears, HandoffStorage, TextCallParts, call_settings, derived_dir,
    hearing_request, judge, listen_for, rules_without_line, understand,
};
use crate::sim::pace;
use crate::speech::TurnState;
use telephone::{Carried, Conditions, Telephone};
use voices::Callers;
use wording::as_said;

/// Folder beside the models for what synthetic callers said.
const CALLERS_FOLDER: &str = "callers";

/// No answer takes longer, unless something is wrong with one of us.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// A caller who means to be silent waits longer for the next question than any patience lasts.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How calls are to be spoken.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The voices' names; none: the usual ones.
    pub voices: Vec<String>,
    /// How far voices lie above the noise; `None`: each call by its seed.
    pub snr_db: Option<f32>,
    /// Recordings of noise; none: white noise.
    pub noises: Vec<PathBuf>,
}

/// What all spoken calls share.
pub struct Studio {
    ears: Ears,
    callers: Callers,
    noises: Vec<Recording>,
    snr_db: Option<f32>,
}

/// Everything about the sound of one call.
pub struct Cast {
    /// The voice's name.
    pub voice: String,
    /// How the line is.
    pub conditions: Conditions,
    telephone: Telephone,
    /// What is said in each turn, at 8 kHz, by the words in the scenario.
    sounds: BTreeMap<String, Vec<i16>>,
}

impl Studio {
    /// Loads the models that hear, and gathers voices and noises.
    ///
    /// # Errors
    /// A model, a voice or a recording is missing.
    pub fn open(config: &Config, wishes: &Wishes) -> anyhow::Result<Self> {
        let store = ModelStore::open(config.models.cache_dir.clone())?;
        let callers = Callers::gather(&wishes.voices, derived_dir(&store, CALLERS_FOLDER))?;
        let noises = if wishes.noises.is_empty() {
            vec![white_noise(1)]
        } else {
            wishes.noises.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?
        };
        let ears = Ears::start(&store, config)?;
        Ok(Self { ears, callers, noises, snr_db: wishes.snr_db })
    }

    /// Chooses voice, line and noise for a call in which this is said, and has it spoken. The same
    /// seed and title give the same.
    ///
    /// # Errors
    /// The voice's program fails.
    pub fn cast(&self, title: &str, words: &[&str], seed: u64) -> anyhow::Result<Cast> {
        let mut random = Random::new(seed ^ hash(title));
        let voice = self.callers.pick(&mut random);
        let drawn_db = between(&mut random, &SNR_DB);
        let conditions = Conditions::draw(&mut random, self.snr_db.unwrap_or(drawn_db));
        let noise = &self.noises[(random.next_u64() % self.noises.len() as u64) as usize];
        let mut sounds = BTreeMap::new();
        for line in words {
            sounds.insert((*line).to_owned(), self.callers.say(voice, &as_said(line))?);
        }
        let all_said = sounds.values().flatten().copied().collect::<Vec<i16>>();
        let telephone = Telephone::new(conditions, &all_said, noise);
        Ok(Cast { voice: voice.to_string(), conditions, telephone, sounds })
    }
}

/// FNV-1a: the same for a text in every build.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A spoken call. Start it, then say, key or keep silent until it is over.
pub struct SpokenCall {
    call: Call,
    id: CallId,
    customers: Customers,
    understander: Arc<Understander>,
    ears: Ears,
    telephone: Telephone,
    sounds: BTreeMap<String, Vec<i16>>,
    handoff_storage: HandoffStorage,
    begun: Instant,
    now: Instant,
    /// What comes back to the call, by when and in which order it was asked for.
    due: BTreeMap<(Instant, u64), CallInput>,
    next_due: u64,
    /// How long the other side has been silent.
    quiet: Duration,
    /// It has spoken since the caller's last turn.
    answered: bool,
    /// The latest value of every slot that was filled in this call.
    slots: BTreeMap<SlotName, SlotValue>,
    turn: Turn,
    /// The utterance that was heard last.
    heard_last: Option<UtteranceId>,
}

impl SpokenCall {
    /// A call that has not begun. `seed` varies our wording.
    pub fn new(parts: &TextCallParts, studio: &Studio, cast: Cast, seed: u64) -> Self {
        let id = CallId::from_u128(uuid::Uuid::now_v7().as_u128());
        let config = &parts.config;
        let facts = CallFacts {
            call: id,
            caller: Pii::new(cast.voice),
            called: Pii::new(String::new()),
            channel: "sip",
            answered_unix_ms: jiff::Timestamp::now().as_millisecond(),
        };
        let generation = Arc::clone(&parts.generation);
        let vad = Box::new(studio.ears.vad.session());
        let rules = rules_without_line(config);
        let now = Instant::now();
        Self {
            call: Call::new(facts, call_settings(config), generation, rules, vad, seed),
            id,
            customers: Customers::new(Arc::clone(config), parts.actions.clone(), id),
            understander: Arc::clone(&parts.understander),
            ears: studio.ears.clone(),
            telephone: cast.telephone,
            sounds: cast.sounds,
            handoff_storage: HandoffStorage::default(),
            begun: now,
            now,
            due: BTreeMap::new(),
            next_due: 0,
            quiet: Duration::ZERO,
            answered: false,
            slots: BTreeMap::new(),
            turn: Turn::default(),
            heard_last: None,
        }
    }

    /// From here on the customer system is like this.
    pub fn set_customer_system(&mut self, customer_system: CustomerSystem) {
        self.customers.state = customer_system;
    }

    /// From here on hand-offs can be stored, or cannot.
    pub fn set_handoff_storage(&mut self, handoff_storage: HandoffStorage) {
        self.handoff_storage = handoff_storage;
    }

    /// The call is answered, and the caller hears the greeting out.
    ///
    /// # Errors
    /// A model failed.
    pub async fn start(&mut self, caller_number: Option<&str>) -> anyhow::Result<Turn> {
        let caller = match caller_number {
            Some(number) => self.customers.caller_record(number).await,
            None => BTreeMap::new(),
        };
        self.input(CallInput::Answered { caller }).await?;
        self.hear_out(pace::PATIENCE).await
    }

    /// The caller says one of the lines that the call was cast for, and hears the answer out.
    ///
    /// # Errors
    /// A model failed.
    pub async fn say(&mut self, words: &str) -> anyhow::Result<Turn> {
        let sound = self.sounds.get(words).cloned().context("every line is spoken beforehand")?;
        for frame in sound.chunks(FRAME_LEN) {
            self.frame(Some(frame)).await?;
        }
        self.hear_out(pace::PATIENCE).await
    }

    /// The caller presses keys, and hears the answer out.
    ///
    /// # Errors
    /// One of them is no key, or a model failed.
    pub async fn key(&mut self, keys: &str) -> anyhow::Result<Turn> {
        for key in keys.chars().filter(|key| !key.is_whitespace()) {
            self.telephone.press(key)?;
            let next_at = self.now + pace::KEY_EVERY;
            while self.now < next_at && !self.call.is_ended() {
                self.frame(None).await?;
            }
        }
        self.hear_out(pace::PATIENCE).await
    }

    /// The caller says nothing until the other side speaks again.
    ///
    /// # Errors
    /// A model failed.
    pub async fn keep_silent(&mut self) -> anyhow::Result<Turn> {
        self.hear_out(SILENCE_MAX).await
    }

    /// The conversation as it stands.
    pub const fn conversation(&self) -> &Conversation {
        self.call.conversation()
    }

    /// The latest value of every slot that was filled in this call, finished tasks included.
    pub const fn slots(&self) -> &BTreeMap<SlotName, SlotValue> {
        &self.slots
    }

    /// Listens until it is the caller's turn again, or nothing has been said for so long.
    async fn hear_out(&mut self, patience: Duration) -> anyhow::Result<Turn> {
        let begun = self.now;
        (self.answered, self.quiet) = (false, Duration::ZERO);
        while !self.call.is_ended() && self.now.duration_since(self.begun) < pace::CALL_MAX {
            self.frame(None).await?;
            let waited = self.now.duration_since(begun);
            let gives_up = !self.answered && !self.is_busy() && waited >= patience;
            if gives_up || self.is_callers_turn() || waited >= ANSWER_MAX {
                break;
            }
        }
        Ok(std::mem::take(&mut self.turn))
    }

    fn is_callers_turn(&self) -> bool {
        self.answered && self.quiet >= pace::MY_TURN_AFTER && !self.is_busy()
    }

    /// Whether there is more to come: a caller would wait for it.
    fn is_busy(&self) -> bool {
        let takes_in_or_speaks = self.call.turn_state() != TurnState::Listening;
        let works = matches!(
            self.call.conversation().step(),
            Step::ActionResult | Step::HandoffStored | Step::End
        );
        takes_in_or_speaks || works || !self.due.is_empty()
    }

    /// 20 ms of both sides.
    async fn frame(&mut self, speech: Option<&[i16]>) -> anyhow::Result<()> {
        if self.call.is_ended() {
            return Ok(());
        }
        self.now += pace::FRAME;
        while let Some(input) = self.next_input() {
            self.input(input).await?;
        }
        if self.call.poll_timeout().is_some_and(|at| at <= self.now) {
            self.input(CallInput::Timeout).await?;
        }
        let Carried { frame, keys } = self.telephone.carry(self.now, speech);
        for key in keys {
            self.input(CallInput::Digit(key)).await?;
        }
        let waited = self.telephone.delay();
        self.input(CallInput::Audio { frame, waited }).await?;
        let ours = self.call.next_frame(self.now);
        self.drain().await?;
        if ours.speaking {
            (self.answered, self.quiet) = (true, Duration::ZERO);
        } else {
            self.quiet += pace::FRAME;
        }
        Ok(())
    }

    fn next_input(&mut self) -> Option<CallInput> {
        let now = self.now;
        let entry = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    async fn input(&mut self, input: CallInput) -> anyhow::Result<()> {
        self.call.handle(self.now, input);
        for (name, value) in self.call.conversation().known_slots() {
            self.slots.insert(name.clone(), value.clone());
        }
        self.drain().await
    }

    async fn drain(&mut self) -> anyhow::Result<()> {
        while let Some(output) = self.call.poll_output() {
            self.carry_out(output).await?;
        }
        Ok(())
    }

    fn later(&mut self, delay: Duration, input: CallInput) {
        self.due.insert((self.now + delay, self.next_due), input);
        self.next_due += 1;
    }

    async fn carry_out(&mut self, output: CallOutput) -> anyhow::Result<()> {
        match output {
            CallOutput::Transcribe { utterance, samples, rate, expected, .. } => {
                self.transcribe(utterance, (&samples, rate), &expected).await?;
            }
            CallOutput::Hurry { .. } | CallOutput::HurrySpeech { .. } => {}
            CallOutput::Withdraw { utterance } => {
                self.due.retain(|_, input| utterance_of(input) != Some(utterance));
                if self.heard_last == Some(utterance) {
                    self.turn.heard.pop();
                }
            }
            CallOutput::JudgeEnd { utterance, .. } => {
                self.later(pace::STORE, CallInput::EndJudged { utterance, probability: None });
            }
            CallOutput::Understand { utterance, text } => {
                let understanding = understand(&self.understander, text).await?;
                self.turn.understanding = Some(understanding.clone());
                let understanding = Some(understanding);
                self.later(pace::UNDERSTAND, CallInput::Understood { utterance, understanding });
            }
            CallOutput::Speak { speech, text, .. } => self.speak(speech, text.expose()),
            CallOutput::CancelSpeech { speech } => {
                self.due.retain(|_, input| speech_of(input) != Some(speech));
            }
            CallOutput::RunAction { run, action, inputs } => {
                let answer = self.customers.run(run, &action, inputs).await;
                // The call itself tires of waiting for an answer that never comes.
                let result = answer.clone().unwrap_or(Err(FailureWords::Timeout));
                self.turn.events.push(Event::Acted { action, result });
                if let Some(result) = answer {
                    self.later(pace::ACT, CallInput::ActionFinished { run, result });
                }
            }
            CallOutput::StoreHandoff(handoff) => {
                let stored = self.handoff_storage == HandoffStorage::Works;
                let Handoff { reason, queue, .. } = *handoff;
                self.turn.events.push(Event::HandedOff { reason, queue, stored });
                self.later(pace::STORE, CallInput::HandoffStored { stored });
            }
            // What the caller heard, which after an interruption is less than what was meant.
            CallOutput::Line(line) if line.speaker == LineSpeaker::Frontdoor => {
                self.turn.events.push(Event::Said(line.text.into_inner()));
            }
            CallOutput::HangUp(termination) => {
                let reason = termination.reason.clone();
                self.turn.events.push(Event::HungUp { reason });
                self.call.handle(self.now, CallInput::LegEnded(termination));
            }
            CallOutput::Transfer { .. } => {
                let outcome = TransferOutcome::Failed;
                self.later(pace::STORE, CallInput::TransferEnded { outcome });
            }
            // There are no desks: people call back.
            CallOutput::Enqueue { .. } => {
                self.later(pace::STORE, CallInput::WaitEnded { why: WaitEnd::NoQueue });
            }
            CallOutput::Record
            | CallOutput::LeaveQueue { .. }
            | CallOutput::ReturnToAgent
            | CallOutput::UpdateHandoff(_)
            | CallOutput::CancelTransfer
            | CallOutput::Line(_)
            | CallOutput::Turn(_)
            | CallOutput::Ended(_) => {}
        }
        Ok(())
    }

    async fn transcribe(
        &mut self,
        utterance: UtteranceId,
        audio: (&[i16], SampleRate),
        expected: &Expected,
    ) -> anyhow::Result<()> {
        let request = hearing_request((self.id, utterance), audio, listen_for(expected));
        let judge = (*expected == Expected::Request).then(|| judge(&self.understander));
        let transcript = self.ears.hearing.transcribe(HearingRequest { judge, ..request }).await?;
        let Transcript { text, confidence, readings, .. } = transcript;
        self.heard_last = Some(utterance);
        self.turn.heard.push(Heard { text: text.expose().trim().to_owned(), confidence });
        let result = HeardResult::Text { text, confidence, readings };
        self.later(pace::TRANSCRIBE, CallInput::Transcribed { utterance, result });
        Ok(())
    }

    fn speak(&mut self, speech: SpeechId, text: &str) {
        let samples = pace::our_speech(text);
        self.later(pace::FIRST_SOUND, CallInput::SpeechAudio { speech, samples });
        self.later(pace::FIRST_SOUND, CallInput::SpeechDone { speech });
    }
}

/// Whose sound this is, if it is sound of ours.
fn speech_of(input: &CallInput) -> Option<SpeechId> {
    match input {
        CallInput::SpeechAudio { speech, .. } | CallInput::SpeechDone { speech } => Some(*speech),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_casts_the_same_call_in_every_build() {
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
