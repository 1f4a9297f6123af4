//! A caller who is put through to people: tried once the hand-off is stored, and told as it went.
//!
//! Before, nothing is said that would be untrue if it failed; after a failure the caller is told so,
//! and that they will be called back: the hand-off is stored.

use crate::acd::handoff::Promise;
use crate::base::Pii;
use crate::nlu::Understanding;
use crate::prompts::{Pattern, QueueName};

use super::speaker::Values;
use super::task::{Onward, Stage};
use super::waiting::WAITS_MAX;
use super::{Conversation, DialogAct, Expectation, Expected, HandoffRequest, TransferOutcome};

/// How often it is tried in one call. A caller may ask again; beyond, they are called back, as is one
/// for whom we ask because nothing else works.
const TRANSFERS_MAX: u32 = 2;

/// Where a caller with this hand-off goes, unless they are called back.
pub(super) fn onward_of(request: &HandoffRequest) -> Option<Onward> {
    (request.promise != Promise::Callback).then(|| Onward {
        queue: request.queue.clone(),
        promise: request.promise,
        reason: request.reason,
        summary: Pii::new(request.summary.clone()),
    })
}

impl Conversation {
    /// What a caller is promised who is handed over to this queue now.
    pub(super) fn promise_for(&self, queue: Option<&QueueName>) -> Promise {
        if queue.is_some_and(|queue| self.rules.staffed.contains(queue)) {
            return if self.waits < WAITS_MAX { Promise::Queue } else { Promise::Callback };
        }
        // Whoever has asked for more stays with us: people call back about this.
        let is_tried = !self.goes_on
            && self.transfers < TRANSFERS_MAX
            && queue.is_some_and(|queue| self.rules.transfers.contains(queue));
        if is_tried { Promise::Transfer } else { Promise::Callback }
    }

    /// The hand-off is stored: the caller goes where its promise says.
    pub(super) fn go_onward(&mut self, onward: Onward) {
        match onward.promise {
            Promise::Queue => self.enqueue(onward),
            Promise::Transfer | Promise::Callback => self.put_through(onward),
        }
    }

    fn put_through(&mut self, onward: Onward) {
        let Onward { queue, summary, .. } = onward;
        self.transfers += 1;
        let spoken = self.generation.queues.get(&queue).map(|queue| queue.spoken.clone());
        let values: Vec<_> = spoken.map(|spoken| ("queue", spoken)).into_iter().collect();
        self.say_first_of(&[Pattern::PuttingThrough, Pattern::OneMoment], &values);
        let announcement = self.announcement(summary);
        self.stage = Stage::PuttingThrough;
        // Nothing is asked any more, and no secret.
        self.listen(Expectation::of(Expected::Request));
        self.acts.push(DialogAct::Transfer { queue, announcement });
    }

    /// Says the first of these patterns that the profile has words for.
    pub(super) fn say_first_of(&mut self, patterns: &[Pattern], values: &[(&str, String)]) {
        if let Some(pattern) = patterns.iter().find(|pattern| self.has_words_for(**pattern)) {
            self.say_pattern(*pattern, values);
        }
    }

    /// What is said to whoever answers.
    pub(super) fn announcement(&self, summary: Pii<String>) -> Pii<String> {
        let words = self.generation.patterns.says.get(&Pattern::Screening);
        let values = Values::from([("summary".to_owned(), summary.expose().clone())]);
        let said = words.and_then(|variants| {
            variants.iter().find_map(|template| self.render(template, &values).ok())
        });
        match said {
            Some(said) => Pii::new(said),
            None => Pii::new(format!("{} To take this call, press 1.", summary.expose())),
        }
    }

    /// Nothing that is said now is acted on, but an emergency is not forgotten.
    pub(super) fn on_heard_while_ringing(
        &mut self,
        text: Pii<String>,
        understanding: &Understanding,
    ) {
        if let Some(score) = self.emergency_in(text.expose(), understanding) {
            self.emergency = Some((score, text));
        }
    }

    pub(super) fn on_transfer_ended(&mut self, outcome: TransferOutcome) {
        if self.is_with_agent() {
            return self.on_agent_done(outcome);
        }
        if !matches!(self.stage, Stage::PuttingThrough) {
            self.out_of_place += 1;
            return;
        }
        let pattern = match outcome {
            TransferOutcome::Succeeded => return self.hang_up("put through"),
            TransferOutcome::Busy | TransferOutcome::NoAnswer => Pattern::NobodyFree,
            TransferOutcome::Refused | TransferOutcome::Failed => Pattern::NotPutThrough,
        };
        // All that was open is with people now: it must not be done a second time.
        self.tasks.clear();
        self.next_requests.clear();
        self.partial = None;
        self.progress();
        self.unsure = 0;
        self.out_of_scope_turns = 0;
        self.say_first_of(&[pattern, Pattern::HandOffCallback], &[]);
        if self.take_up_emergency() {
            return;
        }
        self.after_task(false);
    }
}
