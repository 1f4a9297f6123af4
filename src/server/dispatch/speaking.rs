//! How a call has something said, now or ahead.

use tokio::sync::{Notify, mpsc};

use crate::base::SpeechId;
use crate::call::CallInput;
use crate::engine::Urgency;
use crate::engine::voice::{SpeakRequest, Voice, VoiceError};
use crate::server::first_words::Begun;

/// Has a text said, unless that was begun already, and tells the call its sound piece by piece. What is
/// said ahead becomes urgent once the caller waits for it.
///
/// # Errors
/// The voice failed, or too many callers wait for it.
pub(super) async fn say(
    voice: &Voice,
    (request, begun): (SpeakRequest, Option<Begun>),
    speech: SpeechId,
    inputs: &mpsc::Sender<CallInput>,
    hurried: &Notify,
) -> Result<(), VoiceError> {
    let mut is_ahead = request.urgency != Urgency::TurnOver;
    let mut stream = match begun {
        Some(begun) => begun,
        None => Begun::ask(voice, request)?,
    };
    loop {
        let piece = tokio::select! {
            piece = stream.next() => piece,
            () = hurried.notified(), if is_ahead => {
                is_ahead = false;
                stream.hurry();
                continue;
            }
        };
        let Some(samples) = piece.transpose()? else { return Ok(()) };
        // A closed channel means that the call has ended.
        if inputs.send(CallInput::SpeechAudio { speech, samples }).await.is_err() {
            return Ok(());
        }
    }
}
