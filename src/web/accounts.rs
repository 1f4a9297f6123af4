//! Who may sign in, sessions, and tokens of other programs: the rules over what the store keeps.
//!
//! ```text
//!  name + password ─▶ session (cookie) ─▶ idle 30 min, 12 h, signed out, password changed,
//!                                         disabled, role changed, removed ─▶ over
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::Pii;
use crate::store::{
    Access, Account, AccountChange, AuditAction, Changed, NextSignIn, Role, Scope, Store,
    StoreError, TokenRecord, Who,
};

use super::clock::Now;
use super::fitting::{NAME_LEN_MAX, check_display_name, check_languages, check_name, check_skills};
use super::limits::{Limit, Limiter, source_key};
use super::passwords::{PasswordError, Passwords};
use super::secret::{Digest, csrf_of, new_secret, readable_password};

/// A session in which nothing is done for so long is over.
const IDLE_MAX: SignedDuration = SignedDuration::from_mins(30);
/// And so is every session after a shift.
const SESSION_MAX: SignedDuration = SignedDuration::from_hours(12);
/// How often it is noted that something was done.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Wrong passwords for one account: ten, and then one every 90 s.
const TRIES_PER_ACCOUNT: Limit = Limit { burst: 10, regain: Duration::from_secs(90) };
/// And from one source: enough for an office that shares its address on a Monday morning.
const TRIES_PER_SOURCE: Limit = Limit { burst: 30, regain: Duration::from_secs(10) };

/// The account that is made where there is none.
const FIRST_ADMIN: &str = "admin";

const TOKEN_NAME_LEN_MAX: usize = 80;

/// Why something with accounts was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Name and password do not go together; it is not said which of them is wrong.
    #[error("name or password is wrong")]
    Wrong,
    /// Too many tries.
    #[error("too many tries. Try again in {} s", retry_after.as_secs().max(1))]
    TooMany {
        /// When there is one again.
        retry_after: Duration,
    },
    /// A value does not fit.
    #[error("{0}")]
    Unfit(String),
    /// The name is taken.
    #[error("there is an account \"{0}\" already")]
    Taken(String),
    /// There is no such account.
    #[error("there is no account \"{0}\"")]
    NoSuch(String),
    /// Nobody would be left who can give access.
    #[error(
        "\"{0}\" is the last one who can give access. Give another account the role admin first"
    )]
    LastAdmin(String),
    /// Somebody tried to take away their own access.
    #[error("this is your own account. Have another admin do it")]
    Own,
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine could not work on a password.
    #[error("{0}")]
    Machine(String),
}

impl From<PasswordError> for AccountsError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Unfit(why) => Self::Unfit(why.to_owned()),
            PasswordError::Machine(why) => Self::Machine(why),
        }
    }
}

/// Who does something, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub who: Who,
    /// From which address; empty for the command line.
    pub source: String,
}

impl Actor {
    /// Somebody at this machine's command line.
    pub fn command_line() -> Self {
        Self { who: Who::CommandLine, source: String::new() }
    }
}

/// An account that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Names it for good.
    pub name: String,
    /// As colleagues and callers know them.
    pub display_name: String,
    /// What they may do.
    pub role: Role,
    /// What they are good at, 1 to 5.
    pub skills: BTreeMap<String, u8>,
    /// Language tags.
    pub languages: BTreeSet<String>,
}

/// A session that somebody is in.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose.
    pub account: Account,
    /// What the store knows it by.
    pub digest: String,
    /// What pages send along.
    pub csrf: String,
}

/// A session that has just begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// What the browser is given.
    pub secret: Pii<String>,
    /// The session.
    pub session: Session,
}

/// Whether looking at a session counts as doing something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It does: an agent at an open desk waits for calls, and has nothing to click on.
    KeepsAlive,
    /// It does not.
    Leaves,
}

struct Tries {
    by_account: Limiter<String>,
    by_source: Limiter<IpAddr>,
}

/// Accounts, sessions and tokens. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    passwords: Passwords,
    tries: Arc<Mutex<Tries>>,
}

impl Accounts {
    /// Those that this store keeps.
    ///
    /// # Errors
    /// [`AccountsError::Machine`].
    pub fn new(store: Store) -> Result<Self, AccountsError> {
        let tries = Tries {
            by_account: Limiter::new(TRIES_PER_ACCOUNT),
            by_source: Limiter::new(TRIES_PER_SOURCE),
        };
        let passwords = Passwords::new()?;
        Ok(Self { store, passwords, tries: Arc::new(Mutex::new(tries)) })
    }

