//! Other people's telephones.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::agents::free_port;
use super::front_door::{FrontDoor, root, run};

/// What `frontdoor call` saw.
pub(super) struct OwnCall {
    /// Everything that it printed.
    pub printed: String,
    /// What the front door said, a line a turn, as the caller's recogniser heard it.
    pub heard: Vec<String>,
    /// Response latencies in ms, on the wire.
    pub latencies_ms: Vec<u64>,
}

/// Arguments of `frontdoor call` for a caller of this front door.
pub(super) fn own_call(door: &FrontDoor, uri: &str, steps: &[&str]) -> Command {
    own_call_from("5550199", door, uri, steps)
}

/// The same for a caller with this number.
pub(super) fn own_call_from(from: &str, door: &FrontDoor, uri: &str, steps: &[&str]) -> Command {
    let mut command = super::front_door::frontdoor();
    command
        .args(["call", "--to", uri, "--from", from, "--voice", "flite", "--out"])
        .arg(door.folder.path().join("call.wav"))
        .arg("--json")
        .arg(door.folder.path().join("call.json"))
        .args(steps);
    command
}

/// Places a call with our own client and waits for its end.
pub(super) fn call(door: &FrontDoor, steps: &[&str]) -> OwnCall {
    let printed = run(&mut own_call(door, &door.uri, steps));
    heard_of(door, printed)
}

/// Reads what a finished `frontdoor call` has left.
pub(super) fn heard_of(door: &FrontDoor, printed: String) -> OwnCall {
    let json = fs::read_to_string(door.folder.path().join("call.json")).expect("written");
    let turns: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    let theirs = turns.iter().filter(|turn| turn["speaker"] == "frontdoor");
    OwnCall {
        printed,
        heard: theirs.filter_map(|turn| turn["text"].as_str().map(str::to_lowercase)).collect(),
        latencies_ms: turns.iter().filter_map(|turn| turn["latency_ms"].as_u64()).collect(),
    }
}

/// Places a call with PJSIP; gives what it heard after each step, as recordings.
pub(super) fn pjsip(uri: &str, folder: &Path, options: &[&str], steps: &[String]) -> Vec<PathBuf> {
    let events = pjsip_events(uri, folder, options, steps);
    assert!(events.iter().any(|event| event["event"] == "answered"), "{events:#?}");
    events
        .iter()
        .filter(|event| event["event"] == "heard" && event["spoke"] == true)
        .filter_map(|event| event["file"].as_str().map(PathBuf::from))
        .collect()
}

/// The same; gives all that it told.
pub(super) fn pjsip_events(
    uri: &str,
    folder: &Path,
    options: &[&str],
    steps: &[String],
) -> Vec<Value> {
    let mut command = Command::new("python3");
    if let Some(path) = std::env::var_os("FRONTDOOR_TEST_PYTHONPATH") {
        command.env("PYTHONPATH", path);
    }
    command
        .arg(root().join("tests/peers/pjsip_call.py"))
        .arg(uri)
        .arg(folder)
        .args(options)
        .args(steps);
    let printed = run(&mut command);
    printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Places a call with Linphone, which speaks this recording; gives what it heard.
pub(super) fn linphone(
    uri: &str,
    folder: &Path,
    spoken: &Path,
    options: &[&str],
    steps: &[&str],
) -> PathBuf {
    let folder = folder.join("linphone");
    fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new("python3");
    command
        .arg(root().join("tests/peers/linphone_call.py"))
        .arg(uri)
        .arg(&folder)
        .arg(spoken)
        .args(options)
        .args(steps);
    run(&mut command);
    let heard = folder.join("heard.wav");
    // It counts the header, 44 octets, among the samples.
    if let Ok(mut wav) = fs::read(&heard) {
        let length = u32::try_from(wav.len() - 44).expect("a short recording");
        wav[40..44].copy_from_slice(&length.to_le_bytes());
        fs::write(&heard, wav).expect("written");
    }
    heard
}

/// Places calls with SIPp; its scenario must succeed for all of them.
pub(super) fn sipp(target: &str, folder: &Path, arguments: &[&OsStr]) -> String {
    let mut command = Command::new("sipp");
    command
        .current_dir(folder)
        .arg(target)
        .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-s", "bank", "-nostdin", "-timeout", "120s"])
        .args(["-timeout_error", "-trace_err"])
        .args(arguments)
        .stdin(Stdio::null());
    run(&mut command)
}

/// A SIPp that waits for one call and goes through a scenario with it.
pub(super) struct SippAgent {
    child: Child,
    folder: PathBuf,
    pub port: u16,
}

impl SippAgent {
    /// Starts it in this folder, where the scenario's recordings are.
    pub fn start(scenario: &Path, folder: &Path) -> Self {
        Self::start_at(free_port(), scenario, folder)
    }

    /// The same at a port that has been told to others.
    pub fn start_at(port: u16, scenario: &Path, folder: &Path) -> Self {
        let child = Command::new("sipp")
            .current_dir(folder)
            .arg("-sf")
            .arg(scenario)
            .args(["-p", &port.to_string(), "-i", "127.0.0.1", "-mi", "127.0.0.1", "-m", "1"])
            .args(["-nostdin", "-timeout", "120s", "-timeout_error", "-trace_err"])
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.join("agent.out")).expect("writable"))
            .stderr(fs::File::create(folder.join("agent.err")).expect("writable"))
            .spawn()
            .expect("sipp is installed");
        Self { child, folder: folder.to_owned(), port }
    }

    /// Waits until it has had its call, which must have gone as the scenario says.
    pub fn finish(mut self) {
        let status = self.child.wait().expect("it ends");
        let said = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        assert!(status.success(), "{status}\n{}\n{}", said("agent.out"), said("agent.err"));
    }
}

