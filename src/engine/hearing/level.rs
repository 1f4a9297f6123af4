//! What the level of an utterance says: whether there is anything to hear, and where it is quiet
//! enough to cut. Works on 16 kHz samples. Changes none of them: a caller's level has been evened by
//! then ([`crate::audio::level`]), and what stayed faint is.

use std::ops::Range;

use crate::audio::level_dbfs;

/// What whisper listens at.
pub const SAMPLES_PER_S: usize = 16_000;

/// 30 ms: about the shortest voiced sound.
const WINDOW: usize = SAMPLES_PER_S * 30 / 1000;

/// Below this nothing was said on any telephone line (idle mu-law noise lies near -66 dBFS).
const SILENT_DBFS: f32 = -58.0;

/// Voice stands out of its background by more; steady noise by less.
const FLAT_DB: f32 = 9.0;

/// Quieter speech than this is rare on the telephone.
const FAINT_DBFS: f32 = -45.0;

/// Whisper's window is 30 s; a little less leaves room for its end-of-audio timestamp.
const PIECE_S_MAX: usize = 28;

/// No piece is made shorter than this, or it loses its context for nothing.
const PIECE_S_MIN: usize = 16;

/// How much an utterance's level tells about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    /// Nothing was said: not worth a decode.
    Silent,
    /// Faint or steady: what is heard in it may be made up.
    Doubtful,
    /// Something stands out.
    Clear,
}

/// Judges an utterance by the loudest and the quiet 30 ms of it.
pub fn loudness(samples: &[i16]) -> Loudness {
    let mut levels: Vec<f32> = samples.chunks(WINDOW).map(level_dbfs).collect();
    levels.sort_by(f32::total_cmp);
    let Some(&loudest) = levels.last() else { return Loudness::Silent };
    if loudest < SILENT_DBFS {
        return Loudness::Silent;
    }
    let quiet = levels[levels.len() / 10];
    let loud = levels[levels.len() * 95 / 100];
    if loudest < FAINT_DBFS || (levels.len() >= 10 && loud - quiet < FLAT_DB) {
        Loudness::Doubtful
    } else {
        Loudness::Clear
    }
}

/// Cuts an utterance into pieces that whisper can take, at the quietest fifth of a second that
/// lies late enough in each piece.
pub fn pieces(samples: &[i16]) -> Vec<Range<usize>> {
    let quiet_len = SAMPLES_PER_S / 5;
    let mut pieces = Vec::new();
    let mut from = 0;
    while samples.len() - from > PIECE_S_MAX * SAMPLES_PER_S {
        let latest = from + PIECE_S_MAX * SAMPLES_PER_S - quiet_len;
        let cut = (from + PIECE_S_MIN * SAMPLES_PER_S..=latest)
            .step_by(WINDOW)
            .min_by(|&a, &b| {
                let level = |at: usize| level_dbfs(&samples[at..at + quiet_len]);
                level(a).total_cmp(&level(b))
            })
            .map_or(latest, |at| at + quiet_len / 2);
        pieces.push(from..cut);
        from = cut;
    }
    pieces.push(from..samples.len());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: f32, amplitude: f32) -> Vec<i16> {
        (0..(seconds * SAMPLES_PER_S as f32) as usize)
            .map(|i| ((i as f32 * 0.2).sin() * amplitude) as i16)
            .collect()
    }

    #[test]
    fn loudness_tells_silence_hum_and_speech_apart() {
        assert_eq!(loudness(&[]), Loudness::Silent);
        assert_eq!(loudness(&vec![3; 16_000]), Loudness::Silent);
        assert_eq!(loudness(&tone(2.0, 8_000.0)), Loudness::Doubtful);
        let mut bursts = tone(0.5, 20.0);
        bursts.extend(tone(0.5, 8_000.0));
        bursts.extend(tone(0.5, 20.0));
        assert_eq!(loudness(&bursts), Loudness::Clear);
        let faint: Vec<i16> = bursts.iter().map(|&s| s / 80).collect();
        assert_eq!(loudness(&faint), Loudness::Doubtful);
    }

    #[test]
    fn short_utterances_stay_whole() {
        for samples in [0, 1, 28 * SAMPLES_PER_S] {
            assert_eq!(pieces(&vec![0; samples]), vec![0..samples]);
        }
    }

    #[test]
    fn long_utterances_are_cut_where_it_is_quiet_and_nothing_is_lost() {
        let mut samples = tone(20.0, 5_000.0);
        samples.extend(vec![0; SAMPLES_PER_S]);
        samples.extend(tone(50.0, 5_000.0));
        let pieces = pieces(&samples);
        assert_eq!(pieces[0].start, 0);
        assert!((20 * SAMPLES_PER_S..21 * SAMPLES_PER_S).contains(&pieces[0].end), "{pieces:?}");
        assert!(pieces.windows(2).all(|p| p[0].end == p[1].start));
        assert!(pieces.iter().all(|p| p.len() <= PIECE_S_MAX * SAMPLES_PER_S));
        assert_eq!(pieces.last().map(|p| p.end), Some(samples.len()));
    }
}
