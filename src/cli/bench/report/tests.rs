//! What was written is read again: the page as XML, the figures as JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

/// An element of the page as it was read.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// Reads a page as strictly as XML is read: each tag closed in its order, each attribute quoted,
/// each `&` the beginning of an entity. Panics where it is not so.
fn parse(page: &str) -> Vec<Element> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let (mut open, mut elements) = (Vec::<usize>::new(), Vec::<Element>::new());
    while let Some(begin) = rest.find('<') {
        if let Some(&inside) = open.last() {
            elements[inside].text += &unescaped(&rest[..begin]);
        }
        let end = begin + rest[begin..].find('>').expect("a tag ends");
        let tag = &rest[begin + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop().expect("something is open");
            assert_eq!(elements[closed].name, name, "tags are closed in their order");
            continue;
        }
        let (tag, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        elements.push(Element {
            name: name.to_owned(),
            attributes: attributes_of(attributes),
            text: String::new(),
        });
        if !alone {
            open.push(elements.len() - 1);
        }
    }
    assert!(open.is_empty(), "all tags are closed");
    assert_eq!(rest.trim(), "");
    elements
}

fn attributes_of(mut text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some((name, after)) = text.trim_start().split_once("=\"") {
        let (value, after) = after.split_once('"').expect("a quoted value");
        let twice = found.insert(name.to_owned(), unescaped(value));
        assert_eq!(twice, None, "{name} stands once");
        text = after;
    }
    assert_eq!(text.trim(), "", "nothing but attributes in a tag");
    found
}

fn unescaped(text: &str) -> String {
    assert!(!text.contains(['<', '>']), "{text}");
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (entity, after) = piece.split_once(';').expect("an entity ends");
        out += match entity {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "#39" => "'",
            other => panic!("unknown entity {other}"),
        };
        out += after;
    }
    out
}

fn with_class<'a>(elements: &'a [Element], name: &str, class: &str) -> Vec<&'a Element> {
    let has = |one: &&Element| {
        one.name == name
            && one.attributes.get("class").is_some_and(|all| all.split(' ').any(|c| c == class))
    };
    elements.iter().filter(has).collect()
}

fn of_attribute(element: &Element, name: &str) -> f64 {
    element.attributes[name].parse().expect("a number")
}

/// The drawing of one plot.
fn drawn(plot: &Plot) -> Vec<Element> {
    let mut out = "<!DOCTYPE html>".to_owned();
    svg::write(&mut out, plot).expect("writes to memory");
    parse(&out)
}

#[test]
fn the_page_and_the_figures_say_what_was_put_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("not/there/yet");
    let mut report = Report::begin("How <fast> & \"good\"");
    report.about("It's measured.").push(
        Section::new("a < b")
            .text("</p><script>alert(1)</script>")
            .table(
                Table::new(["what", "p50 ms"]).row(["<b>ours</b>", "450"]).row(["theirs", "900"]),
            )
            .plot(Plot::cdf(
                "la\u{7}tency",
                "ms",
                vec![Samples::new("ours & co", [1.0, f64::NAN])],
            )),
    );
    report.figures("turns", &[1, 2, 3]).expect("figures");
    let written = report.write(&folder).expect("written");

    let page = std::fs::read_to_string(&written.html).expect("readable");
    let elements = parse(&page);
    let texts = |name: &str| -> Vec<&str> {
        elements.iter().filter(|one| one.name == name).map(|one| one.text.as_str()).collect()
    };
    assert_eq!(texts("h1"), ["How <fast> & \"good\""]);
    assert_eq!(texts("h2"), ["a < b"]);
    assert_eq!(texts("td"), ["<b>ours</b>", "450", "theirs", "900"]);
    assert_eq!(texts("p").last(), Some(&"</p><script>alert(1)</script>"));
    assert_eq!(texts("li"), ["ours & co"]);
    assert_eq!(texts("figcaption"), ["la\u{fffd}tency"]);
    assert_eq!(texts("script").len(), 0);
    assert!(texts("p")[0].contains(env!("CARGO_PKG_VERSION")), "{:?}", texts("p"));

    let json = std::fs::read_to_string(&written.json).expect("readable");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["figures"]["turns"], serde_json::json!([1, 2, 3]));
    assert_eq!(json["sections"][0]["parts"][1]["table"]["rows"][0][0], "<b>ours</b>");
    assert!(json["machine"]["cores"].as_u64() > Some(0));
    assert!(json["machine"]["ended_at"].is_string());
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let page = html::page(&Report::begin("empty"));
    for way_out in ["http:", "https:", "//", "url(", "@import", "src=", "href="] {
        assert!(!page.contains(way_out), "{way_out}");
    }
    assert!(page.contains("prefers-color-scheme:dark"));
}

#[test]
fn where_it_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("writable");
    let error = Report::begin("x").write(&file.join("in")).expect_err("a file is no folder");
    assert!(error.to_string().contains("file/in"), "{error}");
}

