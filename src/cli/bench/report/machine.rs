//! The machine that something was measured on, and how busy it was.

use std::fs;

use serde::Serialize;

/// What to know of a machine to judge figures from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Version of this program.
    pub version: String,
    /// What the processor calls itself.
    pub cpu_model: String,
    /// Cores that this program may use.
    pub cores: usize,
    /// Memory in MiB; `None` where the system does not tell.
    pub memory_mib: Option<u64>,
    /// When the measurement began, UTC.
    pub began_at: String,
    /// When it was over; `None` while it goes on.
    pub ended_at: Option<String>,
    /// Processes that ran or wanted to in the minute before it, on average.
    pub load_at_start: Option<f64>,
    /// The same at its end: the measurement itself is part of it.
    pub load_at_end: Option<f64>,
}

impl Machine {
    /// This one, now.
    pub fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cpu_model: cpu_model_of(&read("/proc/cpuinfo")).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_mib_of(&read("/proc/meminfo")),
            began_at: now(),
            ended_at: None,
            load_at_start: load_of(&read("/proc/loadavg")),
            load_at_end: None,
        }
    }

    /// The measurement is over.
    pub fn finish(&mut self) {
        self.ended_at = Some(now());
        self.load_at_end = load_of(&fs::read_to_string("/proc/loadavg").unwrap_or_default());
    }
}

fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

/// From `/proc/cpuinfo`: the first core's.
fn cpu_model_of(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim()).filter(|model| !model.is_empty())
}

/// From `/proc/meminfo`.
fn memory_mib_of(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// From `/proc/loadavg`: of the last minute.
fn load_of(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let cpu = "processor\t: 0\nmodel name\t: Fast CPU @ 3.00GHz\n\nprocessor\t: 1\n";
        assert_eq!(cpu_model_of(cpu), Some("Fast CPU @ 3.00GHz"));
        assert_eq!(cpu_model_of("model name\t:\n"), None);
        assert_eq!(memory_mib_of("MemTotal:       24691234 kB\nMemFree: 1 kB\n"), Some(24_112));
        assert_eq!(memory_mib_of("MemTotal: much\n"), None);
        assert_eq!(load_of("4.96 2.89 1.72 3/456 7890\n"), Some(4.96));
        assert_eq!(load_of(""), None);
    }

    #[test]
    fn this_machine_is_looked_at_twice() {
        let mut machine = Machine::look();
        assert!(machine.cores >= 1 && machine.ended_at.is_none());
        assert!(machine.began_at.ends_with('Z'), "{}", machine.began_at);
        machine.finish();
        assert!(machine.ended_at.is_some());
        assert_eq!(machine.load_at_end.is_some(), machine.load_at_start.is_some());
    }
}
