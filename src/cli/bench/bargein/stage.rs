//! One call on simulated time: the real [`Call`] with the real voice activity model, recogniser and
//! classifier, whose answers come as late as they took. The caller asks something; while we answer,
//! something happens.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;

use super::events::{Event, Kind};
use crate::base::{CallId, Pii, SpeechId, UtteranceId};
use crate::call::{Call, CallFacts, CallInput, CallOutput, CallSettings, HeardResult, LineSpeaker};
use crate::cli::eval::channel::Recording;
use crate::cli::eval::spoken::telephone::{Carried, Conditions, Telephone};
use crate::config::Config;
use crate::conversation::{Expected, Rules};
use crate::engine::voice::{Cacheable, SpeakRequest};
use crate::nlu::Readings;
use crate::prompts::Generation;
use crate::rtp::FRAME_LEN;
use crate::server::{Engines, call_settings, listen_for, rules_without_line, transcribe};
use crate::sim::pace;
use crate::speech::TurnState;

/// A sample louder than this (about -44 dBFS) can be heard.
const AUDIBLE: u16 = 200;

/// Nothing takes longer, unless something is wrong.
const STEP_MAX: Duration = Duration::from_secs(40);

/// How long we look on after we gave way, and before anything happens.
const LOOK_ON: Duration = Duration::from_millis(200);
/// The first words of our answer are not interrupted sooner, ...
const EARLIEST: Duration = Duration::from_millis(100);
/// ... nor its last ones: there must be something left to go on with.
const LEFT: Duration = Duration::from_millis(2_500);

/// How our voice returns from a telephone on a table: after 60 to 250 ms, 10 to 25 dB more quiet.
const ECHO_MS: u64 = 60;
const ECHO_MORE_MS: u64 = 190;

/// What is shared by all calls.
pub(super) struct Studio {
    pub engines: Engines,
    pub config: Arc<Config>,
    pub generation: Arc<Generation>,
    /// What the caller asks first.
    pub question: String,
    /// Our sentences, made once.
    pub said: HashMap<String, Arc<[i16]>>,
}

/// How one call went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Outcome {
    pub kind: Kind,
    pub name: String,
    pub words: String,
    pub snr_db: f32,
    /// When it happened, in ms after we had begun to answer.
    pub at_ms: u64,
    /// We gave up what we were saying.
    pub gave_way: bool,
    /// From the onset until nothing of ours was heard, in ms.
    pub yield_ms: Option<f64>,
    /// How often we were softer, paused, and took it up again.
    pub ducked: u32,
    pub held: u32,
    pub came_back: u32,
    /// What was heard of it, if anybody was asked.
    pub heard: Vec<String>,
    /// What of our answer stands in the record.
    pub record: Vec<String>,
}

impl Outcome {
    /// Whether it went as it should.
    pub fn is_right(&self) -> bool {
        /// A caller who interrupts wants silence within this.
        const YIELD_MAX_MS: f64 = 500.0;
        match self.kind {
            Kind::Interruption => self.yield_ms.is_some_and(|ms| ms <= YIELD_MAX_MS),
            _ => !self.gave_way,
        }
    }
}

/// Has a call.
///
/// # Errors
/// A model failed, or our answer is too short to be interrupted.
pub(super) async fn play(
    studio: &mut Studio,
    event: &Event,
    noise: &Recording,
) -> anyhow::Result<Outcome> {
    let mut stage = Stage::new(studio, event, noise);
    stage.input(CallInput::Answered { caller: BTreeMap::new() }).await?;
    stage.listen_until_our_turn_is_over().await?;
    stage.ask(event).await?;
    stage.interrupt(event).await?;
    Ok(stage.outcome(event))
}

struct Stage<'s> {
    studio: &'s mut Studio,
    call: Call,
    id: CallId,
    telephone: Telephone,
    now: Instant,
    due: BTreeMap<(Instant, u64), CallInput>,
    next_due: u64,
    /// Our voice on its way back to the caller's microphone, and how much is left of it.
    echo: Option<(VecDeque<i16>, f32)>,
    /// From here on the recogniser is asked; before, it is known what was said.
    is_real: bool,
    /// Length of what we have had made to say since the caller asked.
    answer_len: usize,
    /// When our sound was last audible, to its end.
    audible_until: Option<Instant>,
    committed_before: u32,
    happened_at: Option<Instant>,
    answering_since: Option<Instant>,
    gave_way_at: Option<Instant>,
    heard: Vec<String>,
    record: Vec<String>,
}

