//! From the caller's audio to words.

use std::time::{Duration, Instant};

use crate::audio::{AudioFrame, SampleRate};
use crate::base::{Pii, UtteranceId};
use crate::conversation::{ConversationInput, Expected};
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{YesNo, is_backchannel, is_echo_of};
use crate::nlu::{Readings, Understanding};
use crate::speech::{EndpointEvent, SpeechSpan, TurnInput, TurnState, last_voice};

use super::speaking::PlayItem;
use super::speculation::{DoneAhead, Meant, Words};
use super::timing::TurnClock;
use super::{Call, CallOutput, HeardResult, LineSpeaker, Timer, TranscriptLine, Urgency};

/// An utterance without words that was voiced for so long was speech: a click or a cough lasts
/// 100 to 200 ms, and a word of one syllable takes about 250 ms.
pub(super) const UNCLEAR_VOICED_MIN: Duration = Duration::from_millis(250);

/// How speech of which no word could be made out stands in the transcript.
const UNCLEAR: &str = "[unclear]";

/// An utterance on its way through the models.
#[derive(Debug)]
pub(super) struct PendingUtterance {
    pub id: UtteranceId,
    pub started_ms: u64,
    /// The question we listened for an answer to could not be heard yet when it was begun.
    pub before_question: bool,
    pub text: Option<(Pii<String>, f32)>,
    /// What all pieces up to here mean.
    pub meant: Meant,
    /// Its sound, until the words are there: what was asked for ahead may be given up for others who
    /// wait.
    pub unheard: Option<(Vec<i16>, SampleRate)>,
    /// The values that it may have been.
    pub readings: Readings,
    /// It stands in the transcript already.
    pub is_told: bool,
    /// It was said while a secret was asked for.
    pub secret: bool,
    /// It was said over our own speech.
    pub overlapped: bool,
    /// How much of it was voice, and not our own.
    pub voiced: Duration,
    /// What we said just before its end, if it was begun while that could be heard as an echo.
    pub ours: Option<Pii<String>>,
}

/// The words of these pieces.
fn joined_text<'p>(pieces: impl Iterator<Item = &'p PendingUtterance>) -> String {
    let texts = pieces.filter_map(|piece| piece.text.as_ref());
    texts.map(|(text, _)| text.expose().trim()).collect::<Vec<_>>().join(" ")
}

impl PendingUtterance {
    /// Whether these words, heard in it, are our own.
    fn is_echo(&self, text: &Pii<String>) -> bool {
        self.ours.as_ref().is_some_and(|ours| is_echo_of(text.expose(), ours.expose()))
    }
}

impl Call {
    pub(super) fn on_audio(&mut self, now: Instant, frame: &AudioFrame, waited: Duration) {
        if self.on_hold {
            return;
        }
        self.ears.hear(frame);
        self.latest_audio = Some((now, waited));
        self.endpointer.set_rate(frame.rate);
        while let Some(chunk) = self.ears.next_chunk(self.vad.chunk_len()) {
            let probability = self.vad.probability(&chunk.for_vad);
            self.ears.share.pass(chunk.length);
            match self.endpointer.handle_chunk(&chunk.as_it_came, probability) {
                Some(EndpointEvent::Started) => self.on_caller_started(now),
                Some(EndpointEvent::Paused(span)) => self.on_paused(now, span),
                Some(EndpointEvent::Resumed { after }) => self.on_resumed(after),
                Some(EndpointEvent::Ended(span)) => self.on_utterance(now, span),
                None => {}
            }
            self.ears.share.count(chunk.judgement, self.endpointer.voiced());
            if self.turn.state() == TurnState::Overlapped {
                self.overlap_chunk(now, &chunk);
            }
        }
    }

