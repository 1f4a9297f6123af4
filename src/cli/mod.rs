//! The command line: one module per subcommand.

pub mod call;
pub mod calls;
pub mod check;
pub mod crm;
pub mod eval;
pub mod models;
pub mod serve;
mod table;
