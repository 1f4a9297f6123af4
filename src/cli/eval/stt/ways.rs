//! One recording heard in several ways, and what they lose.

use serde::Serialize;

use super::{Clip, SttArgs, Sum, is_value};
use crate::base::{CallId, UtteranceId};
use crate::cli::eval::ahead::Cutter;
use crate::cli::eval::manifest::Row;
use crate::engine::hearing::{Hearing, HearingConfig, HearingRequest, SecondOpinion};
use crate::engine::models::{ModelStore, resolve_whisper};

/// All frames that the models have.
const FULL_CONTEXT: usize = 1_500;

/// The recognisers that are compared.
pub(super) struct Ways {
    usual: Hearing,
    compared: Option<(Hearing, Cutter)>,
}

/// What was heard of one recording.
pub(super) struct Heard {
    /// As calls hear what is over.
    pub usual: Clip,
    /// At full context, and up to the last pause.
    compared: Option<(Clip, Clip)>,
}

impl Ways {
    pub fn start(args: &SttArgs) -> anyhow::Result<Self> {
        let store = ModelStore::open(None)?;
        let second = Some(args.second_model.as_str()).filter(|name| *name != "none");
        let usual = HearingConfig {
            second_model: second.map(|name| resolve_whisper(&store, name)).transpose()?,
            context_frames_min: args.context_min,
            ..HearingConfig::new(resolve_whisper(&store, &args.model)?)
        };
        let compared = match args.speculative {
            true => {
                let full = HearingConfig { context_frames_min: FULL_CONTEXT, ..usual.clone() };
                Some((Hearing::start(full)?, Cutter::start(&store)?))
            }
            false => None,
        };
        Ok(Self { usual: Hearing::start(usual)?, compared })
    }

    pub async fn hear(&self, index: usize, row: &Row, audio: Vec<i16>) -> anyhow::Result<Heard> {
        let request = |samples: Vec<i16>| {
            HearingRequest::new(CallId::from_u128(0), UtteranceId(index as u32), samples)
        };
        let compared = match &self.compared {
            Some((full, cutter)) => {
                let ahead = self.usual.transcribe(request(cutter.cut(&audio))).await?;
                let full = full.transcribe(request(audio.clone())).await?;
                Some((Clip::new(row, full), Clip::new(row, ahead)))
            }
            None => None,
        };
        let usual = Clip::new(row, self.usual.transcribe(request(audio)).await?);
        Ok(Heard { usual, compared })
    }
}

/// One way over all recordings: those whose transcript is what was said, and those whose transcript is
/// the value that was meant.
#[derive(Debug, Serialize)]
struct Totals {
    words: Sum,
    values: Sum,
}

impl Totals {
    fn of<'a>(clips: impl Iterator<Item = &'a Clip> + Clone) -> Self {
        let words = Sum::of(clips.clone().filter(|clip| !is_value(&clip.kind)));
        Self { words, values: Sum::of(clips.filter(|clip| is_value(&clip.kind))) }
    }

    fn print(&self, name: &str) {
        let Self { words, values } = self;
        let values = match values.clips {
            0 => "-".to_owned(),
            _ => format!("{:.1}", 100.0 * values.exact_share),
        };
        println!(
            "{name:<34} {:>7.2} {:>8.1} {values:>8} {:>7.3} {:>7} {:>7}",
            100.0 * words.word_error_rate,
            100.0 * words.exact_share,
            words.cpu_s_per_audio_s,
            words.decode_p50_ms,
            words.decode_p95_ms,
        );
    }
}

/// What is lost by hearing less of a recording, in percentage points; more is better but for the word
/// error rate.
#[derive(Debug, Serialize)]
struct Difference {
    word_error_rate: f64,
    exact: f64,
    values_exact: f64,
}

impl Difference {
    fn between(from: &Totals, to: &Totals) -> Self {
        let points = |from: f64, to: f64| 100.0 * (to - from);
        Self {
            word_error_rate: points(from.words.word_error_rate, to.words.word_error_rate),
            exact: points(from.words.exact_share, to.words.exact_share),
            values_exact: points(from.values.exact_share, to.values.exact_share),
        }
    }

    fn print(&self, name: &str) {
        let Self { word_error_rate, exact, values_exact } = self;
        println!("{name:<34} {word_error_rate:>+7.2} {exact:>+8.1} {values_exact:>+8.1}");
    }
}

/// The ways side by side.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    full: Totals,
    usual: Totals,
    ahead: Totals,
    /// From all of a recording at full context to what is heard ahead.
    difference: Difference,
}

