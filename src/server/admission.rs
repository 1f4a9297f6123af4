//! Which calls are taken: so many at once, so many a second, altogether, of a trunk, of a source, and
//! as many as the machine turns out to hold.
//!
//! [`Ledger`] decides and is told the time; [`Admission`] shares it, and takes a call off its books
//! when its task ends.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::base::Effort;
use crate::config::Config;
use crate::net::sip::{Full, Vacancy};

use super::metrics::RefusedFor;

/// Why a call is not taken. All are answered 503 with Retry-After.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server is stopping.
    Draining,
    /// As many calls as there may be.
    AllLines { calls_max: usize },
    /// As many of this trunk as there may be.
    TrunkLines { trunk: String, calls_max: usize },
    /// As many from this source as there may be.
    SourceLines { calls_max: usize },
    /// Too many new ones within the last second.
    Rate { calls_per_s_max: u32 },
    /// Too many new ones of this trunk.
    TrunkRate { trunk: String, calls_per_s_max: u32 },
    /// As many conversations as this machine holds.
    Conversations { calls_max: usize },
    /// It is too much even with the least effort.
    Overload,
}

impl Refusal {
    /// The rule, for whoever runs the other end.
    pub fn reason(&self) -> String {
        match self {
            Self::Draining => "the server is stopping".to_owned(),
            Self::Conversations { calls_max } => {
                format!("capacity.calls_conversing_max: {calls_max} conversations at once")
            }
            Self::Overload => "capacity: the machine is overloaded".to_owned(),
            Self::AllLines { calls_max } => format!("server.calls_max: {calls_max} calls at once"),
            Self::TrunkLines { trunk, calls_max } => {
                format!("trunks.{trunk}.calls_max: {calls_max} calls at once")
            }
            Self::SourceLines { calls_max } => {
                format!("sip.calls_per_source_max: {calls_max} calls at once from one source")
            }
            Self::Rate { calls_per_s_max } => {
                format!("sip.calls_per_s_max: {calls_per_s_max} new calls a second")
            }
            Self::TrunkRate { trunk, calls_per_s_max } => {
                format!("trunks.{trunk}.calls_per_s_max: {calls_per_s_max} new calls a second")
            }
        }
    }

    /// The rule as it is counted.
    pub fn counted_as(&self) -> RefusedFor {
        match self {
            Self::Draining => RefusedFor::Draining,
            Self::AllLines { .. } => RefusedFor::AllLines,
            Self::TrunkLines { .. } => RefusedFor::TrunkLines,
            Self::SourceLines { .. } => RefusedFor::SourceLines,
            Self::Rate { .. } => RefusedFor::Rate,
            Self::TrunkRate { .. } => RefusedFor::TrunkRate,
            Self::Conversations { .. } => RefusedFor::Conversations,
            Self::Overload => RefusedFor::Overload,
        }
    }

    /// When it may be worth trying again.
    pub fn retry_after_s(&self) -> u32 {
        match self {
            Self::Rate { .. } | Self::TrunkRate { .. } => 1,
            Self::AllLines { .. }
            | Self::TrunkLines { .. }
            | Self::SourceLines { .. }
            | Self::Conversations { .. } => 10,
            Self::Draining | Self::Overload => 30,
        }
    }
}

/// Lets so many through a second on average, and as many at once.
#[derive(Debug)]
struct TokenBucket {
    per_s: u32,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    fn new(per_s: u32, now: Instant) -> Self {
        Self { per_s, tokens: f64::from(per_s), filled_at: now }
    }

    fn has_one(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        let full = f64::from(self.per_s);
        self.tokens = (self.tokens + passed * full).min(full);
        self.filled_at = now;
        self.tokens >= 1.0
    }

    fn take_one(&mut self) {
        self.tokens -= 1.0;
    }
}

/// What is allowed of one trunk, and what there is.
#[derive(Debug)]
struct TrunkBook {
    calls_max: Option<usize>,
    /// Those that came by it, and those that we have placed over it.
    calls: usize,
    rate: Option<TokenBucket>,
}

impl TrunkBook {
    /// Why there is no line left, if there is none.
    fn check_lines(&self, trunk: &str) -> Result<(), Refusal> {
        match self.calls_max {
            Some(calls_max) if self.calls >= calls_max => {
                Err(Refusal::TrunkLines { trunk: trunk.to_owned(), calls_max })
            }
            _ => Ok(()),
        }
    }
}

