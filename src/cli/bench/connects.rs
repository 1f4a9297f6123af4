//! `frontdoor bench connects`: how often, and how fast, a browser's call comes about. Both sides are in this
//! process, over loopback; what is tried is the way from an offer to encrypted audio, and nothing else.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::load::{Failures, words_of};
use crate::audio::SampleRate;
use crate::cli::eval::{percentile, progress_bar, write_json};
use crate::cli::table::write_table;
use crate::net::media_session::MediaSession;
use crate::net::webrtc::{DtlsRole, WebLeg, WebLegEvent, WebRtc, WebRtcConfig};

/// How long a connect may take; on one machine it is a matter of milliseconds.
const CONNECT_LIMIT_S: u64 = 15;

/// How long audio may take that was sent.
const AUDIO_LIMIT: Duration = Duration::from_secs(3);

/// Packets of audio of which one must come: 100 ms.
const FRAMES: usize = 5;

/// Arguments of `frontdoor bench connects`.
#[derive(Debug, Args)]
pub(super) struct ConnectsArgs {
    /// Connects in each role
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connects: u32,
    /// Connects under way at once; a real server is asked for fewer
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=400))]
    at_once: u16,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// All connects in one role.
#[derive(Debug, Clone, Serialize)]
struct Figures {
    /// Ours in the handshake for the keys.
    role: &'static str,
    connects: u32,
    failed: Failures,
    /// From the offer to audio that can flow, at both ends.
    connected_ms_p50: u64,
    connected_ms_p95: u64,
    connected_ms_max: u64,
}

/// Why a connect failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("could not be set up: {0}")]
    Setup(String),
    #[error("did not connect at the {0} side within {CONNECT_LIMIT_S} s")]
    NotConnected(&'static str),
    #[error("connected, but no audio came to the {0} side")]
    Silent(&'static str),
}

/// Measures, prints and judges: calls are answered in the passive role, in which none may fail.
pub(super) async fn run(args: ConnectsArgs) -> anyhow::Result<()> {
    let passive = measure(&args, DtlsRole::Passive).await?;
    let active = measure(&args, DtlsRole::Active).await?;
    let failed: u64 = passive.failed.values().sum();
    let all = [passive, active];
    print(&mut std::io::stdout(), &all)?;
    if let Some(path) = &args.json {
        write_json(path, &all)?;
    }
    if failed > 0 {
        bail!("{failed} connect(s) failed in the role that calls are answered in");
    }
    Ok(())
}

const fn words(role: DtlsRole) -> &'static str {
    match role {
        DtlsRole::Passive => "passive",
        DtlsRole::Active => "active",
    }
}

fn webrtc() -> WebRtc {
    WebRtc::new(&WebRtcConfig {
        listen: vec![IpAddr::from([127, 0, 0, 1])],
        udp_port_min: 20_000,
        udp_port_max: 29_999,
        advertise_ip: None,
        stun: Vec::new(),
        turn: Vec::new(),
        connect_timeout_s: CONNECT_LIMIT_S,
    })
}

async fn measure(args: &ConnectsArgs, role: DtlsRole) -> anyhow::Result<Figures> {
    let bar = progress_bar(args.connects as usize, words(role));
    let (mut failed, mut connected_ms) = (Failures::new(), Vec::new());
    let mut under_way = JoinSet::new();
    let mut left = args.connects;
    loop {
        while left > 0 && under_way.len() < usize::from(args.at_once) {
            under_way.spawn(connect(webrtc(), role));
            left -= 1;
        }
        let Some(ended) = under_way.join_next().await else { break };
        bar.inc(1);
        match ended? {
            Ok(took) => connected_ms.push(took.as_millis() as u64),
            Err(failure) => *failed.entry(failure.to_string()).or_default() += 1,
        }
    }
    bar.finish_and_clear();
    connected_ms.sort_unstable();
    Ok(Figures {
        role: words(role),
        connects: args.connects,
        failed,
        connected_ms_p50: percentile(&connected_ms, 50),
        connected_ms_p95: percentile(&connected_ms, 95),
        connected_ms_max: connected_ms.last().copied().unwrap_or(0),
    })
}

/// One call, ended as soon as audio has come both ways; gives how long it took until both sides were connected.
async fn connect(webrtc: WebRtc, role: DtlsRole) -> Result<Duration, Failure> {
    let setup = |error: crate::net::webrtc::WebRtcError| Failure::Setup(error.to_string());
    let offering = webrtc.offer().await.map_err(setup)?;
    let began = Instant::now();
    let mut ours = webrtc.answering_as(role).answer(&offering.sdp).await.map_err(setup)?;
    let mut theirs = offering.accept(&ours.sdp).await.map_err(setup)?;
    until_connected(&mut ours.leg, "answering").await?;
    until_connected(&mut theirs.leg, "calling").await?;
    let took = began.elapsed();
    until_heard(&mut theirs.media, &mut ours.media, "answering").await?;
    until_heard(&mut ours.media, &mut theirs.media, "calling").await?;
    theirs.leg.hang_up().await;
    ours.leg.hang_up().await;
    Ok(took)
}

async fn until_connected(leg: &mut WebLeg, side: &'static str) -> Result<(), Failure> {
    match leg.next_event().await {
        Some(WebLegEvent::Connected) => Ok(()),
        Some(WebLegEvent::Ended { .. }) | None => Err(Failure::NotConnected(side)),
    }
}

async fn until_heard(
    from: &mut MediaSession,
    to: &mut MediaSession,
    side: &'static str,
) -> Result<(), Failure> {
    let rate = SampleRate::HZ_16000;
    let frame = vec![1_000; rate.samples_in(Duration::from_millis(20))];
    for _ in 0..FRAMES {
        from.send(&frame, rate).await.map_err(|error| Failure::Setup(error.to_string()))?;
    }
    let heard = timeout(AUDIO_LIMIT, async { while !matches!(to.recv().await, Ok(true)) {} });
    heard.await.map_err(|_| Failure::Silent(side))
}

fn print(out: &mut impl Write, all: &[Figures]) -> anyhow::Result<()> {
    let row = |figures: &Figures| {
        vec![
            figures.role.to_owned(),
            figures.connects.to_string(),
            figures.failed.values().sum::<u64>().to_string(),
            figures.connected_ms_p50.to_string(),
            figures.connected_ms_p95.to_string(),
            figures.connected_ms_max.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let columns = ["role in dtls", "connects", "failed", "connected after ms p50", "p95", "max"];
    write_table(out, &columns, &rows)?;
    for figures in all.iter().filter(|figures| !figures.failed.is_empty()) {
        writeln!(out, "{}: {}", figures.role, words_of(&figures.failed))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_beside_the_times_and_named_below() {
        let figures = |role, failed: &[(&str, u64)]| Figures {
            role,
            connects: 200,
            failed: failed.iter().map(|(why, count)| ((*why).to_owned(), *count)).collect(),
            connected_ms_p50: 12,
            connected_ms_p95: 30,
            connected_ms_max: 44,
        };
        let all = [figures("passive", &[]), figures("active", &[("did not connect", 3)])];
        let mut out = Vec::new();
        print(&mut out, &all).expect("writes to memory");
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with("ROLE IN DTLS  CONNECTS  FAILED"), "{text}");
        assert!(text.contains("active        200       3"), "{text}");
        assert!(text.ends_with("active: 3 did not connect\n"), "{text}");
    }
}
