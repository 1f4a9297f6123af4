//! Kamailio 5.6 in front of us: as a dispatcher that asks whether we are there and sends us calls, and
//! as a registrar that we register with. Audio does not pass through it. Its configuration is
//! `tests/fixtures/sip/kamailio.cfg`; what happens is in what it logs.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::super::alone;
use super::super::audio::recording;
use super::super::calls::caller_lines;
use super::super::front_door::{FrontDoor, root, run};
use super::super::peers::{OwnCall, heard_of, own_call, pjsip, pjsip_events};
use super::{
    are_the_hours, nothing_is_left, over_tls, replaced, was_asked_for_the_hours, was_protected,
    with_tls,
};

/// How long something may take that it is to log.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Kamailio on loopback, with the front door behind it.
struct Kamailio {
    child: Child,
    port: u16,
    lines: Receiver<String>,
    seen: Vec<String>,
    // Last: removed after it has ended.
    _folder: TempDir,
}

impl Kamailio {
    /// Starts it on this port; calls go to this SIP address once it answers.
    fn start(port: u16, front_door: &str) -> Self {
        Self::start_with(port, front_door, &[])
    }

    /// The same with TLS on this port, and a certificate and key from this folder.
    fn start_with_tls(port: u16, front_door: &str, (tls_port, folder): (u16, &Path)) -> Self {
        let file = |name: &str, file: &str| {
            format!("{name}={:?}", folder.join(file).display().to_string())
        };
        let arguments = [
            "-l".to_owned(),
            format!("tls:127.0.0.1:{tls_port}"),
            "-A".to_owned(),
            file("CERTIFICATE", "tls.pem"),
            "-A".to_owned(),
            file("KEY", "tls.key"),
        ];
        Self::start_with(port, front_door, &arguments)
    }

    fn start_with(port: u16, front_door: &str, arguments: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("dispatcher.list");
        // 9: not to be used (1) before it has answered what it is asked (8).
        std::fs::write(&list, format!("1 {front_door} 9\n")).expect("written");
        let config = root().join("tests/fixtures/sip/kamailio.cfg");
        let mut child = Command::new("kamailio")
            .args(["-DD", "-E", "-f"])
            .arg(config)
            .args(["-l", &format!("udp:127.0.0.1:{port}"), "-l", &format!("tcp:127.0.0.1:{port}")])
            .arg("-A")
            .arg(format!("LIST={:?}", list.display().to_string()))
            .arg("-Y")
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kamailio is installed");
        let output = BufReader::new(child.stderr.take().expect("piped"));
        let (said, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, port, lines, seen: Vec::new(), _folder: folder }
    }

