//! Takes what is about people, and all keys, out of a message before it is kept for a trace. Pure.
//!
//! What is not known to be harmless is left out, so that a header nobody has heard of tells
//! nothing: hosts, tags, codecs and everything else that signalling goes wrong about stay; user
//! parts, display names, credentials, keys of encrypted audio and bodies other than SDP do not.

use std::net::IpAddr;

use super::address::{NameAddr, find_outside_quotes, host_and_port, split_list, unquote, user_of};
use super::wire::{RawMessage, StartLine, is_token};

/// What stands in place of what is left out.
const MASK: &str = "[redacted]";
/// As much of a message is kept.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// As much of a method or a phrase.
const LABEL_CHARS_MAX: usize = 60;
/// So many digits in a free text may be a telephone number. Fewer would take in the codes of
/// Warning, which stand in front of an address.
const DIGITS_MIN: usize = 7;
/// Shorter user parts say nothing, and would be found in every Call-ID.
const WORD_CHARS_MIN: usize = 4;
/// With more names and numbers than this in a message, texts are not searched for them but left out.
const WORDS_MAX: usize = 40;
/// The user part of our own Contact, which is no person.
const OURS: &str = "frontdoor";

/// Headers of addresses: the host stays. Letters are compact forms.
const ADDRESSES: &[&str] = &[
    "from",
    "to",
    "contact",
    "route",
    "record-route",
    "path",
    "service-route",
    "reply-to",
    "refer-to",
    "r",
    "referred-by",
    "b",
    "diversion",
    "history-info",
    "remote-party-id",
    "p-asserted-identity",
    "p-preferred-identity",
    "p-called-party-id",
    "p-associated-uri",
    "alert-info",
    "call-info",
];

/// Headers that name calls. Some telephones make these names from the number.
const CALL_NAMES: &[&str] = &["call-id", "replaces", "in-reply-to", "target-dialog"];

/// Headers in which people and programs write what they like.
const FREE_TEXT: &[&str] = &["reason", "warning", "retry-after"];

const CREDENTIALS: &[&str] =
    &["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"];

/// Headers that say nothing about anybody.
const PLAIN: &[&str] = &[
    "cseq",
    "max-forwards",
    "content-length",
    "content-type",
    "content-encoding",
    "content-disposition",
    "mime-version",
    "allow",
    "allow-events",
    "u",
    "supported",
    "require",
    "proxy-require",
    "unsupported",
    "accept",
    "accept-encoding",
    "accept-language",
    "expires",
    "min-expires",
    "session-expires",
    "x",
    "min-se",
    "rseq",
    "rack",
    "refer-sub",
    "timestamp",
    "date",
    "event",
    "o",
    "subscription-state",
    "privacy",
    "p-early-media",
];

const PARAMS_OF_URIS: &[&str] =
    &["transport", "lr", "ob", "maddr", "ttl", "user", "method", "comp", "rport"];
const PARAMS_OF_HEADERS: &[&str] = &[
    "tag", "expires", "q", "reg-id", "index", "reason", "privacy", "screen", "party", "counter",
    "id-type",
];
const PARAMS_OF_VIAS: &[&str] =
    &["branch", "received", "rport", "maddr", "ttl", "alias", "keep", "comp"];

/// Attributes of SDP that describe media and the way to it.
const ATTRIBUTES: &[&str] = &[
    "rtpmap",
    "fmtp",
    "ptime",
    "maxptime",
    "sendrecv",
    "sendonly",
    "recvonly",
    "inactive",
    "rtcp",
    "rtcp-mux",
    "rtcp-mux-only",
    "rtcp-rsize",
    "rtcp-fb",
    "rtcp-xr",
    "setup",
    "connection",
    "fingerprint",
    "candidate",
    "end-of-candidates",
    "ice-ufrag",
    "ice-options",
    "ice-lite",
    "ice-mismatch",
    "mid",
    "group",
    "msid-semantic",
    "extmap",
    "extmap-allow-mixed",
    "direction",
    "silenceSupp",
    "label",
];

