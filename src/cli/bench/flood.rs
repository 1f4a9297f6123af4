//! `frontdoor bench flood`: bad datagrams while calls go on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::load::hold;
use super::peer::{Opponent, Peer};
use super::tally::Counts;
use crate::audio::{Codec, Random};
use crate::cli::eval::{percentile, progress_bar, write_json};
use crate::cli::table::write_table;

/// Pause between two good requests.
const PING_EVERY: Duration = Duration::from_millis(100);

/// How often the flood catches up with its plan.
const BURST_EVERY: Duration = Duration::from_millis(1);

/// Where the flood comes from: another address than the calls, as a stranger's would.
const STRANGER: &str = "127.0.0.2:0";

/// Arguments of `frontdoor bench flood`.
#[derive(Debug, Args)]
pub(super) struct FloodArgs {
    /// Bad datagrams a second
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    per_second: u64,
    /// How long the flood lasts, in seconds; as long, nothing bad is sent before it
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Calls that go on meanwhile
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=4000))]
    calls: u16,
    /// Codec of the calls: pcmu, pcma, g722 or opus
    #[arg(long, default_value = "pcmu", value_name = "NAME")]
    codec: Codec,
    /// How much of the calls' audio may be lost or come late, in percent
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT")]
    loss_max: f64,
    /// Where the datagrams are drawn from
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was noticed in one of the two spans of time.
#[derive(Debug, Clone, Serialize)]
struct Span {
    name: &'static str,
    /// Bad datagrams a second that were sent.
    bad_per_second: f64,
    /// What the answering side heard of the calls.
    answering: Counts,
    /// What came back.
    calling: Counts,
    /// Times that good requests (OPTIONS) took to be answered, in microseconds: half of them, 95 %
    /// of them, all of them.
    options_us: [u64; 3],
    /// Good requests that were not answered.
    options_lost: u64,
    /// SIP messages that were counted as malformed.
    malformed: u64,
}

/// Measures, prints and judges.
pub(super) async fn run(args: FloodArgs) -> anyhow::Result<()> {
    let mut peer = Peer::start(&Opponent::Us, args.codec).await?;
    let caller = Arc::new(Caller::bind(&peer.uri, args.codec).await?);
    peer.answers(&caller).await?;
    let bar = progress_bar(usize::from(args.calls), "placing");
    let held = hold(&caller, usize::from(args.calls), &bar).await;
    bar.finish_and_clear();
    let held = held?;
    let length = Duration::from_secs(args.seconds);
    let quiet = span("quiet", &mut peer, &caller, length).await?;
    let targets = targets(&peer.uri, &held.media_addresses)?;
    let stop = CancellationToken::new();
    let flood = tokio::spawn(flood(targets, args.per_second, args.seed, stop.clone()));
    let began = Instant::now();
    let flooded = span("flood", &mut peer, &caller, length).await;
    stop.cancel();
    let sent = flood.await??;
    let mut flooded = flooded?;
    flooded.bad_per_second = sent as f64 / began.elapsed().as_secs_f64();
    let hear = held.end().await?;
    caller.close().await;
    peer.stop().await?;
    print_spans(&[&quiet, &flooded])?;
    println!("the tone came back to the last on {hear} of {} calls", args.calls);
    if let Some(path) = &args.json {
        write_json(path, &[&quiet, &flooded])?;
    }
    judge(&flooded, hear, &args)
}

fn judge(flooded: &Span, hear: usize, args: &FloodArgs) -> anyhow::Result<()> {
    if hear < usize::from(args.calls) {
        bail!("{} calls lost their audio", usize::from(args.calls) - hear);
    }
    let lost = flooded.answering.loss_percent().max(flooded.calling.loss_percent());
    if lost > args.loss_max {
        bail!("the calls lost {lost:.2} % of their audio, more than {} %", args.loss_max);
    }
    if flooded.options_lost > 0 {
        bail!("{} good requests were not answered", flooded.options_lost);
    }
    Ok(())
}

/// Watches the calls for so long, with a good request now and then.
async fn span(
    name: &'static str,
    peer: &mut Peer,
    caller: &Caller,
    length: Duration,
) -> anyhow::Result<Span> {
    let before = (peer.counted().await?.unwrap_or_default(), caller.tally.counts());
    let requests = length.as_millis() / PING_EVERY.as_millis();
    let bar = progress_bar(requests as usize, name);
    let mut ticks = interval(PING_EVERY);
    let (mut took_us, mut options_lost) = (Vec::new(), 0);
    let began = Instant::now();
    while began.elapsed() < length {
        ticks.tick().await;
        match caller.ping().await {
            Ok(pong) => took_us.push(pong.took.as_micros() as u64),
            Err(_) => options_lost += 1,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let after = (peer.counted().await?.unwrap_or_default(), caller.tally.counts());
    took_us.sort_unstable();
    Ok(Span {
        name,
        bad_per_second: 0.0,
        answering: after.0.heard.since(before.0.heard),
        calling: after.1.since(before.1),
        options_us: [50, 95, 100].map(|percent| percentile(&took_us, percent)),
        options_lost,
        malformed: after.0.malformed - before.0.malformed,
    })
}

/// The SIP port as often as all media ports together.
fn targets(uri: &str, media: &[SocketAddr]) -> anyhow::Result<Vec<Target>> {
    let host = uri.rsplit('@').next().unwrap_or(uri);
    let sip: SocketAddr = host.parse().with_context(|| format!("no address in {uri}"))?;
    Ok(media.iter().flat_map(|&address| [Target::Sip(sip), Target::Media(address)]).collect())
}

/// What a bad datagram is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Sip(SocketAddr),
    Media(SocketAddr),
}

/// Sends so many bad datagrams a second until it is stopped; says how many.
async fn flood(
    targets: Vec<Target>,
    per_second: u64,
    seed: u64,
    stop: CancellationToken,
) -> anyhow::Result<u64> {
    let socket = UdpSocket::bind(STRANGER).await.context("cannot send from 127.0.0.2")?;
    let mut random = Random::new(seed);
    let mut ticks = interval(BURST_EVERY);
    let began = Instant::now();
    let mut sent = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(sent),
            _ = ticks.tick() => {}
        }
        let due = (began.elapsed().as_secs_f64() * per_second as f64) as u64;
        while sent < due {
            let target = targets[sent as usize % targets.len()];
            let (datagram, to) = match target {
                Target::Sip(to) => (bad_sip(&mut random), to),
                Target::Media(to) => (bad_rtp(&mut random), to),
            };
            // What does not fit into a socket's buffer is lost, as it would be on the way.
            _ = socket.send_to(&datagram, to).await;
            sent += 1;
        }
    }
}

