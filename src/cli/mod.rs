//! The command line: one module per subcommand.

pub mod calls;
pub mod crm;
mod table;
