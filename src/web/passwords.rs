//! Passwords: what is taken for one, and what is kept of it (argon2id, RFC 9106).

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::Semaphore;

use crate::base::Pii;

/// Shorter ones are guessed.
const LEN_MIN: usize = 10;
/// In bytes: longer ones only cost time.
const LEN_MAX: usize = 256;
/// Each takes 19 MiB and tens of milliseconds of a core that callers need: the rest wait, and are no
/// more than there are connections.
const AT_ONCE: usize = 2;

/// Why a password cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is too short, too long, or the account's own name.
    #[error("{0}")]
    Unfit(&'static str),
    /// The machine could not do it.
    #[error("the password cannot be worked on: {0}")]
    Machine(String),
}

/// Turns passwords into what is kept, and compares them with it. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    /// What the password of an account that does not exist is compared with, so that the answer
    /// takes as long.
    decoy: Arc<str>,
}

impl Passwords {
    /// # Errors
    /// [`PasswordError::Machine`].
    pub fn new() -> Result<Self, PasswordError> {
        let decoy = hash(&super::secret::new_secret())?;
        Ok(Self { at_once: Arc::new(Semaphore::new(AT_ONCE)), decoy: decoy.into_inner().into() })
    }

    /// What is kept of a new password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(
        &self,
        account: &str,
        password: &Pii<String>,
    ) -> Result<Pii<String>, PasswordError> {
        check_new(account, password)?;
        let password = password.clone();
        self.off_the_runtime(move || hash(&password)).await?
    }

    /// Whether this is the password; of somebody who is not there (`None`) it never is, and that
    /// takes as long to say.
    ///
    /// # Errors
    /// [`PasswordError::Machine`].
    pub async fn is_right(
        &self,
        password: &Pii<String>,
        kept: Option<&Pii<String>>,
    ) -> Result<bool, PasswordError> {
        if password.expose().len() > LEN_MAX {
            return Ok(false);
        }
        let is_there = kept.is_some();
        let kept = kept.map_or_else(|| self.decoy.to_string(), |kept| kept.expose().clone());
        let password = password.clone();
        let matches = move || {
            let kept = PasswordHash::new(&kept).map_err(machine)?;
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &kept).is_ok())
        };
        let is_right: Result<bool, PasswordError> = self.off_the_runtime(matches).await?;
        Ok(is_right? && is_there)
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permit = Arc::clone(&self.at_once).acquire_owned().await.map_err(machine)?;
        // The permit goes along: whoever asked may be gone before the work is done.
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(machine)
    }
}

fn machine(error: impl ToString) -> PasswordError {
    PasswordError::Machine(error.to_string())
}

fn hash(password: &Pii<String>) -> Result<Pii<String>, PasswordError> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(machine)?;
    let hash =
        Argon2::default().hash_password(password.expose().as_bytes(), &salt).map_err(machine)?;
    Ok(Pii::new(hash.to_string()))
}

/// Whether this is taken for a password.
///
/// # Errors
/// [`PasswordError::Unfit`].
pub(super) fn check_new(account: &str, password: &Pii<String>) -> Result<(), PasswordError> {
    let password = password.expose();
    if password.chars().count() < LEN_MIN {
        return Err(PasswordError::Unfit("a password has 10 characters or more"));
    }
    if password.len() > LEN_MAX {
        return Err(PasswordError::Unfit("a password has 256 bytes at most"));
    }
    if password.eq_ignore_ascii_case(account) {
        return Err(PasswordError::Unfit("the name of the account is no password"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Pii<String> {
        Pii::new(text.to_owned())
    }

    #[tokio::test]
    async fn what_is_kept_knows_its_password() {
        let passwords = Passwords::new().expect("it works");
        let right = secret("correct horse");
        let kept = passwords.hash("anna", &right).await.expect("it is fit");
        assert!(kept.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let again = passwords.hash("anna", &right).await.expect("it is fit");
        assert_ne!(kept, again, "each has its own salt");
        for (given, kept, expected) in [
            ("correct horse", Some(&kept), true),
            ("correct horsf", Some(&kept), false),
            ("", Some(&kept), false),
            ("correct horse", None, false),
        ] {
            let is_right = passwords.is_right(&secret(given), kept).await.expect("it works");
            assert_eq!(is_right, expected, "{given}");
        }
        let endless = secret(&"x".repeat(1_000_000));
        assert!(!passwords.is_right(&endless, Some(&kept)).await.expect("it works"));
    }

    #[tokio::test]
    async fn what_is_no_password_is_refused() {
        let passwords = Passwords::new().expect("it works");
        for unfit in ["short", "Annamarie.b", &"x".repeat(257)] {
            let refused = passwords.hash("annamarie.b", &secret(unfit)).await;
            assert!(matches!(refused, Err(PasswordError::Unfit(_))), "{unfit}");
        }
    }
}
