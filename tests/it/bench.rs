//! `frontdoor bench` as it is run: two processes, real sockets on loopback, small figures. Nothing
//! here depends on how fast the machine is; whether it is fast enough is for who runs it to judge.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn bench(arguments: &[&str], json: &Path) -> (String, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdoor"));
    command.env_remove("RUST_LOG").arg("bench").args(arguments).arg("--json").arg(json);
    let output = command.output().expect("the program");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{arguments:?}: {said}");
    let text = std::fs::read_to_string(json).expect("figures");
    (said, serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn media_is_heard_at_both_ends_with_every_codec() {
    let folder = tempfile::tempdir().expect("a folder");
    let codecs = ["--codec", "pcmu", "--codec", "g722", "--codec", "opus"];
    let small = ["media", "--calls", "2", "--seconds", "1", "--rate", "5", "--rate-seconds", "1"];
    let (said, figures) = bench(&[&small[..], &codecs].concat(), &folder.path().join("f.json"));
    let figures = &figures[0];
    assert_eq!(figures["name"], "frontdoor");
    let rate = &figures["rates"][0];
    assert_eq!(rate["placed"], 5, "{said}");
    assert_eq!(rate["failed"], serde_json::json!({}), "{said}");
    let held = figures["held"].as_array().expect("calls");
    assert_eq!(held.len(), 3);
    for held in held {
        assert_eq!(held["tone_heard"], 2, "{said}");
        for side in ["answering", "calling"] {
            // Two calls, 50 packets a second.
            let packets = held[side]["packets"].as_i64().unwrap_or_default();
            assert!(packets > 50, "{side}: {said}");
        }
    }
}

#[test]
fn a_flood_is_counted_and_the_calls_are_heard_to_the_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = ["flood", "--calls", "2", "--seconds", "1", "--per-second", "500"];
    // A busy machine may be late with a packet; that the audio comes back is asserted all the same.
    let patient = ["--loss-max", "50"];
    let (said, spans) = bench(&[&small[..], &patient].concat(), &folder.path().join("f.json"));
    let (quiet, flood) = (&spans[0], &spans[1]);
    assert_eq!(quiet["malformed"], 0, "{said}");
    assert!(flood["malformed"].as_u64().is_some_and(|count| count > 50), "{said}");
    assert_eq!(flood["options_lost"], 0, "{said}");
    assert!(said.contains("to the last on 2 of 2 calls"), "{said}");
}

#[test]
fn browsers_connect_in_the_role_that_they_are_answered_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = ["connects", "--connects", "3", "--at-once", "1"];
    let (said, roles) = bench(&small, &folder.path().join("f.json"));
    assert_eq!(roles[0]["role"], "passive", "{said}");
    assert_eq!(roles[0]["failed"], serde_json::json!({}), "{said}");
    assert!(said.contains("CONNECTED AFTER MS P50"), "{said}");
}

#[test]
fn a_program_that_does_not_answer_is_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_frontdoor"))
        .args(["bench", "media", "--calls", "1", "--seconds", "1", "--rate", "0"])
        .args(["--codec", "pcmu", "--against-uri", "sip:echo@127.0.0.1:9", "--against", "true"])
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("it ended by itself") || said.contains("ended at once"), "{said}");
}
