//! A call to somebody who may take a caller over: placed, answered, and taken with a key if that is asked
//! for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::base::Pii;
use crate::conversation::TransferOutcome;
use crate::net::media::MediaPort;
use crate::net::media_session::MediaSession;
use crate::net::sdp::{Direction, LocalMedia, Security, accept_answer_secured, offer_secured};
use crate::net::sip::{ExtraHeaders, OutgoingCall, OutgoingEvent, OutgoingRequest, SipError};

use super::super::admission::TrunkLine;
use super::super::agent_leg::AgentLeg;
use super::{NotReached, Plan, Shared};

/// How long the name of a host may take to be found.
const LOOKUP_LIMIT: Duration = Duration::from_secs(2);

/// The port that is asked for a way to a host; nothing is sent to it.
const PROBE_PORT: u16 = 5060;

/// A call that is to be placed.
pub(super) struct Placing {
    pub(super) shared: Arc<Shared>,
    pub(super) plan: Arc<Plan>,
    pub(super) headers: Result<ExtraHeaders, SipError>,
    pub(super) announcement: Pii<String>,
    /// Where media is bound if the way to the other side is not known.
    pub(super) near: IpAddr,
}

/// A place among the calls that we may place, and one among those of their trunk.
pub(in crate::server) struct PlacedLine {
    _place: OwnedSemaphorePermit,
    _of_trunk: Option<TrunkLine>,
}

impl PlacedLine {
    /// Where nobody counts.
    #[cfg(test)]
    pub fn of_nobody() -> Self {
        let place = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned();
        Self { _place: place.expect("there is one"), _of_trunk: None }
    }

    fn book(shared: &Shared, plan: &Plan) -> Result<Self, NotReached> {
        let busy = |why: &str| NotReached::new(TransferOutcome::Busy, why);
        let Ok(place) = Arc::clone(&shared.lines).try_acquire_owned() else {
            return Err(busy("transfer_rules.calls_max: as many calls are placed as may be"));
        };
        let trunk = plan.config.trunk.as_deref();
        let of_trunk = trunk.map(|trunk| shared.admission.place(trunk)).transpose();
        let of_trunk = of_trunk.map_err(|refusal| busy(&refusal.reason()))?;
        Ok(Self { _place: place, _of_trunk: of_trunk })
    }
}

/// What a call was offered with.
struct Offered {
    call: OutgoingCall,
    port: MediaPort,
    local: LocalMedia,
    sdp: String,
    security: Security,
}

impl Placing {
    /// Calls, waits for the answer, and has the call taken if that is asked for.
    pub(super) async fn reach(self) -> Result<AgentLeg, NotReached> {
        let line = PlacedLine::book(&self.shared, &self.plan)?;
        let Self { shared, plan, headers, announcement, near } = self;
        let headers = headers.map_err(|error| NotReached::failed(&error.to_string()))?;
        let mut offered = offer(&shared, &plan, headers, near).await?;
        let ring = Duration::from_secs(plan.config.ring_s);
        let mut rings = false;
        let answer = match timeout(ring, answer_to(&mut offered.call, &mut rings)).await {
            Ok(answer) => answer?,
            Err(_) => {
                offered.call.cancel().await;
                return Err(match rings {
                    true => NotReached::new(TransferOutcome::NoAnswer, "nobody answered in time"),
                    false => NotReached::failed("it did not even ring in time"),
                });
            }
        };
        let mut leg = answered(offered, &answer, shared.no_media_timeout, line).await?;
        leg.await_keys().await?;
        tracing::info!("the other side has answered");
        if plan.config.screening {
            leg.screen(&shared.voice, &announcement).await?;
        }
        Ok(leg)
    }
}

