//! What is done ahead while the caller pauses: by the time that the turn is known to be over, their words
//! are there and understood, and the first sentence of the answer is made.
//!
//! ```text
//!  (nothing) ──Paused──▶ Transcribe ──words──▶ Understand ──▶ Speak what a copy of the
//!      ▲                                                      conversation would say
//!      ├── Ended, and nothing was said since: used, and hurried where it is not there yet
//!      └── Resumed, on hold, hung up: withdrawn
//! ```
//! Nothing in here has an effect: the conversation itself, the transcript and the record learn of the
//! words once the turn is over. There is at most one such work at a time: a new one takes the place of an
//! older one, however often somebody pauses.

use std::time::{Duration, Instant};

use crate::audio::MediaTime;
use crate::base::{Pii, UtteranceId};
use crate::conversation::{ConversationInput, DialogAct, Expected};
use crate::nlu::spoken::{is_backchannel, is_echo_of};
use crate::nlu::{Readings, Understanding};
use crate::speech::{EndpointEvent, SpeechSpan, TurnState};

use super::{Call, CallOutput, HeardResult, PauseEvidence, Urgency};

/// How often something was done ahead, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpeculationCounts {
    /// Transcripts asked for before the turn was known to be over.
    pub begun: u64,
    /// Those of them with which a turn went on.
    pub used: u64,
    /// Those that nobody needed: the caller went on.
    pub withdrawn: u64,
}

/// What is being done ahead about what the caller is saying.
#[derive(Debug)]
pub(super) struct Speculation {
    id: UtteranceId,
    /// Up to where they have said it.
    voiced_until: MediaTime,
    started: Instant,
    /// What was asked for.
    expected: Expected,
    words: Option<Words>,
    meant: Meant,
    /// That the caller has finished, by the sound.
    end_probability: Option<f32>,
}

/// What was heard.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub text: Pii<String>,
    /// 0 to 1.
    pub confidence: f32,
    /// The values that it may have been.
    pub readings: Readings,
}

/// What the words of a turn mean, as far as anybody was asked.
#[derive(Debug, Clone, Default)]
pub(super) enum Meant {
    #[default]
    NotAsked,
    /// What these words mean is being worked out.
    Asked(Pii<String>),
    /// What these words mean.
    Known(Pii<String>, Option<Understanding>),
}

/// What a turn that is over has of what was done ahead.
pub(super) struct DoneAhead {
    pub id: UtteranceId,
    pub words: Option<Words>,
    pub meant: Meant,
}

impl Call {
    /// How often something was done ahead in this call, and what came of it.
    pub fn speculation(&self) -> SpeculationCounts {
        self.speculation_counts
    }

    /// Has what the caller is saying transcribed as far as they have got, although they may be in the
    /// midst of a word. Where that is under way already, its words come soon enough.
    pub fn speculate_now(&mut self, now: Instant) {
        let is_under_way = self.speculation.as_ref().is_some_and(|ahead| ahead.words.is_none());
        if !is_under_way && let Some(span) = self.endpointer.snapshot() {
            self.on_paused(now, span);
        }
    }

    pub(super) fn on_paused(&mut self, now: Instant, span: SpeechSpan) {
        let is_done =
            self.speculation.as_ref().is_some_and(|ahead| ahead.voiced_until == span.voiced_until);
        let is_of_use = self.may_speculate()
            && self.listens_to_words()
            && !self.ears.share.is_all_echo()
            && !span.voiced.is_zero();
        if is_of_use && !is_done {
            self.speculate(now, span);
        }
    }

    fn speculate(&mut self, now: Instant, mut span: SpeechSpan) {
        self.withdraw();
        self.ears.prepare(&mut span, self.pre_roll());
        let utterance = self.take_utterance_id();
        let expected = self.expectation.expected.clone();
        self.speculation_counts.begun += 1;
        self.speculation = Some(Speculation {
            id: utterance,
            voiced_until: span.voiced_until,
            started: self.began(now, &span),
            expected: expected.clone(),
            words: None,
            meant: Meant::NotAsked,
            end_probability: None,
        });
        // What was known of less than that decides no longer.
        self.apply_patience();
        let SpeechSpan { samples, rate, .. } = span;
        if self.settings.judges_end {
            let samples = samples.clone();
            self.outputs.push_back(CallOutput::JudgeEnd { utterance, samples, rate });
        }
        let urgency = Urgency::Speculative;
        let transcribe = CallOutput::Transcribe { utterance, samples, rate, expected, urgency };
        self.outputs.push_back(transcribe);
    }

    /// The caller goes on after a pause.
    pub(super) fn on_resumed(&mut self, after: Duration) {
        self.patience.went_on_after(after);
        self.withdraw();
        self.apply_patience();
    }

    /// Nobody needs what was done ahead.
    pub(super) fn withdraw(&mut self) {
        if let Some(ahead) = self.speculation.take() {
            self.speculation_counts.withdrawn += 1;
            self.outputs.push_back(CallOutput::Withdraw { utterance: ahead.id });
        }
        self.drop_prepared();
    }

    /// Whether this is the utterance that something is done ahead about.
    pub(super) fn is_ahead(&self, utterance: UtteranceId) -> bool {
        self.speculation.as_ref().is_some_and(|ahead| ahead.id == utterance)
    }

