//! `frontdoor` answers an organisation's phone. See `ARCHITECTURE.md` for the rooms, what each may
//! import, and the way of an audio frame and of a hand-off through them.

pub mod acd;
pub mod actions;
pub mod audio;
pub mod base;
pub mod call;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod engine;
pub mod net;
pub mod nlu;
pub mod prompts;
pub mod rtp;
pub mod server;
pub mod sim;
pub mod speech;
pub mod store;
pub mod web;
