//! `frontdoor suggest`: what callers said that was not understood, put together by meaning, and
//! where in the prompt files it might belong.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use crate::base::Pii;
use crate::config::Config;
use crate::engine::understanding::{Embedding, Phrase, group_alike, likeness};
use crate::nlu::spoken::commands::parse as parse_command;
use crate::nlu::spoken::mood::parse as parse_mood;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{GlobalPhrases, YesNo, is_backchannel};
use crate::nlu::{ConfidencePolicy, IntentName, Understanding};
use crate::prompts::{Generation, Intent, Risk, file_teaching};
use crate::server::{Lessons, load_profile};
use crate::store::{Reveal, UtteranceRecord};

use super::past::{
    PeriodArgs, Verdict, counted, open_records, open_trainer, policy, quoted, write_json,
};

/// How alike sentences of one group are to the one in its middle.
const SAME_MEANING: f32 = 0.6;

/// An intent less like a group than this is not what its callers want.
const NEAR: f32 = 0.45;

/// Utterances that are looked at, the latest first: every one is compared with every other.
const UTTERANCES_MAX: u32 = 2_000;

/// Groups that are printed; JSON has all.
const GROUPS_SHOWN: usize = 20;

/// Utterances that are printed of a group.
const EXAMPLES_SHOWN: usize = 5;

/// Arguments of `frontdoor suggest`.
#[derive(Debug, Args)]
pub struct SuggestArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// Show what was said, and the lines to add; without it only counts are shown
    #[arg(long)]
    reveal: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// A sentence, and how often it was said.
#[derive(Debug, Clone, PartialEq)]
struct Sentence {
    text: Pii<String>,
    times: usize,
    /// It was refused as none of our business.
    is_outside: bool,
}

/// Sentences that mean much the same.
#[derive(Debug)]
struct Group {
    /// The one in the middle first, then by how often they were said.
    sentences: Vec<Sentence>,
    /// The intent with the example most like the one in the middle, and how like it is.
    nearest: Option<(IntentName, f32)>,
    /// That intent moves money or changes something: a line too many does harm.
    is_risky: bool,
}

impl Group {
    fn times(&self) -> usize {
        self.sentences.iter().map(|sentence| sentence.times).sum()
    }

    /// Most of it was refused: whatever is nearest, it is probably something else.
    fn is_probably_new(&self) -> bool {
        let outside = self.sentences.iter().filter(|sentence| sentence.is_outside);
        let times: usize = outside.map(|sentence| sentence.times).sum();
        times * 2 > self.times()
    }

    /// The intent that might be meant.
    fn meant(&self) -> Option<&IntentName> {
        let near = self.nearest.as_ref().filter(|(_, alike)| *alike >= NEAR);
        near.map(|(intent, _)| intent).filter(|_| !self.is_probably_new())
    }

    /// The line to add to the intent's examples; none where it might do harm.
    fn line(&self) -> Option<String> {
        let middle = self.sentences.first().filter(|_| !self.is_risky)?;
        Some(example_line(middle.text.expose()))
    }
}

/// What came of looking.
struct Found {
    groups: Vec<Group>,
    /// Not understood then, and understood by the files as they are now.
    settled: usize,
}

/// Runs `frontdoor suggest`.
///
/// # Errors
/// There are no records, the profile is refused, or the models are missing.
pub async fn run(args: SuggestArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let store = open_records(config).await?;
    let said = store.utterances(args.period.began(), UTTERANCES_MAX).await?;
    store.close().await?;
    let (generation, _) = load_profile(config)?;
    let policy = policy(config);
    let sentences = sentences(&said, &generation, &policy);
    let reveal = if args.reveal { Reveal::Full } else { Reveal::Masked };
    let found = if sentences.is_empty() {
        Found { groups: Vec::new(), settled: 0 }
    } else {
        look(config, &generation, sentences, &policy)?
    };
    if args.json {
        write_json(out, &to_json(&found, reveal))?;
    } else {
        show(out, &found, &args.period.name(), reveal)?;
    }
    Ok(())
}

