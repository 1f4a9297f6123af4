//! The command line: one module per subcommand.

pub mod accounts;
pub mod bench;
pub mod call;
pub mod calls;
pub mod check;
pub mod crm;
pub mod eval;
mod ladder;
pub mod models;
mod past;
pub mod replay;
pub mod route_test;
mod sandbox;
pub mod serve;
pub mod sip;
pub mod stats;
pub mod suggest;
mod table;
mod telling;
pub mod try_out;

/// Resolves at Ctrl-C or SIGTERM.
async fn stopped() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
