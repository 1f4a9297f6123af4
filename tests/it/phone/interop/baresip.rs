//! baresip 1.0: a telephone that records what it hears.

use frontdoor::audio::SampleRate;

use super::super::alone;
use super::super::front_door::FrontDoor;
use super::super::peers::{Baresip, Phone};
use super::relay::Impairment;
use super::{
    are_the_hours, over_tls, spoken, tells_of_a_light, was_asked_for_the_hours, was_protected,
    was_the_trunks_call, with_old_password, with_tls,
};

/// How long a call takes: the greeting, the question and the answer.
const SECONDS: u32 = 28;

/// Asks for the hours in this way; gives the front door's record of it.
fn asks(door: &FrontDoor, uri: &str, rate: SampleRate, phone: Phone<'_>) -> serde_json::Value {
    let folder = door.folder.path();
    let spoken = spoken(folder, rate);
    let heard = Baresip::call_as(uri, folder, &spoken, SECONDS, phone).heard();
    are_the_hours(&heard);
    door.record()
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn tcp() {
    let _alone = alone();
    let door = FrontDoor::start();
    let record = asks(&door, &door.uri_tcp, SampleRate::HZ_8000, Phone::default());
    was_asked_for_the_hours(&record, "pcmu");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn tls_with_keys_in_the_sdp() {
    let _alone = alone();
    let door = with_tls();
    let phone = Phone { modules: &["srtp"], parameters: ";mediaenc=srtp-mand", ..Phone::default() };
    let record = asks(&door, over_tls(&door), SampleRate::HZ_8000, phone);
    was_asked_for_the_hours(&record, "pcmu");
    was_protected(&record, "SDES A");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn pcma() {
    let _alone = alone();
    let door = FrontDoor::start();
    let phone = Phone { codecs: "PCMA/8000", ..Phone::default() };
    let record = asks(&door, &door.uri, SampleRate::HZ_8000, phone);
    was_asked_for_the_hours(&record, "pcma");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn g722() {
    let _alone = alone();
    let door = FrontDoor::start();
    let phone = Phone { modules: &["g722"], codecs: "G722/16000", ..Phone::default() };
    let record = asks(&door, &door.uri, SampleRate::HZ_16000, phone);
    was_asked_for_the_hours(&record, "g722");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn opus() {
    let _alone = alone();
    let door = FrontDoor::start();
    // Otherwise it wants a recording in stereo.
    let settings = "opus_stereo no\nopus_sprop_stereo no\n";
    let codecs = "opus/48000/1";
    let phone = Phone { modules: &["opus"], settings, codecs, ..Phone::default() };
    let rate = SampleRate::from_hz(48_000).expect("a rate");
    let record = asks(&door, &door.uri, rate, phone);
    was_asked_for_the_hours(&record, "opus");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn an_invite_with_a_password() {
    let _alone = alone();
    let door = with_old_password("5550123");
    let phone = Phone { parameters: ";auth_pass=secret", ..Phone::default() };
    let record = asks(&door, &door.uri, SampleRate::HZ_8000, phone);
    was_asked_for_the_hours(&record, "pcmu");
    was_the_trunks_call(&door);
}

/// Tells something longer over a bad line.
#[track_caller]
fn over_a_bad_line(impairment: Impairment) {
    super::over_a_bad_line(impairment, 1, |uri, folder| {
        Baresip::call(uri, folder, &tells_of_a_light(folder), SECONDS + 8).heard()
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