impl Drop for SippAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A baresip that has been told to call, and speaks a recording from the answer on.
pub(super) struct Baresip {
    child: Child,
    folder: PathBuf,
}

impl Baresip {
    /// Calls `uri`; ends by itself after so many seconds.
    pub fn call(uri: &str, folder: &Path, spoken: &Path, seconds: u32) -> Self {
        Self::call_as(uri, folder, spoken, seconds, Phone::default())
    }

    /// The same with its audio encrypted by this module of baresip, in this way of it.
    pub fn call_encrypted(
        uri: &str,
        folder: &Path,
        spoken: &Path,
        seconds: u32,
        (module, way): (&str, &str),
    ) -> Self {
        let parameters = format!(";mediaenc={way}");
        let phone = Phone { modules: &[module], parameters: &parameters, ..Phone::default() };
        Self::call_as(uri, folder, spoken, seconds, phone)
    }

    /// The same, set up in this way. The recording must have the rate of its codec.
    pub fn call_as(
        uri: &str,
        folder: &Path,
        spoken: &Path,
        seconds: u32,
        phone: Phone<'_>,
    ) -> Self {
        let settings = Self::set_up(folder, "127.0.0.1:0", "5550123", spoken, phone);
        Self::run(settings, &["-e", &format!("/dial {uri}")], seconds)
    }

    /// A telephone at this port that answers whoever calls this user there, and speaks a recording from then
    /// on; it ends by itself after so many seconds.
    pub fn answers(port: u16, user: &str, folder: &Path, spoken: &Path, seconds: u32) -> Self {
        let phone = Phone { parameters: ";answermode=auto", ..Phone::default() };
        let listen = format!("127.0.0.1:{port}");
        Self::run(Self::set_up(folder, &listen, user, spoken, phone), &[], seconds)
    }

    /// Writes its settings; gives their folder.
    fn set_up(folder: &Path, listen: &str, user: &str, spoken: &Path, phone: Phone<'_>) -> PathBuf {
        let settings = folder.join("baresip");
        fs::create_dir_all(&settings).expect("a folder");
        let modules: String =
            phone.modules.iter().map(|module| format!("module {module}.so\n")).collect();
        let config = format!(
            "sip_listen {listen}\n\
             audio_source aufile,{spoken}\n\
             audio_player aubridge,none\n\
             audio_alert aubridge,none\n\
             module_path /usr/lib/baresip/modules\n\
             module stdio.so\n\
             module g711.so\n\
             module aufile.so\n\
             module aubridge.so\n\
             module sndfile.so\n\
             {modules}\
             {further}\
             module_app account.so\n\
             module_app menu.so\n\
             snd_path {folder}\n",
            spoken = spoken.display(),
            further = phone.settings,
            folder = settings.display(),
        );
        fs::write(settings.join("config"), config).expect("writable");
        let codecs = if phone.codecs.is_empty() { "PCMU/8000,PCMA/8000" } else { phone.codecs };
        let parameters = phone.parameters;
        let account =
            format!("<sip:{user}@127.0.0.1>;regint=0;audio_codecs={codecs}{parameters}\n");
        fs::write(settings.join("accounts"), account).expect("writable");
        fs::write(settings.join("contacts"), "").expect("writable");
        settings
    }

    fn run(settings: PathBuf, commands: &[&str], seconds: u32) -> Self {
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&settings)
            .args(commands)
            .args(["-t", &seconds.to_string()])
            .stdin(Stdio::null())
            .stdout(fs::File::create(settings.join("out")).expect("writable"))
            .stderr(fs::File::create(settings.join("err")).expect("writable"))
            .spawn()
            .expect("baresip is installed");
        Self { child, folder: settings }
    }

    /// Waits for its end; gives what it heard.
    pub fn heard(mut self) -> PathBuf {
        self.child.wait().expect("it ends");
        let said = || fs::read_to_string(self.folder.join("out")).unwrap_or_default();
        let mut decoded: Vec<PathBuf> = fs::read_dir(&self.folder)
            .expect("readable")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        decoded.sort();
        decoded.pop().unwrap_or_else(|| panic!("baresip heard nothing:\n{}", said()))
    }
}

/// How a baresip is set up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Phone<'a> {
    /// Modules of it beside those that every call needs.
    pub modules: &'a [&'a str],
    /// Lines of its settings.
    pub settings: &'a str,
    /// The codecs it offers; both laws of G.711 if none is named.
    pub codecs: &'a str,
    /// Parameters of its account, each behind a semicolon.
    pub parameters: &'a str,
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
