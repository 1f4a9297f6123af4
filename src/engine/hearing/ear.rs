//! One model at work: settings, one decode, and what else the audio it has encoded can be.

use std::sync::Arc;

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperState};

use super::HearingError;
use super::audience::Audience;
use super::clean::without_labels;
use super::focus::Focus;
use super::letters::LetterModel;
use super::level::SAMPLES_PER_S;
use super::search::{Search, Vocabulary, Writing};
use crate::base::Pii;
use crate::nlu::Reading;

/// Fewest frames (20 ms each) of audio context; below it whisper repeats itself even on one word.
pub const CONTEXT_FRAMES_MIN: usize = 512;

/// Frames added to what the audio needs: with less, 37 of 79 clips looped.
const AUDIO_CONTEXT_SPARE: usize = 192;

/// Frames of audio context for this many samples: `least` or more, at most what the model has.
fn audio_context(samples: usize, least: usize, model_frames: usize) -> usize {
    let needed = (samples * 50).div_ceil(SAMPLES_PER_S) + AUDIO_CONTEXT_SPARE;
    needed.max(least).min(model_frames)
}

/// A word as decoded, with the probability of its least certain token.
pub(super) type Word = (String, f32);

/// What whisper made of one piece of audio.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub text: String,
    pub words: Vec<Word>,
    /// Mean of the logarithms of the tokens' probabilities.
    pub log_probability: f32,
    /// How many tokens it is.
    pub tokens: usize,
}

/// What all workers know of a model.
pub(super) struct Knowledge {
    vocabulary: Vocabulary,
    letters: Arc<LetterModel>,
}

impl Knowledge {
    pub fn of(context: &WhisperContext, letters: Arc<LetterModel>) -> Self {
        Self { vocabulary: Vocabulary::of(context), letters }
    }
}

/// A model with the working memory for one decode at a time.
pub(super) struct Ear {
    state: WhisperState,
    params: FullParams<'static, 'static>,
    model_frames: usize,
    frames_min: usize,
    first_special_token: i32,
    threads: usize,
    knowledge: Arc<Knowledge>,
    audience: Audience,
}

/// What whisper asks between its steps whether to stop.
type MayStop = Box<dyn FnMut() -> bool>;

impl Ear {
    /// Makes the working memory for one decode at a time, which is given up once its audience has
    /// gone.
    pub fn new(
        context: &WhisperContext,
        language: &'static str,
        frames_min: usize,
        knowledge: Arc<Knowledge>,
        audience: Audience,
    ) -> Result<Self, HearingError> {
        let state = context.create_state().map_err(|e| HearingError::Decode(e.to_string()))?;
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(1);
        // Nothing but this very type will do: whisper-rs calls whatever it is given as if it were
        // one. Set once and cloned, because it leaks it. Asked after the encoder and each token.
        let seen = audience.clone();
        let may_stop: MayStop = Box::new(move || seen.is_gone());
        params.set_abort_callback_safe::<Option<MayStop>, MayStop>(Some(may_stop));
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
            frames_min,
            first_special_token: context.token_eot(),
            threads: 1,
            knowledge,
            audience,
        })
    }

    /// Frames that the model hears at most, 20 ms each.
    pub const fn frames(&self) -> usize {
        self.model_frames
    }

    /// Frames of context that this audio is heard within.
    pub fn frames_for(&self, audio: &[f32]) -> usize {
        audio_context(audio.len(), self.frames_min, self.model_frames)
    }

    /// Decodes on so many threads from now on.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads.max(1);
        self.params.set_n_threads(i32::try_from(self.threads).unwrap_or(1));
    }

    /// How likely each of some phrases is what was said in the audio that was decoded last, the
    /// likeliest first.
    pub fn compare(&mut self, phrases: &[String]) -> Result<Vec<Reading>, HearingError> {
        let mut search = self.search();
        let mut readings = Vec::with_capacity(phrases.len());
        for phrase in phrases {
            let text = Pii::new(phrase.clone());
            readings.push(Reading { text, log_probability: search.phrase(phrase)? });
        }
        readings.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
        Ok(readings)
    }

    /// What the audio that was decoded last can be if it is a value of this kind, by each of the
    /// ways to write one.
    pub fn look_again(&mut self, focus: Focus) -> Result<Vec<Vec<Writing>>, HearingError> {
        let mut search = self.search();
        let mut found = Vec::new();
        for &grammar in focus.grammars() {
            let mut writings = search.writings(focus, grammar, focus.units_min().max(2))?;
            // A number may be said in pieces.
            if matches!(focus, Focus::Digits { min: 2.., .. }) {
                writings.extend(search.writings(focus, grammar, 1)?);
            }
            found.push(writings);
        }
        Ok(found)
    }

    fn search(&mut self) -> Search<'_> {
        let Knowledge { vocabulary, letters } = &*self.knowledge;
        Search::new(&mut self.state, vocabulary, letters, self.threads, &self.audience)
    }

    /// Decodes within so many frames of context, or with all.
    pub fn run(
        &mut self,
        audio: &[f32],
        frames: usize,
        hints: Option<&str>,
    ) -> Result<Heard, HearingError> {
        // Twice what the fastest speaker needs: a loop ends here, not at 220 tokens.
        let tokens_max = 24 + audio.len() * 14 / SAMPLES_PER_S;
        self.decode(audio, frames, hints, tokens_max)?;
        Ok(self.collect())
    }

    /// Encodes audio, of which [`Ear::look_again`] and [`Ear::compare`] tell what it can be; what it
    /// is by itself is not worked out.
    pub fn listen(&mut self, audio: &[f32]) -> Result<(), HearingError> {
        self.decode(audio, self.frames_for(audio), None, 1)
    }

    fn decode(
        &mut self,
        audio: &[f32],
        frames: usize,
        hints: Option<&str>,
        tokens_max: usize,
    ) -> Result<(), HearingError> {
        if self.audience.is_gone() {
            return Err(HearingError::Abandoned);
        }
        let mut params = self.params.clone();
        params.set_audio_ctx(if frames >= self.model_frames { 0 } else { frames as i32 });
        params.set_max_tokens(tokens_max as i32);
        if let Some(hints) = hints {
            params.set_initial_prompt(&hints.replace('\0', " "));
        }
        self.state.full(params, audio).map_err(|error| match self.audience.is_gone() {
            true => HearingError::Abandoned,
            false => HearingError::Decode(error.to_string()),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_follows_the_audio() {
        for (seconds, frames) in [(0, 512), (1, 512), (6, 512), (7, 542), (20, 1192), (28, 1500)] {
            let samples = seconds * SAMPLES_PER_S;
            assert_eq!(audio_context(samples, CONTEXT_FRAMES_MIN, 1500), frames, "{seconds} s");
        }
        assert_eq!(audio_context(SAMPLES_PER_S, 1500, 1500), 1500);
    }
}
