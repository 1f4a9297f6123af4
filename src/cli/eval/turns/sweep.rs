//! Every rule with all its settings, on the same turns: how much dead air each costs at which share of
//! callers cut off.

use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;

use super::heard::{CHUNK_MS, HeardTurn};
use super::rules::{Judged, Outcome, Tally, Vote, by_ear, by_patience, by_silence};
use super::spoken::GROUP_GAPS_MS;
use crate::call::PatienceConfig;

/// Shares of callers cut off, at which dead air is told.
pub(in crate::cli) const CUT_OFF_GOALS: [f64; 2] = [0.05, 0.10];

/// Share of the numbers said in groups that may be cut off.
pub(super) const NUMBERS_CUT_OFF_MAX: f64 = 0.02;

/// What silence alone is tried with.
const THRESHOLDS: [f32; 3] = [0.3, 0.5, 0.7];
const SILENCES_MS: std::ops::RangeInclusive<u64> = 96..=3_008;

/// What the end-of-turn model alone is tried with: its probability, and the silence that ends a turn
/// which it thinks unfinished (three seconds as it is shipped).
const ENDS_FROM_PERCENT: std::ops::RangeInclusive<u32> = 2..=98;
const LONG_SILENCES_MS: [u64; 3] = [1_000, 2_000, 3_000];

/// What ours is tried with, in milliseconds; whole chunks, since nothing is decided between them.
const COMPLETE_MS: [u64; 4] = [256, 320, 384, 448];
const LIKELY_MS: [u64; 5] = [320, 448, 576, 704, 832];
const OPEN_MS: [u64; 6] = [448, 576, 704, 896, 1_152, 1_504];
const UNFINISHED_MS: [u64; 3] = [1_024, 1_504, 2_016];
const PACE_PERCENT: [u32; 3] = [0, 120, 150];
const END_LIKELY: [f32; 3] = [0.5, 0.7, 0.9];
const END_UNLIKELY: [f32; 2] = [0.1, 0.3];

/// A rule with one setting, and what it comes to.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Point {
    pub setting: String,
    /// 0 to 1.
    pub cut_off_share: f64,
    pub tally: Tally,
}

impl Point {
    fn new(setting: String, tally: Tally) -> Self {
        Self { setting, cut_off_share: tally.cut_off_share(), tally }
    }
}

/// A rule with all its settings.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Method {
    pub name: String,
    /// Those than which no other is better in both, the quickest first.
    pub points: Vec<Point>,
}

impl Method {
    fn new(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self { name: name.into(), points: frontier(points.into_iter().collect()) }
    }

    /// The least dead air at no more than this share of callers cut off.
    pub fn at(&self, cut_off_max: f64) -> Option<&Point> {
        self.points.iter().find(|point| point.cut_off_share <= cut_off_max)
    }
}

/// What is not beaten in both dead air and callers cut off, the quickest first.
fn frontier(mut points: Vec<Point>) -> Vec<Point> {
    let quicker = |a: &Point, b: &Point| {
        a.tally
            .dead_air_mean_ms
            .total_cmp(&b.tally.dead_air_mean_ms)
            .then(a.cut_off_share.total_cmp(&b.cut_off_share))
    };
    points.sort_by(quicker);
    let mut kept: Vec<Point> = Vec::new();
    for point in points {
        // Where all are cut off there is no dead air to speak of.
        let has_any = point.tally.turns > point.tally.cut_off;
        if has_any && kept.last().is_none_or(|last| point.cut_off_share < last.cut_off_share) {
            kept.push(point);
        }
    }
    kept
}

/// Silence alone, at each threshold of the voice-activity model.
pub(super) fn silence_only(turns: &[&HeardTurn]) -> Vec<Method> {
    THRESHOLDS
        .iter()
        .map(|threshold| {
            let silences = SILENCES_MS.step_by(CHUNK_MS as usize);
            let points: Vec<Point> = silences
                .collect::<Vec<_>>()
                .into_par_iter()
                .map(|silence_ms| {
                    let outcome = |turn: &&HeardTurn| by_silence(turn, *threshold, silence_ms);
                    Point::new(format!("{silence_ms} ms"), Tally::of(turns.iter().map(outcome)))
                })
                .collect();
            Method::new(format!("silence alone, threshold {threshold}"), points)
        })
        .collect()
}

/// The end-of-turn model alone.
pub(super) fn ear_only(turns: &[&HeardTurn], pause_ms: u64) -> Method {
    let points = LONG_SILENCES_MS.iter().flat_map(|long_ms| {
        ENDS_FROM_PERCENT.step_by(2).map(move |percent| {
            let ends_from = percent as f32 / 100.0;
            let outcome = |turn: &&HeardTurn| by_ear(turn, ends_from, pause_ms, *long_ms);
            let setting = format!("from {ends_from:.2}, else {long_ms} ms");
            Point::new(setting, Tally::of(turns.iter().map(outcome)))
        })
    });
    Method::new("smart turn alone", points)
}

