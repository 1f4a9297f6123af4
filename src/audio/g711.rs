//! G.711 mu-law and A-law (ITU-T G.711), 8 bits a sample at 8 kHz.
//!
//! Our own tables: the encoder of the codec crate at hand rounds half of the negative A-law values
//! to the wrong side of their decision level, and its interface carries states that G.711 lacks.

/// Which of the two companding laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// Mu-law: North America, Japan. RTP payload type 0 (PCMU).
    Mu,
    /// A-law: the rest of the world. RTP payload type 8 (PCMA).
    A,
}

impl Law {
    /// The code word that decodes to the quietest positive sample.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }

    /// Encodes one sample.
    pub fn encode_sample(self, sample: i16) -> u8 {
        // Both laws drop at least the two lowest bits, but A-law's decision levels lie on
        // multiples of 16 and mu-law's (after the bias) on multiples of 8, negative ones mirrored;
        // the table covers every sample so that no rounding has to be argued about.
        let table = match self {
            Self::Mu => &MU_ENCODE,
            Self::A => &A_ENCODE,
        };
        table[usize::from(sample as u16)]
    }

    /// Decodes one code word.
    pub fn decode_sample(self, code: u8) -> i16 {
        match self {
            Self::Mu => MU_DECODE[usize::from(code)],
            Self::A => A_DECODE[usize::from(code)],
        }
    }

    /// Encodes samples to the end of `out`, one byte each.
    pub fn encode_into(self, samples: &[i16], out: &mut Vec<u8>) {
        out.extend(samples.iter().map(|&sample| self.encode_sample(sample)));
    }

    /// Decodes code words to the end of `out`, one sample each.
    pub fn decode_into(self, codes: &[u8], out: &mut Vec<i16>) {
        out.extend(codes.iter().map(|&code| self.decode_sample(code)));
    }

    /// Encodes samples.
    pub fn encode(self, samples: &[i16]) -> Vec<u8> {
        let mut out = Vec::with_capacity(samples.len());
        self.encode_into(samples, &mut out);
        out
    }

    /// Decodes code words.
    pub fn decode(self, codes: &[u8]) -> Vec<i16> {
        let mut out = Vec::with_capacity(codes.len());
        self.decode_into(codes, &mut out);
        out
    }
}

/// Added to a mu-law magnitude so that the segments start at powers of two (33 in 14 bits).
const MU_BIAS: i32 = 132;
/// The largest mu-law magnitude that does not run past the last segment (8158.75 in 14 bits).
const MU_CLIP: i32 = 32_635;

const fn mu_encode(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80, -(sample as i32)) } else { (0, sample as i32) };
    let magnitude = if magnitude > MU_CLIP { MU_CLIP } else { magnitude } + MU_BIAS;
    // The biased magnitude lies in 132..=32767: its highest bit is 7..=14.
    let segment = 24 - (magnitude as u32).leading_zeros();
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | ((segment as u8) << 4) | step as u8)
}

const fn mu_decode(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4) & 7;
    let magnitude = ((((code & 0x0f) as i32) << 3) + MU_BIAS) << segment;
    let magnitude = (magnitude - MU_BIAS) as i16;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

