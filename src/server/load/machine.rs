//! How much of the machine is taken: by this process, and by everybody. As Linux tells it under
//! `/proc`; where it does not, nothing is taken.

use std::fs;
use std::time::Instant;

/// Ticks a second in `/proc`: `USER_HZ`, which is the same on every Linux that programs see.
const TICKS_PER_S: f64 = 100.0;

/// Shares of all cores since it was looked at last, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Shares {
    pub ours: f64,
    pub everybody: f64,
}

/// Looks at the machine.
#[derive(Debug)]
pub(super) struct Machine {
    /// That we may use: a container may be given fewer than there are.
    cores: usize,
    at: Instant,
    ours_s: f64,
    ticks: Ticks,
}

/// Of all cores since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    idle: u64,
}

impl Machine {
    pub fn new(cores: usize, now: Instant) -> Self {
        Self { cores: cores.max(1), at: now, ours_s: ours_s(), ticks: machine_ticks() }
    }

    /// What was taken since the last look.
    pub fn look(&mut self, now: Instant) -> Shares {
        let (ours_s, ticks) = (ours_s(), machine_ticks());
        let passed_s = now.saturating_duration_since(self.at).as_secs_f64();
        let ours = match passed_s > 0.0 {
            true => (ours_s - self.ours_s) / passed_s / self.cores as f64,
            false => 0.0,
        };
        let busy = ticks.busy.saturating_sub(self.ticks.busy);
        let all = busy + ticks.idle.saturating_sub(self.ticks.idle);
        let everybody = if all == 0 { 0.0 } else { busy as f64 / all as f64 };
        (self.at, self.ours_s, self.ticks) = (now, ours_s, ticks);
        Shares { ours: ours.clamp(0.0, 1.0), everybody }
    }
}

fn ours_s() -> f64 {
    fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_s_of(&stat)).unwrap_or(0.0)
}

fn machine_ticks() -> Ticks {
    fs::read_to_string("/proc/stat").ok().and_then(|stat| ticks_of(&stat)).unwrap_or_default()
}

/// Seconds of a core, from a line of `/proc/PID/stat`: fields 14 and 15, in user and in system mode.
/// The second field is a name in parentheses and may hold anything.
pub(crate) fn cpu_s_of(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_S)
}

/// From `/proc/stat`, whose first line is all cores: user, nice, system, idle, iowait, irq, softirq,
/// steal; what guests take is in the first two again. What a host gives to others is busy for us.
fn ticks_of(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let idle = fields.get(3)? + fields.get(4).copied().unwrap_or(0);
    let all: u64 = fields.iter().take(8).sum();
    Some(Ticks { busy: all - idle, idle })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 9 9 20 0 8 0 1000 1 2";
        assert_eq!(cpu_s_of(stat), Some(2.0));
        assert_eq!(cpu_s_of("nonsense"), None);
        let stat = "cpu  10 20 30 400 5 1 2 7 99 99\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(ticks_of(stat), Some(Ticks { busy: 70, idle: 405 }));
        assert_eq!(ticks_of("cpu  1 2 3 4\n"), Some(Ticks { busy: 6, idle: 4 }));
        for nonsense in ["", "cpu", "cpu  1 2 3\n", "intr 1 2 3 4 5\n"] {
            assert_eq!(ticks_of(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn shares_are_of_all_cores() {
        let now = Instant::now();
        let mut machine = Machine::new(2, now);
        // As if it had been looked at when we had used half a second less.
        machine.ours_s -= 0.5;
        let shares = machine.look(now + Duration::from_secs(1));
        assert!((0.25..0.5).contains(&shares.ours), "{shares:?}");
        assert!((0.0..=1.0).contains(&shares.everybody), "{shares:?}");
        assert_eq!(machine.look(now + Duration::from_secs(1)).ours, 0.0, "no time has passed");
    }
}
