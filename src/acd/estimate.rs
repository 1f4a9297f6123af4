//! How long a caller will probably wait.
//!
//! The line is played out a number of times: every agent who has a call comes free after as long as
//! one of the latest calls went on from there, the callers who are ahead are given to whoever comes
//! free first and can take them, and take as long as one of the latest calls of their queue took, or
//! hang up as often as callers did of late. Of the waits that come out of it the shortest and the
//! longest tenth are left out.
//!
//! The draws are the same numbers every time: the same floor gives the same range.

use std::collections::VecDeque;
use std::time::Duration;

use super::{WaitRange, WaiterKind};

/// How often the line is played out.
const ROUNDS: usize = 64;

/// One in so many waits is left out at either end, so that four in five remain.
const LEFT_OUT: usize = 10;

/// Calls of a queue that are remembered; the oldest goes when one more comes. Long calls are rare and
/// matter most, so there have to be many.
const HANDLED_KEPT: usize = 256;

/// Times from an offer to hearing each other that are remembered, likewise.
const JOINED_KEPT: usize = 64;

/// What is thought of a queue before it has had calls, in s: how long they last.
const TALK_BEFORE_ANY_S: [u64; 9] = [30, 60, 90, 120, 150, 210, 270, 390, 570];

/// And how long the agent works on them afterwards.
const WRAP_UP_BEFORE_ANY: Duration = Duration::from_secs(30);

/// And how long an offer takes to be accepted, in s.
const JOINED_BEFORE_ANY_S: [u64; 5] = [3, 4, 6, 8, 12];

/// A call that is longer than all but a few of the latest is a case of its own: it is taken to go on
/// for as long as any.
const LONGER_MIN: usize = 8;

/// Weight of what is known of callers' patience once one more caller has been served or has hung up:
/// the last fifty or so count.
const PATIENCE_FADES: f64 = 0.98;

/// Taken for granted before anybody has waited: nobody hangs up in ten minutes of waiting.
const PATIENCE_BEFORE_ANY_S: f64 = 600.0;

/// Where the draws begin.
const SEED: u64 = 0x5eed_0f4e_11a6_7e03;

/// What a call took of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Handled {
    /// From the offer until the call was over.
    talk: Duration,
    /// From the offer until the work on it was done.
    whole: Duration,
}

/// What the latest calls of a queue were like.
#[derive(Debug)]
pub(super) struct Recent {
    handled: VecDeque<Handled>,
    /// From the offer until they heard each other.
    joined: VecDeque<Duration>,
    /// Callers who have left the line, and what all have waited, in s; the older the less.
    left: f64,
    waited_s: f64,
}

impl Default for Recent {
    fn default() -> Self {
        let handled = |s: u64| {
            let talk = Duration::from_secs(s);
            Handled { talk, whole: talk + WRAP_UP_BEFORE_ANY }
        };
        Self {
            handled: TALK_BEFORE_ANY_S.map(handled).into(),
            joined: JOINED_BEFORE_ANY_S.map(Duration::from_secs).into(),
            left: 0.0,
            waited_s: 0.0,
        }
    }
}

impl Recent {
    /// An agent is done with a call; both times count from the offer.
    pub fn note_handled(&mut self, talk: Duration, whole: Duration) {
        keep(&mut self.handled, Handled { talk, whole }, HANDLED_KEPT);
    }

    /// A caller and an agent heard each other so long after the offer.
    pub fn note_joined(&mut self, after: Duration) {
        keep(&mut self.joined, after, JOINED_KEPT);
    }

    /// A caller has waited so long, and was served.
    pub fn note_stayed(&mut self, waited: Duration) {
        self.left *= PATIENCE_FADES;
        self.waited_s = self.waited_s * PATIENCE_FADES + waited.as_secs_f64();
    }

    /// A caller has waited so long, and has left the line.
    pub fn note_left(&mut self, waited: Duration) {
        self.note_stayed(waited);
        self.left += 1.0;
    }

    /// How many callers a second leave the line, for each who waits.
    fn leaving_per_s(&self) -> f64 {
        self.left / (self.waited_s + PATIENCE_BEFORE_ANY_S)
    }
}

fn keep<T>(kept: &mut VecDeque<T>, value: T, len_max: usize) {
    if kept.len() >= len_max {
        kept.pop_front();
    }
    kept.push_back(value);
}

/// An agent who takes calls.
#[derive(Debug)]
pub(super) enum Seat<'a> {
    /// Has none.
    Ready,
    /// Has one of this queue, since it was offered.
    Busy { elapsed: Duration, recent: &'a Recent },
    /// Works on one that is over, for so long at most.
    WrappingUp { left: Duration },
}

