//! The signalling side of a browser's call: whether it is there, and its end. The keys and the goodbye of its
//! page come by HTTP and are not seen here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::peer_connection::transport::RTCDtlsTransportState;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until, timeout};
use webrtc::peer_connection::PeerConnection;
use webrtc::rtp_transceiver::RtpSender;

use super::peer::PeerState;

/// How long a browser may be lost, beyond the 4 s after which the library says so (`answer::SILENT`): a change
/// from one network to another takes no longer, and somebody waits at the other end.
const LOST_LIMIT: Duration = Duration::from_secs(6);

/// How long the library may take to close a peer: whoever hangs up waits for it.
const CLOSING_LIMIT: Duration = Duration::from_secs(2);

/// How often it is looked whether the browser has closed its side: the library does not tell that by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What happens on the leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebLegEvent {
    /// Audio can flow.
    Connected,
    /// The call is over; nothing follows.
    Ended {
        /// Why.
        why: WebLegEnd,
    },
}

/// Why a leg is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebLegEnd {
    /// The browser never came through.
    NeverConnected,
    /// Its page closed it.
    Remote,
    /// It is out of reach.
    Lost,
    /// We hung up.
    Local,
}

impl WebLegEnd {
    /// For records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverConnected => "the browser did not connect in time",
            Self::Remote => "the browser hung up",
            Self::Lost => "the connection to the browser was lost",
            Self::Local => "we hung up",
        }
    }
}

/// What is known of a peer's presence, as the picture in `webrtc` shows it. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Connecting { until: Instant },
    Connected,
    Lost { until: Instant },
    Over,
}

