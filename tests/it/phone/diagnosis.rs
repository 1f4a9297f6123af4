//! What an engineer sees of a call: its signalling, and what was counted.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::alone;
use super::audio::recording;
use super::front_door::FrontDoor;
use super::peers::call;

/// What is written a moment after the call has ended is waited for; every look takes a while.
fn listed(door: &FrontDoor, arguments: &[&str]) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let list: Vec<Value> = serde_json::from_str(&door.command(arguments)).expect("JSON");
        if !list.is_empty() {
            return list;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{arguments:?} stays empty");
    }
}

fn fetched(url: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let response = client.get(url).send().await.expect("an answer");
        assert!(response.status().is_success(), "{url}: {}", response.status());
        response.text().await.expect("text")
    })
}

/// The value of a sample.
fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("{name} is not in\n{metrics}"));
    value.parse().expect("a number")
}

/// An INVITE that asks for what nobody can, and so is refused at the door.
fn refused_invite(door: &FrontDoor) {
    let them = door.uri.rsplit('@').next().expect("an address");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let us = socket.local_addr().expect("bound");
    let invite = format!(
        "INVITE sip:bank@{them} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKr1;rport\r\n\
         From: <sip:5550177@{us}>;tag=f1\r\nTo: <sip:bank@{them}>\r\nCall-ID: r1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:5550177@{us}>\r\nMax-Forwards: 70\r\n\
         Require: teleport\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(invite.as_bytes(), them).expect("sent");
}

#[test]
#[ignore = "places a real call: needs the models"]
fn a_call_is_seen_in_ladder_record_and_metrics_without_its_number() {
    let _alone = alone();
    let door = FrontDoor::start_with(|text| format!("{text}\n[http]\nlisten = \"127.0.0.1:0\"\n"));
    let http = door.http.clone().expect("it says where it answers");
    let health: Value = serde_json::from_str(&fetched(&format!("{http}/health"))).expect("JSON");
    assert_eq!(health["status"], "ready", "{health:#}");
    assert_eq!(health["prompts"][0]["profile"], "bank", "{health:#}");
    let hours = recording("hours.wav").to_string_lossy().into_owned();
    let placed = call(&door, &[&hours]);
    println!("{}", placed.printed);
    refused_invite(&door);
    let id = door.ended_calls(1)[0].clone();
    let calls = listed(&door, &["sip", "trace", "--json"]);
    assert_eq!((calls.len(), calls[0]["call"].as_str()), (1, Some(id.as_str())));
    let drawn = door.command(&["sip", "trace", &id, "--full"]);
    println!("{drawn}");
    let mut rest = drawn.as_str();
    for rung in ["--- INVITE (SDP) -", "<-- 200 OK (SDP) -", "--- ACK -", "-- BYE -", "-- 200 OK -"]
    {
        let at =
            rest.find(rung).unwrap_or_else(|| panic!("{rung} is not, or not there, in\n{drawn}"));
        rest = &rest[at..];
    }
    assert!(drawn.contains("m=audio ") && drawn.contains("sip:[redacted]@"), "{drawn}");
    let shown = door.command(&["calls", "show", &id]);
    assert!(shown.contains("sip        200 OK, BYE from "), "{shown}");
    assert!(shown.contains("sound      "), "{shown}");
    let refused = listed(&door, &["sip", "trace", "--refused", "--json"]);
    assert_eq!(refused[0]["status"], 420, "{refused:#?}");
    let metrics = fetched(&format!("{http}/metrics"));
    assert_eq!(sample(&metrics, "frontdoor_calls_ended_total{result=\"success\"}"), 1.0);
    assert_eq!(sample(&metrics, "frontdoor_calls_in_progress"), 0.0);
    assert_eq!(sample(&metrics, "frontdoor_call_mos_count{direction=\"heard\"}"), 1.0);
    assert_eq!(sample(&metrics, "frontdoor_sip_refused_total{status=\"420\"}"), 1.0);
    let turns = "frontdoor_response_latency_seconds_count{part=\"total\"}";
    assert!(sample(&metrics, turns) >= 1.0, "{metrics}");
    for (what, text) in [("ladder", &drawn), ("metrics", &metrics), ("record", &shown)] {
        for private in ["5550199", "550199"] {
            assert!(!text.contains(private), "{private} is in the {what}:\n{text}");
        }
    }
    let told = format!("{refused:?}");
    assert!(!told.contains("5550177"), "{told}");
}
