//! One harness for all integration tests, so that the models link once.

mod architecture;
mod bench;
mod clinic;
mod handoffs;
mod phone;
mod prompts;
mod rehearsals;
mod torture;
