//! A caller in one browser and an agent in another: Chromium on both sides, human recordings where
//! their microphones would be, and what each has heard, by a recogniser of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use serde_json::Value;

use super::alone;
use super::audio::{recording, samples, words_in};
use super::front_door::{FrontDoor, frontdoor, root, run};

const PASSWORD: &str = "the first of two passwords";
const NEW_PASSWORD: &str = "the second one, of their own";

/// A browser that carries out steps. What it tells is in its output, an object a line.
struct Browser {
    child: std::process::Child,
    told: mpsc::Receiver<Value>,
    so_far: Vec<Value>,
    out: PathBuf,
}

impl Browser {
    fn start(door: &FrontDoor, kind: &str, options: &[&str], steps: &[String]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let out = door.folder.path().join(format!("{kind}-{nth}.wav"));
        let mut command = Command::new("python3");
        if let Some(path) = std::env::var_os("FRONTDOOR_TEST_PYTHONPATH") {
            command.env("PYTHONPATH", path);
        }
        let web = door.web.as_deref().expect("the demo's configuration serves pages");
        command.arg(root().join("scripts/web/browser.py")).args([kind, "--base", web]);
        command.args(options).arg("--out").arg(&out).args(steps).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let _ = sender.send(event);
            }
        });
        Self { child, told, so_far: Vec::new(), out }
    }

    fn caller(door: &FrontDoor, steps: &[String]) -> Self {
        Self::start(door, "call", &[], steps)
    }

    /// An agent whose desk is open: whoever calls now finds somebody signed in, whatever the hour.
    fn agent(door: &FrontDoor, name: &str, steps: &[String]) -> Self {
        let options = ["--name", name, "--password", PASSWORD, "--new-password", NEW_PASSWORD];
        let mut agent = Self::start(door, "desk", &options, steps);
        loop {
            let event = agent.told.recv().unwrap_or_else(|_| panic!("{:#?}", agent.so_far));
            let is_open = event["event"] == "desk";
            agent.so_far.push(event);
            if is_open {
                return agent;
            }
        }
    }

    /// Waits until all steps are done; gives what happened, and the words that were heard.
    fn finish(mut self) -> (Vec<Value>, String) {
        let mut events = std::mem::take(&mut self.so_far);
        // Its output ends with it.
        events.extend(self.told.iter());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{events:#?}");
        (events, words_in(&samples(&self.out)))
    }
}

