//! The Markdown prompt files: parsed and linted into an immutable [`Generation`]. Pure: the shell
//! reads the files and hands their text in.

mod generation;
mod template;

pub use generation::*;
pub use template::{Part, RenderError, Template, VarFormat};
