//! What the person who takes over is told: facts of this call, and nothing else.

use std::collections::BTreeMap;

use crate::acd::handoff::{
    FactProvenance, HandoffAction, HandoffIntent, HandoffReason, HandoffSlot, HandoffVerification,
};
use crate::nlu::Provenance;
use crate::nlu::spoken::mask_secrets;
use crate::prompts::{Intent, Queue, QueueName};

use super::task::{VerificationOutcome, VerificationState};
use super::{Conversation, HandoffRequest, Signals};

/// Priority of a queue that does not say.
const DEFAULT_PRIORITY: u8 = 5;

impl Conversation {
    pub(super) fn handoff_request(
        &self,
        reason: HandoffReason,
        queue: Option<QueueName>,
    ) -> HandoffRequest {
        let found = queue.as_ref().and_then(|name| self.generation.queues.get(name));
        let verification = self.handoff_verification();
        let standing = self.standing();
        let mut skills = found.map(names_of_skills).unwrap_or_default();
        let more = self.rules.record.skills(&standing);
        skills.extend(more.into_iter().filter(|skill| !skills.contains(skill)).collect::<Vec<_>>());
        let of_queue = found.map_or(DEFAULT_PRIORITY, |queue| queue.priority);
        HandoffRequest {
            reason,
            promise: self.promise_for(queue.as_ref()),
            queue: queue.clone().unwrap_or_else(|| QueueName::new("anyone")),
            skills,
            priority: self.rules.record.priority(&standing, of_queue),
            intent: self.last_intent.as_ref().map(|(name, confidence, words)| HandoffIntent {
                name: name.as_str().to_owned(),
                confidence: *confidence,
                words: mask_secrets(words.expose(), &self.secrets),
            }),
            slots: self.handoff_slots(),
            summary: self.summary(reason, verification.as_ref()),
            verification,
            crm: self.handoff_crm(),
            actions: self.handoff_actions(),
            signals: self.signals,
            language: standing.language.unwrap_or_else(|| self.generation.house.language.clone()),
        }
    }

    fn handoff_slots(&self) -> Vec<HandoffSlot> {
        self.known_slots()
            .into_iter()
            .map(|(slot, value)| HandoffSlot {
                name: slot.as_str().to_owned(),
                value: value.value.expose().clone(),
                provenance: match value.provenance {
                    Provenance::Said => FactProvenance::Said,
                    Provenance::Keyed => FactProvenance::Keyed,
                    Provenance::Crm => FactProvenance::Crm,
                    Provenance::Verified => FactProvenance::Verified,
                },
                confidence: value.confidence,
            })
            .collect()
    }

    fn handoff_verification(&self) -> Option<HandoffVerification> {
        // One that failed is what the person must know of, whatever else was checked.
        let failed = |state: &VerificationState| state.outcome == VerificationOutcome::Failed;
        let (name, state) = self.verifications.iter().max_by_key(|(_, state)| failed(state))?;
        let result = match state.outcome {
            VerificationOutcome::Passed => "passed",
            VerificationOutcome::Failed => "failed",
            VerificationOutcome::Open => "not_completed",
        };
        Some(HandoffVerification {
            method: name.as_str().to_owned(),
            result: result.to_owned(),
            tries: state.tries,
        })
    }

    fn handoff_crm(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        if self.caller.is_empty() {
            return None;
        }
        let fields = self.caller.iter();
        Some(fields.map(|(k, v)| (k.clone(), v.expose().clone().into())).collect())
    }

    fn handoff_actions(&self) -> Vec<(crate::base::ActionRunId, HandoffAction)> {
        let line = |report: &super::ActionReport| HandoffAction {
            action: report.action.as_str().to_owned(),
            at_ms: 0,
            result: report.result.clone(),
        };
        self.actions.iter().map(|report| (report.run, line(report))).collect()
    }

    fn asked_not_by_phone(&self) -> Option<String> {
        let (name, _, _) = self.last_intent.as_ref()?;
        let entry = self.generation.not_by_phone(name)?;
        Some(format!("Asked about {}, which is not done by phone.", entry.title))
    }

