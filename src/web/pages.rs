//! The pages that browsers show: HTML, style and scripts, as they are in the program.
//!
//! Job: serve them with the right type, so that a browser keeps them but asks whether they are
//! still the same, and so that nothing inline and nothing from elsewhere runs in them. Non-job:
//! who may see what. There is no data in a page: its scripts ask the API, which knows who asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use sha2::{Digest, Sha256};

/// A file of `assets/`.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal)*) => {
        &[$(Asset { name: $name, bytes: include_bytes!(concat!("assets/", $name)) }),*]
    };
}

const ASSETS: &[Asset] = assets![
    "api.js" "base.css" "call.css" "call.html" "call.js" "desk-audio.js" "desk-call.js"
    "desk-case.js" "desk-idle.js" "desk-keys.js" "desk.css" "desk.html" "desk.js" "floor.css" "floor.js"
    "handoff.css" "handoff.js" "home.html" "home.js" "icon.svg" "ops-admin.js" "ops-live.js"
    "ops-load.js" "ops-records.js" "ops-today.js" "ops.html" "ops.js" "rtc.js" "sign-in.css" "sign-in.html"
    "sign-in.js" "skills.js" "sse.js" "supervisor.html" "supervisor.js" "theme.js"
    "transcript.js" "ui.js" "widget.js"
];

/// The assets by their names, each with its ETag.
static SERVED: LazyLock<BTreeMap<&'static str, (&'static Asset, HeaderValue)>> =
    LazyLock::new(|| {
        ASSETS.iter().map(|asset| (asset.name, (asset, tag_of(asset.bytes)))).collect()
    });

/// Who may show a page within one of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framed {
    /// Any site: the caller's page, which `widget.js` opens in a panel. All that can be done in it
    /// is to call, and the browser asks for the microphone in the name of the site around it.
    ByAnybody,
    /// Nobody: a page of staff could be laid under somebody's clicks.
    ByNobody,
}

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Same-origin scripts and styles, no inline ones, no eval, nothing from elsewhere.
const POLICY_BY_NOBODY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";
const POLICY_BY_ANYBODY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors *";

/// The routes of all pages. They need no state, so they go into a router of any.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", page("home.html", Framed::ByNobody))
        .route("/call", page("call.html", Framed::ByAnybody))
        .route("/sign-in", page("sign-in.html", Framed::ByNobody))
        .route("/desk", page("desk.html", Framed::ByNobody))
        .route("/supervisor", page("supervisor.html", Framed::ByNobody))
        .route("/ops", page("ops.html", Framed::ByNobody))
        .route("/widget.js", get(widget))
        .route("/assets/{name}", get(asset))
}

fn page<S>(name: &'static str, framed: Framed) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    get(move |headers: HeaderMap| async move {
        let mut response = serve(name, &headers);
        let policy = match framed {
            Framed::ByAnybody => POLICY_BY_ANYBODY,
            Framed::ByNobody => POLICY_BY_NOBODY,
        };
        let policy = HeaderValue::from_static(policy);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response
    })
}

/// Other sites take this one script into their pages.
async fn widget(headers: HeaderMap) -> Response {
    let mut response = serve("widget.js", &headers);
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    response
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some((asset, tag)) = SERVED.get(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Kept, but asked about each time: after an update no page runs with a script of before.
    let about = [
        (ETAG, tag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_TYPE, HeaderValue::from_static(content_type(name))),
    ];
    if is_known(headers, tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, asset.bytes).into_response()
}

/// Whether the browser has this version (RFC 9110 13.1.2).
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let ours = tag.to_str().unwrap_or_default();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|theirs| theirs.trim().trim_start_matches("W/"))
        .any(|theirs| theirs == ours || theirs == "*")
}

/// A strong tag: 128 bits of the digest of what is served.
fn tag_of(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let mut tag = String::from("\"");
    for byte in digest.iter().take(16) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes are a header's value")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
