use super::*;
use crate::audio::{Codec, Law, Random, SampleRate, level_dbfs, tone};
use crate::rtp::{FRAME_LEN, Sender, packet::encode_packet};
use proptest::prelude::*;

const TYPES: PayloadTypes = PayloadTypes::alike(Codec::Pcmu, 0, Some(101));

/// What a call through a receiver gave.
struct Heard {
    kinds: String,
    samples: Vec<i16>,
    digits: Vec<(char, u32)>,
    stats: Stats,
}

/// Plays datagrams at their times (in tenths of a millisecond) while pulling every 20 ms.
fn listen(packets: Vec<(u64, Vec<u8>)>, pulls: u64) -> Heard {
    listen_as(TYPES, packets, pulls)
}

fn listen_as(types: PayloadTypes, mut packets: Vec<(u64, Vec<u8>)>, pulls: u64) -> Heard {
    packets.sort_by_key(|(at, _)| *at);
    let start = Instant::now();
    let time = |tenths: u64| start + Duration::from_micros(tenths * 100);
    let mut receiver = Receiver::new(types);
    let frame_len = FRAME_LEN * (types.codec.rate().hz() / 8_000) as usize;
    let mut packets = packets.into_iter().peekable();
    let (mut kinds, mut samples, mut digits) = (String::new(), Vec::new(), Vec::new());
    let mut note = |event: Option<RtpEvent>| {
        if let Some(RtpEvent::Digit { digit, duration_ms }) = event {
            digits.push((digit.into_inner(), duration_ms));
            return true;
        }
        false
    };
    for pull in 0..pulls {
        let now = pull * 200 + 50;
        while let Some((at, bytes)) = packets.next_if(|(at, _)| *at <= now) {
            if let Ok(event) = receiver.handle_packet(time(at), &bytes) {
                note(event);
            }
        }
        let pulled = receiver.pull(time(now));
        assert_eq!(pulled.frame().samples.len(), frame_len);
        assert_eq!(pulled.frame().time, MediaTime(pull * frame_len as u64));
        while note(receiver.poll_event(time(now))) {}
        kinds.push(match pulled {
            Pulled::Audio(_) => 'a',
            Pulled::Concealed(_) => 'c',
            Pulled::Silence(_) => '.',
        });
        samples.extend(pulled.into_frame().samples);
    }
    Heard { kinds, samples, digits, stats: receiver.stats() }
}

/// Loud noise as it comes out of mu-law, so that it can be compared exactly.
fn noise(len: usize) -> Vec<i16> {
    let mut random = Random::new(1);
    let raw: Vec<i16> = (0..len).map(|_| (random.next_u64() as i16) / 4).collect();
    Law::Mu.decode(&Law::Mu.encode(&raw))
}

/// Packets of `frame_ms` each, sent on time.
fn packets(audio: &[i16], frame_ms: u64, seed: u64) -> Vec<(u64, Vec<u8>)> {
    let types = PayloadTypes { ptime_ms: frame_ms as u32, ..TYPES };
    let mut sender = Sender::new(types, seed);
    audio
        .chunks(frame_ms as usize * 8)
        .enumerate()
        .flat_map(|(n, frame)| {
            sender.tick(Some(frame)).into_iter().map(move |b| (n as u64 * frame_ms * 10, b))
        })
        .collect()
}

/// Where `audio` begins in what was heard, if all of it is there unchanged.
fn find(heard: &[i16], audio: &[i16]) -> Option<usize> {
    heard.windows(audio.len()).position(|window| window == audio)
}

#[test]
fn audio_in_is_audio_out_for_every_packet_length() {
    let audio = noise(8000);
    for frame_ms in [10, 20, 30, 40, 60] {
        let heard = listen(packets(&audio, frame_ms, 3), 60);
        let whole = audio.len() / (frame_ms as usize * 8) * frame_ms as usize * 8;
        let at = find(&heard.samples, &audio[..whole]);
        assert_eq!(at, Some(320), "{frame_ms} ms: {}", heard.kinds);
        assert_eq!((heard.stats.lost, heard.stats.late), (0, 0));
    }
}