/// Ours with one setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    pub config: PatienceConfig,
    pub vote: Vote,
    pub all: Tally,
    /// Of the callers of either half.
    halves: [Tally; 2],
    /// Of the numbers said in groups.
    pub numbers: Tally,
}

impl Tried {
    fn holds_numbers(&self) -> bool {
        self.numbers.cut_off_share() <= NUMBERS_CUT_OFF_MAX
    }

    /// The setting as `[turns]` of the configuration has it.
    pub fn as_toml(&self) -> String {
        let ms = |duration: Duration| duration.as_millis();
        let PatienceConfig { silence_min, complete, likely, open, unfinished, .. } = self.config;
        let mut lines = format!(
            "silence_min_ms = {}\ncomplete_ms = {}\nlikely_ms = {}\nopen_ms = {}\n\
             unfinished_ms = {}\nvalue_gap_ms = {}\npace_percent = {}\n",
            ms(silence_min),
            ms(complete),
            ms(likely),
            ms(open),
            ms(unfinished),
            ms(self.config.value_gap),
            self.config.pace_percent,
        );
        if self.vote == Vote::WordsAndEar {
            lines.push_str(&format!(
                "end_model = \"smart-turn\"\nend_likely = {}\nend_unlikely = {}\n",
                self.config.end_likely, self.config.end_unlikely
            ));
        }
        lines
    }

    /// The setting in one line.
    pub fn as_words(&self) -> String {
        let ms = |duration: Duration| duration.as_millis();
        let config = &self.config;
        let waits = [config.complete, config.likely, config.open, config.unfinished].map(ms);
        let ear = match self.vote {
            Vote::WordsOnly => String::new(),
            Vote::WordsAndEar => format!(", ear {}/{}", config.end_likely, config.end_unlikely),
        };
        let [complete, likely, open, unfinished] = waits;
        let pace = config.pace_percent;
        format!("{complete}/{likely}/{open}/{unfinished} ms, pace {pace} %{ear}")
    }
}

/// The turns that ours is tried on.
pub(super) struct Material<'a> {
    /// As callers speak.
    pub turns: Vec<Judged<'a>>,
    /// Numbers said in groups.
    pub numbers: Vec<Judged<'a>>,
    pub pause_ms: u64,
}

impl Material<'_> {
    /// Tries one setting.
    pub fn tried(&self, config: PatienceConfig, vote: Vote) -> Tried {
        let outcomes = by_patience(&self.turns, config, vote, self.pause_ms);
        let half = |wanted: usize| {
            let of_half = self.turns.iter().zip(&outcomes).enumerate();
            let of_half =
                of_half.filter(move |(index, (judged, _))| half_of(judged.turn, *index) == wanted);
            Tally::of(of_half.map(|(_, (_, outcome))| *outcome))
        };
        Tried {
            config,
            vote,
            halves: [half(0), half(1)],
            all: Tally::of(outcomes.iter().copied()),
            numbers: Tally::of(by_patience(&self.numbers, config, vote, self.pause_ms)),
        }
    }

    /// Tries all settings around this one.
    pub fn tried_all(&self, base: PatienceConfig, votes: &[Vote]) -> Vec<Tried> {
        let mut settings = Vec::new();
        for vote in votes {
            for config in grid(base, *vote) {
                settings.push((config, *vote));
            }
        }
        settings.into_par_iter().map(|(config, vote)| self.tried(config, vote)).collect()
    }

    /// How ours fares with callers for whom it was not set: the best setting of either half of the
    /// callers, on the other half.
    pub fn held_out(&self, tried: &[Tried], cut_off_max: f64) -> Option<Tally> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        for half in 0..2 {
            let fits = |one: &&Tried| {
                one.halves[half].cut_off_share() <= cut_off_max && one.holds_numbers()
            };
            let dead_air = |one: &Tried| one.halves[half].dead_air_mean_ms;
            let best =
                tried.iter().filter(fits).min_by(|a, b| dead_air(a).total_cmp(&dead_air(b)))?;
            let all = by_patience(&self.turns, best.config, best.vote, self.pause_ms);
            let others = self.turns.iter().zip(all).enumerate();
            let others = others.filter(|(index, (judged, _))| half_of(judged.turn, *index) != half);
            outcomes.extend(others.map(|(_, (_, outcome))| outcome));
        }
        Some(Tally::of(outcomes))
    }

    /// Numbers by the length of the pauses between their groups.
    pub fn numbers_by_gap(&self, config: PatienceConfig, vote: Vote) -> Vec<(u64, Tally)> {
        let outcomes = by_patience(&self.numbers, config, vote, self.pause_ms);
        by_gap(self.numbers.iter().map(|judged| judged.turn).zip(outcomes))
    }
}

