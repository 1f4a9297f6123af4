//! From words to the caller's ear: the playout queue.

use std::collections::VecDeque;
use std::time::Instant;

use crate::base::{Pii, SpeechId};
use crate::conversation::{ConversationInput, Phrase};
use crate::speech::{TurnInput, TurnState};

use super::heard::Heard;
use super::{Call, CallOutput, LineSpeaker, PlayoutFrame, Timer, TranscriptLine, Urgency};

/// Samples in a frame: 20 ms at 8 kHz.
pub(super) const FRAME: usize = 160;

/// A sample louder than this (about -44 dBFS) counts as voiced for the latency figures.
const VOICED_LEVEL: u16 = 200;

/// What stands in a transcript for a part of what we said that it does not show.
const HIDDEN: &str = "[name]";

/// A speech in the queue.
#[derive(Debug)]
pub(super) struct PlayItem {
    pub speech: SpeechId,
    text: Pii<String>,
    /// Parts of the text that the transcript does not show.
    hidden: Vec<Pii<String>>,
    samples: VecDeque<i16>,
    /// No more samples will come.
    complete: bool,
    played: usize,
    received: usize,
    started_ms: Option<u64>,
    fixed: bool,
    /// It failed once and was asked for again.
    tried_again: bool,
    /// It says that something takes a moment, and nothing else.
    pub aside: bool,
    /// It must be heard to its end, whatever the caller says meanwhile.
    pub uninterruptible: bool,
    /// How much of what was played the caller has heard.
    pub heard: Heard,
}

impl PlayItem {
    fn new(speech: SpeechId, phrase: Phrase) -> Self {
        let Phrase { text, fixed, hidden, uninterruptible, .. } = phrase;
        Self {
            speech,
            text,
            hidden,
            samples: VecDeque::new(),
            complete: false,
            played: 0,
            received: 0,
            started_ms: None,
            fixed,
            tried_again: false,
            aside: false,
            uninterruptible,
            heard: Heard::default(),
        }
    }

    fn receive(&mut self, samples: &[i16]) {
        self.samples.extend(samples.iter().copied());
        self.received += samples.len();
    }

    /// Whether there is nothing to play of it yet, or for now.
    pub fn has_run_dry(&self) -> bool {
        self.samples.is_empty() && !self.complete
    }

    /// Whether it only says that something takes a moment, and has itself not come yet.
    pub fn is_late_aside(&self) -> bool {
        self.aside && self.received == 0 && !self.complete
    }

    /// Its words, once any of it has been played.
    pub fn words_begun(&self) -> Option<&str> {
        (self.played > 0).then_some(self.text.expose().as_str())
    }

    /// How many samples of it the caller has heard.
    fn heard_len(&self) -> usize {
        self.heard.of(self.played)
    }

    /// Whether any of it has been played.
    pub const fn has_begun(&self) -> bool {
        self.played > 0
    }

    /// Goes back to the last clause that was heard.
    pub fn play_again(&mut self) {
        let again = self.heard.take_back(self.played);
        self.played -= again.len();
        for sample in again.into_iter().rev() {
            self.samples.push_front(sample);
        }
    }
}

/// Whether anything can be heard in it.
pub(super) fn is_voiced(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() >= VOICED_LEVEL)
}

impl Call {
    pub(super) fn enqueue_speech(&mut self, now: Instant, phrase: Phrase) -> SpeechId {
        self.timers.cancel(Timer::NoInput);
        if self.playout.is_empty() {
            self.timers.set(Timer::Speech, now + Self::speech_limit());
        }
        if let Some(item) = self.prepared.take_if(|item| item.text == phrase.text) {
            let Phrase { hidden, uninterruptible, .. } = phrase;
            return self.say_prepared(now, PlayItem { hidden, uninterruptible, ..item });
        }
        let item = self.ask_for_speech(phrase, Urgency::TurnOver);
        let speech = item.speech;
        self.playout.push_back(item);
        speech
    }

    fn ask_for_speech(&mut self, phrase: Phrase, urgency: Urgency) -> PlayItem {
        let speech = self.next_speech;
        self.next_speech = speech.next();
        let item = PlayItem::new(speech, phrase);
        let (text, fixed) = (item.text.clone(), item.fixed);
        self.outputs.push_back(CallOutput::Speak { speech, text, fixed, urgency });
        item
    }

    /// What was made ahead is what is said now.
    fn say_prepared(&mut self, now: Instant, item: PlayItem) -> SpeechId {
        if let Some(clock) = &mut self.clock
            && clock.acted.is_some()
            && self.playout.is_empty()
            && item.received > 0
        {
            clock.voiced.get_or_insert(now);
        }
        let speech = item.speech;
        if !item.complete {
            self.outputs.push_back(CallOutput::HurrySpeech { speech });
        }
        self.playout.push_back(item);
        speech
    }

