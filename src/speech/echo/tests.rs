//! Echoes of human recordings on the telephone, at delays and levels as hands-free callers have them.

use std::time::Duration;

use super::*;
use crate::audio::mix::{apply_gain, limit};
use crate::audio::recordings::fixture;
use crate::audio::{PhoneChannel, Random, phone_channel};
use crate::speech::CallerShare;

const RATE: SampleRate = SampleRate::HZ_8000;
const FRAME_LEN: usize = 160;
const CHUNK: Duration = Duration::from_millis(32);

/// What stops us, by default.
const BARGE_IN: Duration = Duration::from_millis(400);

/// When our voice begins, and when a caller breaks in.
const WE_BEGIN: usize = 4_000;
const CALLER_BEGINS: usize = WE_BEGIN + 5 * 8_000;

/// Half a second of silence, eleven seconds of a voice that stands for ours, two of silence.
fn our_voice() -> Vec<i16> {
    let mut samples = vec![0; WE_BEGIN];
    samples.extend(fixture!("calls/car_light.wav", -20.0));
    samples.resize(samples.len() + 16_000, 0);
    samples
}

/// What comes from the telephone: our voice after so many ms and so many dB more quiet, the caller, a
/// line with noise at -62 dBFS, mu-law and now and then a lost packet.
fn comes_back(ours: &[i16], echo: Option<(usize, f32)>, caller: &[i16]) -> Vec<i16> {
    let mut heard = vec![0.0_f32; ours.len()];
    if let Some((delay_ms, loss_db)) = echo {
        let factor = 10_f32.powf(-loss_db / 20.0);
        for (to, &from) in heard[delay_ms * 8..].iter_mut().zip(ours) {
            *to += f32::from(from) * factor;
        }
    }
    for (to, &from) in heard[CALLER_BEGINS..].iter_mut().zip(caller) {
        *to += f32::from(from);
    }
    let mut random = Random::new(11);
    let noisy: Vec<i16> = heard
        .iter()
        .map(|&sample| limit(sample + ((random.next_unit() - 0.5) * 90.0) as f32))
        .collect();
    let channel = PhoneChannel { loss_percent: 1.0, seed: 4, ..PhoneChannel::default() };
    phone_channel(&noisy, RATE, channel)
}

/// What became of a call.
#[derive(Debug, Default)]
struct Outcome {
    /// When we would have been stopped, in samples.
    stopped_at: Option<usize>,
    /// The most that was taken for the caller's in one utterance.
    own_most: Duration,
    /// Utterances that went on to the recogniser.
    utterances: usize,
    /// Those that were nothing but echo.
    echoes: usize,
    path: Option<(usize, f32)>,
}

/// Runs both directions frame by frame as a call does. What is louder than -55 dBFS is voiced.
fn call(ours: &[i16], heard: &[i16]) -> Outcome {
    let mut detector = EchoDetector::default();
    let (mut share, mut outcome) = (CallerShare::default(), Outcome::default());
    let (mut voiced, mut silent) = (0_u32, 0_u32);
    let (mut waiting, mut at) = (0, 0);
    for frame in ours.chunks_exact(FRAME_LEN) {
        waiting += FRAME_LEN;
        while waiting >= CHUNK_LEN {
            waiting -= CHUNK_LEN;
            let chunk = &heard[at..at + CHUNK_LEN];
            at += CHUNK_LEN;
            let judgement = detector.judge(chunk, waiting);
            share.pass(CHUNK);
            if varying_dbfs(chunk) > -55.0 {
                (voiced, silent) = (voiced + 1, 0);
            } else {
                silent += 1;
            }
            if silent >= 19 && voiced > 0 {
                if share.is_all_echo() {
                    outcome.echoes += 1;
                } else {
                    outcome.utterances += 1;
                }
                voiced = 0;
            }
            share.count(judgement, voiced * CHUNK);
            outcome.own_most = outcome.own_most.max(share.own());
            if share.own() >= BARGE_IN {
                outcome.stopped_at.get_or_insert(at);
            }
        }
        detector.play(frame);
    }
    outcome.path = detector.path();
    outcome
}

