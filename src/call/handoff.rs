//! Builds the hand-off document: the conversation's facts, with the call's ids, times and words.

use std::time::Instant;

use crate::acd::handoff::{Handoff, HandoffLine, HandoffSignals, SCHEMA};
use crate::conversation::HandoffRequest;

use super::Call;

impl Call {
    pub(super) fn build_handoff(&self, now: Instant, request: HandoffRequest) -> Handoff {
        let unix_ms = self.facts.answered_unix_ms + self.elapsed_ms(now) as i64;
        let when = jiff::Timestamp::from_millisecond(unix_ms)
            .map_or_else(|_| String::new(), |at| at.to_string());
        let actions = request
            .actions
            .into_iter()
            .map(|(run, mut action)| {
                action.at_ms = self.action_times.get(&run).copied().unwrap_or(0);
                action
            })
            .collect();
        let transcript = self
            .lines
            .iter()
            .map(|line| HandoffLine {
                at_ms: line.at_ms,
                speaker: line.speaker.as_str().to_owned(),
                text: line.text.expose().clone(),
            })
            .collect();
        Handoff {
            schema: SCHEMA.to_owned(),
            call_id: self.facts.call.to_string(),
            when,
            caller: self.facts.caller.expose().clone(),
            called: self.facts.called.expose().clone(),
            channel: self.facts.channel.to_owned(),
            language: request.language,
            reason: request.reason,
            intent: request.intent,
            slots: request.slots,
            verification: request.verification,
            crm: request.crm,
            actions,
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
            generation: self.generation_hash.clone(),
            promise: request.promise.as_str().to_owned(),
            reference: None,
        }
    }
}