    /// Has a sentence made that is to be said soon, probably.
    pub(super) fn prepare_speech(&mut self, phrase: Phrase) {
        if self.prepared.as_ref().is_some_and(|item| item.text == phrase.text) {
            return;
        }
        self.drop_prepared();
        self.prepared = Some(self.ask_for_speech(phrase, Urgency::Speculative));
    }

    pub(super) fn drop_prepared(&mut self) {
        if let Some(PlayItem { speech, .. }) = self.prepared.take() {
            self.outputs.push_back(CallOutput::CancelSpeech { speech });
        }
    }

    pub(super) fn on_speech_audio(&mut self, now: Instant, speech: SpeechId, samples: &[i16]) {
        if let Some(item) = self.prepared.as_mut().filter(|item| item.speech == speech) {
            return item.receive(samples);
        }
        let next_to_play = self.playout.front().is_some_and(|item| item.speech == speech);
        let Some(item) = self.playout.iter_mut().find(|item| item.speech == speech) else {
            self.stale += 1;
            return;
        };
        item.receive(samples);
        // Words that fill the time do not give the others more of it.
        if !item.aside {
            self.timers.set(Timer::Speech, now + Self::speech_limit());
        }
        if let Some(clock) = &mut self.clock
            && clock.acted.is_some()
            && next_to_play
        {
            clock.voiced.get_or_insert(now);
        }
    }

    pub(super) fn on_speech_done(&mut self, now: Instant, speech: SpeechId) {
        if let Some(item) = self.prepared.as_mut().filter(|item| item.speech == speech) {
            item.complete = true;
            return;
        }
        match self.playout.iter_mut().find(|item| item.speech == speech) {
            Some(item) => item.complete = true,
            None => self.stale += 1,
        }
        self.retire_played(now);
    }

    /// Speech was due: a queue that has run dry and is not complete has failed.
    pub(super) fn on_speech_overdue(&mut self, now: Instant) {
        let next = self.playout.iter().find(|item| !item.aside).or(self.playout.front());
        let Some(item) = next else { return };
        if item.complete || !item.samples.is_empty() || self.on_hold {
            self.timers.set(Timer::Speech, now + Self::speech_limit());
            return;
        }
        let speech = item.speech;
        self.outputs.push_back(CallOutput::CancelSpeech { speech });
        self.on_speech_failed(now, speech);
    }

    /// A sentence that failed before it was heard is asked for once more; a second failure means
    /// that the voice is down.
    pub(super) fn on_speech_failed(&mut self, now: Instant, speech: SpeechId) {
        // It is asked for again if it is to be said.
        if self.prepared.take_if(|item| item.speech == speech).is_some() {
            return;
        }
        let Some(item) = self.playout.iter_mut().find(|item| item.speech == speech) else {
            self.stale += 1;
            return;
        };
        if item.aside {
            self.playout.retain(|item| item.speech != speech);
            return self.retire_played(now);
        }
        if !item.tried_again && item.received == 0 {
            let again = self.next_speech;
            self.next_speech = again.next();
            item.tried_again = true;
            item.speech = again;
            let (text, fixed) = (item.text.clone(), item.fixed);
            if self.question == Some(speech) {
                self.question = Some(again);
            }
            self.timers.set(Timer::Speech, now + Self::speech_limit());
            let urgency = Urgency::TurnOver;
            self.outputs.push_back(CallOutput::Speak { speech: again, text, fixed, urgency });
            return;
        }
        self.playout.retain(|item| item.speech != speech);
        self.timers.cancel(Timer::Speech);
        self.converse(now, ConversationInput::VoiceDown);
        self.retire_played(now);
    }

    /// The next 20 ms for the caller: speech, or silence.
    pub fn next_frame(&mut self, now: Instant) -> PlayoutFrame {
        let mut samples = [0_i16; FRAME];
        let mut filled = 0;
        self.drop_late_asides(now);
        let is_silent = self.overlap.is_silent();
        while filled < FRAME && !self.on_hold && !is_silent {
            let elapsed_ms = self.elapsed_ms(now);
            let Some(item) = self.playout.front_mut() else { break };
            let take = item.samples.len().min(FRAME - filled);
            let place = &mut samples[filled..filled + take];
            for (to, from) in place.iter_mut().zip(item.samples.drain(..take)) {
                *to = from;
            }
            if take > 0 {
                item.heard.note(place, item.played, self.overlap.loudness());
                item.started_ms.get_or_insert(elapsed_ms);
                if self.question == Some(item.speech) {
                    self.question = None;
                    self.asked_at = Some(now);
                    self.overlap.note_question();
                }
                item.played += take;
                filled += take;
                if !item.aside {
                    self.presence.spoke();
                }
            }
            if !item.samples.is_empty() || !item.complete {
                break;
            }
            self.retire_played(now);
        }
        self.overlap.fade(&mut samples, self.settings.barge_in.duck_db);
        if filled > 0 {
            self.note_voiced(now, &samples);
        } else if !self.on_hold {
            self.put_through.fill(&mut samples);
        }
        self.play_music(&mut samples, filled > 0);
        self.keep_company(now, &mut samples);
        self.ears.play(&samples);
        let speaking = !is_silent && (!self.playout.is_empty() || filled > 0);
        PlayoutFrame { samples, speaking }
    }