    fn on_caller_started(&mut self, now: Instant) {
        self.utterance_secret = self.expectation.secret;
        self.timers.cancel(Timer::NoInput);
        let we_speak =
            matches!(self.turn.state(), TurnState::AgentSpeaking | TurnState::Overlapped);
        self.ears.over_ours = we_speak || self.ears.echo_is_due();
        // What ended the utterance was a pause: the turn goes on.
        if let Some(clock) = &self.clock
            && !self.pending.is_empty()
            && self.playout.is_empty()
        {
            let (_, waited) = self.latest_audio.unwrap_or((now, Duration::ZERO));
            let since = now.saturating_duration_since(clock.voiced_until);
            self.patience.went_on_after(since.saturating_sub(waited + self.endpointer.voiced()));
        }
        self.apply_patience();
        self.turn.handle(TurnInput::CallerStarted);
    }

    pub(super) fn take_utterance_id(&mut self) -> UtteranceId {
        let id = self.next_utterance;
        self.next_utterance = id.next();
        id
    }

    /// Audio kept from before speech.
    pub(super) fn pre_roll(&self) -> Duration {
        Duration::from_millis(self.settings.endpointer.pre_roll_ms)
    }

    /// When this was begun that has come to its latest sample.
    pub(super) fn began(&self, now: Instant, span: &SpeechSpan) -> Instant {
        let length = span.rate.duration_of(span.samples.len()).saturating_sub(self.pre_roll());
        now.checked_sub(length).unwrap_or(now)
    }

    /// Whether the question we listen for an answer to could not be heard yet at this moment.
    pub(super) fn is_before_question(&self, began: Instant) -> bool {
        self.asked_at.is_none_or(|asked| began < asked)
    }

    pub(super) fn on_utterance(&mut self, now: Instant, mut span: SpeechSpan) {
        if self.ears.share.is_all_echo() || span.voiced.is_zero() {
            return self.on_nothing_said(now, &span);
        }
        if !self.listens_to_words() && self.pending.is_empty() {
            self.withdraw();
            return self.on_unheard(now, &span);
        }
        let mut ahead = self.use_speculation(&span);
        self.ears.prepare(&mut span, self.pre_roll());
        let overlapped = self.turn.state() == TurnState::Overlapped;
        if overlapped {
            self.overlap_ended(now);
        } else {
            self.note_usual_level(span.voiced);
        }
        let secret = self.expectation.secret || self.utterance_secret;
        let began = self.began(now, &span);
        self.clock = Some(self.clock_from(now, &span));
        let id = match &ahead {
            Some(ahead) => ahead.id,
            None => self.take_utterance_id(),
        };
        self.pending.push(PendingUtterance {
            id,
            started_ms: self.elapsed_ms(began),
            before_question: self.is_before_question(began),
            text: None,
            meant: ahead.as_mut().map(|ahead| std::mem::take(&mut ahead.meant)).unwrap_or_default(),
            unheard: None,
            readings: Readings::default(),
            is_told: false,
            secret,
            overlapped,
            voiced: span.voiced,
            ours: self.ears.may_be_our_words().then(|| self.our_latest_words()),
        });
        if span.cut {
            self.apply_patience();
        } else {
            self.turn.handle(TurnInput::CallerEnded);
            self.utterance_secret = false;
        }
        self.timers.set(Timer::Deciding, now + Self::deciding_limit());
        let audio = (span.samples, span.rate);
        match ahead {
            Some(ahead) => self.take_ahead(now, ahead, audio),
            None => self.transcribe(id, audio),
        }
    }

    /// Goes on from where what was done ahead about an utterance has got to.
    fn take_ahead(&mut self, now: Instant, ahead: DoneAhead, audio: (Vec<i16>, SampleRate)) {
        let utterance = ahead.id;
        let Some(Words { text, confidence, readings }) = ahead.words else {
            if let Some(piece) = self.pending.last_mut() {
                piece.unheard = Some(audio);
            }
            return self.outputs.push_back(CallOutput::Hurry { utterance });
        };
        if let Some(clock) = &mut self.clock {
            clock.speculated = true;
        }
        let result = HeardResult::Text { text, confidence, readings };
        self.on_transcribed(now, utterance, result);
    }

