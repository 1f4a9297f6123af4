//! Draws plots as SVG, in the page's own colours.

use std::fmt::{self, Write};

use super::html::{escaped, fill, stroke};
use super::plot::{Across, Axis, BarSeries, Curve, Layout, Plot, Samples, Shape};
use super::sorted;

/// The picture's own units; the page scales it.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
/// Where axes begin and end.
const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 18.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = HEIGHT - 46.0;
/// Ticks wanted on an axis.
const TICKS: f64 = 6.0;
/// Points drawn of a stair: more could not be seen.
const STAIRS_MAX: usize = 1_000;
/// Columns there is room for.
const BINS_MAX: usize = 200;
/// How much of a group's room its bars take.
const BARS_SHARE: f64 = 0.72;

/// A stretch of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    min: f64,
    max: f64,
}

impl Range {
    /// As wide as the values and marks want, if the axis does not say it.
    fn of(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let wanted = [axis.min, axis.max].into_iter().flatten();
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.chain(wanted).filter(|value| value.is_finite()) {
            (min, max) = (min.min(value), max.max(value));
        }
        if min > max {
            (min, max) = (0.0, 1.0);
        }
        if axis.min.is_none() && min > 0.0 && min < max / 2.0 {
            // A scale that begins near 0 begins there: lengths can then be compared.
            min = 0.0;
        }
        min = axis.min.filter(|end| end.is_finite()).unwrap_or(min);
        max = axis.max.filter(|end| end.is_finite()).unwrap_or(max);
        if max <= min {
            max = min + 1.0;
        }
        Self { min, max }
    }

    /// Where between its ends, 0 to 1; what lies beyond is put at an end.
    fn share(self, value: f64) -> f64 {
        ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0)
    }

    fn x(self, value: f64) -> f64 {
        LEFT + self.share(value) * (RIGHT - LEFT)
    }

    fn y(self, value: f64) -> f64 {
        BOTTOM - self.share(value) * (BOTTOM - TOP)
    }

    /// Round numbers along it.
    fn ticks(self) -> Vec<f64> {
        let raw = (self.max - self.min) / TICKS;
        let decade = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|times| times * decade)
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(decade * 10.0);
        let (first, last) = ((self.min / step).ceil(), (self.max / step + 1e-9).floor());
        if !step.is_normal() || last - first > 100.0 {
            return vec![self.min, self.max];
        }
        (0..=(last - first) as usize).map(|index| (first + index as f64) * step).collect()
    }
}

/// A number as short as it can be read.
fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 1e7 || (size > 0.0 && size < 1e-3) => return format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    };
    if !text.contains('.') {
        return text;
    }
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// Draws a plot.
pub(super) fn write(out: &mut String, plot: &Plot) -> fmt::Result {
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(&plot.title)
    )?;
    match &plot.shape {
        Shape::Histogram { samples, bins } => histogram(out, plot, samples, *bins)?,
        Shape::Cdf { series } => cdf(out, plot, series)?,
        Shape::Lines { series } => lines(out, plot, series)?,
        Shape::Bars { groups, series, layout } => bars(out, plot, groups, series, *layout)?,
    }
    out.write_str("</svg>\n")
}

fn marks(plot: &Plot, across: Across) -> impl Iterator<Item = f64> + '_ {
    plot.marks.iter().filter(move |mark| mark.across == across).map(|mark| mark.at)
}

fn histogram(out: &mut String, plot: &Plot, samples: &[f64], bins: usize) -> fmt::Result {
    let sorted = sorted(samples);
    let x = Range::of(&plot.x, sorted.iter().copied().chain(marks(plot, Across::X)));
    let bins = bins.clamp(1, BINS_MAX);
    let mut counts = vec![0_usize; bins];
    for sample in &sorted {
        counts[((x.share(*sample) * bins as f64) as usize).min(bins - 1)] += 1;
    }
    let heights = counts.iter().map(|count| *count as f64);
    let y = Range::of(&plot.y, heights.chain([0.0]).chain(marks(plot, Across::Y)));
    frame(out, plot, x, y)?;
    let width = (RIGHT - LEFT) / bins as f64;
    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let left = LEFT + width * index as f64;
        column(out, 0, (left, (width - 1.0).max(0.5)), (y.y(*count as f64), BOTTOM), None)?;
    }
    draw_marks(out, plot, x, y)
}

