//! The prompt files in force, and their replacement while calls go on.
//!
//! ```text
//!  saved ─▶ settled ─▶ read ─▶ parsed ─▶ classifier trained ─▶ swapped: the next call has it
//!                        │        │               │
//!                        └────────┴───────────────┴─▶ refused whole: what is in force stays
//! ```
//!
//! A call keeps the generation and the classifier that it began with. How words are pronounced
//! changes with the swap for all, from the next sentence on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::understanding::{Understander, UnderstandingPool};
use crate::prompts::{Finding, Generation, GenerationHash, SourceFile};

use super::ServerError;
use super::metrics::Metrics;
use super::profile::{parse_profile, read_profile};
use super::profiles::ProfileVoice;
use super::training::{Lessons, Trainer};
use super::watching::FolderWatch;

/// How often the files are compared even if no change was noticed: network file systems notice
/// none, and neither does a watch whose folder was replaced.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// What a call is held by from its beginning to its end.
#[derive(Clone)]
pub struct Running {
    /// What the prompt files say.
    pub generation: Arc<Generation>,
    /// The classifier that learned from them.
    pub understander: Arc<Understander>,
}

/// Files of a profile that differ, by path within it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Other text than before.
    pub changed: Vec<String>,
    /// Were not there before.
    pub added: Vec<String>,
    /// Are no longer there.
    pub removed: Vec<String>,
}

impl Changes {
    fn between(before: &[SourceFile], after: &[SourceFile]) -> Self {
        let mut old: BTreeMap<&str, &str> =
            before.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        let mut changes = Self::default();
        for file in after {
            match old.remove(file.path.as_str()) {
                None => changes.added.push(file.path.clone()),
                Some(text) if text != file.text => changes.changed.push(file.path.clone()),
                Some(_) => {}
            }
        }
        changes.removed = old.into_keys().map(str::to_owned).collect();
        changes
    }

    /// Who owns the file that was written last, as far as that can be told.
    fn last_editor(&self, folder: &Path) -> Option<String> {
        let written = self.changed.iter().chain(&self.added);
        let newest = written
            .filter_map(|path| fs::metadata(folder.join(path)).ok())
            .max_by_key(|metadata| (metadata.mtime(), metadata.mtime_nsec()))?;
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Some(user_name(&users, newest.uid()).unwrap_or_else(|| format!("user {}", newest.uid())))
    }
}

