//! A caller in one browser and an agent in another: Chromium on both sides, human recordings where
//! their microphones would be, and what each has heard, by a recogniser of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::agents::{NEW_PASSWORD, PASSWORD, account, free_port, telephone};
use super::alone;
use super::audio::{SECOND, longest_sound, recording, samples, words_in};
use super::front_door::{FrontDoor, frontdoor, root, run};

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
    fn finish(self) -> (Vec<Value>, String) {
        let (events, heard) = self.finish_with_sound();
        (events, words_in(&heard))
    }

    /// The same with all that was heard, at 8 kHz.
    fn finish_with_sound(mut self) -> (Vec<Value>, Vec<i16>) {
        let mut events = std::mem::take(&mut self.so_far);
        // Its output ends with it.
        events.extend(self.told.iter());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{events:#?}");
        (events, samples(&self.out))
    }
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
#[ignore = "places a real call: needs the models, Chromium and SIPp"]
fn a_caller_on_hold_hears_music_and_then_somebody_joins_by_telephone() {
    let _alone = alone();
    let port = free_port();
    let door = FrontDoor::start_with(|text| {
        format!(
            "{text}\n[transfer_rules]\nhosts = [\"127.0.0.1\"]\n\
             [desk.numbers]\n\"card fraud\" = \"sip:300@127.0.0.1:{port}\"\n"
        )
    });
    account(&door, "ana", &["--display-name", "Ana", "--skill", "general=4"]);
    // Whoever joins says something, and hangs up some time later.
    let said = samples(&root().join("tests/fixtures/audio/book_a_room.wav"));
    let said = [&SECOND.repeat(4)[..], &said, &SECOND.repeat(60)].concat();
    let third = telephone(port, "leaves", &door.folder.path().join("third"), &said);
    let mut at_desk = steps(&["ready", "offer", "take", "part:call", "wait:14"]);
    // What is said meanwhile, the caller does not hear: they hear the music.
    at_desk.extend(steps(&["press:h", "status:^On hold"]));
    at_desk.push(say("car_light.wav"));
    at_desk.extend(steps(&["press:h", "status:^In the call$", "wait:1"]));
    at_desk.extend(steps(&["press:c", "choose:card fraud", "status:also here: card fraud"]));
    at_desk.extend(steps(&["status:^In the call$", "hang-up", "part:wrap", "press:1", "done"]));
    let agent = Browser::agent(&door, "ana", &at_desk);
    let caller = Browser::caller(&door, &wants_somebody(&["ended"]));
    let (told, sound) = caller.finish_with_sound();
    let (at_desk, agent_heard) = agent.finish();
    third.finish();
    let with_agent = told.iter().rfind(|event| event["phase"] == "with_agent").expect("a talk");
    let until = with_agent["heard_s"].as_f64().expect("seconds");
    let talk = &sound[(until * 8_000.0) as usize..];
    let music = longest_sound(talk);
    assert!(music > Duration::from_secs(6), "the music lasted {music:?}\n{told:#?}");
    let heard = words_in(talk);
    assert!(!heard.contains("dashboard"), "the caller was not on hold: {heard}");
    // Three in the call: whoever joined is heard by both others.
    assert!(heard.contains("book a"), "the caller heard: {heard}\n{told:#?}");
    assert!(agent_heard.contains("book a"), "the agent heard: {agent_heard}\n{at_desk:#?}");
    assert!(agent_heard.contains("dashboard"), "the agent heard: {agent_heard}\n{at_desk:#?}");
    let record = door.record();
    assert_eq!(record["transfers"][0]["outcome"], "succeeded", "{record:#}");
}

#[test]
#[ignore = "places a real call: needs the models and Chromium"]
fn a_caller_does_a_task_at_the_front_door_comes_back_and_is_sent_on_to_another_queue() {
    let _alone = alone();
    let door = FrontDoor::start();
    account(&door, "ana", &["--display-name", "Ana", "--skill", "general=4", "--skill", "cards=4"]);
    let mut at_desk = steps(&["ready", "offer", "take", "part:call", "wait:14"]);
    at_desk.extend(steps(&["press:f", "choose:balance", "status:^With the front door"]));
    at_desk.extend(steps(&["status:^In the call$", "wait:1"]));
    at_desk.push(said_from(&root().join("tests/fixtures/audio/book_a_room.wav")));
    at_desk.extend(steps(&["wait:2", "press:x", "choose:cards", "part:wrap", "press:1", "done"]));
    // The same caller, in the other queue.
    at_desk.extend(steps(&["offer", "take", "part:call", "wait:2", "hang-up", "part:wrap"]));
    at_desk.extend(steps(&["press:1", "done"]));
    let agent = Browser::agent(&door, "ana", &at_desk);
    let at_front_door = ["phase:talking", "turn", "keys:12345678", "turn", "keys:4321"];
    let sent_on = ["phase:with_agent", "phase:waiting", "phase:with_agent", "ended"];
    let caller = Browser::caller(&door, &wants_somebody(&[&at_front_door[..], &sent_on].concat()));
    let (told, heard) = caller.finish();
    let (at_desk, agent_heard) = agent.finish();
    // However it is said.
    assert!(heard.contains("204"), "{heard}\n{told:#?}");
    // "Book a room": what of it is made out differs from time to time.
    assert!(heard.contains("book") || heard.contains("room"), "{heard}\n{told:#?}");
    assert!(agent_heard.contains("dashboard"), "{agent_heard}\n{at_desk:#?}");
    let offers = at_desk.iter().filter(|event| event["event"] == "offer");
    let titles: Vec<&str> = offers.filter_map(|offer| offer["title"].as_str()).collect();
    assert_eq!(titles, ["Call for front desk", "Call for cards"]);
    let record = door.record();
    assert!(record.to_string().contains("crm.balance"), "{record:#}");
    let talks = record["transfers"].as_array().expect("talks").iter();
    let talks: Vec<_> = talks.map(|talk| (&talk["queue"], &talk["outcome"])).collect();
    let succeeded = &Value::from("succeeded");
    let queues = ["front_desk", "cards"].map(Value::from);
    assert_eq!(talks, [(&queues[0], succeeded), (&queues[1], succeeded)], "{record:#}");
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
    let weighed = run(Command::new(&browser).args(["weights", "--base", &web]).args(who));
    let mut weights = weighed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let weights = weights.next_back().unwrap_or_else(|| panic!("no weights: {weighed}"));
    // Past the harness, which shows only what failing tests print.
    let kib = weights["bytes"].as_f64().unwrap_or_default() / 1024.0;
    let line = format!(
        "desk page: {kib:.1} KiB in {} files, first paint after {} ms, loaded after {} ms\n",
        weights["files"], weights["first_paint_ms"], weights["loaded_ms"]
    );
    std::io::stderr().write_all(line.as_bytes()).expect("written");
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
