//! Embeddings of example sentences on disk, so that a start or a reload of the prompt files costs
//! milliseconds and not seconds.
//!
//! One file per encoder and depth, named by the encoder's hash. Layout: 8 bytes of magic, u32
//! dimensions, u32 count, then per entry the SHA-256 of (encoder hash, text) and the vector, and at
//! the end the SHA-256 of all before. Little endian. A file that does not check out is ignored and
//! written anew.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::encoder::{Embedding, SentenceEncoder, UnderstandingError};
use super::pooling::Depth;

const MAGIC: &[u8; 8] = b"fdembed1";

/// Above this, entries that this process did not ask for are dropped (75 MB at 384 numbers, six
/// times that with the layers).
const ENTRIES_MAX: usize = 50_000;

/// Sentences encoded between two calls of the progress function.
const STEP: usize = 128;

type Key = [u8; 32];

/// The cache of one encoder at one depth.
pub struct EmbeddingCache {
    encoder: Arc<SentenceEncoder>,
    depth: Depth,
    path: Option<PathBuf>,
    entries: HashMap<Key, Embedding>,
    asked: HashSet<Key>,
}

impl EmbeddingCache {
    /// Opens the encoder's cache in a folder; a missing or damaged file is an empty cache. Without
    /// a folder, embeddings are kept in memory only.
    pub fn open(encoder: Arc<SentenceEncoder>, folder: Option<&Path>) -> Self {
        Self::open_at(encoder, folder, Depth::Last)
    }

    /// Likewise, of sentences read at this depth. The depths have a file each, so that the usual
    /// one stays small.
    pub fn open_at(encoder: Arc<SentenceEncoder>, folder: Option<&Path>, depth: Depth) -> Self {
        let hash: String = encoder.hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let kind = match depth {
            Depth::Last => "embeddings",
            Depth::Layers => "layers",
        };
        let path = folder.map(|folder| folder.join(format!("{kind}-{hash}.bin")));
        let entries = path
            .as_ref()
            .and_then(|path| fs::read(path).ok())
            .and_then(|bytes| decode(&bytes, depth.width(encoder.dimensions())))
            .unwrap_or_default();
        Self { encoder, depth, path, entries, asked: HashSet::new() }
    }

    /// The embeddings of these sentences, in their order: known ones from the cache, the others
    /// encoded now. `progress` is told how many of the missing ones are done, and how many there
    /// are.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn encode(
        &mut self,
        texts: &[&str],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Embedding>, UnderstandingError> {
        let keys: Vec<Key> = texts.iter().map(|text| key(self.encoder.hash(), text)).collect();
        let mut seen = HashSet::new();
        let missing: Vec<(Key, &str)> = keys
            .iter()
            .zip(texts)
            .filter(|(key, _)| !self.entries.contains_key(*key) && seen.insert(**key))
            .map(|(key, text)| (*key, *text))
            .collect();
        for (step, chunk) in missing.chunks(STEP).enumerate() {
            progress(step * STEP, missing.len());
            let sentences: Vec<&str> = chunk.iter().map(|(_, text)| *text).collect();
            let embeddings = self.encoder.encode_at(&sentences, self.depth)?;
            self.entries.extend(chunk.iter().map(|(key, _)| *key).zip(embeddings));
        }
        progress(missing.len(), missing.len());
        self.asked.extend(&keys);
        let unknown = || UnderstandingError::Encode("an embedding is missing".to_owned());
        let mut found = Vec::with_capacity(keys.len());
        for key in &keys {
            found.push(self.entries.get(key).ok_or_else(unknown)?.clone());
        }
        if !missing.is_empty() {
            self.save();
        }
        Ok(found)
    }

    /// Writes the file beside the old one and renames it. A cache that cannot be written is a
    /// slow start next time, not an error.
    fn save(&mut self) {
        let Some(path) = &self.path else { return };
        if self.entries.len() > ENTRIES_MAX {
            let asked = &self.asked;
            self.entries.retain(|key, _| asked.contains(key));
        }
        let width = self.depth.width(self.encoder.dimensions());
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let partial = path.with_extension(format!("{}.tmp", std::process::id()));
            let mut file = fs::File::create(&partial)?;
            file.write_all(&encode(&self.entries, width))?;
            drop(file);
            fs::rename(&partial, path)
        });
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "embedding cache not written");
        }
    }
}

fn key(encoder_hash: &[u8; 32], text: &str) -> Key {
    let mut hash = Sha256::new();
    hash.update(encoder_hash);
    hash.update(text.as_bytes());
    hash.finalize().into()
}

fn encode(entries: &HashMap<Key, Embedding>, dimensions: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + entries.len() * (32 + dimensions * 4) + 32);
    out.extend(MAGIC);
    out.extend(u32::try_from(dimensions).unwrap_or(0).to_le_bytes());
    out.extend(u32::try_from(entries.len()).unwrap_or(0).to_le_bytes());
    for (key, embedding) in entries {
        out.extend(key);
        out.extend(embedding.iter().flat_map(|value| value.to_le_bytes()));
    }
    let sum = Sha256::digest(&out);
    out.extend(sum);
    out
}

fn decode(bytes: &[u8], dimensions: usize) -> Option<HashMap<Key, Embedding>> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Sha256::digest(content).as_slice() != sum || !content.starts_with(MAGIC) {
        return None;
    }
    let number = |at: usize| {
        let four: [u8; 4] = content.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(four)).ok()
    };
    let entry_len = 32 + dimensions * 4;
    let body = &content.get(16..)?;
    if number(8)? != dimensions || body.len() != number(12)?.checked_mul(entry_len)? {
        return None;
    }
    let entry = |entry: &[u8]| {
        let (key, values) = entry.split_at(32);
        let values = values
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        Some((key.try_into().ok()?, values))
    };
    body.chunks_exact(entry_len).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> HashMap<Key, Embedding> {
        HashMap::from([(key(&[1; 32], "a"), vec![0.5, -1.0]), (key(&[1; 32], "b"), vec![2.0, 3.0])])
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = encode(&entries(), 2);
        assert_eq!(decode(&bytes, 2), Some(entries()));
        assert_eq!(decode(&encode(&HashMap::new(), 2), 2), Some(HashMap::new()));
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let bytes = encode(&entries(), 2);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged, 2), None, "byte {at}");
            assert_eq!(decode(&bytes[..at], 2), None, "cut at {at}");
        }
        assert_eq!(decode(&bytes, 3), None);
    }

    #[test]
    fn the_key_depends_on_encoder_and_text() {
        assert_ne!(key(&[1; 32], "a"), key(&[2; 32], "a"));
        assert_ne!(key(&[1; 32], "a"), key(&[1; 32], "b"));
    }
}
