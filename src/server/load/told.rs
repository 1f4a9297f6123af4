//! How it stands, for metrics.

use crate::base::Effort;
use crate::server::exposition::{Exposition, Kind};

use super::Load;

impl Load {
    /// Among the other metrics.
    pub fn expose(&self, out: &mut Exposition) {
        let view = self.latest();
        let steps_down = Effort::parse(&view.effort).map_or(0, Effort::steps_down);
        let gauges = [
            (
                "frontdoor_effort",
                "How much is done for callers: 0 everything, 1 nothing ahead, 2 no second model, 3 a \
                 menu of keys for new callers, 4 people for new callers.",
                steps_down as f64,
            ),
            (
                "frontdoor_overloaded",
                "1 while calls are refused because it is too much even so.",
                f64::from(u8::from(view.refuses_calls)),
            ),
            (
                "frontdoor_calls_conversing",
                "Calls in which we talk with the caller.",
                view.calls_conversing as f64,
            ),
            (
                "frontdoor_calls_conversing_max",
                "So many of them there may be; found out by how it goes, unless it is configured.",
                view.calls_conversing_max as f64,
            ),
            (
                "frontdoor_late_frames_ratio",
                "Share of the latest frames of calls that came too late.",
                f64::from(view.late_frames_percent) / 100.0,
            ),
        ];
        for (name, help, value) in gauges {
            out.single(name, Kind::Gauge, help, value);
        }
        let name = "frontdoor_cpu_ratio";
        out.family(name, Kind::Gauge, "Share of all cores taken now, by us and by everybody.");
        for (whose, percent) in
            [("ours", view.cpu_percent), ("everybody", view.machine_cpu_percent)]
        {
            out.sample(name, &[("whose", whose)], f64::from(percent) / 100.0);
        }
        let (down, up) = self.steps();
        let name = "frontdoor_effort_steps_total";
        out.family(name, Kind::Counter, "How often less was done for callers, and more again.");
        for (direction, count) in [("down", down), ("up", up)] {
            out.sample(name, &[("direction", direction)], count as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::exposition::reading::read;
    use crate::web::view::LoadView;

    #[test]
    fn the_effort_is_told_by_its_steps() {
        let load = Load::new();
        load.0.view.send_replace(LoadView {
            effort: Effort::KeypadMenu.as_str().to_owned(),
            calls_conversing_max: 12,
            cpu_percent: 93,
            ..LoadView::default()
        });
        let mut out = Exposition::default();
        load.expose(&mut out);
        let read = read(&out.finish());
        for (sample, value) in [
            ("frontdoor_effort", 3.0),
            ("frontdoor_overloaded", 0.0),
            ("frontdoor_calls_conversing_max", 12.0),
            ("frontdoor_cpu_ratio{whose=\"ours\"}", 0.93),
            ("frontdoor_effort_steps_total{direction=\"down\"}", 0.0),
        ] {
            assert_eq!(read.value(sample), value, "{sample}");
        }
    }
}