const fn a_encode(sample: i16) -> u8 {
    // 13 bits in ones' complement, so that positive and negative halves mirror each other.
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let magnitude = (magnitude as i32) >> 4;
    let (segment, step) = if magnitude < 32 {
        (magnitude >> 4, magnitude & 0x0f)
    } else {
        let segment = 28 - (magnitude as u32).leading_zeros() as i32;
        (segment, (magnitude >> (segment - 1)) & 0x0f)
    };
    // Even bits are inverted on the line (G.711, 3.4).
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

const fn a_decode(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = ((code & 0x0f) as i32) << 4;
    let magnitude = if segment == 0 { step + 8 } else { (step + 264) << (segment - 1) };
    if code & 0x80 != 0 { magnitude as i16 } else { -(magnitude as i16) }
}

macro_rules! table {
    ($of:ident, $len:expr, $index:ty) => {{
        let mut table = [0; $len];
        let mut i = 0;
        while i < $len {
            table[i] = $of(i as $index as _);
            i += 1;
        }
        table
    }};
}

static MU_ENCODE: [u8; 65_536] = table!(mu_encode, 65_536, u16);
static A_ENCODE: [u8; 65_536] = table!(a_encode, 65_536, u16);
static MU_DECODE: [i16; 256] = table!(mu_decode, 256, u8);
static A_DECODE: [i16; 256] = table!(a_decode, 256, u8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level_dbfs;

    #[test]
    fn known_code_points() {
        // (law, code, decoded): ends, middles and zeros of the tables in G.711, scaled to 16 bits.
        for (law, code, sample) in [
            (Law::Mu, 0x00, -32_124),
            (Law::Mu, 0x80, 32_124),
            (Law::Mu, 0x7f, 0),
            (Law::Mu, 0xff, 0),
            (Law::Mu, 0x0f, -16_764),
            (Law::Mu, 0x8f, 16_764),
            (Law::Mu, 0xf0, 120),
            (Law::A, 0x2a, -32_256),
            (Law::A, 0xaa, 32_256),
            (Law::A, 0x55, -8),
            (Law::A, 0xd5, 8),
            (Law::A, 0xd4, 24),
            (Law::A, 0x54, -24),
            (Law::A, 0x80, 5_504),
        ] {
            assert_eq!(law.decode_sample(code), sample, "{law:?} {code:#04x}");
        }
        assert_eq!(Law::Mu.encode_sample(0), 0xff);
        assert_eq!(Law::A.encode_sample(0), 0xd5);
        assert_eq!(Law::Mu.encode_sample(i16::MIN), 0x00);
        assert_eq!(Law::A.encode_sample(i16::MIN), 0x2a);
        assert_eq!(Law::A.encode_sample(-17), 0x54);
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for law in [Law::Mu, Law::A] {
            for code in 0..=255u8 {
                let sample = law.decode_sample(code);
                let again = law.decode_sample(law.encode_sample(sample));
                assert_eq!(again, sample, "{law:?} {code:#04x}");
            }
        }
    }

    #[test]
    fn every_sample_stays_within_half_a_step() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let got = i32::from(law.decode_sample(law.encode_sample(sample)));
                let sample = i32::from(sample);
                // Half a step is at most 1/32 of the (biased) magnitude in both laws.
                let allowed = ((sample.abs() + MU_BIAS) / 32 + 1).max(8);
                assert!((got - sample).abs() <= allowed, "{law:?} {sample} -> {got}");
            }
        }
    }

    #[test]
    fn halves_mirror_each_other() {
        for sample in 1..=i16::MAX {
            let (plus, minus) = (Law::Mu.encode_sample(sample), Law::Mu.encode_sample(-sample));
            assert_eq!(plus ^ 0x80, minus, "mu-law {sample}");
            let (plus, minus) = (Law::A.encode_sample(sample), Law::A.encode_sample(!sample));
            assert_eq!(plus ^ 0x80, minus, "A-law {sample}");
        }
    }

    #[test]
    fn the_digital_milliwatt_is_0_dbm0() {
        // G.711, tables 5 and 6: 1 kHz at 0 dBm0, which lies 3.17 dB (mu) and 3.14 dB (A) below
        // the overload level of a sine; our level is relative to a full-scale square.
        let mu = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
        let a = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
        #[expect(clippy::approx_constant)] // G.711 table, not pi
        for (law, codes, below_db) in [(Law::Mu, mu, 3.17), (Law::A, a, 3.14)] {
            let level = level_dbfs(&law.decode(&codes));
            let expected = -3.01 - below_db;
            assert!((level - expected).abs() < 0.2, "{law:?}: {level} dBFS, expected {expected}");
        }
    }
}