    /// Makes the first account where there is none, and gives its password: it is not to be had
    /// again.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub async fn first_admin(
        &self,
        now: Timestamp,
    ) -> Result<Option<(String, Pii<String>)>, AccountsError> {
        let accounts = self.store.accounts().await?;
        if !accounts.is_empty() {
            let is_admin =
                |account: &Account| account.role == Role::Admin && account.disabled_at.is_none();
            if !accounts.iter().any(is_admin) {
                tracing::warn!(
                    "nobody can give access: make an account that can with \
                     `frontdoor accounts add NAME --role admin`"
                );
            }
            return Ok(None);
        }
        let account = NewAccount {
            name: FIRST_ADMIN.to_owned(),
            display_name: "Admin".to_owned(),
            role: Role::Admin,
            skills: BTreeMap::new(),
            languages: BTreeSet::new(),
        };
        let password = readable_password();
        match self.add(&Actor::command_line(), account, &password, now).await {
            Ok(account) => Ok(Some((account.name, password))),
            // Another process was faster, and has said the password.
            Err(AccountsError::Taken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Signs somebody in. The session that they came with, if any, is over.
    ///
    /// # Errors
    /// [`AccountsError::Wrong`], `TooMany`, or what could not be done.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &Pii<String>,
        former: Option<&str>,
        source: IpAddr,
        now: Now,
    ) -> Result<Begun, AccountsError> {
        let name = name.trim().to_lowercase();
        let source_key = source_key(source);
        self.take_try(&name, source_key, now)?;
        let found = self.store.account_with_password(&name).await?;
        let kept = found.as_ref().map(|(_, password)| password);
        let is_right = self.passwords.is_right(password, kept).await?;
        let may_enter =
            is_right && found.as_ref().is_some_and(|(account, _)| account.disabled_at.is_none());
        let account = found.map(|(account, _)| account);
        let Some(account) = account.as_ref().filter(|_| may_enter) else {
            // What is typed for a name may be a password: only names that exist are kept.
            let subject = account.as_ref().map_or("", |account| account.name.as_str());
            let by = Actor { who: Who::Nobody, source: source.to_string() };
            self.note(&by, AuditAction::SignInRefused, subject, now.at).await?;
            return Err(AccountsError::Wrong);
        };
        self.give_try_back(&name, source_key);
        if let Some(former) = former {
            self.store.end_session(&Digest::of(former).to_hex()).await?;
        }
        self.store.forget_sessions(now.at - SESSION_MAX, now.at - IDLE_MAX).await?;
        let by = Actor { who: Who::Account(account.name.clone()), source: source.to_string() };
        self.note(&by, AuditAction::SignedIn, "", now.at).await?;
        self.begin(account.clone(), now.at).await
    }

    fn take_try(&self, name: &str, source: IpAddr, now: Now) -> Result<(), AccountsError> {
        let too_many = |retry_after| AccountsError::TooMany { retry_after };
        let mut tries = self.tries();
        tries.by_source.take(&source, now.instant).map_err(too_many)?;
        let name = name.chars().take(NAME_LEN_MAX).collect();
        tries.by_account.take(&name, now.instant).map_err(too_many)
    }

    fn give_try_back(&self, name: &str, source: IpAddr) {
        let mut tries = self.tries();
        tries.by_source.give_back(&source);
        tries.by_account.give_back(&name.to_owned());
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        // Nothing is left half done under the lock.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self, account: Account, at: Timestamp) -> Result<Begun, AccountsError> {
        let secret = new_secret();
        let digest = Digest::of(secret.expose()).to_hex();
        self.store.begin_session(&digest, &account.name, at).await?;
        let csrf = csrf_of(secret.expose());
        Ok(Begun { secret, session: Session { account, digest, csrf } })
    }

    /// The session that this is the secret of, if it is not over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(
        &self,
        secret: &str,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let digest = Digest::of(secret).to_hex();
        let account = self.look(&digest, Look::KeepsAlive, now).await?;
        Ok(account.map(|account| Session { account, digest, csrf: csrf_of(secret) }))
    }

    /// Whose session this is, if it is not over.
    pub(super) async fn look(
        &self,
        digest: &str,
        look: Look,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        let Some(record) = self.store.web_session(digest).await? else { return Ok(None) };
        let idle = now.duration_since(record.seen_at);
        let is_over = idle >= IDLE_MAX
            || now.duration_since(record.created_at) >= SESSION_MAX
            || record.account.disabled_at.is_some();
        if is_over {
            self.store.end_session(digest).await?;
            return Ok(None);
        }
        if look == Look::KeepsAlive && idle >= TOUCH_EVERY {
            self.store.touch_session(digest, now).await?;
        }
        Ok(Some(record.account))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_out(
        &self,
        session: &Session,
        source: IpAddr,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.end_session(&session.digest).await?;
        let who = Who::Account(session.account.name.clone());
        let by = Actor { who, source: source.to_string() };
        self.note(&by, AuditAction::SignedOut, "", now).await
    }

    /// Somebody chooses another password: all their sessions are over, and one begins.
    ///
    /// # Errors
    /// [`AccountsError::Wrong`] if the old one is wrong, `TooMany`, `Unfit`.
    pub async fn choose_password(
        &self,
        session: &Session,
        old: &Pii<String>,
        new: &Pii<String>,
        source: IpAddr,
        now: Now,
    ) -> Result<Begun, AccountsError> {
        let name = &session.account.name;
        let source_key = source_key(source);
        self.take_try(name, source_key, now)?;
        let found = self.store.account_with_password(name).await?;
        let kept = found.as_ref().map(|(_, password)| password);
        if !self.passwords.is_right(old, kept).await? {
            return Err(AccountsError::Wrong);
        }
        self.give_try_back(name, source_key);
        if old == new {
            return Err(AccountsError::Unfit("the new password is the old one".to_owned()));
        }
        let hash = self.passwords.hash(name, new).await?;
        self.store.set_password(name, &hash, NextSignIn::Enters).await?;
        let by = Actor { who: Who::Account(name.clone()), source: source.to_string() };
        self.note(&by, AuditAction::PasswordChanged, name, now.at).await?;
        let account = Account { must_change: false, ..session.account.clone() };
        self.begin(account, now.at).await
    }

    /// Makes an account. Its password is to be changed at the first sign-in.
    ///
    /// # Errors
    /// [`AccountsError::Taken`], `Unfit`.
    pub async fn add(
        &self,
        by: &Actor,
        new: NewAccount,
        password: &Pii<String>,
        now: Timestamp,
    ) -> Result<Account, AccountsError> {
        check_name(&new.name)?;
        check_display_name(&new.display_name)?;
        check_skills(&new.skills)?;
        check_desk(&new.name, new.role, Some(&new.skills))?;
        check_languages(&new.languages)?;
        let hash = self.passwords.hash(&new.name, password).await?;
        let account = Account {
            name: new.name,
            display_name: new.display_name,
            role: new.role,
            must_change: true,
            skills: new.skills,
            languages: new.languages,
            created_at: now,
            disabled_at: None,
        };
        if !self.store.add_account(&account, &hash).await? {
            return Err(AccountsError::Taken(account.name));
        }
        let subject = format!("{} as {}", account.name, account.role);
        self.note(by, AuditAction::AccountAdded, &subject, now).await?;
        Ok(account)
    }

    /// Changes an account.
    ///
    /// # Errors
    /// [`AccountsError::NoSuch`], `Unfit`, `LastAdmin`, `Own`.
    pub async fn change(
        &self,
        by: &Actor,
        name: &str,
        change: &AccountChange,
        now: Timestamp,
    ) -> Result<Account, AccountsError> {
        if let Some(display_name) = &change.display_name {
            check_display_name(display_name)?;
        }
        if let Some(skills) = &change.skills {
            check_skills(skills)?;
        }
        if let Some(languages) = &change.languages {
            check_languages(languages)?;
        }
        let before = self.store.account(name).await?;
        let before = before.ok_or_else(|| AccountsError::NoSuch(name.to_owned()))?;
        check_desk(name, change.role.unwrap_or(before.role), change.skills.as_ref())?;
        let change = what_differs(&before, change);
        if change == AccountChange::default() {
            return Ok(before);
        }
        let takes_rights = change.role.is_some() || change.access.is_some();
        if takes_rights && by.who == Who::Account(name.to_owned()) {
            return Err(AccountsError::Own);
        }
        judge(name, self.store.change_account(name, &change).await?)?;
        let subject = format!("{name}: {}", what_changed(&change));
        self.note(by, AuditAction::AccountChanged, &subject, now).await?;
        let account = self.store.account(name).await?;
        account.ok_or_else(|| AccountsError::NoSuch(name.to_owned()))
    }

    /// Gives somebody else another password, which they have to change. Their sessions are over.
    ///
    /// # Errors
    /// [`AccountsError::NoSuch`], `Unfit`.
    pub async fn set_password(
        &self,
        by: &Actor,
        name: &str,
        password: &Pii<String>,
        now: Timestamp,
    ) -> Result<(), AccountsError> {
        let hash = self.passwords.hash(name, password).await?;
        if !self.store.set_password(name, &hash, NextSignIn::Changes).await? {
            return Err(AccountsError::NoSuch(name.to_owned()));
        }
        Ok(self.note(by, AuditAction::PasswordChanged, name, now).await?)
    }

    /// Removes an account.
    ///
    /// # Errors
    /// [`AccountsError::NoSuch`], `LastAdmin`, `Own`.
    pub async fn remove(
        &self,
        by: &Actor,
        name: &str,
        now: Timestamp,
    ) -> Result<(), AccountsError> {
        if by.who == Who::Account(name.to_owned()) {
            return Err(AccountsError::Own);
        }
        judge(name, self.store.remove_account(name).await?)?;
        Ok(self.note(by, AuditAction::AccountRemoved, name, now).await?)
    }

    /// Makes a token; it is not to be had again.
    ///
    /// # Errors
    /// [`AccountsError::Unfit`].
    pub async fn add_token(
        &self,
        by: &Actor,
        name: &str,
        scopes: &BTreeSet<Scope>,
        now: Timestamp,
    ) -> Result<(TokenRecord, Pii<String>), AccountsError> {
        let unfit = |why: &str| Err(AccountsError::Unfit(why.to_owned()));
        if name.trim().is_empty() || name.chars().count() > TOKEN_NAME_LEN_MAX {
            return unfit("a token has a name of 1 to 80 characters, which says what it is for");
        }
        if scopes.is_empty() {
            return unfit("a token needs a scope: call, handoffs or metrics");
        }
        let secret = Pii::new(format!("fd_{}", new_secret().expose()));
        let digest = Digest::of(secret.expose()).to_hex();
        let made_by = match &by.who {
            Who::Account(name) | Who::Token(name) => name.as_str(),
            Who::CommandLine | Who::Nobody => "",
        };
        let token = self.store.add_token(name.trim(), &digest, scopes, made_by, now).await?;
        let subject = token_subject(&token);
        self.note(by, AuditAction::TokenAdded, &subject, now).await?;
        Ok((token, secret))
    }

    /// Takes a token back. False if there is none of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_token(
        &self,
        by: &Actor,
        id: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let was_there = self.store.remove_token(id).await?;
        if was_there {
            self.note(by, AuditAction::TokenRemoved, &id.to_string(), now).await?;
        }
        Ok(was_there)
    }

    /// The token that this is, if it is good for that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token(
        &self,
        secret: &str,
        scope: Scope,
        now: Timestamp,
    ) -> Result<Option<TokenRecord>, StoreError> {
        let found = self.store.token(&Digest::of(secret).to_hex()).await?;
        let Some(token) = found.filter(|token| token.scopes.contains(&scope)) else {
            return Ok(None);
        };
        if token.used_at.is_none_or(|used_at| now.duration_since(used_at) >= TOUCH_EVERY) {
            self.store.touch_token(token.id, now).await?;
        }
        Ok(Some(token))
    }

    async fn note(
        &self,
        by: &Actor,
        action: AuditAction,
        subject: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.note_audit(now, &by.who, action, subject, &by.source).await
    }
}

