//! Loss concealment: repeats the last pitch period and fades it, in the spirit of
//! ITU-T G.711 Appendix I. Used by the jitter buffer and by the phone-channel simulation, so that
//! what is measured is what callers get.

use super::SampleRate;

// Lengths are in samples at 8 kHz; at 16 kHz all of them are twice as long.

/// Samples of the past that are kept: three of the longest periods.
const HISTORY_LEN: usize = 360;
/// The shortest pitch period tried, 5 ms (200 Hz).
const PERIOD_MIN: usize = 40;
/// The longest pitch period tried, 15 ms (66 Hz).
const PERIOD_MAX: usize = 120;
/// How much of the newest past is compared with the past one period before, 20 ms.
const TEMPLATE_LEN: usize = 160;
/// Full level for the first 10 ms of a gap.
const HOLD_LEN: usize = 80;
/// Silent after 60 ms of a gap.
const FADED_LEN: usize = 480;
/// Cross-fade when real audio returns, 5 ms.
const RETURN_LEN: usize = 40;

/// Fills gaps in a stream of samples.
///
/// Feed every sample that is played, real ones through [`Concealer::good`] and gaps through
/// [`Concealer::conceal`], in order.
#[derive(Debug, Clone)]
pub struct Concealer {
    /// Samples at the stream's rate for each at 8 kHz.
    scale: usize,
    history: Vec<i16>,
    gap: Option<Gap>,
}

#[derive(Debug, Clone)]
struct Gap {
    scale: usize,
    /// What is repeated; empty where the codec itself fills the gap.
    period: Vec<i16>,
    position: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Self::new(SampleRate::HZ_8000)
    }
}

impl Concealer {
    /// A concealer that has heard silence. The rate is a multiple of 8 kHz.
    pub fn new(rate: SampleRate) -> Self {
        let scale = (rate.hz() / SampleRate::HZ_8000.hz()).max(1) as usize;
        Self { scale, history: vec![0; HISTORY_LEN * scale], gap: None }
    }

    /// Passes real samples through. The first 5 ms after a gap are blended with its continuation.
    pub fn good(&mut self, samples: &mut [i16]) {
        if samples.is_empty() {
            return;
        }
        // A codec that filled the gap itself leads back out of it, too.
        if let Some(mut gap) = self.gap.take().filter(|gap| !gap.period.is_empty()) {
            let len = (RETURN_LEN * self.scale).min(samples.len());
            for (n, sample) in samples[..len].iter_mut().enumerate() {
                let weight = (n + 1) as f32 / (len + 1) as f32;
                let blended = f32::from(*sample) * weight + gap.next() * (1.0 - weight);
                *sample = blended.round() as i16;
            }
        }
        self.remember(samples);
    }

    /// Appends `len` made-up samples to `out`: repetition that fades to silence within 60 ms.
    pub fn conceal(&mut self, len: usize, out: &mut Vec<i16>) {
        let start = out.len();
        let (history, scale) = (&self.history, self.scale);
        let gap = self.gap.get_or_insert_with(|| Gap::after(history, scale));
        out.extend((0..len).map(|_| gap.next().round() as i16));
        // The made-up samples are what was heard, so they are the past of a second gap; the
        // fading keeps two gaps in a row from ringing on.
        let heard = out.split_off(start);
        self.remember(&heard);
        out.extend(heard);
    }

    /// Appends what the codec itself made up for the gap, fading like our own repetition: nothing
    /// that nobody said goes on for longer than 60 ms.
    pub fn conceal_with(&mut self, made_up: &[i16], out: &mut Vec<i16>) {
        let scale = self.scale;
        let gap = self.gap.get_or_insert_with(|| Gap { scale, period: Vec::new(), position: 0 });
        let faded = made_up.iter().map(|&sample| (f32::from(sample) * gap.gain()).round() as i16);
        let heard: Vec<i16> = faded.collect();
        self.remember(&heard);
        out.extend(heard);
    }

    /// Appends one stretch of the newest sound at full level, to lengthen a quiet moment.
    pub fn stretch(&mut self, len: usize, out: &mut Vec<i16>) {
        let gap = Gap::after(&self.history, self.scale);
        let start = out.len();
        out.extend((0..len).map(|n| gap.period[n % gap.period.len()]));
        let heard = out.split_off(start);
        self.remember(&heard);
        out.extend(heard);
    }

    /// Appends silence that was meant (no loss), after which real audio starts without a blend.
    pub fn silence(&mut self, len: usize, out: &mut Vec<i16>) {
        out.resize(out.len() + len, 0);
        self.history.fill(0);
        self.gap = None;
    }

    /// Says that samples were left out, so that the next real ones are blended in.
    pub fn skip(&mut self) {
        self.gap.get_or_insert_with(|| Gap::after(&self.history, self.scale));
    }

