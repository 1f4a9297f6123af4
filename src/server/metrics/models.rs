//! What the models did, and what waits for them.

use crate::engine::hearing::{HearingStats, SecondOpinion};
use crate::engine::voice::VoiceHealth;
use crate::server::Engines;
use crate::server::exposition::{Exposition, Kind};

/// Writes all of it.
pub(super) fn tell(out: &mut Exposition, engines: &Engines) {
    let (heard, said) = (engines.hearing.stats(), engines.voice.health());
    queues(out, &heard, &said, engines.understanding.queue_len());
    work(out, &heard, &said);
    hearing(out, &heard);
}

fn queues(out: &mut Exposition, heard: &HearingStats, said: &VoiceHealth, understanding: usize) {
    let name = "frontdoor_queue_length";
    out.family(name, Kind::Gauge, "What waits for a model now.");
    let lengths = [
        ("hearing", heard.queue_len),
        ("understanding", understanding),
        ("voice", said.queued),
        ("prerender", said.prerender_queued),
    ];
    for (queue, length) in lengths {
        out.sample(name, &[("queue", queue)], length as f64);
    }
    let name = "frontdoor_hearing_oldest_wait_seconds";
    let help = "How long the oldest utterance in the queue has waited whose caller waits for us.";
    out.single(name, Kind::Gauge, help, heard.oldest_wait.as_secs_f64());
    let name = "frontdoor_shed_total";
    let help = "What found too much waiting for a model; `_ahead` is what nobody waited for yet.";
    out.family(name, Kind::Counter, help);
    let shed = [
        ("hearing", heard.overloads),
        ("hearing_ahead", heard.shed),
        ("voice", said.overloaded),
        ("voice_ahead", said.shed),
        ("prerender", said.prerender_dropped),
    ];
    for (queue, count) in shed {
        out.sample(name, &[("queue", queue)], count as f64);
    }
}

fn work(out: &mut Exposition, heard: &HearingStats, said: &VoiceHealth) {
    let name = "frontdoor_engine_failures_total";
    out.family(name, Kind::Counter, "What a model failed at.");
    for (engine, count) in [("hearing", heard.failures), ("voice", said.failures)] {
        out.sample(name, &[("engine", engine)], count as f64);
    }
    let name = "frontdoor_engine_cpu_seconds_total";
    out.family(name, Kind::Counter, "CPU time of the models.");
    for (engine, cpu_s) in [("hearing", heard.cpu_s), ("voice", said.cpu_s)] {
        out.sample(name, &[("engine", engine)], cpu_s);
    }
    let name = "frontdoor_engine_cpu_wasted_seconds_total";
    out.family(name, Kind::Counter, "Of that, for what nobody has taken.");
    out.sample(name, &[("engine", "hearing")], heard.cpu_wasted_s);
}

fn hearing(out: &mut Exposition, heard: &HearingStats) {
    let name = "frontdoor_hearing_decodes_total";
    let help = "Utterances transcribed, by whether the caller waited or was only pausing.";
    out.family(name, Kind::Counter, help);
    let waited_for = heard.decodes.saturating_sub(heard.decodes_ahead);
    for (when, count) in [("waited_for", waited_for), ("ahead", heard.decodes_ahead)] {
        out.sample(name, &[("when", when)], count as f64);
    }
    let name = "frontdoor_hearing_given_up_total";
    let help = "Transcriptions given up because the caller went on, or the call ended.";
    out.family(name, Kind::Counter, help);
    for (state, count) in [("waiting", heard.cancelled), ("running", heard.aborted)] {
        out.sample(name, &[("state", state)], count as f64);
    }
    let name = "frontdoor_hearing_second_model_total";
    let help = "Whether the second model was asked (kept, changed), and why not.";
    out.family(name, Kind::Counter, help);
    for (opinion, count) in SecondOpinion::ALL.into_iter().zip(heard.second) {
        out.sample(name, &[("outcome", opinion.as_str())], count as f64);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::server::exposition::reading::read;

    #[test]
    fn what_was_done_ahead_and_for_nothing_is_told_apart() {
        let heard = HearingStats {
            queue_len: 3,
            oldest_wait: Duration::from_millis(250),
            decodes: 10,
            decodes_ahead: 7,
            cancelled: 1,
            aborted: 2,
            shed: 4,
            overloads: 5,
            second: [6, 1, 1, 0, 1, 1],
            cpu_s: 3.5,
            cpu_wasted_s: 0.5,
            ..HearingStats::default()
        };
        let said = VoiceHealth { queued: 1, shed: 2, ..VoiceHealth::default() };
        let mut out = Exposition::default();
        queues(&mut out, &heard, &said, 0);
        work(&mut out, &heard, &said);
        hearing(&mut out, &heard);
        let read = read(&out.finish());
        for (sample, value) in [
            ("frontdoor_queue_length{queue=\"hearing\"}", 3.0),
            ("frontdoor_hearing_oldest_wait_seconds", 0.25),
            ("frontdoor_shed_total{queue=\"hearing\"}", 5.0),
            ("frontdoor_shed_total{queue=\"hearing_ahead\"}", 4.0),
            ("frontdoor_shed_total{queue=\"voice_ahead\"}", 2.0),
            ("frontdoor_engine_cpu_seconds_total{engine=\"hearing\"}", 3.5),
            ("frontdoor_engine_cpu_wasted_seconds_total{engine=\"hearing\"}", 0.5),
            ("frontdoor_hearing_decodes_total{when=\"ahead\"}", 7.0),
            ("frontdoor_hearing_decodes_total{when=\"waited_for\"}", 3.0),
            ("frontdoor_hearing_given_up_total{state=\"running\"}", 2.0),
            ("frontdoor_hearing_second_model_total{outcome=\"not_needed\"}", 6.0),
            ("frontdoor_hearing_second_model_total{outcome=\"changed\"}", 1.0),
        ] {
            assert_eq!(read.value(sample), value, "{sample}");
        }
    }
}
