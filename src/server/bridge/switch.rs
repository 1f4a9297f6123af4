//! What an agent has switched in a call, and what comes of what they ask for: a table that knows no leg
//! and no clock.
//!
//! ```text
//!           Hold                        Conference           they answer
//!  talking ──────▶ on hold      nobody ───────────▶ rung ─────────────────▶ there
//!          ◀──────                 ▲ ◀── not reached ─┘                       │
//!          Resume                  └────────────── they hang up ──────────────┘
//!
//!  Transfer to a number: on hold and rung; once they answer, the agent is let go and they stay.
//!  Transfer to a queue or a colleague: the floor is asked; once it takes the caller, the agent is let go.
//! ```

use std::collections::BTreeSet;

use crate::acd::AgentId;
use crate::base::QueueName;
use crate::server::floor::Microphone;
use crate::web::{NotDone, Target};

/// Whether the caller hears the agent, or music.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Hold {
    Talking,
    OnHold,
}

/// Somebody who can be called into a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Callee {
    /// A number of `[desk.numbers]`, by its name.
    Number(String),
    /// The telephone of a colleague.
    Colleague(AgentId),
}

impl Callee {
    /// As the desk shows them.
    pub fn name(&self) -> &str {
        match self {
            Self::Number(name) => name,
            Self::Colleague(agent) => agent.as_str(),
        }
    }
}

/// What somebody is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Purpose {
    /// To join the two.
    Join,
    /// To take the caller over.
    TakeOver,
}

/// Somebody else in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Third {
    Nobody,
    Rung { whom: Callee, purpose: Purpose },
    There { whom: Callee },
}

/// Whose call it is that brought the caller here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Origin {
    /// Theirs: the front door can take them back, and queues them.
    Theirs,
    /// Ours: a callback, in which there is only the agent.
    Ours,
}

/// Who can be called from a desk. That a queue is there, and that a colleague is signed in, is known to the
/// floor, which has seen to it.
#[derive(Debug, Clone)]
pub(in crate::server) struct Means {
    pub origin: Origin,
    /// Names of `[desk.numbers]`.
    pub numbers: BTreeSet<String>,
    /// Agents with a telephone of their own.
    pub phones: BTreeSet<AgentId>,
}

/// What an agent asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Asked {
    Hold,
    Resume,
    Switch(Microphone),
    Keys,
    Transfer(Target),
    Conference(Target),
    FrontDoor,
    HangUp,
}

/// What is to be done for it, once it is switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Act {
    /// Nothing more.
    Nothing,
    /// The keys are pressed towards the caller.
    Press,
    /// They are called.
    Call(Callee),
    /// Whoever is rung is not to be rung any more.
    CallOff,
    /// The floor is asked to have the caller wait: in another queue, or for a colleague.
    SendOn { queue: Option<QueueName>, only: Option<AgentId> },
    /// The agent has no more to do with the call, but for the front door's task.
    Leave(Leave),
}

/// How an agent's part in a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Leave {
    /// The call is over for all.
    Over,
    /// The caller waits for others.
    SentOn,
    /// The caller stays with whoever has joined, or has taken over.
    WithThird,
    /// The caller waits for whoever is rung.
    WithRinging,
    /// The caller goes back to the front door, and comes back.
    FrontDoor,
    /// The agent is gone without having meant to: the caller goes back into the queue.
    Lost,
}

/// How an agent's leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Gone {
    /// They hung up.
    OnPurpose,
    /// Their telephone, browser or network died.
    Lost,
}

/// Whether the caller is being sent on to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Sending {
    No,
    /// The floor has been asked.
    Asked,
}

/// The switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Switch {
    pub hold: Hold,
    pub microphone: Microphone,
    pub third: Third,
    pub sending: Sending,
}

impl Default for Switch {
    fn default() -> Self {
        Self {
            hold: Hold::Talking,
            microphone: Microphone::On,
            third: Third::Nobody,
            sending: Sending::No,
        }
    }
}

