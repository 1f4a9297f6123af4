//! WAV files: reading whatever people have at hand as mono 16 bits, and writing recordings.
//!
//! Reading is our own: it names what it found, steps over odd-sized chunks and takes telephone
//! encodings. Writing goes through `hound`.

use std::io::{Read, Seek, Write};

use super::{AudioFrame, Law, MediaTime, SampleRate};

/// The longest file read, 128 MiB: more than an hour of stereo at 8 kHz.
pub const WAV_BYTES_MAX: u64 = 128 << 20;
/// The most audio written to one file, just below the format's 4 GiB.
const DATA_BYTES_MAX: u64 = u32::MAX as u64 - 4096;
/// The lowest and highest sample rates that are taken for real.
const RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Why a WAV file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The bytes are something else.
    #[error("not a WAV file: it starts with {found}, a WAV file with \"RIFF\"...\"WAVE\"")]
    NotWav {
        /// The first bytes, printable.
        found: String,
    },
    /// A part every WAV file has is missing or makes no sense.
    #[error("broken WAV file: {0}")]
    Broken(String),
    /// The file is shorter than its header says.
    #[error(
        "truncated WAV file: the header promises {promised} bytes of audio, {present} are there"
    )]
    Truncated {
        /// Bytes of audio by the header.
        promised: u64,
        /// Bytes of audio in the file.
        present: u64,
    },
    /// An encoding we do not read.
    #[error(
        "unsupported WAV encoding: {found}; accepted are 8, 16, 24 and 32 bit integers, 32 bit \
         float, mu-law and A-law, mono or stereo"
    )]
    Unsupported {
        /// What the file holds.
        found: String,
    },
    /// The file holds no audio.
    #[error("the WAV file holds no audio")]
    Empty,
    /// More than is reasonable.
    #[error("the WAV file is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: u64,
    },
    /// Reading or writing failed.
    #[error("WAV input or output failed: {0}")]
    Io(#[from] std::io::Error),
}

/// What to make of a stereo file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stereo {
    /// The mean of both channels.
    #[default]
    Mix,
    /// The first channel only.
    Left,
    /// The second channel only.
    Right,
}

/// Reads a whole WAV file as mono; stereo is mixed.
///
/// # Errors
/// See [`WavError`]; nothing is returned of a file that is cut short.
pub fn read_wav(input: impl Read) -> Result<(SampleRate, Vec<i16>), WavError> {
    read_wav_channel(input, Stereo::Mix)
}

