//! A front door of the bench's own: the real program as a process, with its models, sockets on
//! loopback with ports that are free, and a data folder that is gone afterwards.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use toml::{Table, Value};

use super::process::Usage;

/// How long it may take to be ready: on a first start it speaks all fixed sentences, and models
/// are warmed up.
const READY_LIMIT: Duration = Duration::from_secs(180);

/// How long it may take to end: running calls are hung up first.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// How long its figures are waited for.
const METRICS_LIMIT: Duration = Duration::from_secs(10);

/// Lines of its log that are shown when it fails.
const LOG_LINES_SHOWN: usize = 20;

/// How a front door is to be.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The configuration to begin with; its folder is where its relative paths begin. What it names
    /// of other machines' telephony is left out; databases of its own actions are used as they are.
    pub config: PathBuf,
    /// TOML that is put over it, table by table and key by key, such as
    /// `"[server]\ncalls_max = 64"`.
    pub changes: String,
    /// What is logged, as with `--log`.
    pub log: String,
}

impl Setup {
    /// This configuration, with nothing changed but addresses and the data folder.
    pub fn new(config: impl Into<PathBuf>) -> Self {
        Self { config: config.into(), changes: String::new(), log: "warn".to_owned() }
    }
}

/// A front door that runs. It ends when this is dropped.
pub struct FrontDoor {
    child: Child,
    pid: u32,
    /// Where it is called, over UDP.
    pub uri: String,
    /// Its configuration file, for other subcommands.
    pub config: PathBuf,
    http: String,
    client: reqwest::Client,
    log: PathBuf,
    // Last: removed after the process has ended.
    folder: TempDir,
}

impl FrontDoor {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// The configuration cannot be used, or it did not become ready; its last words are given.
    pub async fn start(setup: &Setup) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for the front door")?;
        let config = folder.path().join("frontdoor.toml");
        let text = std::fs::read_to_string(&setup.config)
            .with_context(|| format!("cannot read {}", setup.config.display()))?;
        let home = std::path::absolute(&setup.config)?;
        let home = home.parent().unwrap_or(Path::new("/"));
        let table = adapted(&text, &setup.changes, home, &folder.path().join("data"))
            .with_context(|| format!("cannot use {}", setup.config.display()))?;
        std::fs::write(&config, toml::to_string(&table)?)
            .with_context(|| format!("cannot write {}", config.display()))?;
        let log = folder.path().join("log");
        let mut child = spawn(&config, &log, &setup.log)?;
        let lines = match timeout(READY_LIMIT, until_ready(&mut child)).await {
            Ok(Ok(lines)) => lines,
            Ok(Err(error)) => return Err(error.context(last_lines(&log))),
            Err(_) => {
                bail!("not ready within {} s: {}", READY_LIMIT.as_secs(), last_lines(&log))
            }
        };
        let uri = told(&lines, "call").context("it does not say where it is called")?;
        let http = told(&lines, "http").context("it does not say where its figures are")?;
        let pid = child.id().context("the front door ended at once")?;
        Ok(Self {
            child,
            pid,
            uri,
            config,
            http: http.trim_end_matches("/health").to_owned(),
            client: reqwest::Client::builder().timeout(METRICS_LIMIT).no_proxy().build()?,
            log,
            folder,
        })
    }

    /// Where it keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it takes of the machine.
    ///
    /// # Errors
    /// It is gone.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.pid).with_context(|| self.gone())
    }

    /// What it counts, at this moment.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self) -> anyhow::Result<Scrape> {
        let response = self.client.get(format!("{}/metrics", self.http)).send().await;
        let response = response.and_then(reqwest::Response::error_for_status);
        let text = response.with_context(|| self.gone())?.text().await?;
        Ok(Scrape::parse(&text))
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// It cannot be asked to end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().await;
        if !asked.context("cannot run kill")?.success() {
            bail!(self.gone());
        }
        match timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(ended) => ended.map(drop)?,
            Err(_) => self.child.kill().await?,
        }
        Ok(())
    }

    fn gone(&self) -> String {
        format!("the front door does not answer; {}", last_lines(&self.log))
    }
}