fn conflict(why: &str) -> NotDone {
    NotDone::Conflict(why.to_owned())
}

fn unknown(what: &str, name: &str) -> NotDone {
    NotDone::NotFound(format!("there is no {what} '{name}'"))
}

impl Switch {
    /// The agent asks for something. If it is refused, nothing has changed.
    pub fn ask(&mut self, asked: Asked, means: &Means) -> Result<Act, NotDone> {
        let is_about_who_is_there =
            !matches!(asked, Asked::Hold | Asked::Resume | Asked::Switch(_) | Asked::Keys);
        if self.sending == Sending::Asked && is_about_who_is_there {
            return Err(conflict("the caller is being sent on"));
        }
        match asked {
            Asked::Hold => {
                self.hold = Hold::OnHold;
                Ok(Act::Nothing)
            }
            Asked::Resume => Ok(self.resume()),
            Asked::Switch(microphone) => {
                self.microphone = microphone;
                Ok(Act::Nothing)
            }
            Asked::Keys if self.hold == Hold::OnHold => {
                Err(conflict("the caller is on hold: take them back first"))
            }
            Asked::Keys => Ok(Act::Press),
            Asked::Transfer(target) => self.transfer(target, means),
            Asked::Conference(target) => self.conference(target, means),
            Asked::FrontDoor => self.front_door(means),
            Asked::HangUp => self.hang_up(means),
        }
    }

    /// Takes the caller back; a transfer that rings is called off with it.
    fn resume(&mut self) -> Act {
        self.hold = Hold::Talking;
        if matches!(self.third, Third::Rung { purpose: Purpose::TakeOver, .. }) {
            self.third = Third::Nobody;
            return Act::CallOff;
        }
        Act::Nothing
    }

    fn hang_up(&self, means: &Means) -> Result<Act, NotDone> {
        match (&self.third, means.origin) {
            // Who transfers and hangs up without waiting means the transfer.
            (Third::Rung { purpose: Purpose::TakeOver, .. }, Origin::Theirs) => {
                Ok(Act::Leave(Leave::WithRinging))
            }
            (Third::Rung { purpose: Purpose::TakeOver, .. }, Origin::Ours) => {
                Err(conflict("it rings there yet: wait for the answer, or take the caller back"))
            }
            _ => Ok(Act::Leave(Leave::Over)),
        }
    }

    fn front_door(&mut self, means: &Means) -> Result<Act, NotDone> {
        if means.origin == Origin::Ours {
            return Err(conflict("who was called back cannot be given to the front door"));
        }
        if self.third != Third::Nobody {
            return Err(conflict("somebody else is in the call, or is being called"));
        }
        self.hold = Hold::Talking;
        Ok(Act::Leave(Leave::FrontDoor))
    }

    fn transfer(&mut self, target: Target, means: &Means) -> Result<Act, NotDone> {
        match (&self.third, &target) {
            (Third::There { whom: Callee::Number(there) }, Target::Number(name))
                if there == name =>
            {
                return Ok(Act::Leave(Leave::WithThird));
            }
            (Third::There { whom: Callee::Colleague(there) }, Target::Agent(agent))
                if there == agent =>
            {
                return Ok(Act::Leave(Leave::WithThird));
            }
            (Third::Nobody, _) => {}
            (Third::Rung { .. } | Third::There { .. }, _) => {
                return Err(conflict("somebody else is in the call, or is being called"));
            }
        }
        match (target, means.origin) {
            (Target::Queue(queue), Origin::Theirs) => {
                Ok(self.send_on(Some(QueueName::new(queue)), None))
            }
            (Target::Queue(_), Origin::Ours) => {
                Err(conflict("who was called back cannot be put into a queue"))
            }
            (Target::Agent(agent), Origin::Theirs) => Ok(self.send_on(None, Some(agent))),
            (Target::Agent(agent), Origin::Ours) => {
                self.call(Callee::Colleague(agent), Purpose::TakeOver, means)
            }
            (Target::Number(name), _) => self.call(Callee::Number(name), Purpose::TakeOver, means),
        }
    }

