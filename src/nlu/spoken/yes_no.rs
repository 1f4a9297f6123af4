//! Answers to a yes-or-no question, with what callers add to them.

use super::token::{Token, is_filler, tokens};

/// What an answer to a yes-or-no question was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YesNo {
    /// Agreed.
    Yes,
    /// Refused.
    No,
    /// Agreed, with more to take in: "yes but sixty", "yes, from savings". The rest, as heard.
    YesBut(String),
    /// Refused, with what it should be: "no, make it sixty" gives "sixty". The rest, as heard.
    NoWith(String),
    /// Neither, or both.
    Unclear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Yes,
    No,
    Unclear,
    /// Polite words that mean neither.
    Neutral,
}

use Meaning::{Neutral, No, Unclear, Yes};

/// Longer phrases win over their beginnings, so "no problem" is not "no".
const PHRASES: &[(&str, Meaning)] = &[
    ("yes", Yes),
    ("yeah", Yes),
    ("yea", Yes),
    ("yep", Yes),
    ("yup", Yes),
    ("yah", Yes),
    ("ya", Yes),
    ("aye", Yes),
    ("yessir", Yes),
    ("sure", Yes),
    ("sure thing", Yes),
    ("for sure", Yes),
    ("correct", Yes),
    ("right", Yes),
    ("true", Yes),
    ("all right", Yes),
    ("alright", Yes),
    ("exactly", Yes),
    ("precisely", Yes),
    ("absolutely", Yes),
    ("definitely", Yes),
    ("certainly", Yes),
    ("totally", Yes),
    ("of course", Yes),
    ("by all means", Yes),
    ("affirmative", Yes),
    ("indeed", Yes),
    ("ok", Yes),
    ("okay", Yes),
    ("k", Yes),
    ("fine", Yes),
    ("fine by me", Yes),
    ("great", Yes),
    ("good", Yes),
    ("perfect", Yes),
    ("please do", Yes),
    ("do it", Yes),
    ("do that", Yes),
    ("go ahead", Yes),
    ("go for it", Yes),
    ("you bet", Yes),
    ("you got it", Yes),
    ("uh huh", Yes),
    ("mm hmm", Yes),
    ("mm hm", Yes),
    ("mhm", Yes),
    ("mmhmm", Yes),
    ("i do", Yes),
    ("i did", Yes),
    ("i am", Yes),
    ("i would", Yes),
    ("i'd like that", Yes),
    ("i would like that", Yes),
    ("i guess so", Yes),
    ("i guess", Yes),
    ("i think so", Yes),
    ("i suppose so", Yes),
    ("i suppose", Yes),
    ("i agree", Yes),
    ("i believe so", Yes),
    ("i confirm", Yes),
    ("confirmed", Yes),
    ("confirm", Yes),
    ("it is", Yes),
    ("it's right", Yes),
    ("it's correct", Yes),
    ("it's fine", Yes),
    ("that is", Yes),
    ("that's right", Yes),
    ("that is right", Yes),
    ("that's correct", Yes),
    ("that is correct", Yes),
    ("that's true", Yes),
    ("that's it", Yes),
    ("that's me", Yes),
    ("that's the one", Yes),
    ("that's fine", Yes),
    ("that's good", Yes),
    ("that's great", Yes),
    ("that's ok", Yes),
    ("that's okay", Yes),
    ("that works", Yes),
    ("that would be great", Yes),
    ("that'd be great", Yes),
    ("works for me", Yes),
    ("sounds good", Yes),
    ("sounds right", Yes),
    ("looks good", Yes),
    ("you're right", Yes),
    ("you are right", Yes),
    ("you can", Yes),
    ("let's do it", Yes),
    ("let's do that", Yes),
    ("why not", Yes),
    ("no problem", Yes),
    ("not a problem", Yes),
    ("no worries", Yes),
    ("no doubt", Yes),
    ("without a doubt", Yes),
    ("roger", Yes),
    ("no", No),
    ("nope", No),
    ("nah", No),
    ("naw", No),
    ("no way", No),
    ("no thanks", No),
    ("no thank you", No),
    ("not really", No),
    ("not right now", No),
    ("not now", No),
    ("not today", No),
    ("not yet", No),
    ("not at all", No),
    ("not quite", No),
    ("of course not", No),
    ("absolutely not", No),
    ("definitely not", No),
    ("certainly not", No),
    ("i'm afraid not", No),
    ("i am afraid not", No),
    ("afraid not", No),
    ("i don't think so", No),
    ("i do not think so", No),
    ("i think not", No),
    ("i don't", No),
    ("i do not", No),
    ("i didn't", No),
    ("i'm not", No),
    ("i don't want that", No),
    ("i don't want to", No),
    ("i'd rather not", No),
    ("i would rather not", No),
    ("rather not", No),
    ("wrong", No),
    ("incorrect", No),
    ("false", No),
    ("negative", No),
    ("never", No),
    ("don't", No),
    ("do not", No),
    ("don't do it", No),
    ("don't do that", No),
    ("please don't", No),
    ("please do not", No),
    ("it isn't", No),
    ("it's not", No),
    ("it is not", No),
    ("it's wrong", No),
    ("that's wrong", No),
    ("that is wrong", No),
    ("that's not it", No),
    ("that's not right", No),
    ("that is not right", No),
    ("that isn't right", No),
    ("that's not correct", No),
    ("that is not correct", No),
    ("that isn't correct", No),
    ("that's not true", No),
    ("that's not me", No),
    ("that's not what i said", No),
    ("that's not what i want", No),
    ("that's incorrect", No),
    ("that is incorrect", No),
    ("not correct", No),
    ("not right", No),
    ("not true", No),
    ("not ok", No),
    ("not okay", No),
    ("uh uh", No),
    ("nuh uh", No),
    ("mm mm", No),
    ("not sure", Unclear),
    ("not so sure", Unclear),
    ("not too sure", Unclear),
    ("not certain", Unclear),
    ("i'm not sure", Unclear),
    ("i'm not so sure", Unclear),
    ("i am not sure", Unclear),
    ("are you sure", Unclear),
    ("i don't know", Unclear),
    ("i do not know", Unclear),
    ("don't know", Unclear),
    ("dunno", Unclear),
    ("no idea", Unclear),
    ("no clue", Unclear),
    ("maybe", Unclear),
    ("maybe not", Unclear),
    ("perhaps", Unclear),
    ("possibly", Unclear),
    ("it depends", Unclear),
    ("depends", Unclear),
    ("right now", Unclear),
    ("good question", Unclear),
    ("don't mind", Yes),
    ("i don't mind", Yes),
    ("please", Neutral),
    ("thanks", Neutral),
    ("thank you", Neutral),
    ("thank you very much", Neutral),
    ("sir", Neutral),
    ("ma'am", Neutral),
    ("madam", Neutral),
    ("so", Neutral),
    ("then", Neutral),
    ("oh", Neutral),
    ("yet", Neutral),
    ("now", Neutral),
    ("i said", Neutral),
    ("i mean", Neutral),
    ("just", Neutral),
];

