//! The first words of a call, made while it rings: who calls hears us as soon as we answer, also where the
//! greeting names them and so is in no store of sounds.
//!
//! What a conversation begins with follows from what is known before the answer (the prompt files, the
//! caller's record, the call's seed), so that a conversation that is never held tells it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::base::Pii;
use crate::conversation::{Conversation, ConversationInput, DialogAct, Phrase};
use crate::engine::voice::{Cacheable, SpeakRequest, SpeechStream, Voice, VoiceError};

/// Sounds asked for ahead: a disclosure, a question, a greeting.
const SENTENCES_MAX: usize = 4;

/// How much longer it rings for the first sound. Words that are kept take no time; a clause that names
/// the caller takes about a third of a second.
const FIRST_SOUND_LIMIT: Duration = Duration::from_secs(1);

/// A sentence that is being made, or is made already.
pub(super) struct Begun {
    text: Pii<String>,
    /// What came while it was waited for the first sound.
    first: Option<Result<Arc<[i16]>, VoiceError>>,
    stream: SpeechStream,
}

impl Begun {
    /// Has the voice begin with a sentence.
    ///
    /// # Errors
    /// Too many wait for the voice.
    pub fn ask(voice: &Voice, request: SpeakRequest) -> Result<Self, VoiceError> {
        let text = request.text.clone();
        let stream = voice.speak(request)?;
        Ok(Self { text, first: None, stream })
    }

    /// The caller waits for it.
    pub fn hurry(&self) {
        self.stream.hurry();
    }

    /// Its next clause; `None` behind the last one.
    pub async fn next(&mut self) -> Option<Result<Arc<[i16]>, VoiceError>> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.stream.next().await,
        }
    }
}

/// What is to be said first, in order.
#[derive(Default)]
pub(super) struct FirstWords(VecDeque<Begun>);

impl FirstWords {
    /// Has the voice begin with what this conversation, which is held by nobody, begins with.
    pub fn of(
        voice: &Voice,
        conversation: Conversation,
        record: &BTreeMap<String, Pii<String>>,
    ) -> Self {
        let sentences = opening(conversation, record).into_iter().take(SENTENCES_MAX);
        let begun = sentences.filter_map(|Phrase { text, fixed, .. }| {
            let cacheable = if fixed { Cacheable::Fixed } else { Cacheable::Personal };
            Begun::ask(voice, SpeakRequest::new(text, cacheable))
                .inspect_err(|error| tracing::warn!(%error, "first words are not made ahead"))
                .ok()
        });
        Self(begun.collect())
    }

    /// Returns when the first sound is there, or will not be there in time.
    pub async fn wait_for_sound(&mut self) {
        let Some(first) = self.0.front_mut() else { return };
        match tokio::time::timeout(FIRST_SOUND_LIMIT, first.stream.next()).await {
            Ok(sound) => first.first = sound,
            Err(_) => tracing::warn!("the first words are not there yet as the call is answered"),
        }
    }

    /// This sentence, if it was begun and has not failed.
    pub fn take(&mut self, text: &Pii<String>) -> Option<Begun> {
        let place = self.0.iter().position(|begun| begun.text.expose() == text.expose())?;
        self.0.remove(place).filter(|begun| !matches!(begun.first, Some(Err(_))))
    }
}

/// All that a conversation says before it listens.
fn opening(mut conversation: Conversation, record: &BTreeMap<String, Pii<String>>) -> Vec<Phrase> {
    let acts = conversation.handle(ConversationInput::Started { caller: record.clone() });
    acts.into_iter()
        .filter_map(|act| match act {
            DialogAct::Say(phrase) => Some(phrase),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::tests::{generation, rules};

    #[test]
    fn the_opening_is_what_the_call_will_begin_with_whoever_calls() {
        let named = [("first_name", "Dana"), ("open_ticket", "a card that never came")];
        let known = named.map(|(name, value)| (name.to_owned(), Pii::new(value.to_owned())));
        for record in [BTreeMap::new(), BTreeMap::from(known)] {
            for seed in 0..4 {
                let new = || Conversation::new(generation(), rules(&[]), seed);
                let ahead = opening(new(), &record);
                assert!(!ahead.is_empty());
                let acts = new().handle(ConversationInput::Started { caller: record.clone() });
                let said = acts.iter().filter_map(|act| match act {
                    DialogAct::Say(phrase) => Some(phrase.text.expose()),
                    _ => None,
                });
                assert!(said.eq(ahead.iter().map(|phrase| phrase.text.expose())), "seed {seed}");
            }
        }
    }
}
