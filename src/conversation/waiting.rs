//! A caller who waits in line for people at desks, and what becomes of it.
//!
//! ```text
//!   HandingOff ──stored──▶ Waiting ──AgentTook──▶ WithAgent ──TransferEnded──▶ Over
//!                          │ ▲  ▲ ◀─BackInQueue──────┘ │ ▲
//!             asked for    │ │  │                      │ │ ReturnToAgent, once it is done
//!             something    ▼ │  │         BackFromAgent▼ │
//!                       (a task) │                   (a task)
//!                                │ not booked
//!   "call me back" ──▶ OfferCallback ──yes──▶ BookingCallback ──booked──▶ Over
//! ```
//! What is asked for while waiting is done as ever, and the place is kept: [`Wait`] stands beside the
//! stage. People are told of it before they take the call. Whoever takes it goes before everything
//! else, but for an action that runs: its result goes into the hand-off.

use std::collections::VecDeque;
use std::time::Duration;

use crate::acd::handoff::{HandoffReason, Promise};
use crate::acd::{BackInQueue, LeftQueue, WaitEnd};
use crate::base::{ActionRunId, Pii};
use crate::nlu::{IntentName, Part};
use crate::prompts::{Intent, Pattern, PersonRule, QueueName};

use super::place::{spoken_position, spoken_wait};
use super::task::{Onward, Purpose, Stage, Task};
use super::{
    ActionResult, Conversation, DialogAct, Expectation, Expected, HandoffRequest, TransferOutcome,
    WaitNews, WaitTopic,
};

/// How often a caller is put in line in one call. Beyond, they are called back, as is one for whom we
/// ask because nothing else works.
pub(super) const WAITS_MAX: u32 = 3;

/// A caller's wait for people, up to the end of their time together.
#[derive(Clone)]
pub(super) struct Wait {
    pub queue: QueueName,
    reason: HandoffReason,
    /// What people are to see to: the first need comes last, as it was in hand then.
    tasks: Vec<Task>,
    /// What else was asked for with it.
    requests: VecDeque<Part>,
    /// What people are needed for.
    intent: Option<(IntentName, f32, Pii<String>)>,
    pub news: Option<WaitNews>,
    /// What was offered: once is enough.
    pub offered: Vec<Offer>,
    /// What was done meanwhile, in words for people.
    pub done: Vec<String>,
    /// More is known than the stored hand-off says.
    is_outdated: bool,
    /// Where the caller is when nothing is to be done here.
    back_to: BackTo,
    /// The action that ran when somebody took the call.
    acting: Option<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    SelfService,
    Callback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BackTo {
    Line,
    /// Somebody has sent the caller to us, and waits.
    Agent,
}

impl Conversation {
    /// Puts the caller in line. Their hand-off is stored.
    pub(super) fn enqueue(&mut self, onward: Onward) {
        let Onward { queue, reason, summary, .. } = onward;
        self.waits += 1;
        let spoken = self.spoken_queue(&queue);
        self.say_first_of(&[Pattern::InLine, Pattern::OneMoment], &spoken);
        let announcement = self.announcement(summary);
        let goes_on = self.goes_on;
        let tasks = self.take_tasks_for_people();
        let requests =
            if goes_on { VecDeque::new() } else { std::mem::take(&mut self.next_requests) };
        self.wait = Some(Wait {
            queue: queue.clone(),
            reason,
            tasks,
            requests,
            intent: self.last_intent.clone(),
            news: None,
            offered: Vec::new(),
            done: Vec::new(),
            is_outdated: false,
            back_to: BackTo::Line,
            acting: None,
        });
        self.acts.push(DialogAct::Enqueue { queue, announcement });
        // What else was asked for is not for people: it is done while the caller waits for them.
        if goes_on { self.after_task(false) } else { self.rest() }
    }

    /// Takes out of the tasks what people are to see to: everything, unless the rest goes on here.
    fn take_tasks_for_people(&mut self) -> Vec<Task> {
        self.partial = None;
        let tasks = std::mem::take(&mut self.tasks);
        if !std::mem::take(&mut self.goes_on) {
            return tasks;
        }
        let in_hand = tasks.len().saturating_sub(1);
        let (for_people, here): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .enumerate()
            .partition(|(index, task)| *index == in_hand || task.is_held_up);
        let without_index = |tasks: Vec<(usize, Task)>| tasks.into_iter().map(|(_, task)| task);
        self.tasks = without_index(here).collect();
        without_index(for_people).collect()
    }

