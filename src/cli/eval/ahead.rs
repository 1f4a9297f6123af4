//! What of a recording a call has transcribed ahead: all up to the caller's last pause, which is told
//! after a tenth of a second.

use crate::audio::{SampleRate, resample_whole};
use crate::engine::models::ModelStore;
use crate::engine::vad::SileroVad;
use crate::server::start_vad;
use crate::speech::{EndpointEvent, Endpointer, EndpointerConfig, Vad};

/// Silence behind a recording, for those that end with the last word: 0.4 s.
const SILENCE_BEHIND: usize = 3_200;

/// Longer than any pause: the recording is one utterance.
const NEVER_MS: u64 = 600_000;

/// Cuts recordings as calls do while the caller pauses.
pub(super) struct Cutter {
    vad: SileroVad,
}

impl Cutter {
    /// Loads the model that tells speech from silence.
    ///
    /// # Errors
    /// The model is missing or damaged; the message says how to fetch it.
    pub fn start(store: &ModelStore) -> anyhow::Result<Self> {
        Ok(Self { vad: start_vad(store)? })
    }

    /// What a call has of a recording (16 kHz) when its last pause is told. All of it where nobody is
    /// heard.
    pub fn cut(&self, samples_16k: &[i16]) -> Vec<i16> {
        cut(&mut self.vad.session(), samples_16k)
    }
}

fn cut(vad: &mut impl Vad, samples_16k: &[i16]) -> Vec<i16> {
    let config = EndpointerConfig {
        silence_ms: NEVER_MS,
        utterance_max_ms: NEVER_MS,
        ..EndpointerConfig::default()
    };
    let mut endpointer = Endpointer::new(config);
    let mut heard = resample_whole(samples_16k, SampleRate::HZ_16000, config.rate);
    heard.resize(heard.len() + SILENCE_BEHIND, 0);
    let mut last = None;
    for chunk in heard.chunks_exact(vad.chunk_len()) {
        let probability = vad.probability(chunk);
        if let Some(EndpointEvent::Paused(span)) = endpointer.handle_chunk(chunk, probability) {
            last = Some(span);
        }
    }
    let Some(span) = last else { return samples_16k.to_vec() };
    // Twice as many samples at 16 kHz as at 8.
    let start = (2 * span.start.0 as usize).min(samples_16k.len());
    let end = start + 2 * span.samples.len();
    let mut cut = samples_16k[start..end.min(samples_16k.len())].to_vec();
    cut.resize(end - start, 0);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes for speech whatever is loud.
    struct Loud;

    impl Vad for Loud {
        fn chunk_len(&self) -> usize {
            256
        }

        fn probability(&mut self, chunk: &[i16]) -> f32 {
            f32::from(u8::from(chunk.iter().any(|sample| sample.unsigned_abs() > 1_000)))
        }

        fn reset(&mut self) {}
    }

    fn tone(ms: usize) -> Vec<i16> {
        (0..ms * 16).map(|i| ((i as f32 * 0.2).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn a_recording_is_cut_a_tenth_of_a_second_behind_its_last_word() {
        let mut recording = vec![0; 16_000];
        recording.extend(tone(1_000));
        recording.extend(vec![0; 8_000]);
        recording.extend(tone(500));
        let spoken = recording.len();
        // Whether silence follows or the recording ends there.
        for behind in [0, 32_000] {
            recording.resize(spoken + behind, 0);
            let cut = cut(&mut Loud, &recording);
            let seconds = cut.len() as f32 / 16_000.0;
            // 2 s of speech and pause, a little before it, a tenth of a second behind it.
            assert!((2.3..2.6).contains(&seconds), "{seconds} s");
        }
    }

    #[test]
    fn what_nobody_says_anything_in_stays_whole() {
        assert_eq!(cut(&mut Loud, &[5; 20_000]).len(), 20_000);
        assert!(cut(&mut Loud, &[]).is_empty());
    }
}
