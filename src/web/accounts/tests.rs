use std::time::Instant;

use super::*;

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

struct Place {
    accounts: Accounts,
    store: Store,
    start: Instant,
    _folder: tempfile::TempDir,
}

impl Place {
    /// With `anna`, an agent, whose password is `anna's password`.
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("s.sqlite")).await.expect("opens");
        let accounts = Accounts::new(store.clone()).expect("it works");
        let place = Self { accounts, store, start: Instant::now(), _folder: folder };
        place.add("anna", Role::Agent).await;
        place
    }

    async fn add(&self, name: &str, role: Role) {
        let new = NewAccount {
            name: name.to_owned(),
            display_name: name.to_uppercase(),
            role,
            skills: BTreeMap::new(),
            languages: BTreeSet::new(),
        };
        let password = secret(&format!("{name}'s password"));
        let by = Actor::command_line();
        self.accounts.add(&by, new, &password, self.at(0).at).await.expect("adds");
    }

    fn at(&self, seconds: u64) -> Now {
        let at = Timestamp::from_second(1_775_000_000).expect("in range");
        Now {
            at: at + SignedDuration::from_secs(seconds.cast_signed()),
            instant: self.start + Duration::from_secs(seconds),
        }
    }

    async fn sign_in(&self, password: &str, seconds: u64) -> Result<Begun, AccountsError> {
        let password = secret(password);
        self.accounts.sign_in("Anna ", &password, None, SOURCE, self.at(seconds)).await
    }

    async fn is_open(&self, begun: &Begun, seconds: u64) -> bool {
        let found = self.accounts.session(begun.secret.expose(), self.at(seconds).at).await;
        found.expect("reads").is_some()
    }
}

fn secret(text: &str) -> Pii<String> {
    Pii::new(text.to_owned())
}

#[tokio::test]
async fn a_session_lasts_while_it_is_used_and_no_longer_than_a_shift() {
    let place = Place::open().await;
    let idle = place.sign_in("anna's password", 0).await.expect("signs in");
    assert!(place.is_open(&idle, 29 * 60).await, "and that counts as use");
    assert!(place.is_open(&idle, 58 * 60).await);
    assert!(!place.is_open(&idle, 88 * 60).await);
    assert!(!place.is_open(&idle, 58 * 60).await, "over is over");
    let used = place.sign_in("anna's password", 0).await.expect("signs in");
    for quarter in 1..48 {
        assert!(place.is_open(&used, quarter * 15 * 60).await, "{quarter}");
    }
    assert!(!place.is_open(&used, 12 * 60 * 60).await);
    let watched = place.sign_in("anna's password", 0).await.expect("signs in");
    let look = async |look, seconds| {
        let digest = &watched.session.digest;
        let found = place.accounts.look(digest, look, place.at(seconds).at).await;
        found.expect("reads").is_some()
    };
    assert!(look(Look::Leaves, 29 * 60).await);
    assert!(!look(Look::Leaves, 31 * 60).await, "looking on is no use");
}

#[tokio::test]
async fn wrong_passwords_lock_the_account_for_a_while() {
    let place = Place::open().await;
    for _ in 0..10 {
        let refused = place.sign_in("wrong password", 0).await;
        assert!(matches!(refused, Err(AccountsError::Wrong)));
    }
    let locked = place.sign_in("anna's password", 0).await;
    let Err(AccountsError::TooMany { retry_after }) = locked else { panic!("{locked:?}") };
    assert_eq!(retry_after, Duration::from_secs(90));
    assert!(place.sign_in("anna's password", 90).await.is_ok());
    let again = place.sign_in("anna's password", 90).await;
    assert!(again.is_ok(), "what was right does not count");
    let lines = place.store.audit(None, 100).await.expect("reads");
    let refused: Vec<_> = lines.iter().filter(|line| line.action == "sign_in_refused").collect();
    assert_eq!(refused.len(), 10);
    assert!(refused.iter().all(|line| line.subject == "anna" && line.source == "192.0.2.7"));
}

#[tokio::test]
async fn one_source_cannot_try_name_after_name() {
    let place = Place::open().await;
    let now = place.at(0);
    for number in 0..30 {
        let name = format!("name{number}");
        let tried =
            place.accounts.sign_in(&name, &secret("some password"), None, SOURCE, now).await;
        assert!(matches!(tried, Err(AccountsError::Wrong)), "{number}");
    }
    let refused = place.sign_in("anna's password", 0).await;
    assert!(matches!(refused, Err(AccountsError::TooMany { .. })));
    let elsewhere = "198.51.100.1".parse().expect("an address");
    let password = secret("anna's password");
    let entered = place.accounts.sign_in("anna", &password, None, elsewhere, now).await;
    assert!(entered.is_ok());
    let lines = place.store.audit(None, 100).await.expect("reads");
    assert!(lines.iter().all(|line| !line.subject.contains("name1")), "it may be a password");
}

