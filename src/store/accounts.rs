//! Who signs in at the web pages, and their sessions.
//!
//! Passwords come here as what `web::passwords` made of them, and sessions under the digest of what
//! the browser holds: whoever reads the file can sign in with neither.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::sync::watch;

use crate::base::Pii;

use super::calls::stamp;
use super::{Store, StoreError};

const COLUMNS: &str = "accounts.name AS name, display_name, role, must_change, skills, languages, \
     accounts.created_at AS created_at, disabled_at";

/// Sessions that one account may have; with one more, the oldest ends.
const SESSIONS_MAX: u32 = 10;

/// What somebody may see and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Takes calls at a desk.
    Agent,
    /// The same, and sees and directs queues and agents.
    Supervisor,
    /// Sees calls and their records; has no desk.
    Operations,
    /// Everything, and who may do what.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Supervisor, Self::Operations, Self::Admin];

    /// The word in commands, in the API and in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Operations => "operations",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no role. Roles are agent, supervisor, operations and admin")]
pub struct ParseRoleError(String);

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| ParseRoleError(text.to_owned()))
    }
}

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Names them everywhere; never changes.
    pub name: String,
    /// As colleagues and callers know them.
    pub display_name: String,
    /// What they may see and do.
    pub role: Role,
    /// The password was given by somebody else: it is to be changed first of all.
    pub must_change: bool,
    /// What they are good at: 1 (a beginner) to 5 (an expert).
    pub skills: BTreeMap<String, u8>,
    /// Language tags; any language if there are none.
    pub languages: BTreeSet<String>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Since when they may not sign in.
    pub disabled_at: Option<Timestamp>,
}

/// What is to be different. What is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountChange {
    /// As colleagues know them.
    pub display_name: Option<String>,
    /// What they may do; ends their sessions.
    pub role: Option<Role>,
    /// What they are good at.
    pub skills: Option<BTreeMap<String, u8>>,
    /// Which languages they speak.
    pub languages: Option<BTreeSet<String>>,
    /// Whether they may sign in; ends their sessions.
    pub access: Option<Access>,
}

/// Whether somebody may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They may.
    Open,
    /// They may not, from this moment on.
    Closed(Timestamp),
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Done,
    /// There is no such account.
    NoSuch,
    /// Nothing was done: nobody would be left who can give access.
    LastAdmin,
}

/// A session, with whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose.
    pub account: Account,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was last noted that they did something.
    pub seen_at: Timestamp,
}

impl Store {
    /// Grows with each change of an account and each end of a session that this process makes.
    pub fn people_changes(&self) -> watch::Receiver<u64> {
        self.inner.people.subscribe()
    }

    fn people_changed(&self) {
        self.inner.people.send_modify(|changes| *changes += 1);
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query(&format!("SELECT {COLUMNS} FROM accounts ORDER BY name"))
            .fetch_all(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.read_account(row)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM accounts WHERE name = ?"))
            .bind(name)
            .fetch_optional(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        row.map(|row| self.read_account(&row)).transpose()
    }

    /// One of them, with what their password is compared with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_with_password(
        &self,
        name: &str,
    ) -> Result<Option<(Account, Pii<String>)>, StoreError> {
        let wanted = format!("SELECT {COLUMNS}, password FROM accounts WHERE name = ?");
        let mut session = self.session().await?;
        let row = sqlx::query(&wanted)
            .bind(name)
            .fetch_optional(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        let Some(row) = row else { return Ok(None) };
        let password: String = row.try_get("password").map_err(|error| self.failed(error))?;
        Ok(Some((self.read_account(&row)?, Pii::new(password))))
    }

    /// Adds an account; false, and nothing is done, if the name is taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_account(
        &self,
        account: &Account,
        password: &Pii<String>,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let done = sqlx::query(
            "INSERT INTO accounts (name, display_name, role, password, must_change, skills,
                 languages, created_at, disabled_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
        )
        .bind(&account.name)
        .bind(&account.display_name)
        .bind(account.role.as_str())
        .bind(password.expose())
        .bind(account.must_change)
        .bind(self.as_json(&account.skills)?)
        .bind(self.as_json(&account.languages)?)
        .bind(stamp(account.created_at))
        .bind(account.disabled_at.map(stamp))
        .execute(session.connection()?)
        .await
        .map_err(|error| self.failed(error))?;
        let is_new = done.rows_affected() == 1;
        if is_new {
            self.people_changed();
        }
        Ok(is_new)
    }

    /// Changes an account, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_account(
        &self,
        name: &str,
        change: &AccountChange,
    ) -> Result<Changed, StoreError> {
        let failed = |error| self.failed(error);
        let skills = change.skills.as_ref().map(|skills| self.as_json(skills)).transpose()?;
        let languages =
            change.languages.as_ref().map(|languages| self.as_json(languages)).transpose()?;
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let admins_before = admins(&mut transaction).await.map_err(failed)?;
        let done = sqlx::query(
            "UPDATE accounts SET display_name = coalesce(?, display_name),
                 role = coalesce(?, role), skills = coalesce(?, skills),
                 languages = coalesce(?, languages)
             WHERE name = ?",
        )
        .bind(&change.display_name)
        .bind(change.role.map(Role::as_str))
        .bind(skills)
        .bind(languages)
        .bind(name)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if done.rows_affected() == 0 {
            return Ok(Changed::NoSuch);
        }
        if let Some(access) = change.access {
            let disabled_at = match access {
                Access::Open => None,
                Access::Closed(at) => Some(stamp(at)),
            };
            sqlx::query("UPDATE accounts SET disabled_at = ? WHERE name = ?")
                .bind(disabled_at)
                .bind(name)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        let takes_rights = change.role.is_some() || change.access.is_some();
        if takes_rights {
            // What is not committed is undone.
            let admins_after = admins(&mut transaction).await.map_err(failed)?;
            if admins_before > 0 && admins_after == 0 {
                return Ok(Changed::LastAdmin);
            }
            end_sessions(&mut transaction, name).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        self.people_changed();
        Ok(Changed::Done)
    }

    /// Gives an account another password, and ends its sessions. False if there is no such account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_password(
        &self,
        name: &str,
        password: &Pii<String>,
        next: NextSignIn,
    ) -> Result<bool, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let done = sqlx::query("UPDATE accounts SET password = ?, must_change = ? WHERE name = ?")
            .bind(password.expose())
            .bind(next == NextSignIn::Changes)
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        end_sessions(&mut transaction, name).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.people_changed();
        Ok(done.rows_affected() == 1)
    }

