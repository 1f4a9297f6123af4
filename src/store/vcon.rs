//! The record of a call as a vCon.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha512};

use crate::acd::handoff::HandoffLine;
use crate::acd::vcon::{VconCall, VconRecording};

use super::CallRecord;

/// What a vCon of this call is made from. The recording is named by its address where others can
/// have it: at the pages' own, over TLS.
pub async fn vcon_of(record: CallRecord, public_url: Option<&str>, made_at: Timestamp) -> VconCall {
    let summary = record.summary;
    let public_url = public_url.filter(|url| url.starts_with("https://"));
    let recording = match (summary.recording, public_url) {
        (Some(path), Some(public_url)) => {
            let url = format!("{public_url}/api/ops/calls/{}/recording", summary.id);
            recording_at(PathBuf::from(path), url).await
        }
        _ => None,
    };
    let agents = record.transfers.into_iter().rev();
    let agent = agents.filter(|taken| taken.outcome == "succeeded").find_map(|taken| taken.agent);
    let lines = record.lines.into_iter().map(|line| HandoffLine {
        at_ms: line.at_ms,
        speaker: line.speaker,
        text: line.text.into_inner(),
    });
    VconCall {
        call: summary.id,
        answered_at: summary.answered_at.unwrap_or(summary.started_at),
        made_at,
        caller: summary.caller,
        called: summary.called,
        agent,
        lines: lines.collect(),
        recording,
        handoffs: record.handoffs.into_iter().map(|handoff| handoff.document).collect(),
    }
}

/// One that cannot be read is left out.
async fn recording_at(path: PathBuf, url: String) -> Option<VconRecording> {
    let shown = path.display().to_string();
    let described = tokio::task::spawn_blocking(move || describe(&path, url)).await;
    match described {
        Ok(Ok(recording)) => Some(recording),
        Ok(Err(error)) => {
            tracing::warn!(%error, path = shown, "a recording is left out of a vCon");
            None
        }
        Err(error) => {
            tracing::error!(%error, path = shown, "describing a recording failed");
            None
        }
    }
}

fn describe(path: &Path, url: String) -> io::Result<VconRecording> {
    let mut hash = Sha512::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    let wav = hound::WavReader::open(path).map_err(io::Error::other)?;
    let duration_s = f64::from(wav.duration()) / f64::from(wav.spec().sample_rate.max(1));
    let filename = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let content_hash = format!("sha512-{}", URL_SAFE_NO_PAD.encode(hash.finalize()));
    Ok(VconRecording { url, filename, content_hash, duration_s })
}

#[cfg(test)]
mod tests {
    use super::super::reports::tests::five_calls;
    use super::*;
    use crate::acd::vcon::vcon;
    use crate::base::CallId;

    #[tokio::test]
    async fn a_record_becomes_a_vcon_and_its_recording_a_reference() {
        let (folder, store) = five_calls().await;
        let mut record = store.call(CallId::from_u128(4)).await.expect("is kept");
        let path = folder.path().join("4.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&path, spec).expect("is made");
        for _ in 0..8_000 {
            wav.write_sample(0_i16).expect("is written");
        }
        wav.finalize().expect("is finished");
        record.summary.recording = Some(path.display().to_string());
        let made_at = record.summary.started_at;
        for (public_url, is_named) in [
            (Some("https://calls.example"), true),
            (Some("http://127.0.0.1:9090"), false),
            (None, false),
        ] {
            let call = vcon_of(record.clone(), public_url, made_at).await;
            assert_eq!(call.recording.is_some(), is_named, "{public_url:?}");
            if let Some(recording) = &call.recording {
                assert_eq!(recording.duration_s, 0.5);
                assert!(recording.url.ends_with("0004/recording"), "{}", recording.url);
                // 64 bytes in Base64 without padding.
                assert_eq!(recording.content_hash.len(), "sha512-".len() + 86);
            }
            let whole = serde_json::to_value(vcon(call)).expect("JSON");
            assert_eq!(whole["dialog"][0]["body"], "I want to return it");
            assert_eq!(whole["attachments"].as_array().map(Vec::len), Some(1));
        }
        record.summary.recording = Some("/nowhere/4.wav".to_owned());
        let call = vcon_of(record, Some("https://calls.example"), made_at).await;
        assert!(call.recording.is_none());
    }
}