/// The name of a user in a list like `/etc/passwd`.
fn user_name(users: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// What came of looking at the files again.
#[derive(Debug)]
pub enum Reloaded {
    /// They say what is in force already.
    Unchanged,
    /// They are in force now, for calls that begin from now on.
    InForce {
        /// Identifies them in records.
        generation: GenerationHash,
        /// What is different.
        changes: Changes,
        /// What the linter would rather have otherwise.
        warnings: Vec<Finding>,
    },
    /// They are wrong somewhere; what was in force stays.
    Refused {
        /// Where, and how to put it right.
        findings: Vec<Finding>,
    },
    /// They cannot be read or learned from; what was in force stays.
    Failed(ServerError),
}

/// A generation that can be put in force.
struct Ready {
    generation: Generation,
    warnings: Vec<Finding>,
    understander: Understander,
    examples: usize,
    training: Duration,
    changes: Changes,
    editor: Option<String>,
}

/// What the files on the disk are good for.
enum Judged {
    Unchanged,
    Refused(Vec<Finding>),
    Untrainable(ServerError),
    Ready(Box<Ready>),
}

/// Puts edited prompt files in force. The only one who does.
pub struct Reloader {
    config: Arc<Config>,
    trainer: Trainer,
    pool: UnderstandingPool,
    voice: Option<ProfileVoice>,
    metrics: Option<Arc<Metrics>>,
    running: watch::Sender<Arc<Running>>,
    /// The files of the generation in force.
    in_force: Arc<Vec<SourceFile>>,
    /// The files as they were looked at last; `None` if they could not be read.
    seen: Option<Vec<SourceFile>>,
}

impl Reloader {
    /// Takes over a generation that is in force: its files, and in `pool` its classifier.
    pub fn new(
        config: Config,
        files: Vec<SourceFile>,
        generation: Arc<Generation>,
        trainer: Trainer,
        pool: UnderstandingPool,
    ) -> Self {
        let running = Arc::new(Running { generation, understander: pool.current() });
        Self {
            config: Arc::new(config),
            trainer,
            pool,
            voice: None,
            metrics: None,
            running: watch::Sender::new(running),
            seen: Some(files.clone()),
            in_force: Arc::new(files),
        }
    }

    /// Also tells the voice: how words are said, and what it can speak ahead of time.
    #[must_use]
    pub(super) fn with_shared_voice(self, voice: ProfileVoice) -> Self {
        Self { voice: Some(voice), ..self }
    }

    /// Also counts what comes of each look at the files.
    #[must_use]
    pub(super) fn counted(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Shows what is in force, now and later.
    pub fn running(&self) -> watch::Receiver<Arc<Running>> {
        self.running.subscribe()
    }

    /// Reads the files and, if they are sound, puts them in force. Says in the log what came of
    /// it. Nothing is changed unless all of it succeeds.
    pub async fn reload_now(&mut self) -> Reloaded {
        let reloaded = self.look_again().await;
        if let Some(metrics) = &self.metrics {
            metrics.reloaded(&reloaded);
        }
        reloaded
    }

    async fn look_again(&mut self) -> Reloaded {
        let (config, trainer) = (Arc::clone(&self.config), self.trainer.clone());
        let in_force = Arc::clone(&self.in_force);
        let old = self.running.borrow().generation.hash.clone();
        let work = {
            let old = old.clone();
            move || judge(&config, &trainer, &in_force, &old)
        };
        let judged = match tokio::task::spawn_blocking(work).await {
            Ok(judged) => judged,
            Err(error) => Err(ServerError::Task(error)),
        };
        let reloaded = match judged {
            Err(error) => {
                self.seen = None;
                Reloaded::Failed(error)
            }
            Ok((files, judged)) => {
                self.seen = Some(files.clone());
                match judged {
                    Judged::Unchanged => Reloaded::Unchanged,
                    Judged::Refused(findings) => Reloaded::Refused { findings },
                    Judged::Untrainable(error) => Reloaded::Failed(error),
                    Judged::Ready(ready) => return self.put_in_force(&old, files, *ready),
                }
            }
        };
        log_unreplaced(&reloaded, &old);
        reloaded
    }

    fn put_in_force(
        &mut self,
        old: &GenerationHash,
        files: Vec<SourceFile>,
        ready: Ready,
    ) -> Reloaded {
        let Ready { generation, warnings, understander, examples, training, changes, editor } =
            ready;
        let fixed_sentences = generation.fixed_sentences();
        self.pool.replace(understander);
        if let Some(voice) = &self.voice {
            voice.set_said_as(generation.words.said_as.clone());
        }
        let hash = generation.hash.clone();
        let intents = generation.intents.len();
        self.running.send_replace(Arc::new(Running {
            generation: Arc::new(generation),
            understander: self.pool.current(),
        }));
        self.in_force = Arc::new(files);
        if let Some(voice) = &self.voice {
            voice.prerender(fixed_sentences);
        }
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!(
            generation = hash.as_str(),
            replaces = old.as_str(),
            changed = changes.changed.join(", "),
            added = changes.added.join(", "),
            removed = changes.removed.join(", "),
            intents,
            examples,
            training_ms = training.as_millis() as u64,
            by = editor.as_deref().unwrap_or("unknown"),
            "the edited prompt files are in force from the next call on"
        );
        Reloaded::InForce { generation: hash, changes, warnings }
    }

    /// Reloads if the files are no longer as they were looked at last; says whether they were not.
    async fn reload_if_changed(&mut self) -> bool {
        let folder = self.config.server.profile.clone();
        let read = tokio::task::spawn_blocking(move || read_profile(&folder).ok()).await;
        let changed = read.map_or(true, |files| files != self.seen);
        if changed {
            self.reload_now().await;
        }
        changed
    }

    /// Reloads whenever the files change, or SIGHUP comes, until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut folder = FolderWatch::start(&self.config.server.profile);
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP is not listened to");
                None
            }
        };
        let mut every = tokio::time::interval(CHECK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = folder.changed() => {
                    folder.settled().await;
                    self.reload_if_changed().await;
                }
                () = hung_up(&mut hangup) => {
                    self.reload_now().await;
                }
                _ = every.tick() => {
                    // The watch should have noticed; the folder may be another one by now.
                    if self.reload_if_changed().await {
                        folder.again();
                    }
                }
            }
        }
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    let came = match hangup {
        Some(signal) => signal.recv().await.is_some(),
        None => false,
    };
    if !came {
        std::future::pending::<()>().await;
    }
}

/// Reads, parses and learns, on a thread that may block. An error means that there are no files.
fn judge(
    config: &Config,
    trainer: &Trainer,
    in_force: &[SourceFile],
    old: &GenerationHash,
) -> Result<(Vec<SourceFile>, Judged), ServerError> {
    let folder = &config.server.profile;
    let files = read_profile(folder)?;
    let (generation, warnings) = match parse_profile(config, &files) {
        Ok(parsed) => parsed,
        Err(findings) => return Ok((files, Judged::Refused(findings))),
    };
    if generation.hash == *old {
        return Ok((files, Judged::Unchanged));
    }
    let began = Instant::now();
    let lessons = Lessons::of(&generation);
    let understander = match trainer.train(&lessons) {
        Ok(understander) => understander,
        Err(error) => return Ok((files, Judged::Untrainable(error.into()))),
    };
    let training = began.elapsed();
    let changes = Changes::between(in_force, &files);
    let editor = changes.last_editor(folder);
    let examples = lessons.examples.len();
    let ready = Ready { generation, warnings, understander, examples, training, changes, editor };
    Ok((files, Judged::Ready(Box::new(ready))))
}

fn log_unreplaced(reloaded: &Reloaded, in_force: &GenerationHash) {
    let generation = in_force.as_str();
    match reloaded {
        Reloaded::Unchanged => {
            tracing::info!(generation, "the prompt files say what is in force already");
        }
        Reloaded::Refused { findings } => {
            for finding in findings {
                tracing::warn!("{finding}");
            }
            tracing::warn!(
                generation,
                findings = findings.len(),
                "the edited prompt files are refused; this generation stays in force"
            );
        }
        Reloaded::Failed(error) => {
            tracing::warn!(
                generation,
                %error,
                "the prompt files cannot be used; this generation stays in force"
            );
        }
        Reloaded::InForce { .. } => {}
    }
}

#[cfg(test)]
mod tests;