    fn send_on(&mut self, queue: Option<QueueName>, only: Option<AgentId>) -> Act {
        self.sending = Sending::Asked;
        Act::SendOn { queue, only }
    }

    /// The floor does not take the caller: they stay.
    pub fn not_sent_on(&mut self) {
        self.sending = Sending::No;
    }

    fn conference(&mut self, target: Target, means: &Means) -> Result<Act, NotDone> {
        if self.third != Third::Nobody {
            return Err(conflict("somebody else is in the call, or is being called"));
        }
        let whom = match target {
            Target::Queue(_) => {
                return Err(NotDone::BadRequest(
                    "a queue cannot join a call: transfer the caller to it, or name a number or a \
                     colleague"
                        .to_owned(),
                ));
            }
            Target::Agent(agent) => Callee::Colleague(agent),
            Target::Number(name) => Callee::Number(name),
        };
        self.call(whom, Purpose::Join, means)
    }

    fn call(&mut self, whom: Callee, purpose: Purpose, means: &Means) -> Result<Act, NotDone> {
        match &whom {
            Callee::Number(name) if !means.numbers.contains(name) => {
                return Err(unknown("number in [desk.numbers] named", name));
            }
            Callee::Colleague(agent) if !means.phones.contains(agent) => {
                return Err(unknown("telephone in [desk.phones] of", agent.as_str()));
            }
            Callee::Number(_) | Callee::Colleague(_) => {}
        }
        if purpose == Purpose::TakeOver {
            self.hold = Hold::OnHold;
        }
        self.third = Third::Rung { whom: whom.clone(), purpose };
        Ok(Act::Call(whom))
    }

    /// Whoever was rung has answered.
    pub fn third_answered(&mut self) -> Act {
        match std::mem::replace(&mut self.third, Third::Nobody) {
            Third::Rung { whom, purpose } => {
                self.third = Third::There { whom };
                match purpose {
                    Purpose::Join => Act::Nothing,
                    Purpose::TakeOver => Act::Leave(Leave::WithThird),
                }
            }
            third => {
                self.third = third;
                Act::Nothing
            }
        }
    }

    /// Whoever was rung, or was there, is not. A caller on hold stays so until the agent takes them
    /// back, who may not have noticed yet.
    pub fn third_gone(&mut self) {
        self.third = Third::Nobody;
    }

    /// The agent's leg is gone.
    pub fn agent_gone(&self, how: Gone, means: &Means) -> Leave {
        match (&self.third, how) {
            (Third::There { .. }, _) => Leave::WithThird,
            (Third::Rung { purpose: Purpose::TakeOver, .. }, Gone::OnPurpose)
                if means.origin == Origin::Theirs =>
            {
                Leave::WithRinging
            }
            (Third::Nobody | Third::Rung { .. }, Gone::OnPurpose) => Leave::Over,
            (Third::Nobody | Third::Rung { .. }, Gone::Lost) => Leave::Lost,
        }
    }

    /// Whether the caller is being passed on.
    pub fn is_transferring(&self) -> bool {
        let is_taken_over = matches!(self.third, Third::Rung { purpose: Purpose::TakeOver, .. });
        is_taken_over || self.sending == Sending::Asked
    }