#[test]
fn before_after_and_without_packets_there_is_silence() {
    let heard = listen(Vec::new(), 5);
    assert_eq!(heard.kinds, ".....");
    let heard = listen(packets(&noise(160 * 10), 20, 1), 20);
    assert_eq!(heard.kinds, "..aaaaaaaaaaccc.....");
    assert!(heard.samples[160 * 15..].iter().all(|&s| s == 0));
}

#[test]
fn a_lost_packet_is_concealed_and_counted() {
    let audio = tone::tones(SampleRate::HZ_8000, &[125.0, 375.0], -12.0, Duration::from_secs(1));
    let mut sent = packets(&audio, 20, 9);
    sent.remove(20);
    let heard = listen(sent, 50);
    assert_eq!(heard.kinds.matches('c').count(), 1, "{}", heard.kinds);
    assert_eq!((heard.stats.lost, heard.stats.concealed_ms), (1, 20));
    let at = heard.kinds.find('c').expect("one") * 160;
    assert!(level_dbfs(&heard.samples[at..at + 160]) > -14.0);
}

#[test]
fn duplicates_and_reordering_are_counted_and_harmless() {
    let audio = noise(4000);
    let mut sent = packets(&audio, 20, 9);
    let copy = sent[3].clone();
    sent.push(copy);
    sent[10].0 += 250;
    let heard = listen(sent, 40);
    assert_eq!(find(&heard.samples, &audio), Some(320));
    assert_eq!((heard.stats.duplicate, heard.stats.reordered, heard.stats.lost), (1, 1, 0));
    assert_eq!(heard.stats.received, 26);
}

#[test]
fn a_jittery_path_gets_a_longer_delay_and_then_loses_nothing() {
    // Talk spurts of half a second with pauses between, delays of up to 90 ms.
    let spurt = noise(4000);
    let mut audio = Vec::new();
    for _ in 0..20 {
        audio.extend(&spurt);
        audio.extend([0; 4000]);
    }
    let mut random = Random::new(4);
    let mut sent = packets(&audio, 20, 2);
    for (at, _) in &mut sent {
        *at += random.next_u64() % 900;
    }
    let early = sent[..100].to_vec();
    let late_early = listen(early, 110).stats.late;
    let heard = listen(sent, 1010);
    assert!(late_early > 0);
    assert!(heard.stats.late <= late_early, "{:?}", heard.stats);
    assert!((100..=130).contains(&heard.stats.target_delay_ms), "{:?}", heard.stats);
    assert!(heard.stats.jitter_ms > 15.0, "{:?}", heard.stats);
    for n in 5..20 {
        let from = n * 8000 - 2000;
        let until = (from + 12_000).min(heard.samples.len());
        assert!(find(&heard.samples[from..until], &spurt).is_some(), "spurt {n}");
    }
}

#[test]
fn the_delay_comes_down_again_when_the_path_calms_down() {
    let mut audio = Vec::new();
    for _ in 0..20 {
        audio.extend(noise(4000));
        audio.extend([0; 4000]);
    }
    let mut random = Random::new(4);
    let mut sent = packets(&audio, 20, 2);
    for (at, _) in &mut sent[..300] {
        *at += random.next_u64() % 900;
    }
    let heard = listen(sent, 1010);
    assert!(heard.stats.delay_ms <= 60, "{:?}", heard.stats);
    assert!(heard.stats.dropped_ms >= 40, "{:?}", heard.stats);
}

#[test]
fn a_clock_that_is_off_is_followed_in_the_pauses() {
    // 0.2 % off for a minute is 120 ms: six frames.
    for (step, slow) in [(2004u64, true), (1996, false)] {
        let mut audio = Vec::new();
        for _ in 0..60 {
            audio.extend(noise(4000));
            audio.extend([0; 4000]);
        }
        let mut sent = packets(&audio, 20, 2);
        for (n, (at, _)) in sent.iter_mut().enumerate() {
            *at = n as u64 * step / 10;
        }
        let heard = listen(sent, 2900);
        let Stats { late, dropped_ms, delay_ms, .. } = heard.stats;
        assert!(late <= 2, "{:?}", heard.stats);
        assert!((10..=90).contains(&delay_ms), "{:?}", heard.stats);
        assert_eq!(dropped_ms >= 40, !slow, "{:?}", heard.stats);
    }
}

