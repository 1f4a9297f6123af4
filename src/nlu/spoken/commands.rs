//! Words that work at any time: "agent", "repeat that", "stop", "hold on", "goodbye", "who is this?"
//!
//! They count only when hardly anything else is said: "stop" leaves a task, "stop a payment"
//! begins one.

use super::token::{Token, is_filler, tokens};

/// A command that works at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GlobalCommand {
    /// Wants a person.
    Agent,
    /// Did not catch what was said.
    Repeat,
    /// Wants to leave the task.
    Stop,
    /// Is done with the call.
    Goodbye,
    /// Needs a moment.
    HoldOn,
    /// Wants it said more slowly.
    Slower,
    /// Wants to know what can be said.
    Help,
    /// Wants to begin again from the top.
    StartOver,
    /// Wants to know who or what is speaking.
    WhoIsThis,
}

/// The organisation's own ways to say the commands, besides the built-in ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct GlobalPhrases<'a> {
    /// For [`GlobalCommand::Agent`].
    pub agent: &'a [String],
    /// For [`GlobalCommand::Repeat`].
    pub repeat: &'a [String],
    /// For [`GlobalCommand::Stop`].
    pub stop: &'a [String],
    /// For [`GlobalCommand::Goodbye`].
    pub goodbye: &'a [String],
}

/// More words than a command with all its politeness has.
pub(super) const WORDS_MAX: usize = 14;

/// Words that may stand around any command.
const AROUND: &[&str] = &[
    "please", "can", "could", "would", "will", "you", "i", "i'd", "i'll", "like", "want", "need",
    "to", "just", "the", "a", "an", "hey", "hi", "hello", "ok", "okay", "oh", "now", "no", "yes",
    "yeah", "so", "well", "thanks", "thank", "let's", "let", "me", "may", "we", "wanna", "really",
    "right", "sorry", "sir", "ma'am", "then", "rather", "instead", "actually", "for", "and", "my",
    "but", "god", "look", "listen", "gotta", "i'm", "gonna", "going", "have", "do", "it", "that",
    "nope", "very", "much", "alright", "all", "great", "perfect",
];

/// A command's core phrases and the further words that may stand around them.
struct Spoken {
    command: GlobalCommand,
    core: &'static [&'static str],
    around: &'static [&'static str],
}

