//! Why requests are refused: one rule, one status, one sentence for the engineer who reads the
//! trace. Pure.
//!
//! Each refusal says in a Reason header (RFC 3326) which rule it was; the rules that need no
//! dialog and no transaction are in `gate`, and say it the same way.

use super::address::quoted;
use super::following::FRAGMENT_TYPE;
use super::info::KEY_TYPES;

/// When to come again where there is no room at present, in seconds.
pub(super) const BUSY_RETRY_S: u32 = 5;
/// When to come again while the server stops: another one, or the next, should be up then.
pub(super) const DRAINING_RETRY_S: u32 = 30;
/// The longest pause after which an offer that crossed another may come again (RFC 3261 14.2).
pub(super) const OFFER_RETRY_MAX_S: u32 = 10;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalCause {
    /// It belongs to a call that is not there.
    NoDialog,
    /// The same request came on two ways (RFC 3261 8.2.2.2).
    Merged,
    /// It opens no dialog: From, To or Contact cannot be used.
    NoDialogPossible,
    /// Its CSeq is not above the last one's (RFC 3261 12.2.2).
    OutOfOrder,
    /// The method is none of ours.
    MethodNotAllowed,
    /// More requests of one call wait than are kept.
    DialogQueueFull,
    /// More new calls wait than are kept.
    CallQueueFull,
    /// The server takes no more calls because it stops.
    Draining,
    /// An offer of ours is still unanswered (RFC 3261 14.2, RFC 3311 5.2).
    OfferCrossed,
    /// An earlier offer of theirs is still unanswered.
    OfferPending {
        /// When it may come again, at most [`OFFER_RETRY_MAX_S`].
        retry_after_s: u32,
    },
    /// The other side's offer was not taken by whoever holds the call.
    OfferRefused {
        /// 300 to 699.
        status: u16,
    },
    /// Nobody decided on the offer.
    OfferDropped,
    /// An offer where none may stand: in a PRACK, before there was an answer.
    OfferMisplaced,
    /// The session interval is below what we take (RFC 4028 9).
    SessionTooShort {
        /// What we take.
        min_s: u32,
    },
    /// No provisional response waits for that PRACK (RFC 3262 3).
    NoSuchProvisional,
    /// An INFO with something else than a key.
    InfoNotUnderstood,
    /// A NOTIFY that belongs to no transfer of ours (RFC 6665 4.1.3).
    NoSubscription,
    /// A NOTIFY about a transfer, with something else than a message fragment.
    NotifyNotUnderstood,
    /// A NOTIFY about a transfer, whose fragment has no status.
    BadFragment,
    /// No PRACK came for ours (RFC 3262 3).
    NoPrack,
    /// The caller gave up.
    Cancelled,
    /// The call ended while the request waited.
    CallEnded,
    /// Nobody took the call.
    NobodyAnswered,
    /// A caller asks us to call somebody else.
    TransferByCaller,
    /// The Replaces header does not name one dialog.
    BadReplaces,
    /// The call to be taken over is not there, or not answered by us yet (RFC 3891 3).
    NothingToReplace,
    /// Only an unanswered call was to be taken over, and it is answered.
    ReplacesOnlyEarly,
    /// Somebody of neither the call's address nor its trunk wants to take it over.
    ReplacesForeign,
}

impl RefusalCause {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::NoDialogPossible | Self::BadReplaces | Self::BadFragment => 400,
            Self::TransferByCaller | Self::ReplacesForeign => 403,
            Self::MethodNotAllowed => 405,
            Self::InfoNotUnderstood | Self::NotifyNotUnderstood => 415,
            Self::SessionTooShort { .. } => 422,
            Self::NoDialog
            | Self::NoSuchProvisional
            | Self::NoSubscription
            | Self::NothingToReplace => 481,
            Self::Merged => 482,
            Self::ReplacesOnlyEarly => 486,
            Self::Cancelled | Self::CallEnded => 487,
            Self::OfferRefused { status } => status,
            Self::OfferDropped | Self::OfferMisplaced => 488,
            Self::OfferCrossed => 491,
            Self::OutOfOrder | Self::OfferPending { .. } | Self::NobodyAnswered => 500,
            Self::DialogQueueFull | Self::CallQueueFull | Self::Draining => 503,
            Self::NoPrack => 504,
        }
    }

    /// Which rule it was, in a sentence.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoDialog => "no such call here",
            Self::Merged => "the same request came on another way",
            Self::NoDialogPossible => "From, To or Contact cannot be used for a call",
            Self::OutOfOrder => "CSeq is not above the last one of this call",
            Self::MethodNotAllowed => "the method is not served",
            Self::DialogQueueFull => "too many requests of this call at once",
            Self::CallQueueFull => "too many new calls at once",
            Self::Draining => "the server is stopping",
            Self::OfferCrossed => "an offer of ours is not answered yet",
            Self::OfferPending { .. } => "an earlier offer is not answered yet",
            Self::OfferRefused { .. } => "the offered session is not acceptable",
            Self::OfferDropped => "nobody decided on the offered session",
            Self::OfferMisplaced => "an offer may not stand here",
            Self::SessionTooShort { .. } => "Session-Expires is below session_min_s",
            Self::NoSuchProvisional => "no provisional response waits for this RAck",
            Self::InfoNotUnderstood => "an INFO with something else than a key",
            Self::NoSubscription => "no transfer that we asked for goes with this NOTIFY",
            Self::NotifyNotUnderstood => "a NOTIFY with something else than a message fragment",
            Self::BadFragment => "the NOTIFY's fragment does not begin with a status line",
            Self::NoPrack => "no PRACK came for our provisional response",
            Self::Cancelled => "cancelled",
            Self::CallEnded => "the call ended",
            Self::NobodyAnswered => "nobody took the call",
            Self::TransferByCaller => "callers cannot have us call somebody",
            Self::BadReplaces => "Replaces does not name one call",
            Self::NothingToReplace => "the call named in Replaces is not here or not answered",
            Self::ReplacesOnlyEarly => "the call named in Replaces is answered already",
            Self::ReplacesForeign => {
                "Replaces came from neither the address nor the trunk of the call"
            }
        }
    }

    fn retry_after_s(self) -> Option<u32> {
        match self {
            Self::DialogQueueFull | Self::CallQueueFull => Some(BUSY_RETRY_S),
            Self::Draining => Some(DRAINING_RETRY_S),
            Self::OfferPending { retry_after_s } => Some(retry_after_s),
            _ => None,
        }
    }

    /// The headers that say why.
    pub(super) fn headers(self) -> Vec<(&'static str, String)> {
        let mut headers = explained(self.status(), self.text());
        if let Some(seconds) = self.retry_after_s() {
            headers.push(("Retry-After", seconds.to_string()));
        }
        match self {
            Self::SessionTooShort { min_s } => headers.push(("Min-SE", min_s.to_string())),
            Self::InfoNotUnderstood => headers.push(("Accept", KEY_TYPES.to_owned())),
            Self::NotifyNotUnderstood => headers.push(("Accept", FRAGMENT_TYPE.to_owned())),
            _ => {}
        }
        headers
    }
}

