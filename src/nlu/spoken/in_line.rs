//! What callers say about waiting while they wait in line: "how long will it take?", "call me back",
//! "I don't want to wait any more".
//!
//! As with the commands that work at any time, they count only when hardly anything else is said.

use super::commands::{WORDS_MAX, dominated_by, dominated_by_own};
use super::token::{is_filler, tokens};

/// Something that is asked about waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineRequest {
    /// How long it will take, or which place they have; also whether anybody is there at all.
    HowLong,
    /// To be called back.
    CallBack,
    /// To wait no longer.
    Leave,
}

/// The organisation's own ways to say it, besides the built-in ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinePhrases<'a> {
    /// For [`LineRequest::HowLong`].
    pub how_long: &'a [String],
    /// For [`LineRequest::CallBack`].
    pub call_back: &'a [String],
    /// For [`LineRequest::Leave`].
    pub leave: &'a [String],
}

/// A request's core phrases and the further words that may stand around them.
struct Spoken {
    request: LineRequest,
    core: &'static [&'static str],
    around: &'static [&'static str],
}

/// In order: "I'll call back later" leaves, and asks for no call.
const REQUESTS: &[Spoken] = &[
    Spoken {
        request: LineRequest::Leave,
        core: &[
            "don't want to wait",
            "do not want to wait",
            "don't wanna wait",
            "don't want to hold",
            "don't want to be on hold",
            "not going to wait",
            "won't wait",
            "can't wait",
            "cannot wait",
            "can't hold",
            "can't stay on",
            "no longer want to wait",
            "stop waiting",
            "done waiting",
            "tired of waiting",
            "sick of waiting",
            "no time to wait",
            "don't have time to wait",
            "don't have time for this",
            "leave the line",
            "leave the queue",
            "get out of the line",
            "get out of line",
            "get out of the queue",
            "take me out",
            "take me off",
            "give up my place",
            "give up my spot",
            "cancel my place",
            "i'll call back",
            "i will call back",
            "i'll call again",
            "i'll try again",
            "i'll ring back",
            "i'll call another time",
            "i'll try another time",
            "i'll call you back",
            "call back later myself",
        ],
        around: &[
            "any", "anymore", "more", "longer", "this", "long", "here", "on", "in", "of", "line",
            "queue", "hold", "agent", "someone", "somebody", "person", "so", "forever", "day",
            "list", "am", "tomorrow", "later", "another", "time", "again", "today", "forget",
            "never", "mind", "myself", "wait", "waiting", "be", "because", "too", "not",
        ],
    },
    Spoken {
        request: LineRequest::CallBack,
        core: &[
            "call me back",
            "call back",
            "callback",
            "ring me back",
            "ring me",
            "phone me",
            "phone me back",
            "call me",
            "give me a call",
            "give me a ring",
            "have me called",
            "be called back",
            "get called back",
            "return my call",
        ],
        around: &[
            "back",
            "someone",
            "somebody",
            "anyone",
            "anybody",
            "agent",
            "person",
            "they",
            "them",
            "when",
            "once",
            "it's",
            "turn",
            "ready",
            "free",
            "there's",
            "you're",
            "your",
            "on",
            "this",
            "number",
            "same",
            "phone",
            "later",
            "of",
            "waiting",
            "holding",
            "than",
            "wait",
            "hold",
            "request",
            "schedule",
            "book",
            "arrange",
            "set",
            "up",
            "ask",
            "possible",
            "is",
            "get",
            "be",
            "someone's",
            "somebody's",
            "available",
            "today",
            "about",
            "how",
            "take",
            "place",
            "keep",
            "he",
            "she",
            "one",
            "there",
        ],
    },
    Spoken {
        request: LineRequest::HowLong,
        core: &[
            "how long",
            "how much longer",
            "how much time",
            "how many minutes",
            "how many people",
            "how many are",
            "how many callers",
            "what's my place",
            "what is my place",
            "what place am i",
            "which place am i",
            "what number am i",
            "which number am i",
            "what's my number",
            "what position am i",
            "what's my position",
            "what is my position",
            "what's the wait",
            "what is the wait",
            "what's the wait time",
            "wait time",
            "waiting time",
            "where am i",
            "am i next",
            "is it my turn",
            "when is it my turn",
            "when will it be my turn",
            "still there",
            "anybody there",
            "anyone there",
            "somebody there",
            "someone there",
            "are you there",
            "hello",
        ],
        around: &[
            "do",
            "does",
            "is",
            "it",
            "be",
            "take",
            "takes",
            "until",
            "till",
            "before",
            "am",
            "are",
            "in",
            "on",
            "at",
            "line",
            "queue",
            "list",
            "still",
            "more",
            "people",
            "callers",
            "ahead",
            "front",
            "of",
            "there",
            "wait",
            "waiting",
            "hold",
            "holding",
            "this",
            "turn",
            "currently",
            "someone",
            "somebody",
            "anyone",
            "anybody",
            "agent",
            "person",
            "answers",
            "answer",
            "comes",
            "picks",
            "up",
            "get",
            "gets",
            "through",
            "speak",
            "talk",
            "about",
            "tell",
            "know",
            "expect",
            "been",
            "left",
            "time",
            "long",
            "place",
            "which",
            "what",
            "what's",
            "when",
            "how",
            "any",
            "idea",
            "estimate",
            "approximately",
            "roughly",
            "again",
            "one",
            "human",
            "out",
            "else",
        ],
    },
];

