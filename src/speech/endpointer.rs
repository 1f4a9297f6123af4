//! Cuts a caller's audio into utterances.
//!
//! ```text
//!            voiced for start_ms                    silent for silence_ms
//!  Silent ─────────────────────────▶ Speaking ───────────────────────────▶ Silent
//!    (keeps pre_roll_ms of audio)      (keeps all audio)      emits Ended(span)
//!                                      ├─ longer than utterance_max_ms: Ended(cut), still Speaking
//!                                      └─ silent for pause_ms: Paused(span so far), still Speaking;
//!                                         voiced again: Resumed
//! ```
//!
//! A pause is told long before it is known to be the end, so that what is to be done then can be begun.
//! The audio of an utterance is handed out whole; nothing the caller said is dropped in here.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::{MediaTime, SampleRate, resample_whole};

/// Probability below `threshold - HYSTERESIS` counts as silence while the caller speaks, so that a
/// voice that hovers at the threshold does not flicker. Silero's own tools use the same distance.
const HYSTERESIS: f32 = 0.15;

/// How an [`Endpointer`] cuts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndpointerConfig {
    /// Rate of the audio, until [`Endpointer::set_rate`] says otherwise.
    pub rate: SampleRate,
    /// Speech probability from which a chunk counts as voiced.
    pub threshold: f32,
    /// Voiced time before speech is believed, in ms.
    pub start_ms: u64,
    /// Silence that ends an utterance, in ms.
    pub silence_ms: u64,
    /// Silence that is told as a pause within an utterance, in ms; `None`: pauses are not told.
    pub pause_ms: Option<u64>,
    /// Audio kept from before the speech was believed, in ms.
    pub pre_roll_ms: u64,
    /// Longest utterance, in ms; a longer one is handed out in pieces.
    pub utterance_max_ms: u64,
}

impl Default for EndpointerConfig {
    fn default() -> Self {
        Self {
            rate: SampleRate::HZ_8000,
            threshold: 0.5,
            start_ms: 96,
            silence_ms: 600,
            pause_ms: Some(96),
            pre_roll_ms: 320,
            utterance_max_ms: 25_000,
        }
    }
}

/// One utterance's audio and where it lies in the stream.
#[derive(Clone, PartialEq, Eq)]
pub struct SpeechSpan {
    /// All samples from a little before the first voiced one up to the end of the utterance, or, of one
    /// that is not over, to the latest.
    pub samples: Vec<i16>,
    /// Their rate.
    pub rate: SampleRate,
    /// Position of `samples[0]`.
    pub start: MediaTime,
    /// Position just after the last voiced chunk.
    pub voiced_until: MediaTime,
    /// Total voiced time.
    pub voiced: Duration,
    /// `true` if it was cut for length and the caller is still speaking.
    pub cut: bool,
}

impl std::fmt::Debug for SpeechSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SpeechSpan({:?}, {} samples)", self.start, self.samples.len())
    }
}

/// Something the endpointer noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointEvent {
    /// The caller has begun to speak.
    Started,
    /// The caller is silent in the midst of an utterance, or at its end: all of it so far. Told once in
    /// a pause.
    Paused(SpeechSpan),
    /// The caller goes on after a pause that was told.
    Resumed {
        /// How long they were silent.
        after: Duration,
    },
    /// An utterance is over.
    Ended(SpeechSpan),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Silent { voiced_run: usize },
    Speaking(Speaking),
}

#[derive(Debug, Clone, Copy)]
struct Speaking {
    start: MediaTime,
    voiced_until: MediaTime,
    voiced_samples: usize,
    pause: Pause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Over,
    /// For its length.
    CutOff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    None,
    Told,
}

/// Cuts one stream. Feed it every chunk in order.
pub struct Endpointer {
    config: EndpointerConfig,
    state: State,
    /// Pre-roll while silent, the utterance while speaking.
    held: VecDeque<i16>,
    position: u64,
}

