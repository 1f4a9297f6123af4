//! `hours.md`: opening hours as people write them.

use super::document::{Document, Item, normal};
use super::finding::{Report, did_you_mean};
use super::speech::{Context, Moment, Variables, check_nameless_variant, read};
use super::template::date;
use super::{Hours, Template};

const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Reads `hours.md`.
pub(super) fn read_hours(document: &Document, cx: &Context<'_>, report: &mut Report) -> Hours {
    document.check_fields(&[], report);
    document.check_sections(&["Opening hours", "Holidays", "Say"], report);
    let mut hours = Hours::default();
    match document.section("Opening hours") {
        Some(section) => {
            section.check_no_blocks(report);
            hours.weekly = weekly(&section.list(report), section.line, report);
        }
        None => report.error(
            1,
            "there are no opening hours",
            "add a section `## Opening hours` with lines like `- Monday to Friday: 9 am to 5 pm`",
        ),
    }
    if let Some(section) = document.section("Holidays") {
        section.check_no_blocks(report);
        for item in section.list(report) {
            read_holiday(&item, &mut hours.holidays, report);
        }
    }
    hours.spoken = said(document, cx, report);
    hours
}

fn said(document: &Document, cx: &Context<'_>, report: &mut Report) -> Option<Template> {
    let section = document.section("Say")?;
    section.check_no_blocks(report);
    let items = section.items(report);
    let Some(first) = items.first() else {
        report.error(section.line, "`## Say` is empty", "write the opening hours as a sentence");
        return None;
    };
    if let Some(second) = items.get(1) {
        report.error(second.line, "`## Say` has one wording only", "join both into one");
    }
    let spoken = read(first, &Variables::default(), Moment::Apart, cx, report)?;
    if spoken.variables().contains(&"hours") {
        report.error(first.line, "`{hours}` cannot stand for itself", "write the hours out");
    }
    check_nameless_variant(std::slice::from_ref(&spoken), "`## Say`", first.line, report);
    Some(spoken)
}

fn weekly(items: &[Item], line: usize, report: &mut Report) -> [Vec<(u16, u16)>; 7] {
    let mut week: [Option<Vec<(u16, u16)>>; 7] = Default::default();
    let mut all_read = true;
    for item in items {
        let Some((days, times)) = item.text.split_once(':') else {
            report.error(
                item.line,
                format!("`{}` is not a line of opening hours", item.text),
                "write it like `- Monday to Friday: 9 am to 5 pm` or `- Sunday: closed`",
            );
            all_read = false;
            continue;
        };
        let (Some(days), Some(spans)) =
            (days_of(days, item.line, report), spans_of(times, item.line, report))
        else {
            all_read = false;
            continue;
        };
        for day in days {
            if week[day].is_some() {
                report.error(
                    item.line,
                    format!("{} is listed twice", DAYS[day]),
                    "put all its hours on one line: `9 am to 12 pm, 1 pm to 5 pm`",
                );
            }
            week[day] = Some(spans.clone());
        }
    }
    let missing: Vec<&str> = (0..7).filter(|day| week[*day].is_none()).map(|d| DAYS[d]).collect();
    if all_read && !missing.is_empty() {
        report.warning(
            line,
            format!("nothing is said about {}, so it counts as closed", missing.join(", ")),
            "add a line for it, even if only to say `closed`",
        );
    }
    week.map(Option::unwrap_or_default)
}

/// `Monday to Friday`, `Saturday and Sunday`, `Every day`, as indexes from Monday.
fn days_of(text: &str, line: usize, report: &mut Report) -> Option<Vec<usize>> {
    match normal(text).as_str() {
        "every day" | "daily" => return Some((0..7).collect()),
        "weekdays" => return Some((0..5).collect()),
        "weekends" => return Some(vec![5, 6]),
        _ => {}
    }
    let mut days = Vec::new();
    for part in text.replace(" and ", ",").split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once(" to ").unwrap_or((part, part));
        let (first, last) = (day_of(first, line, report)?, day_of(last, line, report)?);
        // "Saturday to Monday" goes around the end of the week.
        let count = (last + 7 - first) % 7;
        days.extend((0..=count).map(|offset| (first + offset) % 7));
    }
    Some(days)
}

fn day_of(text: &str, line: usize, report: &mut Report) -> Option<usize> {
    let word = text.trim();
    let found = DAYS.iter().position(|day| {
        day.eq_ignore_ascii_case(word) || format!("{day}s").eq_ignore_ascii_case(word)
    });
    if found.is_none() {
        let fix = if word.contains(['-', '\u{2013}']) {
            "write it like `Monday to Friday`".to_owned()
        } else {
            did_you_mean(word, DAYS, "remove it")
        };
        report.error(line, format!("`{word}` is not a day of the week"), fix);
    }
    found
}

