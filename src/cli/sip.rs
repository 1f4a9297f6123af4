//! `frontdoor sip`: what was said on the telephone line's own language.

use std::io::{self, Write};

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::base::CallId;
use crate::config::Config;
use crate::store::{RefusalRecord, TraceRecord};

use super::ladder::{Full, ladder};
use super::past::open_records;
use super::table::write_table;

/// SIP messages of past calls.
#[derive(Debug, Args)]
pub struct SipArgs {
    #[command(subcommand)]
    command: SipCommand,
}

#[derive(Debug, Subcommand)]
enum SipCommand {
    /// Draw the SIP messages of a call as a ladder: them on the left, us on the right
    ///
    /// Times are from the first message. Numbers, names, passwords, keys of encrypted audio and the
    /// keys that a caller pressed were left out before the messages were kept; hosts, tags, codecs
    /// and everything else are as they were. Works whether the server runs or not.
    Trace(TraceArgs),
}

#[derive(Debug, Args)]
struct TraceArgs {
    /// The call's id, or as many of its first digits as make it unique; without it, the latest calls
    /// are listed
    call: Option<String>,
    /// Show the latest calls that were refused before they became calls, and by which rule
    #[arg(long, conflicts_with = "call")]
    refused: bool,
    /// Show the messages themselves, too
    #[arg(long)]
    full: bool,
    /// How many calls to list
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl TraceArgs {
    const fn full(&self) -> Full {
        if self.full { Full::Yes } else { Full::No }
    }
}

/// Runs `frontdoor sip`.
///
/// # Errors
/// There are no records, no such call, or nothing kept of it.
pub async fn run(args: SipArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let SipCommand::Trace(args) = args.command;
    let store = open_records(config).await?;
    if args.refused {
        let refusals = store.list_refusals().await?;
        show_refusals(out, &refusals, &args)?;
    } else if let Some(wanted) = &args.call {
        let call = store.find_call(wanted).await?;
        let Some(trace) = store.trace(call).await? else {
            bail!(
                "no SIP messages are kept of call {call}: it goes on, or trace = false stood under \
                 [sip] when it was taken"
            );
        };
        show(out, call, &trace, &args)?;
    } else {
        list(out, &store.list_traces(args.limit).await?, &args)?;
    }
    Ok(store.close().await?)
}

fn show(
    out: &mut impl Write,
    call: CallId,
    trace: &TraceRecord,
    args: &TraceArgs,
) -> io::Result<()> {
    if args.json {
        let mut whole = trace.to_json();
        whole["call"] = call.to_string().into();
        return writeln!(out, "{whole:#}");
    }
    writeln!(out, "call {call}, {:.3}, {} messages\n", trace.began_at, trace.count())?;
    write!(out, "{}", ladder(trace, args.full()))
}

fn list(
    out: &mut impl Write,
    traces: &[(CallId, TraceRecord)],
    args: &TraceArgs,
) -> io::Result<()> {
    if args.json {
        let listed: serde_json::Value = traces
            .iter()
            .map(|(call, trace)| {
                json!({
                    "call": call.to_string(),
                    "began_at": trace.began_at.to_string(),
                    "answer": trace.answer(),
                    "ended_by": trace.ended_by(),
                    "messages": trace.count(),
                })
            })
            .collect();
        return writeln!(out, "{listed:#}");
    }
    if traces.is_empty() {
        return writeln!(out, "No call has SIP messages yet. Refused ones: --refused");
    }
    let rows: Vec<Vec<String>> = traces
        .iter()
        .map(|(call, trace)| {
            let first = trace.messages.first();
            vec![
                call.to_string(),
                format!("{:.0}", trace.began_at),
                first
                    .map(|first| format!("{} {}", first.transport, first.peer))
                    .unwrap_or_default(),
                trace.answer().unwrap_or("-").to_owned(),
                trace.ended_by().unwrap_or_else(|| "-".to_owned()),
                trace.count().to_string(),
            ]
        })
        .collect();
    write_table(out, &["call", "began", "from", "answer", "ended", "messages"], &rows)
}

fn show_refusals(
    out: &mut impl Write,
    refusals: &[RefusalRecord],
    args: &TraceArgs,
) -> io::Result<()> {
    if args.json {
        let listed: serde_json::Value = refusals
            .iter()
            .map(|refusal| {
                json!({
                    "began_at": refusal.trace.began_at.to_string(),
                    "source": refusal.source,
                    "status": refusal.status,
                    "reason": refusal.reason,
                    "times": refusal.times,
                    "messages": refusal.trace.messages,
                })
            })
            .collect();
        return writeln!(out, "{listed:#}");
    }
    if refusals.is_empty() {
        return writeln!(out, "No call was refused.");
    }
    if args.full {
        for refusal in refusals {
            let RefusalRecord { status, reason, source, times, trace } = refusal;
            writeln!(out, "{:.3}, {source}, {status}, {times} times: {reason}\n", trace.began_at)?;
            writeln!(out, "{}", ladder(trace, Full::Yes))?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = refusals
        .iter()
        .map(|refusal| {
            vec![
                format!("{:.0}", refusal.trace.began_at),
                refusal.source.clone(),
                refusal.status.to_string(),
                refusal.times.to_string(),
                refusal.reason.clone(),
            ]
        })
        .collect();
    write_table(out, &["began", "from", "status", "times", "rule"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::past::tests::call_start;
    use crate::store::{Store, TraceMessage, TraceWay};
    use clap::Parser;
    use jiff::Timestamp;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sip: SipArgs,
    }

    async fn typed(config: &Config, words: &[&str]) -> Result<String, String> {
        let words = ["sip", "trace"].iter().chain(words);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(line.sip, config, &mut out).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    fn message(way: TraceWay, label: &str) -> TraceMessage {
        TraceMessage {
            at_ms: 0,
            way,
            transport: "udp".into(),
            peer: "192.0.2.9:5070".into(),
            label: label.into(),
            status: label.split(' ').next().and_then(|word| word.parse().ok()),
            cseq: "1 INVITE".into(),
            reason: label.starts_with("404").then(|| "[numbers]: no line has this number".into()),
            has_sdp: false,
            text: format!("{label}\nVia: x\n"),
        }
    }

    fn trace(answer: &str) -> TraceRecord {
        let messages = vec![message(TraceWay::Received, "INVITE"), message(TraceWay::Sent, answer)];
        let began_at = Timestamp::from_second(1_775_000_000).expect("valid");
        TraceRecord { began_at, messages, left_out: 0, gap_at: 2 }
    }

    async fn record(config: &Config) {
        let store = Store::open(&config.store_path()).await.expect("opens");
        for (id, trace) in [(0xabc_u128 << 116, Some(trace("200 OK"))), (0xdef << 116, None)] {
            let id = CallId::from_u128(id);
            store.begin_call(&call_start(id)).await.expect("begins");
            if let Some(trace) = trace {
                store.put_trace(id, &trace).await.expect("kept");
            }
        }
        let refusal = RefusalRecord {
            trace: trace("404 Not Found"),
            source: "udp 192.0.2.9:5070".into(),
            status: 404,
            reason: "[numbers]: no line has this number".into(),
            times: 3,
        };
        store.put_refusals(&[refusal]).await.expect("kept");
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn calls_and_refused_ones_are_listed_and_drawn() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[server]\nprofile = \"p\"\ndata_dir = \"d\"\n";
        let config = Config::parse(&folder.path().join("f.toml"), text, |_| None).expect("valid");
        let none = typed(&config, &[]).await.expect_err("no file");
        assert!(none.contains("no call has been recorded yet"), "{none}");
        record(&config).await;
        let listed = typed(&config, &[]).await.expect("lists");
        let row = listed.lines().nth(1).expect("one call");
        assert!(row.contains("udp 192.0.2.9:5070  200 OK  -      2"), "{listed}");
        let drawn = typed(&config, &["abc"]).await.expect("draws");
        assert!(drawn.starts_with("call abc"), "{drawn}");
        assert!(drawn.contains("|--- INVITE ---------------------------->|  1 INVITE"), "{drawn}");
        assert!(!drawn.contains("Via"), "{drawn}");
        let full = typed(&config, &["abc", "--full"]).await.expect("draws");
        assert!(full.contains("    INVITE\n    Via: x\n"), "{full}");
        let json = typed(&config, &["abc", "--json"]).await.expect("tells");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(
            (&json["answer"], &json["messages"][0]["way"]),
            (&json!("200 OK"), &json!("received"))
        );
        let nothing = typed(&config, &["def"]).await.expect_err("nothing is kept");
        assert!(nothing.contains("no SIP messages are kept of call def"), "{nothing}");
        let refused = typed(&config, &["--refused"]).await.expect("lists");
        let row = refused.lines().nth(1).expect("one call");
        assert!(row.ends_with("404     3      [numbers]: no line has this number"), "{refused}");
        let full = typed(&config, &["--refused", "--full"]).await.expect("draws");
        assert!(
            full.contains("|<-- 404 Not Found ----------------------|  1 INVITE  [numbers]"),
            "{full}"
        );
        let both = typed(&config, &["abc", "--refused"]).await.expect_err("one or the other");
        assert!(both.contains("cannot be used with"), "{both}");
    }
}
