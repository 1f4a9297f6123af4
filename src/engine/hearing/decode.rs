//! One utterance through whisper: settings, the second try after a loop, cleaning, confidence.

use std::time::{Duration, Instant};

use super::audience::Audience;
use super::clean::is_silence_sentence;
use super::ear::{Ear, Heard, Word};
use super::focus::{Focus, ListenFor};
use super::level::{Loudness, SAMPLES_PER_S, loudness, pieces};
use super::loops::find_loop;
use super::search::{Writing, combine};
use super::{HearingError, Judge, SecondModel, SecondOpinion, Transcript};
use crate::base::Pii;
use crate::nlu::{Reading, Readings};

/// Silence put before and after the audio, 0.4 s: cut close around a short word, whisper misses it
/// (single digits on the telephone: word error 62 % without, 42 % with 0.3 s).
const PAD_SAMPLES: usize = SAMPLES_PER_S * 2 / 5;

/// What is left of the confidence after a loop was cut away.
const LOOP_CONFIDENCE: f32 = 0.5;

/// What is left of the confidence when nothing stands out of the background.
const DOUBTFUL_CONFIDENCE: f32 = 0.7;

/// The confidence of a sentence that whisper is known to make up, where nothing stands out.
const MADE_UP_CONFIDENCE: f32 = 0.1;

/// Below this, words are put to the second model too: of two, the surer one is believed.
const UNSURE: f32 = 0.65;

/// Words less likely than this are put to the second model whatever they seem to mean: what is made up
/// can mean something, too.
const JUDGED_MIN: f32 = 0.3;

/// So few words may be unlikely only as they are written: of "Hours." the capital and the mark are two
/// thirds of what a model can be unsure of. Longer ones average that out.
const SHORT_WORDS_MAX: usize = 3;

/// The longest that is worth it: a second look at this takes about as long as the first silence
/// that ends it.
const SECOND_LOOK_S_MAX: f32 = 10.0;

/// What is listened for besides the plain words.
#[derive(Clone, Copy)]
pub struct Listening<'a> {
    /// Words likely to come.
    pub hints: Option<&'a str>,
    /// What is looked for again.
    pub listen_for: &'a ListenFor,
    /// Whether the second model may be asked.
    pub second: SecondModel,
    /// Who says whether unsure words are clear enough.
    pub judge: Option<&'a Judge>,
}

/// Decodes for one worker thread.
pub(super) struct Decoder {
    ear: Ear,
    /// Asked about what the first is not sure of.
    second: Option<Ear>,
    audience: Audience,
}

impl Decoder {
    pub const fn new(ear: Ear, second: Option<Ear>, audience: Audience) -> Self {
        Self { ear, second, audience }
    }

    /// Decodes on so many threads from now on.
    pub fn set_threads(&mut self, threads: usize) {
        self.ear.set_threads(threads);
        self.second.iter_mut().for_each(|second| second.set_threads(threads));
    }

    /// Lets each model decode once, so that the first caller does not pay for it.
    pub fn warm_up(&mut self, samples: &[i16]) -> Result<(), HearingError> {
        let nothing = Listening {
            hints: None,
            listen_for: &ListenFor::Words,
            second: SecondModel::NotAsked,
            judge: None,
        };
        self.transcribe(samples, nothing)?;
        if let Some(second) = &mut self.second {
            let audio: Vec<f32> = samples.iter().map(|&s| f32::from(s) / 32_768.0).collect();
            second.run(&audio, second.frames_for(&audio), None)?;
        }
        Ok(())
    }