/// In order: the first whose phrase is there and whose other words are all harmless.
const COMMANDS: &[Spoken] = &[
    Spoken {
        command: GlobalCommand::Agent,
        core: &[
            "agent",
            "an agent",
            "agents",
            "person",
            "human",
            "human being",
            "representative",
            "rep",
            "operator",
            "someone",
            "somebody",
            "advisor",
            "adviser",
            "receptionist",
            "customer service",
            "customer services",
            "customer support",
            "real people",
            "live agent",
            "real person",
            "a human",
            "supervisor",
            "manager",
            "talk to a live one",
            "member of staff",
            "people",
        ],
        around: &[
            "speak",
            "talk",
            "speaking",
            "talking",
            "with",
            "get",
            "give",
            "put",
            "through",
            "transfer",
            "connect",
            "real",
            "live",
            "actual",
            "another",
            "some",
            "is",
            "there",
            "anyone",
            "anybody",
            "call",
            "not",
            "machine",
            "robot",
            "bot",
            "at",
            "on",
            "phone",
            "line",
            "prefer",
            "here",
            "who",
            "help",
            "us",
            "be",
            "transferred",
            "connected",
            "able",
            "service",
            "customer",
            "possible",
            "different",
            "from",
            "of",
            "over",
        ],
    },
    Spoken {
        command: GlobalCommand::StartOver,
        core: &[
            "start over",
            "start again",
            "start from the beginning",
            "begin again",
            "restart",
            "main menu",
            "from the beginning",
            "from the top",
            "back to the start",
            "back to the beginning",
        ],
        around: &["go", "back", "start", "everything", "whole", "thing", "over"],
    },
    Spoken {
        command: GlobalCommand::Slower,
        core: &[
            "slower",
            "slow down",
            "more slowly",
            "too fast",
            "speak slowly",
            "not so fast",
            "talk slowly",
        ],
        around: &[
            "speak", "talk", "say", "repeat", "bit", "little", "you're", "are", "talking",
            "speaking", "down", "again", "more", "much", "is", "it's", "that's", "slow",
        ],
    },
    Spoken {
        command: GlobalCommand::Repeat,
        core: &[
            "repeat",
            "repeat that",
            "say that again",
            "say it again",
            "say again",
            "come again",
            "one more time",
            "once more",
            "pardon",
            "pardon me",
            "beg your pardon",
            "what did you say",
            "what was that",
            "what's that",
            "what",
            "sorry what",
            "excuse me",
            "didn't hear",
            "didn't catch",
            "didn't get that",
            "didn't get it",
            "couldn't hear",
            "can't hear",
            "cannot hear",
            "did not hear",
            "did not catch",
            "missed that",
            "missed it",
            "didn't understand",
            "don't understand",
            "again please",
            "again",
            "huh",
            "what was the question",
            "what did you ask",
            "what did you just",
            "what question",
            "what were you",
            "what'd you say",
            "ask that again",
            "ask me that again",
            "ask me again",
            "repeating",
            "repeated",
        ],
        around: &[
            "say", "again", "did", "ask", "asked", "just", "earlier", "thing", "mind", "once",
            "question", "phrase", "repeat", "was", "question", "last", "part", "what", "you're",
            "saying", "said", "one", "more", "time", "back", "quite", "hear", "pardon", "beg",
            "your",
        ],
    },
    Spoken {
        command: GlobalCommand::HoldOn,
        core: &[
            "hold on",
            "hang on",
            "hold please",
            "one moment",
            "one second",
            "one sec",
            "one minute",
            "just a second",
            "just a moment",
            "just a minute",
            "just a sec",
            "a second",
            "a moment",
            "a minute",
            "a sec",
            "wait",
            "bear with me",
            "give me a second",
            "give me a minute",
            "1 second",
            "1 moment",
            "1 minute",
            "1 sec",
            "hold the line",
            "let me check",
            "let me think",
            "let me see",
            "let me look",
            "let me find it",
            "let me get it",
            "let me grab it",
        ],
        around: &[
            "give", "hold", "hang", "on", "second", "moment", "minute", "sec", "one", "wait", "up",
            "bear", "with", "check", "think", "see", "find", "get", "grab", "few", "seconds",
            "minutes", "while", "more", "another", "1", "about", "off",
        ],
    },
    Spoken {
        command: GlobalCommand::Goodbye,
        core: &[
            "bye",
            "goodbye",
            "good bye",
            "bye bye",
            "that's all",
            "that is all",
            "that's it thanks",
            "that's it thank you",
            "no that's it",
            "that will be all",
            "that'll be all",
            "that's everything",
            "nothing else",
            "nothing more",
            "i'm done",
            "i am done",
            "i'm finished",
            "we're done",
            "have a good day",
            "have a nice day",
            "have a good one",
            "have a great day",
            "see you",
            "talk to you later",
            "good night",
            "goodnight",
            "enjoy your day",
            "take care",
            "talk to you soon",
            "farewell",
            "see ya",
            "until next time",
            "catch you later",
            "hang up",
            "end the call",
            "all set",
            "all good thanks",
            "all good thank you",
        ],
        around: &[
            "bye",
            "that's",
            "today",
            "later",
            "have",
            "good",
            "nice",
            "day",
            "one",
            "done",
            "needed",
            "help",
            "your",
            "see",
            "nothing",
            "else",
            "everything",
            "it",
            "for",
            "take",
            "care",
            "i've",
            "got",
            "too",
            "wonderful",
            "been",
            "is",
            "was",
        ],
    },
    Spoken {
        command: GlobalCommand::Stop,
        core: &[
            "stop",
            "cancel",
            "never mind",
            "nevermind",
            "forget it",
            "forget about it",
            "forget that",
            "quit",
            "abort",
            "exit",
            "leave it",
            "don't bother",
            "changed my mind",
            "drop it",
            "let's not",
            "don't talk",
            "ignore that",
            "scrap that",
            "abort mission",
            "hush",
            "be quiet",
            "shut up",
        ],
        around: &[
            "it",
            "that",
            "this",
            "about",
            "talking",
            "speaking",
            "process",
            "processing",
            "task",
            "current",
            "anymore",
            "i've",
            "changed",
            "mind",
            "everything",
            "request",
            "stop",
            "cancel",
            "quit",
            "don't",
            "bother",
            "doing",
        ],
    },
    Spoken {
        command: GlobalCommand::Help,
        core: &[
            "help",
            "help me",
            "what can you do",
            "what can i say",
            "what can i ask",
            "what are my options",
            "what are the options",
            "how does this work",
            "options",
        ],
        around: &["here", "some", "what", "are", "say", "ask", "with", "this", "get", "help"],
    },
];