    fn transcribe(&mut self, utterance: UtteranceId, (samples, rate): (Vec<i16>, SampleRate)) {
        let expected = self.expectation.expected.clone();
        let urgency = Urgency::TurnOver;
        let transcribe = CallOutput::Transcribe { utterance, samples, rate, expected, urgency };
        self.outputs.push_back(transcribe);
    }

    /// Begins to measure how long the caller waits. What they said is over by now, and came with the
    /// latest audio.
    fn clock_from(&self, now: Instant, span: &SpeechSpan) -> TurnClock {
        let (at, waited) = self.latest_audio.unwrap_or((now, Duration::ZERO));
        let end = span.start.0 + span.samples.len() as u64;
        let behind = (end - last_voice(span).0) as usize + self.ears.waiting_len();
        let reached = at.checked_sub(span.rate.duration_of(behind)).unwrap_or(at);
        let voiced_until = reached.checked_sub(waited).unwrap_or(reached);
        TurnClock::new(voiced_until, reached, now)
    }

    /// An utterance is over that was our own voice, or the silence after one that was cut off for its
    /// length.
    fn on_nothing_said(&mut self, now: Instant, span: &SpeechSpan) {
        self.withdraw();
        if !span.cut {
            self.turn.handle(TurnInput::CallerEnded);
            self.utterance_secret = false;
            if let Some(clock) = &mut self.clock
                && clock.transcribed.is_none()
            {
                clock.endpointed = now;
            }
            self.go_on_without_echo(now);
        }
    }

    pub(super) fn on_transcribed(
        &mut self,
        now: Instant,
        utterance: UtteranceId,
        result: HeardResult,
    ) {
        if self.is_ahead(utterance) {
            return self.on_words_ahead(now, result);
        }
        let Some(pending) = self.pending.iter_mut().find(|p| p.id == utterance) else {
            self.stale += 1;
            return;
        };
        let unheard = pending.unheard.take();
        match (result, unheard) {
            (HeardResult::Text { text, .. }, _) if pending.is_echo(&text) => {
                self.pending.retain(|p| p.id != utterance);
                self.drop_prepared();
                if self.pending.is_empty() {
                    self.clock = None;
                    self.timers.cancel(Timer::Deciding);
                }
                return self.go_on_without_echo(now);
            }
            (HeardResult::Text { text, confidence, readings }, _) => {
                pending.text = Some((text, confidence));
                pending.readings = readings;
            }
            // Its place was given to somebody whose turn was over.
            (HeardResult::Failed, Some(audio)) => return self.transcribe(utterance, audio),
            (HeardResult::Failed, None) => {
                self.withdraw();
                self.pending.clear();
                self.clock = None;
                self.timers.cancel(Timer::Deciding);
                self.turn.handle(TurnInput::Ignored);
                return self.converse(now, ConversationInput::HearingDown);
            }
        }
        self.take_words(now);
    }

    /// What was heard was our own voice: listens on, or goes on with what else was said.
    fn go_on_without_echo(&mut self, now: Instant) {
        let waits = self.clock.as_ref().is_none_or(|clock| clock.transcribed.is_none());
        if self.pending.is_empty() {
            self.turn.handle(TurnInput::Ignored);
            self.arm_no_input(now);
        } else if waits {
            self.take_words(now);
        }
    }

    /// What we have said last and are saying now, as far as it can be what comes back.
    pub(super) fn our_latest_words(&self) -> Pii<String> {
        /// An utterance can hold the end of one sentence and the next.
        const LINES: usize = 2;
        let ours = self.lines.iter().filter(|line| line.speaker == LineSpeaker::Frontdoor);
        let said = ours.rev().take(LINES).map(|line| line.text.expose().as_str());
        let mut words: Vec<&str> = said.collect();
        words.reverse();
        words.extend(self.playout.front().and_then(PlayItem::words_begun));
        Pii::new(words.join(" "))
    }

