//! How a fetch shows what it is doing. All of it goes to standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// What the user sees during a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A bar per package with bytes, rate and time left.
    Bars,
    /// Plain lines, for logs and pipes.
    Lines,
    /// Nothing.
    Silent,
}

impl Progress {
    /// Bars on a terminal, else lines.
    pub fn for_this_terminal() -> Self {
        if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
            Self::Bars
        } else {
            Self::Lines
        }
    }

    /// Says something once.
    pub(super) fn note(self, text: &str) {
        if self != Self::Silent {
            eprintln!("{text}");
        }
    }

    /// Starts to follow a download of `total` bytes.
    pub(super) fn meter(self, label: &str, total: u64) -> Meter {
        let kind = match self {
            Self::Bars => MeterKind::Bar(bar(label, total)),
            Self::Lines => MeterKind::Lines { label: label.to_owned(), total, quarters: 0 },
            Self::Silent => MeterKind::Silent,
        };
        self.note_start(label, total);
        Meter(kind)
    }

    fn note_start(self, label: &str, total: u64) {
        if self == Self::Lines {
            eprintln!("{label}: downloading {}", megabytes(total));
        }
    }
}

fn bar(label: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_prefix(label.to_owned());
    let template = "{prefix:36} {bar:24} {decimal_bytes:>9} of {decimal_total_bytes:9} \
         {decimal_bytes_per_sec:>12} {eta:>4} left";
    let style = ProgressStyle::with_template(template).expect("the template above is valid");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Follows one download. Dropping it leaves the last state on the screen.
pub(super) struct Meter(MeterKind);

enum MeterKind {
    Bar(ProgressBar),
    Lines { label: String, total: u64, quarters: u64 },
    Silent,
}

impl Meter {
    /// `done` bytes are here from an earlier try.
    pub(super) fn resume_at(&mut self, done: u64) {
        if let MeterKind::Bar(bar) = &self.0 {
            bar.set_position(done);
            bar.reset_eta();
        }
    }

    /// `done` bytes are here.
    pub(super) fn at(&mut self, done: u64) {
        match &mut self.0 {
            MeterKind::Bar(bar) => bar.set_position(done),
            MeterKind::Lines { label, total, quarters } => {
                let now = done * 4 / (*total).max(1);
                if now > *quarters {
                    *quarters = now;
                    eprintln!("{label}: {} % of {}", now * 25, megabytes(*total));
                }
            }
            MeterKind::Silent => {}
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let MeterKind::Bar(bar) = &self.0 {
            bar.abandon();
        }
    }
}

/// `77.7 MB`, in decimal megabytes as download pages count.
pub fn megabytes(bytes: u64) -> String {
    if bytes < 100_000 {
        return format!("{:.1} kB", bytes as f64 / 1e3);
    }
    format!("{:.1} MB", bytes as f64 / 1e6)
}
