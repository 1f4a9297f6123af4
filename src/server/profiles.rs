//! The profiles that calls are answered with. Each has its own prompt files in force, its own
//! classifier and its own [`Reloader`]; models, actions, records and the voice are shared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::config::{Called, Config, NumberConfig, Routed, route};
use crate::engine::understanding::UnderstandingPool;
use crate::engine::voice::Voice;
use crate::prompts::{Finding, Generation, SourceFile};

use super::profile::{parse_profile, read_profile, refused};
use super::reload::{Reloader, Running};
use super::training::Lessons;
use super::{Engines, ServerError};

/// Words as they are written, with how they are said.
type SaidAs = Vec<(String, String)>;

/// A profile's prompt files, sound and not yet learned from.
pub(super) struct Sound {
    /// The configuration with this profile as its own.
    pub config: Config,
    pub files: Vec<SourceFile>,
    pub generation: Arc<Generation>,
    pub warnings: Vec<Finding>,
}

impl Sound {
    /// Reads and parses.
    ///
    /// # Errors
    /// The files cannot be read, or have a mistake.
    pub fn read(config: Config) -> Result<Self, ServerError> {
        let files = read_profile(&config.server.profile)?;
        let (generation, warnings) =
            parse_profile(&config, &files).map_err(|findings| refused(&config, &findings))?;
        Ok(Self { config, files, generation: Arc::new(generation), warnings })
    }

    /// Trains a classifier of its own beside the engines that run. Blocks no thread of the runtime.
    ///
    /// # Errors
    /// There is nothing to learn from, or the encoder failed.
    async fn learn(self, engines: &Engines, voice: &SharedVoice) -> Result<Reloader, ServerError> {
        let Self { config, files, generation, .. } = self;
        let (trainer, lessons) = (engines.trainer.clone(), Lessons::of(&generation));
        let understander = tokio::task::spawn_blocking(move || trainer.train(&lessons)).await??;
        // Calls are understood by the worker that all share; this holds what they are understood by.
        let pool = UnderstandingPool::start(understander, 1)?;
        let voice = voice.of(&config.server.profile);
        voice.set_said_as(generation.words.said_as.clone());
        voice.prerender(generation.fixed_sentences());
        Ok(Reloader::new(config, files, generation, engines.trainer.clone(), pool)
            .with_shared_voice(voice))
    }

    /// What the engines have learned from already.
    fn learned(self, engines: &Engines, voice: &SharedVoice) -> Reloader {
        let Self { config, files, generation, .. } = self;
        let (trainer, pool) = (engines.trainer.clone(), engines.understanding.clone());
        let voice = voice.of(&config.server.profile);
        voice.set_said_as(generation.words.said_as.clone());
        Reloader::new(config, files, generation, trainer, pool).with_shared_voice(voice)
    }
}

/// The one voice, and how each profile has words said. Where two differ about a word, the one whose
/// folder comes first in the alphabet has its way.
#[derive(Clone)]
struct SharedVoice {
    voice: Voice,
    said_as: Arc<Mutex<BTreeMap<PathBuf, SaidAs>>>,
}

impl SharedVoice {
    fn new(voice: Voice) -> Self {
        Self { voice, said_as: Arc::default() }
    }

    /// The voice for one profile.
    fn of(&self, profile: &Path) -> ProfileVoice {
        ProfileVoice { shared: self.clone(), profile: profile.to_owned() }
    }
}

/// The voice as one profile's reloader knows it.
#[derive(Clone)]
pub(super) struct ProfileVoice {
    shared: SharedVoice,
    profile: PathBuf,
}

impl ProfileVoice {
    /// Replaces this profile's words, and leaves those of others as they are.
    pub fn set_said_as(&self, said_as: SaidAs) {
        let mut all = self.shared.said_as.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(self.profile.clone(), said_as);
        self.shared.voice.set_said_as(together(&all));
    }

    /// Speaks what is always said ahead of time.
    pub fn prerender(&self, sentences: Vec<String>) {
        self.shared.voice.prerender(sentences);
    }
}

fn together(all: &BTreeMap<PathBuf, SaidAs>) -> SaidAs {
    let mut words = SaidAs::new();
    for (written, said) in all.values().flatten() {
        if !words.iter().any(|(known, _)| known == written) {
            words.push((written.clone(), said.clone()));
        }
    }
    words
}

/// What is in force, for whoever wants to know and has no call.
#[derive(Clone)]
pub(super) struct InForce(Vec<watch::Receiver<Arc<Running>>>);