async fn offer(
    shared: &Shared,
    plan: &Plan,
    headers: ExtraHeaders,
    near: IpAddr,
) -> Result<Offered, NotReached> {
    let failed = |why: String| NotReached::failed(&why);
    let ip = address_toward(plan.config.host()).await.unwrap_or(near);
    let bound = MediaPort::bind(ip, shared.ports.clone()).await;
    let port = bound.map_err(|error| failed(error.to_string()))?;
    let local = LocalMedia {
        ip: shared.advertise_ip.unwrap_or(ip),
        port: port.local_addr().port(),
        session_id: u64::from(rand::random::<u32>()),
        codecs: shared.codecs,
    };
    let mut security = shared.protection.toward(plan.config.is_encrypted());
    let sdp = offer_secured(&local, 1, Direction::SendRecv, &mut security);
    let request = OutgoingRequest {
        target_uri: plan.config.to.clone(),
        from_user: plan.from_user.clone(),
        offer_sdp: sdp.clone(),
        headers,
        credentials: plan.credentials.clone(),
        // What is heard before somebody has answered is nobody's.
        accept_early_media: false,
    };
    let placed = shared.sip.place_call(request).await;
    let call = placed.map_err(|error| failed(error.to_string()))?;
    Ok(Offered { call, port, local, sdp, security })
}

/// The SDP with which the call is answered. Says on the way whether it rings, or is queued.
async fn answer_to(call: &mut OutgoingCall, rings: &mut bool) -> Result<String, NotReached> {
    loop {
        match call.next_event().await {
            Some(OutgoingEvent::Answered { sdp }) => return Ok(sdp),
            Some(OutgoingEvent::Refused { status, .. }) => {
                return Err(NotReached::by_status(status));
            }
            Some(OutgoingEvent::Ended { .. }) | None => {
                return Err(NotReached::failed("the call ended before it was answered"));
            }
            Some(OutgoingEvent::Ringing | OutgoingEvent::Progress { .. }) => *rings = true,
            Some(_) => {}
        }
    }
}

async fn answered(
    offered: Offered,
    answer: &str,
    no_media_timeout: Duration,
    line: PlacedLine,
) -> Result<AgentLeg, NotReached> {
    let Offered { call, port, local, sdp, mut security } = offered;
    let agreed = match accept_answer_secured(&sdp, answer, &mut security) {
        Ok(agreed) => agreed,
        Err(error) => {
            call.hang_up("the SDP answer does not fit").await;
            return Err(NotReached::failed(&error.to_string()));
        }
    };
    let now = Instant::now();
    let seed = u64::from(rand::random::<u32>());
    let media = MediaSession::new(port, Some(&agreed), sdp, seed, now).secured(security, now);
    Ok(AgentLeg::new(call, media, local, no_media_timeout, line))
}

/// Of a name with addresses of both kinds SIP takes the IPv4 one first, and so does its media.
fn preferred(found: &[SocketAddr]) -> Option<SocketAddr> {
    found.iter().find(|to| to.is_ipv4()).or(found.first()).copied()
}

/// The address of this machine that packets to that host leave from: media is bound there.
async fn address_toward(host: &str) -> Option<IpAddr> {
    let found = timeout(LOOKUP_LIMIT, tokio::net::lookup_host((host, PROBE_PORT))).await;
    let found: Vec<SocketAddr> = found.ok()?.ok()?.collect();
    let to = preferred(&found)?;
    let any = match to {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
    };
    // A datagram socket that is "connected" sends nothing; it only picks a way.
    let probe = tokio::net::UdpSocket::bind(any).await.ok()?;
    probe.connect(to).await.ok()?;
    Some(probe.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn media_is_bound_where_packets_to_the_other_side_leave() {
        let here = address_toward("127.0.0.1").await;
        assert_eq!(here, Some(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn media_goes_over_ipv4_where_signalling_does() {
        let four = SocketAddr::from(([192, 0, 2, 7], 5060));
        let six = SocketAddr::from(([0x2001_u16, 0xdb8, 0, 0, 0, 0, 0, 1], 5060));
        assert_eq!(preferred(&[six, four]), Some(four));
        assert_eq!(preferred(&[six]), Some(six));
        assert_eq!(preferred(&[]), None);
    }
}
