//! Bad input: each with the words it is refused in, and a front door that goes on answering.

use std::fs;
use std::net::UdpSocket;

use frontdoor::audio::Random;

use super::alone;
use super::audio::recording;
use super::front_door::{FrontDoor, demo_config, fails, frontdoor, read, root};
use super::peers::call;

#[test]
#[ignore = "places a real call: needs the models"]
fn random_datagrams_are_counted_and_the_next_call_is_answered() {
    let _alone = alone();
    let door = FrontDoor::start();
    let target = door.uri.rsplit('@').next().expect("an address").to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut random = Random::new(7);
    for n in 0..200_usize {
        let length = 1 + random.next_u64() as usize % 1_200;
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next_u64() as u8).collect();
        if n % 4 == 0 {
            // Some that begin like requests.
            let start = b"INVITE sip:bank@127.0.0.1 SIP/2.0\r\nVia: ";
            bytes.splice(0..0, start.iter().copied());
        }
        bytes.truncate(1_400);
        socket.send_to(&bytes, &target).expect("sent");
    }
    let hours = recording("hours.wav").to_string_lossy().into_owned();
    let call = call(&door, &[&hours]);
    println!("{}", call.printed);
    assert!(call.heard.join(" ").contains("weekday"), "{}", call.printed);
    assert_eq!(call.latencies_ms.len(), 1, "{}", call.printed);
}

/// The demo profile with one file changed, in a folder of its own.
pub(super) fn profile_with(
    folder: &std::path::Path,
    file: &str,
    change: impl Fn(String) -> String,
) {
    let source = root().join("prompts/bank");
    for sub in ["", "intents"] {
        fs::create_dir_all(folder.join(sub)).expect("a folder");
        for entry in fs::read_dir(source.join(sub)).expect("the profile") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.strip_prefix(&source).expect("inside");
                fs::copy(&path, folder.join(name)).expect("copied");
            }
        }
    }
    let path = folder.join(file);
    fs::write(&path, change(read(&path))).expect("written");
}

#[test]
fn a_broken_prompt_file_names_file_line_and_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("bank");
    profile_with(&profile, "intents/lost_card.md", |text| {
        text.replace("action: crm.block_card", "action: crm.blok_card")
    });
    let said = fails(frontdoor().arg("check").arg(&profile).current_dir(root()));
    assert!(said.contains("intents/lost_card.md:6: there is no action `crm.blok_card`"), "{said}");
    assert!(said.contains("did you mean `crm.block_card`?"), "{said}");
}

#[test]
fn an_unknown_key_names_line_and_nearest_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("frontdoor.toml");
    let text = demo_config(folder.path()).replace("calls_max", "call_max");
    fs::write(&config, text).expect("written");
    let said = fails(frontdoor().args(["serve", "--config"]).arg(&config));
    println!("{said}");
    assert!(said.contains("frontdoor.toml:") && said.contains("call_max"), "{said}");
    assert!(said.contains("calls_max"), "{said}");
}

#[test]
fn a_truncated_model_is_named_with_the_way_to_mend_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("ggml-cut.bin");
    fs::write(&model, b"lmgg and then nothing").expect("written");
    let config = folder.path().join("frontdoor.toml");
    let text = demo_config(folder.path())
        .replace("model = \"tiny.en\"", &format!("model = {:?}", model.display().to_string()));
    fs::write(&config, text).expect("written");
    let said = fails(frontdoor().args(["serve", "--config"]).arg(&config));
    println!("{said}");
    assert!(said.contains("ggml-cut.bin"), "{said}");
}

#[test]
fn a_recording_that_is_none_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("noise.wav");
    fs::write(&file, b"RIFF____WAVEnonsense").expect("written");
    let said = fails(frontdoor().arg("call").arg(&file).args(["--listen-with", "none"]));
    println!("{said}");
    assert!(said.contains("cannot use the recording") && said.contains("noise.wav"), "{said}");
    let said = fails(frontdoor().args(["call", "missing.wav", "--listen-with", "none"]));
    assert!(said.contains("missing.wav"), "{said}");
}