impl InForce {
    /// The profiles by name, each with the hash of its files.
    pub fn generations(&self) -> Vec<(String, String)> {
        let told = self.0.iter().map(|running| {
            let running = running.borrow();
            let generation = &running.generation;
            (generation.profile.clone(), generation.hash.as_str().to_owned())
        });
        told.collect()
    }

    #[cfg(test)]
    pub fn nothing() -> Self {
        Self(Vec::new())
    }
}

/// Which profile a call is answered with.
#[derive(Clone)]
pub(super) struct Profiles {
    first: PathBuf,
    numbers: Vec<NumberConfig>,
    running: BTreeMap<PathBuf, watch::Receiver<Arc<Running>>>,
}

impl Profiles {
    /// Puts profiles in force: `first` is what the engines were started with, `others` are learned
    /// from now. The reloaders are to be run.
    ///
    /// # Errors
    /// There is nothing to learn from, or the encoder failed.
    pub async fn start(
        first: Sound,
        others: Vec<Sound>,
        engines: &Engines,
    ) -> Result<(Self, Vec<Reloader>), ServerError> {
        let voice = SharedVoice::new(engines.voice.clone());
        let folder = first.config.server.profile.clone();
        let numbers = first.config.numbers.clone();
        let reloader = first.learned(engines, &voice);
        let mut running = BTreeMap::from([(folder.clone(), reloader.running())]);
        let mut reloaders = vec![reloader];
        for other in others {
            let folder = other.config.server.profile.clone();
            let reloader = other.learn(engines, &voice).await?;
            running.insert(folder, reloader.running());
            reloaders.push(reloader);
        }
        Ok((Self { first: folder, numbers, running }, reloaders))
    }

    /// Each profile, with the prompt files that are in force for it at the time.
    pub fn in_force(&self) -> InForce {
        let profiles = self.running.values();
        InForce(profiles.cloned().collect())
    }

    /// What is in force of all of them.
    pub fn all(&self) -> impl Iterator<Item = Arc<Running>> {
        self.running.values().map(|running| running.borrow().clone())
    }

    /// What is in force of `[server] profile`.
    pub fn first(&self) -> Arc<Running> {
        let running = self.running.get(&self.first).expect("it was put in force first of all");
        running.borrow().clone()
    }

    /// The prompt files in force of each profile, now and later: that of `[server]` first.
    pub fn running(&self) -> Vec<watch::Receiver<Arc<Running>>> {
        let first = self.running.get(&self.first);
        let others = self.running.iter().filter(|(folder, _)| **folder != self.first);
        first.into_iter().chain(others.map(|(_, running)| running)).cloned().collect()
    }

    /// What a call that begins now is held by; `None` if its number is not there for it.
    pub fn of_call(&self, called: &Called<'_>) -> Option<Running> {
        let folder = choose(&self.numbers, &self.first, called)?;
        self.running.get(folder).map(|running| Running::clone(&running.borrow()))
    }
}

fn choose<'a>(
    numbers: &'a [NumberConfig],
    first: &'a Path,
    called: &Called<'_>,
) -> Option<&'a Path> {
    match route(numbers, called) {
        Routed::Everything => Some(first),
        Routed::Line(line) => Some(line.profile.as_path()),
        Routed::OtherTrunk(_) | Routed::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pattern: &str, profile: &str) -> NumberConfig {
        NumberConfig { pattern: pattern.to_owned(), profile: profile.into(), trunk: None }
    }

    #[test]
    fn a_number_has_its_profile_and_without_numbers_all_have_the_one() {
        let numbers = [line("100", "/p/clinic"), line("2*", "/p/bank")];
        let bank = Path::new("/p/bank");
        let called = |requested| Called { requested, to: "", trunk: None };
        for (number, expected) in
            [("100", Some("/p/clinic")), ("201", Some("/p/bank")), ("300", None)]
        {
            let found = choose(&numbers, bank, &called(number));
            assert_eq!(found, expected.map(Path::new), "{number}");
        }
        assert_eq!(choose(&[], bank, &called("300")), Some(bank));
    }

    #[test]
    fn words_of_all_profiles_are_known_to_the_voice() {
        let words = |pairs: &[(&str, &str)]| -> SaidAs {
            pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
        };
        let all = BTreeMap::from([
            (PathBuf::from("/p/bank"), words(&[("APR", "A P R"), ("ISA", "eye sir")])),
            (PathBuf::from("/p/clinic"), words(&[("GP", "G P"), ("APR", "april")])),
        ]);
        let expected = words(&[("APR", "A P R"), ("ISA", "eye sir"), ("GP", "G P")]);
        assert_eq!(together(&all), expected);
    }
}
