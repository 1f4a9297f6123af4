//! What waits for a model's threads: the most urgent first, and of those whoever came first.
//!
//! Bounded. When it is full, what nobody waits for any more goes first, then the oldest of what is
//! done ahead, then the oldest of what nobody waits for in a call: a caller whose turn is over finds
//! a place as long as another does not need it as much.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How soon a model's answer is needed. Later is less urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Urgency {
    /// A caller has finished and waits for us.
    #[default]
    TurnOver,
    /// Done ahead, while a caller pauses: they may go on, and then it was for nothing.
    Speculative,
    /// Nobody waits for it during the call.
    Background,
}

/// Work that may have become useless while it waited.
pub(super) trait Work {
    /// Whether somebody still wants what comes of it.
    fn is_wanted(&self) -> bool;
}

/// Work that found no place, given back.
#[derive(Debug)]
pub(super) enum Refused<T> {
    /// Nothing that waits is less urgent.
    Full(T),
    /// There is nobody to do it.
    Closed(T),
}

/// What was dropped to make room, if anything was; its owner is to be told.
pub(super) type Shed<T> = Option<T>;

/// Whether a thread is the only one at work, with nothing waiting behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Others,
}

/// Work for a thread. Counts as running until `running` is dropped.
pub(super) struct Taken<'q, T: Work> {
    pub work: T,
    pub urgency: Urgency,
    pub company: Company,
    pub running: Running<'q, T>,
}

/// See [`Taken`].
pub(super) struct Running<'q, T: Work> {
    queue: &'q UrgentQueue<T>,
    urgency: Urgency,
}

impl<T: Work> Drop for Running<'_, T> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.running -= 1;
        if self.urgency == Urgency::Background {
            state.running_background -= 1;
        }
        drop(state);
        self.queue.wake.notify_one();
    }
}

/// A thread that takes work. When the last one is dropped, the queue is closed.
pub(super) struct Worker<'q, T: Work>(&'q UrgentQueue<T>);

impl<T: Work> Drop for Worker<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.workers -= 1;
        if state.workers == 0 {
            state.is_closed = true;
            // Nobody will ever answer: their owners see it by the answer that cannot come.
            state.waiting.clear();
        }
        drop(state);
        self.0.room.notify_waiters();
    }
}

struct Waiting<T> {
    work: T,
    urgency: Urgency,
}

struct State<T> {
    /// In the order of coming.
    waiting: VecDeque<Waiting<T>>,
    workers: usize,
    running: usize,
    running_background: usize,
    /// Work dropped because nobody wanted it any more.
    unwanted: u64,
    is_closed: bool,
}

/// The queue.
pub(super) struct UrgentQueue<T: Work> {
    state: Mutex<State<T>>,
    /// Something may be there for a thread.
    wake: Condvar,
    /// A place may be free.
    room: Notify,
    len_max: usize,
}

