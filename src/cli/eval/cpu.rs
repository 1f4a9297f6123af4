//! How much of a core something takes, whatever else the machine does meanwhile.

use std::time::Instant;

pub(in crate::cli) use crate::server::cpu_s_of;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes() {
        assert!(CpuClock::start().elapsed_s() >= 0.0);
    }
}
