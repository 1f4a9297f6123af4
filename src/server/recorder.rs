//! Writes a call's two channels to a WAV file: caller left, front door right.
//!
//! A thread per recorded call does the writing, so that a slow disk never delays audio. Its queue
//! holds [`QUEUE_FRAMES_MAX`] frames; when it is full, frames are dropped from the recording and
//! counted, never from the call.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::audio::{AudioFrame, FrameConverter, SampleRate, TwoChannelWriter, WavError};

/// Ten seconds of audio.
const QUEUE_FRAMES_MAX: usize = 500;

type Pair = (Vec<i16>, Vec<i16>);

/// The recording of one call.
pub(super) struct Recorder {
    frames: Option<SyncSender<Pair>>,
    /// Both sides to the rate of the file.
    caller: FrameConverter,
    agent: FrameConverter,
    writer: Option<std::thread::JoinHandle<Result<(), WavError>>>,
    path: PathBuf,
    dropped: u64,
}

impl Recorder {
    /// Opens the file; the folder must exist. The file has the rate of the caller's codec, so that
    /// what was heard can be heard again. What was `before` is silence in it: so the times of the
    /// transcript are places in the recording.
    pub fn start(path: &Path, rate: SampleRate, before: Duration) -> Result<Self, WavError> {
        let file = File::create(path).map_err(WavError::from)?;
        let mut output = TwoChannelWriter::new(BufWriter::new(file), rate)?;
        let (frames, queue) = sync_channel::<Pair>(QUEUE_FRAMES_MAX);
        let writer = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                let nothing = vec![0; rate.samples_in(before)];
                output.write(&nothing, &nothing)?;
                for (caller, agent) in queue {
                    output.write(&caller, &agent)?;
                }
                output.finish()
            })
            .map_err(WavError::from)?;
        Ok(Self {
            frames: Some(frames),
            caller: FrameConverter::new(rate),
            agent: FrameConverter::new(rate),
            writer: Some(writer),
            path: path.to_owned(),
            dropped: 0,
        })
    }

    /// Adds 20 ms of both sides, ours at 8 kHz.
    pub fn push(&mut self, caller: &AudioFrame, agent: &[i16; 160]) {
        let Some(frames) = &self.frames else { return };
        let caller = self.caller.convert(&caller.samples, caller.rate);
        let agent = self.agent.convert(agent, SampleRate::HZ_8000);
        match frames.try_send((caller, agent)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.dropped += 1,
            // The writer has failed; its error is reported at the end.
            Err(TrySendError::Disconnected(_)) => self.frames = None,
        }
    }

    /// Finishes the file. Blocks for the rest of the queue.
    pub fn finish(mut self) -> Result<PathBuf, WavError> {
        drop(self.frames.take());
        if self.dropped > 0 {
            tracing::warn!(frames = self.dropped, "the disk was too slow for the recording");
        }
        if let Some(writer) = self.writer.take() {
            match writer.join() {
                Ok(result) => result?,
                Err(_) => tracing::error!("the recorder's thread failed"),
            }
        }
        Ok(self.path)
    }
}