/// An account whose password is to be changed at its first use.
fn account(door: &FrontDoor, name: &str, options: &[&str]) {
    let mut command = frontdoor();
    command.args(["accounts", "add", name, "--password-stdin"]).args(options);
    command.arg("--config").arg(&door.config).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    writeln!(input, "{PASSWORD}").expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

fn say(name: &str) -> String {
    said_from(&recording(name))
}

fn said_from(path: &Path) -> String {
    format!("say:{}", path.display())
}

fn steps(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// A caller who wants somebody, and then tells what it is about.
fn wants_somebody(rest: &[&str]) -> Vec<String> {
    let mut all = vec![say("agent.wav"), "phase:waiting".to_owned(), "phase:with_agent".to_owned()];
    all.push(say("car_light.wav"));
    all.extend(steps(rest));
    all
}

#[test]
#[ignore = "places a real call: needs the models and Chromium"]
fn a_caller_in_a_browser_talks_with_an_agent_in_another() {
    let _alone = alone();
    let door = FrontDoor::start();
    account(&door, "ana", &["--display-name", "Ana", "--skill", "general=4"]);
    let mut at_desk = steps(&["ready", "offer", "take", "part:call"]);
    at_desk.push(said_from(&root().join("tests/fixtures/audio/book_a_room.wav")));
    at_desk.extend(steps(&["wait:16", "hang-up", "part:wrap", "press:1", "done"]));
    let agent = Browser::agent(&door, "ana", &at_desk);
    let caller = Browser::caller(&door, &wants_somebody(&["ended"]));
    let (told, heard) = caller.finish();
    let (offered, agent_heard) = agent.finish();
    // Each has heard the other.
    assert!(heard.contains("book a"), "{heard}\n{told:#?}");
    assert!(agent_heard.contains("dashboard"), "{agent_heard}\n{offered:#?}");
    // The offer came with the hand-off, before the call was taken.
    let offer = offered.iter().find(|event| event["event"] == "offer").expect("an offer");
    assert_eq!(offer["title"], "Call for front desk", "{offer:#}");
    let record = door.record();
    assert_eq!(record["channel"], "web", "{record:#}");
    assert_eq!(record["handoffs"][0]["document"]["promise"], "queue", "{record:#}");
    let transfer = &record["transfers"][0];
    assert_eq!((&transfer["way"], &transfer["outcome"]), (&"desk".into(), &"succeeded".into()));
    // What both said is in the record.
    let by = |speaker: &str| {
        record["lines"].as_array().expect("lines").iter().any(|line| line["speaker"] == speaker)
    };
    assert!(by("caller") && by("agent") && by("frontdoor"), "{record:#}");
}

#[test]
#[ignore = "places a real call: needs the models and Chromium"]
fn a_caller_whose_agents_browser_dies_is_first_in_line_again() {
    let _alone = alone();
    let door = FrontDoor::start();
    for name in ["ana", "ben"] {
        account(&door, name, &["--skill", "general=4"]);
    }
    let mut dying = steps(&["ready", "offer", "take", "part:call"]);
    dying.push("wait:4".to_owned());
    dying.push("crash".to_owned());
    let first = Browser::agent(&door, "ana", &dying);
    let caller = Browser::caller(
        &door,
        &[
            say("agent.wav"),
            "phase:with_agent".to_owned(),
            "phase:waiting".to_owned(),
            "phase:with_agent".to_owned(),
            say("car_light.wav"),
            "ended".to_owned(),
        ],
    );
    let (_, _) = first.finish();
    let mut second = steps(&["ready", "offer", "take", "part:call"]);
    second.extend(steps(&["wait:18", "hang-up", "part:wrap", "press:1", "done"]));
    let second = Browser::agent(&door, "ben", &second);
    let (told, heard) = caller.finish();
    let (_, ben_heard) = second.finish();
    assert!(ben_heard.contains("dashboard"), "{ben_heard}\n{told:#?}");
    assert!(heard.contains("taking your call"), "{heard}");
    let record = door.record();
    let takers = record["transfers"].as_array().expect("talks").iter();
    let takers: Vec<&str> = takers.filter_map(|talk| talk["agent"].as_str()).collect();
    assert_eq!(takers, ["ana", "ben"], "{record:#}");
}

#[test]
#[ignore = "needs the models and Chromium"]
fn no_page_has_a_fault_of_accessibility_and_the_desk_is_light() {
    let _alone = alone();
    let door = FrontDoor::start();
    account(&door, "root", &["--role", "admin"]);
    let browser = root().join("scripts/web/browser");
    let web = door.web.clone().expect("pages");
    let who = ["--name", "root", "--password", PASSWORD, "--new-password", NEW_PASSWORD];
    run(Command::new(&browser).args(["weights", "--base", &web]).args(who));
    let who = ["--name", "root", "--password", NEW_PASSWORD];
    let looked = run(Command::new(&browser).args(["axe", "--base", &web]).args(who));
    assert!(looked.lines().count() > 10, "{looked}");
}

#[test]
#[ignore = "places a real call: needs the models and Chromium"]
fn a_customer_with_an_open_ticket_is_known_from_the_first_word_to_the_desk() {
    let _alone = alone();
    let door = FrontDoor::start();
    account(&door, "ana", &["--skill", "general=4", "--skill", "cards=4"]);
    let at_desk = steps(&["ready", "offer", "take", "part:call", "wait:3", "hang-up", "part:wrap"]);
    let agent = Browser::agent(&door, "ana", &at_desk);
    let out = door.folder.path().join("call.wav");
    let mut caller = frontdoor();
    caller.args(["call", "--to", &door.uri, "--from", "5550178", "--text", "yes please", "--out"]);
    run(caller.arg(&out));
    let (told, _) = agent.finish();
    let offer = told.iter().find(|event| event["event"] == "offer").expect("an offer");
    let shown = offer.to_string();
    assert!(shown.contains("Linda"), "{offer:#}");
    let record = door.record();
    let greeting = record["lines"].to_string();
    assert!(greeting.contains("the card you ordered on Tuesday"), "{record:#}");
    let handoff = &record["handoffs"][0]["document"];
    assert_eq!(handoff["crm"]["tier"], "gold", "{handoff:#}");
    // The queue's own is 5.
    assert!(handoff["priority"].as_u64().is_some_and(|priority| priority < 5), "{handoff:#}");
    assert_eq!(record["transfers"][0]["way"], "desk", "{record:#}");
}
