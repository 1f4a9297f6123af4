//! `### name (kind, options)` blocks: what must be known, and how it is asked for.

use std::collections::BTreeSet;

use crate::nlu::spoken::{Cues, card, email, name, phone, postcode, time, zip_code};
use crate::nlu::{Choice, SlotKind, SlotName};

use super::document::{Block, Keyed, keyed, normal, split_key};
use super::finding::{Report, did_you_mean, listed};
use super::speech::{Context, Moment, Variables, read_all};
use super::template::{date, is_name};
use super::{ActionName, ReadBack, SlotSpec, Template};

const KEYS: [&str; 5] = ["Ask", "Again", "Read back", "From", "Check against"];
const OPTIONS: [&str; 4] = ["keypad", "patient", "secret", "default"];
const KINDS: [&str; 12] = [
    "digits", "money", "date", "time", "phone", "zip", "postcode", "card", "name", "email", "text",
    "one of:",
];
const READ_BACKS: [(&str, ReadBack); 4] = [
    ("no", ReadBack::No),
    ("plain", ReadBack::Plain),
    ("in pairs", ReadBack::InPairs),
    ("one by one", ReadBack::OneByOne),
];

/// Most digits that can be asked for at once; cards have 16, IBANs at most 34.
const DIGITS_MAX: usize = 40;

/// Reads all slots of a section, in asking order. `variables` are those known beforehand.
pub(super) fn read_slots(
    section: &Block,
    variables: &Variables,
    cx: &Context<'_>,
    report: &mut Report,
) -> Vec<SlotSpec> {
    for line in section.lines.iter().filter(|line| !line.text.is_empty()) {
        report.error(
            line.number,
            format!("`{}` belongs to no slot", line.text),
            "put a heading such as `### amount (money)` above it",
        );
    }
    let mut slots: Vec<SlotSpec> = Vec::new();
    let mut variables = variables.clone();
    variables.later.extend(section.blocks.iter().map(|block| slot_name(block).to_owned()));
    // Secrets are among them: an action may take what may not be said.
    let mut given = variables.known.clone();
    for block in &section.blocks {
        let Some(mut slot) = read_slot(block, &variables, cx, report) else { continue };
        slot.check_against = check_against(block, &slot, &given, cx, report);
        let name = slot.name.as_str().to_owned();
        if slots.iter().any(|other| other.name == slot.name) {
            report.error(block.line, format!("`{name}` is asked for twice"), "keep one of the two");
            continue;
        }
        variables.later.remove(&name);
        given.insert(name.clone());
        let names = if slot.secret { &mut variables.secret } else { &mut variables.known };
        names.insert(name);
        slots.push(slot);
    }
    slots
}

/// The name in a `### name (...)` heading.
pub(super) fn slot_name(block: &Block) -> &str {
    block.heading.split('(').next().unwrap_or_default().trim()
}

/// Sets of names by whether they may be said.
pub(super) fn said_and_secret(slots: &[SlotSpec]) -> (BTreeSet<String>, BTreeSet<String>) {
    let name = |slot: &SlotSpec| slot.name.as_str().to_owned();
    let (secret, said): (Vec<_>, Vec<_>) = slots.iter().partition(|slot| slot.secret);
    (said.into_iter().map(name).collect(), secret.into_iter().map(name).collect())
}

