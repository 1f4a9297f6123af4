//! No dead air, in time: what a caller hears who waits for us.

use super::*;
use crate::call::speaking::is_voiced;
use crate::conversation::Step;
use crate::prompts::Pattern;

/// The longest silence that a caller who waits may hear.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// How our voice does.
#[derive(Clone, Copy, PartialEq)]
enum Voice {
    /// The sound of all words is there at once.
    Works,
    /// That of those which are kept only.
    KeptWordsOnly,
    /// It is down.
    Silent,
}

/// What a caller heard who waited in silence.
struct Waited {
    words: Vec<String>,
    longest_silence: Duration,
}

impl Waited {
    fn count(&self, pattern: Pattern) -> usize {
        let generation = generation();
        let variants = &generation.patterns.says[&pattern];
        let is_one = |said: &&String| variants.iter().any(|one| one.to_string() == **said);
        self.words.iter().filter(is_one).count()
    }
}

fn is_kept(words: &str) -> bool {
    let generation = generation();
    let says = &generation.patterns.says;
    let kept = [Pattern::OneMoment, Pattern::StillWorking];
    kept.iter().any(|pattern| says[pattern].iter().any(|one| one.to_string() == words))
}

/// Waits this long after having been silent for `before_ms`.
fn wait(bench: &mut Bench, before_ms: u64, ms: u64, voice: Voice) -> Waited {
    let mut waited = Waited { words: Vec::new(), longest_silence: Duration::ZERO };
    let mut silence = Duration::from_millis(before_ms);
    for _ in 0..ms / 20 {
        for output in std::mem::take(&mut bench.outputs) {
            let CallOutput::Speak { speech, text, .. } = output else { continue };
            let words = text.into_inner();
            let can_say = match voice {
                Voice::Works => true,
                Voice::KeptWordsOnly => is_kept(&words),
                Voice::Silent => false,
            };
            if can_say {
                let samples: Arc<[i16]> = vec![3_000; 800 * 8].into();
                bench.input(CallInput::SpeechAudio { speech, samples });
                bench.input(CallInput::SpeechDone { speech });
            }
            waited.words.push(words);
        }
        let frame = bench.tick(0);
        let more = silence + Duration::from_millis(20);
        silence = if is_voiced(&frame.samples) { Duration::ZERO } else { more };
        waited.longest_silence = waited.longest_silence.max(silence);
    }
    waited
}

/// A bench whose caller has just asked something.
fn has_asked() -> (Bench, UtteranceId) {
    let mut bench = Bench::answered();
    bench.speech(1_000);
    bench.silence(700);
    let utterance = bench.transcribes().expect("an utterance");
    bench.outputs.clear();
    (bench, utterance)
}

/// A bench whose caller has proved who they are, but for what the records say to it.
fn is_verifying() -> Bench {
    let (mut bench, utterance) = has_asked();
    bench.understood(utterance, "what's my balance", "balance");
    bench.say_all(200);
    bench.silence(1_000);
    for keys in ["12345678#", "4321#"] {
        for digit in keys.chars() {
            bench.input(CallInput::Digit(digit));
        }
        if !bench.speeches().is_empty() {
            bench.say_all(200);
            bench.silence(1_000);
        }
    }
    bench
}

#[test]
fn a_turn_that_is_answered_in_time_hears_nothing_else() {
    let (mut bench, utterance) = has_asked();
    let waited = wait(&mut bench, 700, 900, Voice::Works);
    assert_eq!(waited.words, Vec::<String>::new());
    bench.understood(utterance, "when are you open", "branch_hours");
    let waited = wait(&mut bench, 0, 2_000, Voice::Works);
    assert_eq!(waited.count(Pattern::OneMoment), 0, "{:?}", waited.words);
}

#[test]
fn words_that_are_long_in_coming_leave_no_dead_air_and_are_asked_for_once() {
    let (mut bench, utterance) = has_asked();
    let waited = wait(&mut bench, 700, 5_000, Voice::Works);
    assert_eq!((waited.words.len(), waited.count(Pattern::OneMoment)), (1, 1));
    assert!(waited.longest_silence <= SILENCE_MAX, "{:?}", waited.longest_silence);
    let waited = wait(&mut bench, 0, 8_000, Voice::Works);
    assert_eq!(waited.count(Pattern::OneMoment), 0, "never twice: {:?}", waited.words);
    assert_eq!(waited.count(Pattern::StillWorking), waited.words.len());
    assert!((1..=2).contains(&waited.words.len()), "{:?}", waited.words);
    assert!(waited.longest_silence <= SILENCE_MAX, "{:?}", waited.longest_silence);
    // The answer is given all the same, and the next turn knows nothing of it.
    bench.understood(utterance, "when are you open", "branch_hours");
    let waited = wait(&mut bench, 0, 3_000, Voice::Works);
    assert!(!waited.words.is_empty() && waited.count(Pattern::StillWorking) == 0);
    assert_eq!(bench.call.conversation().signals().interruptions, 0);
}

#[test]
fn the_latency_of_a_turn_is_that_of_its_answer() {
    let (mut bench, utterance) = has_asked();
    wait(&mut bench, 700, 4_000, Voice::Works);
    bench.understood(utterance, "when are you open", "branch_hours");
    bench.say_all(200);
    bench.tick(0);
    let timing = bench.outputs.iter().find_map(|output| match output {
        CallOutput::Turn(timing) => Some(*timing),
        _ => None,
    });
    let timing = timing.expect("a turn");
    assert!((4_500..5_000).contains(&timing.total_ms), "{timing:?}");
}

