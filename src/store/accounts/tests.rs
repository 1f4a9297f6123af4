use super::super::{AuditAction, Scope, Who};
use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_775_000_000 + seconds).expect("in range")
}

fn account(name: &str, role: Role) -> Account {
    Account {
        name: name.to_owned(),
        display_name: format!("{name} of the desk"),
        role,
        must_change: true,
        skills: BTreeMap::from([("cards".to_owned(), 4)]),
        languages: BTreeSet::from(["en".to_owned(), "es-US".to_owned()]),
        created_at: at(0),
        disabled_at: None,
    }
}

fn secret(text: &str) -> Pii<String> {
    Pii::new(text.to_owned())
}

async fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    (Store::open(&folder.path().join("s.sqlite")).await.expect("opens"), folder)
}

#[tokio::test]
async fn an_account_is_kept_as_it_was_given_and_its_name_once() {
    let (store, _folder) = store().await;
    let anna = account("anna", Role::Agent);
    assert!(store.add_account(&anna, &secret("hash 1")).await.expect("adds"));
    assert!(!store.add_account(&anna, &secret("hash 2")).await.expect("answers"));
    assert_eq!(store.accounts().await.expect("lists"), std::slice::from_ref(&anna));
    assert_eq!(store.account("anna").await.expect("reads"), Some(anna.clone()));
    assert_eq!(store.account("Anna").await.expect("reads"), None);
    let (found, password) =
        store.account_with_password("anna").await.expect("reads").expect("is there");
    assert_eq!((found, password.expose().as_str()), (anna, "hash 1"));
}

#[tokio::test]
async fn a_change_leaves_the_rest_and_the_last_admin() {
    let (store, _folder) = store().await;
    for (name, role) in [("root", Role::Admin), ("anna", Role::Agent)] {
        store.add_account(&account(name, role), &secret("x")).await.expect("adds");
    }
    let skills = BTreeMap::from([("loans".to_owned(), 5)]);
    let change = AccountChange { skills: Some(skills.clone()), ..AccountChange::default() };
    assert_eq!(store.change_account("anna", &change).await.expect("changes"), Changed::Done);
    assert_eq!(store.change_account("nobody", &change).await.expect("answers"), Changed::NoSuch);
    let anna = store.account("anna").await.expect("reads").expect("is there");
    assert_eq!(anna, Account { skills, ..account("anna", Role::Agent) });
    for change in [
        AccountChange { role: Some(Role::Operations), ..AccountChange::default() },
        AccountChange { access: Some(Access::Closed(at(9))), ..AccountChange::default() },
    ] {
        let done = store.change_account("root", &change).await.expect("answers");
        assert_eq!(done, Changed::LastAdmin);
    }
    assert_eq!(store.remove_account("root").await.expect("answers"), Changed::LastAdmin);
    let root = store.account("root").await.expect("reads");
    assert_eq!(root, Some(account("root", Role::Admin)));
    let change = AccountChange { role: Some(Role::Admin), ..AccountChange::default() };
    assert_eq!(store.change_account("anna", &change).await.expect("changes"), Changed::Done);
    assert_eq!(store.remove_account("root").await.expect("removes"), Changed::Done);
    assert_eq!(store.remove_account("root").await.expect("answers"), Changed::NoSuch);
}

