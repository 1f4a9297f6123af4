//! Queues, skills and the hand-off contract. Pure: no clock, socket, file or thread.

pub mod handoff;
