//! How a caller feels about us, as far as words can tell: out of patience ("you're not listening"),
//! or abusive ("you idiot").
//!
//! Conservative on purpose. Swearing about something else describes it ("the damn card reader
//! broke"), and only what is said to us or about this conversation counts.

use super::token::{Token, is_filler, starts_with, tokens};
use crate::base::Pii;

/// How a caller feels about us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mood {
    /// Out of patience with us.
    Frustrated,
    /// Insults us, or swears at us.
    Abusive,
}

/// A sign of a mood, and what else was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Felt {
    /// The worst there was.
    pub mood: Mood,
    /// The words without the sign; empty if nothing is left that says something.
    pub rest: Pii<String>,
}

/// Said of this conversation.
const FRUSTRATED: &[&str] = &[
    "this is stupid",
    "this is so stupid",
    "this is annoying",
    "this is so annoying",
    "how annoying",
    "how ridiculous",
    "i hate this",
    "i can't believe this",
    "this is going nowhere",
    "we're going in circles",
    "we're going around in circles",
    "we're going round in circles",
    "this is driving me crazy",
    "you're driving me crazy",
    "you're driving me mad",
    "you're not listening",
    "you are not listening",
    "you aren't listening",
    "you don't listen",
    "you do not listen",
    "you never listen",
    "are you even listening",
    "are you listening",
    "are you deaf",
    "listen to me",
    "you're not understanding",
    "you are not understanding",
    "you don't understand",
    "you do not understand",
    "you never understand",
    "you don't get it",
    "you're not getting it",
    "you're not helping",
    "you are not helping",
    "you keep asking",
    "you keep repeating",
    "you keep saying",
    "you already asked",
    "you've already asked",
    "you asked me that already",
    "you asked that already",
    "i already told you",
    "i've already told you",
    "i told you already",
    "i just told you",
    "i've told you",
    "i keep telling you",
    "i already said",
    "i just said",
    "how many times do i have to",
    "how many times have i",
    "for the last time",
    "for the hundredth time",
    "for the millionth time",
    "for crying out loud",
    "for god's sake",
    "for goodness sake",
    "for heaven's sake",
    "for pete's sake",
    "for christ's sake",
    "for fuck's sake",
    "i'm fed up",
    "i am fed up",
    "i'm sick of this",
    "i've had enough",
    "i have had enough",
    "you're wasting my time",
    "you are wasting my time",
    "waste of my time",
    "what the fuck",
    "fuck this",
    "fucking hell",
];

/// Said at us.
const ABUSIVE: &[&str] = &[
    "fuck you",
    "fuck off",
    "screw you",
    "piss off",
    "damn you",
    "go to hell",
    "go fuck yourself",
    "kiss my ass",
    "you suck",
    "shut the fuck up",
    "shut the hell up",
];

/// "This is (so) ..." with one of these is about the call.
const JUDGEMENTS: &[&str] = &[
    "ridiculous",
    "absurd",
    "unbelievable",
    "unacceptable",
    "hopeless",
    "useless",
    "pointless",
    "insane",
    "infuriating",
    "frustrating",
    "bullshit",
];

/// What says how much: passed over.
const DEGREES: &[&str] = &[
    "a",
    "an",
    "so",
    "such",
    "just",
    "really",
    "absolutely",
    "completely",
    "totally",
    "utterly",
    "very",
    "getting",
    "quite",
    "bloody",
    "damn",
    "goddamn",
    "fucking",
    "freaking",
];

/// Of those, the ones that make an insult of a plain noun.
const SWEARING: &[&str] = &["bloody", "damn", "goddamn", "fucking", "freaking"];

/// The one that makes abuse of it.
const HARSH_SWEARING: &str = "fucking";

/// What frustrated people call a machine.
const MILD: &[&str] = &[
    "useless",
    "stupid",
    "dumb",
    "hopeless",
    "worthless",
    "pathetic",
    "rubbish",
    "ridiculous",
    "idiotic",
];

/// What one does not call anybody.
const HARSH: &[&str] = &[
    "idiot",
    "idiots",
    "moron",
    "morons",
    "imbecile",
    "bastard",
    "bastards",
    "bitch",
    "asshole",
    "assholes",
    "arsehole",
    "prick",
    "dickhead",
    "wanker",
    "twat",
    "cunt",
    "fucker",
    "motherfucker",
];

/// What we are.
const MACHINES: &[&str] = &["machine", "robot", "bot", "computer"];

