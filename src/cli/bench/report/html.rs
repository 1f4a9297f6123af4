//! The page. Text from anywhere goes through [`escaped`]; there is no other way into the page.

use std::fmt::{self, Write};

use super::{Machine, Part, Plot, Report, Table, svg};

/// Colours come from here only, so that they follow the reader's choice of light or dark. Those of
/// the series are told apart by most who see few colours (Okabe and Ito's set).
const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fff;--text:#1c1e21;--dim:#5b6168;--line:#d6d9dd;--row:#f5f6f8;\
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#b8860b;--c5:#56b4e9;--mark:#b3261e}\
@media(prefers-color-scheme:dark){:root{--back:#16181b;--text:#e6e8ea;--dim:#a0a6ad;--line:#3a3f45;\
--row:#1f2226;--c0:#4ea8de;--c1:#f08a4b;--c2:#3fc79a;--c3:#e3a3c8;--c4:#e0b84c;--c5:#8fd0f5;\
--mark:#ff8a80}}\
body{margin:0 auto;padding:1.5rem;max-width:60rem;background:var(--back);color:var(--text);\
font:16px/1.5 system-ui,sans-serif}\
h1{font-size:1.7rem;margin:0 0 .5rem}h2{font-size:1.25rem;margin:2.5rem 0 .5rem}\
.machine{color:var(--dim)}.wide{overflow-x:auto}\
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .8rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}tbody tr:nth-child(even){background:var(--row)}\
figure{margin:1.5rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}\
svg text{fill:var(--text);font:12px system-ui,sans-serif}.tick{fill:var(--dim)}\
.grid{stroke:var(--line)}.axis{stroke:var(--dim)}.mark{stroke:var(--mark);stroke-dasharray:5 4}\
svg text.of-mark{fill:var(--mark)}\
.line{fill:none;stroke-width:2}\
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}\
.f5{fill:var(--c5)}.l0{stroke:var(--c0)}.l1{stroke:var(--c1)}.l2{stroke:var(--c2)}\
.l3{stroke:var(--c3)}.l4{stroke:var(--c4)}.l5{stroke:var(--c5)}\
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.3rem 0;padding:0;\
font-size:.9rem}.legend svg{width:.9rem;height:.9rem;margin-right:.4rem;vertical-align:-.1rem}";

/// Colours there are; a series beyond them shares one.
const COLOURS: usize = 6;

/// The class that fills with the colour of a series.
pub(super) fn fill(series: usize) -> String {
    format!("f{}", series % COLOURS)
}

/// The class that draws a line in the colour of a series.
pub(super) fn stroke(series: usize) -> String {
    format!("l{}", series % COLOURS)
}

/// Text that becomes no markup, in text and in attributes alike.
pub(super) fn escaped(text: &str) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| {
        for letter in text.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // No such letter may stand in a page (XML 1.0 section 2.2).
                control if control.is_control() && !control.is_whitespace() => {
                    f.write_char('\u{fffd}')?;
                }
                other => f.write_char(other)?,
            }
        }
        Ok(())
    })
}

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a String does not fail.
    _ = write_page(&mut out, report);
    out
}

fn write_page(out: &mut String, report: &Report) -> fmt::Result {
    let title = escaped(&report.title);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )?;
    write_machine(out, &report.machine)?;
    for paragraph in &report.about {
        writeln!(out, "<p>{}</p>", escaped(paragraph))?;
    }
    for section in &report.sections {
        writeln!(out, "<h2>{}</h2>", escaped(&section.title))?;
        for part in &section.parts {
            match part {
                Part::Text(text) => writeln!(out, "<p>{}</p>", escaped(text))?,
                Part::Table(table) => write_table(out, table)?,
                Part::Plot(plot) => write_plot(out, plot)?,
            }
        }
    }
    out.write_str("</body>\n</html>\n")
}

fn write_machine(out: &mut String, machine: &Machine) -> fmt::Result {
    let load = |load: Option<f64>| load.map_or("unknown".to_owned(), |load| format!("{load:.2}"));
    write!(
        out,
        "<p class=\"machine\">frontdoor {}, {} cores of {}",
        escaped(&machine.version),
        machine.cores,
        escaped(&machine.cpu_model),
    )?;
    if let Some(memory_mib) = machine.memory_mib {
        write!(out, ", {:.0} GiB of memory", memory_mib as f64 / 1024.0)?;
    }
    let ended_at = machine.ended_at.as_deref().unwrap_or("now");
    writeln!(
        out,
        ". From {} to {}. Load of the machine: {} before, {} at the end.</p>",
        escaped(&machine.began_at),
        escaped(ended_at),
        load(machine.load_at_start),
        load(machine.load_at_end),
    )
}

fn write_table(out: &mut String, table: &Table) -> fmt::Result {
    out.write_str("<div class=\"wide\"><table>\n<thead><tr>")?;
    for column in &table.columns {
        write!(out, "<th scope=\"col\">{}</th>", escaped(column))?;
    }
    out.write_str("</tr></thead>\n<tbody>\n")?;
    for row in &table.rows {
        out.write_str("<tr>")?;
        for cell in row {
            write!(out, "<td>{}</td>", escaped(cell))?;
        }
        out.write_str("</tr>\n")?;
    }
    out.write_str("</tbody></table></div>\n")
}

fn write_plot(out: &mut String, plot: &Plot) -> fmt::Result {
    writeln!(out, "<figure><figcaption>{}</figcaption>", escaped(&plot.title))?;
    let names = plot.names();
    if !names.is_empty() {
        out.write_str("<ul class=\"legend\">")?;
        for (index, name) in names.iter().enumerate() {
            write!(
                out,
                "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"{}\" \
                 width=\"10\" height=\"10\"/></svg>{}</li>",
                fill(index),
                escaped(name),
            )?;
        }
        out.write_str("</ul>\n")?;
    }
    svg::write(out, plot)?;
    out.write_str("</figure>\n")
}
