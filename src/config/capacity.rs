//! `[capacity]`: how busy the machine may get before less is done for callers.

use crate::base::Effort;

/// `[capacity]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityConfig {
    /// What 95 of 100 answers are not to exceed. If they do, and the machine is busy, less is done.
    pub latency_p95_max_ms: u64,
    /// Callers that are talked with at once.
    pub calls_conversing_max: CallsConversing,
    /// No less than this is done for callers; after that, new calls are refused.
    pub least_effort: Effort,
}

/// How many callers are talked with at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallsConversing {
    /// As many as turn out to go well.
    Auto,
    /// No more than so many.
    AtMost(usize),
}