/// Words that say nothing once the sign is taken away.
const LEFTOVERS: &[&str] = &[
    "to",
    "me",
    "at",
    "all",
    "oh",
    "just",
    "so",
    "and",
    "but",
    "you",
    "okay",
    "ok",
    "please",
    "come",
    "on",
    "god",
    "my",
    "hey",
    "now",
    "again",
    "here",
    "that",
    "this",
    "it",
    "is",
    "i",
    "a",
    "the",
    "of",
    "with",
    "thing",
    "honestly",
    "seriously",
    "really",
    "absolutely",
    "anymore",
    "man",
    "jesus",
    "christ",
    "already",
    "what",
];

/// The signs of a mood in an utterance, if there are any.
pub fn parse(text: &str) -> Option<Felt> {
    let tokens = tokens(text);
    let mut worst = None;
    let mut pieces: Vec<&str> = Vec::new();
    let mut kept_from = 0;
    let mut at = 0;
    while at < tokens.len() {
        let Some((mood, end)) = sign_at(&tokens, at) else {
            at += 1;
            continue;
        };
        if worst != Some(Mood::Abusive) {
            worst = Some(mood);
        }
        pieces.push(&text[kept_from..tokens[at].span.start]);
        kept_from = tokens[end - 1].span.end;
        at = end;
    }
    let mood = worst?;
    pieces.push(&text[kept_from..]);
    let kept: Vec<&str> = pieces.into_iter().map(bare).filter(|piece| !piece.is_empty()).collect();
    let rest = kept.join(" ");
    Some(Felt { mood, rest: Pii::new(if says_something(&rest) { rest } else { String::new() }) })
}

/// A piece without the punctuation at its ends. Currency signs belong to what follows them.
fn bare(piece: &str) -> &str {
    piece.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '$' | '£' | '€' | '%'))
}

fn says_something(rest: &str) -> bool {
    tokens(rest).iter().any(|token| !token.is_any(LEFTOVERS) && !is_filler(&token.word))
}

