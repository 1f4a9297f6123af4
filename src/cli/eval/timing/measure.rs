//! When who spoke in a recording of both sides, by itself: nothing of what the call's machine noted is used.
//!
//! The caller's speech is found by the voice-activity model, and its end by level; ours, which is
//! synthetic and on a clean line, by level alone.

use std::time::Duration;

use crate::audio::{SampleRate, level_dbfs, resample_whole};
use crate::speech::Vad;

/// All of it happens at the telephone's rate.
pub(super) const RATE: SampleRate = SampleRate::HZ_8000;

/// The recording holds frames of 20 ms: what came and what left at one moment.
const FRAME: usize = 160;

/// The end of speech is looked for in steps of 5 ms.
const STEP: usize = 40;

/// Probability from which a chunk begins speech, and from which it goes on with it.
const BEGINS: f32 = 0.5;
const GOES_ON: f32 = 0.35;

/// Speech has at least so many chunks of 32 ms: a click or a cough against the microphone has fewer.
const CHUNKS_MIN: usize = 3;

/// Speech ends where its level has fallen so far below its loudest, in dB,
const BELOW_PEAK_DB: f32 = 30.0;
/// or so near to the noise of the line,
const ABOVE_NOISE_DB: f32 = 6.0;
/// unless that is louder than so much below its loudest, in dB,
const STANDS_OUT_DB: f32 = 15.0;
/// or below this, in dBFS.
const SILENCE_DBFS: f32 = -60.0;

/// A soft last sound lies within 96 ms behind where the model has the end.
const LAST_SOUND: usize = 768;

/// A sample of ours louder than this (about -44 dBFS) is voiced, as the definition of response latency
/// has it.
const OURS_VOICED: u16 = 200;

/// Pauses of ours shorter than this are within what we say.
const OUR_PAUSE: usize = 8 * 300;

/// Nobody answers so fast: who begins sooner was going on.
const ANSWER_MIN: Duration = Duration::from_millis(100);

/// Samples of one side from its first voiced one to behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub from: usize,
    pub until: usize,
}

/// The caller spoke and we answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MeasuredTurn {
    /// Behind the caller's last voiced sample, from the beginning of the recording.
    pub caller_until: Duration,
    /// Our first voiced sample.
    pub answered: Duration,
    /// From the one, as it came out of the jitter buffer, to the other, as it left.
    pub latency: Duration,
}

/// Both sides of a call.
pub(super) struct Sides {
    pub caller: Vec<Span>,
    pub ours: Vec<Span>,
}

impl Sides {
    /// Finds out who spoke when.
    pub fn of(rate: SampleRate, caller: &[i16], ours: &[i16], vad: &mut dyn Vad) -> Self {
        let (caller, ours) = (resample_whole(caller, rate, RATE), resample_whole(ours, rate, RATE));
        Self { caller: caller_spans(&caller, vad), ours: our_spans(&ours) }
    }

    /// Where the caller has finished and we answered.
    pub fn turns(&self) -> Vec<MeasuredTurn> {
        let before = std::iter::once(0).chain(self.ours.iter().map(|span| span.until));
        let ours = before.zip(&self.ours);
        ours.filter_map(|(we_ended, answer)| {
            let turn = self.answered_by(answer.from)?;
            let spoke_since = samples(turn.caller_until) > we_ended;
            let is_answer = turn.answered.saturating_sub(turn.caller_until) >= ANSWER_MIN;
            (spoke_since && is_answer).then_some(turn)
        })
        .collect()
    }

    /// The turn that this place in our speech, where something begins, answers; `None` if the caller has
    /// said nothing before it, or is speaking.
    fn answered_by(&self, from: usize) -> Option<MeasuredTurn> {
        let last = self.caller.iter().rfind(|span| span.from < from)?;
        if last.until > from {
            return None;
        }
        // What left in a frame left with its beginning, when the frame of the caller that stands beside it
        // had come to its end.
        let left = from - from % FRAME + FRAME;
        Some(MeasuredTurn {
            caller_until: RATE.duration_of(last.until),
            answered: RATE.duration_of(from),
            latency: RATE.duration_of(left - last.until),
        })
    }

    /// The turn whose answer began nearest to this time, if one did within `tolerance` of it.
    pub fn turn_at(&self, at: Duration, tolerance: Duration) -> Option<MeasuredTurn> {
        let distance = |span: &&Span| RATE.duration_of(span.from).abs_diff(at);
        let nearest = self.ours.iter().min_by_key(distance)?;
        (distance(&nearest) <= tolerance).then(|| self.answered_by(nearest.from)).flatten()
    }
}

fn samples(time: Duration) -> usize {
    RATE.samples_in(time)
}

/// Where the caller speaks.
fn caller_spans(samples: &[i16], vad: &mut dyn Vad) -> Vec<Span> {
    let len = vad.chunk_len();
    let levels: Vec<f32> = samples.chunks(STEP).map(level_dbfs).collect();
    let noise_dbfs = noise_level(&levels);
    let mut spans = Vec::new();
    let mut began: Option<usize> = None;
    let whole_chunks = samples.len() / len;
    for (index, chunk) in samples.chunks_exact(len).enumerate() {
        let probability = vad.probability(chunk);
        let from = if began.is_some() { GOES_ON } else { BEGINS };
        if probability >= from {
            began.get_or_insert(index);
        }
        let is_over = probability < from || index + 1 == whole_chunks;
        if is_over && let Some(first) = began.take() {
            let last = if probability >= from { index } else { index - 1 };
            if last + 1 - first >= CHUNKS_MIN {
                let around = Span { from: first * len, until: (last + 1) * len };
                spans.extend(voiced_within(around, &levels, noise_dbfs));
            }
        }
    }
    spans
}