impl Endpointer {
    /// Starts at the beginning of a stream.
    pub fn new(config: EndpointerConfig) -> Self {
        Self { config, state: State::Silent { voiced_run: 0 }, held: VecDeque::new(), position: 0 }
    }

    /// Changes how much silence ends an utterance. It holds at once: what is silent for long enough
    /// already is over with [`Endpointer::poll_over`], or with the next chunk.
    pub fn set_silence(&mut self, silence: Duration) {
        self.config.silence_ms = silence.as_millis() as u64;
    }

    /// Says at which rate the next chunks come. What is held is converted: an utterance goes on
    /// where the codec changes in the middle of it.
    pub fn set_rate(&mut self, rate: SampleRate) {
        let from = self.config.rate;
        if from == rate {
            return;
        }
        self.config.rate = rate;
        let held: Vec<i16> = self.held.drain(..).collect();
        self.held = resample_whole(&held, from, rate).into();
        let scaled = |samples: u64| samples * u64::from(rate.hz()) / u64::from(from.hz());
        let scaled_len = |samples: usize| scaled(samples as u64) as usize;
        self.position = scaled(self.position).max(self.held.len() as u64);
        self.state = match self.state {
            State::Silent { voiced_run } => State::Silent { voiced_run: scaled_len(voiced_run) },
            State::Speaking(speaking) => State::Speaking(Speaking {
                start: MediaTime(self.position - self.held.len() as u64),
                voiced_until: MediaTime(scaled(speaking.voiced_until.0).min(self.position)),
                voiced_samples: scaled_len(speaking.voiced_samples),
                pause: speaking.pause,
            }),
        };
    }