    fn note_voiced(&mut self, now: Instant, samples: &[i16]) {
        // A frame that holds the last sound of all begins nothing: we have stopped already.
        let may_begin = matches!(
            self.turn.state(),
            TurnState::Listening | TurnState::Deciding | TurnState::CallerSpeaking
        );
        if may_begin && !self.playout.is_empty() {
            self.turn.handle(TurnInput::AgentStarted);
        }
        if !is_voiced(samples) {
            return;
        }
        self.note_answer_heard(now);
        let Some(clock) = &mut self.clock else { return };
        if clock.acted.is_none() {
            return;
        }
        clock.voiced.get_or_insert(now);
        let at_ms = self.answered_at.map_or(0, |at| now.saturating_duration_since(at).as_millis());
        let timing = clock.close(self.turn_id.next(), now, at_ms as u64);
        self.clock = None;
        if let Some(timing) = timing {
            self.turn_id = timing.turn;
            self.outputs.push_back(CallOutput::Turn(timing));
        }
    }

    /// Takes out what has been played to its end, and does what waits for silence.
    pub(super) fn retire_played(&mut self, now: Instant) {
        while let Some(item) = self.playout.front() {
            if !item.complete || !item.samples.is_empty() {
                return;
            }
            if let Some(mut item) = self.playout.pop_front() {
                // To its end, if softly.
                item.heard.settle();
                self.agent_line(now, &item);
            }
        }
        self.overlap.end();
        self.turn.handle(TurnInput::AgentEnded);
        self.timers.cancel(Timer::Overlap);
        self.timers.cancel(Timer::Speech);
        self.tells_of_failure = false;
        match self.hang_up_after_speech.take() {
            Some(reason) => self.finish(reason),
            None if self.put_through.is_waiting() => self.begin_put_through(now),
            None => {
                self.all_said_in_line(now);
                self.arm_no_input(now);
            }
        }
    }

    /// The record holds what was heard, which after an interruption is less than what was meant.
    fn agent_line(&mut self, now: Instant, item: &PlayItem) {
        let heard_len = item.heard_len();
        if heard_len == 0 {
            return;
        }
        let spoken_len = item.text.expose().len();
        let text = item.hidden.iter().fold(item.text.expose().clone(), |text, hidden| {
            if hidden.expose().is_empty() { text } else { text.replace(hidden.expose(), HIDDEN) }
        });
        let heard = if item.complete && heard_len == item.received {
            text
        } else {
            // Until all of it is made its length is unknown; 75 ms (600 samples) a character of
            // text is what this voice takes.
            let whole =
                if item.complete { item.received } else { item.received.max(spoken_len * 600) };
            let share = heard_len as f64 / whole.max(1) as f64;
            let words: Vec<&str> = text.split_whitespace().collect();
            let count = ((words.len() as f64 * share).round() as usize).min(words.len());
            if count == 0 {
                return;
            }
            format!("{} —", words[..count].join(" "))
        };
        self.push_line(TranscriptLine {
            at_ms: item.started_ms.unwrap_or_else(|| self.elapsed_ms(now)),
            speaker: LineSpeaker::Frontdoor,
            text: Pii::new(heard),
            confidence: None,
            intent: None,
            taken: None,
        });
    }

    /// The caller means it: be quiet at once, but for what must be heard.
    pub(super) fn stop_agent(&mut self, now: Instant) {
        if !self.may_give_way() {
            return;
        }
        if self.must_be_heard() {
            let is_kept = |item: &&PlayItem| item.uninterruptible || item.aside;
            let kept = self.playout.iter().take_while(is_kept).count();
            let dropped = self.playout.split_off(kept);
            return self.drop_items(now, dropped);
        }
        let was_heard = self.playout.iter().any(|item| item.heard_len() > 0);
        self.note_committed();
        let taken_too_early = self.turn_taken_too_early(now);
        self.drop_speech(now);
        self.turn.handle(TurnInput::AgentEnded);
        if let Some(turn) = taken_too_early {
            self.take_back(now, turn);
        } else if was_heard {
            self.converse(now, ConversationInput::Interrupted);
        }
        self.all_said_in_line(now);
    }

    pub(super) fn drop_speech(&mut self, now: Instant) {
        self.timers.cancel(Timer::Speech);
        let dropped = std::mem::take(&mut self.playout);
        self.drop_items(now, dropped);
        self.timers.cancel(Timer::Overlap);
        self.overlap.end();
    }

    fn drop_items(&mut self, now: Instant, items: VecDeque<PlayItem>) {
        for item in items {
            self.agent_line(now, &item);
            self.outputs.push_back(CallOutput::CancelSpeech { speech: item.speech });
        }
    }
}