fn read_slot(
    block: &Block,
    variables: &Variables,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<SlotSpec> {
    let name = slot_name(block);
    if !is_name(name) {
        let better: String = normal(name).replace(' ', "_");
        report.error(
            block.line,
            format!("`{name}` cannot be the name of a slot"),
            format!("use lowercase letters, digits and `_`, such as `{}`", or_amount(&better)),
        );
        return None;
    }
    // A slot that cannot be read stays known, so that one mistake is reported once; the tree is
    // refused anyway.
    let header = read_header(block, report).unwrap_or(Header {
        kind: SlotKind::Text,
        keypad: false,
        patient: false,
        secret: false,
        default: None,
    });
    let entries = keyed(&block.lines, &KEYS, report);
    let entry = |key: &str| entries.iter().find(|entry| normal(&entry.key) == normal(key));
    let mut say = |key: &str| -> Vec<Template> {
        let items = entry(key).map_or(&[][..], |entry| entry.items.as_slice());
        read_all(items, variables, Moment::Before, cx, report)
    };
    let (ask, again) = (say("Ask"), say("Again"));
    check_questions(block, &header, (&ask, &again), report);
    let read_back = entry("Read back").map_or(ReadBack::No, |e| read_back(e, &header, report));
    let from_caller = entry("From").and_then(|e| from_caller(e, cx, report));
    Some(SlotSpec {
        name: SlotName::new(name),
        kind: header.kind,
        keypad: header.keypad,
        patient: header.patient,
        secret: header.secret,
        default: header.default,
        ask,
        again,
        read_back,
        from_caller,
        check_against: None,
        cues: Cues::default(),
    })
}

fn or_amount(name: &str) -> &str {
    if is_name(name) { name } else { "amount" }
}

fn check_questions(
    block: &Block,
    header: &Header,
    (ask, again): (&[Template], &[Template]),
    report: &mut Report,
) {
    let name = slot_name(block);
    let mentions = |key: &str| {
        block.lines.iter().any(|line| normal(&line.text).starts_with(&format!("{key}:")))
    };
    let has_ask = !ask.is_empty() || mentions("ask");
    let has_again = !again.is_empty() || mentions("again");
    if !has_ask && header.default.is_none() {
        report.error(
            block.line,
            format!("nothing is asked for `{name}`"),
            "add a line `Ask:` with the question",
        );
    } else if has_ask && !has_again {
        let what = format!("there is no second question for `{name}`");
        let fix = "add a line `Again:` that asks in other words, for when the answer was not \
                   understood";
        match header.default {
            // It is taken without asking; the question only comes after a correction.
            Some(_) => report.warning(block.line, what, fix),
            None => report.error(block.line, what, fix),
        }
    }
}

fn read_back(entry: &Keyed, header: &Header, report: &mut Report) -> ReadBack {
    let word = entry.items.first().map_or("", |item| item.text.trim_end_matches('.'));
    let found = READ_BACKS.iter().find(|(name, _)| *name == normal(word));
    let Some((_, read_back)) = found else {
        let fix = did_you_mean(word, READ_BACKS.iter().map(|(name, _)| *name), "remove it");
        report.error(entry.line, format!("`{word}` is not a way to read something back"), fix);
        return ReadBack::No;
    };
    // Of a card's number only the last four digits are ever read back.
    let is_card = header.kind == SlotKind::Card && *read_back == ReadBack::Plain;
    if header.secret && *read_back != ReadBack::No && !is_card {
        report.error(entry.line, "a secret must not be read back", "write `Read back: no`");
    } else if !reads_back(*read_back, &header.kind) {
        let what = match read_back {
            ReadBack::InPairs => "digits",
            _ => "digits, numbers, codes, names and addresses",
        };
        report.error(
            entry.line,
            format!("only {what} can be read back {word}"),
            "write `Read back: plain`",
        );
    }
    *read_back
}

/// Whether a value of this kind can be read back in this way.
fn reads_back(read_back: ReadBack, kind: &SlotKind) -> bool {
    match (read_back, kind) {
        (ReadBack::No | ReadBack::Plain, _) | (_, SlotKind::Digits { .. }) => true,
        (ReadBack::OneByOne, kind) => matches!(
            kind,
            SlotKind::Phone | SlotKind::Zip | SlotKind::Postcode | SlotKind::Name | SlotKind::Email
        ),
        (ReadBack::InPairs, _) => false,
    }
}

fn from_caller(entry: &Keyed, cx: &Context<'_>, report: &mut Report) -> Option<String> {
    let text = entry.items.first().map_or("", |item| item.text.as_str());
    let fields = || cx.declared.caller_fields.iter().map(String::as_str);
    let Some(field) = text.strip_prefix("crm.caller.") else {
        report.error(
            entry.line,
            format!("`{text}` is not a field of the caller's record"),
            "write `From: crm.caller.` and the field's name",
        );
        return None;
    };
    if !cx.declared.caller_fields.contains(field) {
        report.error(
            entry.line,
            format!("the caller's record has no field `{field}`"),
            did_you_mean(field, fields(), "remove the line: no fields are declared"),
        );
        return None;
    }
    Some(field.to_owned())
}

/// The action of a `Check against:` line. It runs as soon as the slot is filled, so that what it
/// takes must be `given` by then.
fn check_against(
    block: &Block,
    slot: &SlotSpec,
    given: &BTreeSet<String>,
    cx: &Context<'_>,
    report: &mut Report,
) -> Option<ActionName> {
    let (line, text) = block.lines.iter().find_map(|line| {
        let (key, value) = split_key(&line.text)?;
        (normal(key) == "check against").then_some((line.number, value))
    })?;
    if slot.kind != SlotKind::Name || slot.secret {
        report.error(
            line,
            "only a name that is no secret can be checked against a list",
            format!("write the heading as `### {} (name)`, or remove the line", slot.name),
        );
        return None;
    }
    let lists = cx.declared.actions.iter().filter(|(_, signature)| signature.gives_list);
    let name = ActionName::new(text);
    let Some((_, signature)) = lists.clone().find(|(known, _)| **known == name) else {
        report.error(
            line,
            format!("no action `{text}` gives a list"),
            did_you_mean(
                text,
                lists.map(|(known, _)| known.as_str()),
                "remove the line: frontdoor.toml declares no action with `list`",
            ),
        );
        return None;
    };
    let is_given = |input: &str| given.contains(input) || cx.declared.caller_fields.contains(input);
    let missing: Vec<&str> =
        signature.inputs.iter().map(String::as_str).filter(|input| !is_given(input)).collect();
    if !missing.is_empty() {
        report.error(
            line,
            format!("`{text}` needs {}, which is not known by then", listed(missing)),
            "ask for it further up, or check against another list",
        );
    }
    Some(name)
}

/// What stands in the brackets of a slot's heading.
struct Header {
    kind: SlotKind,
    keypad: bool,
    patient: bool,
    secret: bool,
    default: Option<String>,
}

fn read_header(block: &Block, report: &mut Report) -> Option<Header> {
    let name = slot_name(block);
    let inner = block.heading.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let Some(inner) = inner.map(str::trim).filter(|inner| !inner.is_empty()) else {
        report.error(
            block.line,
            format!("the heading does not say what `{name}` is"),
            format!("write it as `### {name} (digits 8)`, with one of {}", listed(KINDS)),
        );
        return None;
    };
    let groups = split(inner, ';');
    let first = groups.first().map_or("", |group| group.as_str());
    let (kind, mut options) = match strip_one_of(first) {
        Some(choices) => (one_of(choices, block.line, report), Vec::new()),
        None => {
            let mut parts = split(first, ',').into_iter();
            let kind = plain_kind(&parts.next().unwrap_or_default(), block.line, report);
            (kind, parts.collect())
        }
    };
    options.extend(groups.iter().skip(1).flat_map(|group| split(group, ',')));
    let mut header =
        Header { kind: kind?, keypad: false, patient: false, secret: false, default: None };
    for option in &options {
        read_option(option, &mut header, block.line, report);
    }
    if let Some(value) = &header.default
        && let Some(fix) = misfit(&header.kind, value)
    {
        report.error(
            block.line,
            format!("the default `{value}` of `{name}` does not fit its kind"),
            fix,
        );
    }
    let has_letters = matches!(
        header.kind,
        SlotKind::Text | SlotKind::OneOf(_) | SlotKind::Postcode | SlotKind::Name | SlotKind::Email
    );
    if header.keypad && has_letters {
        report.error(
            block.line,
            format!("`{name}` cannot be keyed in"),
            "use `keypad` for digits, money, dates, times, phone numbers, ZIP codes and cards only",
        );
    }
    if header.kind == SlotKind::Card && !header.secret {
        report.error(
            block.line,
            format!("`{name}` is a card number and not secret"),
            format!("write it as `### {name} (card, secret)`"),
        );
    }
    Some(header)
}

fn strip_one_of(text: &str) -> Option<&str> {
    let (start, rest) = text.split_once(':')?;
    (normal(start) == "one of").then_some(rest)
}

fn read_option(option: &str, header: &mut Header, line: usize, report: &mut Report) {
    let (word, value) = option.split_once(' ').unwrap_or((option, ""));
    match (word.to_lowercase().as_str(), value.trim()) {
        ("keypad", "") => header.keypad = true,
        ("patient", "") => header.patient = true,
        ("secret", "") => header.secret = true,
        ("default", value) if !value.is_empty() => header.default = Some(value.to_owned()),
        ("default", _) => report.error(
            line,
            "`default` has no value",
            "write the value behind it, such as `default checking`",
        ),
        _ => report.error(
            line,
            format!("`{option}` is not an option of a slot"),
            did_you_mean(word, OPTIONS, "remove it"),
        ),
    }
}

fn plain_kind(text: &str, line: usize, report: &mut Report) -> Option<SlotKind> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let kind = match (word.to_lowercase().as_str(), rest.trim()) {
        ("money", "") => Some(SlotKind::Money),
        ("date", "") => Some(SlotKind::Date),
        ("time", "") => Some(SlotKind::Time),
        ("phone", "") => Some(SlotKind::Phone),
        ("zip", "") => Some(SlotKind::Zip),
        ("postcode", "") => Some(SlotKind::Postcode),
        ("card", "") => Some(SlotKind::Card),
        ("name", "") => Some(SlotKind::Name),
        ("email", "") => Some(SlotKind::Email),
        ("text", "") => Some(SlotKind::Text),
        ("digits", count) => return digits(count, line, report),
        _ => None,
    };
    if kind.is_none() {
        let fix = did_you_mean(word, KINDS, "remove it");
        report.error(line, format!("`{text}` is not a kind of slot"), fix);
    }
    kind
}

