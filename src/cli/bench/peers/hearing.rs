//! Our own recogniser, and whisper.cpp as it comes.

use std::time::Instant;

use anyhow::Context;
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters};

use super::clips::Clips;
use super::told::{HeardClip, Hearer};
use crate::base::{CallId, UtteranceId};
use crate::cli::eval::cpu::CpuClock;
use crate::cli::eval::progress_bar;
use crate::engine::hearing::{Hearing, HearingConfig, HearingRequest};
use crate::engine::models::{ModelStore, resolve_whisper};

/// Best of so many at temperatures above 0: what whisper.cpp has by default.
const BEST_OF: i32 = 5;

/// Threads that whisper.cpp takes at most by default.
const THREADS_MAX: usize = 4;

/// Ours on one thread, as where other calls are heard too, and on as many as others take; then
/// whisper.cpp. All with a model of our store.
pub(super) async fn ours_and_whisper_cpp(
    model: &str,
    clips: &Clips,
) -> anyhow::Result<Vec<Hearer>> {
    let path = resolve_whisper(&ModelStore::open(None)?, model)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let mut hearers = Vec::new();
    for threads_per_decode in if threads > 1 { vec![1, threads] } else { vec![1] } {
        let config = HearingConfig { threads_per_decode, ..HearingConfig::new(path.clone()) };
        let hearing = Hearing::start(config)?;
        hearers.push(ours(&hearing, threads_per_decode, model, clips).await?);
    }
    let inputs: Vec<Vec<i16>> = (0..clips.all.len()).map(|nth| clips.at_16k(nth)).collect();
    let name = model.to_owned();
    let plain = tokio::task::spawn_blocking(move || {
        whisper_cpp(&path.to_string_lossy(), threads, &name, &inputs)
    });
    hearers.push(plain.await??);
    Ok(hearers)
}

async fn ours(
    hearing: &Hearing,
    threads: usize,
    model: &str,
    clips: &Clips,
) -> anyhow::Result<Hearer> {
    let bar = progress_bar(clips.all.len(), "ours");
    let mut heard = Vec::new();
    // The first is heard once before, which is not counted: everybody is warm then.
    for nth in std::iter::once(0).chain(0..clips.all.len()) {
        let (call, utterance) = (CallId::from_u128(0), UtteranceId(nth as u32));
        let request = HearingRequest::new(call, utterance, clips.at_16k(nth));
        let (began, cpu) = (Instant::now(), CpuClock::start());
        let transcript = hearing.transcribe(request).await?;
        heard.push(HeardClip {
            wall_s: began.elapsed().as_secs_f64(),
            cpu_s: cpu.elapsed_s(),
            text: transcript.text.into_inner(),
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    heard.remove(0);
    let name = format!("frontdoor, threads: {threads}");
    Ok(Hearer { name, model: model.to_owned(), clips: heard })
}

/// All of its defaults but the language, which is told to everybody, and what it prints.
fn whisper_cpp(
    path: &str,
    threads: usize,
    model: &str,
    inputs: &[Vec<i16>],
) -> anyhow::Result<Hearer> {
    let context = WhisperContext::new_with_params(path, WhisperContextParameters::default())
        .with_context(|| format!("whisper.cpp cannot load {path}"))?;
    let mut state = context.create_state()?;
    let bar = progress_bar(inputs.len(), "whisper.cpp");
    let mut heard = Vec::new();
    for samples in inputs.first().into_iter().chain(inputs) {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: BEST_OF });
        params.set_language(Some("en"));
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_special(false);
        params.set_print_timestamps(false);
        let audio: Vec<f32> = samples.iter().map(|&one| f32::from(one) / 32_768.0).collect();
        let (began, cpu) = (Instant::now(), CpuClock::start());
        state.full(params, &audio)?;
        let mut text = String::new();
        for segment in state.as_iter() {
            text += &segment.to_str_lossy()?;
        }
        let text = text.trim().to_owned();
        let wall_s = began.elapsed().as_secs_f64();
        heard.push(HeardClip { text, wall_s, cpu_s: cpu.elapsed_s() });
        bar.inc(1);
    }
    bar.finish_and_clear();
    heard.remove(0);
    let name = format!("whisper.cpp as it comes, threads: {threads}");
    Ok(Hearer { name, model: model.to_owned(), clips: heard })
}
