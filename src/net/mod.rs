//! SIP signalling and media sockets; translates between the wire and typed leg events.

pub mod media;
pub mod sdp;
pub mod sip;
