//! The voice as a whole. The tests that need the model look for it where `frontdoor` keeps its
//! models and say so when it is not there.

use std::path::Path;

use super::*;
use crate::audio::level_dbfs;

fn config() -> Option<VoiceConfig> {
    let dir = match std::env::var_os("FRONTDOOR_MODELS") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/frontdoor/models"),
    };
    let model = dir.join("joe/en_US-joe-medium.onnx");
    if !model.is_file() {
        eprintln!("skipped: no voice at {}", model.display());
        return None;
    }
    Some(VoiceConfig {
        model_config: model.with_extension("onnx.json"),
        model,
        espeak: "espeak-ng".to_owned(),
        rate: SampleRate::HZ_8000,
        cache_dir: None,
        cache_bytes_max: 1 << 24,
        queue_len_max: 8,
        said_as: Vec::new(),
        workers: 1,
    })
}

fn fixed(text: &str) -> SpeakRequest {
    SpeakRequest::new(Pii::new(text.to_owned()), Cacheable::Fixed)
}

fn personal(text: &str) -> SpeakRequest {
    SpeakRequest::new(Pii::new(text.to_owned()), Cacheable::Personal)
}

/// Takes what is left of a stream, waiting for it.
fn rest(mut stream: SpeechStream) -> Vec<Item> {
    std::iter::from_fn(|| stream.items.blocking_recv()).collect()
}

