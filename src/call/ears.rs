//! The caller's audio on its two ways: as it came to the endpointer and so to the recogniser, and
//! at 8 kHz to the voice activity model.

use crate::audio::{AudioFrame, FrameConverter, SampleRate};

/// The model's rate.
const VAD_RATE: SampleRate = SampleRate::HZ_8000;

/// What has come and waits to fill a chunk.
#[derive(Debug)]
pub(super) struct Ears {
    rate: SampleRate,
    as_it_came: Vec<i16>,
    for_vad: Vec<i16>,
    to_vad: FrameConverter,
}

/// A chunk of the stream.
pub(super) struct Chunk {
    /// At the caller's rate.
    pub as_it_came: Vec<i16>,
    /// The same at 8 kHz.
    pub for_vad: Vec<i16>,
}

impl Ears {
    pub fn new() -> Self {
        Self {
            rate: VAD_RATE,
            as_it_came: Vec::new(),
            for_vad: Vec::new(),
            to_vad: FrameConverter::new(VAD_RATE),
        }
    }

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
        Some(Chunk {
            as_it_came: self.as_it_came.drain(..len).collect(),
            for_vad: self.for_vad.drain(..vad_len).collect(),
        })
    }

    /// Samples that wait, at the caller's rate.
    pub fn waiting_len(&self) -> usize {
        self.as_it_came.len()
    }

    pub fn forget(&mut self) {
        self.as_it_came.clear();
        self.for_vad.clear();
    }
}
