//! Linphone 5.1, by its console program: a telephone that records what it hears.

use std::path::PathBuf;
use std::time::Duration;

use frontdoor::audio::SampleRate;

use super::super::alone;
use super::super::audio::write_at;
use super::super::front_door::FrontDoor;
use super::super::peers::linphone;
use super::relay::{Impairment, Relay};
use super::{
    are_the_hours, is_understood_in_spite_of_it, nothing_is_left, over_tls, spoken,
    tells_of_a_light, was_asked_for_the_hours, was_pressed_once, with_password, with_tls,
};

/// How long a call takes: the greeting, the question and the answer.
const ALL: &str = "wait:27";

/// Asks for the hours in this way, and hears them.
fn asks(door: &FrontDoor, uri: &str, codec: &str, options: &[&str]) -> serde_json::Value {
    let folder = door.folder.path();
    let spoken = spoken(folder, SampleRate::HZ_8000);
    let options = [options, &["--codec", codec]].concat();
    are_the_hours(&linphone(uri, folder, &spoken, &options, &[ALL]));
    let record = door.record();
    was_asked_for_the_hours(&record, codec);
    record
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn udp_and_pcmu() {
    let _alone = alone();
    let door = FrontDoor::start();
    asks(&door, &door.uri, "pcmu", &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn tcp_and_pcma() {
    let _alone = alone();
    let door = FrontDoor::start();
    asks(&door, &door.uri_tcp, "pcma", &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn tls_with_keys_in_the_sdp() {
    let _alone = alone();
    let door = with_tls();
    let record = asks(&door, over_tls(&door), "pcmu", &["--srtp", "sdes"]);
    assert!(record["protection"].as_str().is_some_and(|said| said.starts_with("SDES A")));
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn keys_from_a_handshake() {
    let _alone = alone();
    let door = FrontDoor::start();
    let record = asks(&door, &door.uri, "pcmu", &["--srtp", "dtls"]);
    assert!(record["protection"].as_str().is_some_and(|said| said.starts_with("DTLS-SRTP")));
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn g722() {
    let _alone = alone();
    let door = FrontDoor::start();
    asks(&door, &door.uri, "g722", &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn opus() {
    let _alone = alone();
    let door = FrontDoor::start();
    asks(&door, &door.uri, "opus", &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn hold_and_resume() {
    let _alone = alone();
    let door = FrontDoor::start();
    let folder = door.folder.path();
    let spoken = spoken(folder, SampleRate::HZ_8000);
    // On hold while it waits to ask; its recording goes on from where it was.
    let steps = ["wait:4", "hold:3", ALL];
    are_the_hours(&linphone(&door.uri, folder, &spoken, &[], &steps));
    was_asked_for_the_hours(&door.record(), "pcmu");
}

fn presses(options: &[&str]) {
    let _alone = alone();
    let door = FrontDoor::start();
    let folder = door.folder.path();
    let silence = folder.join("silence.wav");
    write_at(&silence, &[0; 8_000 * 40], SampleRate::HZ_8000);
    linphone(&door.uri, folder, &silence, options, &["wait:9", "key:0", "wait:20"]);
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
fn an_invite_with_a_password() {
    let _alone = alone();
    let door = with_password("linphone");
    asks(&door, &door.uri, "pcmu", &["--password", "secret"]);
    assert!(door.log().contains("answered trunk=\"pbx\""), "not taken for the trunk's call");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_call_is_given_up() {
    let _alone = alone();
    let door = FrontDoor::start();
    let folder = door.folder.path();
    let spoken = spoken(folder, SampleRate::HZ_8000);
    for _ in 0..5 {
        linphone(&door.uri, folder, &spoken, &[], &["cancel"]);
    }
    nothing_is_left(door);
}

/// Tells something longer over a bad line.
fn over_a_bad_line(impairment: Impairment) {
    let _alone = alone();
    let door = FrontDoor::start();
    let relay = Relay::start(&door.uri, impairment, 3);
    let folder = door.folder.path();
    let said: PathBuf = folder.join("caller.wav");
    write_at(&said, &tells_of_a_light(), SampleRate::HZ_8000);
    let heard = linphone(&relay.uri, folder, &said, &["--codec", "opus"], &["wait:35"]);
    let passed = relay.end();
    assert!(passed.packets > 1_000, "the audio went past the line: {passed:?}");
    impairment.was_felt(passed);
    is_understood_in_spite_of_it(&door.record(), &heard);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn two_percent_lost() {
    over_a_bad_line(Impairment { loss_percent: 2, ..Impairment::default() });
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn ten_percent_lost() {
    over_a_bad_line(Impairment { loss_percent: 10, ..Impairment::default() });
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn jitter_of_60_ms() {
    over_a_bad_line(Impairment { jitter: Duration::from_millis(60), ..Impairment::default() });
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn packets_out_of_order() {
    over_a_bad_line(Impairment { reorder_percent: 10, ..Impairment::default() });
}