    /// Transcribes an utterance of any length. Timing fields are left for the pool to fill in.
    pub fn transcribe(
        &mut self,
        samples: &[i16],
        listening: Listening<'_>,
    ) -> Result<Transcript, HearingError> {
        let started = Instant::now();
        let mut text = String::new();
        let mut words = Vec::new();
        let mut confidence_samples = 0.0;
        let mut heard_samples = 0;
        let mut fallback = false;
        let mut readings = Readings::default();
        let (mut second, mut instead_of) = (SecondOpinion::NotNeeded, None);
        for range in pieces(samples) {
            let piece = self.transcribe_piece(&samples[range.clone()], listening)?;
            fallback |= piece.fallback;
            // A value takes no half minute: of a longer utterance the last piece may hold it.
            readings = piece.readings;
            // Asked about short utterances only, which are one piece.
            second = piece.second;
            instead_of = piece.instead_of.map(Pii::new);
            if piece.text.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&piece.text);
            words.extend(piece.words);
            confidence_samples += piece.confidence * range.len() as f32;
            heard_samples += range.len();
        }
        let confidence =
            if heard_samples == 0 { 0.0 } else { confidence_samples / heard_samples as f32 };
        Ok(Transcript {
            text: Pii::new(text),
            words: Pii::new(words),
            confidence,
            audio_ms: (samples.len() * 1000 / SAMPLES_PER_S) as u64,
            decode_ms: started.elapsed().as_millis() as u64,
            queued_ms: 0,
            cpu: Duration::ZERO,
            threads: 1,
            fallback,
            second,
            instead_of,
            readings,
        })
    }

    fn transcribe_piece(
        &mut self,
        samples: &[i16],
        listening: Listening<'_>,
    ) -> Result<Piece, HearingError> {
        let listen_for = listening.listen_for;
        let sound = Sound::of(samples);
        if sound.loudness == Loudness::Silent {
            return Ok(Piece::default());
        }
        let mut first = self.first_hearing(&sound, listening)?;
        let (opinion, again) = self.second_opinion(&sound, &mut first.piece, listening)?;
        let has_second_heard = again.is_some();
        let mut piece = first.piece;
        let mut plain_log_probability = first.log_probability;
        piece.second = opinion;
        if let Some(again) = again
            && is_better(&again.piece, &piece, listen_for)
        {
            let instead_of = Some(std::mem::take(&mut piece.text));
            piece = Piece { second: SecondOpinion::Changed, instead_of, ..again.piece };
            // Values are weighed against the plain words by the first model's figures.
            if !matches!(listen_for, ListenFor::Value(_)) {
                plain_log_probability = again.log_probability;
            }
        }
        let is_second_believed = piece.second == SecondOpinion::Changed;
        let values = match listen_for {
            ListenFor::Value(focus) if !focus.is_missed_by(&piece.text) => {
                self.values(*focus, &sound.audio, has_second_heard, listening.second)?
            }
            ListenFor::Phrases(phrases) if is_worth_comparing(&piece.text, phrases) => {
                let ear = match &mut self.second {
                    Some(second) if is_second_believed => second,
                    _ => &mut self.ear,
                };
                ear.compare(phrases)?
            }
            _ => Vec::new(),
        };
        piece.readings = Readings { plain_log_probability, values };
        Ok(piece)
    }

    /// What the first model hears; where that is a loop, or nothing in spite of speech, what it
    /// hears with all of its context and no hints.
    fn first_hearing(
        &mut self,
        sound: &Sound,
        listening: Listening<'_>,
    ) -> Result<Decoded, HearingError> {
        let Listening { hints, listen_for, .. } = listening;
        // A prompt provokes loops at reduced context, so hints are paid for with the full one.
        let frames = match hints {
            Some(_) => self.ear.frames(),
            None => self.ear.frames_for(&sound.audio),
        };
        let first = self.ear.run(&sound.audio, frames, hints)?;
        let trouble = find_loop(&first.text, sound.seconds).is_some()
            || (first.text.is_empty() && sound.loudness == Loudness::Clear);
        // Where a value is listened for, the second look takes the place of a second decode.
        let fallback = trouble
            && !matches!(listen_for, ListenFor::Value(_))
            && (frames < self.ear.frames() || hints.is_some());
        let heard = if fallback {
            let second = self.ear.run(&sound.audio, self.ear.frames(), None)?;
            if second.text.is_empty() { first } else { second }
        } else {
            first
        };
        Ok(Decoded::of(heard, sound, fallback))
    }

    /// What the second model hears, where the first is unsure and asking is worth it. It takes three
    /// times as long as the first, so that everything cheaper is tried before.
    fn second_opinion(
        &mut self,
        sound: &Sound,
        first: &mut Piece,
        listening: Listening<'_>,
    ) -> Result<(SecondOpinion, Option<Decoded>), HearingError> {
        let is_worth_it = is_unsure(first, sound.loudness)
            && sound.seconds <= SECOND_LOOK_S_MAX
            && goes_by_words(listening.listen_for);
        let Some(second) = self.second.as_mut().filter(|_| is_worth_it) else {
            return Ok((SecondOpinion::NotNeeded, None));
        };
        if let Some(likely) = likelihood_of_words(&mut self.ear, sound, first)?
            && likely >= UNSURE
        {
            first.confidence = likely;
            return Ok((SecondOpinion::Clear, None));
        }
        let may_be_judged = first.confidence >= JUDGED_MIN && !is_silence_sentence(&first.text);
        if may_be_judged && listening.judge.is_some_and(|judge| judge(&first.text)) {
            return Ok((SecondOpinion::Judged, None));
        }
        if listening.second == SecondModel::NotAsked {
            return Ok((SecondOpinion::NotAsked, None));
        }
        if self.audience.is_gone() {
            return Err(HearingError::Abandoned);
        }
        let heard = second_look(second, &sound.audio)?;
        let again = heard.map(|heard| Decoded::of(heard, sound, first.fallback));
        Ok((SecondOpinion::Kept, again))
    }

    /// What the audio that was decoded last can be if it is a value of this kind, the likeliest
    /// first. Two models rarely share a slip, so what one is not sure of is put to both.
    fn values(
        &mut self,
        focus: Focus,
        audio: &[f32],
        has_second_heard: bool,
        second: SecondModel,
    ) -> Result<Vec<Reading>, HearingError> {
        let mut found = self.ear.look_again(focus)?;
        let mut combined = combine(&found);
        if let Some(ear) = &mut self.second
            && second == SecondModel::Asked
            && is_in_doubt(&combined)
        {
            let heard = match has_second_heard {
                true => Ok(()),
                // Its plain words are not asked for, only what the value can be.
                false => ear.listen(audio),
            };
            // If it fails, what the first has made of it stands.
            match heard.and_then(|()| ear.look_again(focus)) {
                Ok(more) => {
                    found.extend(more);
                    combined = combine(&found);
                }
                Err(HearingError::Abandoned) => return Err(HearingError::Abandoned),
                Err(error) => tracing::warn!(%error, "the second speech model failed"),
            }
        }
        let grammar = focus.grammars()[0];
        let readings = combined.into_iter().map(|writing| Reading {
            text: Pii::new(grammar.written(&writing.value)),
            log_probability: writing.log_probability,
        });
        Ok(readings.collect())
    }
}

