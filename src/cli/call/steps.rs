//! What we say or press, ready to be sent.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::audio::{SampleRate, read_wav, resample_whole};

/// A turn of ours as given on the command line.
#[derive(Debug, Clone)]
pub(super) enum StepKind {
    File(PathBuf),
    Keys(String),
    Text(String),
}

/// A turn of ours, loaded.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Speech at the rate of the call's codec, with what to call it.
    Speech { label: String, samples: Vec<i16> },
    /// Keys.
    Keys(String),
}

impl Step {
    /// Reads the recording, speaks the text, or checks the keys.
    pub fn load(kind: StepKind, voice: &str, to: SampleRate) -> anyhow::Result<Self> {
        match kind {
            StepKind::File(path) => {
                let file = File::open(&path)
                    .with_context(|| format!("cannot open the recording {}", path.display()))?;
                let (rate, samples) = read_wav(BufReader::new(file))
                    .with_context(|| format!("cannot use the recording {}", path.display()))?;
                let label = path.file_name().unwrap_or(path.as_os_str());
                Ok(Self::Speech {
                    label: format!("[{}]", label.to_string_lossy()),
                    samples: resample_whole(&samples, rate, to),
                })
            }
            StepKind::Keys(keys) => {
                let wrong = keys.chars().find(|key| !"0123456789*#ABCD".contains(*key));
                if let Some(wrong) = wrong {
                    bail!("--keys {keys}: {wrong:?} is no key; use 0-9 * # A-D");
                }
                Ok(Self::Keys(keys))
            }
            StepKind::Text(text) => {
                Ok(Self::Speech { samples: synthesise(voice, &text, to)?, label: text })
            }
        }
    }

    /// What to show for it.
    pub fn label(&self) -> String {
        match self {
            Self::Speech { label, .. } => label.clone(),
            Self::Keys(keys) => format!("[keys {keys}]"),
        }
    }
}

/// Speaks with another program than the product's voice, so that it does not listen to itself.
fn synthesise(voice: &str, text: &str, to: SampleRate) -> anyhow::Result<Vec<i16>> {
    let output = match voice {
        "espeak-ng" => Command::new("espeak-ng").args(["-s", "150", "--stdout", text]).output(),
        "flite" => Command::new("flite").args(["-t", text, "-o", "/dev/stdout"]).output(),
        other => bail!("--voice {other}: use espeak-ng or flite"),
    };
    let output = output
        .with_context(|| format!("cannot run {voice}; install it with: apt-get install {voice}"))?;
    if !output.status.success() {
        bail!("{voice} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut bytes = output.stdout;
    mend_streamed_header(&mut bytes);
    let (rate, samples) =
        read_wav(Cursor::new(bytes)).with_context(|| format!("{voice} gave no usable sound"))?;
    Ok(resample_whole(&samples, rate, to))
}

/// A WAV written to a pipe has lengths that its writer could not know: put the true ones in.
fn mend_streamed_header(bytes: &mut [u8]) {
    const HEADER: usize = 44;
    if bytes.len() < HEADER || &bytes[36..40] != b"data" {
        return;
    }
    let riff = (bytes.len() - 8) as u32;
    let data = (bytes.len() - HEADER) as u32 & !1;
    bytes[4..8].copy_from_slice(&riff.to_le_bytes());
    bytes[40..44].copy_from_slice(&data.to_le_bytes());
}
