//! Who asks, and whether they may: each handler says with its first argument whom it is for.
//!
//! A session comes in a cookie that no page can read and no other site's requests carry
//! (SameSite=Strict). Whatever changes something needs the session's CSRF token besides, and comes
//! from our own pages if the browser says where it comes from.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::base::Pii;
use crate::config::WebConfig;
use crate::store::{Role, Scope, Who};

use super::Web;
use super::accounts::{Actor, Session, token_subject};
use super::error::ApiError;
use super::secret::{Digest, bearer};
use super::source::Source;

/// The cookie that holds a session.
pub const SESSION_COOKIE: &str = "frontdoor_session";
/// The header that goes along with whatever changes something.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The cookie that gives a browser its session; it goes when the browser is closed.
pub(super) fn session_cookie(secret: &Pii<String>, config: &WebConfig) -> Cookie<'static> {
    Cookie::build((SESSION_COOKIE, secret.expose().clone()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(config.is_encrypted())
        .build()
}

/// The cookie that takes it away again.
pub(super) fn no_session_cookie() -> Cookie<'static> {
    Cookie::build((SESSION_COOKIE, "")).path("/").build()
}

/// The session that a request carries, if any; it may be over.
pub(super) fn session_secret(headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    jar.get(SESSION_COOKIE).map(|cookie| cookie.value().to_owned())
}

/// Somebody who is signed in, whatever they may do; even if their password is to be changed first.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Their session.
    pub session: Session,
    /// Where they are.
    pub source: IpAddr,
}

impl FromRequestParts<Web> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        let Ok(Source(source)) = Source::from_request_parts(parts, web).await;
        let secret = session_secret(&parts.headers).ok_or_else(ApiError::not_signed_in)?;
        let session = web.accounts().session(&secret, web.now().at).await?;
        let session = session.ok_or_else(ApiError::not_signed_in)?;
        if changes_something(&parts.method) {
            check_origin(&parts.headers, web.config())?;
            check_csrf(&parts.headers, &session)?;
        }
        Ok(Self { session, source })
    }
}

fn changes_something(method: &Method) -> bool {
    !method.is_safe()
}

fn check_csrf(headers: &HeaderMap, session: &Session) -> Result<(), ApiError> {
    let given = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    match given {
        Some(given) if Digest::of(&session.csrf).is_of(given) => Ok(()),
        _ => Err(ApiError::forbidden("X-CSRF-Token is missing or wrong")
            .with_fix("send the `csrf` of GET /api/session along as X-CSRF-Token")),
    }
}

/// Browsers say which page a request comes from. Programs say nothing.
///
/// # Errors
/// 403 if it is a page of somebody else's.
pub(super) fn check_origin(headers: &HeaderMap, config: &WebConfig) -> Result<(), ApiError> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let theirs = origin.split_once("://").map(|(_, theirs)| theirs);
    let is_here = theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(host));
    let is_public = config.public_url.as_ref().is_some_and(|url| url.eq_ignore_ascii_case(origin));
    if is_here || is_public {
        return Ok(());
    }
    Err(ApiError::forbidden("the request comes from a page of another site")
        .with_fix("behind a proxy, give the address of the pages as [web] public_url"))
}

/// Opening a desk takes it from where it was open, though it is asked for with GET: browsers say where
/// they were told to, also for a page of a neighbouring name, to which the cookie goes along.
///
/// # Errors
/// 403 if it is a page of somebody else's.
pub(super) fn check_fetched_here(headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(site, Some(b"cross-site" | b"same-site")) {
        return Err(ApiError::forbidden("the request comes from a page of another site"));
    }
    Ok(())
}

impl SignedIn {
    /// Whoever has a password of their own.
    fn with_own_password(self) -> Result<Self, ApiError> {
        if self.session.account.must_change {
            return Err(ApiError::forbidden("the password is to be changed first")
                .with_fix("POST /api/session/password"));
        }
        Ok(self)
    }

    /// For the audit.
    pub fn actor(&self) -> Actor {
        let who = Who::Account(self.session.account.name.clone());
        Actor { who, source: self.source.to_string() }
    }
}

macro_rules! people {
    ($(#[$doc:meta])* $name:ident: $($role:ident)|+) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            /// The account.
            pub name: String,
            /// As colleagues know them.
            pub display_name: String,
            /// What they may do.
            pub role: Role,
            /// Where they are.
            pub source: IpAddr,
            /// What their session is known by.
            pub session: String,
        }

        impl $name {
            /// For the audit.
            pub fn actor(&self) -> Actor {
                Actor { who: Who::Account(self.name.clone()), source: self.source.to_string() }
            }
        }

        impl FromRequestParts<Web> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
                let signed_in = SignedIn::from_request_parts(parts, web).await?;
                let SignedIn { session, source } = signed_in.with_own_password()?;
                let account = session.account;
                if !matches!(account.role, $(Role::$role)|+) {
                    let error = format!("this is not for the role {}", account.role);
                    return Err(ApiError::forbidden(error));
                }
                Ok(Self {
                    name: account.name,
                    display_name: account.display_name,
                    role: account.role,
                    source,
                    session: session.digest,
                })
            }
        }
    };
}

people! {
    /// Somebody with a desk.
    Agent: Agent | Supervisor | Admin
}

people! {
    /// Somebody who sees and directs queues and agents.
    Supervisor: Supervisor | Admin
}

people! {
    /// Somebody who sees calls and their records.
    Operations: Operations | Admin
}

people! {
    /// Somebody who says who may do what.
    Admin: Admin
}

people! {
    /// Anybody who is signed in, with a password of their own.
    Member: Agent | Supervisor | Operations | Admin
}

/// Who may fetch hand-offs: people who are signed in, and programs with a token for it. Agents see those of
/// calls that they have taken, or are offered.
#[derive(Debug, Clone)]
pub struct HandoffReader {
    /// For the audit.
    pub actor: Actor,
    /// Whose calls alone they may see; all, if nobody is named.
    pub only_of: Option<String>,
}

impl FromRequestParts<Web> for HandoffReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        let Some(token) = bearer(&parts.headers) else {
            let member = Member::from_request_parts(parts, web).await?;
            let only_of = (member.role == Role::Agent).then(|| member.name.clone());
            return Ok(Self { actor: member.actor(), only_of });
        };
        let found = web.accounts().token(token, Scope::Handoffs, web.now().at).await?;
        let found = found.ok_or_else(wrong_token)?;
        let Ok(Source(source)) = Source::from_request_parts(parts, web).await;
        Ok(Self { actor: Actor::token(token_subject(&found), source), only_of: None })
    }
}

/// 401 for a token that is good for nothing, or for something else.
pub(super) fn wrong_token() -> ApiError {
    use axum::http::StatusCode;
    ApiError::new(StatusCode::UNAUTHORIZED, "the token is missing, wrong, or for something else")
}
