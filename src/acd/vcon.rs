//! A call as a vCon, the container for conversations that other systems read (IETF
//! draft-ietf-vcon-vcon-core): who took part, what was said, the recording by reference, and the
//! hand-offs with their summaries.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::base::{CallId, Pii};

use super::handoff::{Handoff, HandoffLine, SCHEMA};

/// The syntax that is written (draft-ietf-vcon-vcon-core 4.1.1).
pub const VERSION: &str = "0.4.0";

/// What a vCon is served as.
pub const MEDIA_TYPE: &str = "application/vcon";

/// Places in `parties`.
const CALLER: usize = 0;
const FRONTDOOR: usize = 1;
const AGENT: usize = 2;

/// Who makes summaries, in `analysis`.
const VENDOR: &str = "frontdoor";

/// What is known of a call.
pub struct VconCall {
    /// The call.
    pub call: CallId,
    /// When it was answered; lines count from here.
    pub answered_at: Timestamp,
    /// When this is made.
    pub made_at: Timestamp,
    /// The caller's number or address.
    pub caller: Pii<String>,
    /// What was called.
    pub called: String,
    /// Who took the call, if somebody did.
    pub agent: Option<String>,
    /// Who said what; secrets masked.
    pub lines: Vec<HandoffLine>,
    /// Where the recording can be had.
    pub recording: Option<VconRecording>,
    /// The hand-offs, in order.
    pub handoffs: Vec<Handoff>,
}

/// A recording: the caller on the left channel, the front door on the right.
pub struct VconRecording {
    /// Where it can be had, with the right to.
    pub url: String,
    /// The file's name.
    pub filename: String,
    /// `sha512-` and the SHA-512 of the file in Base64url.
    pub content_hash: String,
    /// How long it is.
    pub duration_s: f64,
}

/// When a call was answered of which only a hand-off is known: as late as its words allow.
pub fn answered_at(handoff: &Handoff) -> Option<Timestamp> {
    let decided: Timestamp = handoff.when.parse().ok()?;
    let lines = handoff.transcript.iter().map(|line| line.at_ms);
    let last_ms = lines.chain(handoff.actions.iter().map(|action| action.at_ms)).max();
    decided.checked_sub(SignedDuration::from_millis(whole(last_ms.unwrap_or(0)))).ok()
}

