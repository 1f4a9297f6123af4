//! The codecs we speak on the telephone, behind one seam: a closed set, encoders and decoders with
//! state, no clock and no socket.

use std::fmt;
use std::str::FromStr;

use super::g722::{G722Decoder, G722Encoder};
use super::opus::{OpusDecoder, OpusEncoder, OpusWishes};
use super::{Law, SampleRate};

/// The longest G.711 or G.722 payload taken, 200 ms.
const BYTES_MAX: usize = 1_600;

/// A codec we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus (RFC 6716, RFC 7587), of which we use mono at 16 kHz. Dynamic payload type.
    Opus,
    /// G.722 at 64 kbit/s, 16 kHz. Static payload type 9.
    G722,
    /// G.711 mu-law, 8 kHz. Static payload type 0.
    Pcmu,
    /// G.711 A-law, 8 kHz. Static payload type 8.
    Pcma,
}

impl Codec {
    /// All of them, the best sounding first.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// The encoding name in SDP, in capitals.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Opus => "OPUS",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The word for it in the configuration and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "g722",
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
        }
    }

    /// RTP timestamp units a second. G.722 counts half its samples, by an old mistake that is kept
    /// (RFC 3551 section 4.5.2); Opus always counts 48000 (RFC 7587 section 4.1).
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// The rate of the audio that goes in and comes out.
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::Opus | Self::G722 => SampleRate::HZ_16000,
            Self::Pcmu | Self::Pcma => SampleRate::HZ_8000,
        }
    }

    /// The payload type that needs no negotiation (RFC 3551 section 6), if there is one.
    pub const fn static_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(9),
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
        }
    }

    /// Samples in a packet's payload; `None` if the payload cannot be of this codec.
    pub fn samples_in(self, payload: &[u8]) -> Option<usize> {
        match self {
            Self::Opus => OpusDecoder::len_of(payload),
            _ if payload.is_empty() || payload.len() > BYTES_MAX => None,
            Self::G722 => Some(payload.len() * 2),
            Self::Pcmu | Self::Pcma => Some(payload.len()),
        }
    }

    const fn law(self) -> Option<Law> {
        match self {
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
            Self::Opus | Self::G722 => None,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.word() == word)
            .ok_or_else(|| format!("{word:?} is no codec of ours; use opus, g722, pcmu or pcma"))
    }
}

/// Codecs in order of preference, each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codecs([Option<Codec>; Codec::ALL.len()]);

impl Codecs {
    /// All that we speak, the best sounding first.
    pub const ALL: Self =
        Self([Some(Codec::Opus), Some(Codec::G722), Some(Codec::Pcmu), Some(Codec::Pcma)]);
    /// What every telephone speaks.
    pub const G711: Self = Self([Some(Codec::Pcmu), Some(Codec::Pcma), None, None]);

    /// These, in this order; one that comes again counts where it came first.
    pub fn new(codecs: impl IntoIterator<Item = Codec>) -> Self {
        let mut list = Self([None; Codec::ALL.len()]);
        for codec in codecs {
            if !list.contains(codec)
                && let Some(place) = list.0.iter_mut().find(|place| place.is_none())
            {
                *place = Some(codec);
            }
        }
        list
    }

    /// In order of preference.
    pub fn iter(&self) -> impl Iterator<Item = Codec> {
        self.0.iter().copied().flatten()
    }

    /// Whether it is one of them.
    pub fn contains(&self, codec: Codec) -> bool {
        self.0.contains(&Some(codec))
    }

    /// How early it stands, 0 for the first. The two laws of G.711 rank alike, with whichever comes
    /// first: a trunk's own law spares its gateway a conversion, and they sound the same.
    pub fn rank(&self, codec: Codec) -> Option<usize> {
        let alike = |one: Codec| one == codec || (one.law().is_some() && codec.law().is_some());
        self.iter().position(alike).filter(|_| self.contains(codec))
    }
}

impl Default for Codecs {
    fn default() -> Self {
        Self::ALL
    }
}

/// The encoder of one stream.
#[derive(Debug)]
pub struct Encoder(Encoding);

#[derive(Debug)]
enum Encoding {
    G711(Law),
    G722(Box<G722Encoder>),
    Opus(OpusEncoder),
    /// libopus had no memory: nothing is sent.
    Dumb,
}

impl Encoder {
    /// An encoder that has heard nothing. `wishes` count for Opus only.
    pub fn new(codec: Codec, wishes: OpusWishes) -> Self {
        Self(match codec {
            Codec::Pcmu => Encoding::G711(Law::Mu),
            Codec::Pcma => Encoding::G711(Law::A),
            Codec::G722 => Encoding::G722(Box::default()),
            Codec::Opus => OpusEncoder::new(wishes).map_or(Encoding::Dumb, Encoding::Opus),
        })
    }

