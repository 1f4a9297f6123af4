//! The Markdown prompt files: parsed and linted into an immutable [`Generation`]. Pure: the shell
//! reads the files and hands their text in.

mod cues;
mod document;
mod examples;
mod expand;
mod finding;
mod generation;
mod hours;
mod house;
mod intent;
mod not_by_phone;
mod parse;
mod pattern;
mod patterns;
mod queues;
mod slots;
mod speech;
mod template;
#[cfg(test)]
mod tests;
mod ticket;
mod values;

pub use crate::base::QueueName;
pub use finding::{FILE_SIZE_MAX_BYTES, Finding, Severity, SourceFile};
pub use generation::*;
pub use parse::{Parsed, is_prompt_file, parse};
pub use pattern::{Pattern, PatternNeed};
pub use queues::{CallbackRule, Queue, QueueStrategy, RelaxRule, SkillNeed};
pub use speech::BUILT_IN_VARIABLES;
pub use template::{Part, RenderError, Template, TemplateError, VarFormat};
