//! A call back in place of a wait: offered or asked for, agreed to, noted, and only then promised.

use std::time::Duration;

use crate::acd::LeftQueue;
use crate::prompts::{CallbackRule, Pattern};

use super::place::spoken_number_end;
use super::request::yes_no;
use super::task::Stage;
use super::waiting::Offer;
use super::{Conversation, DialogAct, Expectation, Expected};

impl Conversation {
    pub(super) fn is_callback_due(&self, waited: Duration) -> bool {
        let Some(wait) = &self.wait else { return false };
        let expected = wait.news.and_then(|news| news.wait).map(|wait| wait.from);
        let is_long = |after: Duration| waited >= after || expected.is_some_and(|e| e >= after);
        let rule = self.generation.queues.get(&wait.queue).map(|queue| queue.callback);
        !wait.offered.contains(&Offer::Callback)
            && matches!(rule, Some(CallbackRule::After(after)) if is_long(after))
    }

    /// A caller who waits wants to be called back.
    pub(super) fn on_callback_wanted(&mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        let requests = std::mem::take(&mut self.next_requests);
        self.partial = None;
        self.put_off(tasks, requests);
        if !self.ask_about_callback() {
            self.callback_failed();
        }
    }

    /// Asks whether to call back, if that is done here and there is a number to do it at. Says whether
    /// it did.
    pub(super) fn ask_about_callback(&mut self) -> bool {
        let number = self.rules.callback.as_ref();
        let Some(end) = number.and_then(|number| spoken_number_end(number.expose())) else {
            return false;
        };
        let Some(wait) = &mut self.wait else { return false };
        let rule = self.generation.queues.get(&wait.queue).map(|queue| queue.callback);
        if matches!(rule, None | Some(CallbackRule::Never)) {
            return false;
        }
        wait.offered.push(Offer::Callback);
        if !self.has_words_for(Pattern::OfferCallback) {
            return false;
        }
        self.say_pattern(Pattern::OfferCallback, &[("number_end", end)]);
        self.stage = Stage::OfferCallback;
        self.listen(yes_no());
        true
    }

    pub(super) fn book_callback(&mut self) {
        self.stage = Stage::BookingCallback;
        self.listen(Expectation::of(Expected::Request));
        self.acts.push(DialogAct::LeaveQueue { why: LeftQueue::ForCallback });
    }

    pub(super) fn on_callback_booked(&mut self, booked: bool) {
        let is_expected = matches!(self.stage, Stage::BookingCallback);
        let is_gone = matches!(self.stage, Stage::Over | Stage::WithAgent);
        // That it went well may come late, and is true all the same.
        if self.wait.is_none() || is_gone || !(booked || is_expected) {
            self.out_of_place += 1;
            return;
        }
        if !booked {
            if !self.take_up_emergency() {
                self.callback_failed();
            }
            return;
        }
        let is_free = is_expected || self.is_at_rest();
        self.wait = None;
        self.say_first_of(&[Pattern::CallbackBooked, Pattern::HandOffCallback], &[]);
        if self.take_up_emergency() {
            return;
        }
        if is_free {
            return self.say_goodbye("to be called back");
        }
        self.go_on_alone();
    }

    fn callback_failed(&mut self) {
        self.say_first_of(&[Pattern::CallbackFailed, Pattern::StillInLine], &[]);
        self.rest();
    }
}
