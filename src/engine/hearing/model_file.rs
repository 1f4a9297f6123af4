//! Checks a whisper model file before whisper.cpp sees it: on a damaged file that library reads
//! past the end, or aborts the process.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::HearingError;

const GGML_MAGIC: u32 = 0x6767_6d6c;

/// Far above the longest token of any vocabulary (the longest in use is under 150 bytes).
const TOKEN_BYTES_MAX: u32 = 4096;

/// What the header says about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelHeader {
    /// Tokens in the vocabulary; English-only models have fewer than 51865.
    pub vocabulary: i32,
    /// Frames of audio context: 1500 for 30 s.
    pub audio_context: i32,
}

impl ModelHeader {
    /// Whether the model knows other languages than English.
    pub const fn is_multilingual(&self) -> bool {
        self.vocabulary >= 51_865
    }
}

struct Reader {
    file: BufReader<File>,
    at: u64,
    len: u64,
}

/// Why a file is not a usable model, in the words that follow its name.
type Damage = String;

impl Reader {
    fn i32(&mut self) -> Result<i32, Damage> {
        let mut bytes = [0; 4];
        self.file
            .read_exact(&mut bytes)
            .map_err(|_| format!("it ends after {} bytes, in mid-header", self.len))?;
        self.at += 4;
        Ok(i32::from_le_bytes(bytes))
    }

    fn between(&mut self, name: &str, low: i32, high: i32) -> Result<i32, Damage> {
        let value = self.i32()?;
        if (low..=high).contains(&value) {
            Ok(value)
        } else {
            Err(format!("its {name} is {value}, which no whisper model has"))
        }
    }

    fn skip(&mut self, bytes: u64, what: &str) -> Result<(), Damage> {
        if bytes > self.len - self.at {
            return Err(format!(
                "it is cut short: {what} needs {bytes} more bytes, {} are there",
                self.len - self.at
            ));
        }
        let step = i64::try_from(bytes).map_err(|_| format!("{what} is too long"))?;
        self.file.seek_relative(step).map_err(|error| error.to_string())?;
        self.at += bytes;
        Ok(())
    }
}

/// Bytes of a row of `columns` values in a ggml tensor type: f32, f16 and the quantised ones
/// that whisper.cpp reads (blocks of 32 values).
fn row_bytes(tensor_type: i32, columns: u64) -> Option<u64> {
    let block_bytes = match tensor_type {
        0 => return columns.checked_mul(4),
        1 => return columns.checked_mul(2),
        2 => 18,
        3 => 20,
        6 => 22,
        7 => 24,
        8 => 34,
        _ => return None,
    };
    (columns.is_multiple_of(32)).then(|| (columns / 32).checked_mul(block_bytes)).flatten()
}

fn skip_tensor(reader: &mut Reader) -> Result<(), Damage> {
    let dimensions = reader.between("number of tensor dimensions", 1, 4)?;
    let name_len = reader.between("tensor name's length", 1, 255)?;
    let tensor_type = reader.i32()?;
    let mut values: u64 = 1;
    let mut columns = 0;
    for dimension in 0..dimensions {
        let size = reader.between("tensor size", 1, 1 << 24)? as u64;
        if dimension == 0 {
            columns = size;
        }
        values = values.saturating_mul(size);
    }
    reader.skip(name_len as u64, "a tensor's name")?;
    let bytes =
        row_bytes(tensor_type, columns)
            .and_then(|row| row.checked_mul(values / columns))
            .ok_or_else(|| format!("a tensor has type {tensor_type}, which is not supported"))?;
    reader.skip(bytes, "a tensor")
}