/// A Reason value (RFC 3326 2).
pub(super) fn reason_value(cause: u16, text: &str) -> String {
    format!("SIP;cause={cause};text={}", quoted(text))
}

/// Reason for every refusal, and a Warning where a session was not acceptable (RFC 3261 21.4.26:
/// 304 is "media type not available", named by the pseudonym that 20.43 allows for an agent).
pub(super) fn explained(status: u16, text: &str) -> Vec<(&'static str, String)> {
    let mut headers = vec![("Reason", reason_value(status, text))];
    if matches!(status, 488 | 606) {
        headers.push(("Warning", format!("304 frontdoor {}", quoted(text))));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_status_and_says_which_it_was() {
        use RefusalCause as Cause;
        // (rule, status, other headers than Reason)
        type Case = (Cause, u16, &'static [(&'static str, &'static str)]);
        let cases: [Case; 28] = [
            (Cause::NoDialog, 481, &[]),
            (Cause::Merged, 482, &[]),
            (Cause::NoDialogPossible, 400, &[]),
            (Cause::OutOfOrder, 500, &[]),
            (Cause::MethodNotAllowed, 405, &[]),
            (Cause::DialogQueueFull, 503, &[("Retry-After", "5")]),
            (Cause::CallQueueFull, 503, &[("Retry-After", "5")]),
            (Cause::Draining, 503, &[("Retry-After", "30")]),
            (Cause::OfferCrossed, 491, &[]),
            (Cause::OfferPending { retry_after_s: 7 }, 500, &[("Retry-After", "7")]),
            (Cause::OfferRefused { status: 415 }, 415, &[]),
            (
                Cause::OfferRefused { status: 488 },
                488,
                &[("Warning", "304 frontdoor \"the offered session is not acceptable\"")],
            ),
            (
                Cause::OfferDropped,
                488,
                &[("Warning", "304 frontdoor \"nobody decided on the offered session\"")],
            ),
            (
                Cause::OfferMisplaced,
                488,
                &[("Warning", "304 frontdoor \"an offer may not stand here\"")],
            ),
            (Cause::SessionTooShort { min_s: 90 }, 422, &[("Min-SE", "90")]),
            (Cause::NoSuchProvisional, 481, &[]),
            (Cause::InfoNotUnderstood, 415, &[("Accept", KEY_TYPES)]),
            (Cause::NoSubscription, 481, &[]),
            (Cause::NotifyNotUnderstood, 415, &[("Accept", FRAGMENT_TYPE)]),
            (Cause::BadFragment, 400, &[]),
            (Cause::NoPrack, 504, &[]),
            (Cause::Cancelled, 487, &[]),
            (Cause::CallEnded, 487, &[]),
            (Cause::NobodyAnswered, 500, &[]),
            (Cause::TransferByCaller, 403, &[]),
            (Cause::BadReplaces, 400, &[]),
            (Cause::NothingToReplace, 481, &[]),
            (Cause::ReplacesOnlyEarly, 486, &[]),
        ];
        for (cause, status, others) in cases {
            let headers = cause.headers();
            let reason = format!("SIP;cause={status};text=\"{}\"", cause.text());
            assert_eq!(headers[0], ("Reason", reason), "{cause:?}");
            let rest: Vec<_> = headers[1..].iter().map(|(n, v)| (*n, v.as_str())).collect();
            assert_eq!(rest, others, "{cause:?}");
        }
        assert_eq!(RefusalCause::ReplacesForeign.status(), 403);
    }
}