/// No SIP at all, a request that breaks off, or one whose body is longer than its datagram.
fn bad_sip(random: &mut Random) -> Vec<u8> {
    let noise = octets(random, 20..600);
    match random.next_u64() % 3 {
        0 => noise,
        1 => [&b"INVITE sip:echo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP "[..], &noise[..]].concat(),
        _ => {
            let nonce = random.next_u64();
            format!(
                "INVITE sip:echo@127.0.0.1 SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {STRANGER};branch=z9hG4bK{nonce:x}\r\n\
                 From: <sip:flood@127.0.0.2>;tag={nonce:x}\r\nTo: <sip:echo@127.0.0.1>\r\n\
                 Call-ID: {nonce:x}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\
                 Contact: <sip:flood@127.0.0.2>\r\nContent-Length: 9999\r\n\r\n"
            )
            .into_bytes()
        }
    }
}

/// No RTP at all, or a packet that looks like audio and comes from somebody else.
fn bad_rtp(random: &mut Random) -> Vec<u8> {
    let mut packet = octets(random, 13..300);
    if random.next_u64().is_multiple_of(2) {
        packet[0] = 0x80;
        packet[1] = 0;
    }
    packet
}

fn octets(random: &mut Random, len: std::ops::Range<u64>) -> Vec<u8> {
    let len = len.start + random.next_u64() % (len.end - len.start);
    (0..len).map(|_| random.next_u64() as u8).collect()
}

fn print_spans(spans: &[&Span]) -> anyhow::Result<()> {
    let ms = |us: u64| format!("{:.1}", us as f64 / 1000.0);
    let row = |span: &&Span| {
        vec![
            span.name.to_owned(),
            format!("{:.0}", span.bad_per_second),
            span.malformed.to_string(),
            format!("{:.3} %", span.answering.loss_percent()),
            format!("{} ms", span.answering.concealed_ms),
            format!("{:.3} %", span.calling.loss_percent()),
            format!("{} ms", span.calling.concealed_ms),
            span.options_us.map(ms).join(" / "),
            span.options_lost.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = spans.iter().map(row).collect();
    let columns = [
        "span",
        "bad a second",
        "malformed SIP",
        "lost there",
        "made up there",
        "lost here",
        "made up here",
        "options ms p50 / p95 / longest",
        "unanswered",
    ];
    write_table(&mut std::io::stdout(), &columns, &rows)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_flood_goes_to_the_signalling() {
        let media: [SocketAddr; 2] =
            ["127.0.0.1:40000", "127.0.0.1:40002"].map(|text| text.parse().expect("an address"));
        let targets = targets("sip:echo@127.0.0.1:5060", &media).expect("an address");
        let sip = targets.iter().filter(|target| matches!(target, Target::Sip(_))).count();
        assert_eq!((sip, targets.len()), (2, 4));
        assert!(super::targets("sip:echo@nowhere", &media).is_err());
    }

    #[test]
    fn a_seed_gives_the_same_flood_again_and_none_of_it_is_good() {
        let all = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| (bad_sip(&mut random), bad_rtp(&mut random))).collect::<Vec<_>>()
        };
        assert_eq!(all(3), all(3));
        assert_ne!(all(3), all(4));
        for (sip, rtp) in all(3) {
            assert!(!sip.ends_with(b"\r\n\r\n") || sip.windows(4).any(|part| part == b"9999"));
            assert!((13..300).contains(&rtp.len()));
        }
    }

    #[test]
    fn lost_audio_is_told() {
        let heard = Counts { packets: 97, lost: 3, ..Counts::default() };
        let span = Span {
            name: "flood",
            bad_per_second: 5_000.0,
            answering: heard,
            calling: Counts { packets: 100, ..Counts::default() },
            options_us: [1, 2, 3],
            options_lost: 0,
            malformed: 9,
        };
        let mut args = FloodArgs {
            per_second: 5_000,
            seconds: 1,
            calls: 5,
            codec: Codec::Pcmu,
            loss_max: 1.0,
            seed: 1,
            json: None,
        };
        let error = judge(&span, 5, &args).expect_err("three of a hundred");
        assert_eq!(error.to_string(), "the calls lost 3.00 % of their audio, more than 1 %");
        args.loss_max = 5.0;
        assert!(judge(&span, 5, &args).is_ok());
        assert!(judge(&span, 4, &args).is_err());
    }
}
