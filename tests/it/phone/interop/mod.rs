//! The table of who works with whom: `tests/fixtures/interop.toml` names for every row and peer the
//! test that stands for it, or why there is none. `scripts/interop` runs them and prints the table.
//!
//! Audio cells judge words: those that our record says we heard, and those that the peer heard of us.
//! What each peer can do is in a file of its name here; some cells are older and live in `calls` and
//! `encryption`.

mod baresip;
mod kamailio;
mod linphone;
mod pjsip;
mod relay;
mod sipp;
mod table;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::alone;
use super::audio::{recording, samples, words_in, write_at};
use super::calls::{GREETING, caller_lines};
use super::front_door::FrontDoor;
use frontdoor::audio::SampleRate;
use relay::{Impairment, Relay};

/// A front door that listens for TLS, too, and takes keys in the SDP there.
fn with_tls() -> FrontDoor {
    FrontDoor::start_in(&[], |folder, text| {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let (certificate, key) = (folder.join("tls.pem"), folder.join("tls.key"));
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let listen = "listen = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"";
        let more = format!(
            "tls_certificate = {certificate:?}\ntls_key = {key:?}\n{listen}, \"tls:127.0.0.1:0\""
        );
        replaced(&text, listen, &more)
    })
}

/// A front door that takes calls with the password "secret" only, by somebody of this name.
fn with_password(username: &str) -> FrontDoor {
    FrontDoor::start_in(&[("INTEROP_PASSWORD", "secret")], |_, text| locked(&text, username))
}

fn locked(text: &str, username: &str) -> String {
    let login = format!("username = {username:?}\npassword_env = \"INTEROP_PASSWORD\"");
    let text = replaced(text, "[media]\n", &format!("[trunks.pbx]\n{login}\n\n[media]\n"));
    replaced(&text, "# accept_unknown = true ", "accept_unknown = false # ")
}

/// The same for somebody who knows MD5 only, and gives up where more is offered.
fn with_old_password(username: &str) -> FrontDoor {
    FrontDoor::start_in(&[("INTEROP_PASSWORD", "secret")], |_, text| {
        let text = locked(&text, username);
        replaced(&text, "# digest = [\"SHA-256\", \"MD5\"]", "digest = [\"MD5\"] #")
    })
}

/// Where to call over TLS.
fn over_tls(door: &FrontDoor) -> &str {
    let uri = door.uris.iter().find(|uri| uri.ends_with(";transport=tls"));
    uri.expect("it listens for TLS")
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is no longer in frontdoor.toml");
    text.replace(from, to)
}

/// A human who asks for the hours, twice in one breath: one short word is sometimes not heard.
fn hours_twice() -> Vec<i16> {
    let hours = samples(&recording("hours.wav"));
    [&hours[..], &[0; 2_000], &hours[..]].concat()
}

/// That human at 8 kHz, once the greeting is over, and then a minute of silence.
fn asks_for_the_hours() -> Vec<i16> {
    let silence = |seconds: usize| vec![0_i16; SampleRate::HZ_8000.hz() as usize * seconds];
    [silence(GREETING.as_secs() as usize), hours_twice(), silence(60)].concat()
}

/// The same as a file for a telephone.
fn spoken(folder: &Path, rate: SampleRate) -> PathBuf {
    let path = folder.join("caller.wav");
    write_at(&path, &asks_for_the_hours(), rate);
    path
}

/// A human with something longer to say, for lines on which a word may be lost, as a file for a
/// telephone.
fn tells_of_a_light(folder: &Path) -> PathBuf {
    let silence = |seconds: usize| vec![0_i16; SampleRate::HZ_8000.hz() as usize * seconds];
    let said = samples(&recording("car_light.wav"));
    let path = folder.join("caller.wav");
    let line = [silence(GREETING.as_secs() as usize), said, silence(60)].concat();
    write_at(&path, &line, SampleRate::HZ_8000);
    path
}

/// The record says that the hours were asked for, over this codec, and that nothing went wrong.
#[track_caller]
fn was_asked_for_the_hours(record: &Value, codec: &str) {
    let lines = caller_lines(record);
    let asked = lines.iter().any(|(_, intent)| intent == "branch_hours");
    assert!(asked, "not heard: {lines:?}");
    assert_eq!(record["quality"]["codec"], codec, "{record:#}");
    assert_eq!(record["result"], "success", "{record:#}");
}

/// What was heard of us are the opening hours.
#[track_caller]
fn are_the_hours(heard: &Path) {
    let words = words_in(&samples(heard));
    assert!(words.contains("weekday") && words.contains("saturday"), "heard: {words}");
}

/// The record says that 0 was pressed, and what came of it.
#[track_caller]
fn was_pressed_once(record: &Value) {
    let keys: Vec<String> = caller_lines(record)
        .into_iter()
        .map(|(text, _)| text)
        .filter(|text| text.starts_with("[keys"))
        .collect();
    assert_eq!(keys, ["[keys 0]"], "{record:#}");
    assert_eq!(record["handoffs"][0]["document"]["reason"], "asked", "{record:#}");
}

/// The record says that the audio was protected with keys of this origin.
#[track_caller]
fn was_protected(record: &Value, way: &str) {
    assert!(record["protection"].as_str().is_some_and(|said| said.starts_with(way)), "{record:#}");
}

/// A call came by the trunk whose password it gave.
#[track_caller]
fn was_the_trunks_call(door: &FrontDoor) {
    assert!(door.log().contains("answered trunk=\"pbx\""), "not taken for the trunk's call");
}

/// Something longer is told over a bad line, and understood at both ends all the same. `call` is
/// given where to call and a folder; it places the call and gives what the telephone heard.
#[track_caller]
fn over_a_bad_line(impairment: Impairment, seed: u64, call: impl FnOnce(&str, &Path) -> PathBuf) {
    let _alone = alone();
    let door = FrontDoor::start();
    let relay = Relay::start(&door.uri, impairment, seed);
    let heard = call(&relay.uri, door.folder.path());
    let passed = relay.end();
    assert!(passed.packets > 1_000, "the audio went past the line: {passed:?}");
    impairment.was_felt(passed);
    is_understood_in_spite_of_it(&door.record(), &heard);
}

/// All that was heard over a line that loses, delays or shuffles packets: enough words at both ends.
#[track_caller]
fn is_understood_in_spite_of_it(record: &Value, heard: &Path) {
    let said: String = caller_lines(record).into_iter().map(|(text, _)| text + " ").collect();
    let said = said.to_lowercase();
    assert!(said.contains("light") && said.contains("car"), "we heard: {said}");
    let words = words_in(&samples(heard));
    assert!(words.contains("calling") || words.contains("help"), "it heard: {words}");
}

/// So many calls came, each was given up before it was answered or is over, and none of them keeps the
/// front door from stopping.
#[track_caller]
fn nothing_is_left(door: FrontDoor, calls: usize) {
    let list = door.command(&["calls", "list", "--json", "--limit", "1000"]);
    let begun: Vec<Value> = serde_json::from_str(&list).expect("JSON");
    door.ended_calls(begun.len());
    let log = door.stop();
    assert!(!log.contains("waiting for calls to end"), "a call that was given up goes on");
    // One that was never answered leaves no record, only a line of the log.
    let given_up = log.matches("the call was not answered").count();
    assert_eq!(given_up + begun.len(), calls, "{given_up} given up, {} answered", begun.len());
}