#[test]
fn a_stall_followed_by_a_burst_leaves_a_short_delay() {
    let audio = noise(40_000);
    let mut sent = packets(&audio, 20, 2);
    for (at, _) in &mut sent[50..100] {
        *at = 20_000;
    }
    let heard = listen(sent, 260);
    assert!(heard.stats.delay_ms <= 240, "{:?}", heard.stats);
    assert_eq!(heard.kinds[110..240].replace('a', ""), "", "{}", heard.kinds);
}

#[test]
fn another_source_is_taken_on_after_three_packets_or_a_pause() {
    let (first, second) = (noise(8000), noise(8000));
    let mut sent = packets(&first, 20, 1);
    // One stray packet of a third source amid the first one's.
    sent.push((3010, packets(&second, 20, 3)[0].1.clone()));
    sent.extend(packets(&second, 20, 2).into_iter().map(|(at, b)| (at + 10_010, b)));
    let heard = listen(sent, 110);
    assert_eq!(heard.stats.source_changes, 1);
    assert_eq!(heard.stats.foreign, 3, "{:?}", heard.stats);
    assert!(find(&heard.samples, &first).is_some());
    assert!(find(&heard.samples, &second[480 + 160..]).is_some());
    // After a pause at once.
    let mut sent = packets(&first, 20, 1);
    sent.extend(packets(&second, 20, 2).into_iter().map(|(at, b)| (at + 13_000, b)));
    let heard = listen(sent, 130);
    assert_eq!((heard.stats.source_changes, heard.stats.foreign), (1, 0));
    assert!(find(&heard.samples, &second[160..]).is_some());
}

#[test]
fn a_sender_that_starts_its_clock_anew_is_followed() {
    let audio = noise(8000);
    let mut sent = packets(&audio, 20, 1);
    for (n, (_, bytes)) in sent.iter_mut().enumerate() {
        if n >= 25 {
            let packet = parse_packet(bytes).expect("our own");
            let timestamp = packet.timestamp.wrapping_sub(1_000_000);
            *bytes = encode_packet(&Packet { timestamp, ..packet });
        }
    }
    let heard = listen(sent, 60);
    assert_eq!(heard.kinds[40..50].replace('a', ""), "", "{}", heard.kinds);
    assert!(heard.stats.late + heard.stats.discarded <= 12, "{:?}", heard.stats);
}

/// Half a second of audio, a digit sent in its place, half a second of audio.
fn with_digit() -> Vec<(u64, Vec<u8>)> {
    let mut sender = Sender::new(TYPES, 5);
    let audio = noise(160);
    let mut out = Vec::new();
    for tick in 0..60u64 {
        if tick == 25 {
            sender.queue_digit('7', 100).expect("negotiated");
        }
        out.extend(sender.tick(Some(&audio)).into_iter().map(|bytes| (tick * 200, bytes)));
    }
    out
}

#[test]
fn a_digit_is_heard_once_whatever_is_lost_and_its_span_is_silent() {
    let train = with_digit();
    assert_eq!(train.len(), 60 + 2);
    let heard = listen(train.clone(), 70);
    assert_eq!(heard.digits, [('7', 100)]);
    assert_eq!(&heard.kinds[27..32], ".....", "{}", heard.kinds);
    assert!(heard.samples[27 * 160..32 * 160].iter().all(|&s| s == 0));
    assert_eq!(heard.stats.lost, 0);
    // Every single loss, and the loss of all three end packets.
    for lost in 25..32 {
        let mut train = train.clone();
        train.remove(lost);
        assert_eq!(listen(train, 70).digits, [('7', 100)], "lost packet {lost}");
    }
    let mut endless = train;
    endless.drain(29..32);
    assert_eq!(listen(endless.clone(), 70).digits, [('7', 80)]);
    endless.truncate(29);
    assert_eq!(listen(endless, 70).digits, [('7', 80)]);
}

