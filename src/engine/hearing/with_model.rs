//! Tests with the real model; run with `--ignored` where the models are.

use std::path::{Path, PathBuf};

use tokio::sync::oneshot;

use super::*;

fn models() -> PathBuf {
    std::env::var_os("FRONTDOOR_MODELS").map_or_else(
        || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/frontdoor/models"),
        PathBuf::from,
    )
}

fn config() -> HearingConfig {
    HearingConfig {
        workers: 2,
        queue_len_max: 4,
        ..HearingConfig::new(models().join("tiny.en/ggml-tiny.en.bin"))
    }
}

fn fixture(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(name);
    let mut wav = hound::WavReader::open(path).expect("the fixture");
    wav.samples().map(|sample| sample.expect("16 bits")).collect()
}

fn request(utterance: u32, samples_16k: Vec<i16>) -> HearingRequest {
    HearingRequest::new(CallId::from_u128(1), UtteranceId(utterance), samples_16k)
}

fn letters(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

#[tokio::test]
#[ignore = "needs the models"]
async fn hears_words_numbers_silence_and_long_audio() {
    let hearing = Hearing::start(config()).expect("the model loads");
    let booked = hearing.transcribe(request(1, fixture("book_a_room.wav"))).await.expect("heard");
    assert_eq!(letters(booked.text.expose()), "bookaroom");
    assert!(booked.confidence > 0.3, "{}", booked.confidence);
    assert_eq!(booked.words.expose().len(), 3);
    assert!(!booked.cpu.is_zero());

    let number = hearing.transcribe(request(2, fixture("phone_number.wav"))).await.expect("heard");
    assert_eq!(letters(number.text.expose()), "4125212824");

    let silence = hearing.transcribe(request(3, vec![1; 32_000])).await.expect("heard");
    assert_eq!((silence.text.expose().as_str(), silence.confidence), ("", 0.0));
    let nothing = hearing.transcribe(request(4, Vec::new())).await.expect("heard");
    assert!(nothing.text.expose().is_empty());

    // 45 s: two pieces, with speech at both ends.
    let mut long = fixture("phone_number.wav");
    long.resize(42 * 16_000, 0);
    long.extend(fixture("book_a_room.wav"));
    let heard = hearing.transcribe(request(5, long)).await.expect("heard");
    let text = letters(heard.text.expose());
    assert!(text.starts_with("4125212824") && text.ends_with("bookaroom"), "{text}");

    let stats = hearing.stats();
    assert_eq!((stats.decodes, stats.failures, stats.queue_len), (5, 0, 0));
    assert!(stats.cpu_s > 0.0 && stats.wall_p95_ms >= stats.wall_p50_ms);
}

#[tokio::test]
#[ignore = "needs the models"]
async fn answers_carry_their_ids_and_a_dropped_receiver_cancels() {
    let hearing = Hearing::start(HearingConfig { workers: 1, ..config() }).expect("loads");
    let (reply, answer) = oneshot::channel();
    hearing.submit(request(8, fixture("phone_number.wav")), reply).expect("queued");
    let (reply, dropped) = oneshot::channel();
    hearing.submit(request(9, fixture("phone_number.wav")), reply).expect("queued");
    drop(dropped);
    let answer = answer.await.expect("answered");
    assert_eq!((answer.call, answer.utterance), (CallId::from_u128(1), UtteranceId(8)));
    assert!(answer.result.is_ok());
    hearing.transcribe(request(10, vec![0; 1_600])).await.expect("the queue moves on");
    assert_eq!(hearing.stats().cancelled, 1);
}

#[tokio::test]
#[ignore = "needs the models"]
async fn a_decode_that_nobody_waits_for_is_given_up() {
    let hearing = Hearing::start(HearingConfig { workers: 1, ..config() }).expect("loads");
    // 26 s take a second and more.
    let mut long = fixture("phone_number.wav");
    long.extend(std::iter::repeat_n(0, 22 * 16_000));
    long.extend(fixture("book_a_room.wav"));
    let (reply, dropped) = oneshot::channel();
    hearing.submit(request(1, long), reply).expect("queued");
    while hearing.stats().queue_len > 0 {
        tokio::task::yield_now().await;
    }
    drop(dropped);
    let heard = hearing.transcribe(request(2, fixture("book_a_room.wav"))).await.expect("heard");
    assert_eq!(letters(heard.text.expose()), "bookaroom", "the state is as good as before");
    let stats = hearing.stats();
    assert_eq!((stats.aborted, stats.decodes, stats.failures), (1, 1, 0));
}

#[tokio::test]
#[ignore = "needs the models"]
async fn the_second_model_is_asked_only_where_nothing_else_helps() {
    let second = models().join("base/ggml-base.bin");
    let hearing = Hearing::start(HearingConfig { second_model: Some(second), ..config() });
    let hearing = hearing.expect("loads");
    let rarely_sure = || HearingRequest {
        judge: Some(std::sync::Arc::new(|words: &str| !words.is_empty())),
        ..request(1, fixture("book_a_room.wav"))
    };
    let heard = hearing.transcribe(rarely_sure()).await.expect("heard");
    let is_settled = matches!(
        heard.second,
        SecondOpinion::NotNeeded | SecondOpinion::Clear | SecondOpinion::Judged
    );
    assert!(is_settled, "{:?}", heard.second);
    hearing.set_second(SecondModel::NotAsked);
    let unjudged = HearingRequest { judge: None, ..rarely_sure() };
    let heard = hearing.transcribe(unjudged).await.expect("heard");
    assert!(!matches!(heard.second, SecondOpinion::Kept | SecondOpinion::Changed));
    assert_eq!(hearing.stats().second.iter().sum::<u64>(), 2);
}

#[test]
#[ignore = "needs the models"]
fn a_model_cut_in_half_and_a_wrong_language_are_errors() {
    let whole = std::fs::read(config().model).expect("the model");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = folder.path().join("half.bin");
    std::fs::write(&model, &whole[..whole.len() / 2]).expect("writes");
    let error = Hearing::start(HearingConfig { model, ..config() }).err().expect("cut");
    assert!(error.to_string().contains("cut short"), "{error}");
    for language in ["de", "xx", ""] {
        let config = HearingConfig { language: language.to_owned(), ..config() };
        assert!(matches!(Hearing::start(config), Err(HearingError::Language { .. })));
    }
}