/// Reads a whole WAV file as mono, choosing what to make of stereo.
///
/// # Errors
/// See [`WavError`].
pub fn read_wav_channel(
    input: impl Read,
    stereo: Stereo,
) -> Result<(SampleRate, Vec<i16>), WavError> {
    let mut bytes = Vec::new();
    input.take(WAV_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > WAV_BYTES_MAX {
        return Err(WavError::TooLong { max_bytes: WAV_BYTES_MAX });
    }
    let (format, data) = find_chunks(&bytes)?;
    let encoding = format.encoding()?;
    let rate = SampleRate::from_hz(format.rate_hz)
        .filter(|rate| RATES_HZ.contains(&rate.hz()))
        .ok_or_else(|| WavError::Broken(format!("a sample rate of {} Hz", format.rate_hz)))?;
    let channels = usize::from(format.channels);
    let frame_len = encoding.sample_len() * channels;
    if data.len() < frame_len {
        return Err(WavError::Empty);
    }
    let samples = data
        .chunks_exact(frame_len)
        .map(|frame| {
            let (left, right) = frame.split_at(encoding.sample_len());
            match (channels, stereo) {
                (1, _) | (_, Stereo::Left) => encoding.decode(left),
                (_, Stereo::Right) => encoding.decode(right),
                (_, Stereo::Mix) => {
                    let sum = i32::from(encoding.decode(left)) + i32::from(encoding.decode(right));
                    (sum / 2) as i16
                }
            }
        })
        .collect();
    Ok((rate, samples))
}

/// Reads a whole WAV file as one frame that starts at media time 0.
///
/// # Errors
/// See [`WavError`].
pub fn read_wav_frame(input: impl Read) -> Result<AudioFrame, WavError> {
    let (rate, samples) = read_wav(input)?;
    Ok(AudioFrame { rate, time: MediaTime(0), samples })
}

/// The fields of a `fmt ` chunk that matter.
#[derive(Debug, Clone, Copy)]
struct Format {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    block_len: u16,
    bits: u16,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    G711(Law),
}

const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_A_LAW: u16 = 6;
const TAG_MU_LAW: u16 = 7;
/// The real tag then stands in the extension, in the first bytes of a GUID.
const TAG_EXTENSIBLE: u16 = 0xfffe;

impl Format {
    fn parse(body: &[u8]) -> Result<Self, WavError> {
        let word = |at: usize| body.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let fields = || {
            let mut tag = word(0)?;
            if tag == TAG_EXTENSIBLE {
                tag = word(24)?;
            }
            let rate_hz = u32::from(word(4)?) | u32::from(word(6)?) << 16;
            Some(Self { tag, channels: word(2)?, rate_hz, block_len: word(12)?, bits: word(14)? })
        };
        fields().ok_or_else(|| {
            WavError::Broken(format!("the \"fmt \" chunk has only {} bytes", body.len()))
        })
    }

    fn encoding(self) -> Result<Encoding, WavError> {
        let encoding = match (self.tag, self.bits) {
            (TAG_PCM, 8) => Encoding::U8,
            (TAG_PCM, 16) => Encoding::I16,
            (TAG_PCM, 24) => Encoding::I24,
            (TAG_PCM, 32) => Encoding::I32,
            (TAG_FLOAT, 32) => Encoding::F32,
            (TAG_A_LAW, 8) => Encoding::G711(Law::A),
            (TAG_MU_LAW, 8) => Encoding::G711(Law::Mu),
            _ => return Err(self.unsupported()),
        };
        if !(1..=2).contains(&self.channels)
            || usize::from(self.block_len) != encoding.sample_len() * usize::from(self.channels)
        {
            return Err(self.unsupported());
        }
        Ok(encoding)
    }

    fn unsupported(self) -> WavError {
        let name = match self.tag {
            TAG_PCM => "integer".to_owned(),
            TAG_FLOAT => "float".to_owned(),
            TAG_A_LAW => "A-law".to_owned(),
            TAG_MU_LAW => "mu-law".to_owned(),
            2 | 0x11 => "ADPCM".to_owned(),
            0x31 => "GSM 6.10".to_owned(),
            0x55 => "MP3".to_owned(),
            tag => format!("format {tag:#06x}"),
        };
        let found = format!(
            "{} bit {name}, {} channels, {} bytes a frame",
            self.bits, self.channels, self.block_len
        );
        WavError::Unsupported { found }
    }
}

impl Encoding {
    const fn sample_len(self) -> usize {
        match self {
            Self::U8 | Self::G711(_) => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
        }
    }

    /// Decodes the first sample of `bytes`; the higher 16 bits of longer ones.
    fn decode(self, bytes: &[u8]) -> i16 {
        match self {
            Self::U8 => (i16::from(bytes[0]) - 128) << 8,
            Self::I16 => i16::from_le_bytes([bytes[0], bytes[1]]),
            Self::I24 => i16::from_le_bytes([bytes[1], bytes[2]]),
            Self::I32 => i16::from_le_bytes([bytes[2], bytes[3]]),
            Self::F32 => {
                let value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                // A NaN becomes 0 and an infinity full scale by the rules of `as`.
                (value * 32_767.0).round() as i16
            }
            Self::G711(law) => law.decode_sample(bytes[0]),
        }
    }
}

/// Walks the RIFF chunks to the format and the audio.
fn find_chunks(bytes: &[u8]) -> Result<(Format, &[u8]), WavError> {
    if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
        let found = match bytes {
            [] => "nothing".to_owned(),
            _ => format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii()),
        };
        return Err(WavError::NotWav { found });
    }
    let mut format = None;
    let mut rest = &bytes[12..];
    while let Some((header, body)) = rest.split_at_checked(8) {
        let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if &header[..4] == b"data" {
            let format = format
                .ok_or_else(|| WavError::Broken("no \"fmt \" chunk before the audio".to_owned()))?;
            // A writer that could not seek back leaves "all ones": the audio runs to the end.
            if len == u32::MAX {
                return Ok((format, body));
            }
            let present = body.len() as u64;
            let data = body
                .get(..len as usize)
                .ok_or(WavError::Truncated { promised: u64::from(len), present })?;
            return Ok((format, data));
        }
        let content = body.get(..len as usize).ok_or_else(|| {
            let kind = header[..4].escape_ascii();
            WavError::Broken(format!("chunk \"{kind}\" of {len} bytes runs past the end"))
        })?;
        if &header[..4] == b"fmt " {
            format = Some(Format::parse(content)?);
        }
        // Chunks start at even offsets; an odd one is followed by a pad byte.
        rest = body.get(len as usize + (len as usize & 1)..).unwrap_or_default();
    }
    Err(WavError::Broken("no \"data\" chunk".to_owned()))
}

