//! G.722 at 64 kbit/s (ITU-T G.722): 16 kHz audio in two bands, each as adaptive differential PCM;
//! 6 bits for the lower and 2 for the upper band make one byte of every two samples.
//!
//! Our own: the codec crates at hand bring SIMD or a whole media framework along for a few integer
//! operations a sample. Names of the blocks are those of the recommendation (section 6).

/// Quadrature mirror filter that splits and joins the bands (table 11); the other half mirrors it.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
/// Decision levels of the lower band's 6-bit quantiser (table 14).
const Q6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
    1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Output of the lower band's 6-bit inverse quantiser by code word (table 18).
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// The same for its 4 upper bits, which alone drive the adaptation (table 16).
const QM4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
/// Output of the upper band's inverse quantiser by code word (table 20).
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
/// How the lower band's scale follows its code (tables 15 and 17 in one).
const WL: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// How the upper band's scale follows its code.
const WH: [i32; 4] = [798, -214, 798, -214];
/// Mantissas of the scale (table 12).
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Largest logarithmic scale of the lower band.
const LOW_SCALE_MAX: i32 = 18_432;
/// Largest logarithmic scale of the upper band.
const HIGH_SCALE_MAX: i32 = 22_528;
/// The upper band's one decision level.
const HIGH_LEVEL: i32 = 564;

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// The adaptive predictor and quantiser scale of one band, the same at both ends.
#[derive(Debug, Clone)]
struct Band {
    /// What the next sample is expected to be, and the part of it that the zeros predict.
    predicted: i32,
    by_zeros: i32,
    /// Past reconstructed samples, newest first, and coefficients of the two poles.
    past: [i32; 2],
    poles: [i32; 2],
    /// Past partial reconstructions (their signs steer the poles).
    partial: [i32; 2],
    /// Past quantised differences and coefficients of the six zeros.
    differences: [i32; 6],
    zeros: [i32; 6],
    /// Logarithm of the scale, and the scale.
    log_scale: i32,
    scale: i32,
}

impl Band {
    const fn new(scale: i32) -> Self {
        Self {
            predicted: 0,
            by_zeros: 0,
            past: [0; 2],
            poles: [0; 2],
            partial: [0; 2],
            differences: [0; 6],
            zeros: [0; 6],
            log_scale: 0,
            scale,
        }
    }

    /// Blocks LOGSCL and SCALEL, or LOGSCH and SCALEH: `shift` is 8 below and 10 above.
    fn rescale(&mut self, step: i32, log_scale_max: i32, shift: i32) {
        self.log_scale = (((self.log_scale * 127) >> 7) + step).clamp(0, log_scale_max);
        let mantissa = ILB[((self.log_scale >> 6) & 31) as usize];
        let exponent = shift - (self.log_scale >> 11);
        let scaled = if exponent < 0 { mantissa << -exponent } else { mantissa >> exponent };
        self.scale = scaled << 2;
    }

