//! Audio samples, rates and codecs. Pure: no clock, socket or thread; WAV bytes go through
//! `std::io` readers and writers that the shell opens.

pub mod codec;
pub mod conceal;
mod conference;
mod convert;
mod dtmf;
mod frame;
pub mod g711;
pub mod g722;
mod half_band;
pub mod level;
pub mod mix;
pub mod music;
pub mod opus;
#[cfg(test)]
pub(crate) mod recordings;
pub mod resample;
pub mod tone;
pub mod wav;

pub use self::opus::OpusWishes;
pub use codec::{Codec, Codecs, Decoder, Encoder};
pub use conceal::Concealer;
pub use conference::Conference;
pub use convert::FrameConverter;
pub use dtmf::{DtmfDetector, DtmfHeard};
pub use frame::{AudioFrame, MediaTime, SampleRate, level_dbfs};
pub use g711::Law;
pub use level::{Leveller, NoiseFloor};
pub use mix::{Noise, PhoneChannel, Random, phone_channel};
pub use music::hold_music;
pub use resample::{Resampler, resample_whole};
pub use wav::{TwoChannelWriter, WavError, read_wav, write_wav};