#[tokio::test]
async fn signing_in_again_ends_the_session_one_came_with() {
    let place = Place::open().await;
    let first = place.sign_in("anna's password", 0).await.expect("signs in");
    let former = Some(first.secret.expose().as_str());
    let (password, now) = (secret("anna's password"), place.at(1));
    let second = place.accounts.sign_in("anna", &password, former, SOURCE, now).await;
    let second = second.expect("signs in");
    assert_ne!(first.session.csrf, second.session.csrf);
    assert!(!place.is_open(&first, 2).await && place.is_open(&second, 2).await);
    place.accounts.sign_out(&second.session, SOURCE, place.at(3).at).await.expect("signs out");
    assert!(!place.is_open(&second, 3).await);
}

#[tokio::test]
async fn another_password_ends_all_sessions_but_the_one_that_begins() {
    let place = Place::open().await;
    let (one, other) = (
        place.sign_in("anna's password", 0).await.expect("signs in"),
        place.sign_in("anna's password", 0).await.expect("signs in"),
    );
    assert!(one.session.account.must_change);
    let choose = async |old: &str, new: &str| {
        let (old, new) = (secret(old), secret(new));
        place.accounts.choose_password(&one.session, &old, &new, SOURCE, place.at(1)).await
    };
    let wrong = choose("not the old one", "a new password").await;
    assert!(matches!(wrong, Err(AccountsError::Wrong)));
    for unfit in ["short", "anna's password"] {
        let refused = choose("anna's password", unfit).await;
        assert!(matches!(refused, Err(AccountsError::Unfit(_))), "{unfit}");
    }
    assert!(place.is_open(&one, 1).await && place.is_open(&other, 1).await);
    let begun = choose("anna's password", "a new password").await.expect("changes");
    assert!(!begun.session.account.must_change);
    assert!(!place.is_open(&one, 2).await && !place.is_open(&other, 2).await);
    assert!(place.is_open(&begun, 2).await);
    assert!(place.sign_in("anna's password", 3).await.is_err());
    assert!(!place.sign_in("a new password", 3).await.expect("enters").session.account.must_change);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once() {
    let place = Place::open().await;
    place.add("root", Role::Admin).await;
    let begun = place.sign_in("anna's password", 0).await.expect("signs in");
    let by = Actor { who: Who::Account("root".to_owned()), source: "192.0.2.1".to_owned() };
    let now = place.at(5).at;
    let closed = AccountChange { access: Some(Access::Closed(now)), ..AccountChange::default() };
    let account = place.accounts.change(&by, "anna", &closed, now).await.expect("changes");
    assert_eq!(account.disabled_at, Some(now));
    assert!(!place.is_open(&begun, 5).await);
    let refused = place.sign_in("anna's password", 6).await;
    assert!(matches!(refused, Err(AccountsError::Wrong)), "nobody is told that it exists");
    let opened = AccountChange { access: Some(Access::Open), ..AccountChange::default() };
    place.accounts.change(&by, "anna", &opened, now).await.expect("changes");
    assert!(place.sign_in("anna's password", 7).await.is_ok());
    let own = place.accounts.change(&by, "root", &closed, now).await;
    assert!(matches!(own, Err(AccountsError::Own)));
    assert!(matches!(place.accounts.remove(&by, "root", now).await, Err(AccountsError::Own)));
    let lines = place.store.audit(None, 100).await.expect("reads");
    let line = lines.iter().find(|line| line.subject == "anna: disabled").expect("is there");
    assert_eq!((line.who.as_str(), line.source.as_str()), ("root", "192.0.2.1"));
}

#[tokio::test]
async fn the_first_admin_is_made_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("s.sqlite")).await.expect("opens");
    let accounts = Accounts::new(store).expect("it works");
    let now = Now { at: Timestamp::UNIX_EPOCH, instant: Instant::now() };
    let (name, password) = accounts.first_admin(now.at).await.expect("makes").expect("is new");
    assert_eq!(accounts.first_admin(now.at).await.expect("looks"), None);
    let begun = accounts.sign_in(&name, &password, None, SOURCE, now).await.expect("signs in");
    assert_eq!(begun.session.account.role, Role::Admin);
    assert!(begun.session.account.must_change);
}

#[tokio::test]
async fn a_token_opens_what_it_is_for() {
    let place = Place::open().await;
    let by = Actor { who: Who::Account("root".to_owned()), source: String::new() };
    let scopes = BTreeSet::from([Scope::Handoffs]);
    let now = place.at(0).at;
    let (made, token) = place.accounts.add_token(&by, "crm", &scopes, now).await.expect("makes");
    let found = place.accounts.token(token.expose(), Scope::Handoffs, now).await.expect("reads");
    assert_eq!(found.map(|found| (found.id, found.created_by)), Some((made.id, "root".to_owned())));
    for (token, scope) in [(token.expose().as_str(), Scope::Call), ("fd_other", Scope::Handoffs)] {
        let found = place.accounts.token(token, scope, now).await.expect("reads");
        assert_eq!(found, None, "{token} {scope}");
    }
    assert!(place.accounts.remove_token(&by, made.id, now).await.expect("removes"));
    let gone = place.accounts.token(token.expose(), Scope::Handoffs, now).await.expect("reads");
    assert_eq!(gone, None);
    for (name, scopes) in [("", scopes), ("crm", BTreeSet::new())] {
        let refused = place.accounts.add_token(&by, name, &scopes, now).await;
        assert!(matches!(refused, Err(AccountsError::Unfit(_))), "{name}");
    }
}
