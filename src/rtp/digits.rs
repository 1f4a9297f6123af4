//! Keypad digits as telephone-events (RFC 4733): received exactly once per press, and sent.
//!
//! ```text
//!  idle --event--> pressed --end bit, newer event, audio or nothing for 100 ms--> idle (+ digit)
//! ```

use std::time::{Duration, Instant};

/// A press whose end packets are lost ends when nothing was heard of it for this long.
const END_LOST_AFTER: Duration = Duration::from_millis(100);
/// Without audio or anything else in between, packets of the press may just be delayed.
const QUIET_END_AFTER: Duration = Duration::from_millis(400);
/// Events from here on are not keypad digits (flash, modem tones).
const EVENT_CODES: &[u8; 16] = b"0123456789*#ABCD";
/// A segment this long may be continued by another of the same press (RFC 4733 section 2.5.1.3).
const SEGMENT_FULL: u16 = 0xff00;

/// One telephone-event payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub code: u8,
    pub end: bool,
    /// Since the start of the event, in timestamp units.
    pub duration: u16,
}

impl Event {
    /// Parses a payload; `None` if it is too short. Volume is of no interest.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let (&[code, flags, high, low], _) = payload.split_first_chunk::<4>()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Self { code, end: flags & 0x80 != 0, duration })
    }

    /// The payload, at -10 dBm0.
    pub(super) fn encode(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, if self.end { 0x80 } else { 0 } | 10, high, low]
    }
}

/// The event code of a keypad digit.
pub(super) fn event_code(digit: char) -> Option<u8> {
    let digit = u8::try_from(digit.to_ascii_uppercase()).ok()?;
    EVENT_CODES.iter().position(|&code| code == digit).map(|code| code as u8)
}

/// A finished press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Press {
    pub digit: char,
    pub duration_ms: u32,
}

#[derive(Debug, Clone)]
struct Pressed {
    code: u8,
    /// Start of the current segment.
    timestamp: u32,
    segment: u16,
    /// Duration of the full segments before it.
    before: u32,
    clock_hz: u32,
    heard: Instant,
}

impl Pressed {
    fn press(&self) -> Option<Press> {
        let digit = char::from(*EVENT_CODES.get(usize::from(self.code))?);
        let duration_ms = (self.before + u32::from(self.segment)) / (self.clock_hz / 1000).max(1);
        Some(Press { digit, duration_ms })
    }
}

/// Turns event packets into presses.
#[derive(Debug, Clone, Default)]
pub(super) struct DigitReceiver {
    pressed: Option<Pressed>,
    /// Timestamp of the last finished event, to know its retransmissions.
    finished: Option<u32>,
}

impl DigitReceiver {
    /// Takes an event packet whose duration counts `clock_hz` a second; may finish the press before
    /// it, and its own.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        timestamp: u32,
        event: Event,
        clock_hz: u32,
    ) -> [Option<Press>; 2] {
        let stale = |than: u32| timestamp.wrapping_sub(than) as i32 <= 0;
        if self.finished.is_some_and(stale) || usize::from(event.code) >= EVENT_CODES.len() {
            return [None, None];
        }
        let mut earlier = None;
        match &mut self.pressed {
            Some(pressed) if pressed.timestamp == timestamp => {
                // Reordered updates carry shorter durations.
                pressed.segment = pressed.segment.max(event.duration);
                pressed.heard = now;
            }
            // An update of an event before the one that is pressed now.
            Some(pressed) if timestamp.wrapping_sub(pressed.timestamp) as i32 <= 0 => {
                return [None, None];
            }
            Some(pressed) if continues(pressed, timestamp, event) => {
                pressed.before += u32::from(pressed.segment);
                pressed.timestamp = timestamp;
                pressed.segment = event.duration;
                pressed.heard = now;
            }
            pressed => {
                earlier = pressed.take().and_then(|pressed| pressed.press());
                *pressed = Some(Pressed {
                    code: event.code,
                    timestamp,
                    segment: event.duration,
                    before: 0,
                    clock_hz,
                    heard: now,
                });
            }
        }
        let own = if event.end { self.finish() } else { None };
        [earlier, own]
    }

    /// Takes note of audio: a press not heard of for 100 ms is over.
    pub(super) fn handle_audio(&mut self, now: Instant) -> Option<Press> {
        self.end_if_quiet(now, END_LOST_AFTER)
    }

    /// Ends a press of which nothing has been heard at all for 400 ms.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Press> {
        self.end_if_quiet(now, QUIET_END_AFTER)
    }

    /// Whether a key is down.
    pub(super) fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    /// Ends a press at a change of source, whose timestamps are unrelated.
    pub(super) fn reset(&mut self) -> Option<Press> {
        let press = self.finish();
        self.finished = None;
        press
    }

    fn end_if_quiet(&mut self, now: Instant, after: Duration) -> Option<Press> {
        let pressed = self.pressed.as_ref()?;
        if now.saturating_duration_since(pressed.heard) < after {
            return None;
        }
        self.finish()
    }

    fn finish(&mut self) -> Option<Press> {
        let pressed = self.pressed.take()?;
        self.finished = Some(pressed.timestamp);
        pressed.press()
    }
}

