//! One utterance through whisper: settings, the second try after a loop, cleaning, confidence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperState};

use super::clean::{is_silence_sentence, without_labels};
use super::focus::{Focus, ListenFor};
use super::letters::LetterModel;
use super::level::{Loudness, SAMPLES_PER_S, loudness, pieces};
use super::loops::find_loop;
use super::search::{Search, Vocabulary, combine};
use super::{HearingError, Transcript};
use crate::base::Pii;
use crate::nlu::{Reading, Readings};

/// Fewest frames (20 ms each) of audio context; below it whisper repeats itself even on one word.
const AUDIO_CONTEXT_MIN: usize = 512;

/// Frames added to what the audio needs: with less, 37 of 79 clips looped.
const AUDIO_CONTEXT_SPARE: usize = 192;

/// Silence put before and after the audio, 0.4 s: cut close around a short word, whisper misses it
/// (single digits on the telephone: word error 62 % without, 42 % with 0.3 s).
const PAD_SAMPLES: usize = SAMPLES_PER_S * 2 / 5;

/// What is left of the confidence after a loop was cut away.
const LOOP_CONFIDENCE: f32 = 0.5;

/// What is left of the confidence when nothing stands out of the background.
const DOUBTFUL_CONFIDENCE: f32 = 0.7;

/// The confidence of a sentence that whisper is known to make up, where nothing stands out.
const MADE_UP_CONFIDENCE: f32 = 0.1;

/// Frames of audio context for this many samples, at most what the model has.
pub fn audio_context(samples: usize, model_frames: usize) -> usize {
    let needed = (samples * 50).div_ceil(SAMPLES_PER_S) + AUDIO_CONTEXT_SPARE;
    needed.max(AUDIO_CONTEXT_MIN).min(model_frames)
}

/// A word as decoded, with the probability of its least certain token.
type Word = (String, f32);

/// What whisper made of one piece of audio.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    words: Vec<Word>,
    /// Mean of the logarithms of the tokens' probabilities.
    log_probability: f32,
    /// How many tokens it is.
    tokens: usize,
}

/// What is listened for besides the plain words.
#[derive(Debug, Clone, Copy)]
pub struct Listening<'a> {
    /// Words likely to come.
    pub hints: Option<&'a str>,
    /// What is looked for again.
    pub listen_for: &'a ListenFor,
}

/// What all workers know of a model.
pub(super) struct Knowledge {
    vocabulary: Vocabulary,
    letters: LetterModel,
}

impl Knowledge {
    pub fn of(context: &WhisperContext) -> Self {
        Self { vocabulary: Vocabulary::of(context), letters: LetterModel::of_names() }
    }
}

/// Decodes for one worker thread.
pub(super) struct Decoder {
    state: WhisperState,
    params: FullParams<'static, 'static>,
    model_frames: usize,
    first_special_token: i32,
    threads: usize,
    knowledge: Arc<Knowledge>,
}

