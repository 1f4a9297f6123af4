//! The same audio for everybody: recordings as they come off a telephone line, as files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tempfile::TempDir;

use super::super::recordings::Recorded;
use super::super::talker::Said;
use crate::audio::{PhoneChannel, Random, SampleRate, phone_channel, resample_whole, write_wav};

/// Gain of the voice on the line.
const GAIN_DB: std::ops::Range<f64> = -6.0..6.0;

/// Silence after the voice in each file: about what is heard of it before a turn is over.
const SILENCE_AFTER: Duration = Duration::from_millis(300);

/// One of them.
pub(super) struct Clip {
    /// As it comes off the line, up to its last voiced frame.
    pub said: Said,
    /// The words in it.
    pub words: String,
}

/// All of them, in a folder that is gone once this is dropped.
pub(super) struct Clips {
    /// In the order in which they are said.
    pub all: Vec<Clip>,
    folder: TempDir,
}

/// A clip as the others' scripts read it.
#[derive(Serialize)]
struct Listed<'a> {
    path: String,
    words: &'a str,
    voiced_s: f64,
}

impl Clips {
    /// Sends recordings through the telephone (8 kHz, mu-law, a gain from the seed, nothing lost)
    /// and writes them with their list.
    pub fn write(recorded: &[Recorded], seed: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for the clips")?;
        let mut random = Random::new(seed);
        let (mut all, mut listed) = (Vec::new(), Vec::new());
        for (nth, Recorded { said, words, .. }) in recorded.iter().enumerate() {
            let gain_db = GAIN_DB.start + random.next_unit() * (GAIN_DB.end - GAIN_DB.start);
            let channel = PhoneChannel { gain_db: gain_db as f32, ..PhoneChannel::default() };
            let heard = phone_channel(said.samples(), SampleRate::HZ_8000, channel);
            let said = Said::new(said.name.clone(), SampleRate::HZ_8000, &heard)
                .with_context(|| format!("{} after the line", said.name))?;
            let path = format!("{nth:03}.wav");
            write_clip(&folder.path().join(&path), said.samples())?;
            listed.push(Listed { path, words, voiced_s: said.length().as_secs_f64() });
            all.push(Clip { said, words: words.clone() });
        }
        let list = folder.path().join("clips.json");
        std::fs::write(&list, serde_json::to_string(&listed)?)
            .with_context(|| format!("cannot write {}", list.display()))?;
        Ok(Self { all, folder })
    }

    /// Where the list of the files is.
    pub fn list(&self) -> PathBuf {
        self.folder.path().join("clips.json")
    }

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A clip with the silence after it, at 16 kHz, as recognisers take it.
    pub fn at_16k(&self, nth: usize) -> Vec<i16> {
        let with_silence = with_silence(self.all[nth].said.samples());
        resample_whole(&with_silence, SampleRate::HZ_8000, SampleRate::HZ_16000)
    }

    /// What they are, for the report.
    pub fn about(&self) -> String {
        let length: Duration = self.all.iter().map(|clip| clip.said.length()).sum();
        format!(
            "{} recordings of people, {:.0} s in all, each through the same simulated telephone: \
             8 kHz, G.711 mu-law, a gain of -6 to +6 dB from a seed, no noise, nothing lost. \
             Everybody got the same samples, one after the other, on the same machine.",
            self.all.len(),
            length.as_secs_f64(),
        )
    }
}

fn with_silence(samples: &[i16]) -> Vec<i16> {
    let mut samples = samples.to_vec();
    samples.resize(samples.len() + SampleRate::HZ_8000.samples_in(SILENCE_AFTER), 0);
    samples
}

fn write_clip(path: &Path, samples: &[i16]) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    write_wav(BufWriter::new(file), SampleRate::HZ_8000, &with_silence(samples))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use serde_json::Value;

    use super::*;
    use crate::audio::read_wav;

    #[test]
    fn everybody_gets_the_same_samples() {
        let samples = vec![6_000_i16; 8_000];
        let said = Said::new("a.wav", SampleRate::HZ_8000, &samples).expect("speech");
        let recorded = Recorded { said, words: "hello".to_owned(), kind: "request".to_owned() };
        let clips = Clips::write(&[recorded.clone(), recorded], 1).expect("written");
        let list = std::fs::read_to_string(clips.list()).expect("readable");
        let list: Value = serde_json::from_str(&list).expect("JSON");
        assert_eq!(list[1]["words"], "hello");
        let voiced_s = list[1]["voiced_s"].as_f64().expect("a number");
        assert!((voiced_s - 1.0).abs() < 1e-9, "{voiced_s}");
        let path = clips.folder().join(list[1]["path"].as_str().expect("a path"));
        let file = BufReader::new(File::open(path).expect("there"));
        let (rate, heard) = read_wav(file).expect("a WAV file");
        assert_eq!((rate, heard.len()), (SampleRate::HZ_8000, 8_000 + 2_400));
        assert_eq!(heard[..8_000], *clips.all[1].said.samples());
        assert_eq!(clips.at_16k(1).len(), 2 * heard.len());
        assert_ne!(clips.all[0].said.samples(), clips.all[1].said.samples(), "the gain differs");
    }
}
