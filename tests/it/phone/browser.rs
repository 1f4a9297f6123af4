//! Calls from a browser, by other people's WebRTC (aiortc), over the HTTP API that pages use.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::alone;
use super::audio::{recording, samples, words_in};
use super::calls::caller_lines;
use super::front_door::{FrontDoor, root};

/// Places a call with aiortc; gives what it tells.
fn aiortc(door: &FrontDoor, options: &[&str]) -> Value {
    let Output { stdout, stderr, .. } = command(door, options).output().expect("python3");
    let (told, said) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}\n{said}"))
}

fn command(door: &FrontDoor, options: &[&str]) -> Command {
    let mut command = Command::new("python3");
    if let Some(path) = std::env::var_os("FRONTDOOR_TEST_PYTHONPATH") {
        command.env("PYTHONPATH", path);
    }
    let web = door.web.as_deref().expect("the demo's configuration serves pages");
    command.arg(root().join("scripts/web/aiortc_call.py")).arg(web).args(options);
    command
}

fn heard(folder: &Path) -> String {
    words_in(&samples(&folder.join("heard.wav")))
}

#[test]
#[ignore = "places a real call: needs the models and aiortc"]
fn aiortc_a_human_asks_for_the_hours_and_is_answered() {
    let _alone = alone();
    let door = FrontDoor::start();
    let (folder, spoken) = (door.folder.path(), recording("hours.wav"));
    let (out, spoken) = (folder.join("heard.wav"), spoken.to_string_lossy().into_owned());
    let options =
        ["--speak", &spoken, "--out", &out.to_string_lossy(), "--after", "11", "--seconds", "24"];
    let told = aiortc(&door, &options);
    assert_eq!((&told["connected"], &told["stayed"]), (&true.into(), &true.into()), "{told:#}");
    assert_eq!(told["setup"], "passive", "{told:#}");
    let words = heard(folder);
    assert!(words.contains("saturday"), "{words}");
    // The page is told what is said, as it is said.
    let events = told["told"].as_array().expect("events");
    let said = |speaker: &str| {
        events.iter().any(|event| event["event"] == "line" && event["speaker"] == speaker)
    };
    assert!(said("caller") && said("frontdoor"), "{told:#}");
    let record = door.record();
    assert_eq!(caller_lines(&record)[0].1, "branch_hours", "{record:#}");
    assert_eq!(record["channel"], "web", "{record:#}");
    assert_eq!(record["result"], "success", "{record:#}");
    assert!(record["protection"].as_str().is_some_and(|p| p == "DTLS-SRTP"), "{record:#}");
}

#[test]
#[ignore = "places a real call: needs the models and aiortc"]
fn aiortc_a_page_that_goes_without_a_word_has_hung_up() {
    let _alone = alone();
    let door = FrontDoor::start();
    // Its peer connection is closed, and nothing is told by HTTP.
    let told = aiortc(&door, &["--seconds", "3", "--no-hang-up"]);
    assert_eq!(told["connected"], true, "{told:#}");
    let record = door.record();
    let reason = record["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("hung up") || reason.contains("was lost"), "{record:#}");
}

#[test]
#[ignore = "places a real call: needs the models and aiortc"]
fn aiortc_a_number_that_nobody_answers_is_not_called() {
    let _alone = alone();
    let door = FrontDoor::start_with(|text| text + "\n[numbers]\n\"100\" = {}\n");
    let told = aiortc(&door, &["--to", "200", "--seconds", "1"]);
    assert_eq!((&told["answered"], &told["status"]), (&false.into(), &404.into()), "{told:#}");
    let told = aiortc(&door, &["--to", "100", "--seconds", "1", "--after", "0"]);
    assert_eq!(told["connected"], true, "{told:#}");
}