    /// Block 4: takes a quantised difference and predicts the next sample.
    fn adapt(&mut self, difference: i32) {
        let reconstructed = saturate(self.predicted + difference);
        let partial = saturate(self.by_zeros + difference);
        let agree = |one: i32, other: i32| (one < 0) == (other < 0);
        // UPPOL2
        let turned = saturate(self.poles[0] << 2);
        let turned = if agree(partial, self.partial[0]) { -turned } else { turned };
        let push = if agree(partial, self.partial[1]) { 128 } else { -128 };
        let second = (turned.min(32_767) >> 7) + push + ((self.poles[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        // UPPOL1
        let push = if agree(partial, self.partial[0]) { 192 } else { -192 };
        let first = saturate(push + ((self.poles[0] * 32_640) >> 15));
        let limit = saturate(15_360 - second);
        let first = first.clamp(-limit, limit);
        // UPZERO
        let push = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(self.differences) {
            let push = if agree(past, difference) { push } else { -push };
            *zero = saturate(push + ((*zero * 32_640) >> 15));
        }
        // DELAYA
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.past = [reconstructed, self.past[0]];
        self.partial = [partial, self.partial[0]];
        self.poles = [first, second];
        // FILTEP, FILTEZ, PREDIC
        let doubled = |value: i32| saturate(value * 2);
        let by_poles: i32 =
            self.poles.iter().zip(self.past).map(|(&p, past)| (p * doubled(past)) >> 15).sum();
        let by_zeros: i32 = self
            .zeros
            .iter()
            .zip(self.differences)
            .map(|(&zero, past)| (zero * doubled(past)) >> 15)
            .sum();
        self.by_zeros = saturate(by_zeros);
        self.predicted = saturate(saturate(by_poles) + self.by_zeros);
    }
}

/// Both bands of one direction.
#[derive(Debug, Clone)]
struct Bands {
    low: Band,
    high: Band,
    /// The last 24 samples in the filter, oldest first.
    filter: [i32; 24],
}

impl Bands {
    const fn new() -> Self {
        // Initial scales as after a reset (table 9).
        Self { low: Band::new(32), high: Band::new(8), filter: [0; 24] }
    }

    /// Moves two values into the filter; gives the sums of its even and its odd half.
    fn filter(&mut self, pair: [i32; 2]) -> (i32, i32) {
        self.filter.copy_within(2.., 0);
        self.filter[22..].copy_from_slice(&pair);
        let (mut even, mut odd) = (0, 0);
        for (n, coefficient) in QMF.iter().enumerate() {
            even += self.filter[2 * n] * coefficient;
            odd += self.filter[2 * n + 1] * QMF[11 - n];
        }
        (even, odd)
    }

    /// Adapts to a code word; both ends do this alike.
    fn follow(&mut self, code: u8) {
        let low = usize::from(code & 0x3f) >> 2;
        let difference = (self.low.scale * QM4[low]) >> 15;
        self.low.rescale(WL[low], LOW_SCALE_MAX, 8);
        self.low.adapt(difference);
        let high = usize::from(code >> 6);
        let difference = (self.high.scale * QM2[high]) >> 15;
        self.high.rescale(WH[high], HIGH_SCALE_MAX, 10);
        self.high.adapt(difference);
    }
}

/// Encodes one stream.
#[derive(Debug, Clone)]
pub struct G722Encoder(Bands);

impl Default for G722Encoder {
    fn default() -> Self {
        Self(Bands::new())
    }
}

impl G722Encoder {
    /// Encodes 16 kHz samples to the end of `out`, a byte for every two; an odd last one is left
    /// out, so give it even runs.
    pub fn encode_into(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.as_chunks::<2>().0.iter().map(|&pair| self.encode_pair(pair)));
    }

    fn encode_pair(&mut self, pair: [i16; 2]) -> u8 {
        let (even, odd) = self.0.filter(pair.map(i32::from));
        let (low, high) = ((odd + even) >> 14, (odd - even) >> 14);
        let code = low_code(saturate(low - self.0.low.predicted), self.0.low.scale)
            | (high_code(saturate(high - self.0.high.predicted), self.0.high.scale) << 6);
        self.0.follow(code);
        code
    }
}

/// Block QUANTL: the code word of a difference in the lower band.
fn low_code(difference: i32, scale: i32) -> u8 {
    let magnitude = if difference < 0 { !difference } else { difference };
    // 0 to 29: how many decision levels lie at or below.
    let step = Q6.partition_point(|level| magnitude >= (level * scale) >> 12) as u8;
    match (difference < 0, step) {
        (false, step) => 61 - step,
        (true, step @ 0..=1) => 63 - step,
        (true, step) => 33 - step,
    }
}

/// Block QUANTH: the code word of a difference in the upper band.
fn high_code(difference: i32, scale: i32) -> u8 {
    let magnitude = if difference < 0 { !difference } else { difference };
    let is_large = magnitude >= (HIGH_LEVEL * scale) >> 12;
    match (difference < 0, is_large) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

/// Decodes one stream.
#[derive(Debug, Clone)]
pub struct G722Decoder(Bands);

impl Default for G722Decoder {
    fn default() -> Self {
        Self(Bands::new())
    }
}

impl G722Decoder {
    /// Decodes code words to the end of `out`, two 16 kHz samples for each.
    pub fn decode_into(&mut self, codes: &[u8], out: &mut Vec<i16>) {
        out.extend(codes.iter().flat_map(|&code| self.decode_code(code)));
    }

    fn decode_code(&mut self, code: u8) -> [i16; 2] {
        let limit = |value: i32| value.clamp(-16_384, 16_383);
        let bands = &mut self.0;
        let difference = (bands.low.scale * QM6[usize::from(code & 0x3f)]) >> 15;
        let low = limit(bands.low.predicted + difference);
        let difference = (bands.high.scale * QM2[usize::from(code >> 6)]) >> 15;
        let high = limit(bands.high.predicted + difference);
        bands.follow(code);
        let (even, odd) = bands.filter([low + high, low - high]);
        [odd, even].map(|sum| saturate(sum >> 11) as i16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Random, SampleRate, tone};
    use std::time::Duration;

    const RATE: SampleRate = SampleRate::HZ_16000;

    fn encode(samples: &[i16]) -> Vec<u8> {
        let mut out = Vec::new();
        G722Encoder::default().encode_into(samples, &mut out);
        out
    }

    fn decode(codes: &[u8]) -> Vec<i16> {
        let mut out = Vec::new();
        G722Decoder::default().decode_into(codes, &mut out);
        out
    }

    /// Signal to noise in dB, the codec's delay of 22 samples taken out.
    fn snr_db(samples: &[i16]) -> f64 {
        let got = decode(&encode(samples));
        let (mut signal, mut noise) = (0.0, 0.0);
        for (&sent, &heard) in samples.iter().zip(&got[22..]).skip(400) {
            signal += f64::from(sent).powi(2);
            noise += (f64::from(sent) - f64::from(heard)).powi(2);
        }
        10.0 * (signal / noise).log10()
    }

    /// A sum that changes with every bit (FNV-1a).
    fn sum(bytes: impl IntoIterator<Item = u8>) -> u64 {
        bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// Integers only, so that another implementation can be fed with the very same samples.
    fn reference() -> Vec<i16> {
        let mut random = Random::new(722);
        (0..32_000i32)
            .map(|n| {
                // Loudness sweeps from silence to full scale and back, over noise and a sawtooth.
                let loudness = (n % 8_000 - 4_000).abs() / 4;
                let noise = (random.next_u64() >> 48) as i32 - 32_768;
                let saw = (n * 977) % 65_536 - 32_768;
                (((noise + saw) / 2 * loudness) / 1_000).clamp(-32_768, 32_767) as i16
            })
            .collect()
    }

    #[test]
    fn it_is_bit_exact_with_another_implementation() {
        // Sums of what libg722 1.2 (Steve Underwood's, as used by many phones) makes of the same.
        let codes = encode(&reference());
        assert_eq!(sum(codes.iter().copied()), CODES_SUM, "encoder");
        let samples = decode(&codes);
        assert_eq!(sum(samples.iter().flat_map(|s| s.to_le_bytes())), SAMPLES_SUM, "decoder");
        let mut random = Random::new(3);
        let any: Vec<u8> = (0..16_000).map(|_| random.next_u64() as u8).collect();
        let samples = decode(&any);
        assert_eq!(sum(samples.iter().flat_map(|s| s.to_le_bytes())), ANY_SUM, "any code words");
    }

    const CODES_SUM: u64 = 0xe05a_3247_eadf_cbd0;
    const SAMPLES_SUM: u64 = 0x8283_b0ea_c9ad_f4fe;
    const ANY_SUM: u64 = 0x72c1_c667_e2e9_3887;

    #[test]
    fn speech_bands_survive_a_round_trip() {
        for (hz, least_db) in [(300.0, 30.0), (1_000.0, 25.0), (3_000.0, 20.0), (6_000.0, 8.0)] {
            let samples = tone::sine(RATE, hz, -12.0, Duration::from_secs(1));
            let got = snr_db(&samples);
            assert!(got > least_db, "{hz} Hz: {got} dB");
        }
    }

    #[test]
    fn silence_stays_silent_and_ends_of_scale_do_not_wrap() {
        assert!(decode(&encode(&[0; 3_200])).iter().all(|s| s.abs() <= 8));
        let square: Vec<i16> =
            (0..16_000).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let heard = decode(&encode(&square));
        let wrong = square[800..15_900]
            .iter()
            .zip(&heard[822..])
            .filter(|(s, h)| i32::from(**s) * i32::from(**h) < 0);
        assert!(wrong.count() < 1_600, "the sign holds but for the edges");
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let samples = reference();
        let mut encoder = G722Encoder::default();
        let mut codes = Vec::new();
        for piece in samples.chunks(170) {
            encoder.encode_into(piece, &mut codes);
        }
        assert_eq!(codes, encode(&samples));
    }
}
