//! What a whole tree of prompt files says, once parsed and found sound. Never changes afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::base::QueueName;
use crate::nlu::spoken::Cues;
use crate::nlu::{IntentName, SlotKind, SlotName};

use super::{Pattern, Queue, Template};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Wraps a name as the files write it.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// An action that the engineers declared in `frontdoor.toml` (`crm.balance`).
    ActionName
);
name_type!(
    /// A verification that the engineers declared in `frontdoor.toml` (`account_pin`).
    VerificationName
);
name_type!(
    /// SHA-256 of all the files of a profile, in hexadecimal; identifies the generation in records.
    GenerationHash
);

/// What prompt files may name: the engineers' declarations, as the linter needs them.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Actions with the slot names they take and the variables they give back.
    pub actions: BTreeMap<ActionName, ActionSignature>,
    /// Verifications with the slot names they check.
    pub verifications: BTreeMap<VerificationName, VerificationSignature>,
    /// Fields of the caller's CRM record that a slot may be filled `From:`.
    pub caller_fields: BTreeSet<String>,
    /// The record says what an open ticket of theirs is about.
    pub tells_ticket: bool,
    /// Callers are to be asked whether they may be recorded.
    pub asks_to_record: bool,
}

/// The inputs and outputs of a declared action.
#[derive(Debug, Clone, Default)]
pub struct ActionSignature {
    /// Slots that must be filled before it runs.
    pub inputs: Vec<String>,
    /// Variables that its result fills, for `## Then say`.
    pub outputs: Vec<String>,
    /// Whether it changes anything. An intent with such an action needs a confirmation.
    pub changes_state: bool,
    /// Whether it gives a list in place of outputs, for `Check against:`.
    pub gives_list: bool,
}

/// What a declared verification asks for.
#[derive(Debug, Clone, Default)]
pub struct VerificationSignature {
    /// Slots it checks, in the order they are asked (`account_number`, `pin`).
    pub slots: Vec<String>,
}

/// How much harm a mistake does; decides what must be verified and confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Risk {
    /// Nothing private, nothing changes.
    Low,
    /// Private, or easily undone.
    Medium,
    /// Money moves or access changes: verified and confirmed before it is done.
    High,
}

/// An immutable, linted tree of prompt files. Calls keep the one they started with.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Identifies the text of all files.
    pub hash: GenerationHash,
    /// The profile's folder name (`bank`).
    pub profile: String,
    /// `house.md`.
    pub house: House,
    /// `words.md`.
    pub words: Words,
    /// `patterns.md`.
    pub patterns: Patterns,
    /// `hours.md`.
    pub hours: Hours,
    /// `queues.md`.
    pub queues: BTreeMap<QueueName, Queue>,
    /// `faq.md`.
    pub faq: Vec<FaqEntry>,
    /// `intents/*.md`, in file-name order.
    pub intents: Vec<Intent>,
}

