//! Callers who speak while we do.

use super::*;
use crate::audio::Random;
use crate::audio::recordings::fixture;
use crate::base::Effort;

const FRAME: usize = 160;

/// Takes whatever is loud for voice, as a model may do with a cough.
struct Gullible;

impl Vad for Gullible {
    fn chunk_len(&self) -> usize {
        256
    }

    fn probability(&mut self, chunk: &[i16]) -> f32 {
        if crate::audio::level::varying_dbfs(chunk) > -50.0 { 0.95 } else { 0.01 }
    }

    fn reset(&mut self) {}
}

/// Sound of which no two stretches are alike.
fn unlike_any(ms: usize) -> Vec<i16> {
    random_sound(ms, 11)
}

/// A hiss, such as a cough is made of.
fn hiss(ms: usize) -> Vec<i16> {
    random_sound(ms, 5)
}

fn random_sound(ms: usize, seed: u64) -> Vec<i16> {
    let mut random = Random::new(seed);
    (0..ms * 8).map(|_| ((random.next_unit() - 0.5) * 12_000.0) as i16).collect()
}

impl Bench {
    /// 20 ms of the caller; gives our frame.
    fn hear_frame(&mut self, caller: &[i16]) -> PlayoutFrame {
        self.now += Duration::from_millis(20);
        if self.call.poll_timeout().is_some_and(|at| at <= self.now) {
            self.input(CallInput::Timeout);
        }
        let mut samples = caller.to_vec();
        samples.resize(FRAME, 0);
        let frame = AudioFrame { rate: SampleRate::HZ_8000, time: MediaTime(0), samples };
        self.input(CallInput::Audio { frame, waited: Duration::from_millis(40) });
        let ours = self.call.next_frame(self.now);
        while let Some(output) = self.call.poll_output() {
            self.outputs.push(output);
        }
        ours
    }

    /// All of this from the caller; gives what they hear meanwhile.
    fn hear_sound(&mut self, caller: &[i16]) -> Vec<i16> {
        caller.chunks(FRAME).flat_map(|frame| self.hear_frame(frame).samples).collect()
    }

    /// The recogniser's answer to the last utterance.
    fn hears_words(&mut self, utterance: UtteranceId, words: &str) {
        let text = Pii::new(words.to_owned());
        let result = HeardResult::Text { text, confidence: 0.9, readings: Readings::default() };
        self.input(CallInput::Transcribed { utterance, result });
    }

    fn our_lines(&self) -> Vec<String> {
        let ours = self.call.lines.iter().filter(|line| line.speaker == LineSpeaker::Frontdoor);
        ours.map(|line| line.text.expose().clone()).collect()
    }
}

/// We answer something with this sound, and have said so much of it.
fn we_say(sound: &[i16], said_ms: usize) -> Bench {
    let mut bench = Bench::answered();
    // No work ahead of the end of an utterance: what is tested is told in whole utterances.
    bench.input(CallInput::Effort(Effort::NoSpeculation));
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    for (n, speech) in bench.speeches().into_iter().enumerate() {
        let samples: Arc<[i16]> = if n == 0 { sound.to_vec() } else { vec![0; FRAME] }.into();
        bench.input(CallInput::SpeechAudio { speech, samples });
        bench.input(CallInput::SpeechDone { speech });
    }
    bench.outputs.clear();
    bench.call.lines.clear();
    for _ in 0..said_ms / 20 {
        bench.hear_frame(&[]);
    }
    bench
}

fn transcribed(output: &CallOutput) -> Option<UtteranceId> {
    match output {
        CallOutput::Transcribe { utterance, .. } => Some(*utterance),
        _ => None,
    }
}