/// A message as it may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redacted {
    /// The method, or status and phrase.
    pub(super) label: String,
    /// Of a response.
    pub(super) status: Option<u16>,
    pub(super) cseq: String,
    /// The text of its Reason header (RFC 3326).
    pub(super) reason: Option<String>,
    pub(super) has_sdp: bool,
    /// The whole message, a header a line.
    pub(super) text: String,
}

/// The message without what must not be kept.
pub(super) fn redacted(message: &RawMessage) -> Redacted {
    let private = private_words(message);
    let (label, status, start) = match &message.start {
        StartLine::Request { method, uri: target, version } => {
            let method = clipped(&clean(method));
            let start = format!("{method} {} {}", uri(&clean(target)), clean(version));
            (method, None, start)
        }
        StartLine::Response { status, phrase } => {
            let phrase = clipped(&without_numbers(&scrubbed(&clean(phrase), &private)));
            let label = format!("{status} {phrase}").trim_end().to_owned();
            let start = format!("SIP/2.0 {label}");
            (label, Some(*status), start)
        }
    };
    let mut text = format!("{start}\n");
    for header in &message.headers {
        let shown = value(&header.name, &clean(&header.value), &private);
        text.push_str(&format!("{}: {shown}\n", shown_name(&header.name)));
    }
    let body = message.counted_body();
    let has_sdp = !body.is_empty() && is_sdp(message, body);
    if has_sdp {
        text.push('\n');
        text.push_str(&sdp(&String::from_utf8_lossy(body)));
    } else if !body.is_empty() {
        text.push_str(&format!("\n[{} bytes, redacted]\n", body.len()));
    }
    let reason = message.header("reason").and_then(reason_text);
    Redacted {
        label,
        status,
        cseq: clipped(&clean(message.header("cseq").unwrap_or_default())),
        reason: reason.map(|text| without_numbers(&scrubbed(&clean(&text), &private))),
        has_sdp,
        text: cut(text),
    }
}

/// Names and numbers of the people in the message, the longest first.
fn private_words(message: &RawMessage) -> Vec<String> {
    let addresses = message
        .headers
        .iter()
        .filter(|header| ADDRESSES.contains(&header.name.as_str()))
        .flat_map(|header| split_list(&header.value))
        .filter_map(NameAddr::parse)
        .flat_map(|address| [user_of(&address.uri), address.display]);
    let requested = match &message.start {
        StartLine::Request { uri, .. } => Some(user_of(uri)),
        StartLine::Response { .. } => None,
    };
    let mut words: Vec<String> = addresses
        .chain(requested)
        .flat_map(|user| [user.trim_start_matches('+').to_owned(), user])
        .filter(|word| word.chars().count() >= WORD_CHARS_MIN && word != OURS)
        .filter(|word| word.parse::<IpAddr>().is_err())
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words
}

fn value(name: &str, value: &str, private: &[String]) -> String {
    match name {
        "via" => listed(value, via),
        _ if ADDRESSES.contains(&name) => listed(value, address),
        _ if CALL_NAMES.contains(&name) => scrubbed(value, private),
        "user-agent" | "server" => without_numbers(&scrubbed(&without_comments(value), private)),
        _ if FREE_TEXT.contains(&name) => without_numbers(&scrubbed(value, private)),
        _ if CREDENTIALS.contains(&name) => credentials(value),
        _ if PLAIN.contains(&name) => value.to_owned(),
        _ => MASK.to_owned(),
    }
}

