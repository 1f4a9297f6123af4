//! The caller speaks while we do. We give way by degrees, and take it back where it was nothing:
//!
//! ```text
//!          own sound >= duck_after        speech >= hold_after
//!  Full ──────────────────────────▶ Ducked ───────────────────▶ Held ──┐ speech >= commit_after,
//!   ▲                                 │                          │     │ words that are meant
//!   │   silent again, an aside, noise │                          │     ▼
//!   └─────────────────────────────────┘◀── "mm-hm", no words ────┘  Committed: what was to be
//!                                          from the last clause     said is dropped
//! ```
//!
//! Ducked we are softer; held nothing of ours is heard, and nothing of it is lost. What the caller
//! heard, as far as the record and the conversation go, ends where we began to give way. What was said
//! by somebody else in the room, or is no speech by its sound, has to mean something here before it
//! stops us. Texts that must be heard (`Do not interrupt:`) are said to their end as loud as ever; what
//! the caller says meanwhile is kept, and taken afterwards.

use std::time::{Duration, Instant};

use crate::audio::level::varying_dbfs;
use crate::conversation::Expected;
use crate::nlu::spoken::{is_backchannel, is_number_word};
use crate::nlu::{SlotKind, Understanding};
use crate::speech::{Intrusion, Likely, OverlapChunk, TurnInput, TurnState};

use super::ears::Chunk;
use super::heard::Loudness;
use super::speaking::FRAME;
use super::{Call, Timer};

/// The caller is silent for so long: we are as loud as before, if it was nothing so far.
const QUIET_AFTER: Duration = Duration::from_millis(256);

/// A "mm-hm" is over after this, and it is no reason to pause.
const HUM_FACTOR: u32 = 2;

/// For a caller who goes on and off we pause so many times as long as for a silent one, and no longer;
/// nor for one of whom nothing more comes at all.
const HOLDS_MAX: u32 = 2;

/// Where one of the caller's utterances is voiced for less, it says nothing about how loud they are.
const LEVEL_VOICED_MIN: Duration = Duration::from_millis(300);

/// Words that the recogniser is less sure of than this do not stop us before the caller has finished.
const SURE_WORDS: f32 = 0.5;

/// An understanding that a doubtful sound must have to be taken as said to us.
const DOUBTFUL_CONFIDENCE_MIN: f32 = 0.8;

/// How we speak at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stance {
    Full,
    Ducked,
    Held,
}

/// How often we gave way in a call, and what came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverlapCounts {
    /// We spoke more softly.
    pub ducked: u32,
    /// We paused.
    pub held: u32,
    /// We took up again what we had paused.
    pub came_back: u32,
    /// We gave up what we were saying.
    pub committed: u32,
    /// What was said over our speech was not meant for us.
    pub passed_over: u32,
}

/// What is known of the caller speaking over us.
#[derive(Debug)]
pub(super) struct Overlap {
    stance: Stance,
    intrusion: Intrusion,
    /// What the utterances that wait for their words are by their sound.
    verdict: Option<Likely>,
    /// How loud the caller was when they last spoke alone.
    usual_dbfs: Option<f32>,
    /// Words wait until what must be heard is said.
    keeps_words: bool,
    /// The question began while we were softer.
    asked_softly: bool,
    gain: f32,
    pub counts: OverlapCounts,
}

impl Default for Overlap {
    fn default() -> Self {
        Self {
            stance: Stance::Full,
            intrusion: Intrusion::default(),
            verdict: None,
            usual_dbfs: None,
            keeps_words: false,
            asked_softly: false,
            gain: 1.0,
            counts: OverlapCounts::default(),
        }
    }
}

impl Overlap {
    /// Whether what is played now can be counted on.
    pub fn loudness(&self) -> Loudness {
        if self.stance == Stance::Full { Loudness::Usual } else { Loudness::Soft }
    }

    /// Whether nothing of ours is heard, and nothing is to be taken from the queue.
    pub fn is_silent(&self) -> bool {
        self.stance == Stance::Held && self.gain <= 0.0
    }

    /// The question begins with this frame.
    pub fn note_question(&mut self) {
        self.asked_softly = self.stance != Stance::Full;
    }

    /// Makes a frame as soft as it is to be; from one gain to another it takes all of its 20 ms.
    pub fn fade(&mut self, frame: &mut [i16], duck_db: f32) {
        let wanted = match self.stance {
            Stance::Full => 1.0,
            Stance::Ducked => 10_f32.powf(-duck_db / 20.0),
            Stance::Held => 0.0,
        };
        let from = std::mem::replace(&mut self.gain, wanted);
        if from >= 1.0 && wanted >= 1.0 {
            return;
        }
        let step = (wanted - from) / FRAME as f32;
        for (n, sample) in frame.iter_mut().enumerate() {
            *sample = (f32::from(*sample) * step.mul_add((n + 1) as f32, from)) as i16;
        }
    }

