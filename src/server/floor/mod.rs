//! The floor: who waits, who takes calls, who is offered whom. One task owns the router and the desks.
//!
//! ```text
//!  a call's task ──Acd──▶ commands ─┐                        ┌─▶ QueueEvent to the call's task
//!  the web ──────Ask──────▶ asks ───┤ FloorState             ├─▶ DeskEvent to the agent's page
//!  prompt files, accounts ─────────▶│ (Router, desks,        ├─▶ Job: the store, in tasks of their own
//!  what came of jobs ──────────────▶│  callbacks), told `now`├─▶ CallbackJob to who places calls
//!  a timer, four times a second ───▶┘                        └─▶ Floor to supervisors
//! ```
//!
//! [`state::FloorState`] is told the time and does nothing by itself: what takes time (the store) is a
//! [`jobs::Job`], whose result comes back as a note. `task` runs it. So a whole day on the floor is played
//! in a test without waiting.
//!
//! # What is promised, and how it is kept
//! - That a caller waits is in the store before they are told (`store::floor`). After a crash whoever was on
//!   the line is called back by people: their hand-off says `callback`, and the webhook is told.
//! - A callback is in the store before the caller is told, with the place. After a crash it is in the queue
//!   again with that place; one that was being dialled is dialled again only if nobody had answered.
//! - What an agent wrote about a call is in the store before the page is told, and goes to the customer
//!   system until it has taken it.
//!
//! # Who says that somebody is gone
//! - A caller: the call's task says [`Acd::leave`], or drops its receiver.
//! - An agent's page: its stream is dropped. An offer is taken away at once; a talk in the browser goes on
//!   for [`state::DESK_GRACE`], in which the page may open again (a reload). A talk on the telephone goes
//!   on to its end.
//! - An agent's audio: whoever holds the leg. Where it could not be set up they say [`Acd::join_failed`];
//!   where it died without a hang-up, [`Acd::agent_lost`]. Both put the caller back at the head.

mod api;
mod asks;
mod callbacks;
mod callers;
mod calling;
mod commands;
mod counts;
mod desks;
mod first_line;
mod jobs;
mod ledger;
mod now;
mod outputs;
mod rules;
mod staff;
mod state;
mod task;
mod view;
mod wrap_ups;

pub(super) use api::{Acd, AgentCallNews, AgentCommand, Microphone, Opening, QueueEvent};
pub(super) use calling::CallingBack;
pub(super) use jobs::CallbackJob;
pub(super) use task::{FloorHandles, FloorParts, FloorTask};
pub(super) use wrap_ups::tell_customer_system;

#[cfg(test)]
mod tests;
