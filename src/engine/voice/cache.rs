//! Rendered clauses: in memory, bounded by bytes, the least used leaving first; and on disk,
//! bounded by bytes, the oldest leaving first. Only fixed sentences ever reach the disk.
//!
//! A file is written aside and renamed, holds its length and checksum, and is written anew if
//! they don't fit. A disk that fails costs time, never speech.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::error::VoiceError;

/// Memory for rendered clauses: some 17 minutes at 8 kHz.
const MEMORY_BYTES_MAX: usize = 16 << 20;
const MAGIC: &[u8; 8] = b"FDVOICE1";
/// Magic, checksum.
const HEADER_BYTES: usize = 8 + 32;

/// What identifies a rendered clause: voice, rate and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// `voice` stands for the model and everything that shapes the sound.
    pub fn new(voice: &[u8; 32], rate_hz: u32, text: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(voice)
            .chain_update(rate_hz.to_le_bytes())
            .chain_update(text.as_bytes());
        Self(hash.finalize().into())
    }

    fn file_name(self) -> String {
        let mut name: String = self.0.iter().map(|b| format!("{b:02x}")).collect();
        name.push_str(".pcm");
        name
    }
}

/// Where a clause may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    MemoryAndDisk,
    MemoryOnly,
}

/// Rendered clauses.
pub(super) struct Cache {
    memory: Mutex<Memory>,
    disk: Option<Disk>,
    /// Found in memory.
    pub memory_hits: AtomicU64,
    /// Found on disk.
    pub disk_hits: AtomicU64,
    /// Files that were damaged or could not be written.
    pub disk_faults: AtomicU64,
}

#[derive(Default)]
struct Memory {
    clauses: HashMap<Key, (Arc<[i16]>, u64)>,
    /// By last use.
    order: BTreeMap<u64, Key>,
    bytes: usize,
    uses: u64,
}

struct Disk {
    dir: PathBuf,
    bytes_max: u64,
    files: Mutex<Files>,
    written: AtomicU64,
}

/// What lies in the folder, oldest first.
#[derive(Default)]
struct Files {
    order: BTreeMap<(SystemTime, String), u64>,
    bytes: u64,
}

impl Cache {
    /// A cache in memory, and in `dir` if there is one.
    ///
    /// # Errors
    /// The folder can't be created or read.
    pub fn open(dir: Option<&Path>, bytes_max: u64) -> Result<Self, VoiceError> {
        let disk = match dir {
            Some(dir) => Some(Disk::open(dir, bytes_max).map_err(|why| VoiceError::CacheDir {
                path: dir.to_owned(),
                why: why.to_string(),
            })?),
            None => None,
        };
        Ok(Self {
            memory: Mutex::default(),
            disk,
            memory_hits: AtomicU64::new(0),
            disk_hits: AtomicU64::new(0),
            disk_faults: AtomicU64::new(0),
        })
    }