/// What was not understood, each sentence once, in the order in which they were first found.
fn sentences(
    said: &[UtteranceRecord],
    generation: &Generation,
    policy: &ConfidencePolicy,
) -> Vec<Sentence> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut sentences: Vec<Sentence> = Vec::new();
    for one in said.iter().filter(|one| is_not_understood(one, policy)) {
        let text = one.text.expose().trim();
        if is_no_request(text, generation) {
            continue;
        }
        let place = *places.entry(plain(text)).or_insert_with(|| {
            let text = Pii::new(text.to_owned());
            sentences.push(Sentence { text, times: 0, is_outside: false });
            sentences.len() - 1
        });
        let verdict = Verdict::of_score(&one.intent, one.confidence, one.out_of_scope, policy);
        sentences[place].times += 1;
        sentences[place].is_outside |= verdict == Verdict::OutOfScope;
    }
    sentences
}

/// It failed, or it was asked about, or it was none of our business.
fn is_not_understood(said: &UtteranceRecord, policy: &ConfidencePolicy) -> bool {
    let (intent, confidence) = (said.intent.as_str(), said.confidence);
    let verdict = Verdict::of_score(intent, confidence, said.out_of_scope, policy);
    said.failed == Some(true)
        || !matches!(verdict, Verdict::Intent(_))
        || confidence < policy.accept
}

/// Answers, commands and complaints about us, which are understood without any intent; and what has
/// no word in it.
fn is_no_request(text: &str, generation: &Generation) -> bool {
    let words = &generation.house.global_words;
    let phrases = GlobalPhrases {
        agent: &words.agent,
        repeat: &words.repeat,
        stop: &words.stop,
        goodbye: &words.goodbye,
    };
    !text.contains(char::is_alphabetic)
        || is_backchannel(text)
        || matches!(parse_yes_no(text), YesNo::Yes | YesNo::No)
        || parse_command(text, &phrases).is_some()
        || parse_mood(text).is_some_and(|felt| felt.rest.expose().is_empty())
}

/// The words of a text, to find it again however the recogniser wrote it.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join(" ")
}