impl<'s> Stage<'s> {
    fn new(studio: &'s mut Studio, event: &Event, noise: &Recording) -> Self {
        let id = CallId::from_u128(u128::from(event.seed));
        let facts = CallFacts {
            call: id,
            caller: Pii::new(String::new()),
            called: Pii::new(String::new()),
            channel: "sip",
            answered_unix_ms: 0,
        };
        let settings: CallSettings = call_settings(&studio.config);
        let rules: Rules = rules_without_line(&studio.config);
        let vad = Box::new(studio.engines.vad.session());
        let generation = Arc::clone(&studio.generation);
        let conditions =
            Conditions { gain_db: 0.0, snr_db: event.snr_db, loss_percent: 0.0, seed: event.seed };
        let echo = (event.kind == Kind::Echo).then(|| {
            let delay_ms = ECHO_MS + event.seed % ECHO_MORE_MS;
            let loss_db = 10.0 + (event.seed / ECHO_MORE_MS % 16) as f32;
            (vec![0; delay_ms as usize * 8].into(), 10_f32.powf(-loss_db / 20.0))
        });
        Self {
            studio,
            call: Call::new(facts, settings, generation, rules, vad, event.seed),
            id,
            telephone: Telephone::new(conditions, &event.opening, noise),
            now: Instant::now(),
            due: BTreeMap::new(),
            next_due: 0,
            echo,
            is_real: false,
            answer_len: 0,
            audible_until: None,
            committed_before: 0,
            happened_at: None,
            answering_since: None,
            gave_way_at: None,
            heard: Vec::new(),
            record: Vec::new(),
        }
    }

    /// Until we have said all that we had to.
    async fn listen_until_our_turn_is_over(&mut self) -> anyhow::Result<()> {
        let begun = self.now;
        let mut quiet = Duration::ZERO;
        while quiet < pace::MY_TURN_AFTER {
            let is_speaking = self.frame(None).await?;
            let is_idle = !is_speaking && self.call.turn_state() == TurnState::Listening;
            quiet =
                if is_idle && self.due.is_empty() { quiet + pace::FRAME } else { Duration::ZERO };
            if self.now.duration_since(begun) > STEP_MAX || self.call.is_ended() {
                bail!("our own first words do not end");
            }
        }
        Ok(())
    }

    /// The caller asks, and we begin to answer.
    async fn ask(&mut self, event: &Event) -> anyhow::Result<()> {
        self.answer_len = 0;
        let mut opening = event.opening.chunks(FRAME_LEN);
        let begun = self.now;
        // One who pauses is taken to have finished: what was asked is whole.
        while !(self.frame(opening.next()).await? && self.answer_len > 0) {
            if self.now.duration_since(begun) > STEP_MAX || self.call.is_ended() {
                bail!("\"{}\" is not answered", self.studio.question);
            }
        }
        self.answering_since = Some(self.now);
        self.is_real = true;
        self.record.clear();
        self.committed_before = self.call.overlaps().committed;
        Ok(())
    }

    /// It happens, and we look on until we have given way or all is said.
    async fn interrupt(&mut self, event: &Event) -> anyhow::Result<()> {
        let whole = Duration::from_secs_f64(self.answer_len as f64 / 8_000.0);
        let room = whole.checked_sub(EARLIEST + LEFT).with_context(|| {
            format!(
                "the answer to \"{}\" takes only {:.1} s: ask something with a longer one with --ask",
                self.studio.question,
                whole.as_secs_f64()
            )
        })?;
        let wait = EARLIEST + room.mul_f64(event.moment);
        let begun = self.now;
        while self.now.duration_since(begun) < wait {
            self.frame(None).await?;
        }
        self.happened_at = Some(self.now + Duration::from_secs_f64(event.onset as f64 / 8_000.0));
        let mut sound = event.sound.chunks(FRAME_LEN);
        let mut is_over = false;
        while !is_over {
            let frame = sound.next();
            let is_speaking = self.frame(frame).await?;
            let has_happened = frame.is_none();
            let gave_way =
                self.gave_way_at.is_some_and(|at| self.now.duration_since(at) >= LOOK_ON);
            let is_said = !is_speaking
                && has_happened
                && self.call.turn_state() == TurnState::Listening
                && self.due.is_empty();
            let takes_too_long = self.now.duration_since(begun) > STEP_MAX;
            is_over = gave_way || is_said || takes_too_long || self.call.is_ended();
        }
        Ok(())
    }

    fn outcome(self, event: &Event) -> Outcome {
        let overlaps = self.call.overlaps();
        let since = |at: Option<Instant>, from: Option<Instant>| {
            at.zip(from).map(|(at, from)| at.saturating_duration_since(from))
        };
        let yielded = self.gave_way_at.and(since(self.audible_until, self.happened_at));
        Outcome {
            kind: event.kind,
            name: event.name.clone(),
            words: event.words.clone(),
            snr_db: event.snr_db,
            at_ms: since(self.happened_at, self.answering_since)
                .map_or(0, |after| after.as_millis() as u64),
            gave_way: self.gave_way_at.is_some(),
            yield_ms: yielded.map(|after| after.as_secs_f64() * 1_000.0),
            ducked: overlaps.ducked,
            held: overlaps.held,
            came_back: overlaps.came_back,
            heard: self.heard,
            record: self.record,
        }
    }