    /// A rendered clause. Reads at most one file of some 50 kB.
    pub fn get(&self, key: Key) -> Option<Arc<[i16]>> {
        if let Some(samples) = lock(&self.memory).get(key) {
            self.memory_hits.fetch_add(1, Ordering::Relaxed);
            return Some(samples);
        }
        let bytes = std::fs::read(self.disk.as_ref()?.dir.join(key.file_name())).ok()?;
        let Some(samples) = decode(&bytes) else {
            self.disk_faults.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.disk_hits.fetch_add(1, Ordering::Relaxed);
        let samples: Arc<[i16]> = samples.into();
        lock(&self.memory).put(key, Arc::clone(&samples));
        Some(samples)
    }

    /// Whether a clause is there, without reading it.
    pub fn contains(&self, key: Key) -> bool {
        lock(&self.memory).clauses.contains_key(&key)
            || self.disk.as_ref().is_some_and(|disk| disk.dir.join(key.file_name()).is_file())
    }

    /// Keeps a rendered clause.
    pub fn put(&self, key: Key, samples: &Arc<[i16]>, keep: Keep) {
        lock(&self.memory).put(key, Arc::clone(samples));
        if let (Some(disk), Keep::MemoryAndDisk) = (&self.disk, keep)
            && disk.write(key, samples).is_err()
        {
            self.disk_faults.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each holder leaves the data whole at every step that could panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    fn get(&mut self, key: Key) -> Option<Arc<[i16]>> {
        let (samples, used) = self.clauses.get_mut(&key)?;
        self.order.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.order.insert(self.uses, key);
        Some(Arc::clone(samples))
    }

    fn put(&mut self, key: Key, samples: Arc<[i16]>) {
        let bytes = size_of_val(&*samples);
        if bytes > MEMORY_BYTES_MAX || self.get(key).is_some() {
            return;
        }
        self.uses += 1;
        self.bytes += bytes;
        self.order.insert(self.uses, key);
        self.clauses.insert(key, (samples, self.uses));
        while self.bytes > MEMORY_BYTES_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some((samples, _)) = self.clauses.remove(&oldest) {
                self.bytes -= size_of_val(&*samples);
            }
        }
    }
}

impl Disk {
    fn open(dir: &Path, bytes_max: u64) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut files = Files::default();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Left behind by a process that ended while it wrote.
            if name.ends_with(".pcm.part") {
                let _ = std::fs::remove_file(entry.path());
            }
            if !name.ends_with(".pcm") {
                continue;
            }
            if let Ok(about) = entry.metadata() {
                let time = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.bytes += about.len();
                files.order.insert((time, name), about.len());
            }
        }
        let disk = Self {
            dir: dir.to_owned(),
            bytes_max,
            files: Mutex::new(files),
            written: AtomicU64::new(0),
        };
        disk.shrink(&mut lock(&disk.files));
        Ok(disk)
    }

    fn write(&self, key: Key, samples: &[i16]) -> std::io::Result<()> {
        let name = key.file_name();
        let bytes = encode(samples);
        let count = self.written.fetch_add(1, Ordering::Relaxed);
        let part = self.dir.join(format!("{}-{count}-{name}.part", std::process::id()));
        let written = std::fs::File::create(&part)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| std::fs::rename(&part, self.dir.join(&name)));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
            return written;
        }
        let mut files = lock(&self.files);
        let length = bytes.len() as u64;
        // Written anew, it would count twice.
        let known: Vec<_> = files.order.keys().filter(|(_, n)| *n == name).cloned().collect();
        for old in known {
            files.bytes -= files.order.remove(&old).unwrap_or(0);
        }
        files.bytes += length;
        files.order.insert((SystemTime::now(), name), length);
        self.shrink(&mut files);
        Ok(())
    }

    /// Removes the oldest files until the rest fits.
    fn shrink(&self, files: &mut Files) {
        while files.bytes > self.bytes_max
            && let Some(((_, name), length)) = files.order.pop_first()
        {
            files.bytes -= length;
            let _ = std::fs::remove_file(self.dir.join(name));
        }
    }
}

fn encode(samples: &[i16]) -> Vec<u8> {
    let sound: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + sound.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&Sha256::digest(&sound));
    bytes.extend_from_slice(&sound);
    bytes
}

