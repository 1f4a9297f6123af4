//! Queues, skills, agents, routing and the hand-off contract. Pure: no clock, socket, file or thread.
//!
//! The [`Router`] decides who takes which call. It is given [`RouterInput`]s with their time, and
//! gives [`RouterOutput`]s and the time at which it wants to be asked again.

mod agents;
mod estimate;
pub mod handoff;
mod io;
mod matching;
mod offers;
mod places;
mod queue;
mod router;
pub mod standing;
mod timers;
pub mod vcon;
mod views;

#[cfg(test)]
mod tests;

pub use agents::{AWAY_NO_ANSWER, AWAY_NOT_JOINED, AWAY_SIGNED_IN};
pub use estimate::spoken_minutes;
pub use io::{
    AgentId, AgentProfile, AgentState, BackInQueue, LeftQueue, Level, Need, OfferEnd, OfferId,
    Place, Presence, QueueRules, RelaxStep, Relaxed, RouterInput, RouterOutput, RouterRefusal,
    Skill, Strategy, WaitEnd, WaitRange, Waiter, WaiterKind,
};
pub use offers::{DECLINED_FOR, JOIN_WITHIN};
pub use queue::Counts;
pub use router::Router;
pub use timers::MOVE_AGAIN;
pub use views::{AgentView, QueueView, WaiterView};