fn digits(count: &str, line: usize, report: &mut Report) -> Option<SlotKind> {
    let (min, max) = count.split_once('-').unwrap_or((count, count));
    let number = |text: &str| text.trim().parse::<usize>().ok();
    match (number(min), number(max)) {
        (Some(min), Some(max)) if min > 0 && min <= max && max <= DIGITS_MAX => {
            Some(SlotKind::Digits { min, max })
        }
        _ => {
            report.error(
                line,
                format!("`digits {count}` does not say how many"),
                format!("write `digits 8` or `digits 4-6`, at most {DIGITS_MAX}"),
            );
            None
        }
    }
}

fn one_of(text: &str, line: usize, report: &mut Report) -> Option<SlotKind> {
    let mut choices: Vec<Choice> = Vec::new();
    let mut said = BTreeSet::new();
    for choice in split(text, ',') {
        let (value, also) = match choice.split_once('(') {
            Some((value, also)) => (value.trim(), split(also.trim_end_matches(')'), ',')),
            None => (choice.as_str(), Vec::new()),
        };
        if value.is_empty() {
            report.error(line, "a choice is empty", "remove the comma, or write the choice");
            continue;
        }
        let first = value.split(' ').next().unwrap_or_default();
        if OPTIONS.contains(&first) {
            report.error(
                line,
                format!("`{value}` stands among the choices"),
                format!("put a `;` in front of it: `; {value}`"),
            );
            continue;
        }
        for way in also.iter().map(String::as_str).chain([value]) {
            if !said.insert(way.to_lowercase()) {
                let fix = "keep it in one place only";
                report.error(line, format!("`{way}` is listed twice"), fix);
            }
        }
        choices.push(Choice { value: value.to_owned(), also });
    }
    if choices.len() < 2 {
        report.error(
            line,
            "there are fewer than two choices",
            "write them as `one of: checking, savings`",
        );
        return None;
    }
    Some(SlotKind::OneOf(choices))
}