    /// Whoever else is in the call.
    pub fn others(&self) -> Vec<String> {
        match &self.third {
            Third::There { whom } => vec![whom.name().to_owned()],
            Third::Nobody | Third::Rung { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(origin: Origin) -> Means {
        Means { origin, numbers: ["fraud".to_owned()].into(), phones: [AgentId::new("kim")].into() }
    }

    fn fraud() -> Callee {
        Callee::Number("fraud".to_owned())
    }

    fn number(name: &str) -> Target {
        Target::Number(name.to_owned())
    }

    fn with(third: Third) -> Switch {
        Switch { third, ..Switch::default() }
    }

    fn rung(purpose: Purpose) -> Switch {
        with(Third::Rung { whom: fraud(), purpose })
    }

    fn there() -> Switch {
        with(Third::There { whom: fraud() })
    }

    #[test]
    fn what_is_asked_for_is_done_where_it_can_be() {
        let (theirs, ours) = (Origin::Theirs, Origin::Ours);
        let kim = || AgentId::new("kim");
        let kim_called = || Ok(Act::Call(Callee::Colleague(kim())));
        let cards = || Target::Queue("cards".to_owned());
        let sent =
            |queue: Option<&str>, only| Ok(Act::SendOn { queue: queue.map(QueueName::new), only });
        let sending = || Switch { sending: Sending::Asked, ..Switch::default() };
        for (switch, asked, origin, expected) in [
            (Switch::default(), Asked::Keys, theirs, Ok(Act::Press)),
            (Switch::default(), Asked::HangUp, theirs, Ok(Act::Leave(Leave::Over))),
            (Switch::default(), Asked::FrontDoor, theirs, Ok(Act::Leave(Leave::FrontDoor))),
            (Switch::default(), Asked::FrontDoor, ours, Err(())),
            (there(), Asked::FrontDoor, theirs, Err(())),
            // To a queue, to a colleague.
            (Switch::default(), Asked::Transfer(cards()), theirs, sent(Some("cards"), None)),
            (Switch::default(), Asked::Transfer(cards()), ours, Err(())),
            (there(), Asked::Transfer(cards()), theirs, Err(())),
            (
                Switch::default(),
                Asked::Transfer(Target::Agent(kim())),
                theirs,
                sent(None, Some(kim())),
            ),
            (Switch::default(), Asked::Transfer(Target::Agent(kim())), ours, kim_called()),
            // Until the floor has said whether it takes the caller.
            (sending(), Asked::Transfer(cards()), theirs, Err(())),
            (sending(), Asked::HangUp, theirs, Err(())),
            (sending(), Asked::Keys, theirs, Ok(Act::Press)),
            // To a number.
            (Switch::default(), Asked::Transfer(number("fraud")), theirs, Ok(Act::Call(fraud()))),
            (Switch::default(), Asked::Transfer(number("mars")), theirs, Err(())),
            (rung(Purpose::Join), Asked::Transfer(number("fraud")), theirs, Err(())),
            // Who has been introduced is left with the caller.
            (there(), Asked::Transfer(number("fraud")), theirs, Ok(Act::Leave(Leave::WithThird))),
            (there(), Asked::Transfer(Target::Agent(kim())), theirs, Err(())),
            // Three in a call, not four, and no queue.
            (Switch::default(), Asked::Conference(number("fraud")), ours, Ok(Act::Call(fraud()))),
            (Switch::default(), Asked::Conference(Target::Agent(kim())), theirs, kim_called()),
            (
                Switch::default(),
                Asked::Conference(Target::Agent(AgentId::new("lee"))),
                theirs,
                Err(()),
            ),
            (Switch::default(), Asked::Conference(cards()), theirs, Err(())),
            (there(), Asked::Conference(Target::Agent(kim())), theirs, Err(())),
            // Hanging up.
            (there(), Asked::HangUp, theirs, Ok(Act::Leave(Leave::Over))),
            (rung(Purpose::Join), Asked::HangUp, theirs, Ok(Act::Leave(Leave::Over))),
            (rung(Purpose::TakeOver), Asked::HangUp, theirs, Ok(Act::Leave(Leave::WithRinging))),
            (rung(Purpose::TakeOver), Asked::HangUp, ours, Err(())),
        ] {
            let mut after = switch.clone();
            let done = after.ask(asked.clone(), &means(origin));
            assert_eq!(done.clone().map_err(|_| ()), expected, "{switch:?} {asked:?} {origin:?}");
            if done.is_err() {
                assert_eq!(after, switch, "{asked:?} changed something");
            }
        }
    }

    #[test]
    fn a_caller_on_hold_is_pressed_no_keys_and_is_taken_back() {
        let (mut switch, means) = (Switch::default(), means(Origin::Theirs));
        for _ in 0..2 {
            assert_eq!(switch.ask(Asked::Hold, &means), Ok(Act::Nothing));
            assert_eq!(switch.hold, Hold::OnHold);
        }
        assert!(switch.ask(Asked::Keys, &means).is_err());
        assert_eq!(switch.ask(Asked::Resume, &means), Ok(Act::Nothing));
        assert_eq!(switch.ask(Asked::Keys, &means), Ok(Act::Press));
        switch.ask(Asked::Switch(Microphone::Muted), &means).expect("switched");
        assert_eq!((switch.hold, switch.microphone), (Hold::Talking, Microphone::Muted));
        // At the front door nobody is on hold.
        switch.ask(Asked::Hold, &means).expect("switched");
        switch.ask(Asked::FrontDoor, &means).expect("done");
        assert_eq!(switch.hold, Hold::Talking);
    }

    #[test]
    fn a_transfer_to_a_number_ends_with_its_answer_or_goes_back_to_the_agent() {
        let means = means(Origin::Theirs);
        let begun = || {
            let mut switch = Switch::default();
            switch.ask(Asked::Transfer(number("fraud")), &means).expect("begun");
            assert!(switch.is_transferring() && switch.hold == Hold::OnHold);
            switch
        };
        let mut answered = begun();
        assert_eq!(answered.third_answered(), Act::Leave(Leave::WithThird));
        assert_eq!(answered.others(), ["fraud"]);
        let mut failed = begun();
        failed.third_gone();
        assert_eq!((failed.hold, failed.is_transferring()), (Hold::OnHold, false));
        let mut called_off = begun();
        assert_eq!(called_off.ask(Asked::Resume, &means), Ok(Act::CallOff));
        assert_eq!(called_off, Switch::default());
        // An answer that comes too late changes nothing.
        assert_eq!(called_off.third_answered(), Act::Nothing);
        assert_eq!(called_off, Switch::default());
    }

    #[test]
    fn a_caller_whom_the_floor_does_not_take_stays_with_the_agent() {
        let means = means(Origin::Theirs);
        let mut switch = Switch::default();
        let cards = Target::Queue("cards".to_owned());
        switch.ask(Asked::Transfer(cards), &means).expect("begun");
        assert!(switch.is_transferring());
        switch.not_sent_on();
        assert_eq!(switch, Switch::default());
        assert_eq!(switch.ask(Asked::HangUp, &means), Ok(Act::Leave(Leave::Over)));
    }

    #[test]
    fn whoever_joins_is_in_the_call_until_they_hang_up() {
        let means = means(Origin::Ours);
        let mut switch = Switch::default();
        switch.ask(Asked::Conference(number("fraud")), &means).expect("begun");
        assert_eq!(switch.hold, Hold::Talking);
        assert!(switch.others().is_empty());
        assert_eq!(switch.third_answered(), Act::Nothing);
        assert_eq!(switch.others(), ["fraud"]);
        switch.third_gone();
        assert_eq!(switch, Switch::default());
    }

    #[test]
    fn an_agent_who_is_gone_leaves_the_caller_to_whoever_is_there() {
        use Gone::{Lost, OnPurpose};
        use Origin::{Ours, Theirs};
        for (switch, how, origin, expected) in [
            (Switch::default(), OnPurpose, Theirs, Leave::Over),
            (Switch::default(), Lost, Theirs, Leave::Lost),
            (there(), OnPurpose, Theirs, Leave::WithThird),
            (there(), Lost, Ours, Leave::WithThird),
            (rung(Purpose::Join), OnPurpose, Theirs, Leave::Over),
            (rung(Purpose::Join), Lost, Theirs, Leave::Lost),
            (rung(Purpose::TakeOver), OnPurpose, Theirs, Leave::WithRinging),
            (rung(Purpose::TakeOver), OnPurpose, Ours, Leave::Over),
            (rung(Purpose::TakeOver), Lost, Theirs, Leave::Lost),
        ] {
            assert_eq!(switch.agent_gone(how, &means(origin)), expected, "{switch:?} {how:?}");
        }
    }
}