#[test]
fn what_is_no_packet_is_counted_by_kind() {
    let mut receiver = Receiver::new(TYPES);
    let now = Instant::now();
    let packet = |payload_type, payload: &[u8]| {
        let (marker, sequence, timestamp, ssrc) = (false, 1, 1, 1);
        encode_packet(&Packet { marker, payload_type, sequence, timestamp, ssrc, payload })
    };
    for (bytes, error) in [
        (vec![1, 2], RtpError::Short { len: 2 }),
        (vec![0; 20], RtpError::Version(0)),
        (packet(96, &[0; 160]), RtpError::PayloadType(96)),
        (packet(0, &[]), RtpError::Empty),
        (packet(0, &[0; 1601]), RtpError::Oversize(1601)),
        (packet(101, &[1, 2, 3]), RtpError::ShortEvent(3)),
    ] {
        assert_eq!(receiver.handle_packet(now, &bytes), Err(error));
    }
    let stats = receiver.stats();
    assert_eq!(stats.received, 0);
    let malformed = Malformed {
        short: 1,
        version: 1,
        payload_type: 1,
        empty: 1,
        oversize: 1,
        event: 1,
        padding: 0,
        undecodable: 0,
    };
    assert_eq!(stats.malformed, malformed);
    assert_eq!(receiver.handle_packet(now, &packet(13, &[60])), Ok(None));
    assert_eq!(receiver.stats().comfort_noise, 1);
}

#[test]
fn each_of_two_agreed_types_is_heard_by_its_own_law() {
    let mut types = TYPES;
    types.heard[1] = Some((8, Codec::Pcma));
    let mut receiver = Receiver::new(types);
    let start = Instant::now();
    let mut heard = Vec::new();
    let (first, second) = (noise(160), Law::A.decode(&Law::A.encode(&noise(160))));
    for (n, payload_type, payload) in
        [(0, 0, Law::Mu.encode(&first)), (1, 8, Law::A.encode(&second))]
    {
        let packet = Packet {
            marker: false,
            payload_type,
            sequence: n,
            timestamp: u32::from(n) * 160,
            ssrc: 1,
            payload: &payload,
        };
        let now = start + Duration::from_millis(20) * u32::from(n);
        assert_eq!(receiver.handle_packet(now, &encode_packet(&packet)), Ok(None));
        heard.extend(receiver.pull(now).into_frame().samples);
    }
    for _ in 0..3 {
        heard.extend(receiver.pull(start).into_frame().samples);
    }
    assert!(find(&heard, &first).is_some() && find(&heard, &second).is_some());
}

/// A voice in packets of 20 ms of this codec, sent on time.
fn wideband(codec: Codec, voice: &[i16], seed: u64) -> (PayloadTypes, Vec<(u64, Vec<u8>)>) {
    let types = PayloadTypes::alike(codec, 96, Some(101));
    let mut sender = Sender::new(types, seed);
    let sent = voice.chunks(320).enumerate().flat_map(|(n, frame)| {
        sender.tick(Some(frame)).into_iter().map(move |bytes| (n as u64 * 200, bytes))
    });
    (types, sent.collect())
}

#[test]
fn wideband_codecs_give_wideband_audio_in_whatever_order_it_comes() {
    let second = Duration::from_secs(1);
    let voice = tone::tones(SampleRate::HZ_16000, &[500.0, 5_000.0], -18.0, second);
    for codec in [Codec::G722, Codec::Opus] {
        let (types, mut sent) = wideband(codec, &voice, 3);
        sent[20].0 += 250;
        let copy = sent[7].clone();
        sent.push(copy);
        let heard = listen_as(types, sent, 55);
        assert_eq!((heard.stats.lost, heard.stats.late), (0, 0), "{codec}: {:?}", heard.stats);
        assert_eq!((heard.stats.reordered, heard.stats.duplicate), (1, 1), "{codec}");
        for hz in [500.0, 5_000.0] {
            let level = tone::detect(&heard.samples[8_000..14_000], SampleRate::HZ_16000, hz);
            assert!((level + 18.0).abs() < 6.0, "{codec}, {hz} Hz: {level}");
        }
        assert_eq!(heard.kinds[4..50].replace('a', ""), "", "{codec}: {}", heard.kinds);
        assert!(heard.stats.jitter_ms < 5.0, "{codec}: {:?}", heard.stats);
    }
}