    /// Waits until it has logged this for the `count`th time.
    fn wait_for(&mut self, words: &str, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.seen.iter().filter(|line| line.contains(words)).count() < count {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("no {count} of {words:?} in\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Where somebody is called through it.
    fn uri_of(&self, user: &str) -> String {
        format!("sip:{user}@127.0.0.1:{}", self.port)
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its first process ends the others.
        let id = self.child.id().to_string();
        if Command::new("kill").args(["-TERM", &id]).status().is_ok_and(|done| done.success()) {
            _ = self.child.wait();
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

/// The front door at this address as a dispatcher lists it: without a user part.
fn destination(uri: &str) -> String {
    format!("sip:{}", uri.rsplit('@').next().expect("an address"))
}

/// A front door behind a Kamailio that has found it.
fn behind(uri_of: impl Fn(&FrontDoor) -> String) -> (FrontDoor, Kamailio) {
    let door = FrontDoor::start();
    let mut kamailio = Kamailio::start(free_port(), &destination(&uri_of(&door)));
    kamailio.wait_for("up: the front door answers OPTIONS", 1);
    (door, kamailio)
}

/// A human asks for the hours through it, with our own client.
fn asks(door: &FrontDoor, uri: &str) -> OwnCall {
    let hours = recording("hours.wav").to_string_lossy().into_owned();
    // Twice: one short word is sometimes not heard at all.
    let printed = run(&mut own_call(door, uri, &[&hours, &hours]));
    heard_of(door, printed)
}

fn were_told(call: &OwnCall) {
    let said = call.heard.join(" ");
    assert!(said.contains("weekday") && said.contains("saturday"), "{}", call.printed);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_dispatcher_finds_us_and_sends_us_calls() {
    let _alone = alone();
    let (door, mut kamailio) = behind(|door| door.uri.clone());
    were_told(&asks(&door, &kamailio.uri_of("bank")));
    // Record-Route is followed: what comes later in the call goes through it, too.
    kamailio.wait_for("within: ACK", 1);
    kamailio.wait_for("within: BYE", 1);
    was_asked_for_the_hours(&door.record(), "pcmu");
    // And once we stop, it sends nobody here.
    door.stop();
    kamailio.wait_for("down: the front door is gone", 1);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn it_reaches_us_over_tcp() {
    let _alone = alone();
    let (door, mut kamailio) = behind(|door| door.uri_tcp.clone());
    let uri = format!("{};transport=tcp", kamailio.uri_of("bank"));
    were_told(&asks(&door, &uri));
    kamailio.wait_for("within: BYE", 1);
    was_asked_for_the_hours(&door.record(), "pcmu");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn tls_before_it_and_behind_it() {
    let _alone = alone();
    let door = with_tls();
    let (port, tls_port) = (free_port(), free_port());
    let tls = (tls_port, door.folder.path());
    let mut kamailio = Kamailio::start_with_tls(port, &destination(over_tls(&door)), tls);
    kamailio.wait_for("up: the front door answers OPTIONS", 1);
    let question = format!("wav:{}", question(door.folder.path()).display());
    let uri = format!("sip:bank@127.0.0.1:{tls_port};transport=tls");
    let options = ["--tls", "--srtp", "--codec", "PCMU"];
    let heard = pjsip(&uri, door.folder.path(), &options, &[question]);
    are_the_hours(heard.last().expect("heard"));
    kamailio.wait_for("within: BYE", 1);
    let record = door.record();
    was_asked_for_the_hours(&record, "pcmu");
    was_protected(&record, "SDES A");
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn hold_goes_through_it() {
    let _alone = alone();
    let (door, mut kamailio) = behind(|door| door.uri.clone());
    let question = format!("wav:{}", question(door.folder.path()).display());
    let steps = ["hold".to_owned(), question];
    let heard = pjsip(&kamailio.uri_of("bank"), door.folder.path(), &[], &steps);
    are_the_hours(heard.last().expect("heard"));
    kamailio.wait_for("within: INVITE", 2);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn a_late_offer_goes_through_it() {
    let _alone = alone();
    let (door, kamailio) = behind(|door| door.uri.clone());
    let question = format!("wav:{}", question(door.folder.path()).display());
    let options = ["--late-offer"];
    let heard = pjsip(&kamailio.uri_of("bank"), door.folder.path(), &options, &[question]);
    are_the_hours(heard.last().expect("heard"));
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn calls_are_given_up_through_it() {
    let _alone = alone();
    let (door, kamailio) = behind(|door| door.uri.clone());
    let steps = ["cancel:6".to_owned()];
    let events = pjsip_events(&kamailio.uri_of("bank"), door.folder.path(), &[], &steps);
    assert_eq!(events.iter().filter(|event| event["over"] == true).count(), 6, "{events:#?}");
    nothing_is_left(door, 6);
}

#[test]
#[ignore = "places a real call: needs the models and its telephone"]
fn it_registers_us_and_a_stale_nonce_is_renewed() {
    let _alone = alone();
    let port = free_port();
    let mut kamailio = Kamailio::start(port, "sip:127.0.0.1:9");
    let door = FrontDoor::start_in(&[("INTEROP_PASSWORD", "secret")], |_, text| {
        let register = format!(
            "[trunks.pbx.register]\nregistrars = [\"sip:127.0.0.1:{port}\"]\nusername = \"100\"\n\
             password_env = \"INTEROP_PASSWORD\"\n\n"
        );
        let trunk = "[trunks.pbx]\ncalls_max = 4\n\n";
        replaced(&text, "[media]\n", &format!("{trunk}{register}[media]\n"))
    });
    kamailio.wait_for("registered: 100", 1);
    // It keeps us for 8 s, and its nonces are good for 3.
    kamailio.wait_for("stale: a nonce of 100 is refused", 1);
    kamailio.wait_for("registered: 100", 2);
    were_told(&asks(&door, &kamailio.uri_of("100")));
    let lines = caller_lines(&door.record());
    assert!(lines.iter().any(|(_, intent)| intent == "branch_hours"), "{lines:?}");
    assert!(
        door.log().contains("answered trunk=\"pbx\""),
        "the registrar's calls are not the trunk's"
    );
    // Taken back when the server stops.
    let before = kamailio.seen.iter().filter(|line| line.contains("registered: 100")).count();
    door.stop();
    kamailio.wait_for("registered: 100", before + 1);
}

/// The hours, asked for twice in one breath.
fn question(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("question.wav");
    super::super::audio::write(&path, &super::hours_twice());
    path
}