fn listed(value: &str, one: fn(&str) -> String) -> String {
    split_list(value).into_iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `"Display" <uri>;params` or `uri;params` (RFC 3261 20.10).
fn address(text: &str) -> String {
    if text == "*" {
        return text.to_owned();
    }
    let Some(open) = find_outside_quotes(text, '<') else {
        let (address, rest) = text.split_once(';').unwrap_or((text, ""));
        // A user part may itself hold ';', and would stand where the host is looked for.
        return match rest.contains('@') {
            true => MASK.to_owned(),
            false => format!("{}{}", uri(address), params(rest, PARAMS_OF_HEADERS)),
        };
    };
    let Some(length) = text[open..].find('>') else { return MASK.to_owned() };
    let close = open + length;
    let display = match text[..open].trim() {
        "" => String::new(),
        _ => format!("\"{MASK}\" "),
    };
    let rest = params(&text[close + 1..], PARAMS_OF_HEADERS);
    format!("{display}<{}>{rest}", uri(&text[open + 1..close]))
}

fn uri(text: &str) -> String {
    let Some((scheme, rest)) = text.trim().split_once(':') else { return MASK.to_owned() };
    if scheme.eq_ignore_ascii_case("tel") {
        return format!("tel:{MASK}");
    }
    if !(scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")) {
        return MASK.to_owned();
    }
    // The last '@': whatever stands before it, in whichever part, may be about somebody.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, _)) => (rest, format!("?{MASK}")),
        None => (rest, String::new()),
    };
    let (name, rest) = rest.split_once(';').unwrap_or((rest, ""));
    format!("{scheme}:{user}{}{}{headers}", host(name), params(rest, PARAMS_OF_URIS))
}

/// A host with its port. A number without a user part in front of it is no host.
fn host(text: &str) -> String {
    let text = text.trim();
    match host_and_port(text) {
        Some((name, _)) if name.parse::<IpAddr>().is_ok() => text.to_owned(),
        Some((name, _)) if !name.bytes().all(|byte| byte.is_ascii_digit()) => without_numbers(text),
        _ => MASK.to_owned(),
    }
}

fn via(text: &str) -> String {
    let (sent, rest) = text.split_once(';').unwrap_or((text, ""));
    format!("{}{}", sent.trim(), params(rest, PARAMS_OF_VIAS))
}

/// Parameters: those that are known stay.
fn params(text: &str, known: &[&str]) -> String {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let shown = parts.map(|part| {
        let name = part.split('=').next().unwrap_or(part).trim();
        let is_known = known.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~=:[] ".contains(&byte);
        match is_known && part.bytes().all(is_plain) {
            true => format!(";{part}"),
            false => format!(";{MASK}"),
        }
    });
    shown.collect()
}

/// Which way of proof, and what two sides may not agree about.
fn credentials(value: &str) -> String {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let is_known = |known: &&str| known.eq_ignore_ascii_case(scheme);
    let Some(scheme) = ["Digest", "Basic", "Bearer"].into_iter().find(is_known) else {
        return MASK.to_owned();
    };
    let mut shown = vec![format!("{scheme} {MASK}")];
    let kept = split_list(rest).into_iter().filter(|part| {
        let name = part.split('=').next().unwrap_or(part).trim().to_ascii_lowercase();
        matches!(name.as_str(), "algorithm" | "stale" | "qop")
    });
    shown.extend(kept.map(without_numbers));
    shown.join(", ")
}

/// The `text` of a Reason value (RFC 3326 2).
fn reason_text(value: &str) -> Option<String> {
    let at = value.to_ascii_lowercase().find(";text=")?;
    let rest = value[at + ";text=".len()..].trim();
    let Some(inner) = rest.strip_prefix('"') else {
        return rest.split([';', ',']).next().map(str::to_owned);
    };
    let mut is_escaped = false;
    let end = inner.find(|character: char| {
        let ends = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    })?;
    Some(unquote(&rest[..end + 2]))
}

fn is_sdp(message: &RawMessage, body: &[u8]) -> bool {
    match message.header("content-type") {
        Some(kind) => {
            kind.split(';').next().unwrap_or(kind).trim().eq_ignore_ascii_case("application/sdp")
        }
        None => body.starts_with(b"v=0"),
    }
}