#[test]
fn lost_packets_of_every_codec_are_filled() {
    // A person saying a telephone number: Opus brings nothing along of tones.
    let file = include_bytes!("../../../tests/fixtures/audio/phone_number.wav");
    let samples = file[44..].as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes));
    let voice: Vec<i16> = samples.skip(62 * 320).take(50 * 320).collect();
    for codec in [Codec::G722, Codec::Opus] {
        let (types, mut sent) = wideband(codec, &voice, 9);
        sent.remove(20);
        sent.drain(29..32);
        let heard = listen_as(types, sent, 50);
        assert_eq!(heard.stats.lost, 4, "{codec}");
        let filled_ms = heard.stats.concealed_ms + heard.stats.recovered_ms;
        assert!((80..=100).contains(&filled_ms), "{codec}: {:?}", heard.stats);
        // The packet after a loss of Opus brings the lost one along.
        assert_eq!(heard.stats.recovered_ms >= 40, codec == Codec::Opus, "{:?}", heard.stats);
        assert!(level_dbfs(&heard.samples[22 * 320..23 * 320]) > -45.0, "{codec}");
    }
}

#[test]
fn another_rate_in_mid_stream_is_followed() {
    let mut types = PayloadTypes::alike(Codec::G722, 9, None);
    types.heard[1] = Some((0, Codec::Pcmu));
    let mut receiver = Receiver::new(types);
    let start = Instant::now();
    let mut rates = Vec::new();
    for sequence in 0..100_u16 {
        let now = start + Duration::from_millis(20) * u32::from(sequence);
        let packet = Packet {
            marker: false,
            payload_type: if sequence < 50 { 9 } else { 0 },
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 1,
            payload: &[0x7a; 160],
        };
        assert_eq!(receiver.handle_packet(now, &encode_packet(&packet)), Ok(None));
        let frame = receiver.pull(now).into_frame();
        assert_eq!(frame.duration(), Duration::from_millis(20));
        rates.push(frame.rate.hz());
    }
    rates.dedup();
    assert_eq!(rates, [16_000, 8_000]);
    assert_eq!(receiver.stats().lost, 0);
}

#[test]
fn damaged_opus_is_a_loss_and_counted() {
    let voice = tone::sine(SampleRate::HZ_16000, 500.0, -12.0, Duration::from_secs(1));
    let (types, mut sent) = wideband(Codec::Opus, &voice, 9);
    // A frame count of 0 (RFC 6716 section 3.2.5): refused on arrival.
    let packet = parse_packet(&sent[10].1).expect("our own");
    sent[10].1 = encode_packet(&Packet { payload: &[0x03, 0x00], ..packet });
    let heard = listen_as(types, sent, 60);
    assert_eq!(heard.stats.malformed.undecodable, 1);
    assert_eq!(heard.stats.lost, 1);
}

#[test]
fn comfort_noise_never_changes_the_source() {
    let mut receiver = Receiver::new(TYPES);
    let start = Instant::now();
    let later = start + SOURCE_QUIET * 2;
    let packet = |payload_type, ssrc, sequence| {
        let (marker, timestamp) = (false, 160);
        let payload: &[u8] = &[60];
        encode_packet(&Packet { marker, payload_type, sequence, timestamp, ssrc, payload })
    };
    assert_eq!(receiver.handle_packet(start, &packet(13, 7, 1)), Ok(None));
    assert_eq!(receiver.ssrc(), None);
    assert_eq!(receiver.handle_packet(start, &packet(0, 1, 1)), Ok(None));
    // Neither a pause nor a row of them lets another source in.
    for sequence in 2..6 {
        let heard = receiver.handle_packet(later, &packet(13, 7, sequence));
        assert_eq!(heard, Err(RtpError::ForeignSource(7)));
    }
    assert_eq!(receiver.handle_packet(later, &packet(13, 1, 2)), Ok(None));
    assert_eq!((receiver.ssrc(), receiver.stats().comfort_noise), (Some(1), 2));
    assert_eq!((receiver.stats().foreign, receiver.stats().lost), (4, 0));
}