/// What the second model hears. If it fails, what the first has heard stands.
fn second_look(second: &mut Ear, audio: &[f32]) -> Result<Option<Heard>, HearingError> {
    let frames = second.frames_for(audio);
    match second.run(audio, frames, None) {
        Ok(heard) => Ok(Some(heard)),
        Err(HearingError::Abandoned) => Err(HearingError::Abandoned),
        Err(error) => {
            tracing::warn!(%error, "the second speech model failed");
            Ok(None)
        }
    }
}

/// How likely a few words that `ear` decoded last are, however they are written: the mean of theirs,
/// 0 to 1. `None` where they are many, or may be made up. A few passes through the decoder, where
/// another model takes fifty times as long.
fn likelihood_of_words(
    ear: &mut Ear,
    sound: &Sound,
    heard: &Piece,
) -> Result<Option<f32>, HearingError> {
    let count = heard.words.len();
    let is_short = (1..=SHORT_WORDS_MAX).contains(&count);
    if !is_short || sound.loudness != Loudness::Clear || is_silence_sentence(&heard.text) {
        return Ok(None);
    }
    let Some(phrase) = unwritten(&heard.text) else { return Ok(None) };
    let readings = ear.compare(&[phrase])?;
    let whole = readings.first().map(|reading| reading.log_probability / count as f32);
    Ok(whole.map(f32::exp).filter(|likely| likely.is_finite()))
}

/// Words without what is only written: the mark at the end and the capital at the beginning. `None` if
/// a mark stands among them, or nothing is left.
fn unwritten(text: &str) -> Option<String> {
    let bare = text.trim().trim_end_matches(['.', ',', '!', '?']);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '\'');
    let first = bare.chars().next().filter(|_| bare.chars().all(is_word))?;
    // "I" and names of letters keep theirs: "i" by itself is written by nobody.
    let is_letter = bare.chars().nth(1).is_none_or(|c| !c.is_alphabetic());
    if is_letter {
        return Some(bare.to_owned());
    }
    Some(first.to_lowercase().chain(bare.chars().skip(1)).collect())
}

/// Whether what the second model heard is believed rather than what the first did.
fn is_better(again: &Piece, first: &Piece, listen_for: &ListenFor) -> bool {
    // Where the first has heard nothing, the second is not believed what models make up.
    let is_made_up = first.text.is_empty() && is_silence_sentence(&again.text);
    // Dates in figures are found within their grammar, which both models are asked about.
    let is_in_figures = matches!(listen_for, ListenFor::Value(_))
        && again.text.bytes().any(|byte| byte.is_ascii_digit());
    again.confidence > first.confidence && !is_made_up && !is_in_figures
}

/// Whether another model might hear better: these words are doubtful, or there are none where
/// somebody speaks.
fn is_unsure(piece: &Piece, loudness: Loudness) -> bool {
    match piece.text.is_empty() {
        true => loudness == Loudness::Clear,
        false => piece.confidence < UNSURE,
    }
}

/// Whether it is the words that count. Digits and letters are found within grammars, which the
/// second model is asked about in its own way.
const fn goes_by_words(listen_for: &ListenFor) -> bool {
    match listen_for {
        ListenFor::Words | ListenFor::Phrases(_) | ListenFor::Value(Focus::Date) => true,
        ListenFor::Value(Focus::Digits { .. } | Focus::Letters) => false,
    }
}

