//! Carries out what the conversation decides.

use std::time::Instant;

use crate::conversation::{ConversationInput, DialogAct};

use super::{Call, CallOutput, Taken, Timer};

impl Call {
    /// How what is heard now is taken; whether it fails is not known yet.
    pub(super) fn taken(&self, out_of_scope: Option<f32>) -> Taken {
        Taken { expected: self.expectation.expected.as_str(), out_of_scope, failed: false }
    }

    /// Hands over what the caller said or keyed, whose line waits at this place of the outputs:
    /// only the conversation can tell whether anything could be made of it.
    pub(super) fn converse_about(&mut self, now: Instant, line: usize, input: ConversationInput) {
        let failed_before = self.conversation.signals().failed_turns;
        self.converse(now, input);
        let failed = self.conversation.signals().failed_turns > failed_before;
        if let Some(CallOutput::Line(line)) = self.outputs.get_mut(line)
            && let Some(taken) = &mut line.taken
        {
            taken.failed = failed;
        }
    }

    /// Hands an input to the conversation and does what it says.
    pub(super) fn converse(&mut self, now: Instant, input: ConversationInput) {
        self.taken_turn = None;
        let acts = self.conversation.handle(input);
        let mut asked = None;
        for act in acts {
            match act {
                DialogAct::Say(phrase) => {
                    if let Some(clock) = &mut self.clock
                        && clock.understood.is_some()
                    {
                        clock.acted.get_or_insert(now);
                    }
                    asked = Some(self.enqueue_speech(now, phrase));
                }
                DialogAct::Listen(expectation) => {
                    self.utterance_secret |= expectation.secret && self.endpointer.is_speaking();
                    self.expectation = expectation;
                    self.keys.clear();
                    // The last sentence before we listen is the question.
                    self.question = asked.take();
                    self.asked_at = self.question.is_none().then_some(now);
                    self.apply_patience();
                    self.arm_no_input(now);
                }
                DialogAct::Record => self.outputs.push_back(CallOutput::Record),
                DialogAct::RunAction { run, action, inputs } => {
                    self.action_times.insert(run, self.elapsed_ms(now));
                    self.running = Some(run);
                    self.timers.cancel(Timer::NoInput);
                    self.timers.set(Timer::Acting, now + Self::acting_limit());
                    let action = action.as_str().to_owned();
                    self.outputs.push_back(CallOutput::RunAction { run, action, inputs });
                }
                DialogAct::HandOff(request) => {
                    self.timers.cancel(Timer::NoInput);
                    self.timers.set(Timer::Storing, now + Self::storing_limit());
                    let handoff = self.build_handoff(now, *request);
                    self.outputs.push_back(CallOutput::StoreHandoff(Box::new(handoff)));
                }
                DialogAct::Transfer { queue, announcement } => {
                    self.timers.cancel(Timer::NoInput);
                    self.put_through(now, queue.as_str().to_owned(), announcement);
                }
                DialogAct::Enqueue { queue, announcement } => {
                    self.timers.cancel(Timer::NoInput);
                    self.put_in_line(now, queue.as_str().to_owned(), announcement);
                }
                DialogAct::UpdateHandoff(request) => {
                    let handoff = self.build_handoff(now, *request);
                    self.outputs.push_back(CallOutput::UpdateHandoff(Box::new(handoff)));
                }
                DialogAct::LeaveQueue { why } => self.leave_queue(now, why),
                DialogAct::ReturnToAgent => self.give_back(now),
                DialogAct::HangUp { reason } => {
                    self.timers.cancel(Timer::NoInput);
                    if self.playout.is_empty() {
                        self.finish(reason);
                    } else {
                        self.hang_up_after_speech = Some(reason);
                    }
                }
            }
        }
    }
}