    /// The words of what the caller is saying came before the turn is known to be over.
    pub(super) fn on_words_ahead(&mut self, now: Instant, result: HeardResult) {
        // Once the turn is over they are asked for again.
        let HeardResult::Text { text, confidence, readings } = result else {
            return self.withdraw();
        };
        // Whether they are the caller's is known once the utterance is over; what may be an echo neither
        // stops us nor is answered before.
        let is_ours =
            self.ears.over_ours && is_echo_of(text.expose(), self.our_latest_words().expose());
        if let Some(ahead) = &mut self.speculation {
            ahead.words = Some(Words { text: text.clone(), confidence, readings });
        }
        if is_ours {
            return;
        }
        if self.turn.state() == TurnState::Overlapped {
            self.overlap_words(now, text.expose(), confidence);
        }
        self.go_on_ahead(now);
    }

    pub(super) fn on_end_judged(
        &mut self,
        now: Instant,
        utterance: UtteranceId,
        probability: Option<f32>,
    ) {
        match &mut self.speculation {
            Some(ahead) if ahead.id == utterance => ahead.end_probability = probability,
            _ => {
                self.stale += 1;
                return;
            }
        }
        self.weigh_pause(now);
    }

    /// More is known of what the caller has said before they paused.
    pub(super) fn go_on_ahead(&mut self, now: Instant) {
        if self.paused_at().is_some() {
            self.understand_ahead();
            self.weigh_pause(now);
        }
    }

    /// What is done ahead, if the caller has said nothing since.
    fn paused_at(&self) -> Option<&Speculation> {
        let ahead = self.speculation.as_ref()?;
        (self.endpointer.voiced_until() == Some(ahead.voiced_until)).then_some(ahead)
    }

    /// All that the caller has said in this turn, once its words are there.
    fn turn_so_far(&self) -> Option<String> {
        let words = self.paused_at()?.words.as_ref()?;
        let before = self.pending.iter().map(|piece| Some(&piece.text.as_ref()?.0));
        let pieces: Option<Vec<&Pii<String>>> = before.chain([Some(&words.text)]).collect();
        let pieces = pieces?.into_iter().map(|piece| piece.expose().trim());
        Some(pieces.collect::<Vec<_>>().join(" "))
    }

    fn understand_ahead(&mut self) {
        let over_ours = self.turn.state() == TurnState::Overlapped && !self.playout.is_empty();
        let Some(text) = self.turn_so_far() else { return };
        if text.trim().is_empty() || over_ours && is_backchannel(&text) {
            return;
        }
        let Some(ahead) = &mut self.speculation else { return };
        if matches!(ahead.meant, Meant::NotAsked) {
            let text = Pii::new(text);
            ahead.meant = Meant::Asked(text.clone());
            self.outputs.push_back(CallOutput::Understand { utterance: ahead.id, text });
        }
    }

    /// How much silence ends the turn may have changed; then it may be over now.
    fn weigh_pause(&mut self, now: Instant) {
        self.apply_patience();
        if let Some(EndpointEvent::Ended(span)) = self.endpointer.poll_over() {
            self.on_utterance(now, span);
        }
    }

    pub(super) fn on_understood_ahead(&mut self, understanding: Option<Understanding>) {
        let Some(ahead) = &mut self.speculation else { return };
        let Meant::Asked(text) = std::mem::take(&mut ahead.meant) else { return };
        // One that failed is asked for again once the turn is over.
        let Some(understanding) = understanding else { return };
        ahead.meant = Meant::Known(text.clone(), Some(understanding.clone()));
        self.prepare_answer(text, understanding);
    }

    /// Has the sentence made that would be said first if the turn were over. A copy of the conversation
    /// is asked: of what else it would do nothing is done.
    fn prepare_answer(&mut self, text: Pii<String>, understanding: Understanding) {
        let Some(Speculation { words: Some(words), started, .. }) = &self.speculation else {
            return;
        };
        let before = self.pending.iter().filter_map(|piece| piece.text.as_ref());
        let confidence = before.fold(words.confidence, |least, (_, of_piece)| least.min(*of_piece));
        let readings = match self.pending.is_empty() {
            true => words.readings.clone(),
            false => Readings::default(),
        };
        let before_question = self.is_before_question(*started);
        let input =
            ConversationInput::Heard { text, confidence, understanding, before_question, readings };
        let acts = self.conversation.clone().handle(input);
        if let Some(DialogAct::Say(phrase)) = acts.into_iter().next() {
            self.prepare_speech(phrase);
        }
    }

    /// An utterance is over: gives what was done ahead about it, if it is about all of it and what is
    /// expected is the same still. Otherwise that is withdrawn.
    pub(super) fn use_speculation(&mut self, span: &SpeechSpan) -> Option<DoneAhead> {
        let is_of_use = self.speculation.as_ref().is_some_and(|ahead| {
            ahead.voiced_until == span.voiced_until && ahead.expected == self.expectation.expected
        });
        if !is_of_use {
            self.withdraw();
            return None;
        }
        let Speculation { id, words, meant, .. } = self.speculation.take()?;
        self.speculation_counts.used += 1;
        Some(DoneAhead { id, words, meant })
    }

    /// How much silence ends what is being said, by what is known of it.
    pub(super) fn apply_patience(&mut self) {
        let words = self.turn_so_far();
        let ahead = self.paused_at();
        let before: Duration = self.pending.iter().map(|piece| piece.voiced).sum();
        let silence = self.patience.silence(&PauseEvidence {
            words: words.as_deref(),
            expectation: &self.expectation,
            end_probability: ahead.and_then(|ahead| ahead.end_probability),
            voiced: before + self.endpointer.voiced(),
            confidence: ahead.and_then(|ahead| Some(ahead.words.as_ref()?.confidence)),
        });
        self.endpointer.set_silence(silence);
    }
}