/// The command an utterance is, if it is one and nothing more.
pub fn parse(text: &str, phrases: &GlobalPhrases<'_>) -> Option<GlobalCommand> {
    let tokens = tokens(text);
    let words: Vec<&str> =
        tokens.iter().map(|token| token.word.as_str()).filter(|word| !is_filler(word)).collect();
    if words.is_empty() {
        return None;
    }
    if holds_and_explains(&tokens) {
        return Some(GlobalCommand::HoldOn);
    }
    if words.len() > WORDS_MAX {
        return None;
    }
    // Whatever was nice about the call, it ends with a goodbye.
    if matches!(words[words.len() - 1], "bye" | "goodbye") {
        return Some(GlobalCommand::Goodbye);
    }
    if asks_who(&words) {
        return Some(GlobalCommand::WhoIsThis);
    }
    COMMANDS
        .iter()
        .find(|spoken| {
            let own = own_phrases(phrases, spoken.command);
            let is_said = own.iter().any(|phrase| dominated_by_own(&words, phrase, spoken.around))
                || spoken.core.iter().any(|core| dominated_by(&words, core, spoken.around));
            is_said && !is_task(&words, spoken.command)
        })
        .map(|spoken| spoken.command)
}

fn own_phrases<'a>(phrases: &GlobalPhrases<'a>, command: GlobalCommand) -> &'a [String] {
    match command {
        GlobalCommand::Agent => phrases.agent,
        GlobalCommand::Repeat => phrases.repeat,
        GlobalCommand::Stop => phrases.stop,
        GlobalCommand::Goodbye => phrases.goodbye,
        _ => &[],
    }
}

pub(super) fn dominated_by_own(words: &[&str], phrase: &str, around: &[&str]) -> bool {
    let phrase: Vec<String> = tokens(phrase).into_iter().map(|token| token.word).collect();
    let phrase: Vec<&str> = phrase.iter().map(String::as_str).collect();
    dominated_by_words(words, &phrase, around)
}

pub(super) fn dominated_by(words: &[&str], core: &str, around: &[&str]) -> bool {
    let core: Vec<&str> = core.split(' ').collect();
    dominated_by_words(words, &core, around)
}

/// Whether the phrase is there and all other words are harmless beside it.
fn dominated_by_words(words: &[&str], core: &[&str], around: &[&str]) -> bool {
    if core.is_empty() {
        return false;
    }
    let harmless = |word: &&str| AROUND.contains(word) || around.contains(word);
    words.windows(core.len()).enumerate().any(|(at, window)| {
        window == core
            && words[..at].iter().all(harmless)
            && words[at + core.len()..].iter().all(harmless)
    })
}

/// What passes the word lists and is an answer or a task all the same.
fn is_task(words: &[&str], command: GlobalCommand) -> bool {
    let has = |phrase: &[&str]| words.windows(phrase.len()).any(|window| window == phrase);
    match command {
        // "What?" asks again; "what is that for" asks something.
        GlobalCommand::Repeat => {
            words[0] == "what" && words.len() > 1 && {
                !matches!(words[1], "did" | "was" | "were" | "question" | "sorry" | "please")
            }
        }
        // "I have someone", "could you be a person".
        GlobalCommand::Agent => {
            words.starts_with(&["i", "have"]) || has(&["i'm"]) || has(&["you", "be"])
        }
        GlobalCommand::Goodbye => has(&["good", "to", "see", "you"]),
        GlobalCommand::Help => has(&["thank"]) || has(&["thanks"]),
        // "Yes, cancel it" answers the question whether to.
        GlobalCommand::Stop => matches!(words[0], "yes" | "yeah" | "yep" | "sure"),
        _ => false,
    }
}

/// "Who is this?", "am I talking to a robot?"
fn asks_who(words: &[&str]) -> bool {
    const BEFORE: &[&str] = &[
        "hey", "hi", "hello", "sorry", "wait", "so", "ok", "okay", "oh", "and", "but", "excuse",
        "me", "no", "yes", "yeah", "please",
    ];
    const AFTER: &[&str] =
        &["please", "then", "anyway", "exactly", "again", "now", "here", "right", "even"];
    const WHO: &[&str] = &[
        "who is this",
        "who's this",
        "who is that",
        "who's that",
        "who are you",
        "what are you",
        "who am i talking to",
        "who am i talking with",
        "who am i speaking to",
        "who am i speaking with",
        "who is speaking",
        "who's speaking",
    ];
    let is_core = |list: &[&str], word: &&str| !list.contains(word);
    let Some(start) = words.iter().position(|word| is_core(BEFORE, word)) else { return false };
    let end = words.iter().rposition(|word| is_core(AFTER, word)).map_or(0, |last| last + 1);
    let core = words.get(start..end).unwrap_or_default();
    WHO.iter().any(|phrase| phrase.split(' ').eq(core.iter().copied())) || asks_what(core)
}

