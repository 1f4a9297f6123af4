//! Somebody else who is called into a call: rung, and then there.

use std::time::Instant;

use crate::audio::AudioFrame;
use crate::server::agent_leg::{AgentLeg, AgentStep};
use crate::server::transfer::{NotReached, Ringing};

use super::sound::Sound;

/// The leg of whoever else is in the call.
pub(in crate::server) enum ThirdLeg {
    Nobody,
    Ringing(Ringing),
    There(Box<AgentLeg>),
}

/// What happened to it.
pub(in crate::server) enum ThirdNews {
    /// They have answered.
    Answered(Box<AgentLeg>),
    /// They have not.
    NotReached(NotReached),
    /// They have hung up.
    Gone(&'static str),
}

impl ThirdLeg {
    /// Waits for what happens next; for ever if there is nobody. Safe to cancel.
    pub async fn next(&mut self) -> ThirdNews {
        match self {
            Self::Nobody => std::future::pending().await,
            Self::Ringing(work) => match work.await {
                Ok(Ok(leg)) => ThirdNews::Answered(Box::new(leg)),
                Ok(Err(not)) => ThirdNews::NotReached(not),
                Err(error) => ThirdNews::NotReached(NotReached::failed(&error.to_string())),
            },
            Self::There(leg) => loop {
                // The agent's leg has the clock.
                if let AgentStep::Gone(why) = leg.next_step().await {
                    return ThirdNews::Gone(why);
                }
            },
        }
    }

    /// The next 20 ms from there.
    ///
    /// # Errors
    /// Why nothing will come any more.
    pub fn hear(&mut self, now: Instant) -> Result<Option<AudioFrame>, &'static str> {
        match self {
            Self::There(leg) => {
                // Keys of a third are nobody's.
                while leg.poll_key().is_some() {}
                leg.hear(now).map(Some)
            }
            Self::Nobody | Self::Ringing(_) => Ok(None),
        }
    }

    /// Says 20 ms there.
    pub async fn say(&mut self, sound: Option<&Sound>) {
        if let (Self::There(leg), Some(sound)) = (self, sound) {
            leg.say(&sound.samples, sound.rate).await;
        }
    }

    /// Ends it from our side: rings no more, or hangs up.
    pub async fn hang_up(&mut self, reason: &str) {
        if let Self::There(mut leg) = std::mem::replace(self, Self::Nobody) {
            leg.hang_up(reason).await;
        }
    }
}