    /// Goes on to what was meant, once the words of all pieces are there.
    pub(super) fn take_words(&mut self, now: Instant) {
        if self.pending.is_empty() || self.pending.iter().any(|p| p.text.is_none()) {
            return;
        }
        self.timers.cancel(Timer::Deciding);
        // The caller went on before we answered: both pieces are one turn.
        if self.is_going_on() {
            return self.go_on_ahead(now);
        }
        if let Some(clock) = &mut self.clock {
            clock.transcribed = Some(now);
        }
        let text = self.pending_text();
        if text.trim().is_empty() && self.is_unclear_speech() {
            return self.on_unclear_speech(now);
        }
        if text.trim().is_empty() || self.is_only_backchannel(&text) {
            self.pending.clear();
            self.drop_prepared();
            self.clock = None;
            self.turn.handle(TurnInput::Ignored);
            return self.arm_no_input(now);
        }
        // What must be heard comes first; what was said over it is answered then.
        if self.keep_words() {
            return;
        }
        self.understand(now, Pii::new(text));
    }

    /// Whether the caller is saying more of what we are to answer.
    fn is_going_on(&self) -> bool {
        self.endpointer.is_speaking() && self.next_said().is_none()
    }

    /// Goes on to what these words of the turn mean, if it is known; else it is asked for.
    fn understand(&mut self, now: Instant, text: Pii<String>) {
        let fresh = self.next_utterance;
        let Some(piece) = self.pending.last_mut() else { return };
        match std::mem::take(&mut piece.meant) {
            Meant::Known(words, understanding) if words == text => {
                let utterance = piece.id;
                return self.on_understood(now, utterance, understanding);
            }
            Meant::Asked(words) if words == text => piece.meant = Meant::Asked(words),
            earlier => {
                // An answer about other words may be on its way.
                if !matches!(earlier, Meant::NotAsked) {
                    piece.id = fresh;
                    self.next_utterance = fresh.next();
                }
                piece.meant = Meant::Asked(text.clone());
                self.outputs.push_back(CallOutput::Understand { utterance: piece.id, text });
            }
        }
        self.timers.set(Timer::Deciding, now + Self::deciding_limit());
    }

    /// Whether what has no words was speech all the same, and said to us. What is heard over our own
    /// speech may be its echo, and a caller who asked us to wait is talking to somebody else.
    fn is_unclear_speech(&self) -> bool {
        let ours = self.pending.iter().filter(|p| !p.overlapped);
        let voiced: Duration = ours.map(|p| p.voiced).sum();
        voiced >= UNCLEAR_VOICED_MIN
            && self.playout.is_empty()
            && self.running.is_none()
            && self.expectation.silence_factor == 1
    }

    /// Asks again at once: the caller has spoken and waits for us.
    fn on_unclear_speech(&mut self, now: Instant) {
        let pending = std::mem::take(&mut self.pending);
        if let Some(clock) = &mut self.clock {
            clock.understood = Some(now);
        }
        let line = self.outputs.len();
        self.push_line(TranscriptLine {
            at_ms: pending.first().map_or(0, |p| p.started_ms),
            speaker: LineSpeaker::Caller,
            text: Pii::new(UNCLEAR.to_owned()),
            confidence: Some(0.0),
            intent: None,
            taken: Some(self.taken(None)),
        });
        let input = ConversationInput::Heard {
            text: Pii::default(),
            confidence: 0.0,
            understanding: Understanding::of(Vec::new(), 0.0),
            before_question: false,
            readings: Readings::default(),
        };
        self.converse_about(now, line, input);
        self.drop_prepared();
        self.settle_if_unanswered();
    }

    /// Callers in line say things that want no answer: it is their turn again.
    fn settle_if_unanswered(&mut self) {
        if self.playout.is_empty() && self.conversation.is_resting() {
            self.clock = None;
            self.turn.handle(TurnInput::Ignored);
        }
    }

    fn pending_text(&self) -> String {
        joined_text(self.pending.iter())
    }