/// The level that a tenth of the steps do not exceed.
fn noise_level(levels: &[f32]) -> f32 {
    let mut sorted = levels.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted.get(sorted.len() / 10).copied().unwrap_or(SILENCE_DBFS)
}

/// Brings a span that the model has found to where there is sound: it is a chunk slow to notice a beginning,
/// slow to notice an end, and deaf to a soft last sound.
fn voiced_within(around: Span, levels: &[f32], noise_dbfs: f32) -> Option<Span> {
    let first = around.from.saturating_sub(256) / STEP;
    let last = ((around.until + LAST_SOUND) / STEP).min(levels.len());
    let within = levels.get(first..last)?;
    let peak = within.iter().copied().fold(-100.0_f32, f32::max);
    // Of a caller who hardly ever pauses, what is taken for noise is speech.
    let noise = (noise_dbfs + ABOVE_NOISE_DB).min(peak - STANDS_OUT_DB);
    let floor = (peak - BELOW_PEAK_DB).max(noise).max(SILENCE_DBFS);
    let is_voiced = |level: &f32| *level >= floor;
    let (Some(from), Some(until)) =
        (within.iter().position(is_voiced), within.iter().rposition(is_voiced))
    else {
        return Some(around);
    };
    Some(Span { from: (first + from) * STEP, until: (first + until + 1) * STEP })
}

/// Where we speak.
fn our_spans(samples: &[i16]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (at, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() < OURS_VOICED {
            continue;
        }
        match spans.last_mut() {
            Some(span) if at - span.until < OUR_PAUSE => span.until = at + 1,
            _ => spans.push(Span { from: at, until: at + 1 }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::LevelVad;

    /// A side that is loud in these stretches, in ms.
    fn side(loud_ms: &[(usize, usize)], length_ms: usize) -> Vec<i16> {
        let mut samples = vec![0_i16; 8 * length_ms];
        for (from, until) in loud_ms {
            samples[8 * from..8 * until].fill(8_000);
        }
        samples
    }

    fn measured(caller_ms: &[(usize, usize)], ours_ms: &[(usize, usize)]) -> Sides {
        let (caller, ours) = (side(caller_ms, 10_000), side(ours_ms, 10_000));
        Sides::of(RATE, &caller, &ours, &mut LevelVad)
    }

    fn latencies(sides: &Sides) -> Vec<u128> {
        sides.turns().iter().map(|turn| turn.latency.as_millis()).collect()
    }

    #[test]
    fn latency_is_from_the_last_voice_to_the_frame_in_which_the_answer_leaves() {
        let sides = measured(
            &[(2_000, 3_000), (6_000, 6_500)],
            &[(0, 1_000), (3_700, 5_000), (7_105, 8_000)],
        );
        let turns = sides.turns();
        assert_eq!(turns[0].caller_until, Duration::from_millis(3_000));
        assert_eq!(turns[0].answered, Duration::from_millis(3_700));
        // 7105 ms lies in the frame that began at 7100 and left when the caller's was whole.
        assert_eq!(latencies(&sides), [720, 620]);
    }

    #[test]
    fn a_word_over_ours_a_click_and_a_pause_of_ours_are_no_turns() {
        let backchannel = measured(&[(1_500, 1_800)], &[(1_000, 3_000), (3_500, 4_000)]);
        assert_eq!(latencies(&backchannel), Vec::<u128>::new());
        let click = measured(&[(2_000, 2_030)], &[(3_000, 4_000)]);
        assert_eq!(latencies(&click), Vec::<u128>::new());
        let monologue = measured(&[], &[(0, 1_000), (3_000, 4_000)]);
        assert_eq!(latencies(&monologue), Vec::<u128>::new());
        let interruption = measured(&[(1_500, 4_000)], &[(1_000, 2_000), (4_600, 5_000)]);
        assert_eq!(latencies(&interruption), [620]);
    }

    #[test]
    fn a_turn_is_found_by_when_it_was_answered() {
        let sides = measured(&[(2_000, 3_000)], &[(3_700, 4_400), (6_000, 8_000)]);
        let near = Duration::from_millis(250);
        let first = sides.turn_at(Duration::from_millis(3_690), near).expect("the first answer");
        assert_eq!(first.latency.as_millis(), 720);
        // Words that fill the time are in between: the answer itself came later.
        let later = sides.turn_at(Duration::from_millis(6_100), near).expect("the second");
        assert_eq!(later.latency.as_millis(), 3_020);
        assert_eq!(sides.turn_at(Duration::from_millis(5_000), near), None);
    }

    #[test]
    fn the_noise_of_the_line_does_not_draw_out_a_voice() {
        let mut caller = side(&[(2_000, 3_000)], 10_000);
        for (at, sample) in caller.iter_mut().enumerate() {
            *sample = sample.saturating_add(if at % 2 == 0 { 60 } else { -60 });
        }
        let ours = side(&[(3_600, 4_000)], 10_000);
        let sides = Sides::of(RATE, &caller, &ours, &mut LevelVad);
        assert_eq!(latencies(&sides), [620]);
        let wideband = |samples: &[i16]| resample_whole(samples, RATE, SampleRate::HZ_16000);
        let (caller, ours) = (wideband(&caller), wideband(&ours));
        let sides = Sides::of(SampleRate::HZ_16000, &caller, &ours, &mut LevelVad);
        let [latency] = latencies(&sides)[..] else { panic!("one turn") };
        assert!((600..=640).contains(&latency), "{latency}");
    }
}