#[test]
fn an_announced_pause_is_silent_and_nothing_is_made_up_in_it() {
    // Half a second of voice, the announcement, a second of nothing, half a second of voice.
    let audio = tone::tones(SampleRate::HZ_8000, &[125.0, 375.0], -12.0, Duration::from_secs(2));
    for announced in [true, false] {
        let mut sent = packets(&audio, 20, 9);
        let first = sent[25].1.clone();
        let first = parse_packet(&first).expect("our own");
        let noise = encode_packet(&Packet { payload_type: 13, payload: &[60], ..first });
        // The numbers go on without a gap: nothing was lost.
        for (n, (_, bytes)) in sent.iter_mut().enumerate().skip(75) {
            let packet = parse_packet(bytes).expect("our own");
            let sequence = first.sequence.wrapping_add((n - 75) as u16 + u16::from(announced));
            *bytes = encode_packet(&Packet { sequence, ..packet });
        }
        sent.drain(25..75);
        if announced {
            sent.push((5_000, noise));
        }
        let heard = listen(sent, 102);
        let (before, rest) = heard.kinds.split_at(27);
        assert_eq!(before[2..].replace('a', ""), "", "{}", heard.kinds);
        assert_eq!(rest.contains('c'), !announced, "{}", heard.kinds);
        assert_eq!(rest.matches('a').count(), 25, "{}", heard.kinds);
        assert_eq!((heard.stats.lost, heard.stats.comfort_noise), (0, u64::from(announced)));
        assert_eq!(heard.stats.concealed_ms > 0, !announced);
    }
}

#[test]
fn events_do_not_print_digits() {
    let event = RtpEvent::Digit { digit: Pii::new('7'), duration_ms: 100 };
    assert!(!format!("{event:?}").contains('7'));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_bad_path_never_breaks_the_playout(seed: u64, loss in 0u64..60, spread in 1u64..5000) {
        let mut random = Random::new(seed);
        let mut sent = Vec::new();
        for (at, bytes) in packets(&noise(8000), 20, seed).into_iter().chain(with_digit()) {
            if random.next_u64() % 100 < loss {
                continue;
            }
            for _ in 0..=random.next_u64() % 2 {
                sent.push((at + random.next_u64() % spread, bytes.clone()));
            }
        }
        let heard = listen(sent, 120);
        prop_assert_eq!(heard.samples.len(), 120 * 160);
    }

    #[test]
    fn reordering_within_the_buffer_changes_nothing(seed: u64, frame in 1u64..4) {
        let audio = noise(16_000);
        let mut random = Random::new(seed);
        let mut sent = packets(&audio, frame * 10, seed);
        for (at, _) in &mut sent {
            // The delay is 40 ms at first, of which a frame that begins amid a packet takes 10.
            *at += random.next_u64() % 290;
        }
        let heard = listen(sent, 115);
        let whole = audio.len() / (frame as usize * 80) * frame as usize * 80;
        prop_assert!(find(&heard.samples, &audio[..whole]).is_some(), "{}", heard.kinds);
        prop_assert_eq!(heard.stats.late, 0);
    }

    #[test]
    fn arbitrary_datagrams_never_panic(
        datagrams in proptest::collection::vec(
            (0u64..4000, proptest::collection::vec(any::<u8>(), 0..64)), 0..64
        ),
        shaped in proptest::collection::vec(
            (0u64..4000, 0u8..2, any::<u16>(), any::<u32>(), 0u32..3, 1usize..1700), 0..64
        ),
    ) {
        let mut all = datagrams;
        for (at, kind, sequence, timestamp, ssrc, len) in shaped {
            let payload = vec![sequence as u8; len];
            let payload_type = if kind == 0 { 0 } else { 101 };
            let marker = false;
            let payload = &payload;
            let packet = Packet { marker, payload_type, sequence, timestamp, ssrc, payload };
            all.push((at, encode_packet(&packet)));
        }
        let heard = listen(all, 25);
        prop_assert_eq!(heard.samples.len(), 25 * 160);
    }
}
