//! How long things take on simulated time: engines, people at a telephone, and our own speech.

use std::sync::Arc;
use std::time::Duration;

use crate::audio::SampleRate;

/// Length of a frame.
pub const FRAME: Duration = Duration::from_millis(20);

/// A transcript: what the real recogniser takes on two cores, as are those below.
pub const TRANSCRIBE: Duration = Duration::from_millis(250);
/// An understanding.
pub const UNDERSTAND: Duration = Duration::from_millis(15);
/// The first sound of a sentence.
pub const FIRST_SOUND: Duration = Duration::from_millis(120);
/// An action.
pub const ACT: Duration = Duration::from_millis(40);
/// A hand-off on its way to the disk.
pub const STORE: Duration = Duration::from_millis(5);

/// How long a telephone rings that nobody answers.
pub const RING: Duration = Duration::from_secs(25);

/// Silence of the other side after which it is a caller's turn. Longer than the pauses between two
/// sentences.
pub const MY_TURN_AFTER: Duration = Duration::from_millis(700);

/// A caller speaks up even if the other side never answers.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// From key to key.
pub const KEY_EVERY: Duration = Duration::from_millis(240);

/// No call may take longer: one that does is in a loop.
pub const CALL_MAX: Duration = Duration::from_secs(15 * 60);

/// Sound of a letter of text.
const LETTER: Duration = Duration::from_millis(60);

/// Level of what stands for our own speech; nobody listens to it.
const OUR_LEVEL: i16 = 3_000;

/// What stands for our own speech, at 8 kHz: as long as the sentence takes, without its sound.
pub fn our_speech(text: &str) -> Arc<[i16]> {
    let length = LETTER * text.len() as u32;
    vec![OUR_LEVEL; SampleRate::HZ_8000.samples_in(length)].into()
}
