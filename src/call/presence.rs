//! No dead air: a caller who waits for us hears within two seconds that we are there.
//!
//! ```text
//!  the caller waits for us, and has heard nothing
//!    for 1.8 s ─▶ "One moment.", once; the next such words, other ones, 6 s later at the earliest
//!    for 1.9 s ─▶ a soft chime, where those words do not come, and again after each 1.9 s
//! ```
//! The caller waits while their words are made out and understood, while an action runs, while a hand-off
//! or a call back is put on the disk, and while sound is made of what we say: one guard for all of it, which
//! looks at each frame before it leaves. Nobody waits for us who is speaking, or hears music or ringing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{SampleRate, tone};
use crate::conversation::{ConversationInput, Lull};

use super::put_through::PutThrough;
use super::speaking::{FRAME, PlayItem, is_voiced};
use super::waiting::InLine;
use super::{Call, CallOutput, Timer};

/// Silence after which the caller is asked for a moment. The words are there at once, since their sound is
/// kept, so that the silence ends before 2 s: callers take a longer one for a line that is dead.
const ASK_AFTER: Duration = Duration::from_millis(1_800);

/// Silence after which the chime sounds.
const CHIME_AFTER: Duration = Duration::from_millis(1_900);

/// From one such request to the next.
const ASK_EVERY: Duration = Duration::from_secs(6);

/// The time in which a caller may still have gone on is theirs, not ours: this much of it counts at most,
/// else whoever was patiently waited for would be asked for a moment as soon as they have finished.
const THEIRS_COUNTED_MAX: Duration = Duration::from_secs(1);

/// Level of the chime: well below that of speech.
const CHIME_DBFS: f64 = -30.0;

/// What the caller has heard of us while they wait.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Since when the caller waits for us; none while they do not.
    waits_since: Option<Instant>,
    /// When something of ours could be heard last.
    heard_at: Option<Instant>,
    /// When the caller was asked for a moment last, if nothing else was said since.
    asked_at: Option<Instant>,
    /// What is left of a chime that has begun.
    chime: VecDeque<i16>,
}

impl Presence {
    /// Something else is said than that it takes a moment.
    pub fn spoke(&mut self) {
        self.asked_at = None;
        self.chime.clear();
    }
}

impl Call {
    /// Whether the caller waits for us: we are at work for them, and nothing keeps them company.
    pub(super) fn caller_waits(&self) -> bool {
        let at_disk = [Timer::Storing, Timer::Booking];
        let is_at_work = !self.pending.is_empty()
            || self.running.is_some()
            || at_disk.into_iter().any(|timer| self.timers.get(timer).is_some())
            || self.next_said().is_some_and(PlayItem::has_run_dry);
        let is_elsewhere = matches!(self.put_through, PutThrough::Ringing { .. })
            || matches!(self.in_line, InLine::WithAgent { .. });
        is_at_work
            && !is_elsewhere
            && !self.on_hold
            && !self.ended
            && !self.overlap.is_silent()
            && !self.endpointer.is_speaking()
    }

    /// What is said next, or is being said, but for words that only fill the time.
    pub(super) fn next_said(&self) -> Option<&PlayItem> {
        self.playout.iter().find(|item| !item.aside)
    }

    /// Words that fill the time are not waited for where nobody waits any more, or something else can be
    /// said by now.
    pub(super) fn drop_late_asides(&mut self, now: Instant) {
        let is_ready = self.next_said().is_some_and(|item| !item.has_run_dry());
        if !self.playout.iter().any(PlayItem::is_late_aside) || (self.caller_waits() && !is_ready) {
            return;
        }
        let late = self.playout.iter().filter(|item| item.is_late_aside());
        for speech in late.map(|item| item.speech) {
            self.outputs.push_back(CallOutput::CancelSpeech { speech });
        }
        self.playout.retain(|item| !item.is_late_aside());
        if self.playout.is_empty() {
            self.retire_played(now);
        }
    }

    /// Looks after a caller who waits for us. `samples` are what leaves now, and have nothing of this in
    /// them yet.
    pub(super) fn keep_company(&mut self, now: Instant, samples: &mut [i16; FRAME]) {
        if !self.caller_waits() {
            self.presence.waits_since = None;
            self.presence.chime.clear();
        }
        if is_voiced(samples) {
            self.presence.heard_at = Some(now);
            return;
        }
        for sample in samples.iter_mut() {
            *sample = self.presence.chime.pop_front().unwrap_or(*sample);
        }
        if is_voiced(samples) {
            self.presence.heard_at = Some(now);
        } else if self.caller_waits() {
            self.mind_silence(now);
        }
    }

    fn mind_silence(&mut self, now: Instant) {
        let finished = self.clock.as_ref().map_or(now, |clock| clock.reached);
        let earliest = now.checked_sub(THEIRS_COUNTED_MAX).unwrap_or(now);
        let since = *self.presence.waits_since.get_or_insert(finished.max(earliest));
        let since = self.presence.heard_at.map_or(since, |heard| heard.max(since));
        let silent = now.saturating_duration_since(since);
        let asked_at = self.presence.asked_at;
        let may_ask = asked_at.is_none_or(|at| now.saturating_duration_since(at) >= ASK_EVERY);
        if silent >= ASK_AFTER && may_ask {
            self.presence.asked_at = Some(now);
            let lull = if asked_at.is_none() { Lull::First } else { Lull::Again };
            self.ask_for_a_moment(now, lull);
        } else if silent >= CHIME_AFTER {
            self.presence.chime = tone::chime(SampleRate::HZ_8000, CHIME_DBFS).into();
        }
    }

    /// Says that it takes a moment, before what cannot be said yet.
    fn ask_for_a_moment(&mut self, now: Instant, lull: Lull) {
        let waiting = self.playout.len();
        self.converse(now, ConversationInput::Lull(lull));
        let said = self.playout.len().saturating_sub(waiting);
        for item in self.playout.iter_mut().skip(waiting) {
            item.aside = true;
        }
        self.playout.rotate_right(said);
    }
}