    /// 20 ms of both sides. Says whether we speak.
    async fn frame(&mut self, speech: Option<&[i16]>) -> anyhow::Result<bool> {
        self.now += pace::FRAME;
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let input = entry.remove();
            self.input(input).await?;
        }
        if self.call.poll_timeout().is_some_and(|at| at <= self.now) {
            self.input(CallInput::Timeout).await?;
        }
        let mixed = self.with_echo(speech);
        let Carried { frame, .. } = self.telephone.carry(self.now, mixed.as_deref());
        let waited = self.telephone.delay();
        self.input(CallInput::Audio { frame, waited }).await?;
        let ours = self.call.next_frame(self.now);
        self.drain().await?;
        if let Some((returning, _)) = &mut self.echo {
            returning.extend(ours.samples);
        }
        let gives_way = self.call.overlaps().committed > self.committed_before;
        if self.is_real && gives_way {
            self.gave_way_at.get_or_insert(self.now);
        } else if ours.samples.iter().any(|sample| sample.unsigned_abs() >= AUDIBLE) {
            self.audible_until = Some(self.now + pace::FRAME);
        }
        Ok(ours.speaking)
    }

    fn with_echo(&mut self, speech: Option<&[i16]>) -> Option<Vec<i16>> {
        let Some((returning, factor)) = &mut self.echo else { return speech.map(<[i16]>::to_vec) };
        let mut mixed = vec![0_i16; FRAME_LEN];
        for (n, sample) in mixed.iter_mut().enumerate() {
            let echo = f32::from(returning.pop_front().unwrap_or(0)) * *factor;
            let said = speech.and_then(|speech| speech.get(n)).copied().unwrap_or(0);
            *sample = said.saturating_add(echo as i16);
        }
        Some(mixed)
    }

    async fn input(&mut self, input: CallInput) -> anyhow::Result<()> {
        self.call.handle(self.now, input);
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
            CallOutput::Transcribe { utterance, samples, rate, expected, .. } if self.is_real => {
                let begun = Instant::now();
                let result = self.hear(utterance, (&samples, rate), &expected).await?;
                self.later(begun.elapsed(), CallInput::Transcribed { utterance, result });
            }
            CallOutput::Transcribe { utterance, .. } => {
                let text = Pii::new(self.studio.question.clone());
                let readings = Readings::default();
                let result = HeardResult::Text { text, confidence: 0.95, readings };
                self.later(pace::TRANSCRIBE, CallInput::Transcribed { utterance, result });
            }
            CallOutput::Withdraw { utterance } => self.due.retain(|_, input| {
                !matches!(input, CallInput::Transcribed { utterance: of, .. } if *of == utterance)
            }),
            CallOutput::Understand { utterance, text } => {
                let begun = Instant::now();
                let understanding = self.studio.engines.understanding.understand(text).await.ok();
                let input = CallInput::Understood { utterance, understanding };
                self.later(begun.elapsed(), input);
            }
            CallOutput::Speak { speech, text, .. } => self.speak(speech, text.into_inner()).await?,
            CallOutput::CancelSpeech { speech } => self.due.retain(|_, input| match input {
                CallInput::SpeechAudio { speech: of, .. } | CallInput::SpeechDone { speech: of } => {
                    *of != speech
                }
                _ => true,
            }),
            CallOutput::StoreHandoff(_) => {
                self.later(pace::STORE, CallInput::HandoffStored { stored: true });
            }
            CallOutput::Line(line) if line.speaker == LineSpeaker::Frontdoor => {
                self.record.push(line.text.into_inner());
            }
            _ => {}
        }
        Ok(())
    }

    async fn hear(
        &mut self,
        utterance: UtteranceId,
        audio: (&[i16], crate::audio::SampleRate),
        expected: &Expected,
    ) -> anyhow::Result<HeardResult> {
        let hearing = &self.studio.engines.hearing;
        let transcript =
            transcribe(hearing, (self.id, utterance), audio, listen_for(expected)).await?;
        self.heard.push(transcript.text.expose().trim().to_owned());
        let (text, confidence, readings) =
            (transcript.text, transcript.confidence, transcript.readings);
        Ok(HeardResult::Text { text, confidence, readings })
    }

    /// Our real voice. What it has said before is not made again.
    async fn speak(&mut self, speech: SpeechId, text: String) -> anyhow::Result<()> {
        let samples = match self.studio.said.get(&text) {
            Some(samples) => Arc::clone(samples),
            None => {
                let voice = self.studio.engines.voice.clone();
                let request = SpeakRequest::new(Pii::new(text.clone()), Cacheable::Fixed);
                let whole =
                    tokio::task::spawn_blocking(move || voice.speak_whole(request)).await??;
                let samples: Arc<[i16]> = whole.into();
                self.studio.said.insert(text, Arc::clone(&samples));
                samples
            }
        };
        if !self.is_real {
            self.answer_len += samples.len();
        }
        self.later(pace::FIRST_SOUND, CallInput::SpeechAudio { speech, samples });
        self.later(pace::FIRST_SOUND, CallInput::SpeechDone { speech });
        Ok(())
    }
}