/// What an utterance asks about waiting, if it is that and nothing more.
pub fn parse(text: &str, phrases: &LinePhrases<'_>) -> Option<LineRequest> {
    let tokens = tokens(text);
    let words: Vec<&str> =
        tokens.iter().map(|token| token.word.as_str()).filter(|word| !is_filler(word)).collect();
    if words.is_empty() || words.len() > WORDS_MAX {
        return None;
    }
    let is_said = |spoken: &&Spoken| {
        own_phrases(phrases, spoken.request)
            .iter()
            .any(|phrase| dominated_by_own(&words, phrase, spoken.around))
            || spoken.core.iter().any(|core| dominated_by(&words, core, spoken.around))
    };
    REQUESTS.iter().find(is_said).map(|spoken| spoken.request)
}

fn own_phrases<'a>(phrases: &LinePhrases<'a>, request: LineRequest) -> &'a [String] {
    match request {
        LineRequest::HowLong => phrases.how_long,
        LineRequest::CallBack => phrases.call_back,
        LineRequest::Leave => phrases.leave,
    }
}

/// Whether a goodbye ends the call. "That's all, thanks" of somebody who waits for a person only
/// says that there is nothing else to do meanwhile.
pub fn is_farewell(text: &str) -> bool {
    const WORDS: &[&str] = &["bye", "goodbye", "goodnight", "farewell"];
    const PHRASES: &[&[&str]] = &[
        &["good", "bye"],
        &["good", "night"],
        &["hang", "up"],
        &["hanging", "up"],
        &["end", "the", "call"],
        &["see", "you"],
        &["see", "ya"],
        &["take", "care"],
        &["talk", "to", "you"],
        &["catch", "you"],
        &["until", "next", "time"],
        &["good", "day"],
        &["nice", "day"],
        &["great", "day"],
        &["your", "day"],
        &["good", "one"],
    ];
    let tokens = tokens(text);
    let words: Vec<&str> = tokens.iter().map(|token| token.word.as_str()).collect();
    let has = |phrase: &&[&str]| words.windows(phrase.len()).any(|window| window == *phrase);
    words.iter().any(|word| WORDS.contains(word)) || PHRASES.iter().any(has)
}