#[tokio::test]
async fn sessions_end_with_what_they_rest_on() {
    let (store, _folder) = store().await;
    for name in ["anna", "ben", "root"] {
        let role = if name == "root" { Role::Admin } else { Role::Agent };
        store.add_account(&account(name, role), &secret("x")).await.expect("adds");
        store.begin_session(&format!("{name}-1"), name, at(1)).await.expect("begins");
    }
    let mut changes = store.people_changes();
    changes.mark_unchanged();
    let record = store.web_session("anna-1").await.expect("reads").expect("is there");
    assert_eq!((record.account.name.as_str(), record.seen_at), ("anna", at(1)));
    store.touch_session("anna-1", at(60)).await.expect("touches");
    let record = store.web_session("anna-1").await.expect("reads").expect("is there");
    assert_eq!((record.created_at, record.seen_at), (at(1), at(60)));
    assert!(!changes.has_changed().expect("open"));
    let gone = async |digest: &str| store.web_session(digest).await.expect("reads").is_none();
    let new = secret("y");
    assert!(store.set_password("anna", &new, NextSignIn::Enters).await.expect("sets"));
    assert!(changes.has_changed().expect("open"));
    assert!(gone("anna-1").await && !gone("ben-1").await);
    let anna = store.account("anna").await.expect("reads").expect("is there");
    assert!(!anna.must_change);
    let change = AccountChange { access: Some(Access::Closed(at(9))), ..AccountChange::default() };
    store.change_account("ben", &change).await.expect("changes");
    assert!(gone("ben-1").await);
    let ben = store.account("ben").await.expect("reads").expect("is there");
    assert_eq!(ben.disabled_at, Some(at(9)));
    store.begin_session("anna-2", "anna", at(2)).await.expect("begins");
    store.remove_account("anna").await.expect("removes");
    assert!(gone("anna-2").await && !gone("root-1").await);
    store.forget_sessions(at(0), at(2)).await.expect("forgets");
    assert!(gone("root-1").await);
}

#[tokio::test]
async fn the_oldest_of_too_many_sessions_ends() {
    let (store, _folder) = store().await;
    store.add_account(&account("anna", Role::Agent), &secret("x")).await.expect("adds");
    for number in 0..=i64::from(SESSIONS_MAX) {
        store.begin_session(&format!("s{number}"), "anna", at(number)).await.expect("begins");
    }
    assert!(store.web_session("s0").await.expect("reads").is_none());
    assert!(store.web_session("s1").await.expect("reads").is_some());
}

#[tokio::test]
async fn tokens_are_good_for_what_they_say_until_they_are_taken_back() {
    let (store, _folder) = store().await;
    let scopes = BTreeSet::from([Scope::Handoffs, Scope::Call]);
    let made = store.add_token("crm", "digest", &scopes, "root", at(0)).await.expect("adds");
    store.touch_token(made.id, at(5)).await.expect("touches");
    let found = store.token("digest").await.expect("reads").expect("is there");
    assert_eq!((&found.scopes, found.used_at), (&scopes, Some(at(5))));
    assert_eq!(store.tokens().await.expect("lists").len(), 1);
    assert!(store.remove_token(made.id).await.expect("removes"));
    assert!(!store.remove_token(made.id).await.expect("answers"));
    assert!(store.token("digest").await.expect("reads").is_none());
    let next = store.add_token("crm", "digest", &scopes, "root", at(0)).await.expect("adds");
    assert_ne!(next.id, made.id, "the audit would mistake one for the other");
}

#[tokio::test]
async fn the_audit_is_read_from_its_end() {
    let (store, _folder) = store().await;
    let lines = [
        (Who::Account("root".into()), AuditAction::AccountAdded, "anna", "192.0.2.1"),
        (Who::Token("3 crm".into()), AuditAction::HandoffFetched, "a1b2", "192.0.2.2"),
        (Who::CommandLine, AuditAction::PasswordChanged, "root", ""),
        (Who::Nobody, AuditAction::SignInRefused, "", "192.0.2.3"),
    ];
    for (seconds, (who, action, subject, source)) in (0..).zip(&lines) {
        store.note_audit(at(seconds), who, *action, subject, source).await.expect("notes");
    }
    let latest = store.audit(None, 3).await.expect("reads");
    let kinds: Vec<&str> = latest.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["nobody", "command_line", "token"]);
    let rest = store.audit(Some(latest[2].id), 3).await.expect("reads");
    assert_eq!(rest.len(), 1);
    let entry = &rest[0];
    assert_eq!(
        (entry.who.as_str(), entry.action.as_str(), entry.subject.as_str(), entry.at),
        ("root", "account_added", "anna", at(0))
    );
}
