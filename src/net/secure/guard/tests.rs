use super::super::{DtlsRole, Fingerprint, MasterKey, Suite};
use super::*;

const HERE: &str = "192.0.2.1:40000";
const THERE: &str = "192.0.2.7:4000";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn packet(sequence: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, sequence, 0, 0, 0, 160, 0, 0, 0, 9];
    packet.extend_from_slice(&[0x55; 160]);
    packet
}

fn sdes(suite: Suite) -> (Protection, Protection) {
    let (one, other) = (MasterKey::random(suite), MasterKey::random(suite));
    let keys = |ours: &MasterKey, theirs: &MasterKey| {
        let (ours, theirs) = (ours.clone(), theirs.clone());
        Protection::Sdes(SdesKeys { suite, ours, theirs, lifetime: LIFETIME_MAX })
    };
    (keys(&one, &other), keys(&other, &one))
}

fn guarded(agreed: &Protection, now: Instant) -> Guard {
    let mut guard = Guard::default();
    guard.apply(agreed, None, address(THERE), now);
    guard
}

#[test]
fn datagrams_are_told_apart_by_their_first_byte() {
    let cases = [
        (0, Datagram::Stun),
        (3, Datagram::Stun),
        (4, Datagram::Other),
        (19, Datagram::Other),
        (20, Datagram::Dtls),
        (63, Datagram::Dtls),
        (64, Datagram::Other),
        (127, Datagram::Other),
        (128, Datagram::Media),
        (191, Datagram::Media),
        (192, Datagram::Other),
    ];
    for (first, expected) in cases {
        assert_eq!(Datagram::of(&[first, 1]), expected, "{first}");
    }
    assert_eq!(Datagram::of(&[]), Datagram::Other);
}

#[test]
fn what_one_seals_the_other_opens_and_the_rest_is_counted_by_kind() {
    let now = Instant::now();
    for suite in Suite::ALL {
        let (ours, theirs) = sdes(suite);
        let (mut here, mut there) = (guarded(&ours, now), guarded(&theirs, now));
        assert_eq!(here.describe(), format!("SDES {}", suite.name()));
        for sequence in 1..4 {
            let sealed = there.seal(&packet(sequence)).expect("keys are there").into_owned();
            assert_ne!(sealed[12..40], packet(sequence)[12..40]);
            let opened = here.open(now, address(THERE), &sealed).expect("authentic");
            assert_eq!(opened, packet(sequence));
            assert_eq!(here.open(now, address(THERE), &sealed), None);
            assert_eq!(here.open(now, address(THERE), &packet(sequence)), None);
        }
        for other in [&[0_u8, 1][..], &[22; 20], &[70; 20], &[0x80, 0], &[]] {
            assert_eq!(here.open(now, address(THERE), other), None);
        }
        let expected = GuardCounters {
            unauthentic: here.counters().unauthentic,
            replayed: here.counters().replayed,
            malformed: 3,
            stray_dtls: 1,
            stun: 1,
            ..GuardCounters::default()
        };
        assert_eq!(here.counters(), expected);
        // A plain packet of a number seen before may count as either.
        assert_eq!(expected.unauthentic + expected.replayed, 6);
        assert!(expected.replayed >= 3);
    }
}

#[test]
fn what_is_agreed_again_goes_on_and_a_new_key_of_theirs_is_followed() {
    let now = Instant::now();
    let (ours, theirs) = sdes(Suite::Aes128CmSha1x80);
    let (mut here, mut there) = (guarded(&ours, now), guarded(&theirs, now));
    let first = there.seal(&packet(1)).expect("keys are there").into_owned();
    assert!(here.open(now, address(THERE), &first).is_some());
    here.apply(&ours, None, address(THERE), now);
    assert_eq!(here.open(now, address(THERE), &first), None, "the replay window is kept");
    let (Protection::Sdes(mut mine), Protection::Sdes(mut other)) = (ours, theirs) else {
        unreachable!("made so above")
    };
    let fresh = MasterKey::random(mine.suite);
    (mine.theirs, other.ours) = (fresh.clone(), fresh);
    here.apply(&Protection::Sdes(mine), None, address(THERE), now);
    there.apply(&Protection::Sdes(other), None, address(HERE), now);
    let sealed = there.seal(&packet(1)).expect("keys are there").into_owned();
    assert!(here.open(now, address(THERE), &sealed).is_some());
    // And what we send goes on under our key, with its counters.
    let sealed = here.seal(&packet(1)).expect("keys are there").into_owned();
    assert!(there.open(now, address(HERE), &sealed).is_some());
    // A hold that takes the protection away is followed, too.
    here.apply(&Protection::None, None, address(THERE), now);
    assert_eq!(here.seal(&packet(2)), Some(Cow::Borrowed(&packet(2)[..])));
}

