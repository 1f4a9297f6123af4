//! How a stream sounds: the E-model (ITU-T G.107), reduced to what a telephone can know of its own
//! call: delay, loss, and how well the codec bears loss.
//!
//! The scale is that of narrowband for all codecs, so that calls compare; a wideband codec sounds
//! better than its number says.

use crate::audio::Codec;

/// What is left of the rating with all defaults (G.107 table 2) before delay and loss.
const RATING: f64 = 93.2;
/// Delay beyond which talking to each other suffers, in ms.
const DELAY_FELT_MS: f64 = 177.3;

/// One direction of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hop {
    /// The codec.
    pub codec: Codec,
    /// Packets that did not come or came too late, 0 to 100.
    pub loss_percent: f64,
    /// From mouth to ear.
    pub delay_ms: f64,
}

/// How many percent of random loss cost half of what can be lost (Bpl): for G.711 with concealment
/// from G.113 appendix I. G.722 has no entry on this scale, and Opus none at all: theirs are
/// estimates of ours, lower than that of G.711 where a loss also spoils the decoder's state.
const fn robustness(codec: Codec) -> f64 {
    match codec {
        Codec::Pcmu | Codec::Pcma => 25.1,
        Codec::G722 => 15.0,
        Codec::Opus => 20.0,
    }
}

/// The transmission rating R, 0 to 93.2.
pub fn rating(hop: Hop) -> f64 {
    let delay = hop.delay_ms.clamp(0.0, 2_000.0);
    let late = (delay - DELAY_FELT_MS).max(0.0);
    let by_delay = 0.024 * delay + 0.11 * late;
    let loss = hop.loss_percent.clamp(0.0, 100.0);
    let by_loss = 95.0 * loss / (loss + robustness(hop.codec));
    (RATING - by_delay - by_loss).max(0.0)
}

/// The mean opinion score expected of listeners, 1 (bad) to 4.41 (the best on this scale), by G.107
/// annex B.
pub fn mos(hop: Hop) -> f64 {
    let r = rating(hop);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_model() {
        // (codec, loss, delay, R, MOS), worked out by hand from the formulas of G.107.
        for (codec, loss_percent, delay_ms, r, score) in [
            (Codec::Pcmu, 0.0, 0.0, 93.2, 4.41),
            (Codec::Pcma, 0.0, 100.0, 90.8, 4.36),
            (Codec::Pcmu, 0.0, 277.3, 75.54, 3.84),
            (Codec::Pcmu, 2.0, 0.0, 86.19, 4.24),
            (Codec::Pcmu, 10.0, 100.0, 63.73, 3.29),
            (Codec::Opus, 100.0, 2_000.0, 0.0, 1.0),
        ] {
            let hop = Hop { codec, loss_percent, delay_ms };
            assert!((rating(hop) - r).abs() < 0.05, "{hop:?}: {}", rating(hop));
            assert!((mos(hop) - score).abs() < 0.02, "{hop:?}: {}", mos(hop));
        }
    }

    #[test]
    fn more_loss_and_more_delay_never_sound_better() {
        for codec in Codec::ALL {
            let mut before = f64::INFINITY;
            for step in 0..100 {
                let loss_percent = f64::from(step);
                let score = mos(Hop { codec, loss_percent, delay_ms: loss_percent * 5.0 });
                assert!(score <= before && (1.0..=4.42).contains(&score), "{codec} {step}");
                before = score;
            }
        }
    }
}
