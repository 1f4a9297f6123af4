//! Words to phonemes by `espeak-ng`, which stays a process of its own (it is GPL: it is run, never
//! linked), started, watched and restarted here.
//!
//! It reads lines and writes the phonemes of each. One line in may be several lines out (it breaks
//! at punctuation and after some 1000 bytes), so every line is followed by a marker: a phoneme
//! pair that no word has. What comes out before the marker's echo is the answer. A child that
//! dies, is late or says too much is killed and started again, so an answer can never be taken
//! for that of another line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::error::VoiceError;

/// An answer takes 1 to 5 ms, 60 for the longest; later than this the child hangs.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
/// Loading the language takes 25 ms, more on a cold disk.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// Lines of one answer; a clause has at most a handful.
const ANSWER_LINES_MAX: usize = 32;
/// Rest after a request that failed twice, doubled for each further one.
const REST_FIRST: Duration = Duration::from_millis(200);
const REST_MAX: Duration = Duration::from_secs(30);
/// Phoneme input for the marker line: in no English word.
const MARKER: &str = "[[ZZ]]\n";

/// A phonemiser. Each worker owns one.
pub(super) struct Espeak {
    program: String,
    voice: String,
    deadline: Duration,
    running: Option<Running>,
    /// Requests in a row that failed twice.
    failures: u32,
    rest_until: Option<Instant>,
    restarts: Arc<AtomicU64>,
}

/// A running child and what it writes.
struct Running {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// What it writes for [`MARKER`].
    marker: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already; either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Espeak {
    /// Starts the child and waits for its first answer. Restarts are counted in `restarts`.
    ///
    /// # Errors
    /// The program is missing, or doesn't answer for this voice.
    pub fn start(
        program: &str,
        voice: &str,
        deadline: Duration,
        restarts: Arc<AtomicU64>,
    ) -> Result<Self, VoiceError> {
        let mut espeak = Self {
            program: program.to_owned(),
            voice: voice.to_owned(),
            deadline,
            running: None,
            failures: 0,
            rest_until: None,
            restarts,
        };
        espeak.running = Some(espeak.spawn()?);
        Ok(espeak)
    }

    /// The phonemes (IPA) of words without punctuation. Single capitals are spelled. Empty for
    /// words that have no sound.
    ///
    /// # Errors
    /// Two tries, with a new child for the second, both failed; or it still rests after that.
    pub fn phonemes(&mut self, words: &str) -> Result<String, VoiceError> {
        let line = prepare(words);
        if line.is_empty() {
            return Ok(String::new());
        }
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            let program = self.program.clone();
            return Err(VoiceError::EspeakResting { program, failures: self.failures });
        }
        let first = self.ask(&line);
        let answer = match first {
            Ok(answer) => Ok(answer),
            Err(_) => self.ask(&line),
        };
        match answer {
            Ok(answer) => {
                self.failures = 0;
                self.rest_until = None;
                Ok(answer)
            }
            Err(error) => {
                let rest = REST_FIRST.saturating_mul(1 << self.failures.min(8)).min(REST_MAX);
                self.failures = self.failures.saturating_add(1);
                self.rest_until = Some(Instant::now() + rest);
                Err(error)
            }
        }
    }

    /// One try. The child does not survive a failed one.
    fn ask(&mut self, line: &str) -> Result<String, VoiceError> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => {
                self.restarts.fetch_add(1, Ordering::Relaxed);
                self.spawn()?
            }
        };
        let answer = running
            .send(&format!("{line}\n{MARKER}"))
            .and_then(|()| running.answer(Instant::now() + self.deadline));
        match answer {
            Ok(answer) => {
                self.running = Some(running);
                Ok(answer)
            }
            Err(why) => Err(self.failed(why)),
        }
    }

    fn failed(&self, why: String) -> VoiceError {
        VoiceError::EspeakFailed { program: self.program.clone(), why }
    }

    /// Starts a child and learns how it writes the marker.
    fn spawn(&self) -> Result<Running, VoiceError> {
        let missing = |why: std::io::Error| VoiceError::EspeakMissing {
            program: self.program.clone(),
            why: why.to_string(),
        };
        let mut child = Command::new(&self.program)
            .args(["-q", "--ipa", "-b", "1", "-v", &self.voice])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(missing)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self.failed("its pipes are missing".to_owned()));
        };
        // Full: the reader waits, and with it the child, which is then late and is killed.
        let (line_tx, lines) = sync_channel(ANSWER_LINES_MAX);
        let mut running = Running { child, stdin, lines, marker: String::new() };
        std::thread::Builder::new()
            .name("voice-phonemes".to_owned())
            .spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if line_tx.send(line).is_err() {
                        break;
                    }
                }
            })
            .map_err(missing)?;
        let until = Instant::now() + START_DEADLINE;
        let greeting = running.send(&format!("{MARKER}{MARKER}")).and_then(|()| {
            let first = running.line(until)?;
            let second = running.line(until)?;
            let is_echo = first == second && !first.is_empty() && !first.is_ascii();
            is_echo.then_some(first).ok_or_else(|| "it does not write phonemes".to_owned())
        });
        match greeting {
            Ok(marker) => {
                running.marker = marker;
                Ok(running)
            }
            Err(why) => Err(self.failed(format!(
                "{why}; does it know the voice {0}? Try `espeak-ng --ipa -q -v {0} hello`",
                self.voice
            ))),
        }
    }

    /// The process id of the child, for tests that end it.
    #[cfg(test)]
    fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }
}

impl Running {
    fn send(&mut self, lines: &str) -> Result<(), String> {
        self.stdin
            .write_all(lines.as_bytes())
            .and_then(|()| self.stdin.flush())
            .map_err(|why| format!("it ended ({why})"))
    }