/// Whether an utterance only shows that something was heard: "okay, thank you".
pub fn needs_no_answer(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "ok", "okay", "thanks", "thank", "you", "alright", "all", "right", "great", "good", "fine",
        "sure", "yes", "yeah", "yep", "no", "nope", "cool", "perfect", "oh", "got", "it", "i",
        "see", "i'll", "wait", "hold", "stay", "on", "in", "line", "keep", "waiting", "holding",
        "no", "problem", "very", "much", "so", "that's",
    ];
    const WORDS_MAX: usize = 7;
    let tokens = tokens(text);
    let is_said = |word: &str| WORDS.contains(&word) || is_filler(word);
    tokens.len() <= WORDS_MAX && tokens.iter().all(|token| is_said(&token.word))
}

#[cfg(test)]
mod tests {
    use super::LineRequest::{CallBack, HowLong, Leave};
    use super::*;

    #[test]
    fn knows_what_is_asked_about_waiting() {
        let table: &[(LineRequest, &[&str])] = &[
            (
                HowLong,
                &[
                    "How long?",
                    "how long will it take",
                    "how long do I have to wait",
                    "How much longer is it going to be?",
                    "um, how many people are ahead of me",
                    "what number am I in line",
                    "what's my place in the queue please",
                    "where am I in line?",
                    "can you tell me the wait time",
                    "am I next",
                    "hello? is anybody there",
                    "are you still there",
                    "Hello?",
                    "so how long until somebody answers",
                ],
            ),
            (
                CallBack,
                &[
                    "call me back",
                    "Can you call me back please?",
                    "I'd rather have a callback",
                    "could someone just call me back",
                    "can you call me when it's my turn",
                    "please ring me back on this number",
                    "I want to be called back",
                    "just give me a call when you're free",
                ],
            ),
            (
                Leave,
                &[
                    "I don't want to wait",
                    "I don't want to wait any longer",
                    "no, I can't wait this long",
                    "I'm not going to wait forever",
                    "please take me out of the line",
                    "I'll call back later",
                    "forget it, I'll try again tomorrow",
                    "I'm tired of waiting",
                    "I want to leave the queue",
                ],
            ),
        ];
        for (request, texts) in table {
            for text in *texts {
                assert_eq!(parse(text, &LinePhrases::default()), Some(*request), "{text}");
            }
        }
    }

    #[test]
    fn what_asks_for_something_else_is_left_alone() {
        for text in [
            "",
            "um",
            "yes",
            "what's my balance",
            "how long does a transfer take",
            "how long are you open today",
            "how many dollars do I have",
            "I lost my card",
            "call my bank in Spain",
            "where is my card",
            "I'll wait",
            "no, I'll stay in line",
            "leave the money in savings",
            "I can't wait to see the new app that your company has made for telephones",
        ] {
            assert_eq!(parse(text, &LinePhrases::default()), None, "{text}");
        }
    }

    #[test]
    fn takes_the_organisations_own_words() {
        let leave = ["scratch me off".to_owned(), String::new()];
        let phrases = LinePhrases { leave: &leave, ..LinePhrases::default() };
        assert_eq!(parse("please scratch me off the list", &phrases), Some(Leave));
        assert_eq!(parse("banana", &phrases), None);
    }

    #[test]
    fn a_farewell_is_told_from_wanting_nothing_more() {
        for text in ["bye", "okay, goodbye!", "I'm hanging up", "have a nice day", "see you"] {
            assert!(is_farewell(text), "{text}");
        }
        for text in ["that's all", "no, that's it, thanks", "nothing else", "I'm done", ""] {
            assert!(!is_farewell(text), "{text}");
        }
    }

    #[test]
    fn thanks_are_told_from_wishes() {
        for text in
            ["Okay, thank you.", "I'll wait", "no problem", "mm, great", "", "I'll stay in line"]
        {
            assert!(needs_no_answer(text), "{text}");
        }
        for text in ["thank you, what's my balance", "no, savings", "wait, I lost my card", "hello"]
        {
            assert!(!needs_no_answer(text), "{text}");
        }
    }
}
