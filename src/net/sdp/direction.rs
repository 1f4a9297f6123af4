//! Which way audio flows (RFC 3264 section 6.1).

/// Which way audio flows, seen from the side whose direction it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// From this side only.
    SendOnly,
    /// To this side only.
    RecvOnly,
    /// Neither way (hold).
    Inactive,
}

impl Direction {
    const fn new(sends: Flow, receives: Flow) -> Self {
        match (sends, receives) {
            (Flow::On, Flow::On) => Self::SendRecv,
            (Flow::On, Flow::Off) => Self::SendOnly,
            (Flow::Off, Flow::On) => Self::RecvOnly,
            (Flow::Off, Flow::Off) => Self::Inactive,
        }
    }

    const fn flows(self) -> (Flow, Flow) {
        match self {
            Self::SendRecv => (Flow::On, Flow::On),
            Self::SendOnly => (Flow::On, Flow::Off),
            Self::RecvOnly => (Flow::Off, Flow::On),
            Self::Inactive => (Flow::Off, Flow::Off),
        }
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        let (sends, receives) = self.flows();
        Self::new(receives, sends)
    }

    /// Whether this side sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether this side receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What both directions allow.
    pub(super) const fn and(self, other: Self) -> Self {
        let ((sends, receives), (also_sends, also_receives)) = (self.flows(), other.flows());
        Self::new(sends.and(also_sends), receives.and(also_receives))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Off,
}

impl Flow {
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::On, Self::On) => Self::On,
            _ => Self::Off,
        }
    }
}
