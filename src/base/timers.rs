//! A table of timers for a pure machine: one slot per kind of timer, asked for the next deadline.

use std::time::Instant;

/// Deadlines by kind. A kind has at most one deadline; setting it again moves it.
///
/// `K` is a machine's closed enum of timers. A machine has few of them, so the table is a list.
#[derive(Debug, Clone)]
pub struct TimerTable<K> {
    deadlines: Vec<(K, Instant)>,
}

impl<K> Default for TimerTable<K> {
    fn default() -> Self {
        Self { deadlines: Vec::new() }
    }
}

impl<K: Copy + Eq> TimerTable<K> {
    /// Sets or moves a timer.
    pub fn set(&mut self, kind: K, at: Instant) {
        match self.deadlines.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, deadline)) => *deadline = at,
            None => self.deadlines.push((kind, at)),
        }
    }

    /// Removes a timer; nothing happens if it was not set.
    pub fn cancel(&mut self, kind: K) {
        self.deadlines.retain(|(k, _)| *k != kind);
    }

    /// When the timer of this kind is due, if it is set.
    pub fn get(&self, kind: K) -> Option<Instant> {
        self.deadlines.iter().find(|(k, _)| *k == kind).map(|(_, at)| *at)
    }

    /// The earliest deadline of all.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.iter().map(|(_, at)| *at).min()
    }

    /// Takes out one timer that is due at `now`, the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (index, _) = self
            .deadlines
            .iter()
            .enumerate()
            .filter(|(_, (_, at))| *at <= now)
            .min_by_key(|(_, (_, at))| *at)?;
        Some(self.deadlines.swap_remove(index).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Silence,
        Patience,
    }

    #[test]
    fn due_timers_come_out_earliest_first_and_once() {
        let start = Instant::now();
        let mut timers = TimerTable::default();
        timers.set(Kind::Patience, start + Duration::from_millis(30));
        timers.set(Kind::Silence, start + Duration::from_millis(50));
        timers.set(Kind::Silence, start + Duration::from_millis(10));
        assert_eq!(timers.next_deadline(), Some(start + Duration::from_millis(10)));
        assert_eq!(timers.pop_due(start), None);
        let late = start + Duration::from_millis(40);
        assert_eq!(timers.pop_due(late), Some(Kind::Silence));
        assert_eq!(timers.pop_due(late), Some(Kind::Patience));
        assert_eq!(timers.pop_due(late), None);
    }
}
