//! Builds the hand-off document: the conversation's facts, with the call's ids, times and words.

use std::time::Instant;

use crate::acd::handoff::{Handoff, HandoffLine, HandoffSignals, SCHEMA};
use crate::conversation::HandoffRequest;

use super::{Call, CallFacts};

impl Call {
    pub(super) fn build_handoff(&self, now: Instant, mut request: HandoffRequest) -> Handoff {
        for (run, action) in &mut request.actions {
            action.at_ms = self.action_times.get(run).copied().unwrap_or(0);
        }
        let transcript = self
            .lines
            .iter()
            .map(|line| HandoffLine {
                at_ms: line.at_ms,
                speaker: line.speaker.as_str().to_owned(),
                text: line.text.expose().clone(),
            })
            .collect();
        let at_ms = self.elapsed_ms(now);
        handoff_document(&self.facts, &self.generation_hash, at_ms, transcript, request)
    }
}

/// The document of a hand-off that was decided so long after the answer of this call. When actions
/// were run is as the request says.
pub fn handoff_document(
    facts: &CallFacts,
    generation: &str,
    at_ms: u64,
    transcript: Vec<HandoffLine>,
    request: HandoffRequest,
) -> Handoff {
    let when = jiff::Timestamp::from_millisecond(facts.answered_unix_ms + at_ms as i64)
        .map_or_else(|_| String::new(), |at| at.to_string());
    Handoff {
        schema: SCHEMA.to_owned(),
        call_id: facts.call.to_string(),
        when,
        caller: facts.caller.expose().clone(),
        called: facts.called.expose().clone(),
        channel: facts.channel.to_owned(),
        language: request.language,
        reason: request.reason,
        intent: request.intent,
        slots: request.slots,
        verification: request.verification,
        crm: request.crm,
        actions: request.actions.into_iter().map(|(_, action)| action).collect(),
        transcript,
        signals: HandoffSignals {
            repeats: request.signals.repeats,
            interruptions: request.signals.interruptions,
            silences: request.signals.silences,
            failed_turns: request.signals.failed_turns,
            frustrations: request.signals.frustrations,
            abuses: request.signals.abuses,
        },
        queue: request.queue.as_str().to_owned(),
        skills: request.skills,
        priority: request.priority,
        summary: request.summary,
        generation: generation.to_owned(),
        promise: request.promise.as_str().to_owned(),
        reference: None,
    }
}