/// Splits at a separator that is not inside brackets; the pieces are trimmed.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == separator && depth == 0 {
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces.iter().map(|piece| piece.trim().to_owned()).collect()
}

/// Why a value is not the normal form of this kind, as a fix; `None` if it is.
pub(super) fn misfit(kind: &SlotKind, value: &str) -> Option<String> {
    let shown = |is_valid: fn(&str) -> bool, fix: &str| (!is_valid(value)).then(|| fix.to_owned());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match kind {
        SlotKind::Digits { min, max } => {
            let fits = digits(value) && (*min..=*max).contains(&value.len());
            let count = if min == max { format!("{min}") } else { format!("{min} to {max}") };
            (!fits).then(|| format!("write {count} digits without spaces"))
        }
        SlotKind::Money => {
            let fits = value
                .split_once('.')
                .is_some_and(|(whole, cents)| digits(whole) && digits(cents) && cents.len() == 2);
            (!fits).then(|| "write the amount like `120.50`, without a sign".to_owned())
        }
        SlotKind::OneOf(choices) => {
            let values = || choices.iter().map(|choice| choice.value.as_str());
            let fits = values().any(|known| known == value);
            (!fits).then(|| did_you_mean(value, values(), "list the choices first"))
        }
        SlotKind::Date => {
            date(value).is_none().then(|| "write the date like `2026-03-31`".to_owned())
        }
        SlotKind::Time => shown(time::is_valid, "write the time like `14:30`"),
        SlotKind::Phone => shown(phone::is_valid, "write the number like `+14155550123`"),
        SlotKind::Zip => shown(zip_code::is_valid, "write it like `94103` or `94103-1234`"),
        SlotKind::Postcode => shown(postcode::is_valid, "write it like `SW1A 1AA`"),
        SlotKind::Card => shown(card::is_valid, "write the 13 to 19 digits of a real card number"),
        SlotKind::Name => shown(name::is_valid, "write the name like `Mary-Ann Smith`"),
        SlotKind::Email => shown(email::is_valid, "write it like `john.smith@example.com`"),
        SlotKind::Text => value.is_empty().then(|| "write some text".to_owned()),
    }
}