/// Whether the event is the next segment of a press that is too long for one.
fn continues(pressed: &Pressed, timestamp: u32, event: Event) -> bool {
    pressed.code == event.code
        && pressed.segment >= SEGMENT_FULL
        && timestamp.wrapping_sub(pressed.timestamp) <= 0x1_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (ms, timestamp, code, end, duration)
    type Step = (u64, u32, u8, bool, u16);

    fn presses(steps: &[Step], audio_at_ms: &[u64]) -> Vec<(char, u32)> {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut receiver = DigitReceiver::default();
        let mut out = Vec::new();
        for &(ms, timestamp, code, end, duration) in steps {
            let event = Event { code, end, duration };
            out.extend(receiver.handle(at(ms), timestamp, event, 8_000).into_iter().flatten());
        }
        for &ms in audio_at_ms {
            out.extend(receiver.handle_audio(at(ms)));
        }
        out.into_iter().map(|press| (press.digit, press.duration_ms)).collect()
    }

    #[test]
    fn a_press_counts_once_however_often_its_end_comes() {
        let train = [
            (0, 800, 5, false, 160),
            (20, 800, 5, false, 320),
            (40, 800, 5, true, 480),
            (40, 800, 5, true, 480),
            (60, 800, 5, true, 480),
        ];
        assert_eq!(presses(&train, &[80, 200]), [('5', 60)]);
        // All but one of the packets lost, whichever.
        assert_eq!(presses(&train[..1], &[50, 100]), [('5', 20)]);
        assert_eq!(presses(&train[4..], &[80, 200]), [('5', 60)]);
    }

    #[test]
    fn the_same_key_twice_is_two_presses() {
        let steps = [
            (0, 0u32.wrapping_sub(80), 10, false, 160),
            (20, 0u32.wrapping_sub(80), 10, true, 320),
            (100, 720, 10, false, 160),
            (120, 0u32.wrapping_sub(80), 10, true, 320),
            (121, 720, 10, true, 400),
        ];
        assert_eq!(presses(&steps, &[]), [('*', 40), ('*', 50)]);
    }

    #[test]
    fn a_lost_end_is_made_up_for_by_the_next_press() {
        let steps = [(0, 100, 1, false, 800), (150, 2000, 11, true, 640)];
        assert_eq!(presses(&steps, &[]), [('1', 100), ('#', 80)]);
    }

    #[test]
    fn a_very_long_press_is_still_one() {
        let steps = [
            (0, 0, 9, false, 160),
            (8191, 0, 9, false, 0xffff),
            (8211, 0xffff, 9, false, 160),
            (8231, 0xffff, 9, true, 320),
        ];
        assert_eq!(presses(&steps, &[]), [('9', 8231)]);
    }

    #[test]
    fn a_press_at_the_clock_of_opus_lasts_as_long() {
        let mut receiver = DigitReceiver::default();
        let end = Event { code: 4, end: true, duration: 4_800 };
        let press = Press { digit: '4', duration_ms: 100 };
        assert_eq!(receiver.handle(Instant::now(), 48_000, end, 48_000), [None, Some(press)]);
    }

    #[test]
    fn silence_on_the_line_ends_a_press_too_and_flash_is_no_digit() {
        let start = Instant::now();
        let mut receiver = DigitReceiver::default();
        let down = Event { code: 15, end: false, duration: 240 };
        assert_eq!(receiver.handle(start, 5, down, 8_000), [None, None]);
        assert!(receiver.is_pressed());
        assert_eq!(receiver.handle_timeout(start + Duration::from_millis(399)), None);
        let press = receiver.handle_timeout(start + Duration::from_millis(400));
        assert_eq!(press, Some(Press { digit: 'D', duration_ms: 30 }));
        let flash = Event { code: 16, end: true, duration: 240 };
        assert_eq!(receiver.handle(start, 900, flash, 8_000), [None, None]);
        assert!(!receiver.is_pressed());
    }

    #[test]
    fn payloads_survive() {
        for event in [
            Event { code: 3, end: true, duration: 1234 },
            Event { code: 11, end: false, duration: 0 },
        ] {
            assert_eq!(Event::parse(&event.encode()), Some(event));
        }
        assert_eq!(Event::parse(&[1, 2, 3]), None);
        assert_eq!((event_code('d'), event_code('#'), event_code('é')), (Some(15), Some(11), None));
    }
}
