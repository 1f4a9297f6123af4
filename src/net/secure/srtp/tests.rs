use super::*;

/// The master key and salt of RFC 3711 appendix B.3, and a key of 256 bits that begins with it.
const KEY_128: &str = "e1f97a0d3e018be0d64fa32c06de4139";
const KEY_256: &str = "e1f97a0d3e018be0d64fa32c06de4139101112131415161718191a1b1c1d1e1f";
const SALT: &str = "0ec675ad498afeebb6960b3aabe6";

const RTP: &str = "800f1234decafbadcafebabeabababababababababababababababab";
const RTCP: &str = "81c8000bcafebabeabababababababababababababababab";

/// Suite, master key, protected RTP (rollover 0), protected RTCP (index 1). Worked out apart from
/// the library, by a program that derives the session keys of RFC 3711 appendix B.3 and the
/// ciphertext of RFC 7714 section 16.1.1 as those print them.
const VECTORS: [(Suite, &str, &str, &str); 5] = [
    (
        Suite::Aes128CmSha1x80,
        KEY_128,
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
        "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
    ),
    (
        Suite::Aes128CmSha1x32,
        KEY_128,
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc",
        "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
    ),
    (
        Suite::Aes256CmSha1x80,
        KEY_256,
        "800f1234decafbadcafebabe35390aab392f5e10a7e69ed4bed51588cefe9265a5f56e0c95b3",
        "81c8000bcafebabec43088befad48fd2b23be3c4b0317ecc80000001831977394dbf476deb13",
    ),
    (
        Suite::Aes128Gcm,
        KEY_128,
        "800f1234decafbadcafebabe0eca0cf95ee955b26cd3d288b49f6ca959171450975f4144da9cdd7ae989a277",
        "81c8000bcafebabeea6e5eb3c75c462000f59ebf9e4ebd4e934239488f02f9ca1580174557117e3780000001",
    ),
    (
        Suite::Aes256Gcm,
        KEY_256,
        "800f1234decafbadcafebabe93129ca8b240b5d59d391650b72fc90e241eda6aa0f8679288abb0c7bdcc8ced",
        "81c8000bcafebabed8d958291d54e1e2df96f27e3fddeacc9f22bea483bfcdb77fd12d89c75803e080000001",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().map(|c| u8::try_from(c.to_digit(16).expect("hex")).expect("small")).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
}

fn key(suite: Suite, master: &str) -> MasterKey {
    let mut both = bytes(master);
    both.extend_from_slice(&bytes(SALT)[..suite.salt_len()]);
    MasterKey::new(suite, both).expect("the suite's length")
}

/// Two ends of a leg.
fn pair(suite: Suite, lifetime: u64) -> (Srtp, Srtp) {
    let (a, b) = (MasterKey::random(suite), MasterKey::random(suite));
    let one = Srtp::new(suite, &a, &b, LIFETIME_MAX).expect("a suite of the library");
    let other = Srtp::new(suite, &b, &a, lifetime).expect("a suite of the library");
    (one, other)
}

fn packet(source: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 160]);
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend_from_slice(&[0x55; 160]);
    packet
}

#[test]
fn packets_are_protected_as_the_rfcs_say() {
    for (suite, master, rtp, rtcp) in VECTORS {
        let shared = key(suite, master);
        let mut ours =
            Srtp::new(suite, &shared, &shared, LIFETIME_MAX).expect("a suite of the library");
        for (plain, sealed) in [(RTP, rtp), (RTCP, rtcp)] {
            let protected = ours.protect(&bytes(plain)).expect("a packet");
            assert_eq!(protected[..], bytes(sealed)[..], "{}", suite.name());
            let opened = ours.unprotect(&protected).expect("authentic");
            assert_eq!(opened[..], bytes(plain)[..], "{}", suite.name());
        }
    }
}