#[test]
fn our_voice_that_comes_back_does_not_stop_us_and_is_no_utterance() {
    let ours = our_voice();
    for delay_ms in [40, 120, 300] {
        for loss_db in [6.0, 20.0, 30.0] {
            let heard = comes_back(&ours, Some((delay_ms, loss_db)), &[]);
            let outcome = call(&ours, &heard);
            assert_eq!(outcome.stopped_at, None, "{delay_ms} ms, {loss_db} dB: {outcome:?}");
            let (found_ms, found_db) = outcome.path.expect("an echo");
            // Counted from the frame after the one that was played.
            assert!(found_ms.abs_diff(delay_ms - 20) <= 4, "{delay_ms} ms: {outcome:?}");
            assert!((found_db - loss_db).abs() < 7.0, "{loss_db} dB: {outcome:?}");
            if loss_db > 6.0 {
                assert_eq!(outcome.utterances, 0, "{delay_ms} ms, {loss_db} dB: {outcome:?}");
                assert!(outcome.echoes > 0, "{outcome:?}");
            }
        }
    }
}

#[test]
fn a_jitter_buffer_that_grows_in_mid_sentence_does_not_stop_us() {
    let ours = our_voice();
    for (frames, grows) in [(1, true), (2, true), (1, false), (2, false)] {
        let heard = comes_back(&ours, Some((120, 12.0)), &[]);
        let (before, after) = heard.split_at(WE_BEGIN + 6 * 8_000);
        let moved = frames * FRAME_LEN;
        let pause = vec![0; moved];
        let parts =
            if grows { [before, &pause[..], after] } else { [before, &after[moved..], &pause[..]] };
        let mut heard = parts.concat();
        heard.truncate(ours.len());
        let outcome = call(&ours, &heard);
        assert_eq!((outcome.stopped_at, outcome.utterances), (None, 0), "{frames}: {outcome:?}");
        let expected = if grows { 100 + frames * 20 } else { 100 - frames * 20 };
        let (found_ms, _) = outcome.path.expect("an echo");
        assert!(found_ms.abs_diff(expected) <= 4, "{frames}: {outcome:?}");
    }
}

#[test]
fn a_caller_over_the_echo_stops_us_within_the_usual_time() {
    let ours = our_voice();
    let callers = [
        fixture!("phone_number.wav", -20.0),
        fixture!("calls/account_12345678.wav", -20.0),
        fixture!("book_a_room.wav", -20.0),
    ];
    for (n, caller) in callers.iter().enumerate() {
        let alone = call(&ours, &comes_back(&ours, None, caller));
        let usual = alone.stopped_at.expect("a caller stops us");
        assert!(usual > CALLER_BEGINS, "{alone:?}");
        assert_eq!(alone.path, None, "nothing came back");
        for echo in [(40, 6.0), (120, 20.0), (300, 30.0)] {
            let outcome = call(&ours, &comes_back(&ours, Some(echo), caller));
            let stopped = outcome.stopped_at.unwrap_or(usize::MAX);
            assert!(stopped > CALLER_BEGINS, "caller {n}, {echo:?}: {outcome:?}");
            // A quarter of a second later at most.
            assert!(stopped < usual + 2_000, "caller {n}, {echo:?}: {outcome:?} and not {usual}");
        }
    }
}

#[test]
fn a_caller_who_returns_nothing_is_never_taken_for_an_echo() {
    let ours = our_voice();
    let caller = fixture!("phone_number.wav", -26.0);
    let outcome = call(&ours, &comes_back(&ours, None, &caller));
    assert_eq!((outcome.path, outcome.echoes), (None, 0), "{outcome:?}");
    assert!(outcome.utterances > 0);
}

#[test]
fn nothing_is_an_echo_of_silence_or_louder_than_what_was_played() {
    let ours = our_voice();
    let outcome = call(&vec![0; ours.len()], &ours);
    assert_eq!((outcome.path, outcome.echoes), (None, 0), "{outcome:?}");
    // The same words, 14 dB louder than we said them.
    let mut quiet = ours.clone();
    apply_gain(&mut quiet, -20.0);
    let outcome = call(&quiet, &comes_back(&quiet, Some((120, -14.0)), &[]));
    assert_eq!((outcome.path, outcome.echoes), (None, 0), "{outcome:?}");
}

#[test]
fn an_echo_is_forgotten_once_nothing_can_come_back() {
    let mut detector = EchoDetector::default();
    assert!(!detector.may_return());
    detector.play(&[500; FRAME_LEN]);
    assert!(detector.may_return());
    for _ in 0..38 {
        detector.play(&[0; FRAME_LEN]);
    }
    // 760 ms of silence, and what is kept is 768 ms.
    assert!(detector.may_return());
    detector.play(&[0; FRAME_LEN]);
    assert!(!detector.may_return());
    assert_eq!(detector.judge(&[900; CHUNK_LEN], 0), Judgement::NotEcho);
    assert_eq!(detector.judge(&[900; 7], 0), Judgement::NotEcho);
}