fn walk(reader: &mut Reader) -> Result<ModelHeader, Damage> {
    let magic = reader.i32()? as u32;
    if magic != GGML_MAGIC {
        return Err("it does not start like a whisper model in ggml format".to_owned());
    }
    let vocabulary = reader.between("vocabulary size", 1_000, 200_000)?;
    let audio_context = reader.between("audio context", 100, 4_000)?;
    let state = reader.between("audio state", 32, 4_096)?;
    reader.between("number of audio heads", 1, 64)?;
    reader.between("number of audio layers", 1, 64)?;
    reader.between("text context", 32, 2_048)?;
    reader.between("text state", state, state)?;
    reader.between("number of text heads", 1, 64)?;
    reader.between("number of text layers", 1, 64)?;
    let mels = reader.between("number of mel bands", 80, 128)?;
    reader.between("weight type", 0, 4_000)?;

    let filter_mels = reader.between("mel filter bank", mels, mels)? as u64;
    let filter_bins = reader.between("mel filter bank", 201, 201)? as u64;
    reader.skip(filter_mels * filter_bins * 4, "the mel filter bank")?;

    let tokens = reader.between("number of tokens", 1, vocabulary)?;
    for _ in 0..tokens {
        let len = reader.i32()? as u32;
        if len > TOKEN_BYTES_MAX {
            return Err("its vocabulary is damaged".to_owned());
        }
        reader.skip(u64::from(len), "the vocabulary")?;
    }
    let mut tensors = 0;
    while reader.at < reader.len {
        skip_tensor(reader)?;
        tensors += 1;
    }
    // Even the smallest model has 167; a file cut exactly between two tensors has fewer.
    if tensors < 100 {
        return Err(format!("it is cut short: it holds only {tensors} tensors"));
    }
    Ok(ModelHeader { vocabulary, audio_context })
}

/// Reads the whole structure of a model file, without its weights.
///
/// # Errors
/// [`HearingError::ModelUnreadable`] when the file cannot be opened, [`HearingError::ModelDamaged`]
/// when it is no whisper model in ggml format or ends too early.
pub fn check_model_file(path: &Path) -> Result<ModelHeader, HearingError> {
    let unreadable = |cause| HearingError::ModelUnreadable { path: path.to_owned(), cause };
    let mut file = File::open(path).map_err(unreadable)?;
    let len = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let mut reader = Reader { file: BufReader::new(file), at: 0, len };
    walk(&mut reader).map_err(|damage| HearingError::ModelDamaged { path: path.to_owned(), damage })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(out: &mut Vec<u8>, values: &[i32]) {
        for value in values {
            out.extend(value.to_le_bytes());
        }
    }

    /// A file with the structure of a model and nothing in it.
    fn hollow_model(tensors: usize) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, &[GGML_MAGIC as i32, 51_864, 1_500, 384, 6, 4, 448, 384, 6, 4, 80, 1]);
        put(&mut out, &[80, 201]);
        out.resize(out.len() + 80 * 201 * 4, 0);
        put(&mut out, &[2, 1]);
        out.push(b'a');
        put(&mut out, &[0]);
        for _ in 0..tensors {
            put(&mut out, &[2, 3, 1, 8, 4]);
            out.extend(b"abc");
            out.resize(out.len() + 8 * 4 * 2, 0);
        }
        out
    }

    fn check(bytes: &[u8]) -> Result<ModelHeader, HearingError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("model.bin");
        std::fs::write(&path, bytes).expect("writes the model");
        check_model_file(&path)
    }

    #[test]
    fn a_whole_model_passes() {
        let header = check(&hollow_model(167)).expect("whole");
        assert_eq!(header, ModelHeader { vocabulary: 51_864, audio_context: 1_500 });
        assert!(!header.is_multilingual());
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = hollow_model(167);
        for len in (0..whole.len()).step_by(997).chain([3, 4, 50, whole.len() - 1]) {
            let error = check(&whole[..len]).expect_err("cut").to_string();
            assert!(error.contains("model.bin"), "{error}");
        }
        assert!(check(&hollow_model(20)).is_err());
    }

    #[test]
    fn other_files_are_named_as_such() {
        let error = check(b"GGUF and then some").expect_err("no model").to_string();
        assert!(error.contains("does not start like a whisper model"), "{error}");
        let error = check_model_file(Path::new("/nowhere/model.bin")).expect_err("no file");
        assert!(error.to_string().contains("/nowhere/model.bin"), "{error}");
    }
}
