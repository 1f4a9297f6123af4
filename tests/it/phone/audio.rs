//! Recordings in and out of the telephones.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdoor::audio::{Law, SampleRate, level_dbfs, read_wav, resample_whole, write_wav};
use frontdoor::base::{CallId, UtteranceId};
use frontdoor::engine::hearing::{Hearing, HearingConfig, HearingRequest};
use frontdoor::engine::models::{ModelStore, resolve_whisper};

use super::front_door::root;

/// A second of silence at 8 kHz.
pub(super) const SECOND: [i16; 8_000] = [0; 8_000];

/// A human recording from the fixtures.
pub(super) fn recording(name: &str) -> PathBuf {
    root().join("tests/fixtures/audio/calls").join(name)
}

/// A recording at 8 kHz.
pub(super) fn samples(path: &Path) -> Vec<i16> {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (rate, samples) = read_wav(BufReader::new(file)).expect("a recording");
    resample_whole(&samples, rate, SampleRate::HZ_8000)
}

/// Recordings one after the other, each behind so much silence, with 60 s of silence at the end:
/// for telephones that play one file from the answer on.
pub(super) fn timeline(parts: &[(Duration, &str)]) -> Vec<i16> {
    let mut line = Vec::new();
    for (silence, name) in parts {
        line.resize(line.len() + SampleRate::HZ_8000.samples_in(*silence), 0);
        line.extend(samples(&recording(name)));
    }
    line.resize(line.len() + SampleRate::HZ_8000.samples_in(Duration::from_secs(60)), 0);
    line
}

/// Writes 16-bit mono at 8 kHz.
pub(super) fn write(path: &Path, samples: &[i16]) {
    let file = BufWriter::new(File::create(path).expect("writable"));
    write_wav(file, SampleRate::HZ_8000, samples).expect("written");
}

/// The same at the rate that a telephone wants.
pub(super) fn write_at(path: &Path, samples: &[i16], rate: SampleRate) {
    let file = BufWriter::new(File::create(path).expect("writable"));
    let samples = resample_whole(samples, SampleRate::HZ_8000, rate);
    write_wav(file, rate, &samples).expect("written");
}

/// Writes bare mu-law, as packets carry it.
pub(super) fn write_ulaw(path: &Path, samples: &[i16]) {
    std::fs::write(path, Law::Mu.encode(samples)).expect("written");
}

/// How long the longest sound lasts that pauses for no more than 300 ms: music goes on, people breathe.
pub(super) fn longest_sound(samples: &[i16]) -> Duration {
    const FRAME: usize = 800;
    const LOUD_DBFS: f32 = -52.0;
    const PAUSE_FRAMES_MAX: usize = 3;
    let (mut longest, mut began, mut pause) = (0, None, 0);
    for (nth, frame) in samples.chunks_exact(FRAME).enumerate() {
        if level_dbfs(frame) > LOUD_DBFS {
            let began = *began.get_or_insert(nth);
            longest = longest.max(nth + 1 - began);
            pause = 0;
        } else {
            pause += 1;
            if pause > PAUSE_FRAMES_MAX {
                began = None;
            }
        }
    }
    SampleRate::HZ_8000.duration_of(longest * FRAME)
}

/// What is said in a recording, by a recogniser of the test's own, in lower case. Long recordings
/// are heard in the pieces that their pauses make.
pub(super) fn words_in(samples: &[i16]) -> String {
    const PIECE: usize = 8_000 * 12;
    let store = ModelStore::open(None).expect("a model cache");
    let model = resolve_whisper(&store, "tiny.en").expect("the model is there");
    let hearing = Hearing::start(HearingConfig::new(model)).expect("the recogniser starts");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut words = Vec::new();
    for (piece, part) in pieces(samples, PIECE).into_iter().enumerate() {
        let samples_16k = resample_whole(part, SampleRate::HZ_8000, SampleRate::HZ_16000);
        let utterance = UtteranceId(piece as u32);
        let request = HearingRequest::new(CallId::from_u128(1), utterance, samples_16k);
        let heard = runtime.block_on(hearing.transcribe(request)).expect("heard");
        words.push(heard.text.into_inner());
    }
    words.join(" ").to_lowercase()
}

/// Cuts at the quietest place near every `length` samples.
fn pieces(samples: &[i16], length: usize) -> Vec<&[i16]> {
    const FRAME: usize = 800;
    let mut rest = samples;
    let mut cut = Vec::new();
    while rest.len() > length {
        let loudness = |at: &usize| {
            rest[*at..at + FRAME].iter().map(|s| u64::from(s.unsigned_abs())).sum::<u64>()
        };
        let quietest = (length / 2..length - FRAME).step_by(FRAME).min_by_key(loudness);
        let (piece, after) = rest.split_at(quietest.unwrap_or(length));
        cut.push(piece);
        rest = after;
    }
    cut.push(rest);
    cut
}
