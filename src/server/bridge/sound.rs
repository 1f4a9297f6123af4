//! What each of two or three people in a call hears, 20 ms by 20 ms.

use std::sync::Arc;

use crate::audio::{AudioFrame, Conference, SampleRate};
use crate::server::floor::Microphone;

use super::switch::{Hold, Switch};

/// 20 ms at 8 kHz.
const FRAME_LEN: usize = 160;

/// 20 ms for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Sound {
    pub samples: Vec<i16>,
    pub rate: SampleRate,
}

impl Sound {
    fn silence() -> Self {
        Self { samples: vec![0; FRAME_LEN], rate: SampleRate::HZ_8000 }
    }

    fn of(frame: &AudioFrame) -> Self {
        Self { samples: frame.samples.clone(), rate: frame.rate }
    }

    fn mixed(samples: Vec<i16>) -> Self {
        Self { samples, rate: Conference::<3>::RATE }
    }
}

/// Music, over and over.
pub(in crate::server) struct Music {
    samples: Arc<[i16]>,
    at: usize,
}

impl Music {
    /// This at 8 kHz; nothing of it is silence.
    pub fn new(samples: Arc<[i16]>) -> Self {
        Self { samples, at: 0 }
    }

    fn next_frame(&mut self) -> Sound {
        let mut sound = Sound::silence();
        for sample in &mut sound.samples {
            *sample = self.samples.get(self.at).copied().unwrap_or_default();
            self.at = if self.at + 1 < self.samples.len() { self.at + 1 } else { 0 };
        }
        sound
    }
}

/// What everybody hears.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Heard {
    pub caller: Sound,
    pub agent: Sound,
    /// If there is a third.
    pub third: Option<Sound>,
}

/// Puts together who hears what.
pub(in crate::server) struct Mixer {
    music: Music,
    conference: Conference<3>,
}

impl Mixer {
    pub fn new(music: Music) -> Self {
        Self { music, conference: Conference::new() }
    }

    /// From the next 20 ms of each. A caller on hold hears music and is heard by nobody; agent and third
    /// go on hearing each other meanwhile.
    pub fn mix(
        &mut self,
        switch: &Switch,
        (caller, agent): (&AudioFrame, &AudioFrame),
        third: Option<&AudioFrame>,
    ) -> Heard {
        let is_held = switch.hold == Hold::OnHold;
        let music = is_held.then(|| self.music.next_frame());
        let agent = (switch.microphone == Microphone::On).then_some(agent);
        let caller = (!is_held).then_some(caller);
        let Some(third) = third else {
            // Two hear each other just as it comes.
            let of = |frame: Option<&AudioFrame>| frame.map_or_else(Sound::silence, Sound::of);
            let for_caller = music.unwrap_or_else(|| of(agent));
            return Heard { caller: for_caller, agent: of(caller), third: None };
        };
        let [for_caller, for_agent, for_third] = self.conference.mix([caller, agent, Some(third)]);
        Heard {
            caller: music.unwrap_or_else(|| Sound::mixed(for_caller)),
            agent: Sound::mixed(for_agent),
            third: Some(Sound::mixed(for_third)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;

    fn frame(level: i16) -> AudioFrame {
        let samples = vec![level; 320];
        AudioFrame { rate: SampleRate::HZ_16000, time: MediaTime(0), samples }
    }

    fn mixer() -> Mixer {
        Mixer::new(Music::new(vec![7; 100].into()))
    }

    /// The level that is heard, once the converters have got going.
    fn level(sound: &Sound) -> i16 {
        sound.samples[sound.samples.len() - 1]
    }

    fn switched(hold: Hold, microphone: Microphone) -> Switch {
        Switch { hold, microphone, ..Switch::default() }
    }

    #[test]
    fn two_hear_each_other_unless_it_is_switched_off() {
        use Hold::{OnHold, Talking};
        use Microphone::{Muted, On};
        let (caller, agent) = (frame(100), frame(200));
        for (hold, microphone, caller_hears, agent_hears) in [
            (Talking, On, 200, 100),
            (Talking, Muted, 0, 100),
            (OnHold, On, 7, 0),
            (OnHold, Muted, 7, 0),
        ] {
            let switch = switched(hold, microphone);
            let heard = mixer().mix(&switch, (&caller, &agent), None);
            assert_eq!(level(&heard.caller), caller_hears, "{switch:?}");
            assert_eq!(level(&heard.agent), agent_hears, "{switch:?}");
            assert_eq!(heard.third, None);
        }
        // As it came, at its own rate.
        let heard = mixer().mix(&Switch::default(), (&caller, &agent), None);
        assert_eq!((heard.caller.samples, heard.caller.rate), (agent.samples, agent.rate));
    }

    #[test]
    fn three_hear_each_other_and_a_caller_on_hold_hears_music_alone() {
        use Hold::{OnHold, Talking};
        use Microphone::{Muted, On};
        let (caller, agent, third) = (frame(100), frame(200), frame(400));
        for (hold, microphone, expected) in [
            (Talking, On, [600, 500, 300]),
            (Talking, Muted, [400, 500, 100]),
            (OnHold, On, [7, 400, 200]),
            (OnHold, Muted, [7, 400, 0]),
        ] {
            let switch = switched(hold, microphone);
            let heard = mixer().mix(&switch, (&caller, &agent), Some(&third));
            let third = heard.third.as_ref().expect("they are there");
            let levels = [level(&heard.caller), level(&heard.agent), level(third)];
            assert_eq!(levels, expected, "{switch:?}");
        }
    }

    #[test]
    fn music_goes_on_where_it_was_and_none_is_silence() {
        let mut music = Music::new((0..200).collect());
        assert_eq!(music.next_frame().samples[159], 159);
        let second = music.next_frame().samples;
        assert_eq!((second[0], second[39], second[40]), (160, 199, 0));
        assert_eq!(Music::new(Arc::from([])).next_frame(), Sound::silence());
    }
}
