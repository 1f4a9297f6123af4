//! `frontdoor accounts`: who may sign in at the web pages. What is done here is in the audit as the
//! command line's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::base::Pii;
use crate::config::Config;
use crate::store::{Account, AccountChange, Role, Store, StoreError};
use crate::web::secret::readable_password;
use crate::web::{Accounts, AccountsError, Actor, NewAccount};

use super::table::write_table;

/// Who may sign in at the web pages.
#[derive(Debug, Args)]
pub struct AccountsArgs {
    #[command(subcommand)]
    command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
enum AccountsCommand {
    /// Make an account; its password is to be changed at the first sign-in
    Add {
        /// Names it for good: a-z, 0-9, `.`, `_`, `-`
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value_t = RoleArg::Agent)]
        role: RoleArg,
        /// As colleagues and callers know them; the name, if it is not given
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        #[command(flatten)]
        abilities: Abilities,
        #[command(flatten)]
        password: PasswordArg,
    },
    /// List accounts
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an account
    Remove {
        /// The account
        name: String,
    },
    /// Give an account another password, which is to be changed at the next sign-in
    Password {
        /// The account
        name: String,
        #[command(flatten)]
        password: PasswordArg,
    },
    /// Say what an account may do
    Role {
        /// The account
        name: String,
        /// What it may do
        #[arg(value_enum)]
        role: RoleArg,
    },
    /// Say what an agent is good at; what is given replaces what was there
    Skills {
        /// The account
        name: String,
        #[command(flatten)]
        abilities: Abilities,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Takes calls at a desk
    Agent,
    /// The same, and directs queues and agents
    Supervisor,
    /// Sees calls and their records; has no desk
    Operations,
    /// Everything
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Agent => Self::Agent,
            RoleArg::Supervisor => Self::Supervisor,
            RoleArg::Operations => Self::Operations,
            RoleArg::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Args)]
struct Abilities {
    /// Something that they are good at, 1 (a beginner) to 5 (an expert); may be repeated
    #[arg(long = "skill", value_name = "NAME=LEVEL", value_parser = parse_skill)]
    skills: Vec<(String, u8)>,
    /// A language that they speak (en, es-US); may be repeated. Without one, any language
    #[arg(long = "language", value_name = "TAG")]
    languages: Vec<String>,
}

impl Abilities {
    fn skills(&self) -> BTreeMap<String, u8> {
        self.skills.iter().cloned().collect()
    }

    fn languages(&self) -> BTreeSet<String> {
        self.languages.iter().cloned().collect()
    }
}

fn parse_skill(text: &str) -> Result<(String, u8), String> {
    let fix = "write it like cards=4, with a level of 1 to 5";
    let (name, level) = text.split_once('=').ok_or_else(|| fix.to_owned())?;
    let level = level.trim().parse().map_err(|_| fix.to_owned())?;
    Ok((name.trim().to_owned(), level))
}

#[derive(Debug, Args)]
struct PasswordArg {
    /// Read the password from standard input, one line; without this, one is made and shown
    #[arg(long)]
    password_stdin: bool,
}

/// A password, and whether it has to be shown.
struct Password {
    password: Pii<String>,
    is_made: bool,
}

impl PasswordArg {
    fn read(&self, input: &mut impl BufRead) -> io::Result<Password> {
        if !self.password_stdin {
            return Ok(Password { password: readable_password(), is_made: true });
        }
        let mut line = String::new();
        input.read_line(&mut line)?;
        let password = line.trim_end_matches(['\r', '\n']).to_owned();
        Ok(Password { password: Pii::new(password), is_made: false })
    }
}

