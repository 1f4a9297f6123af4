//! What a process takes of the machine, as Linux tells it under `/proc`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context;
use serde::Serialize;

use crate::cli::eval::cpu::cpu_s_of;

/// What a process has and has used at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Usage {
    /// Seconds of a core since it began, to a hundredth.
    pub cpu_s: f64,
    /// Memory that is in use and not swapped out.
    pub resident_kib: u64,
    /// Open file descriptors.
    pub descriptors: usize,
    /// UDP sockets among them.
    pub udp_ports: usize,
}

impl Usage {
    /// Of a process of ours.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let stat = read("stat")?;
        let status = read("status")?;
        let (descriptors, sockets) = descriptors_of(pid)?;
        // A machine without IPv6 has no such table.
        let tables = read("net/udp")? + &read("net/udp6").unwrap_or_default();
        Ok(Self {
            cpu_s: cpu_s_of(&stat).with_context(|| format!("/proc/{pid}/stat tells no times"))?,
            resident_kib: resident_kib_of(&status)
                .with_context(|| format!("/proc/{pid}/status tells no VmRSS"))?,
            descriptors,
            udp_ports: inodes_of(&tables).filter(|inode| sockets.contains(inode)).count(),
        })
    }

    /// Of this process.
    pub fn of_us() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }
}

/// How many descriptors are open, and the inodes of those that are sockets.
fn descriptors_of(pid: u32) -> anyhow::Result<(usize, BTreeSet<u64>)> {
    let folder = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    let (mut count, mut sockets) = (0, BTreeSet::new());
    for entry in entries {
        // One that has been closed since the folder was read is none.
        let Ok(target) = entry.and_then(|entry| fs::read_link(entry.path())) else { continue };
        count += 1;
        let name = target.to_string_lossy();
        let inode = name.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        sockets.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    }
    Ok((count, sockets))
}

/// From `/proc/PID/status`.
fn resident_kib_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The tenth column of `/proc/PID/net/udp`; its heading is no number.
fn inodes_of(table: &str) -> impl Iterator<Item = u64> {
    table.lines().filter_map(|line| line.split_whitespace().nth(9)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let status = "Name:\tfrontdoor\nVmHWM:\t  200 kB\nVmRSS:\t   184320 kB\nThreads:\t9\n";
        assert_eq!(resident_kib_of(status), Some(184_320));
        assert_eq!(resident_kib_of("VmRSS:\n"), None);
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                     uid  timeout inode ref pointer drops\n \
                     77: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     \
                     0        0 4711 2 0000000000000000 0\n";
        assert_eq!(inodes_of(table).collect::<Vec<_>>(), [4711]);
    }

    #[test]
    fn a_socket_more_is_a_descriptor_and_a_port_more() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let (_, sockets) = descriptors_of(std::process::id()).expect("Linux");
        let table = fs::read_to_string("/proc/self/net/udp").expect("Linux");
        assert!(inodes_of(&table).any(|inode| sockets.contains(&inode)));
        let usage = Usage::of_us().expect("Linux");
        assert!(usage.descriptors > 0 && usage.udp_ports > 0 && usage.resident_kib > 0);
        drop(socket);
    }
}