fn whole(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// A vCon, unsigned.
#[derive(Serialize)]
pub struct Vcon {
    vcon: &'static str,
    uuid: String,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    parties: Vec<Party>,
    dialog: Vec<Dialog>,
    analysis: Vec<Analysis>,
    attachments: Vec<Attachment>,
}

#[derive(Serialize, Default)]
struct Party {
    #[serde(skip_serializing_if = "Option::is_none")]
    tel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
}

#[derive(Serialize)]
struct Dialog {
    #[serde(rename = "type")]
    kind: &'static str,
    start: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    /// Of a text the first has said it.
    parties: Vec<usize>,
    mediatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    #[serde(flatten)]
    content: Content,
}

/// What is in the container, or where it is.
#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Text { body: String, encoding: &'static str },
    Document { body: Box<Handoff>, encoding: &'static str },
    Elsewhere { url: String, content_hash: String },
}

impl Content {
    fn text(body: String) -> Self {
        Self::Text { body, encoding: "none" }
    }
}

#[derive(Serialize)]
struct Analysis {
    #[serde(rename = "type")]
    kind: &'static str,
    /// What it is made from.
    dialog: Vec<usize>,
    attachment: usize,
    mediatype: &'static str,
    vendor: &'static str,
    schema: &'static str,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
struct Attachment {
    purpose: &'static str,
    start: String,
    party: usize,
    dialog: usize,
    mediatype: &'static str,
    #[serde(flatten)]
    content: Content,
}

/// Writes a call as a vCon. All vCons of one call have one id, whenever they are made.
pub fn vcon(call: VconCall) -> Vcon {
    let parties = parties(&call);
    let mut dialog: Vec<Dialog> = call.lines.iter().map(|line| said(&call, line)).collect();
    if dialog.is_empty() {
        // Attachments have to belong to something.
        let nothing = HandoffLine { at_ms: 0, speaker: "caller".to_owned(), text: String::new() };
        dialog.push(said(&call, &nothing));
    }
    let spoken: Vec<usize> = (0..dialog.len()).collect();
    let VconCall { call: id, answered_at, made_at, recording, handoffs, .. } = call;
    dialog.extend(recording.map(|recording| recorded(answered_at, recording)));
    let wanted = handoffs.iter().rev().find_map(|handoff| handoff.intent.as_ref());
    let subject = wanted.map(|intent| intent.name.replace('_', " "));
    let summary = |(attachment, handoff): (usize, &Handoff)| Analysis {
        kind: "summary",
        dialog: spoken.clone(),
        attachment,
        mediatype: "text/plain",
        vendor: VENDOR,
        schema: SCHEMA,
        content: Content::text(handoff.summary.clone()),
    };
    Vcon {
        vcon: VERSION,
        uuid: uuid(id),
        created_at: answered_at.to_string(),
        updated_at: made_at.to_string(),
        subject,
        parties,
        analysis: handoffs.iter().enumerate().map(summary).collect(),
        attachments: handoffs.into_iter().map(attached).collect(),
        dialog,
    }
}

/// The call's own id, which is a UUID of version 7, as one of version 8 (RFC 9562 5.8): so the time
/// stays in it, and it says that it is ours to make.
fn uuid(call: CallId) -> String {
    const VERSION_BITS: u128 = 0xf << 76;
    const VARIANT_BITS: u128 = 0b11 << 62;
    let others = call.to_u128() & !VERSION_BITS & !VARIANT_BITS;
    let hex = format!("{:032x}", others | (8 << 76) | (0b10 << 62));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn parties(call: &VconCall) -> Vec<Party> {
    let mut caller = address(call.caller.expose());
    let record = call.handoffs.iter().rev().find_map(|handoff| handoff.crm.as_ref());
    let name = record.and_then(|record| record.get("customer_name")?.as_str());
    if let Some(name) = name {
        let checks = call.handoffs.iter().rev().filter_map(|handoff| handoff.verification.as_ref());
        let passed = checks.into_iter().find(|check| check.result == "passed");
        caller.name = Some(name.to_owned());
        caller.validation = Some(passed.map_or("none", |check| check.method.as_str()).to_owned());
    }
    caller.kind = Some("person");
    let ours = Party { kind: Some("bot"), ..address(&call.called) };
    let mut parties = vec![caller, ours];
    let took_part = call.lines.iter().any(|line| line.speaker == "agent");
    if took_part || call.agent.is_some() {
        parties.push(Party { name: call.agent.clone(), kind: Some("person"), ..Party::default() });
    }
    parties
}

/// What an address says about a party: a SIP address, a number, or a name. An IP address, which is
/// what is known of a web page's caller, says nothing that lasts.
fn address(text: &str) -> Party {
    let mut party = Party::default();
    let user = match text.split_once(':') {
        Some(("sip" | "sips", rest)) => {
            party.sip = Some(text.to_owned());
            rest.split(['@', ';']).next().unwrap_or_default()
        }
        Some(("tel", rest)) => rest.split(';').next().unwrap_or_default(),
        _ => text,
    };
    let digits = user.strip_prefix('+').unwrap_or(user);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        party.tel = Some(user.to_owned());
    } else if party.sip.is_none() && !text.is_empty() && text.parse::<IpAddr>().is_err() {
        party.name = Some(text.to_owned());
        party.validation = Some("none".to_owned());
    }
    party
}

fn said(call: &VconCall, line: &HandoffLine) -> Dialog {
    let (who, others) = match line.speaker.as_str() {
        "caller" => (CALLER, FRONTDOOR),
        "agent" => (AGENT, CALLER),
        _ => (FRONTDOOR, CALLER),
    };
    let after = SignedDuration::from_millis(whole(line.at_ms));
    let start = call.answered_at.checked_add(after).unwrap_or(call.answered_at);
    Dialog {
        kind: "text",
        start: start.to_string(),
        duration: None,
        parties: vec![who, others],
        mediatype: "text/plain",
        filename: None,
        content: Content::text(line.text.clone()),
    }
}

fn recorded(answered_at: Timestamp, recording: VconRecording) -> Dialog {
    let VconRecording { url, filename, content_hash, duration_s } = recording;
    Dialog {
        kind: "recording",
        start: answered_at.to_string(),
        duration: Some(duration_s),
        parties: vec![CALLER, FRONTDOOR],
        mediatype: "audio/x-wav",
        filename: Some(filename),
        content: Content::Elsewhere { url, content_hash },
    }
}

fn attached(handoff: Handoff) -> Attachment {
    Attachment {
        purpose: "hand-off",
        start: handoff.when.clone(),
        party: FRONTDOOR,
        dialog: 0,
        mediatype: "application/json",
        content: Content::Document { body: Box::new(handoff), encoding: "json" },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::acd::handoff::tests::handoff;

    fn line(at_ms: u64, speaker: &str, text: &str) -> HandoffLine {
        HandoffLine { at_ms, speaker: speaker.to_owned(), text: text.to_owned() }
    }

    fn call() -> VconCall {
        VconCall {
            call: CallId::from_u128(0x0195_7a3b_4c5d_7e6f_9a0b_1c2d_3e4f_5061),
            answered_at: "2026-04-02T10:00:00Z".parse().expect("a time"),
            made_at: "2026-04-03T08:00:00Z".parse().expect("a time"),
            caller: Pii::new("sip:+15550123@pbx.example;user=phone".to_owned()),
            called: "100".to_owned(),
            agent: None,
            lines: vec![
                line(0, "frontdoor", "Hello."),
                line(1_500, "caller", "I lost my card."),
                line(60_000, "agent", "I have it here."),
            ],
            recording: Some(VconRecording {
                url: "https://calls.example/api/ops/calls/1/recording".to_owned(),
                filename: "1.wav".to_owned(),
                content_hash: "sha512-abc".to_owned(),
                duration_s: 61.5,
            }),
            handoffs: vec![handoff()],
        }
    }

    fn written(call: VconCall) -> Value {
        serde_json::to_value(vcon(call)).expect("JSON")
    }

    #[test]
    fn what_the_draft_requires_is_there() {
        let whole = written(call());
        assert_eq!(whole["vcon"], "0.4.0");
        assert_eq!(whole["uuid"], "01957a3b-4c5d-8e6f-9a0b-1c2d3e4f5061");
        assert_eq!(whole["created_at"], "2026-04-02T10:00:00Z");
        let all = |list: &str| whole[list].as_array().expect("a list").clone();
        for dialog in all("dialog") {
            let is_here = dialog["body"].is_string() && dialog["encoding"] == "none";
            let is_there = dialog["url"].is_string() && dialog["content_hash"].is_string();
            assert!(is_here != is_there, "{dialog}");
            assert!(dialog["start"].is_string() && dialog["mediatype"].is_string(), "{dialog}");
            for party in dialog["parties"].as_array().expect("a list") {
                let party = party.as_u64().expect("an index") as usize;
                assert!(all("parties").len() > party, "{dialog}");
            }
        }
        for analysis in all("analysis") {
            assert_eq!(
                (&analysis["type"], &analysis["vendor"]),
                (&json!("summary"), &json!(VENDOR))
            );
        }
        for attachment in all("attachments") {
            assert_eq!(attachment["body"]["schema"], SCHEMA);
            assert_eq!(attachment["encoding"], "json");
            for key in ["start", "party", "dialog"] {
                assert!(!attachment[key].is_null(), "{key}");
            }
        }
    }

    #[test]
    fn lines_and_the_recording_have_their_times_and_parties() {
        let whole = written(call());
        let dialog = whole["dialog"].as_array().expect("a list");
        let kinds: Vec<&str> =
            dialog.iter().map(|one| one["type"].as_str().expect("text")).collect();
        assert_eq!(kinds, ["text", "text", "text", "recording"]);
        assert_eq!(dialog[1]["start"], "2026-04-02T10:00:01.5Z");
        assert_eq!(dialog[1]["parties"], json!([0, 1]));
        assert_eq!(dialog[2]["parties"], json!([2, 0]));
        assert_eq!(dialog[3]["duration"], 61.5);
        assert_eq!(whole["analysis"][0]["dialog"], json!([0, 1, 2]));
        assert_eq!(whole["parties"][1]["type"], "bot");
    }

    #[test]
    fn a_caller_is_named_as_far_as_they_are_known() {
        let whole = written(call());
        let caller = &whole["parties"][0];
        assert_eq!(caller["tel"], "+15550123");
        assert_eq!(caller["sip"], "sip:+15550123@pbx.example;user=phone");
        assert_eq!(
            (&caller["name"], &caller["validation"]),
            (&json!("Alex Morgan"), &json!("none"))
        );
        for (given, key, expected) in [
            ("tel:+15550123;ext=1", "tel", json!("+15550123")),
            ("5550123", "tel", json!("5550123")),
            ("Jo of the web page", "name", json!("Jo of the web page")),
            ("192.0.2.7", "name", Value::Null),
            ("sip:anonymous@anonymous.invalid", "tel", Value::Null),
        ] {
            let caller = Pii::new(given.to_owned());
            let whole = written(VconCall { caller, handoffs: Vec::new(), ..call() });
            assert_eq!(whole["parties"][0][key], expected, "{given}");
        }
    }

    #[test]
    fn a_call_in_which_nothing_was_said_has_something_for_attachments_to_belong_to() {
        let whole = written(VconCall { lines: Vec::new(), recording: None, ..call() });
        assert_eq!(whole["dialog"].as_array().map(Vec::len), Some(1));
        assert_eq!(whole["attachments"][0]["dialog"], 0);
        assert_eq!(whole["parties"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn the_answer_lies_as_far_back_as_the_last_words() {
        let at = answered_at(&handoff()).expect("a time");
        assert_eq!(at.to_string(), "2026-04-02T10:00:00Z");
        let broken = Handoff { when: "soon".to_owned(), ..handoff() };
        assert_eq!(answered_at(&broken), None);
    }
}
