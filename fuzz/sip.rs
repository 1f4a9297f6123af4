//! SIP messages, as they come in a datagram.
#![no_main]
// libFuzzer is C.
#![allow(unsafe_code)]

#[macro_use]
mod harness;

target!(frontdoor::net::sip::fuzzing::datagram);
