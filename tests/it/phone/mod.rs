//! Real calls: the program as it is shipped, real models, other people's SIP telephones, human
//! recordings. They take as long as calls do, so they run one at a time, and they need the models
//! (`frontdoor models fetch`) and, each, its telephone (`scripts/test` installs them all).

mod agents;
mod audio;
mod browser;
mod calls;
mod desk;
mod diagnosis;
mod edits;
mod encryption;
mod faults;
mod front_door;
mod interop;
mod killed;
mod own_phone;
mod peers;
mod transfer;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Two cores answer one call at a time as a caller would wish; tests must not judge more at once.
fn alone() -> MutexGuard<'static, ()> {
    static LINE: Mutex<()> = Mutex::new(());
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}
