//! `frontdoor calls`: the records of calls, personal data masked unless asked for.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::acd::vcon::vcon;
use crate::config::Config;
use crate::store::{
    CallRecord, CallSummary, QualityRecord, Reveal, Store, StoreError, TransferRecord, vcon_of,
};

use super::table::write_table;

/// The records of calls.
#[derive(Debug, Args)]
pub struct CallsArgs {
    #[command(subcommand)]
    command: CallsCommand,
}

#[derive(Debug, Subcommand)]
enum CallsCommand {
    /// List the latest calls, the latest first
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show one call: how it went, its transcript, latencies, actions and hand-offs
    Show {
        /// The call's id, or as many of its first digits as make it unique
        id: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Write one call as a vCon (IETF draft-ietf-vcon-vcon-core), for other systems: everything that
    /// was said, unmasked but for secrets, and its hand-offs
    Vcon {
        /// The call's id, or as many of its first digits as make it unique
        id: String,
    },
}

#[derive(Debug, Args)]
struct OutputArgs {
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Show callers' numbers and what was said; they are masked otherwise
    #[arg(long)]
    reveal: bool,
}

impl OutputArgs {
    const fn reveal(&self) -> Reveal {
        if self.reveal { Reveal::Full } else { Reveal::Masked }
    }
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum CallsCommandError {
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are no records yet.
    #[error("{}: no call has been recorded yet. Take calls with: frontdoor serve", path.display())]
    NoRecords {
        /// Where they would be.
        path: std::path::PathBuf,
    },
    /// The terminal.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Runs `frontdoor calls`.
///
/// # Errors
/// [`CallsCommandError`], whose message is meant for the terminal.
pub async fn run(
    args: CallsArgs,
    config: &Config,
    out: &mut impl Write,
) -> Result<(), CallsCommandError> {
    let path = config.store_path();
    if !path.exists() {
        return Err(CallsCommandError::NoRecords { path });
    }
    let store = Store::open(&path).await?;
    match args.command {
        CallsCommand::List { limit, output } => {
            let calls = store.list_calls(limit).await?;
            if output.json {
                let list = calls.iter().map(|call| call.to_json(output.reveal())).collect();
                write_json(out, &list)?;
            } else {
                list(out, &calls, output.reveal())?;
            }
        }
        CallsCommand::Show { id, output } => {
            let record = store.call(store.find_call(&id).await?).await?;
            if output.json {
                write_json(out, &record.to_json(output.reveal()))?;
            } else {
                show(out, &record, output.reveal())?;
            }
        }
        CallsCommand::Vcon { id } => {
            let record = store.call(store.find_call(&id).await?).await?;
            let public_url = config.web.as_ref().and_then(|web| web.public_url.as_deref());
            let whole = vcon(vcon_of(record, public_url, Timestamp::now()).await);
            serde_json::to_writer_pretty(&mut *out, &whole).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(store.close().await?)
}

fn write_json(out: &mut impl Write, value: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{value:#}")
}

/// Seconds from start to end.
fn length(call: &CallSummary) -> String {
    match call.ended_at {
        Some(end) => format!("{} s", end.duration_since(call.started_at).as_secs()),
        None => "-".to_owned(),
    }
}

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

fn list(out: &mut impl Write, calls: &[CallSummary], reveal: Reveal) -> io::Result<()> {
    let rows: Vec<Vec<String>> = calls
        .iter()
        .map(|call| {
            vec![
                call.id.to_string(),
                format!("{:.0}", call.started_at),
                length(call),
                reveal.address(&call.caller),
                call.turns.map_or_else(|| "-".to_owned(), |turns| turns.to_string()),
                or_dash(call.outcome.as_deref()),
                or_dash(call.result.as_deref()),
            ]
        })
        .collect();
    if rows.is_empty() {
        return writeln!(out, "No calls yet.");
    }
    write_table(out, &["id", "started", "length", "caller", "turns", "outcome", "ended"], &rows)
}

fn show(out: &mut impl Write, record: &CallRecord, reveal: Reveal) -> io::Result<()> {
    let call = &record.summary;
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.3}"));
    let ended = match (&call.result, &call.reason) {
        (Some(result), Some(reason)) => format!("{result}: {reason}"),
        _ => "not ended, or the server stopped before it did".to_owned(),
    };
    let facts = [
        ("call", call.id.to_string()),
        ("caller", reveal.address(&call.caller)),
        ("called", format!("{} ({})", call.called, call.channel)),
        ("started", time(Some(call.started_at))),
        ("answered", time(call.answered_at)),
        ("ended", time(call.ended_at)),
        ("how", ended),
        ("outcome", or_dash(call.outcome.as_deref())),
        ("prompts", format!("{} {}", call.profile, call.generation)),
        ("recording", or_dash(call.recording.as_deref())),
        ("encrypted", or_dash(call.protection.as_deref())),
    ];
    for (name, value) in facts {
        writeln!(out, "{name:9}  {value}")?;
    }
    if let Some(quality) = &record.quality {
        writeln!(out, "{:9}  {}", "sound", quality_words(quality))?;
    }
    for transfer in &record.transfers {
        writeln!(out, "{:9}  {}", "transfer", transfer_words(transfer))?;
    }
    show_signalling(out, record)?;
    show_lines(out, record, reveal)?;
    show_turns(out, record)?;
    show_actions(out, record)?;
    show_handoffs(out, record, reveal)
}

/// How the INVITE was answered, who ended the call, and what was refused in between.
fn show_signalling(out: &mut impl Write, record: &CallRecord) -> io::Result<()> {
    let Some(trace) = &record.trace else { return Ok(()) };
    let answer = trace.answer().unwrap_or("no answer");
    let ended = trace.ended_by().unwrap_or_else(|| "no BYE".to_owned());
    let (count, call) = (trace.count(), record.summary.id);
    writeln!(out, "{:9}  {answer}, {ended}, {count} messages: frontdoor sip trace {call}", "sip")?;
    for refusal in trace.refusals() {
        writeln!(out, "{:9}  {refusal}", "refused")?;
    }
    Ok(())
}

fn show_lines(out: &mut impl Write, record: &CallRecord, reveal: Reveal) -> io::Result<()> {
    if record.lines.is_empty() {
        return Ok(());
    }
    let hint = if reveal == Reveal::Masked { " (--reveal shows what was said)" } else { "" };
    writeln!(out, "\nTranscript{hint}")?;
    for line in &record.lines {
        let seconds = line.at_ms / 1000;
        let (minutes, seconds, tenths) = (seconds / 60, seconds % 60, line.at_ms % 1000 / 100);
        let text = reveal.text(&line.text);
        write!(out, "{minutes:>3}:{seconds:02}.{tenths}  {:9}  {text}", line.speaker)?;
        if let Some(intent) = &line.intent {
            let confidence = line.intent_confidence.unwrap_or(0.0);
            write!(out, "  [{intent} {confidence:.2}]")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// "cards by refer: busy (486) after 3 s".
fn transfer_words(transfer: &TransferRecord) -> String {
    let TransferRecord { queue, way, outcome, .. } = transfer;
    if let (Some(agent), Some(talked_ms)) = (&transfer.agent, transfer.bridged_ms) {
        let (waited_s, talked_s) = (transfer.took_ms / 1000, talked_ms / 1000);
        return format!(
            "{queue} at the desk of {agent}: {outcome} after {waited_s} s, {talked_s} s long"
        );
    }
    let status = transfer.status.map_or_else(String::new, |status| format!(" ({status})"));
    let took_s = transfer.took_ms / 1000;
    let bridged = transfer.bridged_ms.map(|ms| format!(", then through us for {} s", ms / 1000));
    format!("{queue} by {way}: {outcome}{status} after {took_s} s{}", bridged.unwrap_or_default())
}

/// One line for both directions, scores from 1 (bad) to 4.4.
fn quality_words(quality: &QualityRecord) -> String {
    let QualityRecord { codec, heard_mos, heard_loss_percent, heard_jitter_ms, .. } = quality;
    let mut words = format!(
        "{codec}; heard {heard_mos:.1} (loss {heard_loss_percent:.1} %, jitter {heard_jitter_ms:.0} ms)"
    );
    words.push_str(&match (quality.sent_mos, quality.sent_loss_percent, quality.sent_jitter_ms) {
        (Some(mos), Some(loss), Some(jitter)) => {
            format!("; sent {mos:.1} (loss {loss:.1} %, jitter {jitter:.0} ms)")
        }
        _ => "; sent: the caller's side did not report".to_owned(),
    });
    if let Some(trip_ms) = quality.round_trip_ms {
        words.push_str(&format!("; round trip {trip_ms:.0} ms"));
    }
    words
}

fn show_turns(out: &mut impl Write, record: &CallRecord) -> io::Result<()> {
    if record.turns.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nResponse latency in ms")?;
    let rows: Vec<Vec<String>> = record
        .turns
        .iter()
        .map(|turn| {
            [
                turn.turn.0,
                turn.network_ms,
                turn.endpoint_ms,
                turn.transcribe_ms,
                turn.understand_ms,
                turn.act_ms,
                turn.voice_ms,
                turn.playout_ms,
                turn.total_ms,
            ]
            .map(|number| number.to_string())
            .into_iter()
            .chain([if turn.speculated { "yes" } else { "no" }.to_owned()])
            .collect()
        })
        .collect();
    let columns = [
        "turn",
        "network",
        "endpoint",
        "transcribe",
        "understand",
        "act",
        "voice",
        "playout",
        "total",
        "ahead",
    ];
    write_table(out, &columns, &rows)
}

fn show_actions(out: &mut impl Write, record: &CallRecord) -> io::Result<()> {
    if !record.actions.is_empty() {
        writeln!(out, "\nActions")?;
        let rows: Vec<Vec<String>> = record
            .actions
            .iter()
            .map(|run| vec![run.action.clone(), run.result.clone(), format!("{} ms", run.took_ms)])
            .collect();
        write_table(out, &["action", "result", "took"], &rows)?;
    }
    Ok(())
}

fn show_handoffs(out: &mut impl Write, record: &CallRecord, reveal: Reveal) -> io::Result<()> {
    for handoff in &record.handoffs {
        let (id, kept) = (handoff.id, handoff.created_at);
        write!(out, "\nHand-off {id}, kept {kept:.0}")?;
        if let Some(state) = &handoff.webhook {
            write!(out, ", webhook {state}")?;
        }
        writeln!(out, "\n{:#}", reveal.handoff(&handoff.document))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CallId, Pii, Termination, TerminationResult};
    use crate::cli::past::tests::call_start;
    use crate::store::{CallEnd, Entry, LineRecord, TraceMessage, TraceRecord, TraceWay};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        calls: CallsArgs,
    }

    async fn typed(config: &Config, words: &[&str]) -> Result<String, String> {
        let words = std::iter::once(&"calls").chain(words);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(line.calls, config, &mut out).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_transfer_says_who_took_the_call_or_why_nobody_did() {
        let busy = TransferRecord {
            at_ms: 9_000,
            queue: "cards".into(),
            way: "refer".into(),
            outcome: "busy".into(),
            agent: None,
            status: Some(486),
            took_ms: 3_100,
            bridged_ms: None,
        };
        assert_eq!(transfer_words(&busy), "cards by refer: busy (486) after 3 s");
        let talked = TransferRecord {
            way: "desk".into(),
            outcome: "succeeded".into(),
            agent: Some("sam".into()),
            status: None,
            took_ms: 12_900,
            bridged_ms: Some(65_000),
            ..busy
        };
        let words = "cards at the desk of sam: succeeded after 12 s, 65 s long";
        assert_eq!(transfer_words(&talked), words);
    }

    fn trace() -> TraceRecord {
        use TraceWay::{Received, Sent};
        let message = |way, label: &str, cseq: &str, reason: Option<&str>| TraceMessage {
            at_ms: 0,
            way,
            transport: "udp".into(),
            peer: "192.0.2.9:5070".into(),
            label: label.into(),
            status: label.split(' ').next().and_then(|word| word.parse().ok()),
            cseq: cseq.into(),
            reason: reason.map(str::to_owned),
            has_sdp: false,
            text: String::new(),
        };
        let messages = vec![
            message(Received, "INVITE", "1 INVITE", None),
            message(Sent, "200 OK", "1 INVITE", None),
            message(Received, "REFER", "2 REFER", None),
            message(Sent, "403 Forbidden", "2 REFER", Some("callers cannot have us call somebody")),
            message(Received, "BYE", "3 BYE", None),
        ];
        let began_at = Timestamp::from_second(1_775_000_000).expect("valid");
        TraceRecord { began_at, messages, left_out: 0, gap_at: 5 }
    }

    async fn record(config: &Config) {
        let store = Store::open(&config.store_path()).await.expect("opens");
        let id = CallId::from_u128(0xabc << 116);
        store.begin_call(&call_start(id)).await.expect("begins");
        let line = LineRecord {
            at_ms: 61_250,
            speaker: "caller".into(),
            text: Pii::new("my balance please".into()),
            confidence: None,
            intent: Some("balance".into()),
            intent_confidence: Some(0.91),
            expected: Some("request".into()),
            out_of_scope: Some(-0.5),
            failed: Some(false),
        };
        let quality = QualityRecord {
            codec: "opus".into(),
            heard_loss_percent: 0.5,
            heard_jitter_ms: 3.2,
            heard_concealed_ms: 40,
            heard_mos: 4.31,
            sent_loss_percent: None,
            sent_jitter_ms: None,
            sent_mos: None,
            round_trip_ms: None,
        };
        let entries = [Entry::Line(line), Entry::Quality(quality)];
        store.append(id, &entries).await.expect("appends");
        let end = CallEnd {
            ended_at: Timestamp::from_second(1_775_000_090).expect("valid"),
            termination: Termination::new(TerminationResult::Success, "caller hung up"),
            recording: None,
            protection: Some("none".into()),
            turns: 1,
            outcome: "contained".into(),
        };
        store.end_call(id, &end).await.expect("ends");
        store.put_trace(id, &trace()).await.expect("kept");
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn calls_are_listed_and_shown_with_personal_data_masked() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[server]\nprofile = \"p\"\ndata_dir = \"d\"\n";
        let config = Config::parse(&folder.path().join("f.toml"), text, |_| None).expect("valid");
        let none = typed(&config, &["list"]).await.expect_err("no file");
        assert!(none.contains("no call has been recorded yet"), "{none}");
        record(&config).await;
        let listed = typed(&config, &["list"]).await.expect("lists");
        let row = listed.lines().nth(1).expect("one call");
        assert!(row.contains("90 s    ...23   1      contained  success"), "{listed}");
        let shown = typed(&config, &["show", "abc"]).await.expect("shows");
        assert!(shown.contains("  1:01.2  caller     [3 words]  [balance 0.91]"), "{shown}");
        assert!(shown.contains("how        success: caller hung up"), "{shown}");
        let sound = "sound      opus; heard 4.3 (loss 0.5 %, jitter 3 ms); sent: the caller's";
        assert!(shown.contains(sound), "{shown}");
        assert!(shown.contains("encrypted  none"), "{shown}");
        let sip = "sip        200 OK, BYE from them, 5 messages: frontdoor sip trace abc";
        assert!(shown.contains(sip), "{shown}");
        let refused = "refused    403 Forbidden to REFER: callers cannot have us call somebody";
        assert!(shown.contains(refused), "{shown}");
        let shown = typed(&config, &["show", "abc", "--reveal"]).await.expect("shows");
        assert!(shown.contains("5550123") && shown.contains("my balance please"), "{shown}");
        let json = typed(&config, &["show", "abc", "--json"]).await.expect("shows");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["lines"][0]["text"], "[3 words]");
        assert_eq!(json["quality"]["heard_loss_percent"], 0.5);
        let vcon = typed(&config, &["vcon", "abc"]).await.expect("writes");
        let vcon: serde_json::Value = serde_json::from_str(&vcon).expect("JSON");
        assert_eq!(vcon["dialog"][0]["body"], "my balance please");
        assert_eq!(vcon["parties"].as_array().map(Vec::len), Some(2));
        assert_eq!(json["signalling"]["ended_by"], "BYE from them");
        let json = typed(&config, &["list", "--json", "--reveal"]).await.expect("lists");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json[0]["caller"], "5550123");
        let unknown = typed(&config, &["show", "f"]).await.expect_err("unknown");
        assert!(unknown.starts_with("no call begins with \"f\""), "{unknown}");
    }
}
