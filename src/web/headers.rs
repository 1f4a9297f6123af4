//! What every answer says besides: who may frame, sniff, keep or follow it.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::Web;

/// The page that callers have, which may stand within a page of the organisation's.
const CALL_PAGE: &str = "/call";

const PERMISSIONS_POLICY: &str = "permissions-policy";
const OPENER_POLICY: &str = "cross-origin-opener-policy";

/// Data is no page.
const OF_DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// Pages have nothing from elsewhere and nothing inline, and are nobody else's.
const OF_PAGES: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";
const OF_CALL_PAGE: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors *";

/// Whether a path belongs to the API.
pub(super) fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// Adds what an answer does not say for itself.
pub(super) async fn add(State(web): State<Web>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    complete(response.headers_mut(), &path);
    if web.config().is_encrypted() {
        let a_year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert(a_year);
    }
    response
}

fn complete(headers: &mut HeaderMap, path: &str) {
    let policy = match path {
        CALL_PAGE => OF_CALL_PAGE,
        path if is_api(path) => OF_DATA,
        _ => OF_PAGES,
    };
    if is_api(path) {
        // What a shared cache or a browser's disk keeps, others can read.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static(PERMISSIONS_POLICY),
            "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
        ),
        (HeaderName::from_static(OPENER_POLICY), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_callers_page_may_be_framed_and_no_data_is_kept() {
        let policy = |path: &str| {
            let mut headers = HeaderMap::new();
            complete(&mut headers, path);
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
            let keeps = headers.get(CACHE_CONTROL).is_none_or(|value| value != "no-store");
            (headers[CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned(), keeps)
        };
        for (path, framed_by, keeps) in [
            ("/call", "frame-ancestors *", true),
            ("/desk", "frame-ancestors 'none'", true),
            ("/call/other", "frame-ancestors 'none'", true),
            ("/api/call", "frame-ancestors 'none'", false),
        ] {
            let (policy, kept) = policy(path);
            assert!(policy.ends_with(framed_by), "{path}: {policy}");
            assert_eq!(kept, keeps, "{path}");
            assert!(!policy.contains("unsafe"), "{path}: {policy}");
        }
    }

    #[test]
    fn what_a_page_says_itself_holds() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("own"));
        complete(&mut headers, "/desk");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "own");
    }
}
