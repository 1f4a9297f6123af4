//! Shows both sides as they happen, and sums up.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::audio::{SampleRate, resample_whole};
use crate::base::{CallId, UtteranceId};
use crate::engine::hearing::{Hearing, HearingRequest};
use crate::nlu::{Awaited, Completeness, completeness};

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

/// Whether what the other side has said is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TheirTurn {
    Over,
    /// They have asked for a moment: more comes.
    GoesOn,
}

/// Whether these words only say that it takes a while.
fn asks_for_a_moment(text: &str) -> bool {
    let text = text.to_lowercase();
    let says = |words: &str| text.contains(words);
    let is_short = text.split_whitespace().count() <= 10;
    is_short
        && (completeness(&text, Awaited::Request) == Completeness::HoldOn
            || says("just a second")
            || says("one moment")
            || says("let me look")
            || says("i'm still"))
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
    pub async fn their_turn(&mut self, heard: Heard) -> anyhow::Result<TheirTurn> {
        let Some(began) = heard.began else {
            println!("             << (nothing)");
            return Ok(TheirTurn::Over);
        };
        let text = self.transcribe(&heard.samples).await?;
        let latency_ms = heard.latency.map(|latency| latency.as_millis() as u64);
        let after = latency_ms.map_or_else(String::new, |ms| format!("   (after {ms} ms)"));
        println!("{:>9.1} s  << {text}{after}", began.as_secs_f32());
        let at_ms = began.as_millis() as u64;
        let turn = if asks_for_a_moment(&text) { TheirTurn::GoesOn } else { TheirTurn::Over };
        self.turns.push(Turn { at_ms, speaker: "frontdoor", text, latency_ms });
        Ok(turn)
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

#[cfg(test)]
mod tests {
    use super::asks_for_a_moment;

    #[test]
    fn who_only_asks_for_a_moment_has_not_finished() {
        for words in ["Just a second.", "One moment, please.", "Let me look.", "I'm still at it."] {
            assert!(asks_for_a_moment(words), "{words}");
        }
        for words in [
            "Your balance is $12.",
            "One moment, please. I'll see if our card team can take your call.",
        ] {
            assert!(!asks_for_a_moment(words), "{words}");
        }
    }
}
