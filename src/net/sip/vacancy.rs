//! Whether another call would be taken, for those who ask before they send one (OPTIONS, RFC 3261
//! section 11): telephone systems and dispatchers do, and go elsewhere while it would not.

use std::fmt;
use std::net::IpAddr;

/// Who knows how many calls there are, and may be.
pub trait Vacancy: fmt::Debug + Send + Sync {
    /// Why a call of this trunk, or from this source if it is of none, would not be taken now;
    /// `None` if it would be. Asking takes nothing away from those who call.
    fn full(&self, trunk: Option<&str>, source: IpAddr) -> Option<Full>;
}

/// That a call would be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    /// The limit that it would run into, for whoever runs the other end.
    pub reason: String,
    /// When it may be worth to ask again, in seconds.
    pub retry_after_s: u32,
}