    /// "Mm-hm" over our speech changes nothing, unless it answers a question that was heard.
    fn is_only_backchannel(&self, text: &str) -> bool {
        let over_ours = self.pending.iter().any(|p| p.overlapped) && !self.playout.is_empty();
        let heard_question = self.pending.last().is_some_and(|p| !p.before_question);
        over_ours && is_backchannel(text) && !(heard_question && self.answers_yes_or_no(text))
    }

    /// Whether this answers a question for yes or no, if one is asked.
    pub(super) fn answers_yes_or_no(&self, text: &str) -> bool {
        self.expectation.expected == Expected::YesNo && parse_yes_no(text) != YesNo::Unclear
    }

    pub(super) fn on_understood(
        &mut self,
        now: Instant,
        utterance: UtteranceId,
        understanding: Option<Understanding>,
    ) {
        if self.is_ahead(utterance) {
            return self.on_understood_ahead(understanding);
        }
        let complete = self.pending.iter().all(|p| p.text.is_some());
        let is_last = self.pending.last().is_some_and(|p| p.id == utterance);
        let is_going_on = self.is_going_on();
        let Some(piece) = self.pending.iter_mut().find(|p| p.id == utterance) else {
            self.stale += 1;
            return;
        };
        if is_going_on || !is_last || !complete {
            // Kept, in case that what was said since turns out to be nothing.
            if let Meant::Asked(text) = std::mem::take(&mut piece.meant) {
                piece.meant = Meant::Known(text, understanding);
            }
            if is_last && complete {
                self.timers.cancel(Timer::Deciding);
                if let Some(clock) = &mut self.clock {
                    clock.transcribed = None;
                }
            }
            return;
        }
        self.timers.cancel(Timer::Deciding);
        if let Some(clock) = &mut self.clock {
            clock.understood = Some(now);
        }
        let text = self.pending_text();
        if self.is_passed_over(&text, understanding.as_ref()) {
            return self.pass_over(now);
        }
        let mut pending = std::mem::take(&mut self.pending);
        // Pieces with a pause between them were not heard as one value.
        let readings = match &mut pending[..] {
            [only] => std::mem::take(&mut only.readings),
            _ => Readings::default(),
        };
        let confidence = pending
            .iter()
            .filter_map(|p| p.text.as_ref().map(|(_, confidence)| *confidence))
            .fold(1.0_f32, f32::min);
        let before_question = pending.last().is_some_and(|p| p.before_question);
        let line = self.outputs.len();
        self.push_caller_line(&pending, confidence, understanding.as_ref());
        let understanding = understanding.unwrap_or_else(|| Understanding::of(Vec::new(), 0.0));
        self.taken_turn = None;
        if !self.playout.is_empty() {
            self.stop_agent(now);
        }
        let text = Pii::new(text);
        let input =
            ConversationInput::Heard { text, confidence, understanding, before_question, readings };
        let before = self.before_answer();
        self.converse_about(now, line, input);
        self.keep_taken_turn(before, pending, line);
        self.drop_prepared();
        self.settle_if_unanswered();
    }

    /// Writes down what of these pieces is not in the transcript yet.
    fn push_caller_line(
        &mut self,
        pieces: &[PendingUtterance],
        confidence: f32,
        understanding: Option<&Understanding>,
    ) {
        let untold = pieces.iter().filter(|piece| !piece.is_told);
        let Some(first) = untold.clone().next() else { return };
        let secret = pieces.iter().any(|piece| piece.secret);
        // "Goodbye" is most like some intent, and is none.
        let is_intent = !secret && !self.conversation.asks_nothing(&joined_text(pieces.iter()));
        let top = understanding.and_then(|one| one.top()).filter(|_| is_intent);
        let intent = top.map(|top| (top.intent.clone(), top.confidence));
        let shown = if secret { "[hidden]".to_owned() } else { joined_text(untold) };
        self.push_line(TranscriptLine {
            at_ms: first.started_ms,
            speaker: LineSpeaker::Caller,
            text: Pii::new(shown),
            confidence: Some(confidence),
            intent,
            taken: Some(self.taken(understanding.map(|one| one.out_of_scope))),
        });
    }
}
