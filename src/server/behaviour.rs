//! How calls behave under a configuration.

use std::time::Duration;

use crate::call::{CallSettings, PatienceConfig};
use crate::config::{BargeInTimes, Config};
use crate::speech::{BargeInConfig, EndpointerConfig};

/// Pause between keys that ends the keying.
const INTER_DIGIT: Duration = Duration::from_secs(3);

/// How long callers who pause are waited for under this configuration.
pub fn patience(config: &Config) -> PatienceConfig {
    let turns = &config.turns;
    PatienceConfig {
        silence_min: Duration::from_millis(turns.silence_min_ms),
        complete: Duration::from_millis(turns.complete_ms),
        likely: Duration::from_millis(turns.likely_ms),
        open: Duration::from_millis(turns.open_ms),
        unfinished: Duration::from_millis(turns.unfinished_ms),
        value_gap: Duration::from_millis(turns.value_gap_ms),
        hold_on: Duration::from_millis(turns.hold_on_ms),
        unheard: Duration::from_millis(config.hearing.endpoint_silence_ms),
        unheard_patient: Duration::from_millis(config.hearing.patient_silence_ms),
        pace_percent: turns.pace_percent,
        end_likely: turns.end_likely,
        end_unlikely: turns.end_unlikely,
    }
}

fn barge_in(times: BargeInTimes) -> BargeInConfig {
    BargeInConfig {
        duck_after: Duration::from_millis(times.duck_ms),
        duck_db: times.duck_db as f32,
        hold_after: Duration::from_millis(times.hold_ms),
        commit_after: Duration::from_millis(times.commit_ms),
        hold_max: Duration::from_millis(times.hold_max_ms),
    }
}

/// How a call behaves under this configuration.
pub fn call_settings(config: &Config) -> CallSettings {
    CallSettings {
        endpointer: EndpointerConfig {
            threshold: config.hearing.vad_threshold,
            silence_ms: config.hearing.endpoint_silence_ms,
            utterance_max_ms: config.hearing.utterance_max_s * 1_000,
            ..EndpointerConfig::default()
        },
        patience: patience(config),
        judges_end: config.turns.end_model.is_some(),
        barge_in: barge_in(config.turns.barge_in),
        no_input: Duration::from_millis(config.conversation.no_input_timeout_ms),
        inter_digit: INTER_DIGIT,
    }
}