/// "Are you a robot or a real person?"
fn asks_what(words: &[&str]) -> bool {
    const ASKED: &[&[&str]] = &[
        &["are", "you"],
        &["is", "this"],
        &["is", "that"],
        &["am", "i", "talking", "to"],
        &["am", "i", "talking", "with"],
        &["am", "i", "speaking", "to"],
        &["am", "i", "speaking", "with"],
    ];
    const NATURES: &[&str] = &[
        "robot",
        "bot",
        "machine",
        "computer",
        "recording",
        "chatbot",
        "ai",
        "person",
        "human",
        "real",
    ];
    const AROUND: &[&str] = &[
        "a",
        "an",
        "actual",
        "live",
        "automated",
        "just",
        "even",
        "really",
        "actually",
        "being",
        "or",
        "not",
        "still",
        "some",
        "kind",
        "of",
    ];
    let Some(asked) = ASKED.iter().find(|asked| words.starts_with(asked)) else { return false };
    let rest = &words[asked.len()..];
    rest.iter().any(|word| NATURES.contains(word))
        && rest.iter().all(|word| NATURES.contains(word) || AROUND.contains(word))
}

/// "Hold on, let me find my card": the rest says why.
fn holds_and_explains(tokens: &[Token<'_>]) -> bool {
    const STARTS: &[&str] = &[
        "hold on",
        "hang on",
        "one moment",
        "one second",
        "one sec",
        "one minute",
        "just a second",
        "just a moment",
        "just a minute",
        "just a sec",
        "wait a second",
        "wait a minute",
        "wait a moment",
        "wait a sec",
        "give me a second",
        "give me a minute",
        "give me a moment",
        "bear with me",
        "wait",
    ];
    const REASONS: &[&str] = &[
        "let me",
        "i need to",
        "i have to",
        "i've got to",
        "i'm looking",
        "i'm getting",
        "i'm just",
        "i am looking",
        "while i",
        "i'll get",
        "i'll find",
        "i'll go",
        "i'll just",
        "i'm trying",
        "it's in",
        "it's here",
        "my",
    ];
    let words: Vec<&str> = tokens
        .iter()
        .map(|token| token.word.as_str())
        .filter(|word| {
            !is_filler(word)
                && !matches!(*word, "ok" | "okay" | "oh" | "please" | "sorry" | "yes" | "yeah")
        })
        .collect();
    let said = words.join(" ");
    STARTS.iter().any(|start| {
        said.strip_prefix(start)
            .and_then(|rest| rest.strip_prefix(' '))
            .is_some_and(|rest| REASONS.iter().any(|reason| begins_with(rest, reason)))
    }) || [
        "let me find my",
        "let me get my",
        "let me grab my",
        "let me look for my",
        "let me go get",
    ]
    .iter()
    .any(|start| begins_with(&said, start))
}

/// Whether the text begins with these whole words.
fn begins_with(text: &str, words: &str) -> bool {
    text.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::GlobalCommand::{
        Agent, Goodbye, Help, HoldOn, Repeat, Slower, StartOver, Stop, WhoIsThis,
    };
    use super::*;

    #[test]
    fn knows_the_commands() {
        let table: &[(GlobalCommand, &[&str])] = &[
            (
                Agent,
                &[
                    "agent",
                    "Agent!",
                    "can I please speak to an agent",
                    "no I want a person",
                    "representative",
                    "talk to a human",
                    "I want to talk to a real person",
                    "get me a person",
                    "operator",
                    "put me through to someone",
                    "could you transfer me to a representative please",
                    "customer service",
                    "let me talk to somebody",
                    "is there someone I can talk to",
                    "human please",
                    "real person",
                    "I'd rather speak with a person",
                    "connect me to an agent now",
                    "I need to speak to a manager",
                    "give me a live agent",
                ],
            ),
            (
                Repeat,
                &[
                    "repeat",
                    "repeat that please",
                    "Can you repeat that?",
                    "what did you say",
                    "What did you say?",
                    "say that again",
                    "could you say that again please",
                    "pardon",
                    "sorry, what was that?",
                    "What?",
                    "come again",
                    "I didn't hear that",
                    "sorry I didn't catch that",
                    "one more time please",
                    "again please",
                    "I beg your pardon",
                    "what was the question",
                    "I missed that",
                    "what did you just ask",
                    "can you ask me that again",
                    "would you mind repeating that",
                ],
            ),
            (
                Stop,
                &[
                    "stop",
                    "Stop.",
                    "never mind",
                    "nevermind",
                    "cancel that",
                    "cancel",
                    "please stop",
                    "forget it",
                    "no, forget about it",
                    "I want to cancel",
                    "stop talking",
                    "actually never mind",
                    "I changed my mind",
                    "ok stop that please",
                    "quit",
                    "let's not do that",
                ],
            ),
            (
                Goodbye,
                &[
                    "bye",
                    "goodbye",
                    "Bye bye.",
                    "ok thanks bye",
                    "that's all",
                    "That's all, thank you.",
                    "no that's it",
                    "nothing else thanks",
                    "no, that's everything",
                    "have a good day",
                    "I'm done",
                    "thank you, goodbye",
                    "that will be all",
                    "no thanks, bye",
                    "I enjoyed our talk, bye",
                    "take care",
                ],
            ),
            (
                HoldOn,
                &[
                    "hold on",
                    "hang on a second",
                    "one moment please",
                    "just a second",
                    "wait",
                    "wait a minute",
                    "um, one second",
                    "give me a moment",
                    "bear with me",
                    "hold on, let me find my card",
                    "hang on I need to get my glasses",
                    "let me check",
                    "just a minute please",
                    "one sec",
                    "okay hold on",
                    "let me get my card",
                ],
            ),
            (
                Slower,
                &["slower please", "can you slow down", "that's too fast", "speak more slowly"],
            ),
            (Help, &["help", "help me", "what can I say", "what are my options", "I need help"]),
            (
                WhoIsThis,
                &[
                    "who is this",
                    "Sorry, who is this please?",
                    "who am I talking to",
                    "who am I speaking with exactly",
                    "who are you",
                    "are you a robot",
                    "are you a real person",
                    "are you real",
                    "wait, am I talking to a robot?",
                    "Am I speaking to a person or a machine?",
                    "is this a recording",
                    "are you some kind of computer",
                ],
            ),
            (
                StartOver,
                &[
                    "start over",
                    "can we start again",
                    "main menu",
                    "let's start from the beginning",
                ],
            ),
        ];
        for (command, texts) in table {
            for text in *texts {
                assert_eq!(parse(text, &GlobalPhrases::default()), Some(*command), "{text}");
            }
        }
    }

    #[test]
    fn leaves_tasks_and_answers_alone() {
        for text in [
            "I want to stop a payment",
            "cancel my card",
            "I'd like to cancel my card please",
            "the agent told me my balance was wrong",
            "stop payment",
            "stop a check",
            "help me with my card",
            "I lost my card can you help",
            "what's my balance",
            "what is that charge",
            "what time do you close",
            "send fifty dollars to someone",
            "a person stole my card",
            "somebody stole my card",
            "someone used my card",
            "repeat the transfer from last month",
            "no",
            "yes please",
            "thank you",
            "one two three four",
            "my travel agent charged me twice",
            "is my payment on hold",
            "cancel my appointment",
            "savings",
            "wait for my payment to clear and then move it",
            "what are the fees",
            "I'm a representative",
            "start a new application",
            "thank you for the help",
            "could you be a real person",
            "it is good to see you",
            "who is this payment from",
            "who are you with",
            "is this a real charge",
            "is this the bank",
            "are you open",
            "am I talking to the billing department",
            "yes cancel it",
            "I want to talk about my mortgage",
            "",
            "um",
        ] {
            assert_eq!(parse(text, &GlobalPhrases::default()), None, "{text}");
        }
    }

    #[test]
    fn takes_the_organisations_own_words() {
        let agent = ["teller".to_owned(), "member services".to_owned()];
        let stop = ["scrap that".to_owned(), String::new()];
        let phrases = GlobalPhrases { agent: &agent, stop: &stop, ..Default::default() };
        for (text, expected) in [
            ("teller", Some(Agent)),
            ("can I talk to a teller please", Some(Agent)),
            ("Member Services", Some(Agent)),
            ("scrap that", Some(Stop)),
            ("the teller was rude", None),
            ("banana", None),
        ] {
            assert_eq!(parse(text, &phrases), expected, "{text}");
        }
        assert_eq!(parse("teller", &GlobalPhrases::default()), None);
    }
}
