//! Answers to a yes-or-no question, with what callers add to them.

use super::token::{Token, is_filler, starts_with, tokens};
use crate::base::Pii;

/// What an answer to a yes-or-no question was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YesNo {
    /// Agreed.
    Yes,
    /// Refused.
    No,
    /// Agreed, with more to take in: "yes but sixty", "yes, from savings". The rest, as heard.
    YesBut(Pii<String>),
    /// Refused, with what it should be: "no, make it sixty" gives "sixty". The rest, as heard.
    NoWith(Pii<String>),
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
    ("fine by me", Yes),
    ("great", Yes),
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
    ("i'd like that", Yes),
    ("i would like that", Yes),
    ("i guess so", Yes),
    ("i think so", Yes),
    ("i suppose so", Yes),
    ("i agree", Yes),
    ("i believe so", Yes),
    ("i confirm", Yes),
    ("confirmed", Yes),
    ("confirm", Yes),
    ("it's right", Yes),
    ("it's correct", Yes),
    ("it's fine", Yes),
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
    ("let's do it", Yes),
    ("let's do that", Yes),
    ("why not", Yes),
    ("no problem", Yes),
    ("not a problem", Yes),
    ("no worries", Yes),
    ("no doubt", Yes),
    ("without a doubt", Yes),
    ("roger", Yes),
    ("roger that", Yes),
    ("agreed", Yes),
    ("approved", Yes),
    ("makes sense", Yes),
    ("that makes sense", Yes),
    ("can we please", Yes),
    ("hell yes", Yes),
    ("that's what i said", Yes),
    ("hell no", No),
    ("no good", No),
    ("i would prefer not", No),
    ("i'd prefer not", No),
    ("i'll pass", No),
    ("i never said that", No),
    ("no", No),
    ("nope", No),
    ("not it", No),
    ("that ain't it", No),
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
    ("i don't want that", No),
    ("i don't want to", No),
    ("i'd rather not", No),
    ("i would rather not", No),
    ("rather not", No),
    ("wrong", No),
    ("incorrect", No),
    ("false", No),
    ("negative", No),
    ("don't do it", No),
    ("don't do that", No),
    ("please don't", No),
    ("please do not", No),
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

/// Whole only at the end of a clause: "it is" agrees, "it is not mine" does not.
const CLAUSES: &[(&str, Meaning)] = &[
    ("i do", Yes),
    ("i did", Yes),
    ("i am", Yes),
    ("i would", Yes),
    ("it is", Yes),
    ("that is", Yes),
    ("you can", Yes),
    ("i guess", Yes),
    ("i suppose", Yes),
    ("true", Yes),
    ("right", Yes),
    ("good", Yes),
    ("fine", Yes),
    ("k", Yes),
    ("it surely is", Yes),
    ("it sure is", Yes),
    ("i don't", No),
    ("i do not", No),
    ("i didn't", No),
    ("i did not", No),
    ("i'm not", No),
    ("i am not", No),
    ("it isn't", No),
    ("it's not", No),
    ("it is not", No),
    ("that isn't", No),
    ("that's not", No),
    ("that is not", No),
    ("it wasn't", No),
    ("don't", No),
    ("do not", No),
    ("never", No),
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
    let mut tokens = tokens(text);
    for token in &mut tokens {
        if let Some(full) = with_apostrophe(&token.word) {
            full.clone_into(&mut token.word);
        }
    }
    let start = skip_fillers(&tokens, 0);
    if start == tokens.len() || is_unsure(&tokens) {
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
        (false, false) if has_rest => match denied_statement(&tokens, rest_at) {
            Some(denied_at) => no_with(text, &tokens, denied_at),
            None => trailing(text, &tokens, rest_at),
        },
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
    let found = |table: &'static [(&str, Meaning)]| {
        table
            .iter()
            .filter_map(|(phrase, meaning)| Some((*meaning, phrase_end(tokens, at, phrase)?)))
    };
    let clauses = found(CLAUSES).filter(|(_, end)| clause_ends(tokens, *end));
    found(PHRASES).chain(clauses).chain(statement(tokens, at)).max_by_key(|(_, end)| *end)
}

