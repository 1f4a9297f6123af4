//! A stream of frames as the chunks that a voice-activity model takes: as it came, for whoever listens
//! to the words, and at the model's rate.

use std::time::Duration;

use crate::audio::{AudioFrame, FrameConverter, SampleRate};

/// The model's rate.
const VAD_RATE: SampleRate = SampleRate::HZ_8000;

/// What has come and waits to fill a chunk.
#[derive(Debug)]
pub struct Chunker {
    rate: SampleRate,
    as_it_came: Vec<i16>,
    for_vad: Vec<i16>,
    to_vad: FrameConverter,
}

/// A chunk of the stream.
pub struct Chunk {
    /// At the rate at which it came.
    pub as_it_came: Vec<i16>,
    /// The same at 8 kHz.
    pub for_vad: Vec<i16>,
}

impl Chunk {
    /// How long it lasts.
    pub fn length(&self) -> Duration {
        VAD_RATE.duration_of(self.for_vad.len())
    }
}

impl Default for Chunker {
    fn default() -> Self {
        Self {
            rate: VAD_RATE,
            as_it_came: Vec::new(),
            for_vad: Vec::new(),
            to_vad: FrameConverter::new(VAD_RATE),
        }
    }
}

impl Chunker {
    /// Takes a frame. Where its rate is a new one, less than a chunk of the old is dropped.
    pub fn hear(&mut self, frame: &AudioFrame) {
        if frame.rate != self.rate {
            self.rate = frame.rate;
            self.forget();
        }
        self.as_it_came.extend_from_slice(&frame.samples);
        self.for_vad.extend(self.to_vad.convert(&frame.samples, frame.rate));
    }

    /// The next chunk of this many samples at 8 kHz, once it is there.
    pub fn next_chunk(&mut self, vad_len: usize) -> Option<Chunk> {
        let len = vad_len * self.rate.hz() as usize / VAD_RATE.hz() as usize;
        if self.for_vad.len() < vad_len || self.as_it_came.len() < len {
            return None;
        }
        let for_vad = self.for_vad.drain(..vad_len).collect();
        Some(Chunk { as_it_came: self.as_it_came.drain(..len).collect(), for_vad })
    }

    /// Samples that wait, at the rate at which the stream comes at present.
    pub fn waiting_len(&self) -> usize {
        self.as_it_came.len()
    }

    /// The same at 8 kHz.
    pub fn vad_waiting_len(&self) -> usize {
        self.for_vad.len()
    }

    /// Drops what waits.
    pub fn forget(&mut self) {
        self.as_it_came.clear();
        self.for_vad.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;

    fn frame(rate: SampleRate) -> AudioFrame {
        let samples = vec![100; rate.samples_in(Duration::from_millis(20))];
        AudioFrame { rate, time: MediaTime(0), samples }
    }

    #[test]
    fn frames_become_chunks_of_both_rates_and_nothing_is_left_out() {
        let mut chunker = Chunker::default();
        let mut lengths = Vec::new();
        for _ in 0..8 {
            chunker.hear(&frame(SampleRate::HZ_16000));
            while let Some(chunk) = chunker.next_chunk(256) {
                assert_eq!(chunk.length(), Duration::from_millis(32));
                lengths.push((chunk.as_it_came.len(), chunk.for_vad.len()));
            }
        }
        assert_eq!(lengths, [(512, 256); 5]);
        assert_eq!((chunker.waiting_len(), chunker.vad_waiting_len()), (0, 0));
    }

    #[test]
    fn another_codec_begins_a_chunk_of_its_own() {
        let mut chunker = Chunker::default();
        chunker.hear(&frame(SampleRate::HZ_8000));
        chunker.hear(&frame(SampleRate::HZ_16000));
        assert_eq!((chunker.waiting_len(), chunker.vad_waiting_len()), (320, 160));
        assert!(chunker.next_chunk(256).is_none());
    }
}