    /// Removes an account with its sessions. What the audit says about it stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_account(&self, name: &str) -> Result<Changed, StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let admins_before = admins(&mut transaction).await.map_err(failed)?;
        let done = sqlx::query("DELETE FROM accounts WHERE name = ?")
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        if done.rows_affected() == 0 {
            return Ok(Changed::NoSuch);
        }
        let admins_after = admins(&mut transaction).await.map_err(failed)?;
        if admins_before > 0 && admins_after == 0 {
            return Ok(Changed::LastAdmin);
        }
        transaction.commit().await.map_err(failed)?;
        self.people_changed();
        Ok(Changed::Done)
    }

    /// Begins a session. Those of the account that are too many end, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_session(
        &self,
        digest: &str,
        account: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let failed = |error| self.failed(error);
        let mut session = self.session().await?;
        let mut transaction =
            session.connection()?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::query(
            "INSERT INTO sessions (digest, account, created_at, seen_at) VALUES (?, ?, ?, ?)",
        )
        .bind(digest)
        .bind(account)
        .bind(stamp(at))
        .bind(stamp(at))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query(
            "DELETE FROM sessions WHERE account = ? AND digest NOT IN
                 (SELECT digest FROM sessions WHERE account = ?
                  ORDER BY created_at DESC, rowid DESC LIMIT ?)",
        )
        .bind(account)
        .bind(account)
        .bind(SESSIONS_MAX)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.people_changed();
        Ok(())
    }

    /// The session of this digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn web_session(&self, digest: &str) -> Result<Option<SessionRecord>, StoreError> {
        let wanted = format!(
            "SELECT {COLUMNS}, sessions.created_at AS began_at, seen_at
             FROM sessions JOIN accounts ON accounts.name = sessions.account WHERE digest = ?"
        );
        let mut session = self.session().await?;
        let row = sqlx::query(&wanted)
            .bind(digest)
            .fetch_optional(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SessionRecord {
            account: self.read_account(&row)?,
            created_at: self.parsed(&row, "began_at", "time")?,
            seen_at: self.parsed(&row, "seen_at", "time")?,
        }))
    }

    /// Notes that somebody did something in a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn touch_session(&self, digest: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query("UPDATE sessions SET seen_at = ? WHERE digest = ?")
            .bind(stamp(at))
            .bind(digest)
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Ends one session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_session(&self, digest: &str) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query("DELETE FROM sessions WHERE digest = ?")
            .bind(digest)
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        self.people_changed();
        Ok(())
    }

    /// Forgets sessions that began before the first time, or in which nothing was done since the
    /// second.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_sessions(
        &self,
        began_before: Timestamp,
        seen_before: Timestamp,
    ) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        sqlx::query("DELETE FROM sessions WHERE created_at < ? OR seen_at < ?")
            .bind(stamp(began_before))
            .bind(stamp(seen_before))
            .execute(session.connection()?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    fn read_account(&self, row: &SqliteRow) -> Result<Account, StoreError> {
        let failed = |error| self.failed(error);
        let disabled_at: Option<String> = row.try_get("disabled_at").map_err(failed)?;
        Ok(Account {
            name: row.try_get("name").map_err(failed)?,
            display_name: row.try_get("display_name").map_err(failed)?,
            role: self.parsed(row, "role", "role")?,
            must_change: row.try_get("must_change").map_err(failed)?,
            skills: self.json_of(row, "skills", "list of skills")?,
            languages: self.json_of(row, "languages", "list of languages")?,
            created_at: self.parsed(row, "created_at", "time")?,
            disabled_at: match disabled_at {
                None => None,
                Some(_) => Some(self.parsed(row, "disabled_at", "time")?),
            },
        })
    }

    pub(super) fn as_json(&self, value: &impl serde::Serialize) -> Result<String, StoreError> {
        serde_json::to_string(value)
            .map_err(|_| StoreError::Senseless { path: self.inner.path.clone(), what: "list" })
    }

    pub(super) fn json_of<T: serde::de::DeserializeOwned>(
        &self,
        row: &SqliteRow,
        column: &str,
        what: &'static str,
    ) -> Result<T, StoreError> {
        let text: String = row.try_get(column).map_err(|error| self.failed(error))?;
        serde_json::from_str(&text)
            .map_err(|_| StoreError::Senseless { path: self.inner.path.clone(), what })
    }
}

/// What a password is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextSignIn {
    /// Everything: the account's owner chose it.
    Enters,
    /// To choose another one.
    Changes,
}

/// Those who can give access.
async fn admins(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let wanted = "SELECT count(*) FROM accounts WHERE role = 'admin' AND disabled_at IS NULL";
    sqlx::query_scalar(wanted).fetch_one(connection).await
}

async fn end_sessions(connection: &mut SqliteConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE account = ?").bind(name).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
