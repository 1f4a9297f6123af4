//! Linphone 5.1, by its console program: a telephone that records what it hears.

use frontdoor::audio::SampleRate;

use super::super::alone;
use super::super::audio::write_at;
use super::super::front_door::FrontDoor;
use super::super::peers::linphone;
use super::relay::Impairment;
use super::{
    are_the_hours, nothing_is_left, over_tls, spoken, tells_of_a_light, was_asked_for_the_hours,
    was_pressed_once, was_protected, was_the_trunks_call, with_password, with_tls,
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
    was_protected(&record, "SDES A");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn keys_from_a_handshake() {
    let _alone = alone();
    let door = FrontDoor::start();
    let record = asks(&door, &door.uri, "pcmu", &["--srtp", "dtls"]);
    was_protected(&record, "DTLS-SRTP");
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
    was_the_trunks_call(&door);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_call_is_given_up() {
    let _alone = alone();
    let door = FrontDoor::start();
    let folder = door.folder.path();
    let spoken = spoken(folder, SampleRate::HZ_8000);
    let calls = 5;
    for _ in 0..calls {
        linphone(&door.uri, folder, &spoken, &[], &["cancel"]);
    }
    nothing_is_left(door, calls);
}

/// Tells something longer over a bad line.
#[track_caller]
fn over_a_bad_line(impairment: Impairment) {
    super::over_a_bad_line(impairment, 3, |uri, folder| {
        let said = tells_of_a_light(folder);
        linphone(uri, folder, &said, &["--codec", "opus"], &["wait:35"])
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