/// `9 am to 12 pm, 1 pm to 5 pm` or `closed`, in minutes after midnight.
fn spans_of(text: &str, line: usize, report: &mut Report) -> Option<Vec<(u16, u16)>> {
    let text = text.trim().to_lowercase();
    match text.as_str() {
        "closed" => return Some(Vec::new()),
        "24 hours" | "all day" => return Some(vec![(0, 1440)]),
        _ => {}
    }
    let mut spans: Vec<(u16, u16)> = Vec::new();
    for part in text.replace(" and ", ",").split(',').map(str::trim) {
        let times = part.split_once(" to ").and_then(|(from, to)| {
            let to = if to.trim() == "midnight" { 1440 } else { minute_of(to)? };
            Some((minute_of(from)?, to))
        });
        let problem = match times {
            None => Some(format!("`{part}` is not a time of opening")),
            Some((from, to)) if from >= to => Some(format!("`{part}` ends before it starts")),
            Some((from, _)) if spans.last().is_some_and(|(_, end)| from < *end) => {
                Some(format!("`{part}` starts before the hours in front of it end"))
            }
            Some(span) => {
                spans.push(span);
                None
            }
        };
        if let Some(what) = problem {
            report.error(line, what, "write it like `9 am to 5:30 pm`, `noon to 4 pm` or `closed`");
            return None;
        }
    }
    Some(spans)
}

/// `9 am`, `5:30pm`, `noon`, `17:00`, in minutes after midnight.
fn minute_of(text: &str) -> Option<u16> {
    let text = text.trim().replace("a.m.", "am").replace("p.m.", "pm");
    match text.as_str() {
        "noon" | "12 noon" => return Some(720),
        "midnight" => return Some(0),
        _ => {}
    }
    let half = ["am", "pm"].into_iter().find_map(|half| Some((text.strip_suffix(half)?, half)));
    let (clock, half) = half.map_or((text.as_str(), None), |(clock, half)| (clock, Some(half)));
    let (hour, minute) = match clock.trim().split_once(':') {
        Some((hour, minute)) if minute.len() == 2 => (hour, minute),
        Some(_) => return None,
        None => (clock.trim(), "00"),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + if half == "pm" { 12 } else { 0 },
        // Without am or pm only `17:00` is clear; `5` could be either.
        None if clock.contains(':') && hour < 24 => hour,
        _ => return None,
    };
    (minute < 60).then_some(hour * 60 + minute)
}

fn read_holiday(item: &Item, holidays: &mut Vec<(String, String)>, report: &mut Report) {
    let (day, name) = item.text.split_once(' ').unwrap_or((&item.text, ""));
    let day = day.trim_end_matches(':');
    if date(day).is_none() {
        report.error(
            item.line,
            format!("`{day}` is not a date"),
            "write it like `- 2026-12-25 Christmas Day`",
        );
    } else if holidays.iter().any(|(known, _)| known == day) {
        report.error(item.line, format!("{day} is listed twice"), "keep one of the two");
    } else {
        holidays.push((day.to_owned(), name.trim().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("9 am", Some(540)),
            ("9am", Some(540)),
            ("5:30 pm", Some(1050)),
            ("12 pm", Some(720)),
            ("12 am", Some(0)),
            ("noon", Some(720)),
            ("17:00", Some(1020)),
            ("5", None),
            ("25:00", None),
            ("13 pm", None),
            ("9:7 am", None),
            ("+9 am", None),
            ("", None),
        ] {
            assert_eq!(minute_of(text), expected, "{text}");
        }
    }

    #[test]
    fn days_and_spans_are_checked() {
        let mut report = Report::new("bank", "hours.md");
        assert_eq!(days_of("Monday to Friday", 1, &mut report), Some(vec![0, 1, 2, 3, 4]));
        assert_eq!(days_of("Saturday and Sunday", 1, &mut report), Some(vec![5, 6]));
        assert_eq!(days_of("saturday to monday", 1, &mut report), Some(vec![5, 6, 0]));
        assert_eq!(
            spans_of("9 am to 12 pm, 1 pm to midnight", 1, &mut report),
            Some(vec![(540, 720), (780, 1440)])
        );
        assert!(report.into_findings().is_empty());
        let mut report = Report::new("bank", "hours.md");
        assert_eq!(days_of("Mnday", 1, &mut report), None);
        assert_eq!(spans_of("5 pm to 9 am", 1, &mut report), None);
        assert_eq!(spans_of("9 am to 1 pm, 12 pm to 3 pm", 1, &mut report), None);
        assert_eq!(spans_of("nine to five", 1, &mut report), None);
        assert_eq!(report.into_findings().len(), 4);
    }
}
