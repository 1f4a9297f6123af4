//! How a call has something heard: what is listened for, how soon, and whether words that were not
//! heard well are clear all the same.

use std::sync::Arc;

use crate::audio::{SampleRate, resample_whole};
use crate::base::{CallId, UtteranceId};
use crate::call::{HeardResult, Urgency};
use crate::conversation::Expected;
use crate::engine;
use crate::engine::hearing::{
    Focus, Hearing, HearingError, HearingRequest, Judge, ListenFor, Transcript,
};
use crate::engine::understanding::Understander;
use crate::nlu::spoken::commands::{self, GlobalCommand, GlobalPhrases};
use crate::nlu::{SlotKind, Understanding};

/// How most people answer a question of yes or no.
const SHORT_ANSWERS: [&str; 8] =
    ["yes", "no", "yes please", "no thanks", "yeah", "nope", "no thank you", "that's right"];

/// A request understood with this confidence (calibrated: so often it is right) is not heard again by
/// a larger model. Where words were misheard, the classifier is seldom so sure of what they mean.
const CLEAR_REQUEST_MIN: f32 = 0.8;

/// The same, in the engines' words.
pub(super) const fn soon(urgency: Urgency) -> engine::Urgency {
    match urgency {
        Urgency::TurnOver => engine::Urgency::TurnOver,
        Urgency::Speculative => engine::Urgency::Speculative,
    }
}

/// Has an utterance (mono, at this rate) transcribed as every call has whose turn is over.
///
/// # Errors
/// The decode failed, or the recogniser has stopped.
pub async fn transcribe(
    hearing: &Hearing,
    ids: (CallId, UtteranceId),
    audio: (&[i16], SampleRate),
    listen_for: ListenFor,
) -> Result<Transcript, HearingError> {
    hearing.transcribe(hearing_request(ids, audio, listen_for)).await
}

/// What is asked of the recogniser about an utterance (mono, at this rate).
pub fn hearing_request(
    (call, utterance): (CallId, UtteranceId),
    (samples, rate): (&[i16], SampleRate),
    listen_for: ListenFor,
) -> HearingRequest {
    let samples_16k = resample_whole(samples, rate, SampleRate::HZ_16000);
    HearingRequest { listen_for, ..HearingRequest::new(call, utterance, samples_16k) }
}

/// Says of a request's words whether they are clear, though not heard well: the classifier is sure of
/// them, or they are a command. That takes 15 ms; asking the second model takes a second.
pub fn judge(understander: &Arc<Understander>) -> Judge {
    let understander = Arc::clone(understander);
    Arc::new(move |words: &str| {
        is_command(words) || understander.understand(words).is_ok_and(|meant| is_clear(&meant))
    })
}

/// Goodbyes are what recognisers make of noise, and end the call: they are heard again.
fn is_command(words: &str) -> bool {
    commands::parse(words, &GlobalPhrases::default())
        .is_some_and(|command| command != GlobalCommand::Goodbye)
}

fn is_clear(meant: &Understanding) -> bool {
    let top = meant.top().filter(|_| !meant.is_out_of_scope());
    top.is_some_and(|top| top.confidence >= CLEAR_REQUEST_MIN)
}

/// What the call is told.
pub(super) fn heard_result(
    heard: Result<Transcript, HearingError>,
    urgency: Urgency,
) -> HeardResult {
    match heard {
        Ok(transcript) => {
            tracing::info!(
                transcribe_ms = transcript.decode_ms,
                queued_ms = transcript.queued_ms,
                audio_ms = transcript.audio_ms,
                threads = transcript.threads,
                confidence = transcript.confidence,
                fallback = transcript.fallback,
                second = transcript.second.as_str(),
                text = %transcript.text,
                "transcribed"
            );
            let Transcript { text, confidence, readings, .. } = transcript;
            HeardResult::Text { text, confidence, readings }
        }
        // It is asked for again once the turn is over.
        Err(error) if urgency == Urgency::Speculative => {
            tracing::info!(%error, "the utterance was not transcribed ahead");
            HeardResult::Failed
        }
        Err(error) => {
            tracing::error!(%error, "the utterance was not transcribed");
            HeardResult::Failed
        }
    }
}

/// What is listened for where this is expected.
pub fn listen_for(expected: &Expected) -> ListenFor {
    /// Longer numbers are not read out in one breath.
    const DIGITS_MAX: usize = 20;
    /// More phrases would take too long to compare.
    const PHRASES_MAX: usize = 12;
    let kind = match expected {
        Expected::Slot(kind) => kind,
        Expected::YesNo => return ListenFor::Phrases(SHORT_ANSWERS.map(str::to_owned).to_vec()),
        Expected::Request | Expected::Keys => return ListenFor::Words,
    };
    match kind {
        SlotKind::Name => ListenFor::Value(Focus::Letters),
        SlotKind::Date => ListenFor::Value(Focus::Date),
        SlotKind::OneOf(choices) => {
            let names = choices.iter().map(|choice| &choice.value);
            let others = choices.iter().flat_map(|choice| &choice.also);
            let phrases = names.chain(others).map(|phrase| phrase.to_lowercase());
            ListenFor::Phrases(phrases.take(PHRASES_MAX).collect())
        }
        kind => kind.digit_counts().map_or(ListenFor::Words, |(min, max)| {
            let (min, max) = (min.min(DIGITS_MAX), max.min(DIGITS_MAX));
            ListenFor::Value(Focus::Digits { min, max })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::{IntentName, IntentScore};

    fn meant(confidence: f32, out_of_scope: f32) -> Understanding {
        let intent = IntentName::new("hours");
        Understanding::of(vec![IntentScore { intent, confidence }], out_of_scope)
    }

    #[test]
    fn only_what_the_classifier_is_sure_of_is_clear() {
        assert!(is_clear(&meant(0.85, -1.0)));
        assert!(!is_clear(&meant(0.79, -1.0)));
        assert!(!is_clear(&meant(0.99, 0.5)), "out of scope");
        assert!(!is_clear(&Understanding::of(Vec::new(), -1.0)));
    }

    #[test]
    fn commands_are_clear_but_for_the_one_that_ends_the_call() {
        for (words, is_clear) in
            [("Agent.", true), ("Repeat that", true), ("Bye.", false), ("Hours.", false)]
        {
            assert_eq!(is_command(words), is_clear, "{words}");
        }
    }
}
