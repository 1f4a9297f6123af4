//! An agent who takes calls on a telephone of their own (`[desk.phones]`), by other people's SIP (baresip), and
//! what they write about a call, in the customer system.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::agents::{Agent, free_port};
use super::alone;
use super::audio::{SECOND, recording, samples, words_in, write};
use super::front_door::{FrontDoor, root};
use super::peers::{Baresip, heard_of, own_call_from};

/// A customer of the demo: the number that they call from, and their account.
const NUMBER: &str = "5550123";
const ACCOUNT: &str = "12345678";

/// What the agent writes.
const NOTE: &str = "Sent the booklet about savings plans";

/// How long the customer system may take to be told.
const PATIENCE: Duration = Duration::from_secs(30);

/// From the telephone's start to the end of the call, and a little more.
const SECONDS: u32 = 80;

#[test]
#[ignore = "places a real call: needs the models and baresip"]
fn an_agent_talks_on_their_own_telephone_and_the_customer_system_has_what_they_write() {
    let _alone = alone();
    let port = free_port();
    let door = FrontDoor::start_with(|text| {
        format!(
            "{text}\n[transfer_rules]\nhosts = [\"127.0.0.1\"]\n\
             [desk.phones]\nana = \"sip:201@127.0.0.1:{port}\"\n"
        )
    });
    let folder = door.folder.path();
    let mut ana = Agent::new(&door, "ana", &["--display-name", "Ana", "--skill", "general=4"]);
    // She speaks once the caller listens.
    let said = samples(&root().join("tests/fixtures/audio/book_a_room.wav"));
    let spoken = folder.join("ana.wav");
    write(&spoken, &[&SECOND.repeat(12)[..], &said, &SECOND.repeat(90)].concat());
    let telephone = Baresip::answers(port, "201", folder, &spoken, SECONDS);
    ana.ready();
    let pause = folder.join("pause.wav");
    write(&pause, &SECOND.repeat(5));
    let [pause, light] =
        [pause, recording("car_light.wav")].map(|path| path.to_string_lossy().into_owned());
    let steps = ["--keys", "0", &pause, &light];
    let mut caller = own_call_from(NUMBER, &door, &door.uri, &steps);
    let caller = caller.stdout(Stdio::piped()).spawn().expect("it starts");

    let offer = ana.is_offered();
    ana.takes(&offer);
    ana.call_is("talking");
    // The caller hangs up.
    ana.told("wrapping up", |event| event["state"] == "wrap_up");
    let written = json!({ "disposition": "follow-up needed", "notes": NOTE, "done": true });
    ana.does("wrap_up", &written);
    ana.told("ready for the next", |event| event["state"] == "ready");

    let ended = caller.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let call = heard_of(&door, String::from_utf8_lossy(&ended.stdout).into_owned());
    assert!(call.heard.join(" ").contains("book a"), "the caller heard: {}", call.printed);
    let words = words_in(&samples(&telephone.heard()));
    assert!(words.contains("light") || words.contains("dashboard"), "the agent heard: {words}");

    let record = door.record();
    let talk = &record["transfers"][0];
    assert_eq!((&talk["way"], &talk["agent"]), (&json!("desk"), &json!("ana")), "{record:#}");
    assert_eq!(talk["outcome"], "succeeded", "{record:#}");
    // The customer is known by their number, so the note is theirs.
    let end = Instant::now() + PATIENCE;
    let mut shown = door.command(&["crm", "show", ACCOUNT]);
    while !shown.contains(NOTE) && Instant::now() < end {
        shown = door.command(&["crm", "show", ACCOUNT]);
    }
    let row = shown.lines().find(|line| line.contains(NOTE));
    let row = row.unwrap_or_else(|| panic!("the note is not there:\n{shown}"));
    assert!(row.contains("follow-up needed"), "{row}");
}
