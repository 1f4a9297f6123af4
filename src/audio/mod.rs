//! Audio samples, rates and codecs. Pure: no clock, socket or thread; WAV bytes go through
//! `std::io` readers and writers that the shell opens.

pub mod conceal;
mod frame;
pub mod g711;
pub mod mix;
pub mod resample;
pub mod tone;
pub mod wav;

pub use conceal::Concealer;
pub use frame::{AudioFrame, MediaTime, SampleRate, level_dbfs};
pub use g711::Law;
pub use mix::{Noise, PhoneChannel, Random, phone_channel};
pub use resample::{Resampler, resample_whole};
pub use wav::{TwoChannelWriter, WavError, read_wav, write_wav};
