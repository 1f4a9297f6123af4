//! A copy of the customer system that nobody else uses, and what the actions talk to.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Context;
use tempfile::TempDir;

use crate::config::{Config, ConnectorConfig, HttpActionConfig};

/// A configuration whose data, the demo customer system among them, is in a folder of its own.
/// The folder goes when this is dropped.
pub(super) struct Sandbox {
    config: Config,
    _folder: TempDir,
}

impl Sandbox {
    /// The same configuration on an empty data folder.
    ///
    /// # Errors
    /// There is no place for temporary files.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("frontdoor-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let mut config = config.clone();
        config.server.data_dir = folder.path().to_owned();
        // A database that has a seed is made anew from it. One action names the seed; all that use
        // the database must use the copy.
        let mut copies: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        for (index, database) in config.seeded_databases().into_keys().enumerate() {
            let name = database.file_name().unwrap_or(OsStr::new("database.sqlite"));
            // Two databases may have the same name in different folders.
            let copy = folder.path().join(index.to_string()).join(name);
            copies.insert(database.to_owned(), copy);
        }
        for action in config.actions.values_mut() {
            if let ConnectorConfig::Sql(sql) = &mut action.connector
                && let Some(copy) = copies.get(&sql.database)
            {
                sql.database.clone_from(copy);
            }
        }
        Ok(Self { config, _folder: folder })
    }

    /// The configuration to use.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }
}

/// The customer system's databases that frontdoor itself can make: the demo's, and those that have
/// a seed.
pub(super) fn own_databases(config: &Config) -> BTreeSet<PathBuf> {
    let actions = config.actions.values();
    actions
        .filter_map(|action| match &action.connector {
            ConnectorConfig::DemoCrm { .. } => Some(config.demo_crm_path()),
            ConnectorConfig::Sql(sql) => sql.seed.is_some().then(|| sql.database.clone()),
            ConnectorConfig::Http(_) => None,
        })
        .collect()
}

/// The systems that actions talk to and that frontdoor cannot make a copy of, each once.
pub(super) fn outside_systems(config: &Config) -> BTreeSet<String> {
    let seeded = config.seeded_databases();
    let actions = config.actions.values();
    actions
        .filter_map(|action| match &action.connector {
            ConnectorConfig::DemoCrm { .. } => None,
            ConnectorConfig::Sql(sql) => {
                let ours = seeded.contains_key(&sql.database.as_path());
                (!ours).then(|| sql.database.display().to_string())
            }
            ConnectorConfig::Http(http) => Some(host_of(http)),
        })
        .collect()
}

/// Scheme and host. No blank stands before the path, so any value will do.
fn host_of(http: &HttpActionConfig) -> String {
    let url = http.url.fill(|_| Some("0".to_owned())).unwrap_or_default();
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let end = url[host_at..].find('/').map_or(url.len(), |at| host_at + at);
    url[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(actions: &str) -> Config {
        let text = format!("[server]\nprofile = \"p\"\ndata_dir = \"d\"\n{actions}");
        Config::parse(std::path::Path::new("/f.toml"), &text, |_| None).expect("valid")
    }

    #[test]
    fn outside_systems_are_named_by_their_host() {
        assert!(outside_systems(&config("")).is_empty());
        let actions = "[actions.\"crm.balance\"]\nkind = \"http\"\nmethod = \"GET\"\n\
                       url = \"https://crm.example:8443/accounts/{account_number}\"\n\
                       inputs = [\"account_number\"]\noutputs = { balance = \"/balance\" }\n\
                       timeout_ms = 3000\n";
        let found: Vec<String> = outside_systems(&config(actions)).into_iter().collect();
        assert_eq!(found, ["https://crm.example:8443"]);
    }

    #[test]
    fn all_actions_on_a_seeded_database_get_the_same_copy() {
        let action = |name: &str, database: &str, seed: &str| {
            format!(
                "[actions.\"{name}\"]\nkind = \"sql\"\ndatabase = \"sqlite:{database}\"\n{seed}\
                 inputs = [\"id\"]\nstatements = [\"SELECT a FROM b WHERE c = :id\"]\n"
            )
        };
        let config = config(&format!(
            "{}{}{}{}",
            action("a.first", "one/x.db", "seed = \"x.sql\"\n"),
            action("a.second", "one/x.db", ""),
            action("a.third", "two/x.db", "seed = \"x.sql\"\n"),
            action("a.fourth", "theirs.db", ""),
        ));
        let theirs: Vec<String> = outside_systems(&config).into_iter().collect();
        assert_eq!(theirs, ["/theirs.db"]);
        let sandbox = Sandbox::new(&config).expect("a folder");
        let folder = sandbox.config().server.data_dir.clone();
        let database = |name: &str| match &sandbox.config().actions[name].connector {
            ConnectorConfig::Sql(sql) => sql.database.clone(),
            _ => panic!("{name} is on a database"),
        };
        assert!(database("a.first").starts_with(&folder));
        assert_eq!(database("a.first"), database("a.second"));
        assert_ne!(database("a.first"), database("a.third"));
        assert!(database("a.third").starts_with(&folder));
        assert_eq!(database("a.fourth"), PathBuf::from("/theirs.db"));
        assert_eq!(own_databases(sandbox.config()).len(), 2);
    }

    #[test]
    fn a_sandbox_has_a_folder_of_its_own_and_takes_it_along() {
        let config = config("");
        let sandbox = Sandbox::new(&config).expect("a folder");
        let folder = sandbox.config().server.data_dir.clone();
        assert!(folder.is_dir() && folder != config.server.data_dir);
        drop(sandbox);
        assert!(!folder.exists());
    }
}
