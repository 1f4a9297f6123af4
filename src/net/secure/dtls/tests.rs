use super::*;

const PHONE: &str = "192.0.2.7:4000";
const DOOR: &str = "192.0.2.1:40000";
const STRANGER: &str = "203.0.113.66:9";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A handshake of ours (passive) and one of a telephone (active), each expecting these certificates.
struct Both {
    door: Handshake,
    phone: Handshake,
    now: Instant,
    /// Which datagrams are lost, counted from the first.
    lost: Vec<u32>,
    sent: u32,
}

impl Both {
    fn new(door_expects: Fingerprint, phone_expects: Fingerprint, ids: [&Identity; 2]) -> Self {
        let now = Instant::now();
        let (to_phone, to_door) = (address(PHONE), address(DOOR));
        let door = Handshake::new(ids[0], door_expects, DtlsRole::Passive, to_phone, now);
        let phone = Handshake::new(ids[1], phone_expects, DtlsRole::Active, to_door, now);
        let (door, phone) = (door.expect("set up"), phone.expect("set up"));
        Self { door, phone, now, lost: Vec::new(), sent: 0 }
    }

    fn is_lost(&mut self) -> bool {
        self.sent += 1;
        self.lost.contains(&(self.sent - 1))
    }

    /// Carries datagrams and time until both are done or one has failed.
    fn run(&mut self) -> Result<(DtlsKeys, DtlsKeys), DtlsError> {
        let (mut door_keys, mut phone_keys) = (None, None);
        for _ in 0..40 {
            loop {
                let mut is_quiet = true;
                while let Some((to, datagram)) = self.phone.poll_transmit() {
                    is_quiet = false;
                    assert_eq!(to, address(DOOR));
                    if !self.is_lost() {
                        let keys =
                            self.door.handle_datagram(self.now, address(PHONE), &datagram)?;
                        door_keys = door_keys.or(keys);
                    }
                }
                while let Some((to, datagram)) = self.door.poll_transmit() {
                    is_quiet = false;
                    assert_eq!(to, address(PHONE));
                    if !self.is_lost() {
                        let keys =
                            self.phone.handle_datagram(self.now, address(DOOR), &datagram)?;
                        phone_keys = phone_keys.or(keys);
                    }
                }
                if is_quiet {
                    break;
                }
            }
            if let (Some(door), Some(phone)) = (&door_keys, &phone_keys) {
                return Ok((door.clone(), phone.clone()));
            }
            self.now += Duration::from_millis(500);
            self.door.handle_timeout(self.now)?;
            self.phone.handle_timeout(self.now)?;
        }
        unreachable!("the limit on time ends it");
    }
}

fn identities() -> (Identity, Identity) {
    (Identity::generate().expect("made"), Identity::generate().expect("made"))
}

#[test]
fn both_sides_get_the_same_keys_the_other_way_round() {
    let (door, phone) = identities();
    assert_ne!(door.fingerprint(), phone.fingerprint());
    let mut both = Both::new(phone.fingerprint(), door.fingerprint(), [&door, &phone]);
    let (ours, theirs) = both.run().expect("a handshake");
    assert_eq!(ours.suite, Suite::Aes256Gcm);
    assert_eq!((&ours.ours, &ours.theirs), (&theirs.theirs, &theirs.ours));
    assert_ne!(ours.ours, ours.theirs);
    assert_eq!((ours.remote, theirs.remote), (address(PHONE), address(DOOR)));
    // Nothing that comes later changes anything.
    let later = both.door.handle_datagram(both.now, address(STRANGER), &[22; 60]);
    assert_eq!(later, Ok(None));
    assert_eq!(both.door.handle_timeout(both.now + HANDSHAKE_LIMIT), Ok(()));
}

#[test]
fn a_lost_first_word_is_said_again() {
    let (door, phone) = identities();
    let mut both = Both::new(phone.fingerprint(), door.fingerprint(), [&door, &phone]);
    both.lost = vec![0];
    let began = both.now;
    let (ours, theirs) = both.run().expect("a handshake");
    assert_eq!(ours.ours, theirs.theirs);
    assert!(both.now > began, "it took a repetition");
}

#[test]
fn a_certificate_that_is_not_in_the_sdp_gives_no_keys() {
    let (door, phone) = identities();
    let somebody = Identity::generate().expect("made").fingerprint();
    let mut both = Both::new(somebody, door.fingerprint(), [&door, &phone]);
    assert_eq!(both.run(), Err(DtlsError::WrongCertificate));
    let mut both = Both::new(phone.fingerprint(), somebody, [&door, &phone]);
    assert_eq!(both.run(), Err(DtlsError::WrongCertificate));
}

#[test]
fn a_handshake_that_nobody_joins_ends_in_time() {
    let (door, phone) = identities();
    let mut both = Both::new(phone.fingerprint(), door.fingerprint(), [&door, &phone]);
    both.lost = (0..1_000).collect();
    let began = both.now;
    assert_eq!(both.run(), Err(DtlsError::Timeout));
    assert_eq!(both.now - began, HANDSHAKE_LIMIT);
}

#[test]
fn strangers_neither_end_a_handshake_nor_fill_memory() {
    let (door, phone) = identities();
    let mut both = Both::new(phone.fingerprint(), door.fingerprint(), [&door, &phone]);
    // A fatal alert in the clear, an empty handshake record, and records that are cut short.
    let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
    let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1];
    let cut = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 2, 0, 9, 1];
    for port in 1..200 {
        let from = SocketAddr::new(address(STRANGER).ip(), port);
        for datagram in [&alert[..], &hello, &cut, &alert[..13], &alert[..1], &[]] {
            assert_eq!(both.door.handle_datagram(both.now, from, datagram), Ok(None));
        }
    }
    // What is not made of whole records ends nothing, wherever it comes from.
    assert_eq!(both.door.handle_datagram(both.now, address(PHONE), &cut), Ok(None));
    assert!(both.door.remotes.len() <= 2 * REMOTES_MAX);
    assert!(both.door.ignored() > 1_000);
    while both.door.poll_transmit().is_some() {}
    assert!(both.run().is_ok());
}

#[test]
fn fingerprints_read_back_and_nonsense_does_not() {
    let fingerprint = Fingerprint::of(b"certificate");
    let text = fingerprint.to_string();
    assert_eq!(text.len(), 95);
    assert_eq!(Fingerprint::parse(&text), Some(fingerprint));
    assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(fingerprint));
    for bad in ["", "AB", &text[3..], &format!("{text}:00"), &text.replacen(':', ".", 1)] {
        assert_eq!(Fingerprint::parse(bad), None, "{bad}");
    }
    assert_eq!(Fingerprint::parse(&text.replacen(&text[..2], "+1", 1)), None);
}