/// Starts the process; what it logs goes to a file.
fn spawn(config: &Path, log: &Path, level: &str) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program itself")?;
    let file =
        std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    Command::new(program)
        .args(["--log", level, "serve", "--config"])
        .arg(config)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(file)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the front door")
}

/// What it prints up to `ready`.
async fn until_ready(child: &mut Child) -> anyhow::Result<Vec<String>> {
    let output = child.stdout.take().context("the front door has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut told = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let is_ready = line.starts_with("ready");
        told.push(line);
        if is_ready {
            // A pipe that nobody reads fills up and stops the program.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(told);
        }
    }
    bail!("the front door ended before it was ready")
}

/// The first word after this one in what it prints.
fn told(lines: &[String], word: &str) -> Option<String> {
    lines.iter().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == word).then(|| words.next().map(str::to_owned))?
    })
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
    if last.is_empty() { "it logged nothing".to_owned() } else { format!("its log ends:\n{last}") }
}

/// The configuration for a bench: on free ports of loopback, with its data in this folder, figures
/// over HTTP without a password, and no recording of calls that nobody will hear.
fn adapted(text: &str, changes: &str, home: &Path, data: &Path) -> anyhow::Result<Table> {
    let mut table: Table = text.parse()?;
    let profile = table.get("server").and_then(|server| server.get("profile"));
    let profile = profile.and_then(Value::as_str).context("[server] profile is missing")?;
    let profile = at_home(profile, home);
    if let Some(Value::String(dir)) = table.get_mut("models").and_then(|t| t.get_mut("cache_dir")) {
        *dir = at_home(dir, home);
    }
    for key in ["trunks", "numbers", "transfers", "transfer_rules", "callbacks"] {
        // They name other machines, which no bench may call.
        table.remove(key);
    }
    let ours = format!(
        "[server]\nprofile = {}\ndata_dir = {}\n\
         [sip]\nlisten = [\"udp:127.0.0.1:0\"]\n\
         [recording]\nenabled = false\n",
        Value::String(profile),
        Value::String(data.to_string_lossy().into_owned()),
    );
    put_over(&mut table, ours.parse()?);
    let web: Table = "listen = \"127.0.0.1:0\"".parse()?;
    table.insert("http".to_owned(), Value::Table(web.clone()));
    if table.contains_key("web") {
        table.insert("web".to_owned(), Value::Table(web));
    }
    let changes: Table = changes.parse().context("what is to be changed is no TOML")?;
    put_over(&mut table, changes);
    Ok(table)
}

/// A path that begins at the configuration's folder, or at somebody's home, as it was.
fn at_home(path: &str, home: &Path) -> String {
    if path.starts_with('~') {
        return path.to_owned();
    }
    home.join(path).to_string_lossy().into_owned()
}

/// Puts keys over those of a table; tables within are merged.
fn put_over(table: &mut Table, changes: Table) {
    for (key, value) in changes {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => put_over(old, new),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// What a front door counted at one moment (text format of Prometheus).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scrape {
    samples: Vec<Sample>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Scrape {
    /// Reads what `/metrics` gives; lines that are no samples are left out.
    pub fn parse(text: &str) -> Self {
        Self { samples: text.lines().filter_map(Sample::parse).collect() }
    }

    /// The sum of all samples of this name that have these labels; `None` if there is none. For a
    /// sum over all values of a label, leave it out.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample, (key, value): &(&str, &str)| {
            sample.labels.iter().any(|(k, v)| k == key && v == value)
        };
        let of_name = self.samples.iter().filter(|sample| sample.name == name);
        let values: Vec<f64> = of_name
            .filter(|sample| labels.iter().all(|label| has(sample, label)))
            .map(|sample| sample.value)
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// What was counted since an earlier moment; 0 for what is not there.
    pub fn since(&self, before: &Self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.value(name, labels).unwrap_or(0.0) - before.value(name, labels).unwrap_or(0.0)
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (series, value) = match line.rsplit_once('}') {
            Some((series, value)) => (series, value),
            None => line.split_once(char::is_whitespace)?,
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let value = value.split_whitespace().next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), labels: labels_of(labels), value })
    }
}