    /// Whether a gap has lasted so long (60 ms) that only silence is made.
    pub fn is_faded(&self) -> bool {
        self.gap.as_ref().is_some_and(|gap| gap.position >= FADED_LEN * self.scale)
    }

    fn remember(&mut self, samples: &[i16]) {
        let newest = &samples[samples.len().saturating_sub(self.history.len())..];
        self.history.drain(..newest.len());
        self.history.extend_from_slice(newest);
    }
}

impl Gap {
    fn after(history: &[i16], scale: usize) -> Self {
        let period_len = pitch_period(history, scale);
        let start = history.len() - period_len;
        let mut period = history[start..].to_vec();
        // Lead the end of the period into its own beginning, so that repeating it does not click.
        let blend_len = period_len / 4;
        for n in 0..blend_len {
            let weight = (n + 1) as f32 / (blend_len + 1) as f32;
            let at = period_len - blend_len + n;
            let lead = f32::from(history[start - blend_len + n]);
            period[at] = (f32::from(period[at]) * (1.0 - weight) + lead * weight).round() as i16;
        }
        Self { scale, period, position: 0 }
    }

    fn next(&mut self) -> f32 {
        // A gap that the codec began is empty: what is left of it is silence.
        let at = self.position.checked_rem(self.period.len());
        let sample = at.map_or(0.0, |at| f32::from(self.period[at]));
        sample * self.gain()
    }

    /// How loud the next made-up sample is.
    fn gain(&mut self) -> f32 {
        let faded = self.position.saturating_sub(HOLD_LEN * self.scale) as f32;
        let gain = (1.0 - faded / ((FADED_LEN - HOLD_LEN) * self.scale) as f32).max(0.0);
        self.position = self.position.saturating_add(1);
        gain
    }
}

/// The lag at which the newest past resembles itself most (normalised correlation).
fn pitch_period(history: &[i16], scale: usize) -> usize {
    let template_len = TEMPLATE_LEN * scale;
    let template = &history[history.len() - template_len..];
    let (mut best, mut best_score) = (PERIOD_MAX * scale, 0.0f32);
    for lag in PERIOD_MIN * scale..=PERIOD_MAX * scale {
        let from = history.len() - template_len - lag;
        let past = &history[from..from + template_len];
        let (mut product, mut energy) = (0.0f32, 1.0f32);
        for (&a, &b) in template.iter().zip(past) {
            product += f32::from(a) * f32::from(b);
            energy += f32::from(b) * f32::from(b);
        }
        let score = product / energy.sqrt();
        // A longer lag must be clearly better: multiples of the true period score the same.
        if score > best_score * 1.01 {
            (best, best_score) = (lag, score);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{SampleRate, level_dbfs, tone};
    use std::time::Duration;

    fn voiced() -> Vec<i16> {
        let rate = SampleRate::HZ_8000;
        tone::tones(rate, &[125.0, 250.0, 500.0], -16.0, Duration::from_millis(400))
    }

    #[test]
    fn a_lost_frame_of_a_periodic_sound_is_nearly_restored() {
        let original = voiced();
        let mut played = original[..1600].to_vec();
        let mut concealer = Concealer::default();
        concealer.good(&mut played);
        concealer.conceal(160, &mut played);
        let error: Vec<i16> =
            played[1600..].iter().zip(&original[1600..]).map(|(a, b)| a.wrapping_sub(*b)).collect();
        let (error_db, level_db) = (level_dbfs(&error[..80]), level_dbfs(&original[1600..1760]));
        assert!(error_db < level_db - 20.0, "error {error_db} dB, signal {level_db} dB");
        let mut rest = original[1760..1920].to_vec();
        concealer.good(&mut rest);
        assert_eq!(rest[RETURN_LEN..], original[1760 + RETURN_LEN..1920]);
    }

    #[test]
    fn a_long_gap_fades_to_silence_within_60_ms() {
        let mut played = voiced();
        let mut concealer = Concealer::default();
        concealer.good(&mut played);
        let mut gap = Vec::new();
        for _ in 0..4 {
            concealer.conceal(160, &mut gap);
        }
        assert!(level_dbfs(&gap[..80]) > -25.0);
        assert!(level_dbfs(&gap[320..480]) < level_dbfs(&gap[..160]) - 6.0);
        assert!(gap[480..].iter().all(|&s| s == 0));
        assert!(concealer.is_faded());
    }

    #[test]
    fn meant_silence_leaves_no_echo_of_the_past() {
        let mut played = voiced();
        let mut concealer = Concealer::default();
        concealer.good(&mut played);
        let mut out = Vec::new();
        concealer.silence(160, &mut out);
        concealer.conceal(160, &mut out);
        assert!(out.iter().all(|&s| s == 0));
    }
}
