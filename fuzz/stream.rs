//! SIP in a TCP stream.
#![no_main]
// libFuzzer is C.
#![allow(unsafe_code)]

#[macro_use]
mod harness;

target!(frontdoor::net::sip::fuzzing::stream);
