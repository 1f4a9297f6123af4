//! What can be drawn. Nothing is drawn here: see [`super::svg`].

use serde::Serialize;

/// A plot with its axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// What is drawn.
    pub shape: Shape,
    /// Lines across it, for goals and limits.
    pub marks: Vec<Mark>,
}

/// An axis. Its ends follow the figures where they are not given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// What is counted along it, with its unit.
    pub name: String,
    /// Its lower end.
    pub min: Option<f64>,
    /// Its upper end; what lies beyond is drawn at it.
    pub max: Option<f64>,
}

/// What is drawn. What is no number is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// How many samples lie where.
    Histogram {
        /// All of them, in any order.
        samples: Vec<f64>,
        /// Columns to put them into.
        bins: usize,
    },
    /// Which share of the samples is no more than x.
    Cdf {
        /// One stair each.
        series: Vec<Samples>,
    },
    /// Points joined by lines.
    Lines {
        /// One line each.
        series: Vec<Curve>,
    },
    /// A value for each group and series.
    Bars {
        /// Their names, from left to right.
        groups: Vec<String>,
        /// One colour each.
        series: Vec<BarSeries>,
        /// Where the bars of a group stand.
        layout: Layout,
    },
}

/// Samples with a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Samples {
    /// What they are called.
    pub name: String,
    /// In any order.
    pub values: Vec<f64>,
}

/// A line with a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// What it is called.
    pub name: String,
    /// Joined in this order.
    pub points: Vec<(f64, f64)>,
}

/// The bars of one colour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BarSeries {
    /// What they are called.
    pub name: String,
    /// One for each group.
    pub values: Vec<f64>,
}

/// Where the bars of a group stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Beside each other: they are compared.
    Beside,
    /// On top of each other: they are parts of a sum.
    Stacked,
}

/// A line across a plot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mark {
    /// Which axis it stands on.
    pub across: Across,
    /// Where on that axis.
    pub at: f64,
    /// What it means.
    pub label: String,
}

/// Which axis a mark stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Across {
    /// A vertical line at a value of x.
    X,
    /// A horizontal line at a value of y.
    Y,
}

impl Axis {
    fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), min: None, max: None }
    }
}

impl Samples {
    /// Samples with a name.
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        Self { name: name.into(), values: values.into_iter().collect() }
    }
}

impl Curve {
    /// A line with a name.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.into(), points: points.into_iter().collect() }
    }
}

impl BarSeries {
    /// Bars with a name, one for each group.
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        Self { name: name.into(), values: values.into_iter().collect() }
    }
}

impl Plot {
    fn new(title: impl Into<String>, x: impl Into<String>, y: Axis, shape: Shape) -> Self {
        Self { title: title.into(), x: Axis::named(x), y, shape, marks: Vec::new() }
    }

    /// How samples are distributed: a column for each part of their range.
    pub fn histogram(
        title: impl Into<String>,
        x: impl Into<String>,
        samples: impl IntoIterator<Item = f64>,
    ) -> Self {
        const BINS: usize = 40;
        let samples = samples.into_iter().collect();
        Self::new(title, x, Axis::named("count"), Shape::Histogram { samples, bins: BINS })
    }

    /// Which share of the samples, in percent, is no more than x.
    pub fn cdf(title: impl Into<String>, x: impl Into<String>, series: Vec<Samples>) -> Self {
        let y = Axis { name: "share, %".to_owned(), min: Some(0.0), max: Some(100.0) };
        Self::new(title, x, y, Shape::Cdf { series })
    }

    /// Points joined by lines.
    pub fn lines(
        title: impl Into<String>,
        x: impl Into<String>,
        y: impl Into<String>,
        series: Vec<Curve>,
    ) -> Self {
        Self::new(title, x, Axis::named(y), Shape::Lines { series })
    }

    /// A value for each group and series.
    pub fn bars<T: Into<String>>(
        title: impl Into<String>,
        y: impl Into<String>,
        groups: impl IntoIterator<Item = T>,
        series: Vec<BarSeries>,
        layout: Layout,
    ) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        Self::new(title, "", Axis::named(y), Shape::Bars { groups, series, layout })
    }

    /// Draws a vertical line at a value of x.
    pub fn mark_x(mut self, at: f64, label: impl Into<String>) -> Self {
        self.marks.push(Mark { across: Across::X, at, label: label.into() });
        self
    }

    /// Draws a horizontal line at a value of y.
    pub fn mark_y(mut self, at: f64, label: impl Into<String>) -> Self {
        self.marks.push(Mark { across: Across::Y, at, label: label.into() });
        self
    }

    /// Sets the ends of the x axis.
    pub fn x_range(mut self, min: f64, max: f64) -> Self {
        (self.x.min, self.x.max) = (Some(min), Some(max));
        self
    }

    /// Sets the ends of the y axis.
    pub fn y_range(mut self, min: f64, max: f64) -> Self {
        (self.y.min, self.y.max) = (Some(min), Some(max));
        self
    }

    /// The names of what has colours of its own, for the legend.
    pub fn names(&self) -> Vec<&str> {
        match &self.shape {
            Shape::Histogram { .. } => Vec::new(),
            Shape::Cdf { series } => series.iter().map(|one| one.name.as_str()).collect(),
            Shape::Lines { series } => series.iter().map(|one| one.name.as_str()).collect(),
            Shape::Bars { series, .. } => series.iter().map(|one| one.name.as_str()).collect(),
        }
    }
}
