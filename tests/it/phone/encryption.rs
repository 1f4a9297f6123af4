//! Calls with encrypted audio. What counts is what is heard at both ends: packets that arrive prove
//! nothing about keys.

use super::alone;
use super::audio::{recording, samples, timeline, words_in, write};
use super::calls::{GREETING, caller_lines};
use super::front_door::{FrontDoor, fails};
use super::peers::{Baresip, heard_of, own_call};

/// A front door that takes keys in SDP although its signalling is in the clear.
fn trusting() -> FrontDoor {
    let key = "srtp_sdes_without_tls";
    FrontDoor::start_with(|text| with(&text, &format!("{key} = false"), &format!("{key} = true")))
}

fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is no longer in frontdoor.toml");
    text.replace(from, to)
}

/// A human asks baresip's way for the hours; baresip must hear them, and the record must say how the
/// audio was protected.
fn baresip_asks(door: &FrontDoor, module: &str, way: &str, protection: &str) {
    let spoken = door.folder.path().join("caller.wav");
    write(&spoken, &timeline(&[(GREETING, "hours.wav")]));
    let folder = door.folder.path();
    let baresip = Baresip::call_encrypted(&door.uri, folder, &spoken, 24, (module, way));
    let answer = words_in(&samples(&baresip.heard()));
    assert!(answer.contains("weekday") && answer.contains("saturday"), "{answer}");
    let record = door.record();
    assert_eq!(caller_lines(&record)[0].1, "branch_hours", "{record:#}");
    let said = record["protection"].as_str().unwrap_or_default();
    assert!(said.starts_with(protection), "{said} is not {protection}");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn baresip_with_keys_in_the_sdp_hears_and_is_heard() {
    let _alone = alone();
    let door = trusting();
    baresip_asks(&door, "srtp", "srtp-mand", "SDES A");
    // Neither key of the call is logged at any level.
    let log = door.stop();
    assert!(!log.contains("inline:"), "a key is in the log");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn baresip_that_would_rather_encrypt_is_taken_at_its_word() {
    let _alone = alone();
    let door = trusting();
    baresip_asks(&door, "srtp", "srtp", "SDES A");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn baresip_with_keys_from_a_handshake_hears_and_is_heard() {
    let _alone = alone();
    let door = FrontDoor::start();
    baresip_asks(&door, "dtls_srtp", "dtls_srtp", "DTLS-SRTP ");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn our_own_caller_is_understood_with_either_kind_of_keys() {
    let _alone = alone();
    for (way, protection) in [("sdes", "SDES A"), ("dtls", "DTLS-SRTP A")] {
        let door = trusting();
        let hours = recording("hours.wav").to_string_lossy().into_owned();
        let mut command = own_call(&door, &door.uri, &["--srtp", way, &hours]);
        let call = heard_of(&door, super::front_door::run(&mut command));
        assert!(call.printed.contains(&format!("encryption: {protection}")), "{}", call.printed);
        let answer = call.heard.join(" ");
        assert!(answer.contains("weekday") && answer.contains("saturday"), "{}", call.printed);
        let record = door.record();
        assert_eq!(caller_lines(&record)[0].1, "branch_hours", "{record:#}");
        let said = record["protection"].as_str().unwrap_or_default();
        assert!(said.starts_with(protection), "{record:#}");
    }
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn audio_that_the_policy_does_not_take_is_refused() {
    let _alone = alone();
    let offered = "srtp = \"offered\"";
    let cases: [(&str, &[&str], &str); 4] = [
        (offered, &["--srtp", "sdes"], "set srtp_sdes_without_tls = true in [media]"),
        ("srtp = \"required\"", &[], "plain RTP/AVP is not taken here"),
        ("srtp = \"off\"", &["--srtp", "sdes"], "RTP/SAVP, which is switched off here"),
        ("srtp = \"off\"", &["--srtp", "dtls"], "UDP/TLS/RTP/SAVP, which is switched off here"),
    ];
    for (mode, arguments, reason) in cases {
        let door = FrontDoor::start_with(|text| with(&text, offered, mode));
        let said = fails(&mut own_call(&door, &door.uri, arguments));
        assert!(said.contains("488"), "{mode} {arguments:?}: {said}");
        let log = door.stop();
        assert!(log.contains(reason), "{mode} {arguments:?}: {reason} is not in the log");
    }
}
