//! Turns to listen to: recordings with pauses put into them where they have gaps, and numbers said in
//! groups.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audio::mix::limit;
use crate::audio::{Random, SampleRate, level_dbfs};
use crate::cli::eval::channel::Recording;
use crate::cli::eval::manifest::{Row, read_row};
use crate::conversation::{Expectation, Expected};
use crate::nlu::SlotKind;
use crate::nlu::spoken::digits::{DigitsResult, parse as parse_digits};

/// Silence before each turn, and after it: longer than anybody is waited for.
const BEFORE_S: f64 = 0.4;
const AFTER_S: f64 = 4.0;

/// Length of the frames in which the level is measured.
const FRAME_S: f64 = 0.01;
/// How far below the loud parts of a recording its voice ends.
const VOICE_BELOW_LOUD_DB: f32 = 30.0;
/// How far above the background it ends at least.
const VOICE_ABOVE_FLOOR_DB: f32 = 6.0;
/// Quieter than this nothing is: the last bit of a sample.
const FLOOR_MIN_DBFS: f32 = -80.0;

/// Gaps between words that a pause may be put into, and how far they lie from both ends.
const GAP_MIN_S: f64 = 0.04;
const GAP_FROM_END_S: f64 = 0.3;
/// Of so many longest gaps one is chosen.
const GAPS_LONGEST: usize = 3;

/// Pauses that are put in last from here, and so many times as long: as short as a breath, as long as
/// a thought.
const PAUSE_MIN_S: f64 = 0.3;
const PAUSE_RATIO: f64 = 5.0;
/// Shares of the recordings with one pause more, and with two.
const ONE_PAUSE: f64 = 0.45;
const TWO_PAUSES: f64 = 0.15;

/// Digits of the numbers that are said in groups, and between the digits of a group.
const NUMBER_LEN: usize = 8;
const BETWEEN_DIGITS_S: std::ops::Range<f64> = 0.03..0.09;
/// How the digits are grouped.
const GROUPS: [&[usize]; 4] = [&[4, 4], &[3, 3, 2], &[2, 2, 2, 2], &[4, 2, 2]];
/// Pauses between the groups.
pub(super) const GROUP_GAPS_MS: [u64; 3] = [1_000, 1_500, 2_000];

/// What was asked for before the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asked {
    Request,
    YesNo,
    Phone,
    Zip,
    Date,
    Name,
    Text,
    /// A number of so many digits.
    Digits(usize),
}

impl Asked {
    /// By the kind of a recording and what is said in it.
    fn of(row: &Row) -> Self {
        let digits = digits_in(&row.transcript);
        let said = row.transcript.trim().to_lowercase();
        match row.kind.as_str() {
            "zip" => Self::Zip,
            "phone" if digits.len() >= 10 => Self::Phone,
            "phone" | "digits" | "phone_digits" | "street_number" if !digits.is_empty() => {
                Self::Digits(digits.len())
            }
            "date" => Self::Date,
            kind if kind.starts_with("spelled_") => Self::Name,
            "yes_no" => Self::YesNo,
            "address" => Self::Text,
            _ if ["yes", "no", "yeah", "nope"].contains(&said.as_str()) => Self::YesNo,
            _ => Self::Request,
        }
    }

    /// What a call would expect.
    pub fn expectation(self) -> Expectation {
        Expectation::of(match self {
            Self::Request => Expected::Request,
            Self::YesNo => Expected::YesNo,
            Self::Phone => Expected::Slot(SlotKind::Phone),
            Self::Zip => Expected::Slot(SlotKind::Zip),
            Self::Date => Expected::Slot(SlotKind::Date),
            Self::Name => Expected::Slot(SlotKind::Name),
            Self::Text => Expected::Slot(SlotKind::Text),
            Self::Digits(len) => Expected::Slot(SlotKind::Digits { min: len, max: len }),
        })
    }
}

fn digits_in(words: &str) -> String {
    match parse_digits(&words.to_lowercase(), 1, usize::MAX) {
        DigitsResult::Exact(found) => found.digits.into_inner(),
        _ => String::new(),
    }
}

/// A turn as it is said, before it goes through the telephone.
pub(super) struct SpokenTurn {
    pub name: String,
    pub kind: String,
    /// Empty if nobody knows.
    pub speaker: String,
    pub asked: Asked,
    /// Length of the pauses between its groups, if it is a number in groups.
    pub group_gap_ms: Option<u64>,
    pub pauses_put_in: usize,
    pub rate: SampleRate,
    pub samples: Vec<i16>,
    /// Where its voice ends.
    pub ends_ms: u64,
}

/// Where the voice is in a recording, and how quiet it is elsewhere.
struct Voice {
    first: usize,
    end: usize,
    floor_dbfs: f32,
    /// Middles of the gaps, the longest first.
    gaps: Vec<usize>,
}

fn frame_len(rate: SampleRate) -> usize {
    (FRAME_S * f64::from(rate.hz())) as usize
}