impl Seat<'_> {
    /// When they may be free, in s: each of these is equally likely. Never empty.
    fn free_in(&self) -> Vec<f64> {
        match self {
            Self::Ready => vec![0.0],
            Self::WrappingUp { left } => {
                (1..=8).map(|part| left.as_secs_f64() * f64::from(part) / 8.0).collect()
            }
            Self::Busy { elapsed, recent } => {
                let longer = recent.handled.iter().filter(|handled| handled.talk > *elapsed);
                let rest: Vec<f64> = longer
                    .map(|handled| handled.whole.saturating_sub(*elapsed).as_secs_f64())
                    .collect();
                if rest.len() >= LONGER_MIN {
                    return rest;
                }
                recent.handled.iter().map(|handled| handled.whole.as_secs_f64()).collect()
            }
        }
    }
}

/// A caller in line.
#[derive(Debug)]
pub(super) struct InLine<'a> {
    /// Which seats can take them, by index, and from when on, in s from now.
    pub able: Vec<(usize, f64)>,
    /// What calls of their queue are like.
    pub recent: &'a Recent,
    /// Who is called back does not hang up.
    pub kind: WaiterKind,
}

impl InLine<'_> {
    /// Who can take them first, and when.
    fn first_seat(&self, free: &[f64]) -> Option<(usize, f64)> {
        let starts = self.able.iter().map(|(seat, from)| (*seat, free[*seat].max(*from)));
        starts.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// Whether they are still in line after so many seconds.
    fn stays(&self, s: f64, draws: &mut Draws) -> bool {
        match self.kind {
            WaiterKind::Callback => true,
            WaiterKind::Call => draws.unit() < (-self.recent.leaving_per_s() * s).exp(),
        }
    }
}

/// Plays the line out, the next caller first, and says how long each will probably wait; `None` for
/// those whom nobody can take.
pub(super) fn play_out(seats: &[Seat<'_>], line: &[InLine<'_>]) -> Vec<Option<WaitRange>> {
    let seats: Vec<Vec<f64>> = seats.iter().map(Seat::free_in).collect();
    let mut waits: Vec<Vec<f64>> = line.iter().map(|_| Vec::with_capacity(ROUNDS)).collect();
    let mut draws = Draws(SEED);
    for _ in 0..ROUNDS {
        let mut free: Vec<f64> =
            seats.iter().map(|times| times[draws.index(times.len())]).collect();
        for (caller, waits) in line.iter().zip(&mut waits) {
            let Some((seat, start)) = caller.first_seat(&free) else { continue };
            let joined = &caller.recent.joined;
            waits.push(start + joined[draws.index(joined.len())].as_secs_f64());
            if caller.stays(start, &mut draws) {
                let handled = &caller.recent.handled;
                let whole = handled[draws.index(handled.len())].whole;
                free[seat] = start + whole.as_secs_f64();
            }
        }
    }
    waits.into_iter().map(range_of).collect()
}

/// What is left of waits without the shortest and the longest.
fn range_of(mut waits: Vec<f64>) -> Option<WaitRange> {
    waits.sort_by(f64::total_cmp);
    let left_out = waits.len() / LEFT_OUT;
    let from = waits.get(left_out)?;
    let to = waits.get(waits.len() - 1 - left_out)?;
    Some(WaitRange { from: Duration::from_secs_f64(*from), to: Duration::from_secs_f64(*to) })
}

/// A range in whole minutes as it is spoken, rounded outwards: never less than was meant. What is
/// under a minute is 0 to 1.
pub fn spoken_minutes(range: WaitRange) -> (u32, u32) {
    let from = u32::try_from(range.from.as_secs() / 60).unwrap_or(u32::MAX);
    let to = u32::try_from(range.to.as_millis().div_ceil(60_000)).unwrap_or(u32::MAX);
    (from, to.max(from.saturating_add(1)))
}

/// Numbers that look as if they were drawn (splitmix64).
struct Draws(u64);

impl Draws {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number in 0..1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A place in a list that is not empty.
    fn index(&mut self, len: usize) -> usize {
        (self.unit() * len as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// All calls take as long as this, from offer to hearing each other no time at all.
    fn like_clockwork(talk_s: u64, wrap_up_s: u64) -> Recent {
        let talk = SECOND * talk_s as u32;
        let handled = Handled { talk, whole: talk + SECOND * wrap_up_s as u32 };
        Recent {
            handled: VecDeque::from([handled; 20]),
            joined: VecDeque::from([Duration::ZERO]),
            left: 0.0,
            waited_s: 0.0,
        }
    }

    fn caller<'a>(seats: &[usize], recent: &'a Recent) -> InLine<'a> {
        let able = seats.iter().map(|seat| (*seat, 0.0)).collect();
        InLine { able, recent, kind: WaiterKind::Call }
    }

