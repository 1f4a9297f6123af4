//! What pages are told about getting their audio through: the STUN and TURN servers of `[webrtc]`, as the
//! constructor of `RTCPeerConnection` takes them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::Pii;
use crate::config::WebRtcConfig;

/// A server, as a browser wants it (`RTCIceServer` of the W3C).
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IceServer {
    /// `stun:...`, `turn:...` or `turns:...`.
    pub urls: Vec<String>,
    /// TURN only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN only: its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// One that nothing vouches for, while calls need a token: it is told no password.
    Anyone,
    /// One that may call: it has a token, or none is asked for; or somebody who has signed in.
    Admitted,
}

/// A password of `turn` is not in the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "webrtc.turn names the environment variable {variable} for {url}, which is not set. Set it \
     before starting frontdoor"
)]
pub struct PasswordMissing {
    /// The server.
    pub url: String,
    /// The variable.
    pub variable: String,
}

/// All servers, with their passwords.
#[derive(Debug, Clone, Default)]
pub struct IceServers {
    stun: Vec<String>,
    /// URL, name, password.
    turn: Vec<(String, String, Pii<String>)>,
}

impl IceServers {
    /// Those of a configuration; `environment` has the passwords.
    ///
    /// # Errors
    /// One is missing.
    pub fn new(
        config: &WebRtcConfig,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, PasswordMissing> {
        let turn = config.turn.iter().map(|server| {
            let (url, variable) = (server.url.clone(), server.password_env.clone());
            match environment(&variable).filter(|password| !password.is_empty()) {
                Some(password) => Ok((url, server.username.clone(), Pii::new(password))),
                None => Err(PasswordMissing { url, variable }),
            }
        });
        Ok(Self { stun: config.stun.clone(), turn: turn.collect::<Result<_, _>>()? })
    }

    /// What a page is told.
    pub fn told(&self, page: Page) -> Vec<IceServer> {
        let stun = (!self.stun.is_empty()).then(|| IceServer {
            urls: self.stun.clone(),
            username: None,
            credential: None,
        });
        let turn = self.turn.iter().filter(|_| page == Page::Admitted);
        let turn = turn.map(|(url, username, password)| IceServer {
            urls: vec![url.clone()],
            username: Some(username.clone()),
            credential: Some(password.expose().clone()),
        });
        stun.into_iter().chain(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::config::Config;

    const LINES: &str = "[server]\nprofile = \"p\"\ndata_dir = \"/d\"\n[webrtc]\n\
        stun = [\"stun:stun.example\"]\nturn = [{ url = \"turn:turn.example\", username = \"us\", \
        password_env = \"TURN\" }]\n";

    fn webrtc(text: &str) -> WebRtcConfig {
        Config::parse(Path::new("/f.toml"), text, |_| None).expect("valid").webrtc
    }

    #[test]
    fn only_who_may_call_is_told_the_password() {
        let servers =
            IceServers::new(&webrtc(LINES), |name| (name == "TURN").then(|| "s3cret".to_owned()))
                .expect("it is set");
        assert_eq!(
            json!(servers.told(Page::Admitted)),
            json!([
                { "urls": ["stun:stun.example"] },
                { "urls": ["turn:turn.example"], "username": "us", "credential": "s3cret" },
            ])
        );
        assert_eq!(json!(servers.told(Page::Anyone)), json!([{ "urls": ["stun:stun.example"] }]));
        assert!(!format!("{servers:?}").contains("s3cret"));
        let none = webrtc("[server]\nprofile = \"p\"\ndata_dir = \"/d\"\n");
        let none = IceServers::new(&none, |_| None).expect("nothing is missing");
        assert!(none.told(Page::Admitted).is_empty());
    }

    #[test]
    fn a_password_that_is_not_set_is_named() {
        for set in [None, Some(String::new())] {
            let error = IceServers::new(&webrtc(LINES), |_| set.clone()).expect_err("not set");
            assert!(error.to_string().contains("TURN for turn:turn.example"), "{error}");
        }
    }
}
