//! The integration tests, in one binary so that the models link once.

mod prompts;