/// What the machine has room for, as measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capacity {
    /// How much is done for a call that begins now.
    pub effort: Effort,
    /// Nobody is let in.
    pub refuses: bool,
    /// So many callers may be talked with at once.
    pub conversing_max: usize,
}

/// The calls in progress and what may be added to them. Pure.
#[derive(Debug)]
pub(super) struct Ledger {
    calls_max: usize,
    calls: usize,
    capacity: Capacity,
    /// Calls in which we talk with the caller, who is neither with somebody else nor on the way there.
    conversing: usize,
    per_source_max: Option<usize>,
    /// Sources with calls in progress only, so that there are never more than calls.
    sources: HashMap<IpAddr, usize>,
    rate: Option<TokenBucket>,
    trunks: BTreeMap<String, TrunkBook>,
    is_draining: bool,
}

impl Ledger {
    fn new(config: &Config, now: Instant) -> Self {
        let bucket = |per_s: Option<u32>| per_s.map(|per_s| TokenBucket::new(per_s, now));
        let trunks = config.trunks.iter().map(|trunk| {
            let rate = bucket(trunk.calls_per_s_max);
            (trunk.name.clone(), TrunkBook { calls_max: trunk.calls_max, calls: 0, rate })
        });
        Self {
            calls_max: config.server.calls_max,
            calls: 0,
            capacity: Capacity {
                effort: Effort::Full,
                refuses: false,
                conversing_max: config.server.calls_max,
            },
            conversing: 0,
            per_source_max: config.sip.calls_per_source_max,
            sources: HashMap::new(),
            rate: bucket(config.sip.calls_per_s_max),
            trunks: trunks.collect(),
            is_draining: false,
        }
    }

    /// Why a call would not be taken now, if it would not be.
    fn check(&mut self, now: Instant, trunk: Option<&str>, source: IpAddr) -> Result<(), Refusal> {
        if self.is_draining {
            return Err(Refusal::Draining);
        }
        if self.calls >= self.calls_max {
            return Err(Refusal::AllLines { calls_max: self.calls_max });
        }
        self.check_capacity()?;
        let from_source = self.sources.get(&source).copied().unwrap_or(0);
        // A trunk's limits are its own: behind one address it may be a whole carrier.
        if let (None, Some(calls_max)) = (trunk, self.per_source_max)
            && from_source >= calls_max
        {
            return Err(Refusal::SourceLines { calls_max });
        }
        let book = trunk.and_then(|trunk| self.trunks.get_mut(trunk));
        if let (Some(trunk), Some(book)) = (trunk, book) {
            book.check_lines(trunk)?;
            if let Some(rate) = &mut book.rate
                && !rate.has_one(now)
            {
                let calls_per_s_max = rate.per_s;
                return Err(Refusal::TrunkRate { trunk: trunk.to_owned(), calls_per_s_max });
            }
        }
        if let Some(rate) = &mut self.rate
            && !rate.has_one(now)
        {
            return Err(Refusal::Rate { calls_per_s_max: rate.per_s });
        }
        Ok(())
    }

    /// A caller with whom we do not talk takes hardly any of the machine.
    fn check_capacity(&self) -> Result<(), Refusal> {
        let Capacity { effort, refuses, conversing_max } = self.capacity;
        if refuses {
            return Err(Refusal::Overload);
        }
        match effort.allows_conversation() && self.conversing >= conversing_max {
            true => Err(Refusal::Conversations { calls_max: conversing_max }),
            false => Ok(()),
        }
    }

    /// Books a call, or says why not. A call that is refused uses up nothing.
    fn admit(&mut self, now: Instant, trunk: Option<&str>, source: IpAddr) -> Result<(), Refusal> {
        self.check(now, trunk, source)?;
        if let Some(rate) = &mut self.rate {
            rate.take_one();
        }
        if let Some(book) = trunk.and_then(|trunk| self.trunks.get_mut(trunk)) {
            book.calls += 1;
            if let Some(rate) = &mut book.rate {
                rate.take_one();
            }
        }
        self.calls += 1;
        self.conversing += usize::from(self.capacity.effort.allows_conversation());
        *self.sources.entry(source).or_default() += 1;
        Ok(())
    }

    /// Books a call that we place over this trunk. It is for one that is here, so it is placed while
    /// the server stops, and takes up none of the server's own lines.
    fn place(&mut self, trunk: &str) -> Result<(), Refusal> {
        let Some(book) = self.trunks.get_mut(trunk) else { return Ok(()) };
        book.check_lines(trunk)?;
        book.calls += 1;
        Ok(())
    }