impl<T: Work> UrgentQueue<T> {
    /// A queue with so many places for so many threads, each of which calls
    /// [`UrgentQueue::worker`].
    pub fn new(len_max: usize, workers: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            workers,
            running: 0,
            running_background: 0,
            unwanted: 0,
            is_closed: false,
        };
        let (wake, room) = (Condvar::new(), Notify::new());
        Self { state: Mutex::new(state), wake, room, len_max: len_max.max(1) }
    }

    /// The queue stays usable when a thread died while it held it.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands for one of the threads for as long as it takes work.
    pub const fn worker(&self) -> Worker<'_, T> {
        Worker(self)
    }

    /// Queues work.
    ///
    /// # Errors
    /// There is no place for it, or nobody to do it.
    pub fn push(&self, work: T, urgency: Urgency) -> Result<Shed<T>, Refused<T>> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Refused::Closed(work));
        }
        let mut shed = None;
        if state.waiting.len() >= self.len_max {
            state.drop_unwanted();
        }
        if state.waiting.len() >= self.len_max {
            let Some(at) = state.least_needed(urgency) else { return Err(Refused::Full(work)) };
            shed = state.waiting.remove(at).map(|waiting| waiting.work);
        }
        state.waiting.push_back(Waiting { work, urgency });
        drop(state);
        self.wake.notify_one();
        Ok(shed)
    }

    /// Queues work, waiting for a place if need be. Dropping the future gives it up.
    ///
    /// # Errors
    /// There is nobody to do it.
    pub async fn push_in_time(&self, work: T, urgency: Urgency) -> Result<Shed<T>, Refused<T>> {
        let mut work = work;
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // From here on no news of a place is missed.
            room.as_mut().enable();
            match self.push(work, urgency) {
                Err(Refused::Full(back)) => work = back,
                done => return done,
            }
            room.await;
        }
    }

    /// The most urgent work; waits for some. `None` when the queue is closed and empty.
    pub fn next(&self) -> Option<Taken<'_, T>> {
        let mut state = self.state();
        loop {
            if state.drop_unwanted() > 0 {
                self.room.notify_waiters();
            }
            if let Some(at) = state.most_urgent()
                && let Some(Waiting { work, urgency }) = state.waiting.remove(at)
            {
                state.running += 1;
                state.running_background += usize::from(urgency == Urgency::Background);
                let is_alone = state.running == 1 && state.waiting.is_empty();
                let company = if is_alone { Company::Alone } else { Company::Others };
                drop(state);
                self.room.notify_waiters();
                let running = Running { queue: self, urgency };
                return Some(Taken { work, urgency, company, running });
            }
            if state.is_closed && state.waiting.is_empty() {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whoever waits for such work needs it now. Whether there was any in the queue.
    pub fn hurry(&self, is_it: impl Fn(&T) -> bool) -> bool {
        let mut state = self.state();
        let mut found = state.waiting.iter_mut().filter(|waiting| is_it(&waiting.work));
        let Some(waiting) = found.next() else { return false };
        waiting.urgency = Urgency::TurnOver;
        drop(state);
        self.wake.notify_one();
        true
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Something about the oldest of what is so urgent.
    pub fn oldest<R>(&self, urgency: Urgency, what: impl Fn(&T) -> R) -> Option<R> {
        let state = self.state();
        let oldest = state.waiting.iter().find(|waiting| waiting.urgency == urgency)?;
        Some(what(&oldest.work))
    }

    /// How much was dropped because nobody wanted it any more.
    pub fn unwanted(&self) -> u64 {
        self.state().unwanted
    }

    /// Takes no more work. What waits is done.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.wake.notify_all();
        self.room.notify_waiters();
    }
}

impl<T: Work> State<T> {
    /// Says how much it was.
    fn drop_unwanted(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.work.is_wanted());
        let dropped = before - self.waiting.len();
        self.unwanted += dropped as u64;
        dropped
    }

    /// Of several threads one is left to callers, whatever waits in the background.
    fn most_urgent(&self) -> Option<usize> {
        let background_max = self.workers.saturating_sub(1).max(1);
        let may_run_background = self.running_background < background_max;
        let may_run = |urgency| may_run_background || urgency != Urgency::Background;
        let those = self.waiting.iter().enumerate().filter(|(_, waiting)| may_run(waiting.urgency));
        those.min_by_key(|(_, waiting)| waiting.urgency).map(|(at, _)| at)
    }

    /// What makes room for work that is so urgent: the oldest of what is done ahead, which is the
    /// likeliest to be useless, then the oldest of what can wait longest.
    fn least_needed(&self, newcomer: Urgency) -> Option<usize> {
        let oldest = |urgency| self.waiting.iter().position(|waiting| waiting.urgency == urgency);
        match newcomer {
            Urgency::Background => None,
            Urgency::TurnOver | Urgency::Speculative => {
                oldest(Urgency::Speculative).or_else(|| oldest(Urgency::Background))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    struct Job {
        name: &'static str,
        wanted: Arc<AtomicBool>,
    }

    impl Work for Job {
        fn is_wanted(&self) -> bool {
            self.wanted.load(Ordering::Relaxed)
        }
    }

    fn job(name: &'static str) -> Job {
        Job { name, wanted: Arc::new(AtomicBool::new(true)) }
    }

    fn queue(len_max: usize, workers: usize) -> UrgentQueue<Job> {
        UrgentQueue::new(len_max, workers)
    }

    fn name(taken: Option<Taken<'_, Job>>) -> Option<&'static str> {
        taken.map(|taken| taken.work.name)
    }

    fn shed(pushed: Result<Shed<Job>, Refused<Job>>) -> Option<&'static str> {
        match pushed {
            Ok(shed) => shed.map(|job| job.name),
            Err(Refused::Full(job)) => panic!("{} found no place", job.name),
            Err(Refused::Closed(job)) => panic!("{} came too late", job.name),
        }
    }

    use Urgency::{Background, Speculative, TurnOver};

    #[test]
    fn the_most_urgent_is_next_and_of_those_whoever_came_first() {
        let queue = queue(8, 1);
        for (name, urgency) in [
            ("notes", Background),
            ("ahead", Speculative),
            ("first", TurnOver),
            ("later", Speculative),
            ("second", TurnOver),
        ] {
            assert_eq!(shed(queue.push(job(name), urgency)), None);
        }
        assert!(queue.hurry(|job| job.name == "later"));
        assert!(!queue.hurry(|job| job.name == "unheard of"));
        let order: Vec<_> = (0..5).filter_map(|_| name(queue.next())).collect();
        assert_eq!(order, ["first", "later", "second", "ahead", "notes"]);
    }

    #[test]
    fn a_full_queue_drops_the_oldest_guess_then_the_oldest_note_and_never_a_turn() {
        let queue = queue(3, 1);
        assert_eq!(shed(queue.push(job("note"), Background)), None);
        assert_eq!(shed(queue.push(job("old guess"), Speculative)), None);
        assert_eq!(shed(queue.push(job("guess"), Speculative)), None);
        assert_eq!(shed(queue.push(job("turn 1"), TurnOver)), Some("old guess"));
        assert_eq!(shed(queue.push(job("new guess"), Speculative)), Some("guess"));
        assert_eq!(shed(queue.push(job("turn 2"), TurnOver)), Some("new guess"));
        assert!(matches!(queue.push(job("note 2"), Background), Err(Refused::Full(_))));
        assert_eq!(shed(queue.push(job("turn 3"), TurnOver)), Some("note"));
        for urgency in [TurnOver, Speculative] {
            assert!(matches!(queue.push(job("too many"), urgency), Err(Refused::Full(_))));
        }
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn what_nobody_wants_makes_room_and_is_not_done() {
        let queue = queue(2, 1);
        let gone = job("gone");
        let wanted = Arc::clone(&gone.wanted);
        assert_eq!(shed(queue.push(gone, TurnOver)), None);
        assert_eq!(shed(queue.push(job("stays"), Speculative)), None);
        wanted.store(false, Ordering::Relaxed);
        assert_eq!(shed(queue.push(job("new"), TurnOver)), None);
        assert_eq!(queue.unwanted(), 1);
        assert_eq!(name(queue.next()), Some("new"));
        assert_eq!(name(queue.next()), Some("stays"));
    }

    #[test]
    fn a_thread_knows_whether_it_is_alone_and_one_is_left_to_callers() {
        let queue = queue(8, 2);
        assert_eq!(shed(queue.push(job("note 1"), Background)), None);
        let first = queue.next().expect("there is one");
        assert_eq!(first.company, Company::Alone);
        assert_eq!(shed(queue.push(job("note 2"), Background)), None);
        assert_eq!(shed(queue.push(job("guess"), Speculative)), None);
        let second = queue.next().expect("there are two");
        assert_eq!((second.work.name, second.company), ("guess", Company::Others));
        drop(second.running);
        // The other note has to wait until the first is done.
        assert_eq!(shed(queue.push(job("turn"), TurnOver)), None);
        assert_eq!(name(queue.next()), Some("turn"));
        drop(first.running);
        let last = queue.next().expect("the other note");
        assert_eq!((last.work.name, last.company), ("note 2", Company::Alone));
    }

    #[test]
    fn a_closed_queue_does_what_waits_and_one_without_threads_takes_nothing() {
        let queue = queue(2, 1);
        assert_eq!(shed(queue.push(job("last"), TurnOver)), None);
        queue.close();
        assert!(matches!(queue.push(job("late"), TurnOver), Err(Refused::Closed(_))));
        assert_eq!(name(queue.next()), Some("last"));
        assert_eq!(name(queue.next()), None);

        let queue = self::queue(2, 1);
        assert_eq!(shed(queue.push(job("never done"), TurnOver)), None);
        drop(queue.worker());
        assert!(matches!(queue.push(job("late"), TurnOver), Err(Refused::Closed(_))));
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn whoever_waits_for_a_place_gets_it() {
        let queue = queue(1, 1);
        assert_eq!(shed(queue.push(job("first"), TurnOver)), None);
        let waits = queue.push_in_time(job("second"), TurnOver);
        let frees = async { name(queue.next()) };
        let (pushed, taken) = tokio::join!(waits, frees);
        assert_eq!((shed(pushed), taken), (None, Some("first")));
        assert_eq!(name(queue.next()), Some("second"));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_place_gets_that_of_one_who_has_gone() {
        let queue = Arc::new(queue(1, 1));
        let gone = job("gone");
        let wanted = Arc::clone(&gone.wanted);
        assert_eq!(shed(queue.push(gone, TurnOver)), None);
        let waits = queue.push_in_time(job("second"), TurnOver);
        let leaves = async {
            wanted.store(false, Ordering::Relaxed);
            let queue = Arc::clone(&queue);
            tokio::task::spawn_blocking(move || name(queue.next())).await.expect("the thread")
        };
        let both = async { tokio::join!(waits, leaves) };
        let done = tokio::time::timeout(Duration::from_secs(10), both).await;
        // Else the thread would wait for ever.
        queue.close();
        let (pushed, taken) = done.expect("it gets the place");
        assert_eq!((shed(pushed), taken), (None, Some("second")));
    }
}