impl Password {
    fn show(&self, out: &mut impl Write, name: &str) -> io::Result<()> {
        if self.is_made {
            let password = self.password.expose();
            writeln!(out, "password of {name}: {password} (not shown again; to be changed)")?;
        }
        Ok(())
    }
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsCommandError {
    /// The rules of accounts.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The terminal.
    #[error("cannot read or write: {0}")]
    Terminal(#[from] io::Error),
}

/// Runs `frontdoor accounts`.
///
/// # Errors
/// [`AccountsCommandError`], whose message is meant for the terminal.
pub async fn run(
    args: AccountsArgs,
    config: &Config,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> Result<(), AccountsCommandError> {
    let store = Store::open(&config.store_path()).await?;
    let accounts = Accounts::new(store.clone())?;
    let (by, now) = (Actor::command_line(), Timestamp::now());
    match args.command {
        AccountsCommand::Add { name, role, display_name, abilities, password } => {
            let password = password.read(input)?;
            let new = NewAccount {
                display_name: display_name.unwrap_or_else(|| name.clone()),
                name,
                role: role.into(),
                skills: abilities.skills(),
                languages: abilities.languages(),
            };
            let account = accounts.add(&by, new, &password.password, now).await?;
            writeln!(out, "added {} ({})", account.name, account.role)?;
            password.show(out, &account.name)?;
        }
        AccountsCommand::List { json } => list(out, &store.accounts().await?, json)?,
        AccountsCommand::Remove { name } => {
            accounts.remove(&by, &name, now).await?;
            writeln!(out, "removed {name}")?;
        }
        AccountsCommand::Password { name, password } => {
            let password = password.read(input)?;
            accounts.set_password(&by, &name, &password.password, now).await?;
            writeln!(out, "changed the password of {name}, and ended all sessions")?;
            password.show(out, &name)?;
        }
        AccountsCommand::Role { name, role } => {
            let change = AccountChange { role: Some(role.into()), ..AccountChange::default() };
            let account = accounts.change(&by, &name, &change, now).await?;
            writeln!(out, "{name} has the role {}", account.role)?;
        }
        AccountsCommand::Skills { name, abilities } => {
            let change = AccountChange {
                skills: Some(abilities.skills()),
                languages: Some(abilities.languages()),
                ..AccountChange::default()
            };
            let account = accounts.change(&by, &name, &change, now).await?;
            writeln!(out, "{name}: {}", abilities_words(&account))?;
        }
    }
    Ok(store.close().await?)
}

/// "cards 4, loans 1; en, es-US".
fn abilities_words(account: &Account) -> String {
    let skills: Vec<String> =
        account.skills.iter().map(|(skill, level)| format!("{skill} {level}")).collect();
    let languages: Vec<&str> = account.languages.iter().map(String::as_str).collect();
    let parts = [skills.join(", "), languages.join(", ")];
    let parts: Vec<&str> =
        parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

fn list(out: &mut impl Write, accounts: &[Account], json: bool) -> io::Result<()> {
    if json {
        let all: Vec<serde_json::Value> = accounts
            .iter()
            .map(|account| {
                serde_json::json!({
                    "name": account.name,
                    "display_name": account.display_name,
                    "role": account.role.as_str(),
                    "skills": account.skills,
                    "languages": account.languages,
                    "must_change_password": account.must_change,
                    "disabled": account.disabled_at.is_some(),
                })
            })
            .collect();
        return writeln!(out, "{:#}", serde_json::Value::Array(all));
    }
    if accounts.is_empty() {
        return writeln!(out, "No accounts yet: `frontdoor serve` makes the first.");
    }
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|account| {
            let note = match (account.disabled_at, account.must_change) {
                (Some(_), _) => "disabled",
                (None, true) => "password to be changed",
                (None, false) => "",
            };
            vec![
                account.name.clone(),
                account.display_name.clone(),
                account.role.to_string(),
                abilities_words(account),
                note.to_owned(),
            ]
        })
        .collect();
    write_table(out, &["name", "known as", "role", "skills; languages", ""], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        accounts: AccountsArgs,
    }

    async fn typed(config: &Config, input: &str, words: &[&str]) -> Result<String, String> {
        let words = std::iter::once(&"accounts").chain(words);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(line.accounts, config, &mut input.as_bytes(), &mut out)
            .await
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[tokio::test]
    async fn accounts_are_made_changed_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[server]\nprofile = \"p\"\ndata_dir = \"d\"\n";
        let config = Config::parse(&folder.path().join("f.toml"), text, |_| None).expect("valid");
        let none = typed(&config, "", &["list"]).await.expect("lists");
        assert!(none.starts_with("No accounts yet"), "{none}");
        let made = typed(&config, "", &["add", "root", "--role", "admin"]).await.expect("adds");
        assert!(made.starts_with("added root (admin)\npassword of root: "), "{made}");
        let words = ["add", "anna", "--skill", "cards=4", "--language", "en", "--password-stdin"];
        let made = typed(&config, "anna's password\n", &words).await.expect("adds");
        assert_eq!(made, "added anna (agent)\n", "what was typed is not shown");
        let skills = ["skills", "anna", "--skill", "loans=1", "--skill", "cards=5"];
        let changed = typed(&config, "", &skills).await.expect("changes");
        assert_eq!(changed, "anna: cards 5, loans 1\n");
        let changed = typed(&config, "", &["role", "anna", "supervisor"]).await.expect("changes");
        assert_eq!(changed, "anna has the role supervisor\n");
        let changed = typed(&config, "", &["password", "anna"]).await.expect("changes");
        assert!(changed.contains("ended all sessions\npassword of anna: "), "{changed}");
        let listed = typed(&config, "", &["list"]).await.expect("lists");
        let row = listed.lines().nth(1).expect("two accounts");
        assert!(row.starts_with("anna  anna      supervisor  cards 5, loans 1"), "{listed}");
        let json = typed(&config, "", &["list", "--json"]).await.expect("lists");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json[0]["skills"]["cards"], 5);
        for (words, expected) in [
            (&["add", "anna"][..], "there is an account \"anna\" already"),
            (&["add", "Anna"], "\"Anna\" is no name for an account"),
            (&["add", "ben", "--skill", "cards"], "write it like cards=4"),
            (&["skills", "anna", "--skill", "cards=6"], "Levels are 1"),
            (&["role", "ben", "agent"], "there is no account \"ben\""),
            (&["remove", "root"], "the last one who can give access"),
            (&["password", "anna", "--password-stdin"], "10 characters or more"),
        ] {
            let refused = typed(&config, "short\n", words).await.expect_err("refused");
            assert!(refused.contains(expected), "{words:?}: {refused}");
        }
        let removed = typed(&config, "", &["remove", "anna"]).await.expect("removes");
        assert_eq!(removed, "removed anna\n");
        let store = Store::open(&config.store_path()).await.expect("opens");
        let lines = store.audit(None, 10).await.expect("reads");
        assert_eq!(
            (lines[0].kind.as_str(), lines[0].action.as_str()),
            ("command_line", "account_removed")
        );
        assert_eq!(lines.len(), 6);
    }
}
