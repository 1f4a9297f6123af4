//! SIPp: it says exactly what a scenario says, so it is the peer for rules. It hears nothing; what was
//! heard of it is in our record. Its Debian build has no TLS.

use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

use frontdoor::audio::{Codec, Encoder, OpusWishes, SampleRate, resample_whole, tone};

use super::super::alone;
use super::super::calls::GREETING;
use super::super::front_door::{FrontDoor, read, root};
use super::super::peers::sipp;
use super::{
    asks_for_the_hours, nothing_is_left, was_asked_for_the_hours, was_pressed_once,
    was_the_trunks_call, with_old_password,
};

/// Which format a scenario offers, and streams.
struct Format {
    codec: Codec,
    formats: &'static str,
    maps: &'static [&'static str],
}

const PCMU: Format = Format { codec: Codec::Pcmu, formats: "0", maps: &["0 PCMU/8000"] };
const PCMA: Format = Format { codec: Codec::Pcma, formats: "8", maps: &["8 PCMA/8000"] };
const G722: Format = Format { codec: Codec::G722, formats: "9", maps: &["9 G722/8000"] };
/// SIPp numbers its telephone-events 96, whatever a scenario offers.
const WITH_EVENTS: Format = Format {
    codec: Codec::Pcmu,
    formats: "0 96",
    maps: &["0 PCMU/8000", "96 telephone-event/8000"],
};

/// Carries out a scenario of `tests/peers/sipp` on this front door, which must answer it as the
/// scenario says.
fn plays(door: &FrontDoor, name: &str, format: &Format, said: &[i16], arguments: &[&str]) {
    let folder = door.folder.path();
    let Format { codec, formats, maps } = format;
    let said = resample_whole(said, SampleRate::HZ_8000, codec.rate());
    let wishes = OpusWishes { fec: false, bitrate_max: None, playback_rate_max: None };
    let payload = Encoder::new(*codec, wishes).encode(&said).expect("octets");
    fs::write(folder.join("caller.raw"), payload).expect("written");
    let maps: Vec<String> = maps.iter().map(|map| format!("a=rtpmap:{map}")).collect();
    let (number, map) = formats.split_once(' ').unwrap_or((*formats, ""));
    assert!(map.is_empty() || map == "96");
    let stream = format!("caller.raw,1,{number},{}/8000", codec.encoding_name());
    let text = read(&root().join(format!("tests/peers/sipp/{name}.xml")))
        .replace("[formats]", formats)
        .replace("[rtpmaps]", &maps.join("\n      "))
        .replace("[recording]", &stream);
    fs::write(folder.join("scenario.xml"), text).expect("written");
    let over_tcp = arguments.contains(&"t1");
    let uri = if over_tcp { &door.uri_tcp } else { &door.uri };
    let target = uri.rsplit('@').next().expect("an address");
    let target = target.split(';').next().expect("an address");
    let mut all = ["-sf", "scenario.xml"].map(OsStr::new).to_vec();
    if !arguments.contains(&"-m") {
        all.extend(["-m", "1"].map(OsStr::new));
    }
    all.extend(arguments.iter().map(OsStr::new));
    sipp(target, folder, &all);
}

/// Asks for the hours in this way; the record must say so.
fn asks(name: &str, format: &Format, arguments: &[&str]) {
    let _alone = alone();
    let door = FrontDoor::start();
    plays(&door, name, format, &asks_for_the_hours(), arguments);
    was_asked_for_the_hours(&door.record(), format.codec.word());
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn tcp() {
    asks("audio", &PCMU, &["-t", "t1"]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn pcma() {
    asks("audio", &PCMA, &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn g722() {
    asks("audio", &G722, &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn hold_and_resume() {
    asks("hold", &PCMU, &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn late_offer() {
    asks("late_offer", &PCMU, &[]);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn an_invite_with_a_password() {
    let _alone = alone();
    let door = with_old_password("sipp");
    plays(&door, "password", &PCMU, &asks_for_the_hours(), &[]);
    was_asked_for_the_hours(&door.record(), "pcmu");
    was_the_trunks_call(&door);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn keys_as_events() {
    let _alone = alone();
    let door = FrontDoor::start();
    plays(&door, "keys_as_events", &WITH_EVENTS, &[0; 160], &[]);
    was_pressed_once(&door.record());
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn keys_by_info() {
    let _alone = alone();
    let door = FrontDoor::start();
    let silence = vec![0; SampleRate::HZ_8000.samples_in(Duration::from_secs(60))];
    plays(&door, "keys_by_info", &PCMU, &silence, &[]);
    was_pressed_once(&door.record());
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn keys_as_tones() {
    let _alone = alone();
    let door = FrontDoor::start();
    let rate = SampleRate::HZ_8000;
    let key = tone::dtmf(rate, '0', -12.0, Duration::from_millis(120)).expect("a key");
    let silence = |length: Duration| vec![0_i16; rate.samples_in(length)];
    let said = [silence(GREETING), key, silence(Duration::from_secs(60))].concat();
    plays(&door, "tones", &PCMU, &said, &[]);
    was_pressed_once(&door.record());
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_session_is_refreshed_by_us() {
    let _alone = alone();
    let door = FrontDoor::start();
    plays(&door, "timer_refresh", &PCMU, &[0; 160], &[]);
    assert_eq!(door.record()["result"], "success");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_session_that_nobody_refreshes_is_ended() {
    let _alone = alone();
    let door = FrontDoor::start();
    plays(&door, "timer_expiry", &PCMU, &[0; 160], &[]);
    let record = door.record();
    assert_eq!(record["result"], "caller error", "{record:#}");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn glare() {
    let _alone = alone();
    let door = FrontDoor::start();
    plays(&door, "glare", &PCMU, &[0; 160], &[]);
    assert_eq!(door.record()["result"], "success");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn cancel_races() {
    let _alone = alone();
    let door = FrontDoor::start();
    plays(&door, "cancel", &PCMU, &[0; 160], &["-m", "40", "-r", "20"]);
    nothing_is_left(door, 40);
}