    fn line(&self, until: Instant) -> Result<String, String> {
        let left = until.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).map_err(|why| match why {
            RecvTimeoutError::Timeout => "it does not answer in time".to_owned(),
            RecvTimeoutError::Disconnected => "it ended".to_owned(),
        })
    }

    /// Everything before the marker, as one line.
    fn answer(&self, until: Instant) -> Result<String, String> {
        let mut parts: Vec<String> = Vec::new();
        for _ in 0..ANSWER_LINES_MAX {
            let line = self.line(until)?;
            if line == self.marker {
                return Ok(parts.join(" "));
            }
            let part = line.trim();
            if !part.is_empty() {
                parts.push(part.to_owned());
            }
        }
        Err("it writes more than it was asked".to_owned())
    }
}

/// Only letters, apostrophes, hyphens and blanks reach the child, so that nothing is taken for a
/// command or an end of line. A lone capital `A` among capitals is the letter, not the article.
fn prepare(words: &str) -> String {
    let words: Vec<String> = words
        .split(|c: char| !(c.is_alphabetic() || c == '\'' || c == '-'))
        .map(|word| word.trim_matches('-').to_owned())
        .filter(|word| word.contains(char::is_alphabetic))
        .collect();
    let is_letter = |word: Option<&String>| {
        word.is_some_and(|w| {
            let letter = w.strip_suffix("'s").unwrap_or(w);
            letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_uppercase())
        })
    };
    let mut line = String::new();
    for (i, word) in words.iter().enumerate() {
        let has_letter_beside = is_letter(words.get(i + 1))
            || i.checked_sub(1).is_some_and(|b| is_letter(words.get(b)));
        if i > 0 {
            line.push(' ');
        }
        match word.as_str() {
            "A" if has_letter_beside => line.push_str("[['eI]]"),
            _ => line.push_str(word),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(deadline: Duration) -> (Espeak, Arc<AtomicU64>) {
        let restarts = Arc::new(AtomicU64::new(0));
        let espeak = Espeak::start("espeak-ng", "en-us", deadline, Arc::clone(&restarts));
        (espeak.expect("espeak-ng is installed"), restarts)
    }

    fn signal(espeak: &Espeak, name: &str) {
        let pid = espeak.pid().unwrap().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    #[test]
    fn writes_phonemes_line_by_line() {
        let (mut espeak, restarts) = start(ANSWER_DEADLINE);
        for (words, want) in [
            ("hello there", "həlˈoʊ ðˈɛɹ"),
            ("the A T M", "ðɪ ˈeɪ tˈiː ˈɛm"),
            ("a cat", "ɐ kˈæt"),
            ("", ""),
            ("... 12 [[_::_]]", ""),
            ("pin", "pˈɪn"),
        ] {
            assert_eq!(espeak.phonemes(words).unwrap(), want, "{words}");
        }
        // Several lines in the answer, and then the right answer to the next.
        let long = espeak.phonemes(&"twenty ".repeat(140)).unwrap();
        assert_eq!(long.matches("twˈɛn").count(), 140);
        assert!(!espeak.phonemes(&"x".repeat(5_000)).unwrap().is_empty());
        assert_eq!(espeak.phonemes("pin").unwrap(), "pˈɪn");
        assert_eq!(restarts.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_killed_child_is_replaced_and_the_request_answered() {
        let (mut espeak, restarts) = start(ANSWER_DEADLINE);
        let before = espeak.pid();
        signal(&espeak, "-KILL");
        assert_eq!(espeak.phonemes("pin").unwrap(), "pˈɪn");
        assert_ne!(espeak.pid(), before);
        assert_eq!(restarts.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_child_that_hangs_is_replaced() {
        let (mut espeak, restarts) = start(Duration::from_millis(300));
        signal(&espeak, "-STOP");
        assert_eq!(espeak.phonemes("pin").unwrap(), "pˈɪn");
        assert_eq!(restarts.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_old_answer_is_never_taken_for_a_new_one() {
        let (mut espeak, _) = start(Duration::from_millis(300));
        signal(&espeak, "-STOP");
        espeak.running.as_mut().unwrap().send("old words\n").unwrap();
        assert_eq!(espeak.phonemes("new").unwrap(), "nˈuː");
    }

    #[test]
    fn what_is_not_espeak_is_refused() {
        let start = |program: &str, voice: &str| {
            Espeak::start(program, voice, ANSWER_DEADLINE, Arc::default()).err()
        };
        let missing = start("/nonexistent/espeak-ng", "en-us").unwrap();
        assert!(missing.to_string().contains("apt install espeak-ng"), "{missing}");
        assert!(matches!(start("true", "en-us"), Some(VoiceError::EspeakFailed { .. })));
        let voice = start("espeak-ng", "xx-none").unwrap();
        assert!(voice.to_string().contains("xx-none"), "{voice}");
    }

    #[test]
    fn failures_in_a_row_make_it_rest() {
        let (mut espeak, restarts) = start(ANSWER_DEADLINE);
        signal(&espeak, "-KILL");
        espeak.program = "/nonexistent/espeak-ng".to_owned();
        assert!(matches!(espeak.phonemes("a b"), Err(VoiceError::EspeakMissing { .. })));
        let again = espeak.phonemes("a b");
        assert!(matches!(again, Err(VoiceError::EspeakResting { failures: 1, .. })));
        assert_eq!(restarts.load(Ordering::Relaxed), 1);
        espeak.program = "espeak-ng".to_owned();
        espeak.rest_until = None;
        assert_eq!(espeak.phonemes("pin").unwrap(), "pˈɪn");
        assert_eq!(espeak.failures, 0);
    }
}