#[test]
fn what_is_not_authentic_new_and_whole_is_refused_by_kind() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = pair(suite, LIFETIME_MAX);
        let sealed = ours.protect(&packet(7, 100)).expect("a packet");
        let report = ours.protect(&bytes(RTCP)).expect("a packet");
        for whole in [&sealed, &report] {
            for at in 0..whole.len() {
                let mut spoilt = whole.to_vec();
                spoilt[at] ^= 0x10;
                assert!(theirs.unprotect(&spoilt).is_err(), "{} byte {at}", suite.name());
            }
            for len in 0..whole.len() {
                assert!(theirs.unprotect(&whole[..len]).is_err(), "{} length {len}", suite.name());
            }
            let opened = theirs.unprotect(whole).map(|_| ());
            assert_eq!(opened, Ok(()), "{} {whole:02x?}", suite.name());
            assert_eq!(theirs.unprotect(whole).err(), Some(SrtpFault::Replayed));
        }
        assert_eq!(theirs.unprotect(&packet(7, 101)).err(), Some(SrtpFault::Unauthentic));
        assert_eq!(theirs.unprotect(&[]).err(), Some(SrtpFault::Malformed));
        assert_eq!(theirs.unprotect(&[0x80, 0, 1]).err(), Some(SrtpFault::Malformed));
        assert_eq!(theirs.unprotect(&[0x40; 40]).err(), Some(SrtpFault::Malformed));
        // What is older than the window cannot be told from a replay.
        let old = ours.protect(&packet(7, 102)).expect("a packet");
        for sequence in 103..400 {
            let sealed = ours.protect(&packet(7, sequence)).expect("a packet");
            assert!(theirs.unprotect(&sealed).is_ok());
        }
        assert_eq!(theirs.unprotect(&old).err(), Some(SrtpFault::Replayed));
    }
}

#[test]
fn the_sequence_may_roll_over_out_of_order_and_with_loss() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = pair(suite, LIFETIME_MAX);
        let mut send = |sequence| ours.protect(&packet(7, sequence)).expect("a packet");
        let order: Vec<u16> = (65_530..=65_535).chain(0..6).collect();
        let mut sealed: Vec<_> = order.into_iter().map(&mut send).collect();
        // 65534 and 65535 come after 0 and 1, and 65532 never.
        sealed.swap(4, 6);
        sealed.swap(5, 7);
        sealed.remove(2);
        for (at, packet) in sealed.iter().enumerate() {
            assert!(theirs.unprotect(packet).is_ok(), "{} packet {at}", suite.name());
        }
        // Two more times around: the rollover counter is part of what is authenticated.
        for around in 0..2_u32 {
            for step in 0..8_u16 {
                let sequence = (step * 8_192).wrapping_add(10);
                let sealed = send(sequence);
                assert!(theirs.unprotect(&sealed).is_ok(), "{} {around} {step}", suite.name());
            }
        }
    }
}

#[test]
fn a_new_source_is_followed_and_strangers_leave_nothing_behind() {
    let suite = Suite::Aes128CmSha1x80;
    let (mut ours, mut theirs) = pair(suite, LIFETIME_MAX);
    let (mut stranger, _) = pair(suite, LIFETIME_MAX);
    for source in 0..1_000 {
        let sealed = stranger.protect(&packet(source, 1)).expect("a packet");
        assert_eq!(theirs.unprotect(&sealed).err(), Some(SrtpFault::Unauthentic));
    }
    assert!(theirs.inbound.sources.iter().all(BTreeSet::is_empty));
    assert!(theirs.inbound.probed <= PROBES_MAX);
    for source in 0..u32::try_from(SOURCES_MAX).expect("few") {
        for sequence in [9, 10] {
            let sealed = ours.protect(&packet(source, sequence)).expect("a packet");
            assert!(theirs.unprotect(&sealed).is_ok(), "{source}");
            assert_eq!(theirs.unprotect(&sealed).err(), Some(SrtpFault::Replayed));
        }
    }
    let sealed = ours.protect(&packet(u32::MAX, 9)).expect("a packet");
    assert_eq!(theirs.unprotect(&sealed).err(), Some(SrtpFault::TooManySources));
}

#[test]
fn a_key_ends_with_its_lifetime_and_a_new_one_takes_over() {
    let suite = Suite::Aes128Gcm;
    let (mut ours, mut theirs) = pair(suite, 2);
    let mut send = |sequence| ours.protect(&packet(7, sequence)).expect("a packet");
    assert!(theirs.unprotect(&send(1)).is_ok());
    assert!(theirs.unprotect(&send(2)).is_ok());
    assert_eq!(theirs.unprotect(&send(3)).err(), Some(SrtpFault::KeyUsedUp));
    let fresh = MasterKey::random(suite);
    theirs.rekey(&fresh, LIFETIME_MAX).expect("a suite of the library");
    assert_eq!(theirs.unprotect(&send(4)).err(), Some(SrtpFault::Unauthentic));
    let mut renewed = Srtp::new(suite, &fresh, &fresh, LIFETIME_MAX).expect("the same suite");
    let sealed = renewed.protect(&packet(7, 5)).expect("a packet");
    assert!(theirs.unprotect(&sealed).is_ok());
}
