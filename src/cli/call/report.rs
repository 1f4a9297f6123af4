//! Shows both sides as they happen, and sums up.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::audio::{SampleRate, resample_whole};
use crate::base::{CallId, UtteranceId};
use crate::engine::hearing::{Hearing, HearingRequest};

use super::line::Heard;
use super::steps::Step;

/// One line of the call.
#[derive(Debug, Serialize)]
struct Turn {
    at_ms: u64,
    speaker: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
}

/// The call as it went.
pub(super) struct Report {
    hearing: Option<Hearing>,
    /// Of what is heard.
    rate: SampleRate,
    turns: Vec<Turn>,
}

impl Report {
    pub fn new(hearing: Option<Hearing>, rate: SampleRate) -> Self {
        Self { hearing, rate, turns: Vec::new() }
    }

    /// We begin to speak.
    pub fn our_turn(&mut self, at: Duration, step: &Step) {
        let text = step.label();
        println!("{:>9.1} s  >> {text}", at.as_secs_f32());
        let at_ms = at.as_millis() as u64;
        self.turns.push(Turn { at_ms, speaker: "caller", text, latency_ms: None });
    }

    /// The other side has spoken, or has not.
    pub async fn their_turn(&mut self, heard: Heard) -> anyhow::Result<()> {
        let Some(began) = heard.began else {
            println!("             << (nothing)");
            return Ok(());
        };
        let text = self.transcribe(&heard.samples).await?;
        let latency_ms = heard.latency.map(|latency| latency.as_millis() as u64);
        let after = latency_ms.map_or_else(String::new, |ms| format!("   (after {ms} ms)"));
        println!("{:>9.1} s  << {text}{after}", began.as_secs_f32());
        let at_ms = began.as_millis() as u64;
        self.turns.push(Turn { at_ms, speaker: "frontdoor", text, latency_ms });
        Ok(())
    }

    async fn transcribe(&self, samples: &[i16]) -> anyhow::Result<String> {
        let Some(hearing) = &self.hearing else {
            let seconds = self.rate.duration_of(samples.len()).as_secs_f32();
            return Ok(format!("[{seconds:.1} s of speech]"));
        };
        let samples_16k = resample_whole(samples, self.rate, SampleRate::HZ_16000);
        let utterance = UtteranceId(self.turns.len() as u32);
        let request = HearingRequest::new(CallId::from_u128(0), utterance, samples_16k);
        Ok(hearing.transcribe(request).await?.text.into_inner())
    }

    /// The latencies of all turns that were answered.
    pub fn print_summary(&self) {
        let mut latencies: Vec<u64> = self.turns.iter().filter_map(|t| t.latency_ms).collect();
        latencies.sort_unstable();
        if latencies.is_empty() {
            return;
        }
        let at = |share: f64| {
            let index = ((latencies.len() as f64 * share).ceil() as usize).max(1) - 1;
            latencies[index.min(latencies.len() - 1)]
        };
        println!(
            "response latency over {} turns, on the wire: p50 {} ms, p95 {} ms, longest {} ms",
            latencies.len(),
            at(0.5),
            at(0.95),
            at(1.0)
        );
    }

    pub fn write_json(&self, path: &Path) -> anyhow::Result<()> {
        let file = std::fs::File::create(path)?;
        serde_json::to_writer_pretty(file, &self.turns)?;
        Ok(())
    }
}