    /// Nothing is being said any more.
    pub fn end(&mut self) {
        (self.stance, self.gain, self.asked_softly) = (Stance::Full, 1.0, false);
        self.intrusion.settle();
    }
}

impl Call {
    /// How often we gave way, and what came of it.
    pub const fn overlaps(&self) -> OverlapCounts {
        self.overlap.counts
    }

    /// Whether what is being said must be heard to its end. Words that only fill the time until its sound
    /// is there may come before it.
    pub(super) fn must_be_heard(&self) -> bool {
        self.next_said().is_some_and(|item| item.uninterruptible)
    }

    /// Whether what we say may give way. The last words are said to their end, and so are those before
    /// the caller is put through: there is nothing left to interrupt for. That nobody took the call
    /// must be heard by callers who were talking while it rang, too.
    pub(super) fn may_give_way(&self) -> bool {
        let is_leaving = self.hang_up_after_speech.is_some() || self.put_through.is_waiting();
        // Nor is there anything to interrupt where we only say that it takes a moment.
        let says_something = self.playout.iter().any(|item| !item.aside);
        says_something && !is_leaving && !self.tells_of_failure
    }

    /// The next chunk of a caller who speaks while we do.
    pub(super) fn overlap_chunk(&mut self, now: Instant, chunk: &Chunk) {
        if !self.endpointer.is_speaking() {
            return;
        }
        self.overlap.intrusion.hear(&OverlapChunk {
            own: self.ears.share.own(),
            length: chunk.length,
            level_dbfs: varying_dbfs(&chunk.as_it_came),
            noise_dbfs: self.ears.noise_dbfs(),
            sound: chunk.sound,
        });
        if !self.may_give_way() || self.must_be_heard() {
            return;
        }
        let config = self.settings.barge_in;
        let likely = self.overlap.intrusion.likely(self.overlap.usual_dbfs);
        let (own, quiet) = (self.overlap.intrusion.own(), self.overlap.intrusion.quiet());
        let is_voiced = quiet.is_zero();
        let is_long_enough = match likely {
            Likely::Speech => own >= config.hold_after,
            Likely::Hum => own >= config.hold_after * HUM_FACTOR,
            Likely::Unclear | Likely::Aside | Likely::Noise => false,
        };
        let is_nothing = likely.is_doubtful() || own.is_zero();
        match self.overlap.stance {
            Stance::Full | Stance::Ducked if is_voiced && is_long_enough => self.hold_speech(now),
            Stance::Full if is_voiced && own >= config.duck_after && !is_nothing => {
                self.overlap.stance = Stance::Ducked;
                self.overlap.counts.ducked += 1;
            }
            Stance::Held if is_voiced && own >= config.commit_after && !is_nothing => {
                self.stop_agent(now);
            }
            Stance::Ducked if is_nothing || quiet >= QUIET_AFTER => self.come_back(),
            Stance::Held if is_nothing || quiet >= config.hold_max => self.come_back(),
            Stance::Full | Stance::Ducked | Stance::Held => {}
        }
    }

    /// Whatever comes of it, or does not come, we do not pause for ever.
    fn hold_speech(&mut self, now: Instant) {
        let longest = self.settings.barge_in.hold_max * HOLDS_MAX;
        self.timers.set(Timer::Overlap, now + longest);
        self.overlap.stance = Stance::Held;
        self.overlap.counts.held += 1;
    }

    /// Words of an utterance over our speech that may not be over yet.
    pub(super) fn overlap_words(&mut self, now: Instant, text: &str, confidence: f32) {
        if !self.may_give_way() || self.must_be_heard() {
            return;
        }
        let has_more_to_say = self.turn.state() == TurnState::Overlapped
            && self.endpointer.is_speaking()
            && self.overlap.intrusion.quiet().is_zero();
        if text.trim().is_empty() || (is_backchannel(text) && !self.answers_what_was_heard(text)) {
            if self.overlap.stance == Stance::Held && !has_more_to_say {
                self.come_back();
                self.overlap.intrusion.settle();
            }
            return;
        }
        let likely = self.overlap.intrusion.likely(self.overlap.usual_dbfs);
        let is_doubtful = self.overlap.verdict.unwrap_or(likely).is_doubtful();
        let is_meant = !is_doubtful && confidence >= SURE_WORDS;
        if is_meant || self.conversation.calls_us(text) {
            self.stop_agent(now);
        }
    }