impl Comparison {
    /// `None` where only one way was taken.
    pub fn of(heard: &[Heard]) -> Option<Self> {
        let pairs = || heard.iter().filter_map(|heard| heard.compared.as_ref());
        pairs().next()?;
        let full = Totals::of(pairs().map(|(full, _)| full));
        let ahead = Totals::of(pairs().map(|(_, ahead)| ahead));
        let usual = Totals::of(heard.iter().map(|heard| &heard.usual));
        let difference = Difference::between(&full, &ahead);
        Some(Self { full, usual, ahead, difference })
    }

    pub fn print(&self) {
        println!(
            "\n{:<34} {:>7} {:>8} {:>8} {:>7} {:>7} {:>7}",
            "heard", "WER %", "exact %", "values %", "cpu/s", "p50 ms", "p95 ms"
        );
        self.full.print("all, at full context");
        self.usual.print("all, as in calls");
        self.ahead.print("to the last pause, as done ahead");
        self.difference.print("difference of last and first");
    }
}

/// How often the second model was asked, and whether that was of use.
#[derive(Debug, Default, Serialize)]
pub(super) struct SecondModelUse {
    /// Why it was not asked, or what came of it, with how often.
    outcomes: Vec<(&'static str, usize)>,
    /// Its words had fewer errors than those in whose place they stand.
    better: usize,
    /// As many.
    level: usize,
    /// More.
    worse: usize,
}

impl SecondModelUse {
    pub fn of(clips: &[Clip]) -> Self {
        let count = |opinion: SecondOpinion| {
            clips.iter().filter(|clip| clip.second == opinion.as_str()).count()
        };
        let outcomes = SecondOpinion::ALL.map(|opinion| (opinion.as_str(), count(opinion)));
        let mut sum = Self { outcomes: outcomes.to_vec(), ..Self::default() };
        for clip in clips {
            let Some(before) = clip.errors_before else { continue };
            match clip.errors.cmp(&before) {
                std::cmp::Ordering::Less => sum.better += 1,
                std::cmp::Ordering::Equal => sum.level += 1,
                std::cmp::Ordering::Greater => sum.worse += 1,
            }
        }
        sum
    }

    pub fn print(&self) {
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        let Self { better, level, worse, .. } = self;
        println!("\nsecond model: {}", outcomes.join(", "));
        println!("where it changed the words: better {better}, level {level}, worse {worse}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Pii;
    use crate::engine::hearing::Transcript;
    use crate::nlu::Readings;

    fn clip(kind: &str, said: &str, heard: &str, instead_of: Option<&str>) -> Clip {
        let [path, transcript, kind] = ["a.wav", said, kind].map(str::to_owned);
        let row = Row { path, transcript, kind, speaker: String::new(), seconds: None };
        let second = match instead_of {
            Some(_) => SecondOpinion::Changed,
            None => SecondOpinion::NotNeeded,
        };
        let transcript = Transcript {
            text: Pii::new(heard.to_owned()),
            words: Pii::default(),
            confidence: 0.9,
            audio_ms: 1_000,
            decode_ms: 300,
            queued_ms: 0,
            cpu: Duration::from_millis(250),
            threads: 1,
            fallback: false,
            second,
            instead_of: instead_of.map(|text| Pii::new(text.to_owned())),
            readings: Readings::default(),
        };
        Clip::new(&row, transcript)
    }

    #[test]
    fn what_is_lost_is_told_in_points() {
        let usual = || clip("prompt", "opening hours", "opening hours", None);
        let words = Heard {
            usual: usual(),
            compared: Some((usual(), clip("prompt", "opening hours", "opening ours", None))),
        };
        let value = |heard: &str| clip("phone_digits", "1855749866", heard, None);
        let values = Heard {
            usual: value("1855749866"),
            compared: Some((value("1855749866"), value("1855749866"))),
        };
        let comparison = Comparison::of(&[words, values]).expect("there is something to compare");
        assert!((comparison.difference.word_error_rate - 50.0).abs() < 1e-9);
        assert!((comparison.difference.exact + 100.0).abs() < 1e-9);
        assert!(comparison.difference.values_exact.abs() < 1e-9);
        let alone = Heard { usual: usual(), compared: None };
        assert!(Comparison::of(&[alone]).is_none());
    }

    #[test]
    fn a_second_model_is_of_use_where_it_has_fewer_errors() {
        let clips = [
            clip("prompt", "opening hours", "opening hours", Some("open ours")),
            clip("prompt", "agent", "a gent", Some("agent")),
            clip("prompt", "agent", "agent", None),
        ];
        let used = SecondModelUse::of(&clips);
        assert_eq!((used.better, used.level, used.worse), (1, 0, 1));
        assert!(
            used.outcomes.contains(&("changed", 2)) && used.outcomes.contains(&("not_needed", 1))
        );
    }
}
