//! Voices that are not the product's own, so that it does not listen to itself: other people's
//! programs, whose sound is kept beside the models.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::super::channel::read;
use crate::audio::{Random, SampleRate, resample_whole, write_wav};

/// Who calls where nobody says who.
const USUAL_VOICES: [&str; 3] = ["slt", "rms", "awb"];

/// The voices that come with flite. It speaks with another where it does not know the name, and
/// says nothing about it.
const FLITE_VOICES: [&str; 5] = ["slt", "rms", "awb", "kal16", "kal"];

/// Before the name of a voice of espeak-ng.
const ESPEAK_PREFIX: &str = "espeak-ng:";

/// Words a minute of espeak-ng; its own 175 are faster than people speak on a telephone.
const ESPEAK_SPEED: &str = "150";

/// Goes into the names of kept sounds: another number, and all are made anew.
const SOUND_VERSION: &str = "1";

/// Said by every voice before the first call, to find out whether it can.
const TRIAL: &str = "hello";

/// A program that speaks. Its Debian package has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Flite,
    Espeak,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Flite => "flite",
            Self::Espeak => "espeak-ng",
        }
    }
}

/// A synthetic voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    program: Program,
    /// As the program calls it.
    name: String,
}

impl fmt::Display for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program {
            Program::Flite => f.write_str(&self.name),
            Program::Espeak => write!(f, "{ESPEAK_PREFIX}{}", self.name),
        }
    }
}

impl Voice {
    /// `slt` is a voice of flite, `espeak-ng:en-gb+f3` one of espeak-ng.
    ///
    /// # Errors
    /// There is no such voice; those that are known are named.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        if let Some(name) = text.strip_prefix(ESPEAK_PREFIX).filter(|name| !name.is_empty()) {
            return Ok(Self { program: Program::Espeak, name: name.to_owned() });
        }
        if FLITE_VOICES.contains(&text) {
            return Ok(Self { program: Program::Flite, name: text.to_owned() });
        }
        bail!(
            "there is no voice \"{text}\": use {} (flite), or {ESPEAK_PREFIX} and a name from \
             `espeak-ng --voices=en`, such as {ESPEAK_PREFIX}en-gb+f3",
            FLITE_VOICES.join(", ")
        )
    }

    /// Has a text spoken into a file.
    fn speak(&self, text: &Path, sound: &Path) -> anyhow::Result<()> {
        let program = self.program.name();
        let mut command = Command::new(program);
        match self.program {
            Program::Flite => command
                .args(["-voice", self.name.as_str()])
                .arg("-f")
                .arg(text)
                .arg("-o")
                .arg(sound),
            Program::Espeak => command
                .args(["-v", self.name.as_str(), "-s", ESPEAK_SPEED])
                .arg("-f")
                .arg(text)
                .arg("-w")
                .arg(sound),
        };
        let output = match command.stdin(Stdio::null()).output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "the voice {self} needs the program {program}, which is not installed. Fix: \
                 apt-get install {program}, or name other voices with --voices"
            ),
            Err(error) => bail!("cannot run {program}: {error}"),
        };
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("{program} cannot speak with the voice {self}: {}", complaint.trim());
        }
        Ok(())
    }
}

/// The voices that call, and the sounds they have made so far.
pub struct Callers {
    voices: Vec<Voice>,
    kept: PathBuf,
}

impl Callers {
    /// Voices by their names, the usual ones if none is named. Each says a word, so that a missing
    /// program stops the first call and not the last.
    ///
    /// # Errors
    /// A voice or its program is missing, or sounds cannot be kept in the folder.
    pub fn gather(names: &[String], kept: PathBuf) -> anyhow::Result<Self> {
        let voices = if names.is_empty() {
            USUAL_VOICES.iter().map(|name| Voice::parse(name)).collect::<Result<Vec<_>, _>>()?
        } else {
            names.iter().map(|name| Voice::parse(name.trim())).collect::<Result<Vec<_>, _>>()?
        };
        std::fs::create_dir_all(&kept)
            .with_context(|| format!("cannot make the folder {}", kept.display()))?;
        let callers = Self { voices, kept };
        for voice in &callers.voices {
            callers.say(voice, TRIAL)?;
        }
        Ok(callers)
    }

    /// One of the voices.
    pub fn pick(&self, random: &mut Random) -> &Voice {
        let count = self.voices.len() as u64;
        &self.voices[(random.next_u64() % count) as usize]
    }

    /// Words as this voice says them, at 8 kHz. What it has said before is not made again.
    ///
    /// # Errors
    /// The voice's program is missing or fails, or its sound cannot be kept.
    pub fn say(&self, voice: &Voice, words: &str) -> anyhow::Result<Vec<i16>> {
        let place = self.kept.join(file_name(voice, words));
        if place.is_file()
            && let Ok((rate, samples)) = read(&place)
            && rate == SampleRate::HZ_8000
        {
            return Ok(samples);
        }
        // Beside its place, so that it can be moved there whole.
        let folder = tempfile::Builder::new().prefix("speaking-").tempdir_in(&self.kept)?;
        let (text, sound) = (folder.path().join("text.txt"), folder.path().join("sound.wav"));
        std::fs::write(&text, format!("{words}\n"))?;
        voice.speak(&text, &sound)?;
        let (rate, samples) =
            read(&sound).with_context(|| format!("the voice {voice} gave no usable sound"))?;
        let samples = resample_whole(&samples, rate, SampleRate::HZ_8000);
        let whole = folder.path().join("whole.wav");
        write_wav(BufWriter::new(File::create(&whole)?), SampleRate::HZ_8000, &samples)?;
        std::fs::rename(&whole, &place)
            .with_context(|| format!("cannot keep the sound {}", place.display()))?;
        Ok(samples)
    }
}

fn file_name(voice: &Voice, words: &str) -> String {
    let hash = Sha256::new()
        .chain_update(SOUND_VERSION)
        .chain_update([0_u8])
        .chain_update(voice.to_string())
        .chain_update([0_u8])
        .chain_update(words)
        .finalize();
    let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    name + ".wav"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voices_are_known_by_their_names() {
        for name in USUAL_VOICES {
            assert_eq!(Voice::parse(name).expect(name).to_string(), name);
        }
        for name in ["", "joe", "espeak-ng:", "espeak-ng"] {
            let error = Voice::parse(name).expect_err(name).to_string();
            assert!(error.contains("slt, rms") && error.contains("espeak-ng --voices"), "{error}");
        }
    }

    #[test]
    fn a_kept_sound_belongs_to_its_voice_and_words() {
        let [slt, rms] = ["slt", "rms"].map(|name| Voice::parse(name).expect("a voice"));
        let name = file_name(&slt, "hello");
        assert_eq!(name, file_name(&slt, "hello"));
        assert_ne!(name, file_name(&rms, "hello"));
        assert_ne!(name, file_name(&slt, "hello there"));
        assert!(name.ends_with(".wav") && name.len() == 64 + 4, "{name}");
    }

    #[test]
    fn what_was_said_before_needs_no_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let voice = Voice::parse("slt").expect("a voice");
        let callers = Callers { voices: vec![voice.clone()], kept: folder.path().to_owned() };
        let samples: Vec<i16> = (0..800).collect();
        let file = File::create(folder.path().join(file_name(&voice, "hi"))).expect("made");
        write_wav(BufWriter::new(file), SampleRate::HZ_8000, &samples).expect("written");
        assert_eq!(callers.say(&voice, "hi").expect("kept"), samples);
        assert_eq!(callers.pick(&mut Random::new(9)), &voice);
    }
}