    fn exactly(s: u64) -> Option<WaitRange> {
        Some(WaitRange { from: SECOND * s as u32, to: SECOND * s as u32 })
    }

    #[test]
    fn a_line_for_two_agents_is_played_out() {
        let recent = like_clockwork(90, 10);
        let seats = [
            Seat::Busy { elapsed: 40 * SECOND, recent: &recent },
            Seat::Busy { elapsed: 70 * SECOND, recent: &recent },
        ];
        let line: Vec<InLine<'_>> = (0..4).map(|_| caller(&[0, 1], &recent)).collect();
        let waits = play_out(&seats, &line);
        assert_eq!(waits, [exactly(30), exactly(60), exactly(130), exactly(160)]);
    }

    #[test]
    fn who_can_take_nobody_ahead_is_free_for_those_behind() {
        let recent = like_clockwork(90, 10);
        let seats = [Seat::Busy { elapsed: Duration::ZERO, recent: &recent }, Seat::Ready];
        let mut later = caller(&[1], &recent);
        later.able[0].1 = 45.0;
        let line = [caller(&[0], &recent), caller(&[], &recent), later, caller(&[0, 1], &recent)];
        let waits = play_out(&seats, &line);
        // The third may have the second agent after 45 s only, and has them before the fourth.
        assert_eq!(waits, [exactly(100), None, exactly(45), exactly(145)]);
    }

    #[test]
    fn a_call_longer_than_any_goes_on_as_long_as_any() {
        let recent = like_clockwork(90, 10);
        let seats = [Seat::Busy { elapsed: 91 * SECOND, recent: &recent }];
        assert_eq!(play_out(&seats, &[caller(&[0], &recent)]), [exactly(100)]);
    }

    #[test]
    fn who_hangs_up_makes_the_line_shorter_for_others_and_callbacks_do_not() {
        let mut recent = like_clockwork(600, 0);
        for _ in 0..50 {
            recent.note_left(SECOND);
        }
        let seats = [Seat::Busy { elapsed: Duration::ZERO, recent: &recent }];
        let mut line = [caller(&[0], &recent), caller(&[0], &recent)];
        let hangs_up = play_out(&seats, &line)[1].expect("there is an agent");
        line[0].kind = WaiterKind::Callback;
        let stays = play_out(&seats, &line)[1].expect("there is an agent");
        assert_eq!(stays.from, 1_200 * SECOND);
        assert!(hangs_up.from < stays.from, "{hangs_up:?}");
    }

    #[test]
    fn the_range_leaves_the_extremes_out_and_is_the_same_every_time() {
        let recent = Recent::default();
        let seats = [Seat::Busy { elapsed: Duration::ZERO, recent: &recent }];
        let [Some(range)] = play_out(&seats, &[caller(&[0], &recent)])[..] else {
            panic!("there is an agent")
        };
        assert!(range.from > 60 * SECOND && range.to < 620 * SECOND, "{range:?}");
        assert!(range.from < range.to, "{range:?}");
        let again = play_out(&seats, &[caller(&[0], &recent)]);
        assert_eq!(again, [Some(range)]);
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut recent = Recent::default();
        for _ in 0..1_000 {
            recent.note_handled(SECOND, 2 * SECOND);
            recent.note_joined(SECOND);
        }
        assert_eq!((recent.handled.len(), recent.joined.len()), (HANDLED_KEPT, JOINED_KEPT));
        assert!(recent.handled.iter().all(|handled| handled.whole == 2 * SECOND));
    }

    #[test]
    fn minutes_are_rounded_outwards() {
        let minutes = |from_ms: u64, to_ms: u64| {
            spoken_minutes(WaitRange {
                from: Duration::from_millis(from_ms),
                to: Duration::from_millis(to_ms),
            })
        };
        assert_eq!(minutes(0, 0), (0, 1));
        assert_eq!(minutes(5_000, 59_999), (0, 1));
        assert_eq!(minutes(59_999, 60_001), (0, 2));
        assert_eq!(minutes(120_000, 120_000), (2, 3));
        assert_eq!(minutes(125_000, 301_000), (2, 6));
        assert_eq!(
            spoken_minutes(WaitRange { from: Duration::MAX, to: Duration::MAX }),
            (u32::MAX, u32::MAX)
        );
    }
}
