//! Calls with a telephone that returns what we say, and with callers who are hard to hear.

use std::collections::VecDeque;

use super::*;
use crate::audio::level::varying_dbfs;
use crate::audio::mix::{active_level_dbfs, limit};
use crate::audio::recordings::fixture;
use crate::audio::{FrameConverter, Law, Random, resample_whole};

const FRAME: usize = 160;

/// Takes what is louder than this, in dBFS, for voice, as a model does with any voice.
struct AnyVoice(f32);

/// A quiet line is below it.
const QUIET_LINE_DBFS: f32 = -55.0;

/// The same once it was made louder, with quiet callers on it.
const LEVELLED_LINE_DBFS: f32 = -46.0;

impl Vad for AnyVoice {
    fn chunk_len(&self) -> usize {
        256
    }

    fn probability(&mut self, chunk: &[i16]) -> f32 {
        if varying_dbfs(chunk) > self.0 { 0.95 } else { 0.01 }
    }

    fn reset(&mut self) {}
}

/// A telephone on a table: what it plays comes back.
struct HandsFree {
    /// What is on its way back, the next sample first.
    returning: VecDeque<i16>,
    /// How much more quiet it is then.
    loss_db: f32,
    noise: Random,
    to_line: FrameConverter,
}

impl HandsFree {
    fn new(delay_ms: usize, loss_db: f32, line: SampleRate) -> Self {
        Self {
            // A frame that is played now comes back with the next one at the earliest.
            returning: vec![0; (delay_ms - 20) * 8].into(),
            loss_db,
            noise: Random::new(3),
            to_line: FrameConverter::new(line),
        }
    }

    /// 20 ms of a call; gives whether we speak. The line is mu-law, whatever its rate is.
    fn tick(&mut self, bench: &mut Bench, caller: &[i16]) -> bool {
        bench.now += Duration::from_millis(20);
        if bench.call.poll_timeout().is_some_and(|at| at <= bench.now) {
            bench.input(CallInput::Timeout);
        }
        let factor = 10_f32.powf(-self.loss_db / 20.0);
        let mixed: Vec<i16> = (0..FRAME)
            .map(|n| {
                let echo = f32::from(self.returning.pop_front().unwrap_or(0)) * factor;
                let noise = ((self.noise.next_unit() - 0.5) * 90.0) as f32;
                limit(echo + noise + f32::from(caller.get(n).copied().unwrap_or(0)))
            })
            .collect();
        let heard = Law::Mu.decode(&Law::Mu.encode(&mixed));
        let samples = self.to_line.convert(&heard, SampleRate::HZ_8000);
        let frame = AudioFrame { rate: self.to_line.to(), time: MediaTime(0), samples };
        bench.input(CallInput::Audio { frame, waited: Duration::from_millis(40) });
        let ours = bench.call.next_frame(bench.now);
        while let Some(output) = bench.call.poll_output() {
            bench.outputs.push(output);
        }
        self.returning.extend(ours.samples);
        ours.speaking
    }
}

/// A call in which we begin to say something that takes eleven seconds.
fn we_speak() -> Bench {
    let mut bench = Bench::answered();
    bench.speech(800);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    let ours = fixture!("calls/car_light.wav", -20.0);
    for (n, speech) in bench.speeches().into_iter().enumerate() {
        let samples: Arc<[i16]> = if n == 0 { ours.clone() } else { vec![0; FRAME] }.into();
        bench.input(CallInput::SpeechAudio { speech, samples });
        bench.input(CallInput::SpeechDone { speech });
    }
    bench.outputs.clear();
    bench.call.vad = Box::new(AnyVoice(QUIET_LINE_DBFS));
    bench
}

fn utterances(bench: &Bench) -> Vec<(Vec<i16>, SampleRate)> {
    // What somebody said when they paused is withdrawn once they go on.
    let is_withdrawn = |of: &UtteranceId| {
        let withdraws =
            |o: &CallOutput| matches!(o, CallOutput::Withdraw { utterance } if utterance == of);
        bench.outputs.iter().any(withdraws)
    };
    let utterance = |output: &CallOutput| match output {
        CallOutput::Transcribe { utterance, samples, rate, .. } if !is_withdrawn(utterance) => {
            Some((samples.clone(), *rate))
        }
        _ => None,
    };
    bench.outputs.iter().filter_map(utterance).collect()
}

