//! One harness for all integration tests, so that the models link once.

mod architecture;
mod prompts;
mod rehearsals;