fn files_in(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

const TWELVE: &str = "I can help you with your account or put you through now.";

#[test]
fn speech_is_loud_enough_unclipped_and_of_a_natural_length() {
    let Some(config) = config() else { return };
    let voice = Voice::start(config).unwrap();
    let sound = voice.speak_whole(fixed(TWELVE)).unwrap();
    let seconds = sound.len() as f64 / 8_000.0;
    assert!((2.0..6.0).contains(&seconds), "{seconds} s");
    let level = level_dbfs(&sound);
    assert!((-24.0..-14.0).contains(&level), "{level} dBFS");
    let peak = sound.iter().map(|s| s.unsigned_abs()).max().unwrap();
    assert!(peak < 24_000, "{peak}");
    let lead = sound.iter().position(|s| s.unsigned_abs() > 300).unwrap();
    assert!(lead < 8 * 40, "{lead} samples of silence");
    // Speech comes and goes: a tone or noise would not.
    let frames: Vec<f32> = sound.chunks(160).map(level_dbfs).collect();
    let loud = frames.iter().filter(|&&l| l > -25.0).count();
    let quiet = frames.iter().filter(|&&l| l < -35.0).count();
    assert!(loud * 4 > frames.len() && quiet * 25 > frames.len(), "{loud}, {quiet}");
    let health = voice.health();
    assert_eq!((health.failures, health.unknown_phonemes, health.espeak_restarts), (0, 0, 0));
    assert!(health.rendered_s > 2.0 && health.cpu_s > 0.0, "{health:?}");
}

#[test]
fn the_same_words_always_sound_the_same() {
    let Some(config) = config() else { return };
    let say = || Voice::start(config.clone()).unwrap().speak_whole(personal(TWELVE)).unwrap();
    assert!(say() == say());
}

#[test]
fn what_was_said_before_is_there_at_once_also_after_a_restart() {
    let Some(mut config) = config() else { return };
    let dir = tempfile::tempdir().unwrap();
    config.cache_dir = Some(dir.path().to_owned());
    let text = "Thanks for calling. What can I do for you?";
    let voice = Voice::start(config.clone()).unwrap();
    let fresh: Vec<Item> = rest(voice.speak(fixed(text)).unwrap());
    assert_eq!((fresh.len(), files_in(dir.path())), (2, 2));
    drop(voice);
    config.queue_len_max = 0;
    let voice = Voice::start(config).unwrap();
    let mut stream = voice.speak(fixed(text)).unwrap();
    let again: Vec<Item> = std::iter::from_fn(|| stream.next_ready()).collect();
    assert!(again == fresh);
    assert_eq!(voice.health().disk_hits, 2);
    assert_eq!(voice.health().clauses, 0);
    let refused = voice.speak(fixed("Something new."));
    assert!(matches!(refused.err(), Some(VoiceError::Overloaded { queued: 0 })));
    // Fixed words around a caller's own come from the cache; the rest is refused here.
    let mut mixed = voice.speak(personal("Thanks for calling.")).unwrap();
    assert!(mixed.next_ready().is_some());
}

#[test]
fn personal_words_stay_off_the_disk_and_figures_out_of_memory() {
    let Some(mut config) = config() else { return };
    let dir = tempfile::tempdir().unwrap();
    config.cache_dir = Some(dir.path().to_owned());
    let voice = Voice::start(config).unwrap();
    let text = "Thank you, Jo. Your code is 42.";
    for _ in 0..2 {
        voice.speak_whole(personal(text)).unwrap();
    }
    assert_eq!(files_in(dir.path()), 0);
    let rendered_twice = voice.health().clauses;
    let clauses = split(&normalise(text, &[])).len() as u64;
    assert_eq!(rendered_twice, clauses + 1, "only the clause with the figure is rendered again");
}

#[test]
fn dropping_a_stream_cancels_the_rest() {
    let Some(config) = config() else { return };
    let voice = Voice::start(config).unwrap();
    let long: String =
        (0..40).map(|i| format!("Sentence {i} that nobody wants to hear. ")).collect();
    let mut stream = voice.speak(personal(&long)).unwrap();
    assert!(stream.items.blocking_recv().is_some());
    drop(stream);
    voice.speak_whole(personal("Another caller.")).unwrap();
    assert!(voice.health().clauses < 10, "{:?}", voice.health());
    assert_eq!(voice.health().queued, 0);
}

#[test]
fn prerendered_texts_reach_the_cache() {
    let Some(mut config) = config() else { return };
    let dir = tempfile::tempdir().unwrap();
    config.cache_dir = Some(dir.path().to_owned());
    let voice = Voice::start(config).unwrap();
    voice.prerender(vec!["One moment.".to_owned(), "One moment.".to_owned()]);
    voice.inner.shared.wait_for_background();
    assert_eq!(files_in(dir.path()), 1);
    let mut stream = voice.speak(fixed("One moment.")).unwrap();
    assert!(stream.next_ready().is_some());
    assert_eq!(voice.health().clauses, 1);
}

#[test]
fn words_are_said_as_told_from_the_next_text_on() {
    let Some(config) = config() else { return };
    let voice = Voice::start(config).unwrap();
    let before = voice.speak_whole(fixed("Acme")).unwrap();
    voice.set_said_as(vec![("acme".to_owned(), "acme three sixty".to_owned())]);
    let after = voice.speak_whole(fixed("Acme")).unwrap();
    assert!(after.len() > before.len() + 2_000, "{} {}", after.len(), before.len());
}

#[test]
fn nothing_to_say_is_no_error() {
    let Some(config) = config() else { return };
    let voice = Voice::start(config).unwrap();
    assert!(voice.speak_whole(fixed("")).unwrap().is_empty());
    assert!(voice.speak_whole(fixed("... \u{1f600}")).unwrap().is_empty());
}

#[test]
fn what_is_missing_or_damaged_is_named_with_the_fix() {
    let Some(good) = config() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.onnx");
    let whole = std::fs::read(&good.model).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let not_json = dir.path().join("bad.json");
    std::fs::write(&not_json, "{\"audio\": 3}").unwrap();
    let error = |config: VoiceConfig| Voice::start(config).err().unwrap().to_string();
    for (config, words) in [
        (VoiceConfig { model: dir.path().join("none.onnx"), ..good.clone() }, "none.onnx"),
        (VoiceConfig { model: cut, ..good.clone() }, "cut.onnx"),
        (VoiceConfig { model_config: not_json, ..good.clone() }, "bad.json"),
        (VoiceConfig { espeak: "/nonexistent".to_owned(), ..good.clone() }, "apt install"),
    ] {
        let error = error(config);
        assert!(error.contains(words), "{error}");
    }
}
