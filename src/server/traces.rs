//! Brings the SIP messages of calls, which the endpoint keeps in memory, to their records.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::base::CallId;
use crate::net::sip::{RefusedInvite, SipEndpoint, SipTrace, TraceDirection, TracedMessage};
use crate::store::{RefusalRecord, Store, TraceMessage, TraceRecord, TraceWay};

/// How long the answer to a BYE is waited for after the call; who does not answer by then is in
/// the trace as one who did not.
const END_LIMIT: Duration = Duration::from_secs(3);

/// How often the refused calls are written: a flood of them is a flood for the disk no more.
const REFUSED_EVERY: Duration = Duration::from_secs(2);

/// The way of one call's messages to its record.
#[derive(Clone)]
pub(super) struct CallTrace {
    pub sip: SipEndpoint,
    pub store: Store,
    pub call: CallId,
    /// Of the leg that the call began with.
    pub sip_call_id: String,
}

impl CallTrace {
    /// Another leg belongs to the call from now on.
    pub fn joined_by(&self, sip_call_id: &str) {
        self.sip.join_trace(sip_call_id, &self.sip_call_id);
    }

    /// Writes them, once the call and its record have ended.
    pub async fn keep(self) {
        let Some(trace) = self.sip.take_trace(&self.sip_call_id, END_LIMIT).await else { return };
        if let Err(error) = self.store.put_trace(self.call, &record(trace)).await {
            tracing::error!(%error, "the call's SIP messages were not recorded");
        }
    }
}

/// Writes the calls that were refused, now and then, until `stop` is cancelled, and then the rest.
pub(super) async fn keep_refused(sip: SipEndpoint, store: Store, stop: CancellationToken) {
    let mut every = tokio::time::interval(REFUSED_EVERY);
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            _ = every.tick() => false,
        };
        let refused: Vec<RefusalRecord> = sip.take_refused().into_iter().map(refusal).collect();
        if !refused.is_empty()
            && let Err(error) = store.put_refusals(&refused).await
        {
            tracing::warn!(%error, calls = refused.len(), "refused calls were not recorded");
        }
        if is_last {
            return;
        }
    }
}

fn time(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or_default()
}

fn record(trace: SipTrace) -> TraceRecord {
    TraceRecord {
        began_at: time(trace.began),
        messages: trace.messages.into_iter().map(message).collect(),
        left_out: trace.left_out,
        gap_at: trace.gap_at,
    }
}

fn message(message: TracedMessage) -> TraceMessage {
    TraceMessage {
        at_ms: message.at.as_millis() as u64,
        way: match message.direction {
            TraceDirection::Received => TraceWay::Received,
            TraceDirection::Sent => TraceWay::Sent,
        },
        transport: message.transport.name().to_owned(),
        peer: message.peer.map_or_else(String::new, |peer| peer.to_string()),
        label: message.label,
        status: message.status,
        cseq: message.cseq,
        reason: message.reason,
        has_sdp: message.has_sdp,
        text: message.text,
    }
}

fn refusal(refused: RefusedInvite) -> RefusalRecord {
    RefusalRecord {
        source: format!("{} {}", refused.transport, refused.source),
        status: refused.status,
        reason: refused.reason,
        times: refused.times,
        trace: record(refused.trace),
    }
}