fn sdp(body: &str) -> String {
    let lines = body.lines().map(|line| sdp_line(&clean(line.trim_end())));
    lines.map(|line| format!("{line}\n")).collect()
}

fn sdp_line(line: &str) -> String {
    let Some((kind, value)) = line.split_once('=') else {
        return if line.is_empty() { String::new() } else { MASK.to_owned() };
    };
    match kind {
        "v" | "c" | "t" | "m" | "b" | "r" | "z" => line.to_owned(),
        "s" if matches!(value.trim(), "" | "-") => line.to_owned(),
        "o" => match value.split_once(' ') {
            Some(("-", _)) => line.to_owned(),
            Some((_, rest)) => format!("o={MASK} {rest}"),
            None => format!("o={MASK}"),
        },
        "a" => format!("a={}", attribute(value)),
        "s" | "i" | "u" | "e" | "p" | "k" => format!("{kind}={MASK}"),
        _ => MASK.to_owned(),
    }
}

fn attribute(value: &str) -> String {
    let (name, rest) = value.split_once(':').unwrap_or((value, ""));
    match name {
        // `1 AES_CM_128_HMAC_SHA1_80 inline:KEY` (RFC 4568 9.1)
        "crypto" => {
            let mut words = rest.split_whitespace().filter(|word| is_token(word));
            match (words.next(), words.next()) {
                (Some(tag), Some(suite)) => format!("crypto:{tag} {suite} inline:{MASK}"),
                _ => format!("crypto:{MASK}"),
            }
        }
        _ if ATTRIBUTES.contains(&name) => value.to_owned(),
        "ice-pwd" | "ssrc" | "ssrc-group" | "msid" | "key-mgmt" | "cname" | "tool" => {
            format!("{name}:{MASK}")
        }
        _ => MASK.to_owned(),
    }
}

fn scrubbed(text: &str, private: &[String]) -> String {
    // Nobody has so many names: this would take long, and all of it may be about somebody.
    if private.len() > WORDS_MAX {
        return MASK.to_owned();
    }
    private.iter().fold(text.to_owned(), |text, word| text.replace(word.as_str(), MASK))
}

/// Leaves out what stands in brackets: there, softphones name the device by its owner.
fn without_comments(value: &str) -> String {
    match (value.find('('), value.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}({MASK}){}", &value[..open], &value[close + 1..])
        }
        (Some(open), _) => format!("{}{MASK}", &value[..open]),
        _ => value.to_owned(),
    }
}

/// Leaves out what may be a telephone number: many digits, with single blanks or hyphens between
/// them.
fn without_numbers(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        if !character.is_ascii_digit() {
            out.push(character);
            at += 1;
            continue;
        }
        let (mut end, mut digits) = (at, 0);
        while let Some(&next) = characters.get(end) {
            let joins = matches!(next, ' ' | '-')
                && characters.get(end + 1).is_some_and(char::is_ascii_digit);
            if !next.is_ascii_digit() && !joins {
                break;
            }
            digits += usize::from(next.is_ascii_digit());
            end += 1;
        }
        match digits < DIGITS_MIN {
            true => out.extend(&characters[at..end]),
            false => out.push_str(MASK),
        }
        at = end;
    }
    out
}

/// Nothing that a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn clipped(text: &str) -> String {
    text.chars().take(LABEL_CHARS_MAX).collect()
}

fn cut(mut text: String) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let mut end = TEXT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let left = text.len() - end;
    text.truncate(end);
    text.push_str(&format!("\n[{left} bytes more]\n"));
    text
}

/// A header's name as RFCs write it.
fn shown_name(name: &str) -> String {
    let known = match name {
        "call-id" => "Call-ID",
        "cseq" => "CSeq",
        "www-authenticate" => "WWW-Authenticate",
        "rack" => "RAck",
        "rseq" => "RSeq",
        "min-se" => "Min-SE",
        "mime-version" => "MIME-Version",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let words = without_numbers(name);
    let words = words.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests;