impl Generation {
    /// The intent of this name.
    pub fn intent(&self, name: &IntentName) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.name == *name)
    }

    /// Every training example with the intent it belongs to.
    pub fn training(&self) -> Vec<(IntentName, String)> {
        let of = |intent: &Intent| {
            let name = intent.name.clone();
            let texts = intent.examples.iter().map(|example| example.text.clone());
            texts.map(move |text| (name.clone(), text)).collect::<Vec<_>>()
        };
        self.intents.iter().flat_map(of).collect()
    }

    /// The question and answer that the classifier knows by this name.
    pub fn faq_entry(&self, name: &IntentName) -> Option<&FaqEntry> {
        self.faq.iter().find(|entry| entry.name() == *name)
    }

    /// Every way to ask a question of `faq.md`, with the name it has for the classifier.
    pub fn faq_training(&self) -> Vec<(IntentName, String)> {
        let of = |entry: &FaqEntry| {
            let name = entry.name();
            let asked = std::iter::once(&entry.question).chain(&entry.also);
            asked.map(|text| (name.clone(), text.clone())).collect::<Vec<_>>()
        };
        self.faq.iter().flat_map(of).collect()
    }

    /// What is not done by phone and has this name for the classifier.
    pub fn not_by_phone(&self, name: &IntentName) -> Option<&NotByPhone> {
        self.house.not_by_phone.iter().find(|entry| entry.name() == *name)
    }

    /// Every way to ask for something that is not done by phone, with the name it has for the
    /// classifier.
    pub fn not_by_phone_training(&self) -> Vec<(IntentName, String)> {
        let of = |entry: &NotByPhone| {
            let name = entry.name();
            let asked = entry.examples.iter().map(|example| example.text.clone());
            let asked = asked.chain([entry.title.clone()]);
            asked.map(|text| (name.clone(), text)).collect::<Vec<_>>()
        };
        self.house.not_by_phone.iter().flat_map(of).collect()
    }

    /// Every line of `## Not this`.
    pub fn negatives(&self) -> Vec<Negative> {
        let of = |intent: &Intent| {
            let not = intent.name.clone();
            let lines = intent.not_this.iter().cloned();
            lines
                .map(move |line| Negative {
                    not: not.clone(),
                    text: line.text,
                    really: line.intent,
                })
                .collect::<Vec<_>>()
        };
        self.intents.iter().flat_map(of).collect()
    }

    /// Every sentence that never changes, so that the voice can speak it ahead of time: variants
    /// without blanks (or only with `{house}`, filled in), and of the other variants those
    /// sentences that have none. Each once, in the order of the files.
    pub fn fixed_sentences(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut fixed = Vec::new();
        for template in self.spoken() {
            let known = |name: &str| self.of_house(name);
            let whole = template.render(&known).ok();
            let source = template.to_string();
            let pieces = match whole {
                Some(whole) => vec![whole],
                None => super::speech::sentences(&source)
                    .into_iter()
                    .filter_map(|piece| Template::parse(piece, template.line).ok())
                    .filter_map(|piece| piece.render(&known).ok())
                    .collect(),
            };
            for piece in pieces {
                if seen.insert(piece.clone()) {
                    fixed.push(piece);
                }
            }
        }
        fixed
    }

    /// The value of a blank that is the same in every call: the house's name, or its hours as
    /// spoken.
    pub fn of_house(&self, blank: &str) -> Option<String> {
        match blank {
            "house" => Some(self.house.name.clone()),
            "hours" => {
                let spoken = self.hours.spoken.as_ref()?;
                spoken.render(&|name| (name == "house").then(|| self.house.name.clone())).ok()
            }
            _ => None,
        }
    }

    /// Every template that may be spoken.
    fn spoken(&self) -> Vec<&Template> {
        let mut all: Vec<&Template> = Vec::new();
        // What a caller hears first is made first, and then what has to be there at once.
        all.extend(&self.house.disclosure);
        all.extend(&self.house.greeting);
        let at_once = [Pattern::RecordingQuestion, Pattern::OneMoment, Pattern::StillWorking];
        all.extend(at_once.iter().filter_map(|one| self.patterns.says.get(one)).flatten());
        let tickets = self.house.ticket_greeting.iter();
        all.extend(tickets.flat_map(|greeting| greeting.ask.iter().chain(&greeting.otherwise)));
        all.extend(self.house.not_by_phone.iter().map(|entry| &entry.answer));
        all.extend(self.patterns.says.values().flatten());
        let verifying = self.patterns.verifications.values().flatten();
        for slot in verifying.chain(self.intents.iter().flat_map(|intent| &intent.slots)) {
            all.extend(slot.ask.iter().chain(&slot.again));
        }
        all.extend(&self.hours.spoken);
        all.extend(self.queues.values().flat_map(|queue| &queue.while_waiting));
        all.extend(self.faq.iter().map(|entry| &entry.answer));
        for intent in &self.intents {
            all.extend(intent.confirm.iter().chain(&intent.then_say));
            all.extend(intent.if_it_fails.values());
        }
        all
    }
}

/// Something that sounds like an intent and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negative {
    /// The intent it is not.
    pub not: IntentName,
    /// What the caller says.
    pub text: String,
    /// The intent it really is; `None` if the file does not say.
    pub really: Option<IntentName>,
}

/// Who answers: `house.md`.
#[derive(Debug, Clone)]
pub struct House {
    /// The organisation's name as spoken.
    pub name: String,
    /// The voice's name in `models/manifest.toml`; empty for the default.
    pub voice: String,
    /// Language tag (`en-US`).
    pub language: String,
    /// Variants of the first words of a call.
    pub greeting: Vec<Template>,
    /// In place of them, to callers who have an open ticket.
    pub ticket_greeting: Option<TicketGreeting>,
    /// Said once before anything else, where the law wants it.
    pub disclosure: Option<Template>,
    /// Why callers cannot interrupt it; `None`: they can.
    pub disclosure_uninterruptible: Option<String>,
    /// Words that work at any time.
    pub global_words: GlobalWords,
    /// What the organisation does, and does not do by phone.
    pub not_by_phone: Vec<NotByPhone>,
}

