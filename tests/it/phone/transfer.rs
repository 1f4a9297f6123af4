//! Callers are put through to real telephones: moved by their own telephone system, or over us; and told
//! the truth where nobody takes the call.

use std::ffi::OsStr;
use std::path::PathBuf;

use serde_json::Value;

use super::alone;
use super::audio::{recording, samples, write_ulaw};
use super::front_door::{FrontDoor, root};
use super::peers::{OwnCall, SippAgent, call, sipp};

/// Where nobody listens: for callers who are moved by somebody else.
const NOBODYS_PORT: u16 = 9;

fn scenario(name: &str) -> PathBuf {
    root().join("tests/fixtures/sip/transfer").join(name)
}

/// The demo bank, which puts those who want just anybody through to this port, in this way.
fn door(way: &str, port: u16) -> FrontDoor {
    FrontDoor::start_with(|text| {
        format!(
            "{text}\n[transfer_rules]\nhosts = [\"127.0.0.1\"]\n[transfers.front_desk]\n\
             to = \"sip:200@127.0.0.1:{port}\"\nway = \"{way}\"\nring_s = 6\n\
             header = \"X-Frontdoor-Handoff\"\n"
        )
    })
}

/// What the front door said in a call, as its record has it.
fn said(record: &Value) -> String {
    let lines = record["lines"].as_array().expect("lines").iter();
    let ours = lines.filter(|line| line["speaker"] == "frontdoor");
    ours.filter_map(|line| line["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// A caller behind a telephone system that is asked to move them, and tells this of it.
fn moved(door: &FrontDoor, scenario_name: &str, outcome: &str) -> Value {
    let folder = door.folder.path();
    // A telephone never pauses its stream, whoever listens.
    write_ulaw(&folder.join("caller.ulaw"), &vec![0; 8_000 * 90]);
    let target = door.uri.rsplit('@').next().expect("an address").to_owned();
    let file = scenario(scenario_name);
    let arguments = [
        OsStr::new("-sf"),
        file.as_os_str(),
        OsStr::new("-m"),
        OsStr::new("1"),
        OsStr::new("-key"),
        OsStr::new("outcome"),
        OsStr::new(outcome),
    ];
    sipp(&target, folder, &arguments);
    door.record()
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_telephone_system_moves_the_caller_who_hears_no_promise() {
    let _alone = alone();
    let door = door("refer", NOBODYS_PORT);
    let record = moved(&door, "caller_moved.xml", "200 OK");
    assert_eq!(record["outcome"], "transferred", "{record:#}");
    assert_eq!(record["result"], "success");
    assert_eq!(record["reason"], "put through");
    let transfer = &record["transfers"][0];
    assert_eq!(transfer["way"], "refer", "{record:#}");
    assert_eq!(transfer["outcome"], "succeeded", "{record:#}");
    assert!(!said(&record).contains("call you back"), "{record:#}");
    let document = &record["handoffs"][0]["document"];
    assert_eq!(document["promise"], "transfer");
    let reference = document["reference"].as_str().expect("a reference");
    assert!(reference.len() == 32 && !record["id"].to_string().contains(reference), "{record:#}");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_caller_who_could_not_be_moved_is_told_the_truth() {
    let _alone = alone();
    for (told, outcome, status) in
        [("486 Busy Here", "busy", 486), ("480 Temporarily Unavailable", "no answer", 480)]
    {
        let door = door("refer", NOBODYS_PORT);
        let record = moved(&door, "caller_not_moved.xml", told);
        let transfer = &record["transfers"][0];
        assert_eq!(transfer["outcome"], outcome, "{record:#}");
        assert_eq!(transfer["status"], status, "{record:#}");
        assert_eq!(record["outcome"], "handed off", "{record:#}");
        let said = said(&record);
        assert!(said.contains("call you back"), "{told}: {said}");
    }
}

/// A caller who wants a person and stays on the line, with this agent at the other end.
fn call_towards(agent: &str, way: &str) -> (OwnCall, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let voice = samples(&recording("car_light.wav"));
    let pause = vec![0; 8_000];
    write_ulaw(&folder.path().join("agent.ulaw"), &[&pause[..], &voice, &pause].concat());
    let agent = SippAgent::start(&scenario(agent), folder.path());
    let door = door(way, agent.port);
    let yes = recording("yes.wav").to_string_lossy().into_owned();
    // Their own words keep them on the line while it rings.
    let call = call(&door, &["--keys", "0", &yes]);
    agent.finish();
    let record = door.record();
    (call, record)
}

fn heard(call: &OwnCall) -> String {
    call.heard.join(" ")
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn whoever_takes_the_call_is_heard_by_the_caller() {
    let _alone = alone();
    // The caller's side of the second refuses to be moved.
    for way in ["bridge", "refer"] {
        let (call, record) = call_towards("agent_answers.xml", way);
        assert!(heard(&call).contains("light"), "{way}: {}", call.printed);
        assert_eq!(record["outcome"], "bridged", "{way}: {record:#}");
        let transfer = &record["transfers"][0];
        assert_eq!(transfer["way"], "bridge", "{way}: {record:#}");
        let bridged_ms = transfer["bridged_ms"].as_u64().unwrap_or_default();
        assert!(bridged_ms > 2_000, "{way}: {record:#}");
        assert!(!said(&record).contains("call you back"), "{way}: {record:#}");
    }
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_caller_hears_that_nobody_could_take_the_call() {
    let _alone = alone();
    for (agent, outcome) in [("agent_busy.xml", "busy"), ("agent_silent.xml", "no answer")] {
        let (call, record) = call_towards(agent, "bridge");
        assert!(heard(&call).contains("call you back"), "{agent}: {}", call.printed);
        assert_eq!(record["transfers"][0]["outcome"], outcome, "{agent}: {record:#}");
        assert_eq!(record["outcome"], "handed off", "{agent}: {record:#}");
    }
}