fn cdf(out: &mut String, plot: &Plot, series: &[Samples]) -> fmt::Result {
    let all = series.iter().flat_map(|one| one.values.iter().copied());
    let x = Range::of(&plot.x, all.chain(marks(plot, Across::X)));
    let y = Range::of(&plot.y, marks(plot, Across::Y));
    frame(out, plot, x, y)?;
    for (index, one) in series.iter().enumerate() {
        let sorted = sorted(&one.values);
        let count = sorted.len();
        let stride = count.div_ceil(STAIRS_MAX).max(1);
        let mut points = Vec::new();
        let mut reached = 0.0;
        for (nth, value) in sorted.iter().enumerate() {
            if nth % stride == 0 || nth + 1 == count {
                let share = (nth + 1) as f64 * 100.0 / count as f64;
                points.extend([(*value, reached), (*value, share)]);
                reached = share;
            }
        }
        // Beyond the largest all of them are.
        points.extend((count > 0).then_some((x.max, 100.0)));
        polyline(out, index, &points, x, y)?;
    }
    draw_marks(out, plot, x, y)
}

fn lines(out: &mut String, plot: &Plot, series: &[Curve]) -> fmt::Result {
    let points = || series.iter().flat_map(|one| one.points.iter());
    let x = Range::of(&plot.x, points().map(|(x, _)| *x).chain(marks(plot, Across::X)));
    let y = Range::of(&plot.y, points().map(|(_, y)| *y).chain(marks(plot, Across::Y)));
    frame(out, plot, x, y)?;
    for (index, one) in series.iter().enumerate() {
        polyline(out, index, &one.points, x, y)?;
        for (at, height) in one.points.iter().filter(|(at, y)| at.is_finite() && y.is_finite()) {
            writeln!(
                out,
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{}: {}, {}</title>\
                 </circle>",
                fill(index),
                x.x(*at),
                y.y(*height),
                escaped(&one.name),
                number(*at),
                number(*height),
            )?;
        }
    }
    draw_marks(out, plot, x, y)
}

fn bars(
    out: &mut String,
    plot: &Plot,
    groups: &[String],
    series: &[BarSeries],
    layout: Layout,
) -> fmt::Result {
    let value = |one: &BarSeries, group: usize| {
        one.values.get(group).copied().filter(|value| value.is_finite()).unwrap_or(0.0)
    };
    let tops = (0..groups.len()).flat_map(|group| {
        let each = series.iter().map(move |one| value(one, group));
        match layout {
            Layout::Beside => each.collect::<Vec<f64>>(),
            Layout::Stacked => vec![each.map(|part| part.max(0.0)).sum()],
        }
    });
    let y = Range::of(&plot.y, tops.chain([0.0]).chain(marks(plot, Across::Y)));
    let x = Range { min: 0.0, max: groups.len().max(1) as f64 };
    horizontal_grid(out, plot, y)?;
    let room = (RIGHT - LEFT) / groups.len().max(1) as f64;
    let beside = if layout == Layout::Beside { series.len().max(1) } else { 1 };
    let width = room * BARS_SHARE / beside as f64;
    for (group, name) in groups.iter().enumerate() {
        let left = LEFT + room * (group as f64 + (1.0 - BARS_SHARE) / 2.0);
        let mut below = 0.0;
        for (index, one) in series.iter().enumerate() {
            let height = value(one, group);
            let label = format!("{name}, {}: {}", one.name, number(height));
            let (at, from, to) = match layout {
                Layout::Beside => (left + width * index as f64, y.min.max(0.0), height),
                Layout::Stacked => (left, below, below + height.max(0.0)),
            };
            below = to;
            let ends = (y.y(from.max(to)), y.y(from.min(to)));
            column(out, index, (at, (width - 1.0).max(0.5)), ends, Some(&label))?;
        }
        let middle = LEFT + room * (group as f64 + 0.5);
        text(out, (middle, BOTTOM + 18.0), "middle", "tick", name)?;
    }
    draw_marks(out, plot, x, y)
}

/// A column from one height to another.
fn column(
    out: &mut String,
    colour: usize,
    (left, width): (f64, f64),
    (top, bottom): (f64, f64),
    label: Option<&str>,
) -> fmt::Result {
    write!(
        out,
        "<rect class=\"{}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\">",
        fill(colour),
        bottom - top,
    )?;
    if let Some(label) = label {
        write!(out, "<title>{}</title>", escaped(label))?;
    }
    out.write_str("</rect>\n")
}

/// Points joined by lines; what is no number is left out.
fn polyline(
    out: &mut String,
    colour: usize,
    points: &[(f64, f64)],
    x: Range,
    y: Range,
) -> fmt::Result {
    write!(out, "<polyline class=\"line {}\" points=\"", stroke(colour))?;
    for (at, height) in points.iter().filter(|(at, y)| at.is_finite() && y.is_finite()) {
        write!(out, "{:.1},{:.1} ", x.x(*at), y.y(*height))?;
    }
    out.write_str("\"/>\n")
}