/// `## Ticket greeting`: whether a caller calls about what is going on with them already.
#[derive(Debug, Clone)]
pub struct TicketGreeting {
    /// Variants of the question. They use `{caller_ticket_subject}`.
    pub ask: Vec<Template>,
    /// Variants of what is said after a no.
    pub otherwise: Vec<Template>,
    /// Where a yes leads.
    pub lead: TicketLead,
}

/// Where a caller goes who calls about their open ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketLead {
    /// To what is done for this intent.
    Intent(IntentName),
    /// To these people.
    Queue(QueueName),
}

/// Before the question, in the name that a question of `faq.md` has for the classifier. No intent
/// can have such a name: theirs hold no spaces.
const FAQ_PREFIX: &str = "faq: ";

/// Before the title, in the name that something not done by phone has for the classifier.
const NOT_BY_PHONE_PREFIX: &str = "not offered: ";

/// Whether this is the name of an answer (a question of `faq.md`, or something not done by phone)
/// and not of an intent.
pub fn is_answer(name: &IntentName) -> bool {
    name.as_str().starts_with(FAQ_PREFIX) || name.as_str().starts_with(NOT_BY_PHONE_PREFIX)
}

/// The file of a profile that teaches what has this name for the classifier.
pub fn file_teaching(name: &IntentName) -> String {
    if name.as_str().starts_with(FAQ_PREFIX) {
        "faq.md".to_owned()
    } else if name.as_str().starts_with(NOT_BY_PHONE_PREFIX) {
        "house.md".to_owned()
    } else {
        format!("intents/{name}.md")
    }
}

/// Something that the organisation does, and that callers cannot have by phone.
#[derive(Debug, Clone)]
pub struct NotByPhone {
    /// What it is, for the ear ("a mortgage").
    pub title: String,
    /// Ways callers ask for it.
    pub examples: Vec<Example>,
    /// What is said: where to get it.
    pub answer: Template,
    /// Who can tell more; `None`: whoever callers get who just want somebody.
    pub queue: Option<QueueName>,
}

impl NotByPhone {
    /// Its name for the classifier and in records.
    pub fn name(&self) -> IntentName {
        IntentName::new(format!("{NOT_BY_PHONE_PREFIX}{}", self.title))
    }
}

/// Ways to say the commands that work at any time.
#[derive(Debug, Clone, Default)]
pub struct GlobalWords {
    /// "agent", "a person", "representative".
    pub agent: Vec<String>,
    /// "repeat", "say that again".
    pub repeat: Vec<String>,
    /// "stop", "never mind": leave the task.
    pub stop: Vec<String>,
    /// "goodbye", "that's all".
    pub goodbye: Vec<String>,
    /// "how long", "what's my place": of callers who wait in line. May be empty, as those below.
    pub how_long: Vec<String>,
    /// "call me back".
    pub call_back: Vec<String>,
    /// "I don't want to wait".
    pub leave: Vec<String>,
}

/// Product names and hints: `words.md`.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Written form and how it is said (`IBAN` -> `eye ban`).
    pub said_as: Vec<(String, String)>,
    /// Words the recogniser should expect.
    pub hints: Vec<String>,
}

/// What to say on each [`Pattern`], with the slots of each verification: `patterns.md`.
#[derive(Debug, Clone)]
pub struct Patterns {
    /// Variants for each pattern; the parser makes sure that none of those required is missing.
    pub says: BTreeMap<Pattern, Vec<Template>>,
    /// Why callers cannot interrupt these.
    pub uninterruptible: BTreeMap<Pattern, String>,
    /// How each verification's slots are asked for.
    pub verifications: BTreeMap<VerificationName, Vec<SlotSpec>>,
}

/// Opening hours: `hours.md`.
#[derive(Debug, Clone, Default)]
pub struct Hours {
    /// Spoken summary, if the file gives one.
    pub spoken: Option<Template>,
    /// Per weekday (0 is Monday): spans of minutes after midnight.
    pub weekly: [Vec<(u16, u16)>; 7],
    /// Closed days: ISO date and name.
    pub holidays: Vec<(String, String)>,
}

impl Hours {
    /// Whether it is open on this weekday (0 is Monday) and ISO date, at this minute after
    /// midnight, all in the organisation's own time.
    pub fn is_open(&self, weekday: usize, minute: u16, date: &str) -> bool {
        let holiday = self.holidays.iter().any(|(day, _)| day == date);
        let spans = self.weekly.get(weekday).map_or(&[][..], Vec::as_slice);
        !holiday && spans.iter().any(|(from, to)| (*from..*to).contains(&minute))
    }
}

