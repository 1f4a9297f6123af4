//! Cuts what one person says to another into utterances, for a transcript. Whoever listens to a caller in
//! order to answer cuts with more care (`call`); here nobody waits for an answer.

use std::time::Duration;

use crate::audio::{AudioFrame, Leveller, SampleRate};

use super::{Chunk, Chunker, EndpointEvent, Endpointer, EndpointerConfig, SpeechSpan, Vad};

/// One person's stream.
pub struct Segmenter {
    chunker: Chunker,
    leveller: Leveller,
    vad: Box<dyn Vad>,
    endpointer: Endpointer,
}

/// An utterance, fit for the recogniser.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment {
    /// All of it, at a usual level.
    pub samples: Vec<i16>,
    /// Their rate.
    pub rate: SampleRate,
    /// How long ago it began when it was given out.
    pub ago: Duration,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({} samples, {:?} ago)", self.samples.len(), self.ago)
    }
}

impl Segmenter {
    /// Starts at the beginning of a stream.
    pub fn new(config: EndpointerConfig, vad: Box<dyn Vad>) -> Self {
        // Nothing is begun before an utterance is over.
        let config = EndpointerConfig { pause_ms: None, ..config };
        Self {
            chunker: Chunker::default(),
            leveller: Leveller::default(),
            vad,
            endpointer: Endpointer::new(config),
        }
    }

    /// Takes the next frame. Gives what is over with it: at most one utterance for each chunk of the model.
    pub fn hear(&mut self, frame: &AudioFrame) -> Vec<Segment> {
        self.chunker.hear(frame);
        self.endpointer.set_rate(frame.rate);
        let mut over = Vec::new();
        while let Some(chunk) = self.chunker.next_chunk(self.vad.chunk_len()) {
            if let Some(EndpointEvent::Ended(span)) = self.take(&chunk) {
                over.push(self.segment(span));
            }
        }
        over
    }

    fn take(&mut self, chunk: &Chunk) -> Option<EndpointEvent> {
        self.leveller.hear_caller(&chunk.for_vad);
        let levelled = self.leveller.level_stream(&chunk.for_vad);
        let probability = self.vad.probability(&levelled);
        self.endpointer.handle_chunk(&chunk.as_it_came, probability)
    }

    fn segment(&self, span: SpeechSpan) -> Segment {
        let SpeechSpan { mut samples, rate, .. } = span;
        self.leveller.level_utterance(&mut samples, rate);
        let ago = rate.duration_of(samples.len() + self.chunker.waiting_len());
        Segment { samples, rate, ago }
    }

    /// Gives what is being said, as far as it has come: the stream ends here, or rests.
    pub fn finish(&mut self) -> Option<Segment> {
        let span = self.endpointer.finish();
        let segment = span.map(|span| self.segment(span));
        self.chunker.forget();
        self.vad.reset();
        segment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{MediaTime, level_dbfs};

    /// Takes what is loud for speech.
    struct Loudness;

    impl Vad for Loudness {
        fn chunk_len(&self) -> usize {
            256
        }

        fn probability(&mut self, chunk: &[i16]) -> f32 {
            if level_dbfs(chunk) > -40.0 { 0.9 } else { 0.0 }
        }

        fn reset(&mut self) {}
    }

    const RATE: SampleRate = SampleRate::HZ_16000;
    /// 20 ms.
    const FRAME_LEN: usize = 320;

    fn segmenter() -> Segmenter {
        Segmenter::new(EndpointerConfig::default(), Box::new(Loudness))
    }

    /// Speaks, or does not, for so long.
    fn go_on(segmenter: &mut Segmenter, level: i16, ms: usize) -> Vec<Segment> {
        let sample = |n: usize| if (n / 20).is_multiple_of(2) { level } else { -level };
        let samples: Vec<i16> = (0..FRAME_LEN).map(sample).collect();
        let frame = AudioFrame { rate: RATE, time: MediaTime(0), samples };
        (0..ms / 20).flat_map(|_| segmenter.hear(&frame)).collect()
    }

    #[test]
    fn what_is_said_comes_once_it_is_over_and_with_its_time() {
        let mut segmenter = segmenter();
        assert!(go_on(&mut segmenter, 0, 2_000).is_empty());
        assert!(go_on(&mut segmenter, 6_000, 1_000).is_empty(), "still being said");
        let said = go_on(&mut segmenter, 0, 2_000);
        let [segment] = &said[..] else { panic!("{said:?}") };
        assert_eq!(segment.rate, RATE);
        // 1 s, 320 ms from before and 600 ms of silence after it, in chunks of 32 ms.
        let ago_ms = segment.ago.as_millis();
        assert!((1_880..=2_000).contains(&ago_ms), "{ago_ms}");
        assert!(segment.samples.len() >= RATE.samples_in(Duration::from_millis(1_880)));
        assert!(go_on(&mut segmenter, 0, 2_000).is_empty(), "it comes once");
    }

    #[test]
    fn what_is_being_said_is_not_lost_at_the_end() {
        let mut segmenter = segmenter();
        assert!(segmenter.finish().is_none(), "nothing was said");
        go_on(&mut segmenter, 6_000, 800);
        let segment = segmenter.finish().expect("it was being said");
        assert!(segment.samples.len() >= RATE.samples_in(Duration::from_millis(700)));
        assert!(segmenter.finish().is_none());
        // And the stream may go on after a rest.
        go_on(&mut segmenter, 6_000, 600);
        assert_eq!(go_on(&mut segmenter, 0, 1_000).len(), 1);
    }
}
