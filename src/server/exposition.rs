//! Numbers as Prometheus reads them: the text exposition format, version 0.0.4. Decides nothing.

use std::sync::{Mutex, PoisonError};

/// What the text is, for the Content-Type header.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goes up only; its name ends in `_total`.
    Counter,
    /// As it is now.
    Gauge,
    Histogram,
}

/// The text in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// Begins a family: all samples of a name stand together.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A sample of the family begun last.
    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        self.text.push_str(&format!("{name}{labels} {}\n", number(value)));
    }

    /// A family of one sample.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The samples of a histogram; its family has been begun.
    pub fn histogram(&mut self, name: &str, labels: Labels<'_>, histogram: &Histogram) {
        let told = histogram.told();
        let bounds = histogram.bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(&told.cumulative) {
            let bound = number(bound);
            let labels = [labels, &[("le", bound.as_str())]].concat();
            self.sample(&format!("{name}_bucket"), &labels, *count as f64);
        }
        let count = told.cumulative.last().copied().unwrap_or(0);
        self.sample(&format!("{name}_sum"), labels, told.sum);
        self.sample(&format!("{name}_count"), labels, count as f64);
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.text
    }
}

/// A label's value: three characters are written otherwise.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    match value {
        value if value == f64::INFINITY => "+Inf".to_owned(),
        value if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// How often values were up to each of some bounds.
#[derive(Debug)]
pub(super) struct Histogram {
    /// Rising.
    bounds: &'static [f64],
    counted: Mutex<Counted>,
}

#[derive(Debug, Clone)]
struct Counted {
    /// One more than there are bounds: the last is for values beyond all.
    buckets: Vec<u64>,
    sum: f64,
}

/// A histogram at one moment.
struct Told {
    cumulative: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Self {
        let counted = Counted { buckets: vec![0; bounds.len() + 1], sum: 0.0 };
        Self { bounds, counted: Mutex::new(counted) }
    }

    /// Counts a value; what is no number is none.
    pub fn observe(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let at = self.bounds.partition_point(|bound| *bound < value);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.buckets[at] += 1;
        counted.sum += value;
    }

    fn told(&self) -> Told {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut total = 0;
        let cumulative = counted.buckets.iter().map(|count| {
            total += count;
            total
        });
        Told { cumulative: cumulative.collect(), sum: counted.sum }
    }
}

#[cfg(test)]
pub(super) mod reading {
    //! Reads the text back, line by line, as strictly as the format is defined.

    use std::collections::BTreeMap;

    /// Samples by name and labels as they were written, and the kind of each family.
    #[derive(Debug, Default)]
    pub struct Read {
        pub samples: BTreeMap<String, f64>,
        pub kinds: BTreeMap<String, String>,
    }

    impl Read {
        /// The value of a sample, which must be there.
        pub fn value(&self, sample: &str) -> f64 {
            *self.samples.get(sample).unwrap_or_else(|| panic!("{sample} is not in {self:#?}"))
        }
    }

    fn is_name(name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// Skips `name="value",...` and gives what follows the closing brace.
    fn behind_labels(mut rest: &str) -> &str {
        loop {
            let (name, value) = rest.split_once("=\"").expect("a label");
            assert!(is_name(name), "{name}");
            let mut is_escaped = false;
            let end = value.find(|c: char| {
                assert!(!is_escaped || matches!(c, '\\' | '"' | 'n'), "\\{c} is no escape");
                let ends = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                ends
            });
            rest = &value[end.expect("the value ends") + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => return rest.strip_prefix('}').expect("a brace"),
            }
        }
    }

    /// Reads all of it.
    ///
    /// # Panics
    /// It is not in the format.
    pub fn read(text: &str) -> Read {
        assert!(text.ends_with('\n'));
        let mut read = Read::default();
        let mut helped = String::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(is_name(name) && !help.is_empty(), "{line}");
                helped = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert_eq!(name, helped, "HELP stands above TYPE");
                assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                let again = read.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(again, None, "{name} is a family once");
                assert!(name.starts_with("frontdoor_"), "{name}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                family = name.to_owned();
            } else {
                let end = line.find(['{', ' ']).expect("a value");
                let name = &line[..end];
                assert!(is_name(name), "{line}");
                let own = name.strip_prefix(&family).expect("a sample of the family above");
                let parts: &[&str] = match read.kinds[&family].as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(parts.contains(&own), "{line}");
                let rest = match line[end..].strip_prefix('{') {
                    Some(labels) => behind_labels(labels),
                    None => &line[end..],
                };
                let value = rest.strip_prefix(' ').expect("a blank before the value");
                let sample = line[..line.len() - value.len() - 1].to_owned();
                let value = value.replace("+Inf", "inf").parse().expect("a number");
                assert_eq!(read.samples.insert(sample, value), None, "{line} stands once");
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_histograms_are_written_as_the_format_says() {
        let mut out = Exposition::default();
        out.family("frontdoor_x_total", Kind::Counter, "How often: \\ and\nmore.");
        out.sample("frontdoor_x_total", &[("kind", "a\"b\\c\nd"), ("to", "e,f}")], 3.0);
        out.single("frontdoor_y", Kind::Gauge, "Now.", 0.25);
        let histogram = Histogram::new(&[0.5, 1.0]);
        for value in [0.5, 0.75, 2.0, f64::NAN] {
            histogram.observe(value);
        }
        out.family("frontdoor_z_seconds", Kind::Histogram, "How long.");
        out.histogram("frontdoor_z_seconds", &[("part", "all")], &histogram);
        let text = out.finish();
        let expected = "# HELP frontdoor_x_total How often: \\\\ and\\nmore.\n\
            # TYPE frontdoor_x_total counter\n\
            frontdoor_x_total{kind=\"a\\\"b\\\\c\\nd\",to=\"e,f}\"} 3\n\
            # HELP frontdoor_y Now.\n\
            # TYPE frontdoor_y gauge\n\
            frontdoor_y 0.25\n\
            # HELP frontdoor_z_seconds How long.\n\
            # TYPE frontdoor_z_seconds histogram\n\
            frontdoor_z_seconds_bucket{part=\"all\",le=\"0.5\"} 1\n\
            frontdoor_z_seconds_bucket{part=\"all\",le=\"1\"} 2\n\
            frontdoor_z_seconds_bucket{part=\"all\",le=\"+Inf\"} 3\n\
            frontdoor_z_seconds_sum{part=\"all\"} 3.25\n\
            frontdoor_z_seconds_count{part=\"all\"} 3\n";
        assert_eq!(text, expected);
        let read = reading::read(&text);
        assert_eq!(read.value("frontdoor_z_seconds_bucket{part=\"all\",le=\"+Inf\"}"), 3.0);
        assert_eq!(read.samples.len(), 7);
    }
}