/// `key="value",...`, where a backslash keeps the meaning from what follows it.
fn labels_of(mut text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    while let Some((key, after)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut letters = after.char_indices();
        let mut end = after.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, kept)) => value.push(kept),
                    None => {}
                },
                other => value.push(other),
            }
        }
        labels.push((key.trim_matches([',', ' ']).to_owned(), value));
        text = &after[end..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_moved_to_loopback_and_keeps_the_rest() {
        let text = "[server]\nprofile = \"prompts/bank\"\ncalls_max = 8\n\
                    [sip]\nlisten = [\"udp:0.0.0.0:5060\"]\ntrace = true\n\
                    [web]\nlisten = \"0.0.0.0:443\"\npublic_url = \"https://x\"\n\
                    [trunks.pbx]\nto = \"sip:pbx.example.com\"\n\
                    [models]\ncache_dir = \"models\"\n\
                    [actions.\"crm.balance\"]\nkind = \"demo_crm\"\n";
        let changes = "[server]\ncalls_max = 64\n[hearing]\nworkers = 2";
        let table =
            adapted(text, changes, Path::new("/home/x"), Path::new("/tmp/d")).expect("adapted");
        let expected: Table = "[server]\nprofile = \"/home/x/prompts/bank\"\ncalls_max = 64\n\
             data_dir = \"/tmp/d\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\ntrace = true\n\
             [web]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [recording]\nenabled = false\n[hearing]\nworkers = 2\n\
             [models]\ncache_dir = \"/home/x/models\"\n\
             [actions.\"crm.balance\"]\nkind = \"demo_crm\"\n"
            .parse()
            .expect("TOML");
        assert_eq!(table, expected);
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let adapt = |text: &str, changes: &str| {
            adapted(text, changes, Path::new("/"), Path::new("/d")).expect_err("unusable")
        };
        assert!(adapt("[server]\n", "").to_string().contains("profile is missing"));
        let error = adapt("[server]\nprofile = \"p\"\n", "[[[");
        assert!(error.to_string().contains("to be changed"), "{error}");
    }

    #[test]
    fn figures_are_found_by_name_and_labels() {
        let text = "# HELP a b\n# TYPE a counter\na_total{part=\"voice\",why=\"x} \\\"y\\\"\"} 3\n\
                    a_total{part=\"act\"} 4 1700000000\nplain 1.5\n\nbroken{\nnot a number\n";
        let scrape = Scrape::parse(text);
        assert_eq!(scrape.value("a_total", &[]), Some(7.0));
        assert_eq!(scrape.value("a_total", &[("part", "act")]), Some(4.0));
        assert_eq!(scrape.value("a_total", &[("why", "x} \"y\"")]), Some(3.0));
        assert_eq!(scrape.value("plain", &[]), Some(1.5));
        assert_eq!(scrape.value("a_total", &[("part", "none")]), None);
        let before = Scrape::parse("plain 1");
        assert_eq!(scrape.since(&before, "plain", &[]), 0.5);
        assert_eq!(scrape.since(&before, "a_total", &[("part", "act")]), 4.0);
    }

    #[test]
    fn what_it_prints_is_found() {
        let lines = [
            "frontdoor 0.1.0: profile",
            "  call  sip:bank@127.0.0.1:4711",
            "  http  http://x/health  /metrics",
        ]
        .map(str::to_owned);
        assert_eq!(told(&lines, "call").as_deref(), Some("sip:bank@127.0.0.1:4711"));
        assert_eq!(told(&lines, "http").as_deref(), Some("http://x/health"));
        assert_eq!(told(&lines, "web"), None);
    }
}