    /// An utterance that was said over our speech has ended; its words are on their way.
    pub(super) fn overlap_ended(&mut self, now: Instant) {
        // A word has a vowel.
        let likely = match self.overlap.intrusion.likely(self.overlap.usual_dbfs) {
            Likely::Unclear => Likely::Noise,
            likely => likely,
        };
        // What is said to us makes all of the turn said to us.
        let is_settled = self.overlap.verdict.is_some_and(|verdict| !verdict.is_doubtful());
        if !is_settled {
            self.overlap.verdict = Some(likely);
        }
        if self.overlap.stance == Stance::Held {
            self.timers.set(Timer::Overlap, now + self.settings.barge_in.hold_max);
        }
    }

    /// An utterance has ended over which we said nothing: this is how loud the caller is.
    pub(super) fn note_usual_level(&mut self, voiced: Duration) {
        if voiced >= LEVEL_VOICED_MIN {
            self.overlap.usual_dbfs = self.ears.caller_dbfs().or(self.overlap.usual_dbfs);
        }
    }

    /// For tests: the caller is usually so loud.
    #[cfg(test)]
    pub(super) fn overlap_usual(&mut self, dbfs: f32) {
        self.overlap.usual_dbfs = Some(dbfs);
    }

    /// Whether what was said over our speech was not meant for us: by its sound somebody else said it,
    /// or nobody, and by its words it is nothing that is asked for here.
    pub(super) fn is_passed_over(&self, text: &str, understanding: Option<&Understanding>) -> bool {
        let is_doubtful = self.overlap.verdict.is_some_and(Likely::is_doubtful);
        let over_ours = self.pending.iter().all(|pending| pending.overlapped);
        if !is_doubtful || !over_ours || self.playout.is_empty() {
            return false;
        }
        let is_clear = understanding.is_some_and(|understanding| {
            let top = understanding.top().map_or(0.0, |top| top.confidence);
            understanding.out_of_scope < 0.0 && top >= DOUBTFUL_CONFIDENCE_MIN
        });
        !is_clear && !self.conversation.calls_us(text) && !self.answers_what_was_heard(text)
    }

    /// Drops what was not meant for us, and listens on.
    pub(super) fn pass_over(&mut self, now: Instant) {
        self.overlap.counts.passed_over += 1;
        self.pending.clear();
        self.drop_prepared();
        self.clock = None;
        self.turn.handle(TurnInput::Ignored);
        self.arm_no_input(now);
    }

    /// Whether this answers a question that was heard.
    fn answers_what_was_heard(&self, text: &str) -> bool {
        let is_answer = match &self.expectation.expected {
            Expected::YesNo => self.answers_yes_or_no(text),
            Expected::Slot(SlotKind::Digits { .. }) => text.split_whitespace().any(|word| {
                let word = word.trim_matches(|c: char| !c.is_alphanumeric());
                is_number_word(&word.to_lowercase())
                    || word.starts_with(|c: char| c.is_ascii_digit())
            }),
            Expected::Slot(_) | Expected::Request | Expected::Keys => false,
        };
        is_answer && self.asked_at.is_some() && !self.overlap.asked_softly
    }

    /// What was heard over our speech changes nothing: we go on where we were, at the last clause if we
    /// had paused.
    pub(super) fn come_back(&mut self) {
        self.timers.cancel(Timer::Overlap);
        let stance = std::mem::replace(&mut self.overlap.stance, Stance::Full);
        if stance == Stance::Held {
            self.overlap.counts.came_back += 1;
            if let Some(item) = self.playout.iter_mut().find(|item| item.has_begun()) {
                item.play_again();
            }
        }
        for item in &mut self.playout {
            item.heard.settle();
        }
        self.overlap.asked_softly = false;
    }

    /// We give up what we were saying. A question that was only said softly was not asked.
    pub(super) fn note_committed(&mut self) {
        self.overlap.counts.committed += 1;
        if self.overlap.asked_softly {
            self.asked_at = None;
        }
    }

    /// Keeps words until what must be heard is said. Says whether it does.
    pub(super) fn keep_words(&mut self) -> bool {
        self.overlap.keeps_words = self.must_be_heard();
        self.overlap.keeps_words
    }

    /// After every input: takes words that were kept, and goes on with what we held back once nothing
    /// that was said over it waits to be taken.
    pub(super) fn settle_overlap(&mut self, now: Instant) {
        if self.overlap.keeps_words && !self.must_be_heard() {
            self.overlap.keeps_words = false;
            self.take_words(now);
        }
        if !self.endpointer.is_speaking() {
            self.overlap.intrusion = Intrusion::default();
            if self.pending.is_empty() {
                self.overlap.verdict = None;
            }
        }
        let gives_way = match self.overlap.stance {
            Stance::Full => return,
            Stance::Ducked => self.endpointer.is_speaking(),
            Stance::Held => self.endpointer.is_speaking() || !self.pending.is_empty(),
        };
        if !gives_way || !self.may_give_way() || self.must_be_heard() {
            self.come_back();
        }
    }
}