/// Finds the voice by its level; `None` in silence.
fn voice_in(rate: SampleRate, samples: &[i16]) -> Option<Voice> {
    let len = frame_len(rate);
    let levels: Vec<f32> = samples.chunks(len).map(level_dbfs).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f32::total_cmp);
    let loud = *sorted.get(sorted.len() * 95 / 100)?;
    let quiet = sorted[sorted.len() / 10].min(loud - VOICE_BELOW_LOUD_DB);
    if loud <= FLOOR_MIN_DBFS {
        return None;
    }
    let voiced = (loud - VOICE_BELOW_LOUD_DB).max(quiet + VOICE_ABOVE_FLOOR_DB);
    let first = levels.iter().position(|level| *level >= voiced)?;
    let last = levels.iter().rposition(|level| *level >= voiced)?;
    let from_end = (GAP_FROM_END_S / FRAME_S) as usize;
    let mut gaps: Vec<(usize, usize)> = Vec::new();
    let mut since = None;
    let inner = levels.iter().enumerate().take(last.saturating_sub(from_end));
    for (frame, level) in inner.skip(first + from_end) {
        match (*level < voiced, since) {
            (true, None) => since = Some(frame),
            (false, Some(start)) => {
                gaps.push((frame - start, (frame + start) / 2 * len));
                since = None;
            }
            _ => {}
        }
    }
    gaps.retain(|(frames, _)| *frames as f64 * FRAME_S >= GAP_MIN_S);
    gaps.sort_by_key(|(frames, _)| std::cmp::Reverse(*frames));
    Some(Voice {
        first: first * len,
        end: ((last + 1) * len).min(samples.len()),
        floor_dbfs: quiet.max(FLOOR_MIN_DBFS),
        gaps: gaps.into_iter().map(|(_, middle)| middle).collect(),
    })
}

/// Background of this level.
fn background(random: &mut Random, samples: usize, dbfs: f32) -> Vec<i16> {
    // Evenly spread between -a and a, the mean square is a²/3.
    let amplitude = 32_767.0 * 10_f64.powf(f64::from(dbfs) / 20.0) * 3.0_f64.sqrt();
    let sample = |random: &mut Random| limit(((random.next_unit() * 2.0 - 1.0) * amplitude) as f32);
    (0..samples).map(|_| sample(random)).collect()
}