fn loudest(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

#[test]
fn we_become_softer_then_pause_and_for_a_mm_hm_go_on_from_where_it_began() {
    let sound = unlike_any(6_000);
    let mut bench = we_say(&sound, 1_000);
    let before = loudest(&bench.hear_frame(&[]).samples);
    // 160 ms of voice: softer, by 14 dB.
    bench.speech(140);
    let soft = loudest(&bench.tick(8_000).samples);
    assert!(soft < before / 4 && soft > before / 8, "{soft} of {before}");
    bench.speech(180);
    assert_eq!(loudest(&bench.tick(8_000).samples), 0, "silent");
    let counts = bench.call.overlaps();
    assert_eq!((counts.ducked, counts.held, counts.committed), (1, 1, 0));
    bench.silence(700);
    let utterance = bench.transcribes().expect("its words are asked for");
    assert_eq!(loudest(&bench.tick(0).samples), 0, "silent until they are known");
    bench.hears_words(utterance, "Mm-hm.");
    let rest: Vec<i16> = (0..320).flat_map(|_| bench.hear_frame(&[]).samples).collect();
    // The first 20 ms fade in.
    let key = &rest[FRAME..2 * FRAME];
    let at = sound.windows(FRAME).position(|place| place == key).expect("as loud as before");
    let softer_from = (1_000 + 20 + 96) * 8;
    assert!(at - FRAME <= softer_from, "resumes {at} samples in");
    assert!(at - FRAME + 9_600 > softer_from, "and not long before");
    let left = &sound[at..];
    assert_eq!(rest[FRAME..FRAME + left.len()], *left, "nothing is lost");
    assert_eq!(bench.call.overlaps().came_back, 1);
    assert!(bench.our_lines()[0].ends_with('.'), "heard to its end: {:?}", bench.our_lines());
}

#[test]
fn an_interruption_ends_what_we_say_and_the_record_has_what_was_heard() {
    let sound = unlike_any(10_000);
    let mut bench = we_say(&sound, 3_000);
    let whole = bench.call.playout.front().expect("we speak").words_begun().expect("begun").len();
    bench.speech(1_300);
    assert_eq!(bench.call.turn_state(), TurnState::CallerSpeaking);
    let counts = bench.call.overlaps();
    assert_eq!((counts.ducked, counts.held, counts.committed), (1, 1, 1));
    assert_eq!(bench.call.conversation().signals().interruptions, 1);
    let ours = bench.our_lines();
    let [heard] = &ours[..] else { panic!("{ours:?}") };
    // Three of ten seconds; what was said softly afterwards is not counted.
    let share = heard.trim_end_matches(" —").len() as f32 / whole as f32;
    assert!(heard.ends_with('—') && (0.15..0.45).contains(&share), "{heard}: {share}");
}

#[test]
fn words_that_are_meant_end_it_as_soon_as_they_are_known() {
    for (words, goes_on) in [("no wait", false), ("agent", false), ("okay", true), ("", true)] {
        let mut bench = we_say(&unlike_any(8_000), 1_000);
        bench.speech(400);
        bench.silence(120);
        assert_eq!(bench.call.overlaps().held, 1);
        bench.call.overlap_words(bench.now, words, 0.9);
        let counts = bench.call.overlaps();
        let expected = (u32::from(goes_on), u32::from(!goes_on));
        assert_eq!((counts.came_back, counts.committed), expected, "{words}");
        bench.silence(100);
        assert_eq!(bench.tick(0).speaking, goes_on, "{words}");
    }
}

#[test]
fn no_wait_at_the_very_beginning_leaves_nothing_said() {
    let mut bench = Bench::answered();
    bench.input(CallInput::Effort(Effort::NoSpeculation));
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.understood(utterance, "when are you open", "branch_hours");
    bench.call.lines.clear();
    let speeches = bench.speeches();
    bench.outputs.clear();
    // They begin 200 ms before our first sample.
    bench.speech(200);
    for speech in speeches {
        let samples: Arc<[i16]> = unlike_any(4_000).into();
        bench.input(CallInput::SpeechAudio { speech, samples });
        bench.input(CallInput::SpeechDone { speech });
    }
    bench.speech(100);
    assert_eq!(loudest(&bench.tick(8_000).samples), 0, "silent within 100 ms");
    bench.speech(800);
    assert_eq!(bench.call.overlaps().committed, 1);
    assert!(bench.our_lines().len() <= 1, "{:?}", bench.our_lines());
    let words = bench.our_lines().first().map_or(0, |line| line.split_whitespace().count());
    assert!(words <= 2, "{:?}", bench.our_lines());
    // They have paused before and gone on: they are waited for longer now.
    bench.silence(1_500);
    let utterance = bench.transcribes().expect("what they said is heard");
    bench.understood(utterance, "no wait I lost my card", "lost_card");
    assert!(!bench.speeches().is_empty(), "and answered");
}

#[test]
fn coughs_and_hisses_do_not_stop_us_whatever_a_recogniser_makes_of_them() {
    for ms in [150, 250, 400, 900] {
        let mut bench = we_say(&unlike_any(8_000), 1_000);
        bench.call.vad = Box::new(Gullible);
        bench.hear_sound(&hiss(ms));
        let counts = bench.call.overlaps();
        assert_eq!((counts.held, counts.committed), (0, 0), "{ms} ms");
        bench.hear_sound(&vec![0; 8 * 700]);
        let Some(utterance) = bench.transcribes() else { continue };
        bench.hears_words(utterance, "Thank you.");
        let understanding = Some(Understanding::of(Vec::new(), 0.4));
        bench.input(CallInput::Understood { utterance, understanding });
        let ours = bench.hear_frame(&[]);
        assert!(ours.speaking && loudest(&ours.samples) > 3_000, "{ms} ms: we go on as before");
        assert_eq!(bench.call.overlaps().passed_over, 1, "{ms} ms");
    }
}

#[test]
fn others_in_the_room_do_not_stop_us_unless_they_want_something_of_us() {
    for (intent, confidence, goes_on) in [("balance", 0.4, true), ("balance", 0.95, false)] {
        let mut bench = we_say(&unlike_any(16_000), 1_000);
        bench.call.vad = Box::new(Gullible);
        bench.call.overlap_usual(-20.0);
        bench.hear_sound(&fixture!("calls/car_light.wav", -38.0)[..8 * 3_000]);
        let counts = bench.call.overlaps();
        assert_eq!((counts.held, counts.committed), (0, 0));
        bench.hear_sound(&vec![0; 8 * 1_600]);
        let utterances: Vec<UtteranceId> = bench.outputs.iter().filter_map(transcribed).collect();
        assert!(!utterances.is_empty());
        for utterance in utterances {
            bench.hears_words(utterance, "and then she said that the car");
        }
        let understands = bench.outputs.iter().rev().find_map(|output| match output {
            CallOutput::Understand { utterance, .. } => Some(*utterance),
            _ => None,
        });
        let utterance = understands.expect("it is looked into");
        let intents = vec![IntentScore { intent: IntentName::new(intent), confidence }];
        let understanding = Some(Understanding::of(intents, if goes_on { 0.3 } else { -1.0 }));
        bench.input(CallInput::Understood { utterance, understanding });
        assert_eq!(bench.call.overlaps().passed_over, u32::from(goes_on));
        assert_eq!(bench.call.overlaps().committed, u32::from(!goes_on));
    }
}

#[test]
fn a_caller_at_their_usual_level_has_us_pause() {
    let mut bench = we_say(&unlike_any(16_000), 1_000);
    bench.call.vad = Box::new(Gullible);
    bench.call.overlap_usual(-24.0);
    bench.hear_sound(&fixture!("calls/car_light.wav", -26.0)[..8 * 3_000]);
    let counts = bench.call.overlaps();
    assert!(counts.held >= 1 && counts.committed == 1, "{counts:?}");
}

#[test]
fn a_pause_for_words_that_do_not_come_ends() {
    let mut bench = we_say(&unlike_any(8_000), 1_000);
    bench.speech(400);
    bench.silence(700);
    assert!(bench.transcribes().is_some());
    assert!(!bench.tick(0).speaking);
    bench.silence(2_000);
    assert!(bench.tick(0).speaking, "we go on");
    assert_eq!(bench.call.overlaps().came_back, 1);
}

#[test]
fn a_pause_ends_though_nothing_more_comes_of_the_caller() {
    let mut bench = we_say(&unlike_any(8_000), 1_000);
    bench.speech(400);
    assert_eq!(bench.call.overlaps().held, 1);
    for _ in 0..9 {
        bench.now += Duration::from_millis(500);
        bench.input(CallInput::Timeout);
    }
    assert_eq!(bench.call.overlaps().came_back, 1);
    assert!(bench.call.next_frame(bench.now).speaking, "we go on");
}

#[test]
fn what_we_paused_is_taken_up_after_a_hold() {
    let mut bench = we_say(&unlike_any(8_000), 1_000);
    bench.speech(400);
    bench.input(CallInput::Hold);
    assert_eq!((bench.call.overlaps().held, bench.call.overlaps().came_back), (1, 1));
    assert_eq!(loudest(&bench.call.next_frame(bench.now).samples), 0, "nobody hears us");
    bench.now += Duration::from_secs(5);
    bench.input(CallInput::Resume);
    let ours = bench.call.next_frame(bench.now);
    assert!(ours.speaking && loudest(&ours.samples) > 3_000, "as loud as before");
}

#[test]
fn what_must_be_heard_is_said_as_loud_as_ever_and_what_was_said_over_it_is_taken_then() {
    let sound = unlike_any(4_000);
    let mut bench = we_say(&sound, 0);
    bench.call.playout.front_mut().expect("we speak").uninterruptible = true;
    let begin = bench.hear_sound(&vec![0; 8 * 400]);
    bench.outputs.clear();
    bench.speech(1_200);
    assert_eq!(bench.call.overlaps(), OverlapCounts::default());
    bench.silence(800);
    let utterance = bench.transcribes().expect("what they say is heard");
    bench.hears_words(utterance, "I lost my card");
    let understands =
        |bench: &Bench| bench.outputs.iter().any(|o| matches!(o, CallOutput::Understand { .. }));
    assert!(!understands(&bench), "it waits");
    let rest = bench.hear_sound(&vec![0; 8 * 2_000]);
    assert!(understands(&bench), "and is taken then");
    // Of 4 s, 0.4 s were before and 2.0 s while the caller spoke.
    let left = &sound[8 * 2_400..];
    assert_eq!(rest[..left.len()], *left);
    assert_eq!(begin, sound[..begin.len()]);
}

#[test]
fn what_must_be_heard_is_not_lost_behind_words_that_fill_the_time() {
    let mut bench = we_say(&unlike_any(2_000), 0);
    bench.call.playout.front_mut().expect("we speak").uninterruptible = true;
    let must = bench.call.playout.front().expect("we speak").speech;
    bench.call.playout.rotate_right(1);
    bench.call.playout.front_mut().expect("another").aside = true;
    bench.call.stop_agent(bench.now);
    let kept: Vec<SpeechId> = bench.call.playout.iter().map(|item| item.speech).collect();
    assert!(kept.contains(&must), "{kept:?}");
    assert_eq!(bench.call.overlaps().committed, 0);
}

#[test]
fn keys_over_what_must_be_heard_drop_only_what_follows_it() {
    let mut bench = we_say(&unlike_any(2_000), 200);
    bench.call.playout.front_mut().expect("we speak").uninterruptible = true;
    bench.input(CallInput::Digit('0'));
    assert_eq!(bench.call.playout.len(), 1);
    assert!(bench.tick(0).speaking);
}