    /// What else the caller asked for and has not got.
    fn still_open(&self) -> Option<String> {
        let told = self.last_intent.as_ref().map(|(name, _, _)| name);
        let tasks = self.tasks.iter().map(|task| (&task.intent, task.is_held_up));
        let waiting = self.next_requests.iter().map(|part| (&part.score.intent, false));
        let (mut open, mut going_on): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for (name, is_held_up) in tasks.chain(waiting).filter(|(name, _)| Some(*name) != told) {
            let title = self.title_of(name);
            let titles = if self.goes_on && !is_held_up { &mut going_on } else { &mut open };
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
        let sentence = |titles: Vec<String>, what: &str| {
            let titles = titles.join(", ");
            (!titles.is_empty()).then(|| format!("Also asked about {titles}, {what}."))
        };
        // Whoever calls back is not to do once more what is done in the rest of the call.
        let sentences = [
            sentence(open, "which is not done yet"),
            sentence(going_on, "which the call goes on with"),
        ];
        let sentences = sentences.into_iter().flatten().collect::<Vec<_>>().join(" ");
        (!sentences.is_empty()).then_some(sentences)
    }

    fn done_while_waiting(&self) -> Option<String> {
        let done = self.wait.as_ref().filter(|wait| !wait.done.is_empty())?;
        Some(format!("Done while they waited: {}.", done.done.join(", ")))
    }

    /// What is going on with the caller already.
    fn open_ticket(&self) -> Option<String> {
        if let Some(subject) = &self.about_ticket {
            return Some(format!("They call about their open ticket: \"{}\".", subject.expose()));
        }
        let standing = self.standing();
        let subject = standing.ticket_subject.as_ref().map(|subject| subject.expose().as_str());
        match subject {
            Some(subject) => Some(format!("Has an open ticket: \"{subject}\".")),
            None => standing.has_open_ticket.then(|| "Has an open ticket.".to_owned()),
        }
    }

    fn summary(&self, reason: HandoffReason, check: Option<&HandoffVerification>) -> String {
        let mut sentences = Vec::new();
        let who = self.caller.get("customer_name").map(|name| name.expose().as_str());
        let wanted =
            self.last_intent.as_ref().and_then(|(name, _, _)| self.generation.intent(name));
        let question = self
            .last_intent
            .as_ref()
            .and_then(|(name, _, _)| self.generation.faq_entry(name))
            .map(|entry| format!("Asked: {}", entry.question))
            .or_else(|| self.asked_not_by_phone());
        let about = self.about_ticket.as_ref().filter(|_| wanted.is_none());
        sentences.push(match about {
            Some(subject) => {
                let who = who.unwrap_or("The caller");
                format!("{who} called about their open ticket: \"{}\".", subject.expose())
            }
            None => first_sentence(who, wanted, question.as_deref()),
        });
        sentences.extend(self.open_ticket().filter(|_| about.is_none()));
        if let Some(template) = wanted.and_then(|intent| intent.tell_the_agent.as_ref())
            && let Ok(line) = self.render(template, &BTreeMap::new())
        {
            sentences.push(line);
        }
        sentences.extend(question);
        sentences.extend(self.still_open());
        sentences.extend(self.done_while_waiting());
        if let Some(check) = check {
            let result = check.result.replace('_', " ");
            let locked = if check.result == "failed" {
                format!(" after {}, and locked for this call", tries(check.tries))
            } else {
                String::new()
            };
            sentences.push(format!("Identity check {}: {result}{locked}.", check.method));
        }
        for report in &self.actions {
            if report.result != "done" {
                sentences.push(format!("{}: {}.", report.action, report.result));
            }
        }
        sentences.extend(mood_sentence(self.signals).map(str::to_owned));
        sentences.push(reason_sentence(reason).to_owned());
        sentences.join(" ")
    }
}

/// Who called about what.
fn first_sentence(who: Option<&str>, wanted: Option<&Intent>, question: Option<&str>) -> String {
    match (who, wanted) {
        (who, None) if question.is_some() => format!("{} called.", who.unwrap_or("The caller")),
        (Some(who), Some(intent)) => format!("{who} called about {}.", intent.title),
        (Some(who), None) => format!("{who} called."),
        (None, Some(intent)) => format!("The caller asked about {}.", intent.title),
        (None, None) => "The caller has not said what they want.".to_owned(),
    }
}

fn names_of_skills(queue: &Queue) -> Vec<String> {
    queue.skills.iter().map(|need| need.skill.clone()).collect()
}

fn tries(count: u32) -> String {
    if count == 1 { "1 try".to_owned() } else { format!("{count} tries") }
}

fn mood_sentence(signals: Signals) -> Option<&'static str> {
    match signals {
        Signals { abuses: 1.., .. } => Some("They were abusive."),
        Signals { frustrations: 1.., .. } => Some("They were out of patience."),
        _ => None,
    }
}

fn reason_sentence(reason: HandoffReason) -> &'static str {
    match reason {
        HandoffReason::Asked => "They asked for a person.",
        HandoffReason::Policy => "This is done by a person.",
        HandoffReason::LowConfidence => "The front door was not sure what they meant.",
        HandoffReason::RepeatedFailure => "It did not work out after several tries.",
        HandoffReason::Outage => "A system was not available.",
        HandoffReason::OutOfScope => "It is not something the front door does.",
    }
}
