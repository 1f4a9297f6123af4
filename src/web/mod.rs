//! The web side: browser callers, the agent desktop, supervisors, operations, and the HTTP API.
//!
//! Job: who may see and do what over HTTP, and what it looks like. Non-job: calls and routing; the
//! web asks the running front door through [`Backend`], and is told what happens by it.
//!
//! ```text
//!  connection ─▶ visits ─▶ router ─▶ auth (who, CSRF) ─▶ handler ─▶ Backend, Store, Live
//!                                                           └─▶ audit, before data is given out
//! ```

mod accounts;
mod api;
mod auth;
mod backend;
mod clock;
mod error;
mod file;
mod fitting;
mod headers;
pub mod ice;
mod input;
mod limits;
pub mod live;
mod page_calls;
pub mod pages;
mod passwords;
mod record_view;
mod router;
pub mod secret;
mod serving;
mod source;
mod sse;
mod state;
mod tls;
pub mod view;
mod visits;

pub use accounts::{Accounts, AccountsError, Actor, Begun, NewAccount, Session, token_subject};
pub use auth::{Admin, Agent, HandoffReader, Member, Operations, SignedIn, Supervisor};
pub use backend::{
    ASKS_LEN_MAX, AnswerWay, Ask, Backend, BrowserAnswer, BrowserCall, DeskAsk, DeskNews, NotDone,
    Reply, Target,
};
pub use clock::Now;
pub use error::{ApiError, ErrorBody};
pub use router::router;
pub use serving::{WebError, open, serve};
pub use source::Source;
pub use state::{DeskFacts, Facts, Reporting, Web, WebParts};
pub use tls::Tls;
pub use visits::{Peer, VisitLimits, VisitTime, Visitors};

#[cfg(test)]
mod tests;
