//! A front door of the test's own: the real program, real models, sockets on loopback.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Root of the checkout.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program, with this checkout's models.
pub(super) fn frontdoor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdoor"));
    command.env_remove("RUST_LOG");
    command
}

/// A program that ends with the test.
pub(super) struct Running {
    child: Child,
}

impl Running {
    /// Starts it and waits for the line of its output that `is_ready` knows, which is given back
    /// with all before it.
    pub fn start(command: &mut Command, is_ready: impl Fn(&str) -> bool) -> (Self, Vec<String>) {
        let mut child =
            command.stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let running = Self { child };
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).expect("text") == 0 {
                panic!("{command:?} ended before it was ready:\n{}", lines.join(""));
            }
            let ready = is_ready(&line);
            lines.push(line);
            if ready {
                break;
            }
        }
        // A pipe that nobody reads fills up and stops the program.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        (running, lines)
    }

    /// Asks it to end and waits until it has.
    pub fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        if asked.is_ok_and(|status| status.success()) {
            let _ = self.child.wait();
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        self.kill();
    }
}

/// A running front door.
pub(super) struct FrontDoor {
    server: Running,
    pub config: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    pub uri: String,
    pub uri_tcp: String,
    /// Where it answers other programs, if it does.
    pub http: Option<String>,
    /// Where its pages are, if it has any.
    pub web: Option<String>,
    /// Every address that it said it can be called at, these two first.
    pub uris: Vec<String>,
    // Last: removed after the server has ended.
    pub folder: TempDir,
}

impl FrontDoor {
    /// The demo bank.
    pub fn start() -> Self {
        Self::start_with(|text| text)
    }

    /// The demo bank with a changed configuration.
    pub fn start_with(change: impl FnOnce(String) -> String) -> Self {
        Self::start_in(&[], |_, text| change(text))
    }

    /// The same with these environment variables; what the configuration names may lie in the
    /// folder that is given with it.
    pub fn start_in(
        environment: &[(&str, &str)],
        change: impl FnOnce(&Path, String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("frontdoor.toml");
        let text = change(folder.path(), demo_config(folder.path()));
        fs::write(&config, text).expect("writable");
        let log = folder.path().join("log");
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<(String, String)> = environment.iter().map(own).collect();
        let (server, told) = launch(&config, &log, &environment);
        let Told { uris, http, web } = told;
        let (uri, uri_tcp) = (uris[0].clone(), uris[1].clone());
        Self { server, config, log, environment, uri, uri_tcp, uris, http, web, folder }
    }

    /// Ends it at once, as a crash would: it can tell nobody anything any more.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Ends it in good order, to be started again.
    pub fn stop_for_now(&mut self) {
        self.server.stop();
    }

    /// Starts it again with the data that are there. It is to be called at other ports from then on.
    pub fn start_again(&mut self) {
        let (server, told) = launch(&self.config, &self.log, &self.environment);
        let Told { uris, http, web } = told;
        self.server = server;
        (self.uri, self.uri_tcp) = (uris[0].clone(), uris[1].clone());
        (self.uris, self.http, self.web) = (uris, http, web);
    }

    /// The file in which it keeps what happened.
    pub fn records(&self) -> PathBuf {
        self.folder.path().join("data/frontdoor.sqlite")
    }

    /// `frontdoor SUBCOMMAND ...` with this server's configuration; must succeed.
    pub fn command(&self, arguments: &[&str]) -> String {
        let mut command = frontdoor();
        command.args(arguments).arg("--config").arg(&self.config);
        run(&mut command)
    }

    /// Waits until the server has written the end of so many calls, and gives their ids, the
    /// latest first. A peer hangs up before the server has closed its record, by some
    /// milliseconds; should its BYE be lost, by the time without media that ends a call.
    pub fn ended_calls(&self, count: usize) -> Vec<String> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let mut ended = Vec::new();
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let list = self.command(&["calls", "list", "--json", "--limit", "1000"]);
            let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
            let over = list.iter().filter(|call| !call["ended_at"].is_null());
            ended = over.filter_map(|call| call["id"].as_str().map(str::to_owned)).collect();
            if ended.len() >= count {
                return ended;
            }
        }
        panic!(
            "{} of {count} calls have ended; the log ends with\n{}",
            ended.len(),
            self.log_end()
        );
    }

    /// The whole record of the only call there was.
    pub fn record(&self) -> Value {
        let ended = self.ended_calls(1);
        let shown = self.command(&["calls", "show", &ended[0], "--json", "--reveal"]);
        serde_json::from_str(&shown).expect("JSON")
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("readable")
    }

    /// Ends it in good order and gives its whole log.
    pub fn stop(mut self) -> String {
        self.server.stop();
        self.log()
    }
}

/// What a front door tells when it is ready.
struct Told {
    uris: Vec<String>,
    http: Option<String>,
    web: Option<String>,
}

/// Starts the program, whose log goes on where it was.
fn launch(config: &Path, log: &Path, environment: &[(String, String)]) -> (Running, Told) {
    let file = File::options().create(true).append(true).open(log).expect("writable");
    let mut command = frontdoor();
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.args(["--log", "trace", "serve", "--config"]).arg(config).stderr(file);
    let (server, lines) = Running::start(&mut command, |line| line.starts_with("ready"));
    let uris: Vec<String> = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("call"))
        .map(|uri| uri.trim().to_owned())
        .collect();
    assert!(uris.len() >= 2, "two addresses expected: {lines:?}");
    let told = |name: &str, page: &str| {
        lines.iter().find_map(|line| {
            let url = line.trim().strip_prefix(name)?.split_whitespace().next()?;
            Some(url.trim_end_matches(page).to_owned())
        })
    };
    let (http, web) = (told("http ", "/health"), told("web ", "/call"));
    (server, Told { uris, http, web })
}

/// `frontdoor.toml` of this checkout, on free ports of this machine, with its data in `folder`.
pub(super) fn demo_config(folder: &Path) -> String {
    let text = fs::read_to_string(root().join("frontdoor.toml")).expect("the demo's configuration");
    let profile = root().join("prompts/bank");
    let changes = [
        (
            "profile = \"prompts/bank\"".to_owned(),
            format!("profile = {profile:?}\ndata_dir = {:?}", folder.join("data")),
        ),
        (
            "listen = [\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"]".to_owned(),
            "listen = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]".to_owned(),
        ),
        ("listen = \"127.0.0.1:9090\"".to_owned(), "listen = \"127.0.0.1:0\"".to_owned()),
    ];
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from.as_str()), "{from} is no longer in frontdoor.toml");
        text.replace(from, to)
    })
}

/// Runs a program to its end, which must be a good one; gives its standard output.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Runs a program that must fail; gives what it says.
pub(super) fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!output.status.success(), "{command:?} did not fail: {said}");
    said
}

/// All of a file, as text.
pub(super) fn read(path: &Path) -> String {
    let mut text = String::new();
    let mut file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.read_to_string(&mut text).expect("text");
    text
}
