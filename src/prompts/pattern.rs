//! The moments for which `patterns.md` has words.

/// A moment in which the house has something to say that belongs to no intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// Silence where an answer was expected.
    NoInput,
    /// Speech that was not understood.
    NoMatch,
    /// Two intents are close: uses `{first}` and `{second}`.
    Clarify,
    /// The classifier is unsure: uses `{intent}`, its title.
    ConfirmIntent,
    /// About something this organisation does not do: may use `{topics}`, what can be had here.
    OutOfScope,
    /// Too many failed tries; a person follows.
    TooManyTries,
    /// After a correction was taken in.
    Corrected,
    /// The caller left the task.
    Cancelled,
    /// "Hold on".
    HoldOn,
    /// "Anything else?"
    AnythingElse,
    /// The last words.
    Goodbye,
    /// Before explicit confirmation: "Is that right?"
    ConfirmQuestion,
    /// Reading a value back: uses `{value}`.
    ReadBack,
    /// Two names in the records are equally like what was said: uses `{first}` and `{second}`.
    WhichName,
    /// No name in the records is like what was said: asks to spell it.
    SpellName,
    /// What was given did not match; asked once more.
    VerifyRetry,
    /// Identity could not be verified; a person follows.
    VerifyFailed,
    /// Identity verified.
    Verified,
    /// A task failed and the intent has no words for it: offers a person.
    TaskFailed,
    /// An action succeeded, and its details cannot be told.
    TaskDone,
    /// While something takes long.
    OneMoment,
    /// And while it goes on.
    StillWorking,
    /// A part of a number was said; the rest is waited for.
    GoOn,
    /// The caller wants something changed before a confirmation, and it is not clear what.
    WhatToChange,
    /// "What can you do?": uses `{topics}`.
    Help,
    /// After an answer from `faq.md`: "Does that answer your question?"
    FaqCheck,
    /// It did not: offers a person.
    FaqNoHelp,
    /// A person is needed: the hand-off is recorded and somebody will call back.
    HandOffCallback,
    /// The hand-off itself could not be recorded.
    HandOffFailed,
    /// Speech models are down: "press 1 for ..., or 0 for a person".
    KeypadMenu,
    /// Nothing was said that can be repeated.
    NothingToRepeat,
    /// All the caller's tries are used and no person can be had.
    Sorry,
    /// The caller is losing patience with us: an apology.
    Frustrated,
    /// And again: offers a person.
    FrustratedAgain,
    /// The caller insults us: a calm word.
    Abuse,
    /// And again, where a profile ends such calls: the last words. Without it a person takes over.
    AbuseGoodbye,
    /// "Who is this?", "am I talking to a robot?"
    WhoIsThis,
    /// After telling where to get what is not done by phone: offers the people of `{queue}`.
    OfferTeam,
    /// A new value may be for two things: "which should I change, {first} or {second}?"
    WhichValue,
    /// It is about to be tried to put the caller through; may use `{queue}`. Promises nothing.
    PuttingThrough,
    /// It was tried, and nobody could take the call: they will call back.
    NobodyFree,
    /// It was tried and could not be done: they will call back.
    NotPutThrough,
    /// Said to the colleague who answers, before they take the call: uses `{summary}`.
    Screening,
    /// The caller is put in line for people at desks; may use `{queue}`.
    InLine,
    /// Where in the line, and how long it will take: uses `{wait}`, may use `{position}`.
    YourPlace,
    /// The same where nobody can tell how long; may use `{position}`.
    YourPlaceUnsure,
    /// What can be done here while waiting; may use `{topics}`.
    WhileYouWait,
    /// After something else was said or done: nothing has changed in line; may use `{queue}`.
    StillInLine,
    /// Shall we call back instead? Uses `{number_end}`, the last digits of the number.
    OfferCallback,
    /// The caller will be called back, and keeps the place in line.
    CallbackBooked,
    /// That could not be arranged; the caller is still in line.
    CallbackFailed,
    /// The caller is no longer in line, by their own choice.
    LeftLine,
    /// Somebody takes the call at this moment.
    AgentComing,
    /// Whoever took the call has gone; the caller is first in line.
    AgentLost,
    /// What a colleague sent the caller to us for is over: they are given back.
    BackToAgent,
    /// What a customer hears first whom we call back, before somebody speaks with them; uses
    /// `{house}`.
    CallingBack,
    /// May the call be recorded? Asked first of all, where the configuration wants it.
    RecordingQuestion,
    /// The caller has said yes to that.
    RecordingAgreed,
    /// The caller has not.
    RecordingDeclined,
    /// Too many call at once for talking with all of them: "press 0 for a person". Without it the
    /// words of `## Keypad menu` are said.
    VeryBusy,
    /// And callers go to people at once. Promises nothing.
    StraightToPeople,
}

