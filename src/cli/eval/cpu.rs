//! How much of a core something takes, whatever else the machine does meanwhile.

use std::time::Instant;

/// Ticks a second in `/proc`: `USER_HZ`, which is the same on every Linux that programs see.
const TICKS_PER_S: f64 = 100.0;

/// Measures this process from its start on.
pub(in crate::cli) struct CpuClock {
    started: Instant,
    cpu_s: Option<f64>,
}

impl CpuClock {
    /// Starts it.
    pub fn start() -> Self {
        Self { started: Instant::now(), cpu_s: process_cpu_s() }
    }

    /// Seconds of a core, to a hundredth; seconds by the clock where the system does not tell.
    pub fn elapsed_s(&self) -> f64 {
        match (self.cpu_s, process_cpu_s()) {
            (Some(before), Some(now)) => now - before,
            _ => self.started.elapsed().as_secs_f64(),
        }
    }
}

fn process_cpu_s() -> Option<f64> {
    cpu_s_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// From a line of `/proc/PID/stat`: fields 14 and 15, in user and in system mode. The second field
/// is a name in parentheses and may hold anything.
pub(in crate::cli) fn cpu_s_of(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 9 9 20 0 8 0 1000 1 2";
        assert_eq!(cpu_s_of(stat), Some(2.0));
        assert_eq!(cpu_s_of("nonsense"), None);
        assert!(CpuClock::start().elapsed_s() >= 0.0);
    }
}
