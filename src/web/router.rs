//! Which address leads where.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::api::{
    accounts, audit, call, desk, document, floor, handoffs, live, records, session, today, tokens,
};
use super::error::ApiError;
use super::headers::{self, is_api};
use super::input::JSON_LEN_MAX;
use super::{Web, pages};

/// Everything that is answered, and the description of the API.
pub fn router(web: Web) -> (Router, OpenApi) {
    let (api, mut description) = api().split_for_parts();
    document::name_operations(&mut description);
    let written = document::Written::of(&description);
    let router = api
        .merge(pages::router())
        .method_not_allowed_fallback(not_in_this_way)
        .fallback(nothing_here)
        .layer(Extension(written))
        .layer(DefaultBodyLimit::max(JSON_LEN_MAX))
        .layer(from_fn_with_state(web.clone(), headers::add))
        .with_state(web);
    (router, description)
}

/// The API. Each part describes itself; further parts are merged here and nowhere else, so that the
/// description has all of them.
fn api() -> OpenApiRouter<Web> {
    let of_access = session::router()
        .merge(accounts::router())
        .merge(tokens::router())
        .merge(floor::router())
        .layer(from_fn(to_the_end));
    document::base()
        .merge(document::router())
        .merge(of_access)
        .merge(call::router())
        .merge(desk::router())
        .merge(live::router())
        .merge(today::router())
        .merge(records::router())
        .merge(handoffs::router())
        .merge(audit::router())
}

/// Goes on with a change whose asker has gone: a request whose connection is closed is dropped where
/// it stands, which may be between the change and its line in the audit.
async fn to_the_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => ApiError::unavailable("it was not done").with_cause(error).into_response(),
    }
}

/// Something that is nowhere.
async fn nothing_here(uri: Uri) -> Response {
    if is_api(uri.path()) {
        return ApiError::not_found("there is nothing at this address")
            .with_fix("GET /api/openapi.json lists what there is")
            .into_response();
    }
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
                <title>Not found</title><h1>There is no such page</h1>\
                <p><a href=\"/\">To the beginning</a></p></html>";
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    (StatusCode::NOT_FOUND, headers, page).into_response()
}

/// Something that is there, for other methods: `Allow` says which.
async fn not_in_this_way(method: Method) -> ApiError {
    let error = format!("this cannot be asked with {method}; see the Allow header");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, error)
}