#[test]
fn our_own_voice_from_a_telephone_on_a_table_neither_stops_us_nor_is_an_utterance() {
    for line in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
        for (delay_ms, loss_db) in [(40, 6.0), (120, 20.0), (300, 30.0)] {
            let how = format!("{line:?}, {delay_ms} ms, {loss_db} dB");
            let mut bench = we_speak();
            let mut telephone = HandsFree::new(delay_ms, loss_db, line);
            let mut said = 0;
            while telephone.tick(&mut bench, &[]) {
                said += 1;
            }
            let all = fixture!("calls/car_light.wav", -20.0).len() / FRAME;
            assert!(said >= all, "{how}: we were stopped after {said} of {all} frames");
            for _ in 0..75 {
                telephone.tick(&mut bench, &[]);
            }
            assert!(utterances(&bench).is_empty(), "{how}");
            assert_eq!(bench.call.turn_state(), TurnState::Listening, "{how}");
            assert!(bench.speeches().is_empty(), "{how}");
            // The caller's silence is noticed all the same.
            for _ in 0..350 {
                telephone.tick(&mut bench, &[]);
            }
            assert!(!bench.speeches().is_empty(), "{how}: are you still there?");
        }
    }
}

/// Frames from when the caller begins until we are silent, and what was heard of the caller.
fn interrupted(telephone: &mut HandsFree, caller: &[i16]) -> (usize, Vec<i16>) {
    let mut bench = we_speak();
    for _ in 0..250 {
        assert!(telephone.tick(&mut bench, &[]), "we were stopped by ourselves");
    }
    let mut frames = 0;
    for (n, frame) in caller.chunks(FRAME).enumerate() {
        if telephone.tick(&mut bench, frame) {
            frames = n + 1;
        }
    }
    for _ in 0..75 {
        telephone.tick(&mut bench, &[]);
    }
    let heard = utterances(&bench).into_iter().next();
    (frames, heard.expect("an utterance").0)
}

#[test]
fn a_caller_over_the_echo_stops_us_and_is_heard_without_it() {
    let caller = fixture!("calls/account_12345678.wav", -20.0);
    let line = SampleRate::HZ_8000;
    let (usual, _) = interrupted(&mut HandsFree::new(40, 100.0, line), &caller);
    assert!(usual < 40, "{usual} frames without an echo");
    for (delay_ms, loss_db) in [(40, 6.0), (120, 20.0), (300, 30.0)] {
        let mut telephone = HandsFree::new(delay_ms, loss_db, line);
        let (frames, heard) = interrupted(&mut telephone, &caller);
        assert!(frames <= usual + 12, "{delay_ms} ms, {loss_db} dB: {frames}, not {usual} frames");
        // Of the five seconds of echo before, no more is left than what is kept before any utterance.
        let longest = caller.len() + 8_000 * 3 / 2;
        assert!(heard.len() < longest, "{delay_ms} ms, {loss_db} dB: {}", heard.len());
    }
}

#[test]
fn callers_who_repeat_our_words_are_heard_where_nothing_comes_back() {
    let words_of = |bench: &Bench| {
        bench.outputs.iter().find_map(|output| match output {
            CallOutput::Speak { text, .. } => Some(text.expose().clone()),
            _ => None,
        })
    };
    for ours in [true, false] {
        let mut bench = Bench::answered();
        bench.speech(800);
        bench.silence(700);
        let utterance = bench.transcribes().expect("an utterance");
        bench.understood(utterance, "when are you open", "branch_hours");
        let words = words_of(&bench).expect("an answer");
        bench.say_all(4_000);
        bench.silence(200);
        bench.speech(300);
        bench.silence(700);
        let utterance = bench.transcribes().expect("an utterance");
        bench.outputs.clear();
        let heard = if ours { words } else { "I want to know my balance".to_owned() };
        let text = Pii::new(heard);
        let result = HeardResult::Text { text, confidence: 0.9, readings: Readings::default() };
        bench.input(CallInput::Transcribed { utterance, result });
        let understands = |o: &CallOutput| matches!(o, CallOutput::Understand { .. });
        assert!(bench.outputs.iter().any(understands), "ours: {ours}");
        // Nothing is given up before it is known what was meant.
        assert_eq!(bench.call.turn_state(), TurnState::AgentSpeaking, "ours: {ours}");
    }
}

#[test]
fn callers_who_are_hard_to_hear_reach_the_recogniser_at_a_usual_level() {
    for line in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
        for (spoken, at_least, at_most) in
            [(-46.0, -34.0, -28.0), (-24.0, -26.0, -22.0), (-8.0, -20.0, -12.0)]
        {
            let mut bench = Bench::answered();
            bench.call.vad = Box::new(AnyVoice(LEVELLED_LINE_DBFS));
            let mut telephone = HandsFree::new(40, 100.0, line);
            for _ in 0..50 {
                telephone.tick(&mut bench, &[]);
            }
            for frame in fixture!("calls/car_light.wav", spoken).chunks(FRAME) {
                telephone.tick(&mut bench, frame);
            }
            for _ in 0..50 {
                telephone.tick(&mut bench, &[]);
            }
            let heard = utterances(&bench).into_iter().next();
            let (samples, rate) = heard.unwrap_or_else(|| panic!("no utterance of {spoken}"));
            assert_eq!(rate, line);
            let level = active_level_dbfs(&resample_whole(&samples, rate, SampleRate::HZ_8000));
            assert!((at_least..=at_most).contains(&level), "{spoken}: {level}");
        }
    }
}