    /// Whether the caller waits, and nothing is asked or done meanwhile.
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    /// Whether nothing is expected of the caller: they wait, or are with somebody.
    pub fn is_resting(&self) -> bool {
        matches!(self.stage, Stage::Waiting | Stage::BookingCallback | Stage::WithAgent)
    }

    /// Whether the caller, who waits, was asked nothing that they would have to finish.
    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self.stage, Stage::Waiting | Stage::OfferCallback)
    }

    /// Nothing more is to be done here at present.
    pub(super) fn rest(&mut self) {
        let (tasks, requests) =
            (std::mem::take(&mut self.tasks), std::mem::take(&mut self.next_requests));
        self.put_off(tasks, requests);
        self.silences = 0;
        match self.wait.as_ref().map(|wait| wait.back_to) {
            Some(BackTo::Agent) => self.return_to_agent(),
            Some(BackTo::Line) | None => {
                self.stage = Stage::Waiting;
                self.listen(Expectation::of(Expected::Request));
            }
        }
    }

    /// Where anything can be asked for.
    pub(super) fn open_stage(&self) -> Stage {
        match self.wait.as_ref().map(|wait| wait.back_to) {
            Some(BackTo::Line) => Stage::Waiting,
            Some(BackTo::Agent) | None => Stage::Open { anything_else: false },
        }
    }

    fn return_to_agent(&mut self) {
        self.say_first_of(&[Pattern::BackToAgent, Pattern::OneMoment], &[]);
        if let Some(wait) = &mut self.wait {
            wait.back_to = BackTo::Line;
        }
        self.stage = Stage::WithAgent;
        self.listen(Expectation::of(Expected::Request));
        self.acts.push(DialogAct::ReturnToAgent);
    }

    /// "Anything else?", or to a caller who waits, that they still do.
    pub(super) fn say_whats_next(&mut self) {
        let Some(wait) = &self.wait else { return self.say_pattern(Pattern::AnythingElse, &[]) };
        if wait.back_to == BackTo::Line {
            let spoken = self.spoken_queue(&wait.queue);
            self.say_first_of(&[Pattern::StillInLine], &spoken);
        }
    }

    /// A task is over, of a caller who waits.
    pub(super) fn back_in_line(&mut self, question_asked: bool) {
        if !question_asked {
            self.say_whats_next();
        }
        self.listen_open(false);
    }

    /// People are needed for what is in hand, and the caller waits for them already: they are told of
    /// it.
    pub(super) fn leave_to_people(&mut self) {
        let requests =
            if self.goes_on { VecDeque::new() } else { std::mem::take(&mut self.next_requests) };
        let tasks = self.take_tasks_for_people();
        self.put_off(tasks, requests);
        self.progress();
        self.unsure = 0;
        self.after_task(false);
    }

    pub(super) fn put_off(&mut self, tasks: Vec<Task>, requests: VecDeque<Part>) {
        let Some(wait) = &mut self.wait else { return };
        wait.is_outdated |= !(tasks.is_empty() && requests.is_empty());
        wait.tasks.splice(0..0, tasks);
        wait.requests.extend(requests);
    }

    /// What the caller is promised by people of another queue, if those that they wait for are not the
    /// right ones: in an emergency, and where a prompt file says who does it. All else is told to whom
    /// they wait for.
    pub(super) fn promise_elsewhere(&self, request: &HandoffRequest) -> Option<Promise> {
        let wait = self.wait.as_ref().filter(|wait| wait.queue != request.queue)?;
        let is_theirs = |intent: &Intent| intent.handoff.as_ref() == Some(&request.queue);
        if self.told_emergency().is_some_and(is_theirs) && wait.back_to == BackTo::Line {
            return Some(request.promise);
        }
        let in_hand = self.current_intent().filter(|intent| is_theirs(intent));
        let is_passed_on = in_hand.is_some_and(|intent| intent.person == PersonRule::Afterwards);
        (is_passed_on && request.reason == HandoffReason::Policy).then_some(Promise::Callback)
    }

    /// The emergency that was told of last, unless something else came up since.
    fn told_emergency(&self) -> Option<&Intent> {
        let (name, _, _) = self.last_intent.as_ref()?;
        self.generation.intent(name).filter(|intent| self.is_emergency(intent))
    }

    /// The hand-off for other people, of a caller who is still in line, is on the disk or is not.
    pub(super) fn on_stored_in_line(&mut self, stored: bool, onward: Option<Onward>) {
        match onward.filter(|_| stored) {
            Some(onward) => {
                self.wait = None;
                self.acts.push(DialogAct::LeaveQueue { why: LeftQueue::Elsewhere });
                self.go_onward(onward);
            }
            None => {
                if stored {
                    self.say_pattern(Pattern::HandOffCallback, &[]);
                }
                let tasks = self.take_tasks_for_people();
                // What an emergency interrupted is still for those whom the caller waits for.
                if !stored || self.told_emergency().is_some() {
                    let requests = std::mem::take(&mut self.next_requests);
                    self.put_off(tasks, requests);
                }
                self.after_task(false);
            }
        }
    }

    pub(super) fn on_waiting(&mut self, news: WaitNews) {
        match &mut self.wait {
            Some(wait) => wait.news = Some(news),
            None => self.out_of_place += 1,
        }
    }

    /// Others may take the call now: they are told, and it is them the caller is in line for.
    pub(super) fn on_moved(&mut self, to: QueueName) {
        let Some(wait) = &mut self.wait else {
            self.out_of_place += 1;
            return;
        };
        wait.is_outdated |= wait.queue != to;
        wait.queue = to;
    }

    pub(super) fn on_still_waiting(&mut self, waited: Duration, topic: WaitTopic) {
        if !self.is_at_rest() {
            self.out_of_place += 1;
            return;
        }
        // Who has not answered an offer has let it pass.
        self.stage = Stage::Waiting;
        match topic {
            WaitTopic::Place => {
                self.say_place();
                if self.is_callback_due(waited) && self.ask_about_callback() {
                    return;
                }
            }
            WaitTopic::Company => self.keep_company(),
        }
        self.rest();
    }

    /// Where in the line the caller is, and how long it will take, as far as somebody can tell.
    pub(super) fn say_place(&mut self) {
        let Some(wait) = &self.wait else { return };
        let position = wait.news.map(|news| ("position", spoken_position(news.position)));
        let expected = wait.news.and_then(|news| news.wait).map(|wait| ("wait", spoken_wait(wait)));
        let pattern = match expected {
            Some(_) => Pattern::YourPlace,
            None => Pattern::YourPlaceUnsure,
        };
        let values: Vec<_> = position.into_iter().chain(expected).collect();
        if self.can_say(pattern, &values) {
            self.say_pattern(pattern, &values);
        } else {
            self.say_whats_next();
        }
    }

    fn keep_company(&mut self) {
        if self.offer_self_service() {
            return;
        }
        let Some(wait) = &self.wait else { return };
        let generation = self.generation_arc();
        if let Some(queue) = generation.queues.get(&wait.queue) {
            let place = format!("while waiting {}", queue.name);
            self.say_variant(&place, &queue.while_waiting, &Default::default());
        }
    }

    /// Tells once what can be done here meanwhile. Says whether it did.
    fn offer_self_service(&mut self) -> bool {
        let is_offered =
            self.wait.as_ref().is_some_and(|wait| wait.offered.contains(&Offer::SelfService));
        !is_offered && self.say_what_can_be_done()
    }

    /// The same to a caller who asks for it.
    pub(super) fn say_what_can_be_done(&mut self) -> bool {
        let topics = self.topics();
        if topics.is_empty() || !self.has_words_for(Pattern::WhileYouWait) {
            return false;
        }
        self.say_pattern(Pattern::WhileYouWait, &[("topics", topics)]);
        if let Some(wait) = &mut self.wait {
            wait.offered.push(Offer::SelfService);
        }
        true
    }

    /// The caller no longer wants to wait.
    pub(super) fn leave_line(&mut self) {
        let is_free = self.is_at_rest();
        self.wait = None;
        self.acts.push(DialogAct::LeaveQueue { why: LeftQueue::ByChoice });
        self.progress();
        self.say_first_of(&[Pattern::LeftLine, Pattern::Cancelled], &[]);
        if is_free {
            return self.after_task(false);
        }
        self.go_on_alone();
    }

    /// The wait is over in the middle of something else, which goes on.
    pub(super) fn go_on_alone(&mut self) {
        match self.stage {
            Stage::Acting { .. } | Stage::HandingOff { .. } => {}
            Stage::Waiting
            | Stage::OfferCallback
            | Stage::BookingCallback
            | Stage::WithAgent
            | Stage::Over => self.after_task(false),
            _ => self.ask_pending(),
        }
    }

    /// Somebody takes the call: everything else stops.
    pub(super) fn on_agent_took(&mut self) {
        let is_out_of_place = matches!(self.stage, Stage::Over | Stage::WithAgent);
        if self.wait.is_none() || is_out_of_place {
            self.out_of_place += 1;
            return;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::WithAgent);
        let requests = std::mem::take(&mut self.next_requests);
        self.partial = None;
        (self.wants_person, self.hearing_failed, self.voice_failed) = (false, false, false);
        let is_acting = matches!(stage, Stage::Acting { .. });
        let tasks = if is_acting { Vec::new() } else { std::mem::take(&mut self.tasks) };
        self.put_off(tasks, requests);
        if let Some(wait) = &mut self.wait {
            wait.is_outdated |= is_acting;
            wait.acting = is_acting.then_some(stage);
            // Who takes back the caller that they sent to us is known to them.
            if wait.back_to == BackTo::Line {
                self.say_first_of(&[Pattern::AgentComing], &[]);
            } else {
                wait.back_to = BackTo::Line;
            }
        }
        self.listen(Expectation::of(Expected::Request));
    }

    /// The result of an action that was run before somebody took the call. It is theirs to tell.
    pub(super) fn on_action_with_agent(&mut self, run: ActionRunId, result: &ActionResult) {
        let Some(wait) = &mut self.wait else { return };
        let is_running = |stage: &Stage| matches!(stage, Stage::Acting { run: r, .. } if *r == run);
        let Some(Stage::Acting { purpose, .. }) = wait.acting.take_if(|stage| is_running(stage))
        else {
            return;
        };
        if purpose == Purpose::Task && result.is_ok() {
            self.note_done();
            self.tasks.pop();
        }
        let tasks = std::mem::take(&mut self.tasks);
        self.put_off(tasks, VecDeque::new());
    }

    /// The task in hand is done, as its action's result says.
    pub(super) fn note_done(&mut self) {
        let Some(task) = self.tasks.last() else { return };
        let title = self.title_of(&task.intent);
        if let Some(wait) = &mut self.wait
            && !wait.done.contains(&title)
        {
            wait.done.push(title);
        }
    }

    pub(super) fn on_back_in_queue(&mut self, why: BackInQueue) {
        let is_with_agent = matches!(self.stage, Stage::WithAgent);
        let is_gone = |wait: &Wait| !is_with_agent && wait.back_to == BackTo::Line;
        let Some(wait) = self.wait.as_mut().filter(|wait| !is_gone(wait)) else {
            // Who was offered the call has not taken it, and the caller has noticed nothing.
            let is_noticed = why != BackInQueue::NotTaken || self.wait.is_none();
            self.out_of_place += u64::from(is_noticed);
            return;
        };
        wait.back_to = BackTo::Line;
        wait.news = None;
        let acting = wait.acting.take();
        if why != BackInQueue::NotTaken {
            self.say_first_of(&[Pattern::AgentLost, Pattern::OneMoment], &[]);
        }
        match acting {
            Some(stage) => self.stage = stage,
            None if self.take_up_emergency() => {}
            None if is_with_agent || matches!(self.stage, Stage::Open { .. }) => self.rest(),
            None if matches!(self.stage, Stage::Acting { .. }) => {}
            None => self.ask_pending(),
        }
    }

    /// Nobody took the call: people call back.
    pub(super) fn on_wait_ended(&mut self, _why: WaitEnd) {
        match self.wait.take() {
            Some(wait) => self.end_wait(wait, Pattern::NobodyFree),
            None => self.out_of_place += 1,
        }
    }

    /// The time with somebody who had taken the call is over.
    pub(super) fn on_agent_done(&mut self, outcome: TransferOutcome) {
        let is_with_agent = matches!(self.stage, Stage::WithAgent);
        match outcome {
            TransferOutcome::Succeeded if is_with_agent => self.hang_up("talked with a person"),
            // They have gone while the caller was with us: what is in hand is still done.
            TransferOutcome::Succeeded => self.wait = None,
            TransferOutcome::Busy | TransferOutcome::NoAnswer => {
                self.give_up_on_agent(Pattern::NobodyFree);
            }
            TransferOutcome::Refused | TransferOutcome::Failed => {
                self.give_up_on_agent(Pattern::NotPutThrough);
            }
        }
    }

    fn give_up_on_agent(&mut self, words: Pattern) {
        if let Some(wait) = self.wait.take() {
            self.end_wait(wait, words);
        }
    }

    fn end_wait(&mut self, wait: Wait, words: Pattern) {
        self.progress();
        self.unsure = 0;
        self.out_of_scope_turns = 0;
        self.say_first_of(&[words, Pattern::HandOffCallback], &[]);
        if let Some(stage) = wait.acting {
            self.stage = stage;
        } else if !self.take_up_emergency() {
            self.go_on_alone();
        }
    }

    /// Whether the caller is with somebody, or with us only for something that those sent them for.
    pub(super) fn is_with_agent(&self) -> bool {
        let is_sent = |wait: &Wait| wait.back_to == BackTo::Agent;
        matches!(self.stage, Stage::WithAgent) || self.wait.as_ref().is_some_and(is_sent)
    }

    /// Somebody who talks with the caller sends them to us for this.
    pub(super) fn on_back_from_agent(&mut self, task: String) {
        let Some(wait) = self.wait.as_mut().filter(|_| matches!(self.stage, Stage::WithAgent))
        else {
            self.out_of_place += 1;
            return;
        };
        wait.back_to = BackTo::Agent;
        let intent = IntentName::new(task);
        let is_known = self.generation.intent(&intent).is_some();
        // One thing at a time: an action of before may still run.
        if !is_known || wait.acting.is_some() {
            self.out_of_place += 1;
            return self.return_to_agent();
        }
        self.stage = self.open_stage();
        self.start_task(intent, 1.0, Pii::default());
    }

    /// Nothing was said where something was asked of a caller who waits: it is asked once more, and
    /// then left to people.
    pub(super) fn on_silence_in_line(&mut self) {
        const SILENCES_MAX: u32 = 2;
        if self.tasks.is_empty() || self.silences >= SILENCES_MAX {
            return self.leave_to_people();
        }
        self.ask_again();
    }

    /// The facts that people should have are no longer those of the stored hand-off.
    pub(super) fn outdate_handoff(&mut self) {
        if let Some(wait) = &mut self.wait {
            wait.is_outdated = true;
        }
    }

    /// Has people told what they do not know yet. Another hand-off on its way to the disk comes first.
    pub(super) fn update_handoff(&mut self) {
        if matches!(self.stage, Stage::HandingOff { .. }) {
            return;
        }
        let is_outdated = |wait: &mut Wait| std::mem::take(&mut wait.is_outdated);
        if self.wait.as_mut().is_some_and(is_outdated)
            && let Some(request) = self.updated_handoff()
        {
            self.acts.push(DialogAct::UpdateHandoff(Box::new(request)));
        }
    }

    /// The hand-off as it would be made now, for what people were needed for first.
    fn updated_handoff(&mut self) -> Option<HandoffRequest> {
        let wait = self.wait.as_ref()?;
        let (queue, reason) = (wait.queue.clone(), wait.reason);
        let tasks = self.tasks.iter().chain(&wait.tasks).cloned().collect();
        let requests = self.next_requests.iter().chain(&wait.requests).cloned().collect();
        let intent = wait.intent.clone();
        let tasks = std::mem::replace(&mut self.tasks, tasks);
        let requests = std::mem::replace(&mut self.next_requests, requests);
        let intent = std::mem::replace(&mut self.last_intent, intent);
        let request = self.handoff_request(reason, Some(queue));
        (self.tasks, self.next_requests, self.last_intent) = (tasks, requests, intent);
        Some(HandoffRequest { promise: Promise::Queue, ..request })
    }

    fn spoken_queue(&self, queue: &QueueName) -> Vec<(&'static str, String)> {
        let spoken = self.generation.queues.get(queue).map(|queue| queue.spoken.clone());
        spoken.map(|spoken| ("queue", spoken)).into_iter().collect()
    }
}
