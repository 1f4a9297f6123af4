//! SIP signalling and media sockets; translates between the wire and typed leg events.

pub mod media;
pub mod media_session;
pub mod sdp;
pub mod sip;