/// Words between a refusal and what should be instead, taken off the correction.
const LEAD_INS: &[&str] = &[
    "make it",
    "make that",
    "change it to",
    "change that to",
    "it's",
    "it is",
    "it should be",
    "it was",
    "that should be",
    "should be",
    "i want",
    "i want it to be",
    "i wanted",
    "i'd like",
    "i would like",
    "i said",
    "i meant",
    "i mean",
    "but",
    "actually",
    "rather",
    "instead",
    "sorry",
    "let's say",
    "let's make it",
    "use",
    "the",
    "my",
];

/// What may stand between a yes and the rest of the sentence.
const YES_LEAD_INS: &[&str] = &["but", "and", "except", "only", "although", "though"];

/// Reads an answer to a yes-or-no question.
pub fn parse(text: &str) -> YesNo {
    let tokens = tokens(text);
    let start = skip_fillers(&tokens, 0);
    if start == tokens.len() {
        return YesNo::Unclear;
    }
    if let Some(correction_at) = correction_alone(&tokens, start) {
        return no_with(text, &tokens, correction_at);
    }
    let (meanings, rest_at) = leading_meanings(&tokens, start);
    let decided: Vec<Meaning> =
        meanings.iter().copied().filter(|meaning| *meaning != Neutral).collect();
    if decided.contains(&Unclear) {
        return YesNo::Unclear;
    }
    let (yes, no) = (decided.contains(&Yes), decided.contains(&No));
    let has_rest = rest_at < tokens.len();
    match (yes, no) {
        (false, false) if has_rest => trailing(&tokens, rest_at),
        (false, false) => YesNo::Unclear,
        (true, true) if !has_rest => YesNo::Unclear,
        (true, true) if decided.last() == Some(&No) => no_with(text, &tokens, rest_at),
        (true, true) => YesNo::Unclear,
        (true, false) if !has_rest => YesNo::Yes,
        (true, false) => yes_but(text, &tokens, rest_at),
        (false, true) if !has_rest => YesNo::No,
        (false, true) => no_with(text, &tokens, rest_at),
    }
}