/// A recording as a turn.
pub(super) fn turn_of(
    folder: &Path,
    row: &Row,
    index: usize,
    seed: u64,
) -> anyhow::Result<Option<SpokenTurn>> {
    let (rate, samples) = read_row(folder, row)?;
    let Some(voice) = voice_in(rate, &samples) else { return Ok(None) };
    let mut random = Random::new(seed ^ (index as u64 + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let wanted = match random.next_unit() {
        drawn if drawn < TWO_PAUSES => 2,
        drawn if drawn < TWO_PAUSES + ONE_PAUSE => 1,
        _ => 0,
    };
    let mut longest: Vec<usize> = voice.gaps.iter().copied().take(GAPS_LONGEST).collect();
    let mut places = Vec::new();
    while places.len() < wanted && !longest.is_empty() {
        let at = (random.next_unit() * longest.len() as f64) as usize;
        places.push(longest.swap_remove(at.min(longest.len() - 1)));
    }
    places.sort_unstable();
    let pauses: Vec<(usize, f64)> = places
        .into_iter()
        .map(|place| (place, PAUSE_MIN_S * PAUSE_RATIO.powf(random.next_unit())))
        .collect();
    let pauses_put_in = pauses.len();
    let (samples, ends) = put_in(&mut random, (rate, samples), &voice, &pauses);
    Ok(Some(SpokenTurn {
        name: row.path.clone(),
        kind: row.kind.clone(),
        speaker: row.speaker.clone(),
        asked: Asked::of(row),
        group_gap_ms: None,
        pauses_put_in,
        rate,
        samples,
        ends_ms: rate.duration_of(ends).as_millis() as u64,
    }))
}

/// The voice with silence around it and in it, and where it then ends.
fn put_in(
    random: &mut Random,
    (rate, samples): Recording,
    voice: &Voice,
    pauses: &[(usize, f64)],
) -> (Vec<i16>, usize) {
    let count = |seconds: f64| (seconds * f64::from(rate.hz())) as usize;
    let mut said = background(random, count(BEFORE_S), voice.floor_dbfs);
    let mut from = voice.first;
    for (place, seconds) in pauses {
        said.extend_from_slice(&samples[from..*place]);
        said.extend(background(random, count(*seconds), voice.floor_dbfs));
        from = *place;
    }
    said.extend_from_slice(&samples[from..voice.end]);
    let ends = said.len();
    said.extend(background(random, count(AFTER_S), voice.floor_dbfs));
    (said, ends)
}

/// Numbers said in groups, `count` for each length of the pauses between them, put together from
/// recordings of single digits (kind `digit`), each of one speaker.
pub(super) fn numbers(folder: &Path, rows: &[Row], count: usize, seed: u64) -> Vec<SpokenTurn> {
    let mut by_speaker: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == "digit") {
        by_speaker.entry(row.speaker.as_str()).or_default().push(row);
    }
    let speakers: Vec<(&str, Vec<&Row>)> = by_speaker.into_iter().collect();
    let mut turns = Vec::new();
    if speakers.is_empty() {
        return turns;
    }
    for gap_ms in GROUP_GAPS_MS {
        for index in 0..count {
            // The same numbers for each length.
            let mut random = Random::new(seed.wrapping_add(index as u64).wrapping_mul(0x9e37_79b9));
            let (speaker, own) = &speakers[index % speakers.len()];
            turns.extend(number(folder, speaker, own, &mut random, index, gap_ms));
        }
    }
    turns
}

fn number(
    folder: &Path,
    speaker: &str,
    own: &[&Row],
    random: &mut Random,
    index: usize,
    gap_ms: u64,
) -> Option<SpokenTurn> {
    let groups = GROUPS[index % GROUPS.len()];
    let mut said: Vec<i16> = Vec::new();
    let mut its_rate = None;
    for (group, len) in groups.iter().enumerate() {
        for digit in 0..*len {
            let row = own[((random.next_unit() * own.len() as f64) as usize).min(own.len() - 1)];
            let (rate, samples) = read_row(folder, row).ok()?;
            let voice = voice_in(rate, &samples)?;
            let gap_s = match (group, digit) {
                (0, 0) => BEFORE_S,
                (_, 0) => gap_ms as f64 / 1_000.0,
                _ => {
                    let range = BETWEEN_DIGITS_S;
                    range.start + random.next_unit() * (range.end - range.start)
                }
            };
            if its_rate.is_some_and(|other| other != rate) {
                return None;
            }
            its_rate = Some(rate);
            let gap = (gap_s * f64::from(rate.hz())) as usize;
            said.extend(background(random, gap, voice.floor_dbfs.min(-60.0)));
            said.extend_from_slice(&samples[voice.first..voice.end]);
        }
    }
    let rate = its_rate?;
    let ends_ms = rate.duration_of(said.len()).as_millis() as u64;
    said.extend(background(random, (AFTER_S * f64::from(rate.hz())) as usize, -60.0));
    Some(SpokenTurn {
        name: format!("number {index}, {gap_ms} ms between its groups"),
        kind: "number in groups".to_owned(),
        speaker: speaker.to_owned(),
        asked: Asked::Digits(NUMBER_LEN),
        group_gap_ms: Some(gap_ms),
        pauses_put_in: groups.len() - 1,
        rate,
        samples: said,
        ends_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// Voice and silence in turns, in tenths of a second; the first is silence.
    fn recording(tenths: &[usize]) -> Vec<i16> {
        let sample = |voiced: bool, i: usize| {
            if voiced { ((i as f32 * 0.3).sin() * 8_000.0) as i16 } else { (i % 3) as i16 }
        };
        let spans = tenths.iter().enumerate();
        spans
            .flat_map(|(n, tenths)| (0..tenths * 800).map(move |i| sample(n % 2 == 1, i)))
            .collect()
    }

    #[test]
    fn the_voice_and_its_gaps_are_found() {
        let voice = voice_in(RATE, &recording(&[3, 5, 1, 5, 2, 5, 4])).expect("there is a voice");
        assert_eq!((voice.first, voice.end), (3 * 800, 21 * 800));
        // The longer gap first, by its middle.
        assert_eq!(voice.gaps, [15 * 800, 17 * 400]);
        assert!(voice_in(RATE, &[0; 8_000]).is_none());
        assert!(voice_in(RATE, &[]).is_none());
    }

    #[test]
    fn a_pause_is_put_in_and_the_end_moves_with_it() {
        let samples = recording(&[3, 5, 1, 5, 4]);
        let voice = voice_in(RATE, &samples).expect("there is a voice");
        let mut random = Random::new(1);
        let (plain, plain_ends) = put_in(&mut random, (RATE, samples.clone()), &voice, &[]);
        let pause = [(voice.gaps[0], 0.5)];
        let (longer, ends) = put_in(&mut random, (RATE, samples), &voice, &pause);
        assert_eq!(ends, plain_ends + 4_000);
        assert_eq!(longer.len(), plain.len() + 4_000);
        assert_eq!(plain_ends, ((BEFORE_S + 1.1) * 8_000.0) as usize);
    }

    #[test]
    fn what_was_asked_follows_from_the_recording() {
        let asked = |kind: &str, transcript: &str| {
            let [path, transcript, kind] = ["a.wav", transcript, kind].map(str::to_owned);
            Asked::of(&Row { path, transcript, kind, speaker: String::new(), seconds: None })
        };
        assert_eq!(asked("zip", "OH SEVEN NINE TWO TWO"), Asked::Zip);
        assert_eq!(asked("phone", "TWO OH ONE FOUR SIX FOUR SIX OH EIGHT THREE"), Asked::Phone);
        assert_eq!(asked("phone_digits", "2563144191"), Asked::Digits(10));
        assert_eq!(asked("spelled_city", "B E R K E L E Y"), Asked::Name);
        assert_eq!(asked("control_alnum", "YES"), Asked::YesNo);
        assert_eq!(asked("order_slots", "orderDrink {}"), Asked::Request);
    }
}
