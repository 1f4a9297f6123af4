//! Queues, skills, agents, routing and the hand-off contract. Pure: no clock, socket, file or thread.

pub mod handoff;
mod io;

pub use io::{
    AgentId, AgentProfile, AgentState, BackInQueue, LeftQueue, Level, Need, OfferEnd, OfferId,
    Place, Presence, QueueRules, RelaxStep, Relaxed, RouterInput, RouterOutput, RouterRefusal,
    Skill, Strategy, WaitEnd, WaitRange, Waiter, WaiterKind,
};