/// Whether a profile can do without a [`Pattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternNeed {
    /// Callers would hear nothing where they need an answer.
    Required,
    /// Calls go on without it, only less kindly.
    Advised,
    /// It is the profile's choice.
    Optional,
}

impl Pattern {
    /// Every pattern, in the order of a call.
    pub const ALL: [Self; 61] = [
        Self::NoInput,
        Self::NoMatch,
        Self::Clarify,
        Self::ConfirmIntent,
        Self::OutOfScope,
        Self::TooManyTries,
        Self::Corrected,
        Self::Cancelled,
        Self::HoldOn,
        Self::AnythingElse,
        Self::Goodbye,
        Self::ConfirmQuestion,
        Self::ReadBack,
        Self::WhichName,
        Self::SpellName,
        Self::VerifyRetry,
        Self::VerifyFailed,
        Self::Verified,
        Self::TaskFailed,
        Self::TaskDone,
        Self::OneMoment,
        Self::StillWorking,
        Self::GoOn,
        Self::WhatToChange,
        Self::Help,
        Self::FaqCheck,
        Self::FaqNoHelp,
        Self::HandOffCallback,
        Self::HandOffFailed,
        Self::KeypadMenu,
        Self::NothingToRepeat,
        Self::Sorry,
        Self::Frustrated,
        Self::FrustratedAgain,
        Self::Abuse,
        Self::AbuseGoodbye,
        Self::WhoIsThis,
        Self::OfferTeam,
        Self::WhichValue,
        Self::PuttingThrough,
        Self::NobodyFree,
        Self::NotPutThrough,
        Self::Screening,
        Self::InLine,
        Self::YourPlace,
        Self::YourPlaceUnsure,
        Self::WhileYouWait,
        Self::StillInLine,
        Self::OfferCallback,
        Self::CallbackBooked,
        Self::CallbackFailed,
        Self::LeftLine,
        Self::AgentComing,
        Self::AgentLost,
        Self::BackToAgent,
        Self::CallingBack,
        Self::RecordingQuestion,
        Self::RecordingAgreed,
        Self::RecordingDeclined,
        Self::VeryBusy,
        Self::StraightToPeople,
    ];

