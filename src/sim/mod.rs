//! Simulated time: a scripted caller and fake engines. The only place where fakes live; nothing
//! here is reachable from a running server.
//!
//! [`rehearse`] takes a [`Call`](crate::call::Call) from answer to end in milliseconds of real
//! time: frames of 20 ms in both directions, engines that take about as long as the real ones and
//! then answer, and a caller who waits for their turn, or does not. How long everything takes
//! stands in [`pace`], which measurements of whole spoken calls go by as well.
//!
//! [`FloorDay`] is a day of callers and agents around the router, without what they say.

mod caller;
mod floor_day;
pub mod pace;
mod rehearsal;
mod vad;

pub use caller::Step;
pub use floor_day::{DayReport, FloorDay, Told};
pub use rehearsal::{ActionRun, LineEvent, Rehearsed, TransferRun, WaitRun, World, rehearse};
pub use vad::LevelVad;
