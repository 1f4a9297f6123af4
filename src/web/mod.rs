//! The web side: browser callers, the agent desktop, supervisors, operations, and the HTTP API.
//!
//! Job: who may see and do what over HTTP, and what it looks like. Non-job: calls and routing; the
//! web asks the running front door through [`Backend`], and is told what happens by it.

mod backend;
pub mod ice;
pub mod live;
pub mod view;

pub use backend::{
    ASKS_LEN_MAX, AnswerWay, Ask, Backend, BrowserAnswer, BrowserCall, DeskAsk, DeskNews, NotDone,
    Reply, Target,
};
