//! Draws the SIP messages of a call as a ladder: them on the left, us on the right.

use crate::store::{TraceMessage, TraceRecord, TraceWay};

/// From one side to the other, in characters.
const WIDTH: usize = 40;
/// A longer method or phrase is cut; some of the arrow must be left.
const LABEL_MAX: usize = 30;
/// Where the left side stands.
const MARGIN: usize = 14;

/// The ladder, and below it, if `full`, the messages themselves.
pub(super) fn ladder(trace: &TraceRecord, full: Full) -> String {
    let mut out = format!("{:MARGIN$}{:<width$}us\n", "", "them", width = WIDTH + 1);
    let usual = trace.messages.first().map(way_there).unwrap_or_default();
    out.push_str(&format!("{:MARGIN$}{usual}\n", ""));
    for (at, message) in trace.messages.iter().enumerate() {
        if at == trace.gap_at {
            out.push_str(&gap(trace.left_out));
        }
        out.push_str(&rung(message, &usual, &trace.messages[..at]));
    }
    if full == Full::Yes {
        for (at, message) in trace.messages.iter().enumerate() {
            out.push_str(&whole(at + 1, message));
        }
    }
    out
}

/// Whether the messages themselves are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Yes,
    No,
}

/// `udp 192.0.2.9:5060`.
fn way_there(message: &TraceMessage) -> String {
    format!("{} {}", message.transport, message.peer).trim_end().to_owned()
}

fn seconds(message: &TraceMessage) -> f64 {
    message.at_ms as f64 / 1_000.0
}

fn gap(left_out: u32) -> String {
    if left_out == 0 {
        return String::new();
    }
    let words = format!("... {left_out} messages left out ...");
    format!("{:MARGIN$}|{words:^WIDTH$}|\n", "")
}

/// One message: when, its arrow, its CSeq, and what is special about it.
fn rung(message: &TraceMessage, usual: &str, before: &[TraceMessage]) -> String {
    let mut label: String = message.label.chars().take(LABEL_MAX).collect();
    if message.has_sdp && label.chars().count() + " (SDP)".len() <= LABEL_MAX {
        label.push_str(" (SDP)");
    }
    let length = label.chars().count();
    let arrow = match message.way {
        TraceWay::Received => format!("--- {label} {}>", "-".repeat(WIDTH - length - 6)),
        TraceWay::Sent => format!("<-- {label} {}", "-".repeat(WIDTH - length - 5)),
    };
    let mut line = format!("{:>10.3} s  |{arrow}|  {}", seconds(message), message.cseq);
    let is_copy = |other: &TraceMessage| {
        other.way == message.way
            && other.label == message.label
            && other.cseq == message.cseq
            && other.text == message.text
    };
    if before.iter().any(is_copy) {
        line.push_str("  (again)");
    }
    let way = way_there(message);
    if way != usual {
        let side = if message.way == TraceWay::Received { "from" } else { "to" };
        line.push_str(&format!("  ({side} {way})"));
    }
    if let Some(reason) = &message.reason {
        line.push_str(&format!("  {reason}"));
    }
    line.push('\n');
    line
}

fn whole(number: usize, message: &TraceMessage) -> String {
    let sides = match message.way {
        TraceWay::Received => "them -> us",
        TraceWay::Sent => "us -> them",
    };
    let when = seconds(message);
    let mut out = format!("\n{number}  {when:.3} s  {sides}  {}\n", way_there(message));
    for line in message.text.lines() {
        out.push_str(format!("    {line}").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn message(at_ms: u64, way: TraceWay, label: &str, cseq: &str) -> TraceMessage {
        TraceMessage {
            at_ms,
            way,
            transport: "udp".into(),
            peer: "192.0.2.9:5070".into(),
            label: label.into(),
            status: label.split(' ').next().and_then(|word| word.parse().ok()),
            cseq: cseq.into(),
            reason: None,
            has_sdp: false,
            text: format!("{label} {cseq} {at_ms}"),
        }
    }

    #[test]
    fn a_call_is_drawn_exactly() {
        use TraceWay::{Received, Sent};
        let mut messages = vec![
            message(0, Received, "INVITE", "1 INVITE"),
            message(2, Sent, "100 Trying", "1 INVITE"),
            message(1_021, Sent, "200 OK", "1 INVITE"),
            message(1_521, Sent, "200 OK", "1 INVITE"),
            message(1_534, Received, "ACK", "1 ACK"),
            message(61_000, Received, "A phrase that goes on and on and on", "2 X"),
            message(3_600_000, Sent, "BYE", "1 BYE"),
        ];
        (messages[0].has_sdp, messages[2].has_sdp, messages[3].has_sdp) = (true, true, true);
        messages[3].text = messages[2].text.clone();
        messages[4].transport = "tcp".into();
        messages[6].reason = Some("we hung up".into());
        let began_at = Timestamp::from_second(1_775_000_000).expect("valid");
        let trace = TraceRecord { began_at, messages, left_out: 12, gap_at: 5 };
        let expected = "
              them                                     us
              udp 192.0.2.9:5070
     0.000 s  |--- INVITE (SDP) ---------------------->|  1 INVITE
     0.002 s  |<-- 100 Trying -------------------------|  1 INVITE
     1.021 s  |<-- 200 OK (SDP) -----------------------|  1 INVITE
     1.521 s  |<-- 200 OK (SDP) -----------------------|  1 INVITE  (again)
     1.534 s  |--- ACK ------------------------------->|  1 ACK  (from tcp 192.0.2.9:5070)
              |      ... 12 messages left out ...      |
    61.000 s  |--- A phrase that goes on and on a ---->|  2 X
  3600.000 s  |<-- BYE --------------------------------|  1 BYE  we hung up
";
        assert_eq!(format!("\n{}", ladder(&trace, Full::No)), expected);
    }

    #[test]
    fn in_full_the_messages_stand_below() {
        let mut invite = message(0, TraceWay::Received, "INVITE", "1 INVITE");
        invite.text = "INVITE sip:[redacted]@h SIP/2.0\nCSeq: 1 INVITE\n\nv=0\n".into();
        let began_at = Timestamp::from_second(1_775_000_000).expect("valid");
        let trace = TraceRecord { began_at, messages: vec![invite], left_out: 0, gap_at: 1 };
        let drawn = ladder(&trace, Full::Yes);
        let below = "
1  0.000 s  them -> us  udp 192.0.2.9:5070
    INVITE sip:[redacted]@h SIP/2.0
    CSeq: 1 INVITE

    v=0
";
        assert!(drawn.ends_with(below), "{drawn}");
    }
}