/// Whether nothing goes on with the clause that ends here.
fn clause_ends(tokens: &[Token<'_>], end: usize) -> bool {
    tokens.get(end).is_none_or(|next| {
        next.is_set_apart()
            || is_filler(&next.word)
            || next.is_any(&[
                "please", "thanks", "thank", "yes", "yeah", "no", "sir", "ma'am", "but", "and",
                "then", "so", "correct",
            ])
    })
}

/// "That is most definitely false", "I know it's true": a judgement on what was asked.
fn statement(tokens: &[Token<'_>], at: usize) -> Option<(Meaning, usize)> {
    const SUBJECTS: &[&str] = &[
        "that's",
        "that is",
        "it's",
        "it is",
        "this is",
        "you're",
        "you are",
        "you were",
        "that would be",
        "that must be",
        "that has to be",
        "statement is",
        "answer is",
        "that sounds",
        "that seems",
        "that looks",
        "it sounds",
        "it looks",
        "everything is",
        "that isn't",
        "it isn't",
        "that can't be",
        "that wasn't",
        "it wasn't",
        "you got that",
        "you've got that",
        "that was",
        "number is",
        "amount is",
        "date is",
        "it seems",
    ];
    const BETWEEN: &[&str] = &[
        "definitely",
        "most",
        "very",
        "much",
        "so",
        "absolutely",
        "quite",
        "exactly",
        "really",
        "indeed",
        "totally",
        "completely",
        "all",
        "a",
        "the",
        "just",
        "entirely",
        "perfectly",
        "actually",
        "also",
    ];
    const RIGHT: &[&str] = &[
        "right", "correct", "true", "fine", "good", "ok", "okay", "perfect", "great", "it", "yes",
        "accurate", "one", "exact", "factual",
    ];
    const WRONG: &[&str] = &[
        "wrong",
        "false",
        "incorrect",
        "invalid",
        "untrue",
        "fake",
        "no",
        "falsehood",
        "mistaken",
        "mistake",
        "negative",
        "inaccurate",
    ];
    let opinion = ["i think", "i believe", "i know", "i guess", "i'd say", "i'm saying", "the"]
        .iter()
        .find_map(|phrase| phrase_end(tokens, at, phrase));
    let mut next = opinion.unwrap_or(at);
    // "I think that that's right".
    if opinion.is_some() && starts_with(tokens, next, &["that", "it's"]) {
        next += 1;
    }
    let subject = SUBJECTS.iter().filter_map(|phrase| phrase_end(tokens, next, phrase)).max()?;
    let mut denied = tokens[next..subject].iter().any(|token| token.word.ends_with("n't"));
    next = subject;
    while let Some(token) = tokens.get(next) {
        if token.is("not") {
            denied = !denied;
        } else if !token.is_any(BETWEEN) {
            break;
        }
        next += 1;
    }
    let judged = tokens.get(next)?;
    let right = judged.is_any(RIGHT);
    if !right && !judged.is_any(WRONG) {
        return None;
    }
    let mut end = next + 1;
    if tokens.get(end).is_some_and(|token| {
        token.is_any(&["one", "answer", "statement", "number", "amount", "date", "thing"])
    }) {
        end += 1;
    }
    let meaning = if right != denied { Yes } else { No };
    clause_ends(tokens, end).then_some((meaning, end))
}

/// "I'm not actually sure", "I couldn't say".
fn is_unsure(tokens: &[Token<'_>]) -> bool {
    let denied_before = |at: usize, reach: usize| {
        tokens[at.saturating_sub(reach)..at].iter().any(|token| {
            token.is_any(&["not", "don't", "can't", "cannot", "couldn't", "unable", "isn't"])
        })
    };
    (0..tokens.len()).any(|at| match tokens[at].word.as_str() {
        "sure" | "certain" | "know" => denied_before(at, 3),
        "say" | "tell" => denied_before(at, 2) && !tokens[at.saturating_sub(1)].is("don't"),
        "idea" | "clue" | "answer" | "information" => {
            denied_before(at, 4)
                && tokens[at.saturating_sub(3)..at].iter().any(|token| token.is("have"))
        }
        _ => false,
    })
}

/// Puts back apostrophes that were left out.
fn with_apostrophe(word: &str) -> Option<&'static str> {
    let full = match word {
        "thats" => "that's",
        "its" => "it's",
        "im" => "i'm",
        "dont" => "don't",
        "cant" => "can't",
        "isnt" => "isn't",
        "didnt" => "didn't",
        "wasnt" => "wasn't",
        _ => return None,
    };
    Some(full)
}

/// "That is not my name", "I don't want a refund": denies, from the word that does.
fn denied_statement(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    const SUBJECT_WORDS_MAX: usize = 3;
    let negation =
        tokens.iter().skip(at).take(SUBJECT_WORDS_MAX).position(|token| {
            token.is_any(&["not", "isn't", "wasn't", "ain't", "don't", "didn't"])
        })?;
    let subject = tokens[at..at + negation].iter().all(|token| {
        token.is_any(&["that", "it", "this", "is", "that's", "it's", "was", "i", "do", "did"])
    });
    (subject && negation + at + 1 < tokens.len()).then_some(at + negation)
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
fn rest(text: &str, tokens: &[Token<'_>], at: usize) -> Option<Pii<String>> {
    let polite = |token: &Token<'_>| {
        is_filler(&token.word) || token.is_any(&["please", "thanks", "instead", "then"])
    };
    let last = tokens.get(at..)?.iter().rfind(|token| !polite(token))?;
    let first = tokens.get(at)?;
    text.get(first.span.start..last.span.end).map(|rest| Pii::new(rest.to_owned()))
}

/// "I think that's right": an answer at the end of a short sentence that denies nothing before.
fn trailing(text: &str, tokens: &[Token<'_>], at: usize) -> YesNo {
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
        ("is false", No),
        ("answer is no", No),
        ("is true", Yes),
        ("that's not right", No),
    ];
    const WORDS_MAX: usize = 8;
    let end = tokens.iter().rposition(|token| !token.is_any(&["please", "thanks"]));
    let end = end.map_or(0, |last| last + 1);
    if end.saturating_sub(at) > WORDS_MAX {
        return YesNo::Unclear;
    }
    // "The business one, yeah."
    if let Some(last) = end.checked_sub(1).filter(|last| *last > at)
        && tokens[last].is_any(&["yes", "yeah", "yep", "yup", "correct", "right"])
        && tokens[last].gap.contains(',')
    {
        return rest(text, &tokens[..last], at).map_or(YesNo::Yes, YesNo::YesBut);
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
            "that is definitely true",
            "I know that is true",
            "it sure is",
            "you are correct",
            "that is not wrong",
            "that would be correct",
            "roger that",
            "agreed",
            "the statement is true",
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
            "that is most definitely false",
            "that's false",
            "it is very much false",
            "no, that is fake",
            "nope not it",
            "you got that wrong",
            "that ain't it",
            "thats not it",
            "I would prefer not",
            "hell no",
            "no, you are wrong",
            "that isn't it",
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
            "I'm not actually sure",
            "I am really not sure",
            "I do not have that information",
            "I can't say",
            "I'm not completely certain",
            "the weather is nice and the birds are singing so that was a yes",
        ] {
            assert_eq!(parse(text), YesNo::Unclear, "{text}");
        }
    }

    #[test]
    fn answers_with_more() {
        let no = |rest: &str| YesNo::NoWith(Pii::new(rest.to_owned()));
        let yes = |rest: &str| YesNo::YesBut(Pii::new(rest.to_owned()));
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
            ("that is not my name", no("not my name")),
            ("It wasn't by card", no("wasn't by card")),
            ("I don't want a refund", no("don't want a refund")),
            ("Don't transfer it", no("Don't transfer it")),
            ("No, it is a new one", no("a new one")),
            ("Exactly, it is not showing", yes("it is not showing")),
            ("the business one, yeah!", yes("the business one")),
            ("thats right, activate it", yes("activate it")),
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