    /// The payload of a packet of these samples at the codec's rate; `None` if it can make none of
    /// this length.
    pub fn encode(&mut self, samples: &[i16]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(samples.len());
        let made = match &mut self.0 {
            Encoding::G711(law) => {
                law.encode_into(samples, &mut out);
                true
            }
            Encoding::G722(encoder) => {
                encoder.encode_into(samples, &mut out);
                true
            }
            Encoding::Opus(encoder) => encoder.encode_into(samples, &mut out),
            Encoding::Dumb => false,
        };
        (made && !out.is_empty()).then_some(out)
    }
}

/// The decoder of one stream. Give it packets in the order they are played in.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    state: Decoding,
}

#[derive(Debug)]
enum Decoding {
    G711(Law),
    G722(Box<G722Decoder>),
    Opus(OpusDecoder),
    /// libopus had no memory: nothing is heard.
    Deaf,
}

impl Decoder {
    /// A decoder that has heard nothing.
    pub fn new(codec: Codec) -> Self {
        let state = match codec {
            Codec::Pcmu => Decoding::G711(Law::Mu),
            Codec::Pcma => Decoding::G711(Law::A),
            Codec::G722 => Decoding::G722(Box::default()),
            Codec::Opus => OpusDecoder::new().map_or(Decoding::Deaf, Decoding::Opus),
        };
        Self { codec, state }
    }

    /// Which codec.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The samples of a packet; `None` if it is damaged.
    pub fn decode(&mut self, payload: &[u8]) -> Option<Vec<i16>> {
        match &mut self.state {
            Decoding::G711(law) => Some(law.decode(payload)),
            Decoding::G722(decoder) => {
                let mut out = Vec::with_capacity(payload.len() * 2);
                decoder.decode_into(payload, &mut out);
                Some(out)
            }
            Decoding::Opus(decoder) => decoder.decode(payload),
            Decoding::Deaf => None,
        }
    }

    /// What a packet says about the audio just before it, which was lost (Opus only).
    pub fn recover(&mut self, next: &[u8], len: usize) -> Option<Vec<i16>> {
        match &mut self.state {
            Decoding::Opus(decoder) => decoder.recover(next, len),
            Decoding::G711(_) | Decoding::G722(_) | Decoding::Deaf => None,
        }
    }

    /// The codec's own guess at lost audio (Opus only).
    pub fn conceal(&mut self, len: usize) -> Option<Vec<i16>> {
        match &mut self.state {
            Decoding::Opus(decoder) => decoder.conceal(len),
            Decoding::G711(_) | Decoding::G722(_) | Decoding::Deaf => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone;
    use std::time::Duration;

    #[test]
    fn every_codec_carries_a_tone_in_20_ms_packets() {
        for codec in Codec::ALL {
            let voice = tone::sine(codec.rate(), 700.0, -12.0, Duration::from_secs(1));
            let mut encoder = Encoder::new(codec, OpusWishes::default());
            let mut decoder = Decoder::new(codec);
            let mut heard = Vec::new();
            let len = codec.rate().samples_in(Duration::from_millis(20));
            for frame in voice.chunks_exact(len) {
                let payload = encoder.encode(frame).expect("20 ms");
                assert_eq!(codec.samples_in(&payload), Some(len), "{codec}");
                heard.extend(decoder.decode(&payload).expect("our own"));
            }
            let level = tone::detect(&heard[heard.len() / 2..], codec.rate(), 700.0);
            assert!((level + 12.0).abs() < 1.5, "{codec}: {level} dB");
        }
    }

    #[test]
    fn words_name_codecs_and_lists_have_an_order() {
        for codec in Codec::ALL {
            assert_eq!(codec.word().parse(), Ok(codec));
        }
        let error = "g729".parse::<Codec>().expect_err("not ours");
        assert!(error.contains("g729") && error.contains("g722"), "{error}");
        let list = Codecs::new([Codec::Pcma, Codec::Opus, Codec::Pcma, Codec::Pcmu]);
        assert_eq!(list.iter().collect::<Vec<_>>(), [Codec::Pcma, Codec::Opus, Codec::Pcmu]);
        assert_eq!(Codecs::new(Codec::ALL), Codecs::ALL);
        let ranks = Codec::ALL.map(|codec| list.rank(codec));
        assert_eq!(ranks, [Some(1), None, Some(0), Some(0)]);
    }

    #[test]
    fn payloads_have_a_length_or_are_refused() {
        for (codec, payload, len) in [
            (Codec::Pcmu, &[0; 160][..], Some(160)),
            (Codec::G722, &[0; 160], Some(320)),
            (Codec::Pcma, &[], None),
            (Codec::Pcma, &[0; 1_601], None),
            (Codec::Opus, &[], None),
        ] {
            assert_eq!(codec.samples_in(payload), len, "{codec}");
        }
    }
}
