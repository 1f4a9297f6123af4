//! The folder of models, and paths out of it that were checked.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::ModelError;
use super::ggml::check_ggml_file;
use super::manifest::{Manifest, Model, PinnedFile, Room};
use super::pip::Pip;

/// Models in a cache folder: `<cache>/<model>/<file>`.
#[derive(Debug)]
pub struct ModelStore {
    pub(super) manifest: Manifest,
    pub(super) cache_dir: PathBuf,
    pub(super) pip: Pip,
    /// First pause between tries of a download; each further one is twice as long.
    pub(super) backoff: Duration,
    /// Free bytes of the file system that holds a path.
    pub(super) free_space: fn(&Path) -> std::io::Result<u64>,
}

/// What is known of a model's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelState {
    /// Every file has its SHA-256.
    Ready,
    /// A file is not there.
    Missing,
    /// A file is there and is not what it must be, and why.
    Damaged(String),
}

/// A model whose files were all checked.
#[derive(Clone, Debug)]
pub struct ReadyModel {
    name: String,
    dir: PathBuf,
    files: Vec<String>,
}

impl ReadyModel {
    /// The path of a file by its name in the manifest.
    ///
    /// # Errors
    /// [`ModelError::NoSuchFile`].
    pub fn file(&self, name: &str) -> Result<PathBuf, ModelError> {
        if self.files.iter().any(|f| f == name) {
            return Ok(self.dir.join(name));
        }
        Err(ModelError::NoSuchFile { model: self.name.clone(), file: name.to_owned() })
    }

    /// The paths of all its files, in the order of the manifest.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|f| self.dir.join(f)).collect()
    }
}

impl ModelStore {
    /// Opens a store; nothing is created until something is fetched. Without `cache_dir` it is
    /// `$FRONTDOOR_MODELS`, else `$XDG_CACHE_HOME/frontdoor/models`, else
    /// `~/.cache/frontdoor/models`.
    ///
    /// # Errors
    /// [`ModelError::NoCacheDir`] when none of these is known.
    pub fn open(cache_dir: Option<PathBuf>) -> Result<Self, ModelError> {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache_dir = default_cache_dir(cache_dir, var)?;
        // pip and the messages need a path that means the same from anywhere.
        let cache_dir = std::path::absolute(&cache_dir).unwrap_or(cache_dir);
        Ok(Self::with_manifest(Manifest::embedded()?, cache_dir))
    }

    pub(super) fn with_manifest(manifest: Manifest, cache_dir: PathBuf) -> Self {
        Self {
            manifest,
            cache_dir,
            pip: Pip::python3(),
            backoff: Duration::from_millis(500),
            free_space: |path| fs4::available_space(path),
        }
    }