impl Presence {
    /// Takes note of what the library says.
    fn handle(&mut self, now: Instant, state: PeerState) -> Option<WebLegEvent> {
        match (*self, state) {
            (Self::Over, _) | (Self::Connecting { .. }, PeerState::Connecting) => None,
            (Self::Connecting { .. }, PeerState::Connected) => {
                *self = Self::Connected;
                Some(WebLegEvent::Connected)
            }
            // It may still come about, until the time is over.
            (Self::Connecting { .. }, PeerState::Disconnected) => None,
            (Self::Connecting { .. }, PeerState::Failed | PeerState::Closed) => {
                self.end(WebLegEnd::NeverConnected)
            }
            (Self::Connected, PeerState::Disconnected) => {
                *self = Self::Lost { until: now + LOST_LIMIT };
                None
            }
            (Self::Lost { .. }, PeerState::Connected) => {
                *self = Self::Connected;
                None
            }
            (Self::Connected | Self::Lost { .. }, PeerState::Failed | PeerState::Closed) => {
                self.end(WebLegEnd::Lost)
            }
            (Self::Connected, PeerState::Connected | PeerState::Connecting)
            | (Self::Lost { .. }, PeerState::Disconnected | PeerState::Connecting) => None,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Option<WebLegEvent> {
        match *self {
            Self::Connecting { until } if until <= now => self.end(WebLegEnd::NeverConnected),
            Self::Lost { until } if until <= now => self.end(WebLegEnd::Lost),
            _ => None,
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match *self {
            Self::Connecting { until } | Self::Lost { until } => Some(until),
            Self::Connected | Self::Over => None,
        }
    }

    /// Takes note that the browser has closed its side.
    fn handle_close(&mut self) -> Option<WebLegEvent> {
        match self {
            Self::Connected | Self::Lost { .. } => self.end(WebLegEnd::Remote),
            Self::Connecting { .. } | Self::Over => None,
        }
    }

    fn end(&mut self, why: WebLegEnd) -> Option<WebLegEvent> {
        *self = Self::Over;
        Some(WebLegEvent::Ended { why })
    }
}

/// Our side of a browser's call. Dropping it hangs up.
pub struct WebLeg {
    peer: Option<Arc<dyn PeerConnection>>,
    /// What we send by, once that is settled: it knows how its transport is.
    sender: Option<Arc<dyn RtpSender>>,
    state: watch::Receiver<PeerState>,
    presence: Presence,
    looks: Interval,
}

impl WebLeg {
    /// Watches a peer that has until then to connect.
    pub(super) fn new(
        peer: Arc<dyn PeerConnection>,
        state: watch::Receiver<PeerState>,
        until: Instant,
    ) -> Self {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let presence = Presence::Connecting { until };
        Self { peer: Some(peer), sender: None, state, presence, looks }
    }

    /// Takes note of what we send by.
    pub(super) fn sends_by(&mut self, sender: Arc<dyn RtpSender>) {
        self.sender = Some(sender);
    }

    /// The next event; `None` once the call is over and that was told. Safe to cancel.
    pub async fn next_event(&mut self) -> Option<WebLegEvent> {
        while self.presence != Presence::Over {
            let state = *self.state.borrow_and_update();
            if let Some(event) = self.presence.handle(Instant::now(), state) {
                return Some(event);
            }
            tokio::select! {
                changed = self.state.changed() => {
                    if changed.is_err() {
                        return self.presence.end(WebLegEnd::Lost);
                    }
                }
                () = at(self.presence.poll_timeout()) => {
                    if let Some(event) = self.presence.handle_timeout(Instant::now()) {
                        return Some(event);
                    }
                }
                _ = self.looks.tick() => {
                    if self.is_closed_there().await
                        && let Some(event) = self.presence.handle_close()
                    {
                        return Some(event);
                    }
                }
            }
        }
        None
    }

    /// Whether the other side has said goodbye in DTLS, as browsers do when a page closes its connection or
    /// is closed itself.
    async fn is_closed_there(&self) -> bool {
        let Some(sender) = &self.sender else { return false };
        match sender.transport().await {
            Ok(Some(dtls)) => matches!(dtls.state().await, Ok(RTCDtlsTransportState::Closed)),
            Ok(None) | Err(_) => false,
        }
    }

    /// Hangs up: tells the browser, and gives back what the peer has taken of the machine. Does nothing on a
    /// leg that is over.
    pub async fn hang_up(&mut self) {
        self.presence = Presence::Over;
        if let Some(peer) = self.peer.take() {
            close(peer).await;
        }
    }
}

impl Drop for WebLeg {
    fn drop(&mut self) {
        // A peer that is merely dropped goes on by itself for ever.
        if let (Some(peer), Ok(runtime)) = (self.peer.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(close(peer));
        }
    }
}

async fn close(peer: Arc<dyn PeerConnection>) {
    match timeout(CLOSING_LIMIT, peer.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a peer was not closed in order"),
        Err(_) => tracing::warn!("a peer was not closed in time"),
    }
}

/// Waits for that moment; for ever if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_lost_for_a_while_may_come_back_and_who_is_not_is_gone() {
        use PeerState::{Closed, Connected, Connecting, Disconnected, Failed};
        let ended = |why| Some(WebLegEvent::Ended { why });
        let lost = ended(WebLegEnd::Lost);
        let never = ended(WebLegEnd::NeverConnected);
        type Case<'a> = (&'a [(u64, PeerState)], Option<WebLegEvent>, u64);
        // What is seen at which second; what comes of it in the end, and when.
        let cases: [Case<'_>; 9] = [
            (&[(0, Connecting)], never, 15),
            (&[(1, Connecting), (14, Connected), (600, Connected)], None, 1000),
            (&[(1, Disconnected), (2, Connected)], None, 1000),
            (&[(3, Failed)], never, 3),
            (&[(1, Connected), (9, Disconnected), (14, Connected)], None, 1000),
            (&[(1, Connected), (9, Disconnected), (10, Disconnected)], lost, 15),
            (&[(1, Connected), (9, Disconnected), (10, Failed)], lost, 10),
            (&[(1, Connected), (9, Closed)], lost, 9),
            (&[(1, Connected), (2, Failed), (3, Connected)], lost, 2),
        ];
        for (seen, expected, at_s) in cases {
            let start = Instant::now();
            let mut presence = Presence::Connecting { until: start + Duration::from_secs(15) };
            let mut end = None;
            for second in 0..=1000 {
                let now = start + Duration::from_secs(second);
                let told = presence.handle_timeout(now).or_else(|| {
                    let &(_, state) = seen.iter().find(|(at, _)| *at == second)?;
                    presence.handle(now, state)
                });
                if let Some(event @ WebLegEvent::Ended { .. }) = told {
                    assert_eq!(end, None, "it ends once: {seen:?}");
                    end = Some((event, second));
                    assert_eq!(presence.poll_timeout(), None);
                }
            }
            assert_eq!(end.map(|(event, _)| event), expected, "{seen:?}");
            assert!(end.is_none_or(|(_, second)| second == at_s), "{seen:?}: {end:?}");
        }
    }

    #[test]
    fn a_browser_that_was_there_hangs_up_and_nobody_else() {
        let now = Instant::now();
        let ended = Some(WebLegEvent::Ended { why: WebLegEnd::Remote });
        for (mut presence, expected) in [
            (Presence::Connecting { until: now }, None),
            (Presence::Connected, ended),
            (Presence::Lost { until: now }, ended),
            (Presence::Over, None),
        ] {
            assert_eq!(presence.handle_close(), expected);
            assert_eq!(presence.handle_close(), None);
        }
    }
}