fn skip_fillers(tokens: &[Token<'_>], at: usize) -> usize {
    tokens[at..]
        .iter()
        .position(|token| !is_filler(&token.word) || is_hum(token))
        .map_or(tokens.len(), |skipped| at + skipped)
}

/// "Mm-hmm" and "uh-huh" begin with what is elsewhere a filler.
fn is_hum(token: &Token<'_>) -> bool {
    token.is_any(&["mm", "uh"])
}

/// Phrases one after the other from the start, and where the rest begins.
fn leading_meanings(tokens: &[Token<'_>], start: usize) -> (Vec<Meaning>, usize) {
    let mut meanings = Vec::new();
    let mut at = start;
    while at < tokens.len() {
        if let Some((meaning, end)) = longest_phrase(tokens, at) {
            meanings.push(meaning);
            at = end;
        } else if is_filler(&tokens[at].word) {
            at += 1;
        } else {
            break;
        }
    }
    (meanings, at)
}

fn longest_phrase(tokens: &[Token<'_>], at: usize) -> Option<(Meaning, usize)> {
    PHRASES
        .iter()
        .filter_map(|(phrase, meaning)| {
            let end = phrase_end(tokens, at, phrase)?;
            Some((*meaning, end))
        })
        .max_by_key(|(_, end)| *end)
}

/// Where the phrase ends that stands at `at`, if it does.
fn phrase_end(tokens: &[Token<'_>], at: usize, phrase: &str) -> Option<usize> {
    let mut end = at;
    for word in phrase.split(' ') {
        if !tokens.get(end)?.is(word) {
            return None;
        }
        end += 1;
    }
    Some(end)
}

/// "Make it sixty", "not savings, checking": a correction without a "no".
fn correction_alone(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let after = ["make it", "make that", "change it to", "change that to", "actually make it"]
        .iter()
        .filter_map(|phrase| phrase_end(tokens, at, phrase))
        .max();
    if let Some(after) = after.filter(|after| *after < tokens.len()) {
        return Some(after);
    }
    let negates = tokens[at].is("not") && at + 1 < tokens.len();
    (negates && longest_phrase(tokens, at).is_none()).then_some(at)
}

fn no_with(text: &str, tokens: &[Token<'_>], at: usize) -> YesNo {
    let at = skip_lead_ins(tokens, at, LEAD_INS);
    rest(text, tokens, at).map_or(YesNo::No, YesNo::NoWith)
}

fn yes_but(text: &str, tokens: &[Token<'_>], at: usize) -> YesNo {
    let at = skip_lead_ins(tokens, at, YES_LEAD_INS);
    let at = [LEAD_INS[0], LEAD_INS[1]]
        .iter()
        .find_map(|phrase| phrase_end(tokens, at, phrase))
        .unwrap_or(at);
    rest(text, tokens, at).map_or(YesNo::Yes, YesNo::YesBut)
}

fn skip_lead_ins(tokens: &[Token<'_>], start: usize, lead_ins: &[&str]) -> usize {
    let mut at = start;
    while at < tokens.len() {
        let after = lead_ins.iter().filter_map(|phrase| phrase_end(tokens, at, phrase)).max();
        match after {
            Some(after) => at = after,
            None if is_filler(&tokens[at].word) => at += 1,
            None => break,
        }
    }
    at
}

/// The text from a token to the last that says something.
fn rest(text: &str, tokens: &[Token<'_>], at: usize) -> Option<String> {
    let polite = |token: &Token<'_>| {
        is_filler(&token.word) || token.is_any(&["please", "thanks", "instead", "then"])
    };
    let last = tokens.get(at..)?.iter().rfind(|token| !polite(token))?;
    let first = tokens.get(at)?;
    text.get(first.span.start..last.span.end).map(str::to_owned)
}

/// "I think that's right": an answer at the end of a short sentence that denies nothing before.
fn trailing(tokens: &[Token<'_>], at: usize) -> YesNo {
    const ENDINGS: &[(&str, Meaning)] = &[
        ("yes", Yes),
        ("is right", Yes),
        ("is correct", Yes),
        ("that's right", Yes),
        ("that's correct", Yes),
        ("sounds good", Yes),
        ("sounds right", Yes),
        ("would be great", Yes),
        ("go ahead", Yes),
        ("no", No),
        ("is wrong", No),
        ("that's wrong", No),
        ("is not right", No),
        ("is not correct", No),
        ("isn't right", No),
        ("isn't correct", No),
        ("that's not right", No),
    ];
    const WORDS_MAX: usize = 8;
    let end = tokens.iter().rposition(|token| !token.is_any(&["please", "thanks"]));
    let end = end.map_or(0, |last| last + 1);
    if end.saturating_sub(at) > WORDS_MAX {
        return YesNo::Unclear;
    }
    let found = ENDINGS
        .iter()
        .filter_map(|(phrase, meaning)| {
            let start = end.checked_sub(phrase.split(' ').count()).filter(|start| *start >= at)?;
            (phrase_end(tokens, start, phrase) == Some(end)).then_some((start, *meaning))
        })
        .min_by_key(|(start, _)| *start);
    let Some((start, meaning)) = found else { return YesNo::Unclear };
    let denied = tokens[at..start].iter().any(|token| {
        token.word.ends_with("n't") || token.is_any(&["not", "never", "if", "whether", "why"])
    });
    match meaning {
        Yes if !denied => YesNo::Yes,
        No if !denied => YesNo::No,
        _ => YesNo::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_yes() {
        for text in [
            "yes",
            "Yes.",
            "Yeah",
            "yep",
            "yup",
            "Sure!",
            "correct",
            "That's right.",
            "right",
            "Uh-huh.",
            "ok go ahead",
            "Okay, go ahead.",
            "please do",
            "absolutely",
            "affirmative",
            "I guess so",
            "yes please",
            "yes, thank you",
            "yes I would",
            "yes that's correct",
            "um yes",
            "well, yeah",
            "no problem",
            "mm-hmm",
            "Mhm",
            "that's fine",
            "of course",
            "why not",
            "sounds good",
            "yes yes yes",
            "yeah sure",
            "it is",
            "exactly",
            "perfect",
            "yes, ma'am",
            "oh yes",
            "I think that's right",
            "that is correct",
            "you bet",
            "by all means",
            "I don't mind",
            "definitely",
            "that\u{2019}s right",
            "fine",
            "all right then",
            "yes it is",
            "Yes, do it.",
            "go for it",
            "I believe that is correct",
            "that would be great",
        ] {
            assert_eq!(parse(text), YesNo::Yes, "{text}");
        }
    }

    #[test]
    fn plain_no() {
        for text in [
            "no",
            "No.",
            "nope",
            "nah",
            "not really",
            "wrong",
            "that's not right",
            "don't",
            "no thanks",
            "No, thank you.",
            "no that's wrong",
            "absolutely not",
            "I don't think so",
            "um no",
            "no no no",
            "not now",
            "please don't",
            "that's incorrect",
            "it's not",
            "no it isn't",
            "uh-uh",
            "no way",
            "definitely not",
            "I'd rather not",
            "not quite",
            "incorrect",
            "no it's not",
            "I think that is wrong",
            "negative",
            "don't do that",
            "of course not",
            "no, sir",
            "not today",
            "I'm afraid not",
            "oh no",
        ] {
            assert_eq!(parse(text), YesNo::No, "{text}");
        }
    }

    #[test]
    fn unclear() {
        for text in [
            "",
            "um",
            "not so sure",
            "I don't know",
            "yes no",
            "no yes",
            "maybe",
            "not sure",
            "I'm not sure",
            "are you sure?",
            "no idea",
            "banana",
            "what?",
            "perhaps",
            "it depends",
            "what time is it right now",
            "please",
            "I don't know if that's right",
            "dunno",
            "the weather is nice and the birds are singing so that was a yes",
        ] {
            assert_eq!(parse(text), YesNo::Unclear, "{text}");
        }
    }

    #[test]
    fn answers_with_more() {
        let no = |rest: &str| YesNo::NoWith(rest.to_owned());
        let yes = |rest: &str| YesNo::YesBut(rest.to_owned());
        let table = [
            ("no savings", no("savings")),
            ("No, savings.", no("savings")),
            ("no, make it sixty", no("sixty")),
            ("No, it's 1235.", no("1235")),
            ("no I said sixty please", no("sixty")),
            ("no that's wrong, it should be Friday", no("Friday")),
            ("make it sixty", no("sixty")),
            ("Actually make it sixty dollars", no("sixty dollars")),
            ("change that to sixty", no("sixty")),
            ("not savings, checking", no("not savings, checking")),
            ("no, not savings, checking", no("not savings, checking")),
            ("nope, sixty instead", no("sixty")),
            ("yes no make it sixty", no("sixty")),
            ("no, to my savings account", no("to my savings account")),
            ("yes but sixty", yes("sixty")),
            ("yes, but make it sixty", yes("sixty")),
            ("Yeah, from savings", yes("from savings")),
            ("yes and call me back", yes("call me back")),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
