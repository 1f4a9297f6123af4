//! SIP signalling and media sockets; translates between the wire and typed leg events.

pub mod sip;
