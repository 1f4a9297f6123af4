//! Session descriptions: as an offer to us, of a telephone or of a browser, and as the answer to an offer of
//! ours.
#![no_main]
// libFuzzer is C.
#![allow(unsafe_code)]

#[macro_use]
mod harness;

use std::net::Ipv4Addr;

use frontdoor::audio::Codecs;
use frontdoor::net::sdp::browser::{advertise, browser_offer};
use frontdoor::net::sdp::{
    Direction, LocalMedia, Security, accept_answer, answer, offer, offer_again,
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let local = LocalMedia {
        ip: Ipv4Addr::new(192, 0, 2, 1).into(),
        port: 4000,
        session_id: 7,
        codecs: Codecs::default(),
    };
    if let Ok((ours, _)) = answer(text, &local, 1) {
        // Whoever made that offer can read our answer, and our next offer.
        accept_answer(text, &ours).expect("our answer fits the offer");
        let again = offer_again(&ours, &local, 2, &mut Security::plain());
        answer(&again, &local, 1).expect("our next offer can be answered");
    }
    _ = accept_answer(&offer(&local, 1, Direction::SendRecv), text);
    if let Ok(theirs) = browser_offer(text) {
        // A few lines of ours may make a very long one too long.
        if theirs.sdp.len() < 60_000 {
            let again = browser_offer(&theirs.sdp).expect("what is left of an offer is one");
            assert_eq!(again.types.audio, theirs.types.audio);
        }
    }
    let named = advertise(text, local.ip);
    assert_eq!(advertise(&named, local.ip), named, "it is named once");
}

target!(run);