/// Writes a mono 16-bit WAV file.
///
/// # Errors
/// [`WavError::TooLong`] beyond the format's 4 GiB, [`WavError::Io`] if writing fails.
pub fn write_wav(
    output: impl Write + Seek,
    rate: SampleRate,
    samples: &[i16],
) -> Result<(), WavError> {
    if samples.len() as u64 * 2 > DATA_BYTES_MAX {
        return Err(WavError::TooLong { max_bytes: DATA_BYTES_MAX });
    }
    let mut writer = hound::WavWriter::new(output, spec(rate, 1)).map_err(from_hound)?;
    for &sample in samples {
        writer.write_sample(sample).map_err(from_hound)?;
    }
    writer.finalize().map_err(from_hound)
}

/// Writes a recording as it happens: two channels, interleaved (left the caller, right us).
///
/// The header is brought up to date every second of audio, so that a crash leaves a file that
/// plays up to there.
pub struct TwoChannelWriter<W: Write + Seek> {
    inner: hound::WavWriter<W>,
    frames_until_flush: usize,
    rate: SampleRate,
    written_bytes: u64,
}

impl<W: Write + Seek> TwoChannelWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// [`WavError::Io`] if the header cannot be written.
    pub fn new(output: W, rate: SampleRate) -> Result<Self, WavError> {
        let mut inner = hound::WavWriter::new(output, spec(rate, 2)).map_err(from_hound)?;
        inner.flush().map_err(from_hound)?;
        let frames_until_flush = rate.hz() as usize;
        Ok(Self { inner, frames_until_flush, rate, written_bytes: 0 })
    }

    /// Appends one stretch of both channels; the shorter is filled up with silence.
    ///
    /// # Errors
    /// [`WavError::TooLong`] when the format's 4 GiB are used up, [`WavError::Io`] if writing
    /// fails; what was flushed before stays readable.
    pub fn write(&mut self, left: &[i16], right: &[i16]) -> Result<(), WavError> {
        let len = left.len().max(right.len());
        if self.written_bytes + len as u64 * 4 > DATA_BYTES_MAX {
            return Err(WavError::TooLong { max_bytes: DATA_BYTES_MAX });
        }
        let at = |channel: &[i16], n: usize| channel.get(n).copied().unwrap_or(0);
        for n in 0..len {
            self.inner.write_sample(at(left, n)).map_err(from_hound)?;
            self.inner.write_sample(at(right, n)).map_err(from_hound)?;
        }
        self.written_bytes += len as u64 * 4;
        self.frames_until_flush = self.frames_until_flush.saturating_sub(len);
        if self.frames_until_flush == 0 {
            self.inner.flush().map_err(from_hound)?;
            self.frames_until_flush = self.rate.hz() as usize;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`WavError::Io`] if writing fails.
    pub fn finish(self) -> Result<(), WavError> {
        self.inner.finalize().map_err(from_hound)
    }
}

fn spec(rate: SampleRate, channels: u16) -> hound::WavSpec {
    hound::WavSpec {
        channels,
        sample_rate: rate.hz(),
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    }
}

