//! The answering side: a process of its own that answers every call and sends back what it hears.
//! All of the way of a frame is the server's own but for the conversation and its models.
//!
//! It prints `ready URI`, then a line of JSON for every line on its standard input, and ends when
//! that is closed: it never outlives who started it.

use std::io::Write;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tally::{CallTally, Counts, Tally};
use crate::audio::{Codec, Codecs};
use crate::net::media::MediaPort;
use crate::net::media_session::MediaSession;
use crate::net::sdp::{LocalMedia, answer};
use crate::net::sip::{IncomingCall, LegEvent, SipConfig, SipEndpoint};

/// Length of a frame.
pub(super) const FRAME: Duration = Duration::from_millis(20);

/// Below the ports that systems give out by themselves, and apart from the calling side's.
const RTP_PORTS: RangeInclusive<u16> = 10_000..=19_999;

/// Calls that may wait to be answered: more than a second of them at any rate that is tried.
const INCOMING_LEN_MAX: usize = 2_048;

/// Arguments of the answering side.
#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// Where to listen for SIP over UDP
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The codec to take
    #[arg(long, default_value = "pcmu", value_name = "NAME")]
    codec: Codec,
}

/// What the answering side has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    /// What its calls have heard.
    pub heard: Counts,
    /// SIP dialogs that are open.
    pub dialogs: u64,
    /// SIP messages that came, good and bad.
    pub messages: u64,
    /// The bad ones among them.
    pub malformed: u64,
}

/// Answers until standard input is closed.
pub(super) async fn run(args: AnswerArgs) -> anyhow::Result<()> {
    let (sip, mut incoming) = SipEndpoint::bind(SipConfig {
        udp: vec![args.listen],
        user_agent: concat!("frontdoor-bench/", env!("CARGO_PKG_VERSION")).to_owned(),
        incoming_queue_len_max: INCOMING_LEN_MAX,
        ..SipConfig::default()
    })
    .await?;
    let address = sip.local_addrs().first().map(|(_, address)| *address);
    let address = address.context("nothing is listened on")?;
    println!("ready sip:echo@{address}");
    let tally = Arc::new(Tally::default());
    let stop = CancellationToken::new();
    std::thread::spawn({
        let (sip, tally, stop) = (sip.clone(), Arc::clone(&tally), stop.clone());
        move || {
            // Whatever ends it, nobody is left who could stop us later.
            if let Err(error) = tell_counts(&sip, &tally) {
                tracing::warn!(%error, "the counts cannot be told");
            }
            stop.cancel();
        }
    });
    let (calls, codec) = (TaskTracker::new(), args.codec);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(call) = incoming.recv() => {
                let (tally, stop) = (Arc::clone(&tally), stop.clone());
                calls.spawn(async move {
                    if let Err(error) = echo(call, codec, &tally, stop).await {
                        tracing::warn!(error = format!("{error:#}"), "a call failed");
                    }
                });
            }
        }
    }
    calls.close();
    calls.wait().await;
    sip.shutdown().await;
    Ok(())
}

/// Answers each line of standard input with the counts.
fn tell_counts(sip: &SipEndpoint, tally: &Tally) -> anyhow::Result<()> {
    for line in std::io::stdin().lines() {
        line?;
        let sip = sip.counters();
        let counted = Counted {
            heard: tally.counts(),
            dialogs: sip.dialogs_open,
            messages: sip.received,
            malformed: sip.malformed_total(),
        };
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &counted)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Answers a call and sends back what is heard until it ends.
async fn echo(
    call: IncomingCall,
    codec: Codec,
    tally: &Arc<Tally>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let ip = call.local_ip;
    let port = MediaPort::bind(ip, RTP_PORTS).await?;
    let number = port.local_addr().port();
    let codecs = Codecs::new([codec]);
    let local = LocalMedia { ip, port: number, session_id: u64::from(number), codecs };
    let offered = call.offer_sdp.as_deref().context("the call came without an offer")?;
    let (sdp, agreed) = answer(offered, &local, 1)?;
    let mut leg = call.answer(sdp.clone()).await?;
    let seed = u64::from(number);
    let mut media = MediaSession::new(port, Some(&agreed), sdp, seed, Instant::now());
    let mut counted = CallTally::open(tally);
    let mut ticks = interval(FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            biased;
            _ = ticks.tick() => {
                media.drain()?;
                let heard = media.pull(Instant::now());
                media.send(&heard.samples, heard.rate).await?;
                counted.note(media.stats());
            }
            event = leg.next_event() => match event {
                Some(LegEvent::Ended { .. }) | None => break,
                // A change of the session is refused by being dropped.
                Some(_) => {}
            },
            received = media.recv() => {
                received?;
            }
            () = stop.cancelled() => {
                leg.hang_up("the measurement is over").await;
                break;
            }
        }
    }
    media.close().await;
    Ok(())
}