/// The sign that stands at `at`, with the place after it.
fn sign_at(tokens: &[Token<'_>], at: usize) -> Option<(Mood, usize)> {
    let phrase = |phrases: &[&str], mood: Mood| {
        let ends = phrases.iter().filter_map(|phrase| phrase_end(tokens, at, phrase));
        ends.max().map(|end| (mood, end))
    };
    phrase(ABUSIVE, Mood::Abusive)
        .or_else(|| insult(tokens, at))
        .or_else(|| phrase(FRUSTRATED, Mood::Frustrated))
        .or_else(|| judgement(tokens, at))
        .or_else(|| named_machine(tokens, at))
}

fn phrase_end(tokens: &[Token<'_>], at: usize, phrase: &str) -> Option<usize> {
    let words: Vec<&str> = phrase.split(' ').collect();
    starts_with(tokens, at, &words).then_some(at + words.len())
}

/// Where the words end that all stand in the list.
fn after_all(tokens: &[Token<'_>], at: usize, words: &[&str]) -> usize {
    (at..tokens.len()).find(|i| !tokens[*i].is_any(words)).unwrap_or(tokens.len())
}

/// "This is so ridiculous."
fn judgement(tokens: &[Token<'_>], at: usize) -> Option<(Mood, usize)> {
    const SUBJECTS: &[&str] = &["this is", "that is", "that's", "it's", "it is"];
    let subject = SUBJECTS.iter().find_map(|subject| phrase_end(tokens, at, subject))?;
    let judged = after_all(tokens, subject, DEGREES);
    let is_judged = tokens.get(judged).is_some_and(|token| token.is_any(JUDGEMENTS));
    is_judged.then_some((Mood::Frustrated, judged + 1))
}

/// "You (are a) useless machine", "you idiot", "you piece of crap".
fn insult(tokens: &[Token<'_>], at: usize) -> Option<(Mood, usize)> {
    const ADDRESSES: &[&str] = &["you are", "you're", "are you", "you"];
    const WHOLE: &[&str] = &["piece of crap", "piece of shit", "piece of junk", "son of a bitch"];
    let addressed = ADDRESSES.iter().find_map(|address| phrase_end(tokens, at, address))?;
    let called = after_all(tokens, addressed, DEGREES);
    let degrees = &tokens[addressed..called];
    let swears = degrees.iter().any(|token| token.is_any(SWEARING));
    let swears_harshly = degrees.iter().any(|token| token.is(HARSH_SWEARING));
    if let Some(end) = WHOLE.iter().find_map(|name| phrase_end(tokens, called, name)) {
        return Some((Mood::Abusive, end));
    }
    let mild_end = after_all(tokens, called, MILD);
    let end = after_all(tokens, mild_end, MACHINES);
    if tokens.get(end).is_some_and(|token| token.is_any(HARSH)) {
        return Some((Mood::Abusive, end + 1));
    }
    // "You stupid ..." goes on; "you are stupid" and "you machine" are different things.
    let named = mild_end > called || (swears && end > mild_end);
    let mood = if swears_harshly { Mood::Abusive } else { Mood::Frustrated };
    named.then_some((mood, end))
}

/// "Stupid machine!" by itself; "the stupid machine ate my card" tells what happened.
fn named_machine(tokens: &[Token<'_>], at: usize) -> Option<(Mood, usize)> {
    let mild_end = after_all(tokens, at, DEGREES);
    let machine = after_all(tokens, mild_end, MILD);
    let is_machine = tokens.get(machine).is_some_and(|token| token.is_any(MACHINES));
    let called = &tokens[at..machine];
    let is_insult = called.iter().any(|token| token.is_any(MILD) || token.is_any(SWEARING));
    let stands_alone = (at == 0 || tokens[at].is_set_apart() || tokens[at - 1].is("what"))
        && tokens.get(machine + 1).is_none_or(Token::is_set_apart);
    if !(is_machine && is_insult && stands_alone) {
        return None;
    }
    let is_harsh = called.iter().any(|token| token.is(HARSH_SWEARING));
    Some((if is_harsh { Mood::Abusive } else { Mood::Frustrated }, machine + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Mood::{Abusive, Frustrated};
    use super::*;

    fn felt(text: &str) -> Option<(Mood, String)> {
        parse(text).map(|felt| (felt.mood, felt.rest.into_inner()))
    }

    #[test]
    fn hears_that_a_caller_has_had_enough() {
        for (text, mood) in [
            ("This is ridiculous.", Frustrated),
            ("this is so frustrating", Frustrated),
            ("oh come on, that's absolutely ridiculous", Frustrated),
            ("You're not listening to me!", Frustrated),
            ("you\u{2019}re not listening", Frustrated),
            ("I already told you that", Frustrated),
            ("for god's sake", Frustrated),
            ("for fuck's sake", Frustrated),
            ("What the fuck?", Frustrated),
            ("useless machine", Frustrated),
            ("Stupid robot!", Frustrated),
            ("what a useless machine", Frustrated),
            ("you're useless", Frustrated),
            ("you stupid machine", Frustrated),
            ("you damn robot", Frustrated),
            ("you fucking robot", Abusive),
            ("fucking machine", Abusive),
            ("you idiot", Abusive),
            ("you're a complete waste, you stupid idiot", Abusive),
            ("you are such an idiot", Abusive),
            ("you bloody moron", Abusive),
            ("you piece of shit", Abusive),
            ("fuck you", Abusive),
            ("Go to hell.", Abusive),
        ] {
            assert_eq!(parse(text).map(|felt| felt.mood), Some(mood), "{text}");
        }
    }

    #[test]
    fn keeps_what_is_said_in_the_same_breath() {
        for (text, mood, rest) in [
            ("This is ridiculous, I lost my card.", Frustrated, "I lost my card"),
            ("I lost my card, this is ridiculous", Frustrated, "I lost my card"),
            ("I already told you, savings", Frustrated, "savings"),
            ("I already said no", Frustrated, "no"),
            ("you useless machine, get me a person", Frustrated, "get me a person"),
            ("get me a person you idiot", Abusive, "get me a person"),
            ("you're not listening. 12345678", Frustrated, "12345678"),
            ("move, for god's sake, $50 to savings", Frustrated, "move $50 to savings"),
            ("this is ridiculous you idiot", Abusive, ""),
            ("you're not listening to me", Frustrated, ""),
            ("oh for god's sake, come on", Frustrated, ""),
        ] {
            assert_eq!(felt(text), Some((mood, rest.to_owned())), "{text}");
        }
    }

    #[test]
    fn descriptions_are_no_abuse() {
        for text in [
            "the damn card reader broke",
            "the stupid machine ate my card",
            "your stupid machine ate my card",
            "my fucking card is gone",
            "damn it, I lost my card",
            "shit, I forgot my PIN",
            "somebody called me an idiot",
            "my idiot brother took my card",
            "are you a robot",
            "you are a bank",
            "are you open on Saturday",
            "how many times can I withdraw a day",
            "I was charged for the third time",
            "you charged me twice",
            "do you have a stupid app",
            "I don't understand",
            "the ATM is useless",
            "no",
            "I'm listening",
            "",
        ] {
            assert_eq!(felt(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_left_was_said(words in prop::collection::vec(
            prop::sample::select(vec![
                "you", "are", "a", "useless", "machine", "idiot", "this", "is", "ridiculous",
                "fucking", "what", "for", "god's", "sake", "fifty", "$", "card", ",", ".", "piece",
                "of", "shit", "stupid", "so",
            ]), 0..16,
        )) {
            let text = words.join(" ");
            if let Some(felt) = parse(&text) {
                for word in felt.rest.expose().split_whitespace() {
                    prop_assert!(text.contains(word), "{} of {}", word, text);
                }
            }
        }
    }
}