impl Decoder {
    /// Makes the working memory for one decode at a time.
    pub fn new(
        context: &WhisperContext,
        language: &'static str,
        threads: usize,
        knowledge: Arc<Knowledge>,
    ) -> Result<Self, HearingError> {
        let state = context.create_state().map_err(|e| HearingError::Decode(e.to_string()))?;
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(i32::try_from(threads).unwrap_or(1));
        // Set once and cloned: whisper-rs leaks the copy that it makes of the language.
        params.set_language(Some(language));
        params.set_single_segment(true);
        params.set_no_context(true);
        params.set_no_timestamps(false);
        // The loop detector decides about second tries, not whisper's five temperatures.
        params.set_temperature_inc(0.0);
        params.set_suppress_blank(true);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_special(false);
        params.set_print_timestamps(false);
        Ok(Self {
            state,
            params,
            model_frames: usize::try_from(context.n_audio_ctx()).unwrap_or(1500),
            first_special_token: context.token_eot(),
            threads,
            knowledge,
        })
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
        for range in pieces(samples) {
            let piece = self.transcribe_piece(&samples[range.clone()], listening)?;
            fallback |= piece.fallback;
            // A value takes no half minute: of a longer utterance the last piece may hold it.
            readings = piece.readings;
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
            fallback,
            readings,
        })
    }

    fn transcribe_piece(
        &mut self,
        samples: &[i16],
        listening: Listening<'_>,
    ) -> Result<Piece, HearingError> {
        let hints = listening.hints;
        let loudness = loudness(samples);
        if loudness == Loudness::Silent {
            return Ok(Piece::default());
        }
        let mut audio = vec![0.0; PAD_SAMPLES];
        audio.extend(samples.iter().map(|&s| f32::from(s) / 32_768.0));
        audio.resize(audio.len() + PAD_SAMPLES, 0.0);
        let audio_s = samples.len() as f32 / SAMPLES_PER_S as f32;
        // A prompt provokes loops at reduced context, so hints are paid for with the full one.
        let frames = match hints {
            Some(_) => self.model_frames,
            None => audio_context(audio.len(), self.model_frames),
        };
        let first = self.run(&audio, frames, hints)?;
        let trouble = find_loop(&first.text, audio_s).is_some()
            || (first.text.is_empty() && loudness == Loudness::Clear);
        // Where a value is listened for, the second look takes the place of a second decode.
        let fallback = trouble
            && !matches!(listening.listen_for, ListenFor::Value(_))
            && (frames < self.model_frames || hints.is_some());
        let heard = if fallback {
            let second = self.run(&audio, self.model_frames, None)?;
            if second.text.is_empty() { first } else { second }
        } else {
            first
        };
        let plain_log_probability = heard.log_probability * heard.tokens as f32;
        let mut piece = settle(heard, audio_s, loudness, fallback);
        let values = match listening.listen_for {
            ListenFor::Value(focus) if !focus.is_missed_by(&piece.text) => {
                self.look_again(*focus)?
            }
            ListenFor::Phrases(phrases) if is_worth_comparing(&piece.text, phrases) => {
                self.compare(phrases)?
            }
            _ => Vec::new(),
        };
        piece.readings = Readings { plain_log_probability, values };
        Ok(piece)
    }

    /// How likely each of some phrases is what was said in the audio that was decoded last, the
    /// likeliest first.
    fn compare(&mut self, phrases: &[String]) -> Result<Vec<Reading>, HearingError> {
        let knowledge = Arc::clone(&self.knowledge);
        let (vocabulary, letters) = (&knowledge.vocabulary, &knowledge.letters);
        let mut search = Search::new(&mut self.state, vocabulary, letters, self.threads);
        let mut readings = Vec::with_capacity(phrases.len());
        for phrase in phrases {
            let text = Pii::new(phrase.clone());
            readings.push(Reading { text, log_probability: search.phrase(phrase)? });
        }
        readings.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
        Ok(readings)
    }

    /// What the audio that was decoded last can be if it is a value of this kind.
    fn look_again(&mut self, focus: Focus) -> Result<Vec<Reading>, HearingError> {
        let knowledge = Arc::clone(&self.knowledge);
        let (vocabulary, letters) = (&knowledge.vocabulary, &knowledge.letters);
        let mut search = Search::new(&mut self.state, vocabulary, letters, self.threads);
        let mut found = Vec::new();
        for &grammar in focus.grammars() {
            let mut writings = search.writings(focus, grammar, focus.units_min().max(2))?;
            // A number may be said in pieces.
            if matches!(focus, Focus::Digits { min: 2.., .. }) {
                writings.extend(search.writings(focus, grammar, 1)?);
            }
            found.push(writings);
        }
        let grammar = focus.grammars()[0];
        let readings = combine(&found).into_iter().map(|writing| Reading {
            text: Pii::new(grammar.written(&writing.value)),
            log_probability: writing.log_probability,
        });
        Ok(readings.collect())
    }

    fn run(
        &mut self,
        audio: &[f32],
        frames: usize,
        hints: Option<&str>,
    ) -> Result<Heard, HearingError> {
        let mut params = self.params.clone();
        params.set_audio_ctx(if frames >= self.model_frames { 0 } else { frames as i32 });
        // Twice what the fastest speaker needs: a loop ends here, not at 220 tokens.
        params.set_max_tokens((24 + audio.len() * 14 / SAMPLES_PER_S) as i32);
        if let Some(hints) = hints {
            params.set_initial_prompt(&hints.replace('\0', " "));
        }
        self.state.full(params, audio).map_err(|error| HearingError::Decode(error.to_string()))?;
        Ok(self.collect())
    }

    fn collect(&self) -> Heard {
        let mut bytes: Vec<u8> = Vec::new();
        let mut words: Vec<(Vec<u8>, f32)> = Vec::new();
        let mut log_sum = 0.0;
        let mut tokens = 0;
        for segment in self.state.as_iter() {
            for index in 0..segment.n_tokens() {
                let Some(token) = segment.get_token(index) else { continue };
                if token.token_id() >= self.first_special_token {
                    continue;
                }
                let Ok(spelling) = token.to_bytes() else { continue };
                let probability = token.token_probability().clamp(1e-6, 1.0);
                log_sum += probability.ln();
                tokens += 1;
                bytes.extend(spelling);
                match words.last_mut() {
                    Some((word, least)) if !spelling.starts_with(b" ") => {
                        word.extend(spelling);
                        *least = least.min(probability);
                    }
                    _ => words.push((spelling.to_vec(), probability)),
                }
            }
        }
        Heard {
            text: without_labels(&String::from_utf8_lossy(&bytes)),
            words: words
                .into_iter()
                .map(|(word, p)| (without_labels(&String::from_utf8_lossy(&word)), p))
                .filter(|(word, _)| !word.is_empty())
                .collect(),
            log_probability: if tokens == 0 { 0.0 } else { log_sum / tokens as f32 },
            tokens,
        }
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
    Piece { text, words, confidence, fallback, readings: Readings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_follows_the_audio() {
        for (seconds, frames) in [(0, 512), (1, 512), (6, 512), (7, 542), (20, 1192), (28, 1500)] {
            assert_eq!(audio_context(seconds * SAMPLES_PER_S, 1500), frames, "{seconds} s");
        }
    }

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
}