/// Both axes with their ticks.
fn frame(out: &mut String, plot: &Plot, x: Range, y: Range) -> fmt::Result {
    horizontal_grid(out, plot, y)?;
    for tick in x.ticks() {
        line(out, "axis", (x.x(tick), BOTTOM), (x.x(tick), BOTTOM + 4.0))?;
        text(out, (x.x(tick), BOTTOM + 18.0), "middle", "tick", &number(tick))?;
    }
    text(out, ((LEFT + RIGHT) / 2.0, HEIGHT - 8.0), "middle", "", &plot.x.name)
}

/// The lower axis' line, and the upright axis with a line across the plot at each tick.
fn horizontal_grid(out: &mut String, plot: &Plot, y: Range) -> fmt::Result {
    for tick in y.ticks() {
        line(out, "grid", (LEFT, y.y(tick)), (RIGHT, y.y(tick)))?;
        text(out, (LEFT - 6.0, y.y(tick) + 4.0), "end", "tick", &number(tick))?;
    }
    line(out, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM))?;
    writeln!(
        out,
        "<text x=\"14\" y=\"{:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {:.1})\">{}\
         </text>",
        (TOP + BOTTOM) / 2.0,
        (TOP + BOTTOM) / 2.0,
        escaped(&plot.y.name),
    )
}

fn draw_marks(out: &mut String, plot: &Plot, x: Range, y: Range) -> fmt::Result {
    for mark in plot.marks.iter().filter(|mark| mark.at.is_finite()) {
        match mark.across {
            Across::X => {
                let at = x.x(mark.at);
                line(out, "mark", (at, TOP), (at, BOTTOM))?;
                let (at, anchor) =
                    if x.share(mark.at) > 0.7 { (at - 5.0, "end") } else { (at + 5.0, "start") };
                text(out, (at, TOP + 10.0), anchor, "of-mark", &mark.label)?;
            }
            Across::Y => {
                let at = y.y(mark.at);
                line(out, "mark", (LEFT, at), (RIGHT, at))?;
                text(out, (RIGHT, (at - 5.0).max(TOP)), "end", "of-mark", &mark.label)?;
            }
        }
    }
    Ok(())
}

fn line(out: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) -> fmt::Result {
    writeln!(
        out,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1,
    )
}

fn text(
    out: &mut String,
    (x, y): (f64, f64),
    anchor: &str,
    class: &str,
    words: &str,
) -> fmt::Result {
    writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(words),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: f64, max: f64) -> Range {
        Range { min, max }
    }

    #[test]
    fn ticks_are_round_and_lie_on_the_axis() {
        assert_eq!(range(0.0, 100.0).ticks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(range(3.0, 9.0).ticks(), [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        for (min, max) in [(-1e-9, 1e-9), (0.0, 1e18), (5.0, 5.000_000_1), (-250.0, 950.0)] {
            let ticks = range(min, max).ticks();
            assert!((2..=12).contains(&ticks.len()), "{min}..{max}: {ticks:?}");
            let slack = (max - min) * 1e-6;
            assert!(ticks.iter().all(|tick| (min - slack..=max + slack).contains(tick)));
        }
    }

    #[test]
    fn an_axis_follows_its_figures_unless_it_is_told() {
        let axis = |min, max| Axis { name: String::new(), min, max };
        let of = |axis: &Axis, values: &[f64]| Range::of(axis, values.iter().copied());
        assert_eq!(of(&axis(None, None), &[20.0, f64::NAN, 100.0]), range(0.0, 100.0));
        assert_eq!(of(&axis(None, None), &[90.0, 100.0]), range(90.0, 100.0));
        assert_eq!(of(&axis(Some(0.0), Some(50.0)), &[20.0, 100.0]), range(0.0, 50.0));
        assert_eq!(of(&axis(None, None), &[]), range(0.0, 1.0));
        assert_eq!(of(&axis(None, None), &[7.0, 7.0]), range(7.0, 8.0));
        assert_eq!(of(&axis(Some(9.0), None), &[7.0]), range(9.0, 10.0));
    }

    #[test]
    fn numbers_are_short() {
        let all = [0.0, -0.0, 1.0, 1.5, 12.25, 450.0, 1_234.5, 0.05, 1e9, 0.000_01, -3.1];
        let short =
            ["0", "0", "1", "1.5", "12.25", "450", "1234", "0.05", "1.0e9", "1.0e-5", "-3.1"];
        assert_eq!(all.map(number), short);
    }
}