    /// Its heading in `patterns.md`.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::NoInput => "No input",
            Self::NoMatch => "No match",
            Self::Clarify => "Clarify",
            Self::ConfirmIntent => "Confirm intent",
            Self::OutOfScope => "Out of scope",
            Self::TooManyTries => "Too many tries",
            Self::Corrected => "Corrected",
            Self::Cancelled => "Cancelled",
            Self::HoldOn => "Hold on",
            Self::AnythingElse => "Anything else",
            Self::Goodbye => "Goodbye",
            Self::ConfirmQuestion => "Confirm question",
            Self::ReadBack => "Read back",
            Self::WhichName => "Which name",
            Self::SpellName => "Spell name",
            Self::VerifyRetry => "Verify retry",
            Self::VerifyFailed => "Verify failed",
            Self::Verified => "Verified",
            Self::TaskFailed => "Task failed",
            Self::TaskDone => "Task done",
            Self::OneMoment => "One moment",
            Self::StillWorking => "Still working",
            Self::GoOn => "Go on",
            Self::WhatToChange => "What to change",
            Self::Help => "Help",
            Self::FaqCheck => "Question answered",
            Self::FaqNoHelp => "Question not answered",
            Self::HandOffCallback => "Hand off callback",
            Self::HandOffFailed => "Hand off failed",
            Self::KeypadMenu => "Keypad menu",
            Self::NothingToRepeat => "Nothing to repeat",
            Self::Sorry => "Sorry",
            Self::Frustrated => "Frustrated",
            Self::FrustratedAgain => "Frustrated again",
            Self::Abuse => "Abuse",
            Self::AbuseGoodbye => "Abuse goodbye",
            Self::WhoIsThis => "Who is this",
            Self::OfferTeam => "Offer a team",
            Self::WhichValue => "Which value",
            Self::PuttingThrough => "Putting through",
            Self::NobodyFree => "Nobody free",
            Self::NotPutThrough => "Not put through",
            Self::Screening => "Screening",
            Self::InLine => "In line",
            Self::YourPlace => "Your place",
            Self::YourPlaceUnsure => "Your place unsure",
            Self::WhileYouWait => "While you wait",
            Self::StillInLine => "Still in line",
            Self::OfferCallback => "Offer callback",
            Self::CallbackBooked => "Callback booked",
            Self::CallbackFailed => "Callback failed",
            Self::LeftLine => "Left line",
            Self::AgentComing => "Agent coming",
            Self::AgentLost => "Agent lost",
            Self::BackToAgent => "Back to agent",
            Self::CallingBack => "Calling back",
            Self::RecordingQuestion => "Recording question",
            Self::RecordingAgreed => "Recording agreed",
            Self::RecordingDeclined => "Recording declined",
            Self::VeryBusy => "Very busy",
            Self::StraightToPeople => "Straight to people",
        }
    }

    /// Whether a profile can do without it.
    pub const fn need(self) -> PatternNeed {
        match self {
            Self::Frustrated | Self::FrustratedAgain | Self::Abuse | Self::WhoIsThis => {
                PatternNeed::Advised
            }
            // Without `## Offer a team` the words of `## Question not answered` offer a person, and
            // without `## Which value` those of `## What to change` ask.
            Self::AbuseGoodbye | Self::OfferTeam | Self::WhichValue => PatternNeed::Optional,
            // Said only where callers are put through; `## One moment` and `## Hand off callback`
            // stand in for them, and colleagues hear the summary and which key to press.
            Self::PuttingThrough | Self::NobodyFree | Self::NotPutThrough | Self::Screening => {
                PatternNeed::Optional
            }
            // Said only where people at desks serve a queue; other words stand in for them, or
            // nothing is said, or no call back is offered.
            Self::InLine
            | Self::YourPlace
            | Self::YourPlaceUnsure
            | Self::WhileYouWait
            | Self::StillInLine
            | Self::OfferCallback
            | Self::CallbackBooked
            | Self::CallbackFailed
            | Self::LeftLine
            | Self::AgentComing
            | Self::AgentLost
            | Self::BackToAgent
            | Self::CallingBack => PatternNeed::Optional,
            // Said only where callers are asked whether they may be recorded.
            Self::RecordingQuestion | Self::RecordingAgreed | Self::RecordingDeclined => {
                PatternNeed::Optional
            }
            // `## One moment` has other words to go on with.
            Self::StillWorking => PatternNeed::Optional,
            // Said only while the machine is too busy to talk with new callers; `## Keypad menu`
            // stands in for the one, and nothing for the other.
            Self::VeryBusy | Self::StraightToPeople => PatternNeed::Optional,
            _ => PatternNeed::Required,
        }
    }

    /// Variables that its sentences must use.
    pub const fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Clarify | Self::WhichName | Self::WhichValue => &["first", "second"],
            Self::ConfirmIntent => &["intent"],
            Self::ReadBack => &["value"],
            Self::Help => &["topics"],
            Self::OfferTeam => &["queue"],
            Self::Screening => &["summary"],
            Self::YourPlace => &["wait"],
            Self::OfferCallback => &["number_end"],
            Self::CallingBack => &["house"],
            _ => &[],
        }
    }

    /// Variables that its sentences may use besides.
    pub const fn optional_variables(self) -> &'static [&'static str] {
        match self {
            Self::OutOfScope => &["topics"],
            Self::WhileYouWait => &["topics"],
            Self::PuttingThrough | Self::InLine | Self::StillInLine => &["queue"],
            Self::YourPlace | Self::YourPlaceUnsure => &["position"],
            _ => &[],
        }
    }
}