/// The samples of a file; `None` if it was cut short or altered.
fn decode(bytes: &[u8]) -> Option<Vec<i16>> {
    let (header, sound) = bytes.split_at_checked(HEADER_BYTES)?;
    let is_whole = header.starts_with(MAGIC)
        && header[MAGIC.len()..] == Sha256::digest(sound)[..]
        && sound.len().is_multiple_of(2);
    is_whole.then(|| sound.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(&[7; 32], 8_000, text)
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        entries.filter(|p| p.is_file()).collect()
    }

    #[test]
    fn keeps_fixed_clauses_over_a_restart_and_personal_ones_never_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(dir.path()), 1 << 20).unwrap();
        let sound: Arc<[i16]> = vec![1, -2, 3].into();
        cache.put(key("personal"), &sound, Keep::MemoryOnly);
        assert!(files(dir.path()).is_empty() && cache.get(key("personal")).is_some());
        cache.put(key("fixed"), &sound, Keep::MemoryAndDisk);
        let again = Cache::open(Some(dir.path()), 1 << 20).unwrap();
        assert_eq!(again.get(key("fixed")).as_deref(), Some(&[1, -2, 3][..]));
        assert_eq!(again.disk_hits.load(Ordering::Relaxed), 1);
        assert!(again.get(key("fixed")).is_some());
        assert_eq!(again.memory_hits.load(Ordering::Relaxed), 1);
        assert!(again.get(key("personal")).is_none());
        assert!(Key::new(&[8; 32], 8_000, "fixed") != key("fixed"));
        assert!(Key::new(&[7; 32], 16_000, "fixed") != key("fixed"));
    }

    #[test]
    fn a_damaged_file_is_ignored_and_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let sound: Arc<[i16]> = vec![5; 100].into();
        let damage: [fn(&mut Vec<u8>); 4] =
            [|b| b.truncate(50), |b| b[60] ^= 1, |b| b.clear(), |b| b.push(0)];
        for damage in damage {
            Cache::open(Some(dir.path()), 1 << 20).unwrap().put(
                key("x"),
                &sound,
                Keep::MemoryAndDisk,
            );
            let path = dir.path().join(key("x").file_name());
            let mut bytes = std::fs::read(&path).unwrap();
            damage(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            let cache = Cache::open(Some(dir.path()), 1 << 20).unwrap();
            assert!(cache.get(key("x")).is_none());
            assert_eq!(cache.disk_faults.load(Ordering::Relaxed), 1);
            cache.put(key("x"), &sound, Keep::MemoryAndDisk);
            let again = Cache::open(Some(dir.path()), 1 << 20).unwrap();
            assert_eq!(again.get(key("x")).as_deref(), Some(&sound[..]));
        }
    }

    #[test]
    fn the_folder_stays_within_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("1-0-x.pcm.part"), b"half").unwrap();
        let cache = Cache::open(Some(dir.path()), 3_000).unwrap();
        let sound: Arc<[i16]> = vec![0; 480].into();
        for i in 0_u64..6 {
            cache.put(key(&i.to_string()), &sound, Keep::MemoryAndDisk);
            cache.put(key(&i.to_string()), &sound, Keep::MemoryAndDisk);
            // File times are coarse: told apart by hand, as minutes would.
            let path = dir.path().join(key(&i.to_string()).file_name());
            let file = std::fs::File::options().write(true).open(path).unwrap();
            let minute = std::time::Duration::from_secs(60 * (i + 1));
            file.set_modified(std::time::UNIX_EPOCH + minute).unwrap();
        }
        assert_eq!(files(dir.path()).len(), 3);
        let again = Cache::open(Some(dir.path()), 1_000).unwrap();
        assert_eq!(files(dir.path()).len(), 1);
        assert!(again.get(key("5")).is_some() && again.get(key("2")).is_none());
    }

    #[test]
    fn memory_stays_within_its_bound_and_keeps_what_is_used() {
        let cache = Cache::open(None, 0).unwrap();
        let sound: Arc<[i16]> = vec![0; 1 << 20].into();
        for i in 0..8 {
            cache.put(key(&i.to_string()), &sound, Keep::MemoryAndDisk);
        }
        assert!(cache.get(key("0")).is_some());
        cache.put(key("8"), &sound, Keep::MemoryOnly);
        assert!(cache.get(key("0")).is_some() && cache.get(key("1")).is_none());
        assert!(lock(&cache.memory).bytes <= MEMORY_BYTES_MAX);
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Cache::open(Some(&file.path().join("x")), 1).err().unwrap();
        assert!(matches!(error, VoiceError::CacheDir { .. }), "{error}");
    }
}