/// Whether the best of these writings might as well be another.
fn is_in_doubt(writings: &[Writing]) -> bool {
    /// Logarithms: the best is so much likelier than the next.
    const SURE: f32 = 3.0;
    match writings {
        [best, next, ..] => best.score - next.score < SURE,
        _ => true,
    }
}

/// One piece of an utterance, as it is put to the models.
struct Sound {
    /// With silence before and after it.
    audio: Vec<f32>,
    /// Its length without that.
    seconds: f32,
    loudness: Loudness,
}

impl Sound {
    fn of(samples: &[i16]) -> Self {
        let mut audio = vec![0.0; PAD_SAMPLES];
        audio.extend(samples.iter().map(|&s| f32::from(s) / 32_768.0));
        audio.resize(audio.len() + PAD_SAMPLES, 0.0);
        let seconds = samples.len() as f32 / SAMPLES_PER_S as f32;
        Self { audio, seconds, loudness: loudness(samples) }
    }
}

/// What one model made of a piece.
struct Decoded {
    piece: Piece,
    /// Of all that it decoded, a loop included.
    log_probability: f32,
}

impl Decoded {
    fn of(heard: Heard, sound: &Sound, fallback: bool) -> Self {
        let log_probability = heard.log_probability * heard.tokens as f32;
        let piece = settle(heard, sound.seconds, sound.loudness, fallback);
        Self { piece, log_probability }
    }
}

/// One piece, decided.
#[derive(Debug, Default)]
struct Piece {
    text: String,
    words: Vec<Word>,
    confidence: f32,
    fallback: bool,
    readings: Readings,
    second: SecondOpinion,
    /// What the first model heard, if this is the second one's.
    instead_of: Option<String>,
}

/// Whether short answers are to be compared with these words: not if they are one, or far longer.
fn is_worth_comparing(words: &str, phrases: &[String]) -> bool {
    const WORDS_MAX: usize = 3;
    let folded: Vec<String> = words
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let folded_text = folded.join(" ");
    folded.len() <= WORDS_MAX && !folded.is_empty() && !phrases.contains(&folded_text)
}

/// Cuts a loop that the second decode has as well, and turns probabilities into a confidence.
fn settle(heard: Heard, audio_s: f32, loudness: Loudness, fallback: bool) -> Piece {
    let Heard { mut text, mut words, log_probability, .. } = heard;
    if text.is_empty() {
        return Piece { fallback, ..Piece::default() };
    }
    let mut confidence = log_probability.exp();
    if let Some(found) = find_loop(&text, audio_s) {
        text.truncate(found.keep_bytes);
        let kept = text.split_whitespace().count();
        words.truncate(kept);
        confidence *= LOOP_CONFIDENCE;
    }
    if loudness == Loudness::Doubtful {
        confidence *= DOUBTFUL_CONFIDENCE;
        if is_silence_sentence(&text) {
            confidence = confidence.min(MADE_UP_CONFIDENCE);
        }
    }
    Piece { text, words, confidence, fallback, ..Piece::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str) -> Heard {
        Heard {
            text: text.to_owned(),
            words: text.split_whitespace().map(|word| (word.to_owned(), 0.9)).collect(),
            log_probability: 0.9_f32.ln(),
            tokens: text.split_whitespace().count(),
        }
    }

    #[test]
    fn a_loop_that_stays_is_cut_and_trusted_less() {
        let piece = settle(
            heard("pay it now pay it now pay it now pay it now"),
            9.0,
            Loudness::Clear,
            true,
        );
        assert_eq!(piece.text, "pay it now");
        assert_eq!(piece.words.len(), 3);
        assert!((piece.confidence - 0.45).abs() < 1e-3, "{}", piece.confidence);
    }

    #[test]
    fn thanks_out_of_noise_are_not_believed() {
        let doubtful = settle(heard("Thank you."), 2.0, Loudness::Doubtful, false);
        assert!(doubtful.confidence <= MADE_UP_CONFIDENCE);
        let clear = settle(heard("Thank you."), 2.0, Loudness::Clear, false);
        assert!(clear.confidence > 0.85);
    }

    #[test]
    fn the_words_are_what_is_said_not_how_it_is_written() {
        for (text, words) in [
            ("Hours.", Some("hours")),
            ("agent", Some("agent")),
            (" Opening hours?", Some("opening hours")),
            ("I'd like that!", Some("I'd like that")),
            ("A person.", Some("A person")),
            ("Yes, please.", None),
            ("412-8824", None),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(unwritten(text).as_deref(), words, "{text}");
        }
    }
}
