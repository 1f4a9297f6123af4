//! The last resort for a hand-off when the database is gone: a file of its own.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::acd::handoff::{Handoff, Promise};

use super::{HandoffId, Store, StoreError};

/// Folder of such files, in the data folder.
const FOLDER: &str = "handoffs-unsaved";
/// The caller is waiting to be told; a database that takes longer is as good as gone.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(3);
/// Hand-offs of one call that can be kept as files.
const FILES_PER_CALL_MAX: u32 = 100;
/// No hand-off is near this long.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Which way a hand-off was kept.
#[derive(Debug)]
pub enum Saved {
    /// In the database.
    Database(HandoffId),
    /// In a file, which [`import_unsaved`] takes in at the next start.
    File {
        /// The file.
        path: PathBuf,
        /// Why not in the database; nothing if it was not open at all or took too long.
        cause: Option<StoreError>,
    },
}

/// A hand-off could be kept nowhere. The caller must not be told that it was.
#[derive(Debug, thiserror::Error)]
#[error(
    "a hand-off is kept nowhere: {}: {file}; database: {}",
    path.display(),
    database.as_ref().map_or_else(|| "not open or too slow".to_owned(), StoreError::to_string)
)]
pub struct NotSaved {
    /// The file that was tried last.
    pub path: PathBuf,
    /// Why the file could not be written.
    pub file: io::Error,
    /// Why the database could not.
    pub database: Option<StoreError>,
}

/// Keeps a hand-off in the database, or else in `<data_dir>/handoffs-unsaved/<call>.json`. When this
/// returns, it is on the disk. `store` is nothing when the database could not be opened at all.
///
/// # Errors
/// [`NotSaved`] when neither works.
pub async fn put_handoff_or_file(
    store: Option<&Store>,
    data_dir: &Path,
    handoff: &Handoff,
) -> Result<Saved, NotSaved> {
    let cause = match store {
        None => None,
        Some(store) => {
            match tokio::time::timeout(DATABASE_TIMEOUT, store.put_handoff(handoff)).await {
                Ok(Ok(id)) => return Ok(Saved::Database(id)),
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            }
        }
    };
    match write_file(&data_dir.join(FOLDER), handoff) {
        Ok(path) => {
            let database = cause.as_ref().map(ToString::to_string);
            tracing::error!(path = %path.display(), database, "a hand-off was kept in a file");
            Ok(Saved::File { path, cause })
        }
        Err((path, file)) => Err(NotSaved { path, file, database: cause }),
    }
}

fn write_file(folder: &Path, handoff: &Handoff) -> Result<PathBuf, (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let json = serde_json::to_vec_pretty(handoff).map_err(io::Error::other).map_err(at(folder))?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    // The id is ours and harmless, but a path is made of it.
    let fits = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
    let name: String = handoff.call_id.chars().filter(fits).take(64).collect();
    // Written under another name first: a file that is half there must not be taken in.
    let partial = folder.join(format!(".{name}-{:016x}.part", rand::random::<u64>()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .map_err(at(&partial))?;
    let written = file.write_all(&json).and_then(|()| file.sync_all());
    let kept = written.map_err(at(&partial)).and_then(|()| link_free_name(&partial, folder, &name));
    // Whatever came of it, the partial name has done its service.
    let _ = fs::remove_file(&partial);
    let path = kept?;
    // The name is on the disk only when its folder is.
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(&path))?;
    Ok(path)
}

/// Gives the file the first free name of `<call>.json`, `<call>-2.json`, ...
fn link_free_name(
    partial: &Path,
    folder: &Path,
    name: &str,
) -> Result<PathBuf, (PathBuf, io::Error)> {
    let mut path = folder.join(format!("{name}.json"));
    for number in 2..=FILES_PER_CALL_MAX {
        match fs::hard_link(partial, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path = folder.join(format!("{name}-{number}.json"));
            }
            Err(error) => return Err((path, error)),
        }
    }
    Err((path, io::Error::from(io::ErrorKind::AlreadyExists)))
}

/// What came of taking files in.
#[derive(Debug, Default)]
pub struct Imported {
    /// Hand-offs that are in the database now.
    pub taken: u32,
    /// Files that are no hand-offs; they stay where they are.
    pub unreadable: Vec<PathBuf>,
}

/// Takes the files of [`put_handoff_or_file`] into the database and removes them. A hand-off that is
/// already there (the database was only slow) is not put in twice.
///
/// # Errors
/// [`StoreError`] as soon as the database refuses; the remaining files stay.
pub async fn import_unsaved(store: &Store, data_dir: &Path) -> Result<Imported, StoreError> {
    let folder = data_dir.join(FOLDER);
    let failed = |source| StoreError::CannotOpen { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Imported::default()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut imported = Imported::default();
    for path in paths {
        let Some(mut handoff) = read_file(&path) else {
            imported.unreadable.push(path);
            continue;
        };
        let kept = store.handoffs_of(&handoff.call_id).await?;
        if !kept.iter().any(|kept| is_same(kept, &handoff)) {
            // Whether somebody took the call was never noted: better one call too many than none.
            handoff.promise = Promise::Callback.as_str().to_owned();
            store.put_handoff(&handoff).await?;
        }
        fs::remove_file(&path).map_err(failed)?;
        imported.taken += 1;
    }
    Ok(imported)
}

/// Whether it is the same hand-off: what was promised may have changed since it was made.
fn is_same(kept: &Handoff, handoff: &Handoff) -> bool {
    Handoff { promise: handoff.promise.clone(), ..kept.clone() } == *handoff
}

fn read_file(path: &Path) -> Option<Handoff> {
    let size = fs::metadata(path).ok()?.len();
    if size > FILE_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