#[test]
fn a_histogram_has_a_column_for_each_stretch_with_samples() {
    let samples = [0.0, 0.0, 0.0, 5.0, 10.0, f64::INFINITY];
    let mut plot = Plot::histogram("t", "ms", samples);
    plot.shape = Shape::Histogram { samples: samples.to_vec(), bins: 10 };
    let elements = drawn(&plot);
    let columns = with_class(&elements, "rect", "f0");
    let heights: Vec<f64> = columns.iter().map(|one| of_attribute(one, "height")).collect();
    assert_eq!(heights.len(), 3);
    assert!((heights[0] - 3.0 * heights[1]).abs() < 0.5 && heights[1] == heights[2], "{heights:?}");
}

#[test]
fn stairs_rise_to_all_of_the_samples_and_stay_on_the_paper() {
    let many = Samples::new("many", (0..50_000).map(f64::from));
    let few = Samples::new("few", [10_000.0, 40_000.0]);
    let none = Samples::new("none", [f64::NAN]);
    let plot = Plot::cdf("t", "ms", vec![many, few, none]).mark_x(800.0, "goal < 800 ms");
    let elements = drawn(&plot);
    let lines = with_class(&elements, "polyline", "line");
    let points: Vec<Vec<(f64, f64)>> = lines.iter().map(|line| points_of(line)).collect();
    assert_eq!(points.len(), 3);
    assert!(points[0].len() < 3_000, "{}", points[0].len());
    assert_eq!(points[1].len(), 5);
    assert!(points[2].is_empty());
    let top = points[1].last().expect("points").1;
    assert_eq!(points[0].last().expect("points").1, top);
    for (x, y) in points.concat() {
        assert!((0.0..=760.0).contains(&x) && (0.0..=340.0).contains(&y), "{x},{y}");
    }
    let marks = with_class(&elements, "text", "of-mark");
    assert_eq!(marks[0].text, "goal < 800 ms");
}

fn points_of(line: &Element) -> Vec<(f64, f64)> {
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let pairs = line.attributes["points"].split_whitespace();
    pairs.filter_map(|pair| pair.split_once(',')).map(|(x, y)| (number(x), number(y))).collect()
}

#[test]
fn what_is_no_number_leaves_a_line_whole() {
    let points = [(1.0, 10.0), (f64::NAN, 5.0), (2.0, f64::INFINITY), (3.0, 20.0)];
    let elements = drawn(&Plot::lines("t", "calls", "ms", vec![Curve::new("p95", points)]));
    assert_eq!(points_of(with_class(&elements, "polyline", "line")[0]).len(), 2);
    assert_eq!(elements.iter().filter(|one| one.name == "circle").count(), 2);
}

#[test]
fn bars_stand_beside_each_other_or_add_up() {
    let series =
        || vec![BarSeries::new("endpoint", [300.0, 200.0]), BarSeries::new("voice", [100.0])];
    let bars = |layout| {
        let elements = drawn(&Plot::bars("t", "ms", ["p50", "p95"], series(), layout));
        let of = |class: &str| -> Vec<(f64, f64, f64)> {
            with_class(&elements, "rect", class)
                .iter()
                .map(|one| {
                    let of = |name| of_attribute(one, name);
                    (of("x"), of("y"), of("height"))
                })
                .collect()
        };
        (of("f0"), of("f1"))
    };
    let (first, second) = bars(Layout::Stacked);
    assert_eq!(first[0].0, second[0].0);
    assert!((second[0].1 + second[0].2 - first[0].1).abs() < 0.2, "it stands on the other");
    let (first, second) = bars(Layout::Beside);
    assert!(first[0].0 < second[0].0);
    assert!((first[0].2 - 3.0 * second[0].2).abs() < 0.5, "three times as high");
    assert_eq!(second[1].2, 0.0, "a value that is missing is 0");
}

#[test]
fn nothing_at_all_can_be_drawn() {
    for plot in [
        Plot::histogram("t", "x", []),
        Plot::cdf("t", "x", vec![]),
        Plot::lines("t", "x", "y", vec![]),
        Plot::bars("t", "y", Vec::<String>::new(), vec![], Layout::Stacked),
        Plot::lines("t", "x", "y", vec![]).x_range(5.0, 1.0).y_range(f64::NAN, 0.0),
    ] {
        let text = drawn(&plot).iter().map(|one| one.text.clone()).collect::<String>();
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}

#[test]
fn spreads_are_of_what_is_a_number() {
    let spread = Spread::of(&[4.0, 1.0, f64::NAN, 2.0, 3.0]).expect("samples");
    let expected = Spread { count: 4, mean: 2.5, p50: 2.0, p95: 4.0, max: 4.0 };
    assert_eq!(spread, expected);
    assert_eq!(Spread::of(&[f64::NAN]), None);
}

#[test]
fn a_table_is_the_same_in_a_terminal() {
    let mut out = Vec::new();
    let table = Table::new(["part", "ms"]).row(["voice", "3"]);
    table.print(&mut out).expect("writes to memory");
    assert_eq!(String::from_utf8(out).expect("text"), "PART   MS\nvoice  3\n");
}
