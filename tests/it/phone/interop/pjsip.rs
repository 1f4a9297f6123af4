//! PJSIP 2.15, by its Python module: it can do most of what telephones do with signalling. This build
//! has no Opus and no DTLS-SRTP.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::super::alone;
use super::super::audio::{recording, samples, words_in, write};
use super::super::front_door::{FrontDoor, fails, root};
use super::super::peers::{own_call, pjsip, pjsip_events};
use super::relay::Impairment;
use super::{
    are_the_hours, hours_twice, nothing_is_left, over_tls, was_asked_for_the_hours,
    was_pressed_once, was_protected, with_password, with_tls,
};

/// The step in which the hours are asked for.
fn question(folder: &Path) -> String {
    let path = folder.join("question.wav");
    write(&path, &hours_twice());
    format!("wav:{}", path.display())
}

/// Asks for the hours in this way, and hears them.
fn asks(door: &FrontDoor, uri: &str, codec: &str, options: &[&str]) -> Value {
    let folder = door.folder.path();
    let options = [options, &["--codec", codec]].concat();
    let heard = pjsip(uri, folder, &options, &[question(folder)]);
    are_the_hours(heard.last().expect("heard"));
    let record = door.record();
    was_asked_for_the_hours(&record, &codec.to_lowercase());
    record
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn tls_with_keys_in_the_sdp() {
    let _alone = alone();
    let door = with_tls();
    let record = asks(&door, over_tls(&door), "PCMU", &["--tls", "--srtp"]);
    was_protected(&record, "SDES A");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn pcma() {
    let _alone = alone();
    let door = FrontDoor::start();
    asks(&door, &door.uri, "PCMA", &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn g722_with_a_late_offer() {
    let _alone = alone();
    let door = FrontDoor::start();
    asks(&door, &door.uri, "G722", &["--late-offer"]);
}

fn presses(options: &[&str]) {
    let _alone = alone();
    let door = FrontDoor::start();
    let events = pjsip_events(&door.uri, door.folder.path(), options, &["keys:0".to_owned()]);
    assert!(events.iter().any(|event| event["event"] == "the other side hung up"), "{events:#?}");
    was_pressed_once(&door.record());
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn keys_as_events() {
    presses(&[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn keys_by_info() {
    presses(&["--info"]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_session_is_refreshed_by_them() {
    let _alone = alone();
    let door = FrontDoor::start();
    let folder = door.folder.path();
    let steps = ["hold:100".to_owned(), question(folder)];
    let events = pjsip_events(&door.uri, folder, &["--codec", "PCMU", "--timer", "90"], &steps);
    let refreshed = events.iter().find(|event| event["event"] == "refreshed").expect("told");
    // At half of 90 s, twice in 100 s.
    assert_eq!(refreshed["times"], 2, "{events:#?}");
    // And the call has outlived the session that was agreed on first.
    was_asked_for_the_hours(&door.record(), "pcmu");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn an_invite_with_a_password() {
    let _alone = alone();
    let door = with_password("pbx");
    let refused = fails(&mut own_call(&door, &door.uri, &[]));
    assert!(refused.contains("401"), "{refused}");
    asks(&door, &door.uri, "PCMU", &["--login", "pbx:secret"]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn another_leg_takes_the_call() {
    let _alone = alone();
    let door = FrontDoor::start();
    let folder = door.folder.path();
    let steps = ["move".to_owned(), question(folder)];
    let events = pjsip_events(&door.uri, folder, &["--codec", "PCMU"], &steps);
    let moved = events.iter().find(|event| event["event"] == "moved").expect("told");
    assert_eq!(moved["answered"], true, "{events:#?}");
    assert_eq!(moved["old_is_over"], true, "{events:#?}");
    // One call, in which the greeting was heard by one leg and the answer by the other.
    let record = door.record();
    was_asked_for_the_hours(&record, "pcmu");
    are_the_hours(&folder.join("2.wav"));
    assert_eq!(door.ended_calls(1).len(), 1);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn cancel_races() {
    let _alone = alone();
    let door = FrontDoor::start();
    let steps = ["cancel:6".to_owned()];
    let events = pjsip_events(&door.uri, door.folder.path(), &[], &steps);
    let over = events.iter().filter(|event| event["over"] == true);
    assert_eq!(over.count(), 6, "{events:#?}");
    nothing_is_left(door, 6);
}

/// SIPp as somebody callers are put through to.
struct Agent {
    child: Child,
    port: u16,
}

impl Agent {
    /// Takes calls by this scenario of `tests/peers/sipp`.
    fn start(scenario: &str, folder: &Path) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let child = Command::new("sipp")
            .current_dir(folder)
            .arg("-sf")
            .arg(root().join(format!("tests/peers/sipp/{scenario}.xml")))
            .args(["-p", &port.to_string(), "-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is installed");
        Self { child, port }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Wants a person, and does what the front door asks for then; gives what PJSIP told and heard, and
/// the record.
fn wants_a_person(way: &str, scenario: &str) -> (Vec<Value>, String, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = Agent::start(scenario, folder.path());
    let door = FrontDoor::start_with(|text| {
        let to = format!("sip:200@127.0.0.1:{}", agent.port);
        format!(
            "{text}\n[transfer_rules]\nhosts = [\"127.0.0.1\"]\n[transfers.front_desk]\n\
             to = \"{to}\"\nway = \"{way}\"\nring_s = 6\n"
        )
    });
    let yes = format!("wav:{}", recording("yes.wav").display());
    let mut steps = vec!["keys:0".to_owned()];
    if scenario == "agent_silent" {
        // Longer than we let it ring: the tone that is heard meanwhile is no end of a sentence.
        steps.push("listen:24".to_owned());
    }
    steps.push(yes);
    let events = pjsip_events(&door.uri, door.folder.path(), &[], &steps);
    let heard = events
        .iter()
        .filter(|event| event["event"] == "heard" && event["spoke"] == true)
        .filter_map(|event| event["file"].as_str())
        .map(|file| words_in(&samples(Path::new(file))));
    let heard = heard.collect::<Vec<_>>().join(" ");
    (events, heard, door.record())
}

/// It was asked to move, and whom it called then answered, or did not.
#[track_caller]
fn has_moved(events: &[Value], answered: bool) {
    let moved = events.iter().find(|event| event["event"] == "has moved");
    assert_eq!(moved.map(|moved| &moved["answered"]), Some(&Value::Bool(answered)), "{events:#?}");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_caller_is_moved() {
    let _alone = alone();
    // The agent takes no call without the hand-off's reference.
    let (events, heard, record) = wants_a_person("refer", "agent");
    has_moved(&events, true);
    assert_eq!(record["transfers"][0]["outcome"], "succeeded", "{record:#}");
    assert!(!heard.contains("call you back"), "{heard}");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_caller_is_not_moved_to_somebody_who_is_busy() {
    let _alone = alone();
    let (events, heard, record) = wants_a_person("refer", "agent_busy");
    has_moved(&events, false);
    assert_eq!(record["transfers"][0]["outcome"], "busy", "{record:#}");
    assert!(heard.contains("call you back"), "{heard}");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_caller_is_not_moved_to_somebody_who_does_not_answer() {
    let _alone = alone();
    let (events, heard, record) = wants_a_person("refer", "agent_silent");
    has_moved(&events, false);
    // It says that it is ringing, and no more: we stop waiting.
    assert_eq!(record["transfers"][0]["outcome"], "no answer", "{record:#}");
    assert!(record["transfers"][0]["status"].is_null(), "{record:#}");
    assert!(heard.contains("call you back"), "{heard}");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_caller_is_joined_to_whoever_was_called_first() {
    let _alone = alone();
    let (events, heard, record) = wants_a_person("attended", "agent");
    has_moved(&events, true);
    assert_eq!(record["transfers"][0]["way"], "attended", "{record:#}");
    assert_eq!(record["transfers"][0]["outcome"], "succeeded", "{record:#}");
    assert!(!heard.contains("call you back"), "{heard}");
}

/// Tells something longer over a bad line.
#[track_caller]
fn over_a_bad_line(impairment: Impairment) {
    super::over_a_bad_line(impairment, 2, |uri, folder| {
        let said = format!("wav:{}", recording("car_light.wav").display());
        let heard = pjsip(uri, folder, &["--codec", "PCMU"], &[said]);
        heard.into_iter().next().expect("heard")
    });
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn two_percent_lost() {
    over_a_bad_line(Impairment::TWO_PERCENT_LOST);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn ten_percent_lost() {
    over_a_bad_line(Impairment::TEN_PERCENT_LOST);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn jitter_of_60_ms() {
    over_a_bad_line(Impairment::JITTER_OF_60_MS);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn packets_out_of_order() {
    over_a_bad_line(Impairment::OUT_OF_ORDER);
}