/// Outcomes of numbers, by the length of the pauses between their groups.
pub(super) fn by_gap<'a>(
    outcomes: impl Iterator<Item = (&'a HeardTurn, Outcome)>,
) -> Vec<(u64, Tally)> {
    let outcomes: Vec<(&HeardTurn, Outcome)> = outcomes.collect();
    let of_gap = |gap_ms: u64| {
        let of_gap = outcomes.iter().filter(move |(turn, _)| turn.group_gap_ms == Some(gap_ms));
        Tally::of(of_gap.map(|(_, outcome)| *outcome))
    };
    GROUP_GAPS_MS.iter().map(|gap_ms| (*gap_ms, of_gap(*gap_ms))).collect()
}

/// In which half of the callers this one is.
fn half_of(turn: &HeardTurn, index: usize) -> usize {
    match turn.speaker.as_str() {
        "" | "?" => index % 2,
        speaker => speaker.bytes().map(usize::from).sum::<usize>() % 2,
    }
}

fn grid(base: PatienceConfig, vote: Vote) -> Vec<PatienceConfig> {
    let ms = Duration::from_millis;
    let votes: Vec<(f32, f32)> = match vote {
        Vote::WordsOnly => vec![(base.end_likely, base.end_unlikely)],
        Vote::WordsAndEar => END_LIKELY
            .iter()
            .flat_map(|likely| END_UNLIKELY.map(|unlikely| (*likely, unlikely)))
            .collect(),
    };
    let mut found = Vec::new();
    for complete in COMPLETE_MS {
        for likely in LIKELY_MS.into_iter().filter(|likely| *likely >= complete) {
            for open in OPEN_MS.into_iter().filter(|open| *open >= likely) {
                for unfinished in UNFINISHED_MS.into_iter().filter(|one| *one >= open) {
                    for pace_percent in PACE_PERCENT {
                        found.extend(votes.iter().map(|(end_likely, end_unlikely)| {
                            PatienceConfig {
                                silence_min: base.silence_min.min(ms(complete)),
                                complete: ms(complete),
                                likely: ms(likely),
                                open: ms(open),
                                unfinished: ms(unfinished),
                                value_gap: base.value_gap.max(ms(unfinished)),
                                pace_percent,
                                end_likely: *end_likely,
                                end_unlikely: *end_unlikely,
                                ..base
                            }
                        }));
                    }
                }
            }
        }
    }
    found
}

/// The quickest setting that cuts off no more than this share of callers, and of numbers no more than
/// they may.
pub(super) fn best(tried: &[Tried], cut_off_max: f64) -> Option<&Tried> {
    tried
        .iter()
        .filter(|one| one.all.cut_off_share() <= cut_off_max && one.holds_numbers())
        .min_by(|a, b| a.all.dead_air_mean_ms.total_cmp(&b.all.dead_air_mean_ms))
}

/// Ours as a method, with or without the ear's vote.
pub(super) fn ours(tried: &[Tried], vote: Vote, name: &str) -> Method {
    let of_vote = tried.iter().filter(|one| one.vote == vote && one.holds_numbers());
    Method::new(name, of_vote.map(|one| Point::new(one.as_words(), one.all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(mean_ms: f64, cut_off: usize) -> Point {
        let tally = Tally { turns: 100, cut_off, dead_air_mean_ms: mean_ms, ..Tally::default() };
        Point::new(format!("{mean_ms}"), tally)
    }

    #[test]
    fn only_what_is_not_beaten_is_kept() {
        let points = [
            point(500.0, 5),
            point(300.0, 20),
            point(600.0, 7),
            point(400.0, 20),
            point(100.0, 100),
        ];
        let method = Method::new("x", points);
        let settings: Vec<&str> = method.points.iter().map(|p| p.setting.as_str()).collect();
        assert_eq!(settings, ["300", "500"]);
        assert_eq!(method.at(0.10).map(|point| point.setting.as_str()), Some("500"));
        assert!(method.at(0.01).is_none());
    }

    #[test]
    fn every_setting_of_the_grid_waits_longer_the_less_is_certain() {
        let settings = grid(PatienceConfig::default(), Vote::WordsAndEar);
        assert!(settings.len() > 1_000, "{}", settings.len());
        for config in settings {
            let waits = [
                config.silence_min,
                config.complete,
                config.likely,
                config.open,
                config.unfinished,
                config.value_gap,
            ];
            assert!(waits.is_sorted(), "{config:?}");
            assert!(config.end_unlikely < config.end_likely);
        }
    }
}