#[test]
fn another_leg_begins_anew_and_counts_on() {
    let now = Instant::now();
    let (ours, theirs) = sdes(Suite::Aes128Gcm);
    let (mut here, mut there) = (guarded(&ours, now), guarded(&theirs, now));
    let sealed = there.seal(&packet(1)).expect("keys are there").into_owned();
    assert!(here.open(now, address(THERE), &sealed).is_some());
    assert_eq!(here.open(now, address(THERE), &sealed), None);
    assert!(here.covers_rtcp_port());
    here.forget();
    assert_eq!((here.describe().as_str(), here.counters().replayed), ("none", 1));
    // The same agreed again is agreed with somebody else: nothing of theirs was seen.
    here.apply(&ours, None, address(THERE), now);
    assert!(here.open(now, address(THERE), &sealed).is_some());
    assert_eq!(here.counters().replayed, 1);
}

#[test]
fn nothing_flows_before_hands_are_shaken_and_then_both_ways() {
    let mut now = Instant::now();
    let identities = [(); 2].map(|()| Identity::generate().expect("made"));
    let agreed =
        |other: usize, role| Protection::Dtls { theirs: identities[other].fingerprint(), role };
    let (mut here, mut there) = (Guard::default(), Guard::default());
    here.apply(&agreed(1, DtlsRole::Passive), Some(&identities[0]), address(THERE), now);
    there.apply(&agreed(0, DtlsRole::Active), Some(&identities[1]), address(HERE), now);
    assert!(!here.is_ready() && here.seal(&packet(1)).is_none());
    assert!(!here.covers_rtcp_port());
    assert_eq!(here.open(now, address(THERE), &packet(1)), None);
    for _ in 0..10 {
        for _ in 0..10 {
            while let Some((_, datagram)) = there.poll_transmit() {
                assert_eq!(here.open(now, address(THERE), &datagram), None);
            }
            while let Some((_, datagram)) = here.poll_transmit() {
                assert_eq!(there.open(now, address(HERE), &datagram), None);
            }
        }
        if here.is_ready() && there.is_ready() {
            break;
        }
        now += std::time::Duration::from_secs(1);
        here.handle_timeout(now);
        there.handle_timeout(now);
    }
    assert_eq!(here.describe(), "DTLS-SRTP AEAD_AES_256_GCM");
    assert_eq!(here.proven(), Some(address(THERE)));
    let sealed = there.seal(&packet(1)).expect("keys are there").into_owned();
    assert!(here.open(now, address(THERE), &sealed).is_some());
    let sealed = here.seal(&packet(1)).expect("keys are there").into_owned();
    assert!(there.open(now, address(HERE), &sealed).is_some());
    assert_eq!(here.counters(), GuardCounters { before_keys: 1, ..GuardCounters::default() });
    // The same agreed again is no new handshake.
    here.apply(&agreed(1, DtlsRole::Passive), Some(&identities[0]), address(THERE), now);
    assert!(here.is_ready());
}

#[test]
fn a_failed_handshake_says_why_and_stays_failed() {
    let now = Instant::now();
    let identity = Identity::generate().expect("made");
    let somebody = Fingerprint::of(b"somebody");
    let agreed = Protection::Dtls { theirs: somebody, role: DtlsRole::Passive };
    let mut guard = Guard::default();
    guard.apply(&agreed, Some(&identity), address(THERE), now);
    guard.handle_timeout(now + std::time::Duration::from_secs(9));
    assert_eq!(guard.failure(), None);
    guard.handle_timeout(now + std::time::Duration::from_secs(10));
    let why = guard.failure().expect("over").to_owned();
    assert!(why.contains("not done within 10 s"), "{why}");
    guard.apply(&Protection::None, None, address(THERE), now);
    assert!(!guard.is_ready() && guard.seal(&packet(1)).is_none());
}
