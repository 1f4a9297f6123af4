//! Audio samples, rates and codecs. Pure: no clock, socket or thread; WAV bytes go through
//! `std::io` readers and writers that the shell opens.

mod frame;

pub use frame::{AudioFrame, MediaTime, SampleRate, level_dbfs};
