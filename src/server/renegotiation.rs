//! What a caller's telephone changes about a session under way: hold and resume, other codecs or addresses, and
//! another leg that takes over.

use std::time::Instant;

use crate::base::{Termination, TerminationResult};
use crate::call::CallInput;
use crate::net::sdp::Direction;
use crate::net::sip::{IncomingCall, LegEvent, ReofferReply};

use super::answering::{negotiate, sip_status};
use super::call_task::{CallTask, KeyPaths};
use super::leg::Leg;

impl CallTask {
    /// Goes on as the other side wants. A browser wants nothing of the kind.
    pub(super) async fn on_session_event(&mut self, now: Instant, event: LegEvent) {
        match event {
            LegEvent::Reoffer { offer_sdp, reply } => self.on_reoffer(now, &offer_sdp, reply),
            LegEvent::OfferWanted { reply } => {
                if let Leg::Sip(side) = &mut self.leg {
                    side.sdp_version += 1;
                    reply.accept(self.media.offer_again(&side.local, side.sdp_version));
                }
            }
            LegEvent::LateAnswer { sdp } => match self.media.accept_late_answer(&sdp, now) {
                Ok(negotiated) => self.follow_hold(now, negotiated.direction),
                Err(error) => {
                    tracing::warn!(%error, "an answer does not fit our offer");
                    let reason = "the caller's SDP answer did not fit";
                    self.end(Termination::new(TerminationResult::CallerError, reason)).await;
                }
            },
            LegEvent::Replaced { call } => self.take_over(*call).await,
            LegEvent::Confirmed | LegEvent::Key { .. } | LegEvent::Ended { .. } => {}
        }
    }

    fn on_reoffer(&mut self, now: Instant, offer_sdp: &str, reply: ReofferReply) {
        let Leg::Sip(side) = &mut self.leg else { return };
        side.sdp_version += 1;
        match self.media.answer_again(offer_sdp, &side.local, side.sdp_version, now) {
            Ok((sdp, negotiated)) => {
                reply.accept(sdp);
                self.follow_hold(now, negotiated.direction);
            }
            Err(error) => {
                tracing::warn!(%error, "re-INVITE refused");
                reply.refuse(sip_status(&error));
            }
        }
    }

    /// Goes on with the conversation on another leg, whose INVITE names the one we have (RFC 3891):
    /// somebody's telephone system has moved the caller. Media stays on its port, and follows to
    /// where the new leg's description says.
    async fn take_over(&mut self, call: IncomingCall) {
        let Leg::Sip(side) = &mut self.leg else { return };
        let version = side.sdp_version + 1;
        let mut security = side.protection.of(&call);
        let (sdp, agreed) = match negotiate(&call, &side.local, version, &mut security) {
            Ok(negotiated) => negotiated,
            Err(error) => {
                tracing::warn!(%error, "a call that would take over was refused");
                _ = call.refuse(sip_status(&error), Some(error.to_string()), None).await;
                return;
            }
        };
        let sip_call_id = call.sip_call_id.clone();
        let leg = match call.answer(sdp.clone()).await {
            Ok(leg) => leg,
            Err(error) => {
                tracing::warn!(%error, "a call that would take over was given up");
                return;
            }
        };
        tracing::info!("taken over by another leg");
        side.trace.joined_by(&sip_call_id);
        side.sdp_version = version;
        let old = std::mem::replace(&mut side.leg, leg);
        self.media.set_our_sdp(sdp);
        self.media.move_to(security);
        // It is another telephone now.
        self.keys = KeyPaths::default();
        old.hang_up("replaced by another call").await;
        // Without an offer in its INVITE, what is agreed comes with the ACK.
        if let Some(agreed) = agreed {
            let now = Instant::now();
            self.media.renegotiate(&agreed, now);
            self.follow_hold(now, agreed.direction);
        }
    }

    /// Tells the call of a hold or of its end. Phones re-INVITE for many other reasons, and a call
    /// that was not on hold has nothing to resume.
    pub(super) fn follow_hold(&mut self, now: Instant, direction: Direction) {
        self.direction = direction;
        match (self.call.is_on_hold(), direction.sends()) {
            (false, false) => self.call.handle(now, CallInput::Hold),
            (true, true) => self.call.handle(now, CallInput::Resume),
            (false, true) | (true, false) => {}
        }
    }
}
