//! `/api/ops/today`: how it goes today, in numbers.

use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::store::{DayReport, PartLatency, ReportRules};
use crate::web::Web;
use crate::web::auth::Operations;
use crate::web::error::{ApiError, ForSignedIn};

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(today))
}

#[derive(Serialize, ToSchema)]
struct Today {
    /// When the day began, where the server is.
    since: String,
    /// Calls that were taken.
    calls: usize,
    /// Of these, without a person, and something was understood in them.
    contained: usize,
    /// Their share, 0 to 100; `null` before the first call.
    containment_percent: Option<f64>,
    /// Of these, handed over to a person.
    handed_over: usize,
    /// Of these, nothing was understood of what was asked for, and nobody took over.
    not_helped: usize,
    /// Why people took over, the most frequent first.
    reasons: Vec<ReasonCount>,
    /// From the caller's last word to our first.
    latency: Latency,
    /// Every hour of the day until now.
    by_hour: Vec<HourCount>,
}

#[derive(Serialize, ToSchema)]
struct ReasonCount {
    /// As hand-offs name it.
    reason: String,
    count: usize,
}

#[derive(Serialize, ToSchema)]
struct Latency {
    /// What half of all turns do not exceed; `null` before the first.
    p50_ms: Option<u32>,
    /// What 95 of 100 turns do not exceed.
    p95_ms: Option<u32>,
    /// In their order; none before the first turn.
    parts: Vec<Part>,
}

#[derive(Serialize, ToSchema)]
struct Part {
    /// `network`, `endpoint`, `transcribe`, `understand`, `act`, `voice` or `playout`.
    part: &'static str,
    p50_ms: u32,
    p95_ms: u32,
}

impl From<PartLatency> for Part {
    fn from(PartLatency { part, p50_ms, p95_ms }: PartLatency) -> Self {
        Self { part, p50_ms, p95_ms }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct HourCount {
    /// 0 to 23.
    hour: i8,
    /// Calls that arrived in it.
    calls: usize,
}

/// How it goes today
///
/// The day is that of the server's time zone.
#[utoipa::path(
    get,
    path = "/api/ops/today",
    tag = "ops",
    responses((status = 200, description = "Until now.", body = Today), ForSignedIn),
    security(("session" = ["operations", "admin"]))
)]
async fn today(_: Operations, State(web): State<Web>) -> Result<Json<Today>, ApiError> {
    let (now, zone) = (web.now().at, TimeZone::system());
    let since = midnight(now, &zone);
    let reporting = web.reporting();
    let rules = ReportRules {
        since,
        understood_from: reporting.understood_from,
        checks: reporting.checks.clone(),
    };
    let day = web.store().day_report(&rules).await?;
    Ok(Json(Today::of(day, since, now, &zone)))
}

impl Today {
    fn of(day: DayReport, since: Timestamp, now: Timestamp, zone: &TimeZone) -> Self {
        let DayReport { calls, reasons, parts, began } = day;
        Self {
            since: since.to_string(),
            calls: calls.calls,
            contained: calls.contained,
            containment_percent: percent(calls.contained, calls.calls),
            handed_over: calls.handed_off,
            not_helped: calls.not_helped,
            reasons: reasons
                .into_iter()
                .map(|(reason, count)| ReasonCount { reason, count })
                .collect(),
            latency: Latency {
                p50_ms: calls.latency_p50_ms,
                p95_ms: calls.latency_p95_ms,
                parts: parts.into_iter().map(Part::from).collect(),
            },
            by_hour: by_hour(&began, now, zone),
        }
    }
}

/// With one digit after the point.
fn percent(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 1_000.0 / whole as f64).round() / 10.0)
}

/// When the day began that it is in this time zone.
fn midnight(now: Timestamp, zone: &TimeZone) -> Timestamp {
    let day = now.to_zoned(zone.clone()).start_of_day();
    let a_day = SignedDuration::from_hours(24);
    // At the end of all times there is no such thing.
    day.map_or_else(|_| now.saturating_sub(a_day).unwrap_or(now), |day| day.timestamp())
}

fn by_hour(began: &[Timestamp], now: Timestamp, zone: &TimeZone) -> Vec<HourCount> {
    let hour_of = |at: &Timestamp| at.to_zoned(zone.clone()).hour();
    let mut hours: Vec<HourCount> =
        (0..=hour_of(&now)).map(|hour| HourCount { hour, calls: 0 }).collect();
    for at in began {
        let hour = hour_of(at);
        if let Some(count) = hours.iter_mut().find(|count| count.hour == hour) {
            count.calls += 1;
        }
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_that_of_the_time_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let at = |text: &str| -> Timestamp { text.parse().expect("a time") };
        let now = at("2026-04-02T23:30:00Z");
        assert_eq!(midnight(now, &zone), at("2026-04-02T22:00:00Z"));
        let began = [at("2026-04-02T22:10:00Z"), at("2026-04-02T23:05:00Z"), now];
        let hours = by_hour(&began, now, &zone);
        assert_eq!(hours, [HourCount { hour: 0, calls: 1 }, HourCount { hour: 1, calls: 2 }]);
    }

    #[test]
    fn shares_have_one_digit_and_need_a_call() {
        assert_eq!(percent(2, 3), Some(66.7));
        assert_eq!(percent(0, 3), Some(0.0));
        assert_eq!(percent(0, 0), None);
    }
}
