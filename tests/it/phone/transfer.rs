//! Callers are put through to real telephones: moved by their own telephone system, or over us; and
//! told the truth where nobody takes the call.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use frontdoor::audio::{SampleRate, tone};
use serde_json::Value;

use super::alone;
use super::audio::{SECOND, recording, samples, write_ulaw};
use super::front_door::{FrontDoor, root};
use super::peers::{OwnCall, SippAgent, call, sipp};

/// Where nobody listens: for callers who are moved by somebody else.
const NOBODYS_PORT: u16 = 9;

/// A scenario for SIPp.
fn scenario(name: &str) -> String {
    let path = root().join("tests/fixtures/sip/transfer").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The demo bank, which puts those who want just anybody through to this port, in this way.
fn door(way: &str, port: u16) -> FrontDoor {
    FrontDoor::start_with(|text| {
        format!(
            "{text}\n[transfer_rules]\nhosts = [\"127.0.0.1\"]\n[transfers.front_desk]\n\
             to = \"sip:200@127.0.0.1:{port}\"\nring_s = 6\nheader = \"X-Frontdoor-Handoff\"\n{way}\n"
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
fn moved(door: &FrontDoor, scenario: &str, outcome: &str) -> Value {
    let folder = door.folder.path();
    fs::write(folder.join("caller.xml"), scenario).expect("written");
    // A telephone never pauses its stream, whoever listens.
    write_ulaw(&folder.join("caller.ulaw"), &SECOND.repeat(90));
    let target = door.uri.rsplit('@').next().expect("an address").to_owned();
    let arguments = ["-sf", "caller.xml", "-m", "1", "-key", "outcome", outcome].map(OsStr::new);
    sipp(&target, folder, &arguments);
    door.record()
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_telephone_system_moves_the_caller_who_hears_no_promise() {
    let _alone = alone();
    let door = door("way = \"refer\"", NOBODYS_PORT);
    let record = moved(&door, &scenario("caller_moved.xml"), "200 OK");
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
        let door = door("way = \"refer\"", NOBODYS_PORT);
        let record = moved(&door, &scenario("caller_not_moved.xml"), told);
        let transfer = &record["transfers"][0];
        assert_eq!(transfer["outcome"], outcome, "{record:#}");
        assert_eq!(transfer["status"], status, "{record:#}");
        assert_eq!(record["outcome"], "handed off", "{record:#}");
        let said = said(&record);
        assert!(said.contains("call you back"), "{told}: {said}");
        assert_eq!(record["handoffs"][0]["document"]["promise"], "callback", "{record:#}");
    }
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_telephone_system_joins_the_caller_to_whoever_was_called_first() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let agent = agent(folder.path(), &scenario("agent_answers.xml"), &SECOND.repeat(30));
    let door = door("way = \"attended\"", agent.port);
    // Their Refer-To names the call that is to be replaced.
    let caller = scenario("caller_moved.xml")
        .replace("regexp=\"User-to-User", "regexp=\"Replaces=[^&amp;]+&amp;.*User-to-User");
    let record = moved(&door, &caller, "200 OK");
    // We have hung up on whoever was called, too.
    agent.finish();
    let transfer = &record["transfers"][0];
    assert_eq!(transfer["way"], "attended", "{record:#}");
    assert_eq!(transfer["outcome"], "succeeded", "{record:#}");
    assert_eq!(record["outcome"], "transferred", "{record:#}");
}

/// Somebody who can be called, and says this once they have answered.
fn agent(folder: &Path, scenario: &str, sound: &[i16]) -> SippAgent {
    write_ulaw(&folder.join("agent.ulaw"), sound);
    let path = folder.join("agent.xml");
    fs::write(&path, scenario).expect("written");
    SippAgent::start(&path, folder)
}

/// A caller who wants a person and stays on the line, with this agent at the other end.
fn call_towards(way: &str, scenario: &str, sound: &[i16]) -> (OwnCall, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = agent(folder.path(), scenario, sound);
    let door = door(way, agent.port);
    let yes = recording("yes.wav").to_string_lossy().into_owned();
    // Their own words keep them on the line while it rings.
    let call = call(&door, &["--keys", "0", &yes, &yes]);
    agent.finish();
    let record = door.record();
    (call, record)
}

fn heard(call: &OwnCall) -> String {
    call.heard.join(" ")
}

/// Somebody who says that a light is on.
fn light() -> Vec<i16> {
    [&SECOND[..], &samples(&recording("car_light.wav")), &SECOND].concat()
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn whoever_takes_the_call_is_heard_by_the_caller() {
    let _alone = alone();
    // The caller's side of the second refuses to be moved.
    for way in ["way = \"bridge\"", "way = \"refer\""] {
        let (call, record) = call_towards(way, &scenario("agent_answers.xml"), &light());
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
        let (call, record) = call_towards("way = \"bridge\"", &scenario(agent), &[]);
        assert!(heard(&call).contains("call you back"), "{agent}: {}", call.printed);
        assert_eq!(record["transfers"][0]["outcome"], outcome, "{agent}: {record:#}");
        assert_eq!(record["outcome"], "handed off", "{agent}: {record:#}");
    }
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn whoever_answers_takes_the_call_with_a_key_or_does_not() {
    let _alone = alone();
    // Without telephone-events keys come as tones, which a recording can hold.
    let scenario = scenario("agent_answers.xml")
        .replace("RTP/AVP 0 101", "RTP/AVP 0")
        .replace("      a=rtpmap:101 telephone-event/8000\n", "");
    for key in ['1', '2'] {
        let rate = SampleRate::HZ_8000;
        let tone = tone::dtmf(rate, key, -10.0, Duration::from_millis(200)).expect("a key");
        let sound = [&SECOND.repeat(4)[..], &tone, &light()].concat();
        let way = "way = \"bridge\"\nscreening = true";
        let (call, record) = call_towards(way, &scenario, &sound);
        let transfer = &record["transfers"][0];
        let took_ms = transfer["took_ms"].as_u64().unwrap_or_default();
        assert!(took_ms >= 4_000, "{key}: {record:#}");
        if key == '1' {
            assert!(heard(&call).contains("light"), "{}", call.printed);
            assert_eq!(record["outcome"], "bridged", "{record:#}");
        } else {
            assert_eq!(transfer["outcome"], "refused", "{record:#}");
            assert!(heard(&call).contains("call you back"), "{}", call.printed);
        }
    }
}