fn from_hound(error: hound::Error) -> WavError {
    match error {
        hound::Error::IoError(error) => WavError::Io(error),
        other => WavError::Broken(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io::Cursor;
    use std::rc::Rc;

    /// A WAV file with the given format fields and audio bytes.
    fn file(tag: u16, channels: u16, rate_hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let block_len = channels * bits / 8;
        let mut out = b"RIFF\0\0\0\0WAVE".to_vec();
        // An odd chunk with its pad byte, as tagging tools write it.
        out.extend(b"LIST\x03\0\0\0abc\0fmt \x10\0\0\0");
        out.extend(tag.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate_hz.to_le_bytes());
        out.extend((rate_hz * u32::from(block_len)).to_le_bytes());
        out.extend(block_len.to_le_bytes());
        out.extend(bits.to_le_bytes());
        out.extend(b"data");
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out
    }

    #[test]
    fn every_accepted_encoding_reads_as_16_bits() {
        let half = 0.5f32.to_le_bytes();
        /// Format tag, channels, bits, bytes, and the samples they make.
        type Case<'a> = (u16, u16, u16, &'a [u8], &'a [i16]);
        let cases: [Case<'_>; 9] = [
            (1, 1, 8, &[0, 128, 255], &[-32_768, 0, 32_512]),
            (1, 1, 16, &[1, 0, 0xff, 0xff], &[1, -1]),
            (1, 2, 16, &[100, 0, 200, 0], &[150]),
            (1, 1, 24, &[9, 1, 0], &[1]),
            (1, 1, 32, &[9, 9, 0xff, 0xff], &[-1]),
            (3, 1, 32, &half, &[16_384]),
            (3, 1, 32, &f32::NAN.to_le_bytes(), &[0]),
            (7, 1, 8, &[0x80, 0xff], &[32_124, 0]),
            (6, 1, 8, &[0xaa], &[32_256]),
        ];
        for (tag, channels, bits, data, expected) in cases {
            let bytes = file(tag, channels, 8000, bits, data);
            let (rate, samples) = read_wav(&bytes[..]).expect("accepted");
            assert_eq!((rate, &samples[..]), (SampleRate::HZ_8000, expected), "{tag} {bits}");
        }
        let stereo = file(1, 2, 8000, 16, &[100, 0, 200, 0]);
        for (which, expected) in [(Stereo::Left, 100), (Stereo::Right, 200)] {
            let (_, samples) = read_wav_channel(&stereo[..], which).expect("accepted");
            assert_eq!(samples, [expected]);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = file(1, 1, 8000, 16, &[0; 320]);
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (Vec::new(), "not a WAV file: it starts with nothing"),
            (b"ID3\x04 an mp3 file".to_vec(), "starts with \"ID3\\x04"),
            (good[..good.len() - 20].to_vec(), "promises 320 bytes of audio, 300 are there"),
            (good[..36].to_vec(), "runs past the end"),
            (good[..24].to_vec(), "no \"data\" chunk"),
            (file(1, 1, 8000, 16, &[]), "holds no audio"),
            (file(0x55, 1, 8000, 16, &[0; 4]), "MP3"),
            (file(1, 6, 8000, 16, &[0; 12]), "6 channels"),
            (file(1, 0, 8000, 16, &[0; 12]), "0 channels"),
            (file(3, 1, 8000, 64, &[0; 16]), "64 bit float"),
            (file(1, 1, 0, 16, &[0; 16]), "0 Hz"),
            (file(1, 1, 4_000_000, 16, &[0; 16]), "4000000 Hz"),
        ];
        for (bytes, part) in cases {
            let error = read_wav(&bytes[..]).expect_err(part).to_string();
            assert!(error.contains(part), "{error:?} should contain {part:?}");
        }
        let endless = read_wav(std::io::repeat(b'R'));
        assert!(matches!(endless, Err(WavError::TooLong { .. })));
    }

    #[test]
    fn what_is_written_reads_back() {
        let samples: Vec<i16> = (0..1000).map(|n| n * 31).collect();
        let mut buffer = Cursor::new(Vec::new());
        write_wav(&mut buffer, SampleRate::HZ_22050, &samples).expect("written");
        let frame = read_wav_frame(&buffer.get_ref()[..]).expect("read");
        assert_eq!((frame.rate, frame.samples), (SampleRate::HZ_22050, samples));
    }

    /// A file that outlives its writer, as the disk does.
    #[derive(Clone, Default)]
    struct Disk(Rc<RefCell<Cursor<Vec<u8>>>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.borrow_mut().seek(to)
        }
    }

    #[test]
    fn a_recording_that_is_never_finished_plays_up_to_the_last_second() {
        let disk = Disk::default();
        let mut writer = TwoChannelWriter::new(disk.clone(), SampleRate::HZ_8000).expect("started");
        for _ in 0..75 {
            writer.write(&[1000; 160], &[-3000; 150]).expect("written");
        }
        // What a crash leaves is what the disk holds now.
        let mut bytes = disk.0.borrow().get_ref().clone();
        let promised = u32::from_le_bytes([bytes[40], bytes[41], bytes[42], bytes[43]]);
        assert_eq!(promised, 50 * 160 * 4);
        let (_, left) = read_wav_channel(&bytes[..], Stereo::Left).expect("readable");
        assert_eq!(left, vec![1000; 8000]);
        writer.finish().expect("finished");
        bytes = disk.0.borrow().get_ref().clone();
        let (_, right) = read_wav_channel(&bytes[..], Stereo::Right).expect("readable");
        assert_eq!(right.len(), 75 * 160);
        assert_eq!(right[149..151], [-3000, 0]);
    }
}