    fn release_placed(&mut self, trunk: &str) {
        if let Some(book) = self.trunks.get_mut(trunk) {
            book.calls = book.calls.saturating_sub(1);
        }
    }

    fn release(&mut self, trunk: Option<&str>, source: IpAddr) {
        self.calls = self.calls.saturating_sub(1);
        if let Some(trunk) = trunk {
            self.release_placed(trunk);
        }
        if let Some(calls) = self.sources.get_mut(&source) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.sources.remove(&source);
            }
        }
    }
}

/// Counts calls.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    ledger: Arc<Mutex<Ledger>>,
    in_progress: Arc<watch::Sender<usize>>,
}

/// A call's line; dropping it frees it.
pub(super) struct Line {
    admission: Admission,
    trunk: Option<String>,
    source: IpAddr,
    /// How much was to be done for it when it came.
    effort: Effort,
    seat: Option<Seat>,
}

impl Line {
    /// How much was to be done for the call when it came.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// What the call takes of the room for conversations. Given out once; a line that still has it
    /// gives it back by itself.
    pub fn take_seat(&mut self) -> Seat {
        let admission = self.admission.clone();
        self.seat.take().unwrap_or_else(|| Seat::begin(admission, Effort::StraightToPeople))
    }
}

/// What a call takes of the room for conversations; dropping it makes room.
pub(super) struct Seat {
    admission: Admission,
    /// Whether the call began with somebody who listens.
    began_heard: bool,
    is_heard: bool,
    /// The caller is neither with somebody else nor waits for them.
    is_with_us: bool,
    is_booked: bool,
}

impl Seat {
    /// Of a call for which so much is done as it begins; it is booked already.
    fn begin(admission: Admission, effort: Effort) -> Self {
        let is_heard = effort.allows_conversation();
        Self { admission, began_heard: is_heard, is_heard, is_with_us: true, is_booked: is_heard }
    }

    /// The caller is with somebody else, or waits for them.
    pub fn leave(&mut self) {
        self.is_with_us = false;
        self.book();
    }

    /// The caller is with us again. Whoever is there already is not turned away.
    pub fn come_back(&mut self) {
        self.is_with_us = true;
        self.book();
    }

    /// So much is done for callers from now on. A call that began as a menu is a conversation as long
    /// as that is allowed again.
    pub fn follow(&mut self, effort: Effort) {
        self.is_heard = self.began_heard || effort.allows_conversation();
        self.book();
    }