#[test]
fn an_action_that_takes_long_leaves_no_dead_air() {
    let mut bench = is_verifying();
    let runs = bench.outputs.iter().any(|output| matches!(output, CallOutput::RunAction { .. }));
    assert!(runs, "{:?}", bench.outputs);
    let waited = wait(&mut bench, 0, 20_000, Voice::Works);
    assert_eq!(waited.count(Pattern::OneMoment), 1, "{:?}", waited.words);
    assert_eq!(waited.words.len(), 1 + waited.count(Pattern::StillWorking));
    assert!((3..=4).contains(&waited.words.len()), "{:?}", waited.words);
    let mut neighbours = waited.words.windows(2);
    assert!(neighbours.all(|pair| pair[0] != pair[1]), "{:?}", waited.words);
    assert!(waited.longest_silence <= SILENCE_MAX, "{:?}", waited.longest_silence);
}

#[test]
fn a_hand_off_that_is_long_in_coming_to_the_disk_leaves_no_dead_air() {
    let (mut bench, utterance) = has_asked();
    bench.understood(utterance, "agent", "branch_hours");
    let stores = bench.outputs.iter().any(|output| matches!(output, CallOutput::StoreHandoff(_)));
    assert!(stores, "{:?}", bench.outputs);
    let waited = wait(&mut bench, 700, 6_000, Voice::Works);
    assert_eq!(waited.count(Pattern::OneMoment), 1, "{:?}", waited.words);
    assert!(waited.longest_silence <= SILENCE_MAX, "{:?}", waited.longest_silence);
}

#[test]
fn a_voice_that_is_slow_is_bridged_by_words_whose_sound_is_kept() {
    let (mut bench, utterance) = has_asked();
    bench.understood(utterance, "when are you open", "branch_hours");
    let waited = wait(&mut bench, 700, 8_000, Voice::KeptWordsOnly);
    assert_eq!(waited.count(Pattern::OneMoment), 1, "{:?}", waited.words);
    assert!(waited.longest_silence <= SILENCE_MAX, "{:?}", waited.longest_silence);
    // A voice that stays away is a failure as before: people take over.
    let waited = wait(&mut bench, 0, 14_000, Voice::KeptWordsOnly);
    assert_ne!(bench.call.conversation().step(), Step::Request, "{:?}", waited.words);
}

#[test]
fn words_that_fill_the_time_and_come_late_do_not_hold_up_the_answer() {
    let (mut bench, utterance) = has_asked();
    let waited = wait(&mut bench, 700, 3_000, Voice::Silent);
    assert_eq!(waited.count(Pattern::OneMoment), 1);
    bench.understood(utterance, "when are you open", "branch_hours");
    bench.say_all(400);
    assert!(is_voiced(&bench.tick(0).samples), "the answer is heard at once");
    let cancels = |output: &CallOutput| matches!(output, CallOutput::CancelSpeech { .. });
    assert!(bench.outputs.iter().any(cancels), "{:?}", bench.outputs);
}

#[test]
fn a_chime_says_that_we_are_there_where_nothing_can_be_said() {
    let (mut bench, _) = has_asked();
    let waited = wait(&mut bench, 700, 12_000, Voice::Silent);
    assert!(waited.longest_silence <= SILENCE_MAX, "{:?}", waited.longest_silence);
}

#[test]
fn who_does_not_wait_for_us_is_left_in_peace() {
    let mut bench = Bench::answered();
    let waited = wait(&mut bench, 0, 5_000, Voice::Works);
    assert_eq!(waited.words, Vec::<String>::new());
    assert!(waited.longest_silence > Duration::from_secs(4), "it is the caller's turn");
    let (mut bench, _) = has_asked();
    bench.input(CallInput::Hold);
    let waited = wait(&mut bench, 0, 5_000, Voice::Works);
    assert_eq!(waited.words, Vec::<String>::new());
}

#[test]
fn who_goes_on_while_we_ask_for_a_moment_has_said_one_thing() {
    let (mut bench, first) = has_asked();
    bench.silence(1_400);
    let [speech] = bench.speeches()[..] else { panic!("{:?}", bench.outputs) };
    let samples: Arc<[i16]> = vec![3_000; 3_000 * 8].into();
    bench.input(CallInput::SpeechAudio { speech, samples });
    bench.outputs.clear();
    bench.silence(100);
    bench.speech(300);
    assert!(bench.tick(8_000).speaking, "one moment");
    let heard = |text: &str| {
        let text = Pii::new(text.to_owned());
        HeardResult::Text { text, confidence: 0.9, readings: Readings::default() }
    };
    let result = heard("opening hours");
    bench.input(CallInput::Transcribed { utterance: first, result });
    bench.silence(1_600);
    let second = bench.transcribes().expect("the rest of it");
    bench.input(CallInput::Transcribed { utterance: second, result: heard("on Sunday") });
    let understood = bench.outputs.iter().filter_map(|output| match output {
        CallOutput::Understand { text, .. } => Some(text.expose().as_str()),
        _ => None,
    });
    assert_eq!(understood.collect::<Vec<_>>(), ["opening hours on Sunday"]);
}