/// How the audit names a token.
pub fn token_subject(token: &TokenRecord) -> String {
    format!("{} {}", token.id, token.name)
}

fn judge(name: &str, changed: Changed) -> Result<(), AccountsError> {
    match changed {
        Changed::Done => Ok(()),
        Changed::NoSuch => Err(AccountsError::NoSuch(name.to_owned())),
        Changed::LastAdmin => Err(AccountsError::LastAdmin(name.to_owned())),
    }
}

/// Skills are for who takes calls.
fn check_desk(
    name: &str,
    role: Role,
    skills: Option<&BTreeMap<String, u8>>,
) -> Result<(), AccountsError> {
    match role {
        Role::Operations if skills.is_some_and(|skills| !skills.is_empty()) => {
            Err(AccountsError::Unfit(format!(
                "{name} has no desk, as everybody in operations: skills are for who takes calls"
            )))
        }
        Role::Agent | Role::Supervisor | Role::Operations | Role::Admin => Ok(()),
    }
}

/// The change without what is so already: that ends no sessions.
fn what_differs(before: &Account, change: &AccountChange) -> AccountChange {
    fn other<T: PartialEq + Clone>(before: &T, after: Option<&T>) -> Option<T> {
        after.filter(|after| *after != before).cloned()
    }
    let access = change.access.filter(|access| match access {
        Access::Open => before.disabled_at.is_some(),
        Access::Closed(_) => before.disabled_at.is_none(),
    });
    AccountChange {
        display_name: other(&before.display_name, change.display_name.as_ref()),
        role: other(&before.role, change.role.as_ref()),
        skills: other(&before.skills, change.skills.as_ref()),
        languages: other(&before.languages, change.languages.as_ref()),
        access,
    }
}

/// "role admin, skills".
fn what_changed(change: &AccountChange) -> String {
    let access = change.access.map(|access| match access {
        Access::Open => "enabled".to_owned(),
        Access::Closed(_) => "disabled".to_owned(),
    });
    let role = change.role.map(|role| format!("role {role}"));
    let display_name = change.display_name.is_some().then(|| "display name".to_owned());
    let skills = change.skills.is_some().then(|| "skills".to_owned());
    let languages = change.languages.is_some().then(|| "languages".to_owned());
    let parts: Vec<String> =
        [access, role, display_name, skills, languages].into_iter().flatten().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests;