    fn book(&mut self) {
        let is_taken = self.is_heard && self.is_with_us;
        if is_taken == self.is_booked {
            return;
        }
        self.is_booked = is_taken;
        let mut ledger = self.admission.ledger();
        ledger.conversing = match is_taken {
            true => ledger.conversing + 1,
            false => ledger.conversing.saturating_sub(1),
        };
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A line of a trunk that a call which we place takes up; dropping it frees it.
pub(super) struct TrunkLine {
    admission: Admission,
    trunk: String,
}

impl Admission {
    pub fn new(config: &Config) -> Self {
        Self {
            ledger: Arc::new(Mutex::new(Ledger::new(config, Instant::now()))),
            in_progress: Arc::new(watch::Sender::new(0)),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line for one more call, or why not.
    pub fn admit(&self, trunk: Option<&str>, source: IpAddr) -> Result<Line, Refusal> {
        let source = source.to_canonical();
        let mut ledger = self.ledger();
        ledger.admit(Instant::now(), trunk, source)?;
        self.in_progress.send_replace(ledger.calls);
        let effort = ledger.capacity.effort;
        drop(ledger);
        let seat = Seat::begin(self.clone(), effort);
        let (admission, trunk) = (self.clone(), trunk.map(str::to_owned));
        Ok(Line { admission, trunk, source, effort, seat: Some(seat) })
    }

    /// What there is room for has been measured.
    pub fn set_capacity(&self, capacity: Capacity) {
        self.ledger().capacity = capacity;
    }

    /// Calls in which we talk with the caller.
    pub fn conversing(&self) -> usize {
        self.ledger().conversing
    }

    /// A line of this trunk for a call that we place, or why not.
    pub fn place(&self, trunk: &str) -> Result<TrunkLine, Refusal> {
        self.ledger().place(trunk)?;
        Ok(TrunkLine { admission: self.clone(), trunk: trunk.to_owned() })
    }

    /// From now on no call is taken.
    pub fn drain(&self) {
        self.ledger().is_draining = true;
    }

    /// Whether no more calls are taken.
    pub fn is_draining(&self) -> bool {
        self.ledger().is_draining
    }

    /// Calls in progress.
    pub fn in_progress(&self) -> usize {
        *self.in_progress.borrow()
    }

    /// Resolves when the last call has ended.
    pub async fn drained(&self) {
        // The sender lives as long as we do, so that this cannot fail.
        let _ = self.in_progress.subscribe().wait_for(|calls| *calls == 0).await;
    }
}

impl Vacancy for Admission {
    fn full(&self, trunk: Option<&str>, source: IpAddr) -> Option<Full> {
        let refusal = self.ledger().check(Instant::now(), trunk, source.to_canonical()).err()?;
        Some(Full { reason: refusal.reason(), retry_after_s: refusal.retry_after_s() })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut ledger = self.admission.ledger();
        ledger.release(self.trunk.as_deref(), self.source);
        self.admission.in_progress.send_replace(ledger.calls);
    }
}

impl Drop for TrunkLine {
    fn drop(&mut self) {
        self.admission.ledger().release_placed(&self.trunk);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn config(lines: &str) -> Config {
        let text = format!(
            "[server]\nprofile = \"p\"\ndata_dir = \"/d\"\n{lines}\n\
             [trunks.main]\nfrom = [\"192.0.2.1\"]\ncalls_max = 2\ncalls_per_s_max = 3\n"
        );
        Config::parse(Path::new("/f.toml"), &text, |_| None).expect("valid")
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_call_more_than_there_are_lines_is_refused() {
        let admission = Admission::new(&config("calls_max = 1"));
        let line = admission.admit(None, ip(9)).expect("a free line");
        let refusal = admission.admit(Some("main"), ip(1)).err().expect("there is none left");
        assert_eq!(refusal.reason(), "server.calls_max: 1 calls at once");
        assert_eq!(admission.in_progress(), 1);
        // Who asks first is told the same, however often it asks.
        let full = Full { reason: refusal.reason(), retry_after_s: 10 };
        assert_eq!(admission.full(Some("main"), ip(1)), Some(full));
        drop(line);
        assert_eq!(admission.in_progress(), 0);
        for _ in 0..10 {
            assert_eq!(admission.full(Some("main"), ip(1)), None, "three a second are not used up");
        }
        assert!(!admission.is_draining());
        admission.drain();
        assert!(admission.is_draining());
        let full = Full { reason: "the server is stopping".to_owned(), retry_after_s: 30 };
        assert_eq!(admission.full(None, ip(9)), Some(full));
        assert_eq!(admission.admit(None, ip(9)).err(), Some(Refusal::Draining));
    }

    #[test]
    fn a_trunk_has_its_own_lines_and_an_unknown_source_has_its_own() {
        let now = Instant::now();
        let mut ledger = Ledger::new(&config("[sip]\ncalls_per_source_max = 1"), now);
        let main = Some("main");
        for _ in 0..2 {
            assert_eq!(ledger.admit(now, main, ip(1)), Ok(()));
        }
        let refused = ledger.admit(now, main, ip(1)).expect_err("both lines are taken");
        assert_eq!(refused.reason(), "trunks.main.calls_max: 2 calls at once");
        assert_eq!(ledger.admit(now, None, ip(9)), Ok(()));
        assert_eq!(ledger.admit(now, None, ip(8)), Ok(()));
        let refused = ledger.admit(now, None, ip(9)).expect_err("one from each source");
        assert_eq!(refused, Refusal::SourceLines { calls_max: 1 });
        ledger.release(None, ip(9));
        assert_eq!(ledger.admit(now, None, ip(9)), Ok(()));
        ledger.release(main, ip(1));
        assert_eq!(ledger.admit(now, main, ip(1)), Ok(()));
        assert_eq!((ledger.calls, ledger.sources.len()), (4, 3));
    }

    #[test]
    fn there_are_no_more_conversations_than_there_is_room_for() {
        let admission = Admission::new(&config("calls_max = 9"));
        let capacity = Capacity { effort: Effort::SmallHearing, refuses: false, conversing_max: 1 };
        admission.set_capacity(capacity);
        let mut first = admission.admit(None, ip(9)).expect("there is room for one");
        assert_eq!((first.effort(), admission.conversing()), (Effort::SmallHearing, 1));
        let refused = admission.admit(None, ip(9)).err().expect("but not for two");
        let expected = "capacity.calls_conversing_max: 1 conversations at once";
        assert_eq!((refused.reason().as_str(), refused.retry_after_s()), (expected, 10));
        let mut seat = first.take_seat();
        seat.leave();
        seat.leave();
        let second = admission.admit(None, ip(9)).expect("the other one waits for people");
        // Who comes back from them is not turned away.
        seat.come_back();
        seat.come_back();
        assert_eq!(admission.conversing(), 2);
        // Callers with whom nobody talks are let in beside them, until even that is too much.
        admission.set_capacity(Capacity { effort: Effort::KeypadMenu, ..capacity });
        let mut third = admission.admit(None, ip(9)).expect("a menu costs little");
        let mut third_seat = third.take_seat();
        third_seat.leave();
        third_seat.come_back();
        assert_eq!((third.effort(), admission.conversing()), (Effort::KeypadMenu, 2));
        let least = Capacity { effort: Effort::StraightToPeople, refuses: true, conversing_max: 1 };
        admission.set_capacity(least);
        let refused = admission.admit(None, ip(9)).err().expect("it is too much");
        assert_eq!((refused.counted_as(), refused.retry_after_s()), (RefusedFor::Overload, 30));
        // A menu that becomes a conversation takes room as long as it is one.
        for (effort, conversing) in [(Effort::SmallHearing, 3), (Effort::KeypadMenu, 2)] {
            third_seat.follow(effort);
            assert_eq!(admission.conversing(), conversing);
        }
        third_seat.follow(Effort::Full);
        drop((third_seat, third, second, seat, first));
        assert_eq!((admission.conversing(), admission.in_progress()), (0, 0));
    }

    #[test]
    fn calls_that_we_place_over_a_trunk_take_up_its_lines() {
        let admission = Admission::new(&config("calls_max = 1"));
        let came = admission.admit(Some("main"), ip(1)).expect("a free line");
        let placed = admission.place("main").expect("its second line");
        let refused = admission.place("main").err().expect("both are taken");
        assert_eq!(refused.reason(), "trunks.main.calls_max: 2 calls at once");
        assert_eq!(admission.in_progress(), 1, "a placed call takes up no line of the server");
        drop(came);
        let second = admission.place("main").expect("that line is free again");
        let refused = admission.admit(Some("main"), ip(1)).err().expect("both are taken");
        assert_eq!(refused.counted_as(), RefusedFor::TrunkLines);
        drop((placed, second));
        let _line = admission.admit(Some("main"), ip(1)).expect("both are free");
        admission.drain();
        // A caller who is still here may be put through while the server stops.
        let _placed = admission.place("main").expect("the other one");
    }

    #[test]
    fn new_calls_are_spread_over_the_second_and_refused_ones_cost_nothing() {
        let start = Instant::now();
        let mut ledger = Ledger::new(&config("[sip]\ncalls_per_s_max = 4"), start);
        let call = |ledger: &mut Ledger, trunk: Option<&str>, ms: u64| {
            let admitted = ledger.admit(start + Duration::from_millis(ms), trunk, ip(1));
            if admitted.is_ok() {
                ledger.release(trunk, ip(1));
                ledger.conversing -= 1;
            }
            admitted
        };
        let main = Some("main");
        for _ in 0..3 {
            assert_eq!(call(&mut ledger, main, 0), Ok(()));
        }
        let refused = call(&mut ledger, main, 0).expect_err("three a second");
        assert_eq!(refused.reason(), "trunks.main.calls_per_s_max: 3 new calls a second");
        // The fourth of all is still to be had, by another.
        assert_eq!(call(&mut ledger, None, 0), Ok(()));
        assert_eq!(call(&mut ledger, None, 0), Err(Refusal::Rate { calls_per_s_max: 4 }));
        assert_eq!(call(&mut ledger, None, 240), Err(Refusal::Rate { calls_per_s_max: 4 }));
        assert_eq!(call(&mut ledger, None, 260), Ok(()));
        assert_eq!(call(&mut ledger, main, 1000), Ok(()));
        // However long nothing came, no more than a second's worth is saved up.
        let taken = (0..10).filter(|_| call(&mut ledger, None, 60_000).is_ok()).count();
        assert_eq!(taken, 4);
    }

    #[tokio::test]
    async fn the_last_call_to_end_is_waited_for() {
        let admission = Admission::new(&config(""));
        let lines: Vec<Line> =
            (0..3).map(|last| admission.admit(None, ip(last)).expect("a line")).collect();
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { admission.drained().await }
        });
        drop(lines);
        waiting.await.expect("it ends");
    }
}