/// A sentence as a line under `## Callers say`: without what has a meaning of its own there.
fn example_line(text: &str) -> String {
    let kept = text.replace(['(', ')', '[', ']', '{', '}', '|', '<', '>', '#', '*'], " ");
    let words: Vec<&str> = kept.split_whitespace().collect();
    words.join(" ").trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

/// Puts the sentences together and compares them with the files as they are now.
fn look(
    config: &Config,
    generation: &Generation,
    sentences: Vec<Sentence>,
    policy: &ConfidencePolicy,
) -> anyhow::Result<Found> {
    let trainer = open_trainer(config)?;
    let lessons = Lessons::of(generation);
    let understander = trainer.train(&lessons)?;
    let examples = trainer.embed(&lessons)?;
    let texts: Vec<&str> = sentences.iter().map(|one| one.text.expose().as_str()).collect();
    let phrases = understander.phrases(&texts, None)?;
    let is_settled = |phrase: &Phrase| is_sure(&understander.head().classify(phrase), policy);
    let (settled, open): (Vec<_>, Vec<_>) =
        sentences.into_iter().zip(phrases).partition(|(_, phrase)| is_settled(phrase));
    let (sentences, points): (Vec<Sentence>, Vec<Embedding>) =
        open.into_iter().map(|(sentence, phrase)| (sentence, phrase.embedding)).unzip();
    let labelled: Vec<(&IntentName, &Embedding)> =
        lessons.examples.iter().map(|(intent, _)| intent).zip(&examples).collect();
    let mut groups = grouped(&sentences, &points, &labelled);
    for group in &mut groups {
        let nearest = group.nearest.as_ref().and_then(|(name, _)| generation.intent(name));
        group.is_risky = nearest.is_some_and(is_risky);
    }
    Ok(Found { groups, settled: settled.iter().map(|(sentence, _)| sentence.times).sum() })
}

/// Whether an intent moves money, or changes something: whatever does is confirmed first.
fn is_risky(intent: &Intent) -> bool {
    intent.risk == Risk::High || (intent.action.is_some() && !intent.confirm.is_empty())
}

/// Whether the files as they are now would act on it.
fn is_sure(understanding: &Understanding, policy: &ConfidencePolicy) -> bool {
    let confidence = understanding.top().map_or(0.0, |top| top.confidence);
    let verdict = Verdict::of(understanding, policy);
    matches!(verdict, Verdict::Intent(_)) && confidence >= policy.accept
}

/// Groups, the largest first, each with the intent that is nearest.
fn grouped(
    sentences: &[Sentence],
    points: &[Embedding],
    examples: &[(&IntentName, &Embedding)],
) -> Vec<Group> {
    let times: Vec<usize> = sentences.iter().map(|sentence| sentence.times).collect();
    let group = |members: Vec<usize>| {
        let middle = members.first().and_then(|&index| points.get(index))?;
        let nearest = examples
            .iter()
            .map(|(intent, example)| (*intent, likeness(middle, example)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(intent, alike)| (intent.clone(), alike));
        let sentences = members.into_iter().map(|index| sentences[index].clone()).collect();
        Some(Group { sentences, nearest, is_risky: false })
    };
    group_alike(points, &times, SAME_MEANING).into_iter().filter_map(group).collect()
}

fn to_json(found: &Found, reveal: Reveal) -> Value {
    let groups: Vec<Value> = found
        .groups
        .iter()
        .map(|group| {
            let texts = group.sentences.iter().map(|one| reveal.text(&one.text));
            let file = group.meant().map(file_teaching);
            let line = group.line().filter(|_| file.is_some() && reveal == Reveal::Full);
            json!({
                "times": group.times(),
                "utterances": texts.collect::<Vec<_>>(),
                "nearest": group.nearest.as_ref().map(|(intent, _)| intent.as_str()),
                "similarity": group.nearest.as_ref().map(|(_, alike)| alike),
                "probably_new": group.is_probably_new(),
                "file": file,
                "line": line.map(|line| format!("- {line}")),
            })
        })
        .collect();
    json!({ "groups": groups, "understood_by_now": found.settled })
}

fn show(out: &mut impl Write, found: &Found, period: &str, reveal: Reveal) -> io::Result<()> {
    if found.groups.is_empty() {
        writeln!(out, "Nothing in the {period} waits to be understood.")?;
        return show_settled(out, found);
    }
    let all: usize = found.groups.iter().map(Group::times).sum();
    let utterances = counted(all, "utterance", "utterances");
    let groups = counted(found.groups.len(), "group", "groups");
    writeln!(out, "{utterances} of the {period} not understood for sure, in {groups}")?;
    for group in found.groups.iter().take(GROUPS_SHOWN) {
        show_group(out, group, reveal)?;
    }
    if found.groups.len() > GROUPS_SHOWN {
        writeln!(out, "\n{} smaller groups more: --json", found.groups.len() - GROUPS_SHOWN)?;
    }
    writeln!(out)?;
    show_settled(out, found)?;
    match reveal {
        Reveal::Masked => writeln!(out, "--reveal shows what was said, and the lines to add."),
        Reveal::Full => writeln!(
            out,
            "Take names and numbers out of a line before you add it. Then: frontdoor check, and \
             frontdoor replay."
        ),
    }
}

fn show_settled(out: &mut impl Write, found: &Found) -> io::Result<()> {
    match found.settled {
        0 => Ok(()),
        count => {
            let more = counted(count, "utterance more is", "utterances more are");
            writeln!(out, "{more} understood by the prompt files as they are now.")
        }
    }
}

fn show_group(out: &mut impl Write, group: &Group, reveal: Reveal) -> io::Result<()> {
    let nearest = match &group.nearest {
        Some((intent, alike)) => format!("nearest {intent} ({alike:.2})"),
        None => "there is no intent".to_owned(),
    };
    writeln!(out, "\n{}, {nearest}", counted(group.times(), "time", "times"))?;
    for sentence in group.sentences.iter().take(EXAMPLES_SHOWN) {
        let text = quoted(&sentence.text, reveal);
        let times =
            if sentence.times > 1 { format!("  x{}", sentence.times) } else { String::new() };
        writeln!(out, "    {text}{times}")?;
    }
    if group.sentences.len() > EXAMPLES_SHOWN {
        writeln!(out, "    and {} more", group.sentences.len() - EXAMPLES_SHOWN)?;
    }
    if group.is_probably_new() {
        return writeln!(
            out,
            "  refused as out of scope, so probably something new: an intent of its own, a question \
             in faq.md, or '## Not by phone' in house.md"
        );
    }
    let line = group.line().filter(|_| reveal == Reveal::Full);
    match (group.meant(), line) {
        (None, _) => writeln!(out, "  a new intent?"),
        (Some(intent), None) if group.is_risky => writeln!(
            out,
            "  if callers mean {intent}, which changes something: write lines of your own under \
             '## Callers say' of {}; what only sounds like it goes under '## Not this'",
            file_teaching(intent)
        ),
        (Some(intent), None) => {
            writeln!(out, "  add a line under '## Callers say' of {}?", file_teaching(intent))
        }
        (Some(intent), Some(line)) => {
            writeln!(out, "  under '## Callers say' of {}:", file_teaching(intent))?;
            writeln!(out, "    - {line}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CallId;

    fn said(text: &str, confidence: f32, failed: Option<bool>) -> UtteranceRecord {
        UtteranceRecord {
            call: CallId::from_u128(1),
            at_ms: 0,
            text: Pii::new(text.to_owned()),
            intent: "return".to_owned(),
            confidence,
            out_of_scope: Some(-1.0),
            failed,
            generation: "abc".to_owned(),
        }
    }

    fn sentence(text: &str, times: usize) -> Sentence {
        Sentence { text: Pii::new(text.to_owned()), times, is_outside: false }
    }

    #[test]
    fn what_failed_or_was_asked_about_is_not_understood() {
        let policy = ConfidencePolicy { accept: 0.55, confirm: 0.3, ..ConfidencePolicy::default() };
        for (confidence, failed, expected) in [
            (0.9, Some(false), false),
            (0.9, None, false),
            (0.9, Some(true), true),
            (0.5, Some(false), true),
            (0.1, None, true),
        ] {
            let one = said("send it back", confidence, failed);
            assert_eq!(is_not_understood(&one, &policy), expected, "{confidence} {failed:?}");
        }
        let outside = UtteranceRecord { out_of_scope: Some(0.2), ..said("a boat", 0.8, None) };
        assert!(is_not_understood(&outside, &policy));
    }

    #[test]
    fn the_same_words_are_one_sentence() {
        assert_eq!(plain(" I'd like a BOAT, please!"), "i'd like a boat please");
        assert_eq!(plain("I'd like a boat please"), "i'd like a boat please");
    }

    #[test]
    fn a_line_to_add_has_only_words() {
        for (text, line) in [
            ("I'd like to send it back.", "I'd like to send it back"),
            ("(noise) [uh] where's | my {order}?", "noise uh where's my order"),
            ("- hello", "hello"),
        ] {
            assert_eq!(example_line(text), line);
        }
    }

    fn found() -> Found {
        let (hours, returning) = (IntentName::new("hours"), IntentName::new("return"));
        let examples: [(&IntentName, &Embedding); 2] =
            [(&hours, &vec![0.0, 1.0]), (&returning, &vec![0.8, 0.6])];
        let sentences = [
            sentence("send it back", 2),
            sentence("I want to send it back.", 1),
            sentence("sell me a boat", 1),
        ];
        let points = [vec![1.0, 0.0], vec![0.8, 0.6], vec![0.0, -1.0]];
        Found { groups: grouped(&sentences, &points, &examples), settled: 1 }
    }

    #[test]
    fn groups_know_their_nearest_intent() {
        let groups = found().groups;
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].times(), 3);
        assert_eq!(groups[0].meant().map(IntentName::as_str), Some("return"));
        assert_eq!(groups[0].line().as_deref(), Some("send it back"));
        assert_eq!(groups[1].meant(), None, "{:?}", groups[1].nearest);
    }

    #[test]
    fn what_was_said_is_shown_only_when_asked_for() {
        let shown = |reveal| {
            let mut out = Vec::new();
            show(&mut out, &found(), "last 30 days", reveal).expect("writes to memory");
            String::from_utf8(out).expect("text")
        };
        let masked = shown(Reveal::Masked);
        assert!(!masked.contains("back") && !masked.contains("boat"), "{masked}");
        assert!(masked.starts_with("4 utterances of the last 30 days"), "{masked}");
        assert!(masked.contains("3 times, nearest return (0.80)\n    [3 words]  x2\n"), "{masked}");
        assert!(masked.contains("intents/return.md?\n") && masked.contains("--reveal"), "{masked}");
        assert!(masked.contains("  a new intent?\n"), "{masked}");
        assert!(masked.contains("1 utterance more is understood"), "{masked}");
        let full = shown(Reveal::Full);
        assert!(full.contains("of intents/return.md:\n    - send it back\n"), "{full}");
        assert!(full.contains("    \"sell me a boat\"\n  a new intent?"), "{full}");
        let json = to_json(&found(), Reveal::Masked).to_string();
        assert!(!json.contains("back") && !json.contains("boat"), "{json}");
        let json = to_json(&found(), Reveal::Full);
        assert_eq!(json["groups"][0]["line"], "- send it back");
        assert_eq!(json["groups"][1]["file"], Value::Null);
    }

    fn told(group: &Group) -> String {
        let mut out = Vec::new();
        show_group(&mut out, group, Reveal::Full).expect("writes to memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_was_refused_is_probably_new_whatever_it_is_like() {
        let mut group = found().groups.swap_remove(0);
        group.sentences[0].is_outside = true;
        let text = told(&group);
        assert!(text.contains("nearest return (0.80)"), "{text}");
        assert!(text.contains("probably something new") && !text.contains("- send"), "{text}");
        let found = Found { groups: vec![group], settled: 0 };
        let json = to_json(&found, Reveal::Full);
        assert_eq!(json["groups"][0]["probably_new"], true);
        assert_eq!(
            (&json["groups"][0]["file"], &json["groups"][0]["line"]),
            (&Value::Null, &Value::Null)
        );
    }

    #[test]
    fn no_line_is_proposed_for_what_changes_something() {
        let mut group = found().groups.swap_remove(0);
        group.is_risky = true;
        let text = told(&group);
        assert!(text.contains("which changes something") && !text.contains("- send"), "{text}");
        assert!(text.contains("intents/return.md"), "{text}");
        assert_eq!(group.line(), None);
    }

    #[test]
    fn a_sentence_that_was_refused_is_marked() {
        let outside =
            UtteranceRecord { out_of_scope: Some(0.2), ..said("a boat", 0.8, Some(true)) };
        let inside = said("send it", 0.3, Some(true));
        let generation = crate::conversation::tests::generation();
        let policy = ConfidencePolicy::default();
        let marked: Vec<bool> = sentences(&[outside, inside], &generation, &policy)
            .iter()
            .map(|sentence| sentence.is_outside)
            .collect();
        assert_eq!(marked, [true, false]);
    }
}
