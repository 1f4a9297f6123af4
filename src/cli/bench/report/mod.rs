//! Reports of measurements: one page with tables and plots for people, one JSON file with the same
//! figures for programs.
//!
//! The page needs nothing but itself: plots are drawn into it as SVG, and it is readable in light
//! and dark. It tells the machine and its load, without which no latency means anything.

mod html;
mod machine;
mod plot;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::cli::eval::write_json;
use crate::cli::table::write_table;

pub use machine::Machine;
pub use plot::{Across, Axis, BarSeries, Curve, Layout, Mark, Plot, Samples, Shape};

/// What was measured, where and with which results.
#[derive(Debug, Serialize)]
pub struct Report {
    title: String,
    /// What was done and how, a paragraph each.
    about: Vec<String>,
    machine: Machine,
    sections: Vec<Section>,
    /// All that was measured, by name: in the JSON only.
    figures: BTreeMap<String, serde_json::Value>,
}

/// Where a report was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// For people.
    pub html: PathBuf,
    /// For programs.
    pub json: PathBuf,
}

impl Report {
    /// Begins a report; the machine's load is looked at now, and again when it is written.
    pub fn begin(title: impl Into<String>) -> Self {
        Self::on(Machine::look(), title)
    }

    /// Begins a report about another machine, or one whose load was looked at before.
    pub fn on(machine: Machine, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            about: Vec::new(),
            machine,
            sections: Vec::new(),
            figures: BTreeMap::new(),
        }
    }

    /// Adds a paragraph on what was done and how.
    pub fn about(&mut self, paragraph: impl Into<String>) -> &mut Self {
        self.about.push(paragraph.into());
        self
    }

    /// Adds a section.
    pub fn push(&mut self, section: Section) -> &mut Self {
        self.sections.push(section);
        self
    }

    /// Keeps raw figures for whoever reads the JSON. A name that is there is replaced.
    ///
    /// # Errors
    /// They cannot be written as JSON.
    pub fn figures(&mut self, name: &str, figures: &impl Serialize) -> anyhow::Result<&mut Self> {
        let value = serde_json::to_value(figures)
            .with_context(|| format!("the figures '{name}' cannot be written as JSON"))?;
        self.figures.insert(name.to_owned(), value);
        Ok(self)
    }

    /// Writes `report.json` and `report.html` into a folder, which is made if it is missing.
    ///
    /// # Errors
    /// One of them cannot be written; it is named.
    pub fn write(&mut self, folder: &Path) -> anyhow::Result<Written> {
        self.machine.finish();
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let written =
            Written { html: folder.join("report.html"), json: folder.join("report.json") };
        write_json(&written.json, self)?;
        std::fs::write(&written.html, html::page(self))
            .with_context(|| format!("cannot write {}", written.html.display()))?;
        Ok(written)
    }
}

/// A part of a report under a heading of its own.
#[derive(Debug, Serialize)]
pub struct Section {
    title: String,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Text(String),
    Table(Table),
    Plot(Plot),
}

impl Section {
    /// An empty one.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), parts: Vec::new() }
    }

    /// Adds a paragraph.
    pub fn text(mut self, paragraph: impl Into<String>) -> Self {
        self.parts.push(Part::Text(paragraph.into()));
        self
    }

    /// Adds a table.
    pub fn table(mut self, table: Table) -> Self {
        self.parts.push(Part::Table(table));
        self
    }

    /// Adds a plot.
    pub fn plot(mut self, plot: Plot) -> Self {
        self.parts.push(Part::Plot(plot));
        self
    }
}

/// A table; the same one for the page and for the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One without rows.
    pub fn new<T: Into<String>>(columns: impl IntoIterator<Item = T>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.push(cells);
        self
    }

    /// Adds a row, a cell for each column.
    pub fn push<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Writes it for a terminal.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        write_table(out, &columns, &self.rows)
    }
}

/// The usual figures of many samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Half of them are no more than this.
    pub p50: f64,
    /// 95 of 100 are no more than this.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of samples in any order; what is no number is left out. `None` if nothing is left.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        let max = *sorted.last()?;
        let count = sorted.len();
        let at = |percent: usize| sorted[(count * percent).div_ceil(100).clamp(1, count) - 1];
        let mean = sorted.iter().sum::<f64>() / count as f64;
        Some(Self { count, mean, p50: at(50), p95: at(95), max })
    }
}

/// All that are numbers, the smallest first.
fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = samples.iter().copied().filter(|one| one.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}