/// A question and its answer: `faq.md`.
#[derive(Debug, Clone)]
pub struct FaqEntry {
    /// The heading: the question as the organisation would put it.
    pub question: String,
    /// Other ways callers ask.
    pub also: Vec<String>,
    /// What is said.
    pub answer: Template,
}

impl FaqEntry {
    /// Its name for the classifier and in records.
    pub fn name(&self) -> IntentName {
        IntentName::new(format!("{FAQ_PREFIX}{}", self.question))
    }
}

/// One thing a caller can want: `intents/*.md`.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Its name, which is also its file's name.
    pub name: IntentName,
    /// Short spoken description for "did you want ...?" (`your balance`).
    pub title: String,
    /// How much harm a mistake does.
    pub risk: Risk,
    /// Which verification must have passed.
    pub verify: Option<VerificationName>,
    /// What is done. Without one the intent only speaks.
    pub action: Option<ActionName>,
    /// Who takes over when it cannot be done here.
    pub handoff: Option<QueueName>,
    /// Whether a person is needed even if nothing fails.
    pub person: PersonRule,
    /// Training examples with templates expanded, each with its line in the file.
    pub examples: Vec<Example>,
    /// Things that sound like it and are not.
    pub not_this: Vec<NotThis>,
    /// What must be known, in asking order.
    pub slots: Vec<SlotSpec>,
    /// Read before a change is made ("Move {amount:money} to {to}.").
    pub confirm: Vec<Template>,
    /// Said when the action has succeeded.
    pub then_say: Vec<Template>,
    /// Said when the action failed in this way (`unavailable`, `not found`, ...).
    pub if_it_fails: BTreeMap<String, Template>,
    /// One line for the agent.
    pub tell_the_agent: Option<Template>,
    /// Inline tests.
    pub tests: Vec<InlineTest>,
}

/// Whether an intent goes to a person by its nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonRule {
    /// Only when it cannot be done here.
    #[default]
    IfNeeded,
    /// At once, with no more than `## Then say` before: asking for a person is what it *is*, or it
    /// cannot wait (`person: yes`).
    AtOnce,
    /// After its questions are asked and `## Then say` is said (`person: afterwards`).
    Afterwards,
}

/// A training example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Plain text, template expanded; a slot reads as one of its typical values.
    pub text: String,
    /// 1-based line in the file.
    pub line: usize,
}

/// A negative example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotThis {
    /// Plain text, template expanded.
    pub text: String,
    /// The intent it really is, if the file says so.
    pub intent: Option<IntentName>,
    /// 1-based line in the file.
    pub line: usize,
}

/// How a value is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadBack {
    /// Not at all.
    No,
    /// As it is spoken.
    Plain,
    /// Digits in pairs.
    InPairs,
    /// Digits one by one.
    OneByOne,
}

/// A slot as the prompt file asks for it.
#[derive(Debug, Clone)]
pub struct SlotSpec {
    /// Its name.
    pub name: SlotName,
    /// What it takes.
    pub kind: SlotKind,
    /// May be keyed.
    pub keypad: bool,
    /// The caller is given longer pauses.
    pub patient: bool,
    /// Masked everywhere: recording, transcript, log, record.
    pub secret: bool,
    /// Taken if the caller does not say, without asking.
    pub default: Option<String>,
    /// First question, in variants.
    pub ask: Vec<Template>,
    /// Later questions.
    pub again: Vec<Template>,
    /// How it is read back.
    pub read_back: ReadBack,
    /// Field of the caller's CRM record that fills it (`account_number`).
    pub from_caller: Option<String>,
    /// The action whose list a name is checked against.
    pub check_against: Option<ActionName>,
    /// Words around a value that tell of this slot.
    pub cues: Cues,
}

/// A test written in an intent file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineTest {
    /// What the caller says.
    pub caller: String,
    /// What it must be understood as: an intent, or an answer of `faq.md` or `## Not by phone` by
    /// the name that it has for the classifier; `None`: nothing of these.
    pub intent: Option<IntentName>,
    /// Slot values it must fill, in normal form.
    pub slots: Vec<(SlotName, String)>,
    /// The day on which it is said (year, month, day); `None`: the day on which it is run.
    pub today: Option<(i32, u8, u8)>,
    /// 1-based line in the file.
    pub line: usize,
}
