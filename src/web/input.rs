//! What comes in: bodies, parts of the path and queries, each refused in the same words.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::Web;
use super::error::ApiError;

/// A JSON body may be so long.
pub const JSON_LEN_MAX: usize = 64 * 1024;
/// And an SDP body; those of browsers with many networks have tens of kilobytes.
pub const SDP_LEN_MAX: usize = 128 * 1024;

const JSON: &str = "application/json";
const SDP: &str = "application/sdp";

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Web> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, ApiError> {
        let Json(value) = Json::<T>::from_request(request, web).await.map_err(refused_json)?;
        Ok(Self(value))
    }
}

fn refused_json(rejection: JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => wrong_type(JSON),
        JsonRejection::BytesRejection(rejection) => refused_bytes(rejection),
        // Names the key. It may repeat the value: it goes to whoever sent it, and into no log.
        JsonRejection::JsonDataError(error) => ApiError::bad_request(error.body_text()),
        JsonRejection::JsonSyntaxError(error) => ApiError::bad_request(error.body_text()),
        other => ApiError::bad_request(other.body_text()),
    }
}

fn refused_bytes(rejection: BytesRejection) -> ApiError {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long").with_fix(format!(
                "send at most {} KiB of JSON, or {} KiB of SDP",
                JSON_LEN_MAX / 1024,
                SDP_LEN_MAX / 1024
            ))
        }
        _ => ApiError::bad_request("the body did not come through"),
    }
}

fn wrong_type(wanted: &str) -> ApiError {
    let error = format!("the body has to be {wanted}");
    let fix = format!("send Content-Type: {wanted}");
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error).with_fix(fix)
}

/// Whether the body is of this type, whatever its parameters.
fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

/// An SDP body.
#[derive(Debug)]
pub struct SdpBody(pub String);

impl FromRequest<Web> for SdpBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, ApiError> {
        if !is_of_type(request.headers(), SDP) {
            return Err(wrong_type(SDP));
        }
        Ok(Self(text(request, web).await?))
    }
}

async fn text(request: Request, web: &Web) -> Result<String, ApiError> {
    let bytes = Bytes::from_request(request, web).await.map_err(refused_bytes)?;
    String::from_utf8(bytes.into())
        .map_err(|_| ApiError::bad_request("the body is not text in UTF-8"))
}

/// Either of the two.
#[derive(Debug)]
pub enum SdpOrJson<T> {
    /// SDP.
    Sdp(String),
    /// JSON.
    Json(T),
}

impl<T: DeserializeOwned> FromRequest<Web> for SdpOrJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, ApiError> {
        if is_of_type(request.headers(), SDP) {
            return Ok(Self::Sdp(text(request, web).await?));
        }
        if is_of_type(request.headers(), JSON) {
            let JsonBody(value) = JsonBody::from_request(request, web).await?;
            return Ok(Self::Json(value));
        }
        Err(wrong_type("application/sdp, or application/json"))
    }
}

/// Parts of the path.
#[derive(Debug)]
pub struct PathPart<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Web> for PathPart<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, web).await {
            Ok(Path(value)) => Ok(Self(value)),
            // A number that is none names nothing.
            Err(_) => Err(ApiError::not_found("there is nothing at this address")),
        }
    }
}

/// What stands behind the question mark.
#[derive(Debug)]
pub struct QueryPart<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Web> for QueryPart<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, web).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::bad_request(rejection.body_text())),
        }
    }
}