    /// Whether the caller is speaking (or pausing within an utterance).
    pub fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking(_))
    }

    /// Position just after the last voiced chunk of the present utterance.
    pub fn voiced_until(&self) -> Option<MediaTime> {
        match self.state {
            State::Speaking(Speaking { voiced_until, .. }) => Some(voiced_until),
            State::Silent { .. } => None,
        }
    }

    /// How long the caller has been voiced in the present utterance.
    pub fn voiced(&self) -> Duration {
        match self.state {
            State::Speaking(Speaking { voiced_samples, .. }) => {
                self.config.rate.duration_of(voiced_samples)
            }
            State::Silent { voiced_run } => self.config.rate.duration_of(voiced_run),
        }
    }

    /// Takes the next chunk and its speech probability.
    pub fn handle_chunk(&mut self, chunk: &[i16], probability: f32) -> Option<EndpointEvent> {
        self.held.extend(chunk.iter().copied());
        self.position += chunk.len() as u64;
        match self.state {
            State::Silent { voiced_run } => self.while_silent(chunk.len(), probability, voiced_run),
            State::Speaking(speaking) => self.while_speaking(chunk.len(), probability, speaking),
        }
    }

    /// What is over by now, because less silence ends it than when the latest chunk came.
    pub fn poll_over(&mut self) -> Option<EndpointEvent> {
        let State::Speaking(speaking) = self.state else { return None };
        self.is_over(&speaking).then(|| self.end(speaking, End::Over))
    }

    /// All of what is being said so far.
    pub fn snapshot(&self) -> Option<SpeechSpan> {
        let State::Speaking(speaking) = self.state else { return None };
        let samples = self.held.iter().copied().collect();
        Some(self.span(speaking, samples))
    }

    fn while_silent(&mut self, len: usize, probability: f32, run: usize) -> Option<EndpointEvent> {
        let voiced_run = if probability >= self.config.threshold { run + len } else { 0 };
        if voiced_run >= self.samples_in(self.config.start_ms) {
            self.state = State::Speaking(Speaking {
                start: MediaTime(self.position - self.held.len() as u64),
                voiced_until: MediaTime(self.position),
                voiced_samples: voiced_run,
                pause: Pause::None,
            });
            return Some(EndpointEvent::Started);
        }
        self.state = State::Silent { voiced_run };
        let keep = self.samples_in(self.config.pre_roll_ms) + voiced_run;
        let surplus = self.held.len().saturating_sub(keep);
        self.held.drain(..surplus);
        None
    }

    fn while_speaking(
        &mut self,
        len: usize,
        probability: f32,
        mut speaking: Speaking,
    ) -> Option<EndpointEvent> {
        let mut resumed = None;
        if probability >= self.config.threshold - HYSTERESIS {
            if speaking.pause == Pause::Told {
                let until = self.position - len as u64;
                let silent = until.saturating_sub(speaking.voiced_until.0) as usize;
                let after = self.config.rate.duration_of(silent);
                resumed = Some(EndpointEvent::Resumed { after });
            }
            speaking.voiced_until = MediaTime(self.position);
            speaking.voiced_samples += len;
            speaking.pause = Pause::None;
        }
        self.state = State::Speaking(speaking);
        // One that is too long as well is cut with the next chunk.
        if resumed.is_some() {
            return resumed;
        }
        if self.is_over(&speaking) {
            return Some(self.end(speaking, End::Over));
        }
        if self.held.len() >= self.samples_in(self.config.utterance_max_ms) {
            return Some(self.end(speaking, End::CutOff));
        }
        self.pause(speaking)
    }

    fn pause(&mut self, speaking: Speaking) -> Option<EndpointEvent> {
        let pause = self.samples_in(self.config.pause_ms?) as u64;
        if speaking.pause == Pause::Told || self.position - speaking.voiced_until.0 < pause {
            return None;
        }
        self.state = State::Speaking(Speaking { pause: Pause::Told, ..speaking });
        self.snapshot().map(EndpointEvent::Paused)
    }

    fn is_over(&self, speaking: &Speaking) -> bool {
        let silent = self.position - speaking.voiced_until.0;
        silent >= self.samples_in(self.config.silence_ms) as u64
    }

    /// Hands out what was said; of what is cut off for its length, the rest follows.
    fn end(&mut self, speaking: Speaking, end: End) -> EndpointEvent {
        let cut = end == End::CutOff;
        let samples: Vec<i16> = self.held.drain(..).collect();
        self.state = if cut {
            let start = MediaTime(self.position);
            State::Speaking(Speaking { start, voiced_samples: 0, ..speaking })
        } else {
            State::Silent { voiced_run: 0 }
        };
        EndpointEvent::Ended(SpeechSpan { cut, ..self.span(speaking, samples) })
    }

    fn span(&self, speaking: Speaking, samples: Vec<i16>) -> SpeechSpan {
        let Speaking { start, voiced_until, voiced_samples, .. } = speaking;
        let rate = self.config.rate;
        let voiced = rate.duration_of(voiced_samples);
        SpeechSpan { samples, rate, start, voiced_until, voiced, cut: false }
    }

    /// Hands out what is being said, as far as it has come, and begins anew: nothing more comes of this
    /// stream, or not for a while.
    pub fn finish(&mut self) -> Option<SpeechSpan> {
        let state = std::mem::replace(&mut self.state, State::Silent { voiced_run: 0 });
        let samples: Vec<i16> = self.held.drain(..).collect();
        let State::Speaking(speaking) = state else { return None };
        Some(self.span(speaking, samples))
    }

    fn samples_in(&self, ms: u64) -> usize {
        self.config.rate.samples_in(Duration::from_millis(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 256;

    fn run(endpointer: &mut Endpointer, probabilities: &[f32]) -> Vec<EndpointEvent> {
        let base = endpointer.position;
        let chunk_at = |i: usize| [((base as usize / CHUNK + i) % 100) as i16; CHUNK];
        let mut events = Vec::new();
        for (i, &p) in probabilities.iter().enumerate() {
            events.extend(endpointer.handle_chunk(&chunk_at(i), p));
        }
        events
    }

    /// The events without pauses.
    fn cuts(endpointer: &mut Endpointer, probabilities: &[f32]) -> Vec<EndpointEvent> {
        let mut events = run(endpointer, probabilities);
        events.retain(|event| matches!(event, EndpointEvent::Started | EndpointEvent::Ended(_)));
        events
    }

    #[test]
    fn an_utterance_keeps_its_pre_roll_and_ends_after_the_silence() {
        let mut endpointer = Endpointer::new(EndpointerConfig::default());
        let mut p = vec![0.0; 50];
        p.extend([0.9; 20]);
        p.extend([0.1; 30]);
        let events = cuts(&mut endpointer, &p);
        assert_eq!(events[0], EndpointEvent::Started);
        let EndpointEvent::Ended(span) = &events[1] else { panic!("{events:?}") };
        assert_eq!(span.voiced_until, MediaTime(70 * CHUNK as u64));
        // The first voiced chunk is the 51st; 320 ms (10 chunks) of pre-roll precede it.
        assert_eq!(span.start, MediaTime(40 * CHUNK as u64));
        assert_eq!(span.samples[0], 40);
        // 600 ms of silence is 18.75 chunks: over at the 19th.
        assert_eq!(span.samples.len(), (10 + 20 + 19) * CHUNK);
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn a_click_is_no_speech() {
        let mut endpointer = Endpointer::new(EndpointerConfig::default());
        assert!(run(&mut endpointer, &[0.0, 0.9, 0.9, 0.0, 0.9, 0.0]).is_empty());
    }

    #[test]
    fn patience_bridges_a_pause() {
        let mut endpointer = Endpointer::new(EndpointerConfig::default());
        endpointer.set_silence(Duration::from_millis(1_500));
        let mut p = vec![0.9; 10];
        p.extend([0.0; 35]); // 1.1 s
        p.extend([0.9; 10]);
        assert_eq!(cuts(&mut endpointer, &p), [EndpointEvent::Started]);
        let events = cuts(&mut endpointer, &[0.0; 60]);
        let [EndpointEvent::Ended(span)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(span.voiced, Duration::from_millis(20 * 32));
    }

    #[test]
    fn a_stream_that_ends_gives_what_was_being_said() {
        let mut endpointer = Endpointer::new(EndpointerConfig::default());
        run(&mut endpointer, &[0.0; 20]);
        assert_eq!(endpointer.finish(), None);
        assert_eq!(run(&mut endpointer, &[0.9; 10]), [EndpointEvent::Started]);
        let span = endpointer.finish().expect("it was being said");
        assert_eq!(span.samples.len(), 10 * CHUNK);
        assert_eq!(span.start, MediaTime(20 * CHUNK as u64));
        assert!(!endpointer.is_speaking());
        assert_eq!(endpointer.finish(), None);
    }

    #[test]
    fn an_utterance_goes_on_at_another_rate() {
        let mut endpointer = Endpointer::new(EndpointerConfig::default());
        let mut p = vec![0.0; 20];
        p.extend([0.9; 20]);
        assert_eq!(run(&mut endpointer, &p), [EndpointEvent::Started]);
        endpointer.set_rate(SampleRate::HZ_16000);
        let mut events = Vec::new();
        for n in 0..40 {
            let probability = if n < 10 { 0.9 } else { 0.0 };
            events.extend(endpointer.handle_chunk(&[7; 2 * CHUNK], probability));
        }
        events.retain(|event| !matches!(event, EndpointEvent::Paused(_)));
        let [EndpointEvent::Ended(span)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(span.rate, SampleRate::HZ_16000);
        // 320 ms before, 640 ms and then 320 ms of voice, 600 ms of silence: in chunks of 32 ms.
        assert_eq!(span.samples.len(), (10 + 20 + 10 + 19) * 2 * CHUNK);
        assert_eq!(span.voiced, Duration::from_millis(30 * 32));
        assert_eq!(span.voiced_until, MediaTime(50 * 2 * CHUNK as u64));
    }

    #[test]
    fn a_long_speech_comes_in_pieces_without_losing_a_sample() {
        let config = EndpointerConfig { utterance_max_ms: 1_000, ..Default::default() };
        let mut endpointer = Endpointer::new(config);
        let mut p = vec![0.9; 100];
        p.extend([0.0; 40]);
        let mut next = None;
        for event in run(&mut endpointer, &p) {
            let EndpointEvent::Ended(span) = event else { continue };
            if let Some(expected) = next {
                assert_eq!(span.start, expected);
            }
            next = Some(MediaTime(span.start.0 + span.samples.len() as u64));
        }
        assert!(next.expect("ended").0 >= 100 * CHUNK as u64);
    }

    #[test]
    fn a_pause_is_told_once_with_all_that_was_said_and_so_is_its_end() {
        let mut endpointer = Endpointer::new(EndpointerConfig::default());
        let mut p = vec![0.9; 10];
        p.extend([0.0; 8]);
        p.extend([0.9; 4]);
        p.extend([0.0; 3]);
        let events = run(&mut endpointer, &p);
        let [
            EndpointEvent::Started,
            EndpointEvent::Paused(first),
            EndpointEvent::Resumed { after },
            EndpointEvent::Paused(second),
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        // 96 ms are three chunks.
        assert_eq!((first.samples.len(), first.start), (13 * CHUNK, MediaTime(0)));
        assert_eq!((first.voiced_until, first.cut), (MediaTime(10 * CHUNK as u64), false));
        assert_eq!(*after, Duration::from_millis(8 * 32));
        assert_eq!((second.samples.len(), second.start), (25 * CHUNK, MediaTime(0)));
        assert_eq!(second.voiced, Duration::from_millis(14 * 32));
        assert_eq!(endpointer.snapshot().as_ref(), Some(second));
    }

    #[test]
    fn less_silence_holds_at_once() {
        let mut endpointer = Endpointer::new(EndpointerConfig::default());
        assert_eq!(endpointer.poll_over(), None);
        let mut p = vec![0.9; 10];
        p.extend([0.0; 10]);
        run(&mut endpointer, &p);
        assert_eq!(endpointer.poll_over(), None, "600 ms are not over");
        endpointer.set_silence(Duration::from_millis(320));
        let Some(EndpointEvent::Ended(span)) = endpointer.poll_over() else { panic!("over") };
        assert_eq!(span.samples.len(), 20 * CHUNK);
        assert!(!endpointer.is_speaking());
        assert_eq!(endpointer.poll_over(), None);
        // And more of it does.
        let mut p = vec![0.9; 10];
        p.extend([0.0; 9]);
        run(&mut endpointer, &p);
        endpointer.set_silence(Duration::from_millis(1_000));
        assert!(run(&mut endpointer, &[0.0; 20]).is_empty());
    }

    #[test]
    fn what_is_cut_off_in_a_pause_goes_on_after_it() {
        let config =
            EndpointerConfig { utterance_max_ms: 480, silence_ms: 600, ..Default::default() };
        let mut endpointer = Endpointer::new(config);
        let mut p = vec![0.9; 10];
        p.extend([0.0; 8]);
        p.extend([0.9; 5]);
        let events = run(&mut endpointer, &p);
        let [
            EndpointEvent::Started,
            EndpointEvent::Paused(_),
            EndpointEvent::Ended(first),
            EndpointEvent::Resumed { after },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert!(first.cut);
        assert_eq!(*after, Duration::from_millis(8 * 32));
        let rest = endpointer.snapshot().expect("it goes on");
        assert_eq!(rest.start, MediaTime(first.samples.len() as u64));
        assert_eq!(rest.voiced, Duration::from_millis(5 * 32));
    }

    #[test]
    fn pauses_need_not_be_told() {
        let config = EndpointerConfig { pause_ms: None, ..Default::default() };
        let mut endpointer = Endpointer::new(config);
        let mut p = vec![0.9; 10];
        p.extend([0.0; 8]);
        p.extend([0.9; 4]);
        assert_eq!(run(&mut endpointer, &p), [EndpointEvent::Started]);
    }
}