    /// The folder of models.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// The models that can be fetched.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A model's files, each checked by its whole SHA-256 (about 0.2 s for the default models).
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`], [`ModelError::Missing`], [`ModelError::Damaged`].
    pub fn checked(&self, name: &str) -> Result<ReadyModel, ModelError> {
        let model = self.manifest.get(name)?;
        let dir = self.cache_dir.join(&model.name);
        for file in &model.files {
            check_file(model, &dir, file)?;
        }
        let files = model.files.iter().map(|f| f.name.clone()).collect();
        Ok(ReadyModel { name: model.name.clone(), dir, files })
    }

    /// The same as a state; an unknown name is [`ModelState::Missing`].
    pub fn state(&self, name: &str) -> ModelState {
        match self.checked(name) {
            Ok(_) => ModelState::Ready,
            Err(ModelError::Damaged { path, why, .. }) => {
                ModelState::Damaged(format!("{}: {why}", path.display()))
            }
            Err(_) => ModelState::Missing,
        }
    }
}

fn default_cache_dir(
    given: Option<PathBuf>,
    var: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, ModelError> {
    let in_cache = |dir: PathBuf| dir.join("frontdoor").join("models");
    given
        .or_else(|| var("FRONTDOOR_MODELS"))
        // The XDG specification says to ignore a relative path.
        .or_else(|| var("XDG_CACHE_HOME").filter(|dir| dir.is_absolute()).map(in_cache))
        .or_else(|| var("HOME").map(|home| in_cache(home.join(".cache"))))
        .ok_or(ModelError::NoCacheDir)
}

fn check_file(model: &Model, dir: &Path, file: &PinnedFile) -> Result<(), ModelError> {
    let path = dir.join(&file.name);
    let damaged =
        |why: String| ModelError::Damaged { model: model.name.clone(), path: path.clone(), why };
    let size_bytes = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(ModelError::Missing { model: model.name.clone(), path });
        }
        Err(e) => return Err(damaged(e.to_string())),
    };
    if size_bytes != file.size_bytes {
        return Err(damaged(format!("{size_bytes} bytes in place of {}", file.size_bytes)));
    }
    let got = sha256_of_file(&path).map_err(|e| damaged(e.to_string()))?;
    if got != file.sha256 {
        return Err(damaged(format!("SHA-256 {got} in place of {}", file.sha256)));
    }
    Ok(())
}

/// The SHA-256 of a file in lower-case hexadecimal.
pub(super) fn sha256_of_file(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A Whisper model for whisper.cpp: the name of a known one, or the path of any `ggml-*.bin`.
///
/// # Errors
/// As [`ModelStore::checked`] for a name, [`ModelError::NotGgml`] for a path, and
/// [`ModelError::UnknownWhisper`] when it is neither.
pub fn resolve_whisper(store: &ModelStore, name_or_path: &str) -> Result<PathBuf, ModelError> {
    let is_whisper = |model: &Model| model.room == Room::Hearing;
    let known = store.manifest.models.iter().find(|m| m.name == name_or_path && is_whisper(m));
    if let Some(model) = known {
        let ready = store.checked(&model.name)?;
        return ready.file(&model.files[0].name);
    }
    let path = Path::new(name_or_path);
    if path.is_file() {
        check_ggml_file(path)?;
        return Ok(path.to_owned());
    }
    Err(ModelError::UnknownWhisper {
        name: name_or_path.to_owned(),
        known: store.manifest.names(is_whisper),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_the_documented_order() {
        let all = [("FRONTDOOR_MODELS", "/f"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        let dir = |given: Option<&str>, set: &[(&str, &str)]| {
            let var = |name: &str| {
                set.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value))
            };
            default_cache_dir(given.map(PathBuf::from), var).ok()
        };
        for (given, set, expected) in [
            (Some("/g"), &all[..], Some("/g")),
            (None, &all[..], Some("/f")),
            (None, &all[1..], Some("/x/frontdoor/models")),
            (None, &[("XDG_CACHE_HOME", "x"), all[2]], Some("/h/.cache/frontdoor/models")),
            (None, &all[2..], Some("/h/.cache/frontdoor/models")),
            (None, &[], None),
        ] {
            assert_eq!(dir(given, set), expected.map(PathBuf::from), "{given:?} {set:?}");
        }
    }

    fn store_with(content: &[u8]) -> (tempfile::TempDir, ModelStore) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = ModelStore::open(Some(folder.path().to_owned())).expect("valid");
        std::fs::create_dir(folder.path().join("silero")).expect("a folder");
        let file = folder.path().join("silero/silero_vad_op18_ifless.onnx");
        std::fs::write(file, content).expect("a file");
        (folder, store)
    }

    #[test]
    fn a_damaged_model_is_not_handed_out() {
        let size = 2_845_718;
        for (len, why) in [(10, "10 bytes in place of 2845718"), (size, "in place of 7671cd04")] {
            let (_folder, store) = store_with(&vec![0; len]);
            let error = store.checked("silero").expect_err("damaged").to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains("run `frontdoor models fetch silero`"), "{error}");
            assert!(matches!(store.state("silero"), ModelState::Damaged(_)));
        }
    }

    #[test]
    fn a_missing_model_says_how_to_get_it() {
        let (_folder, store) = store_with(b"");
        let error = store.checked("joe").expect_err("missing").to_string();
        assert!(error.ends_with("run `frontdoor models fetch joe`"), "{error}");
        assert_eq!(store.state("joe"), ModelState::Missing);
    }

    #[test]
    fn whisper_is_resolved_by_name_or_checked_path() {
        let (folder, store) = store_with(b"");
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "these are no weights").expect("a file");
        let text = text.to_str().expect("text");
        for (name, why) in [
            ("tiny.en", "frontdoor models fetch tiny.en"),
            ("minilm", "neither a model (tiny.en, base) nor a file"),
            ("/nowhere.bin", "neither a model (tiny.en, base) nor a file"),
            (text, "the magic number is not that of a ggml file"),
        ] {
            let error = resolve_whisper(&store, name).expect_err(name).to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
    }
}
