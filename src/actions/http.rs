//! Actions that are HTTP requests to the organisation's own systems.
//!
//! A request is repeated only where that does no harm. An answer after which nobody can know
//! whether a change was made (a connection that broke, a 500, a body that makes no sense) is a
//! `Timeout` for an action that changes state, never `Unavailable`.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::Instant;

use crate::base::Pii;
use crate::config::{ActionConfig, HttpActionConfig, HttpMethod};

use super::ActionRequest;
use super::failure::{ActionFailure, ActionOutcome, FailureKind};
use super::list::list_output;

/// Larger answers are cut off and refused.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Pause before the first further try; it doubles each time.
const BACKOFF_BASE: Duration = Duration::from_millis(100);
/// A try that cannot even connect by then would eat the whole time of the action.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One client for all actions. It keeps connections and uses no proxy: these are the organisation's
/// own systems. Redirects are not followed: one to another host would carry callers' data there,
/// and after one a POST becomes a GET whose 200 means nothing.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("frontdoor/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .build()
}

/// What one try came to.
enum Tried {
    Done(BTreeMap<String, Pii<String>>),
    /// Final: repeating would not help.
    Failed(ActionFailure),
    /// May be repeated, if the action may.
    Again(ActionFailure),
}

pub(super) struct HttpConnector {
    client: Client,
    declared: HttpActionConfig,
    /// Pointer to the list that it gives in place of outputs.
    list: Option<String>,
    token: Option<Pii<String>>,
}

impl HttpConnector {
    pub(super) fn new(
        client: Client,
        action: &ActionConfig,
        declared: &HttpActionConfig,
        token: Option<Pii<String>>,
    ) -> Self {
        Self { client, declared: declared.clone(), list: action.list.clone(), token }
    }

    /// Runs the request, with further tries while `limit` leaves time for them.
    pub(super) async fn run(
        &self,
        request: &ActionRequest,
        changes_state: bool,
        limit: Duration,
    ) -> ActionOutcome {
        let deadline = Instant::now() + limit;
        let mut pause = BACKOFF_BASE;
        let mut retries_left = self.declared.retries;
        let mut unknown: Option<ActionFailure> = None;
        loop {
            // The outer timeout would drop us without saying where we were.
            let left = deadline.saturating_duration_since(Instant::now());
            let failure = match self.attempt(request, changes_state, left).await {
                Tried::Done(outputs) => return Ok(outputs),
                // "Not found" now does not undo what an earlier try may have done.
                Tried::Failed(failure) => return Err(unknown.unwrap_or(failure)),
                Tried::Again(failure) => failure,
            };
            if failure.kind == FailureKind::Timeout {
                unknown = Some(failure.clone());
            }
            // Spread over half to one and a half, so that many calls do not come back at once.
            let wait = pause.mul_f64(0.5 + rand::random::<f64>());
            if retries_left == 0 || Instant::now() + wait >= deadline {
                // If an earlier try may have done it, "not reached now" does not undo that.
                return Err(unknown.unwrap_or(failure));
            }
            tokio::time::sleep(wait).await;
            retries_left -= 1;
            pause *= 2;
        }
    }

    async fn attempt(&self, request: &ActionRequest, changes_state: bool, left: Duration) -> Tried {
        let unsure = if changes_state { FailureKind::Timeout } else { FailureKind::Unavailable };
        let builder = match self.build(request) {
            Ok(builder) => builder.timeout(left),
            Err(failure) => return Tried::Failed(failure),
        };
        // The URL carries callers' values: it must not get into the detail.
        let response = match builder.send().await.map_err(reqwest::Error::without_url) {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                let detail = format!("no connection: {}", causes(&error));
                return Tried::Again(ActionFailure::new(FailureKind::Unavailable, detail));
            }
            Err(error) if error.is_timeout() => {
                let failure = ActionFailure::new(FailureKind::Timeout, "no answer in time");
                return Tried::Failed(failure);
            }
            Err(error) => {
                let detail = format!("the connection broke: {}", causes(&error));
                return Tried::Again(ActionFailure::new(unsure, detail));
            }
        };
        let status = response.status();
        if !status.is_success() {
            return self.failed_status(status, unsure);
        }
        if self.declared.outputs.is_empty() && self.list.is_none() {
            return Tried::Done(BTreeMap::new());
        }
        match self.outputs(response).await {
            Ok(outputs) => Tried::Done(outputs),
            Err(AnswerError::Late) => Tried::Failed(ActionFailure::new(
                FailureKind::Timeout,
                "the answer did not arrive whole in time",
            )),
            Err(AnswerError::Broken(detail)) => Tried::Again(ActionFailure::new(unsure, detail)),
            Err(AnswerError::Senseless(detail)) => {
                Tried::Failed(ActionFailure::new(unsure, detail))
            }
        }
    }

    fn failed_status(&self, status: StatusCode, unsure: FailureKind) -> Tried {
        let code = status.as_u16();
        let detail = format!("HTTP {code}");
        if let Some(word) = self.declared.failures.get(&code) {
            let failure = ActionFailure::new(FailureKind::from_words(word), detail);
            // A mapped 5xx or 429 is still worth another try; the word is for the last one.
            return if status.is_server_error() || code == 429 {
                Tried::Again(failure)
            } else {
                Tried::Failed(failure)
            };
        }
        match code {
            404 | 410 => Tried::Failed(ActionFailure::new(FailureKind::NotFound, detail)),
            // Declined before anything was done.
            408 | 429 | 503 => Tried::Again(ActionFailure::new(FailureKind::Unavailable, detail)),
            401 | 403 | 407 => Tried::Failed(ActionFailure::new(
                FailureKind::Unavailable,
                format!("{detail}: our credentials are not accepted; see bearer_env"),
            )),
            409 | 423 => Tried::Failed(ActionFailure::new(
                FailureKind::Refused("refused".to_owned()),
                format!("{detail}; map it under failures to give it a word of its own"),
            )),
            400..=499 => Tried::Failed(ActionFailure::new(FailureKind::BadRequest, detail)),
            300..=399 => Tried::Failed(ActionFailure::new(
                FailureKind::Unavailable,
                format!("{detail}: redirects are not followed; correct the url"),
            )),
            _ => Tried::Again(ActionFailure::new(unsure, detail)),
        }
    }

    fn build(&self, request: &ActionRequest) -> Result<RequestBuilder, ActionFailure> {
        let missing = |slot| ActionFailure::bad_request(format!("input \"{slot}\" is missing"));
        let value = |slot: &str| request.inputs.get(slot).map(|value| value.expose().clone());
        let url = self.url(request)?;
        let method = match self.declared.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Patch => Method::PATCH,
            HttpMethod::Delete => Method::DELETE,
        };
        let mut builder = self.client.request(method, url);
        builder = builder.header("accept", "application/json");
        if self.declared.method != HttpMethod::Get {
            let key = HeaderValue::from_str(&request.idempotency_key).map_err(|_| {
                ActionFailure::bad_request("the idempotency key is not fit for a header")
            })?;
            builder = builder.header("idempotency-key", key);
        }
        for (name, template) in &self.declared.headers {
            let text = template.fill(value).map_err(missing)?;
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| ActionFailure::bad_request(format!("header \"{name}\"")))?;
            let value = HeaderValue::from_str(&text).map_err(|_| {
                ActionFailure::bad_request(format!("the value is not fit for header \"{name}\""))
            })?;
            builder = builder.header(name, value);
        }
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| ActionFailure::bad_request("the bearer token is not fit to send"))?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        if let Some(body) = &self.declared.body {
            builder = builder.json(&body.fill(&value).map_err(missing)?);
        }
        Ok(builder)
    }

    fn url(&self, request: &ActionRequest) -> Result<Url, ActionFailure> {
        let text = self
            .declared
            .url
            .fill(|slot| request.inputs.get(slot).map(|value| percent_encode(value.expose())))
            .map_err(|slot| ActionFailure::bad_request(format!("input \"{slot}\" is missing")))?;
        let url = Url::parse(&text)
            .map_err(|error| ActionFailure::bad_request(format!("the url is not one: {error}")))?;
        // A value of `..` would climb out of the path it was put into: URL rules remove it together
        // with the part before, and then the number of parts has changed.
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let written = path.splitn(4, '/').nth(3).map_or(1, |path| path.split('/').count());
        let parsed = url.path_segments().map_or(0, Iterator::count);
        if written != parsed {
            return Err(ActionFailure::bad_request("an input would change the path of the url"));
        }
        Ok(url)
    }

    /// A `null` is no output: a sentence that needs it is not said. A member that is not there at
    /// all is a wrong pointer, or not the answer that was expected.
    async fn outputs(
        &self,
        response: Response,
    ) -> Result<BTreeMap<String, Pii<String>>, AnswerError> {
        let body = read_capped(response).await?;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            AnswerError::Senseless(format!("the answer is not JSON (line {line}, column {column})"))
        })?;
        if let Some(pointer) = &self.list {
            return listed(&answer, pointer);
        }
        let mut outputs = BTreeMap::new();
        for (name, pointer) in &self.declared.outputs {
            let text = match answer.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(flag)) => flag.to_string(),
                Some(Value::Null) => continue,
                _ => {
                    return Err(AnswerError::Senseless(format!(
                        "the answer has no text or number at {pointer} for output \"{name}\""
                    )));
                }
            };
            outputs.insert(name.clone(), Pii::new(text));
        }
        Ok(outputs)
    }
}

/// The array of texts at this place of an answer.
fn listed(answer: &Value, pointer: &str) -> Result<BTreeMap<String, Pii<String>>, AnswerError> {
    let items = answer.pointer(pointer).and_then(Value::as_array).ok_or_else(|| {
        AnswerError::Senseless(format!("the answer has no array at \"{pointer}\" for the list"))
    })?;
    let texts: Option<Vec<String>> =
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    let texts = texts.ok_or_else(|| {
        AnswerError::Senseless(format!("the array at \"{pointer}\" holds what is no text"))
    })?;
    list_output(texts).map_err(|failure| AnswerError::Senseless(failure.detail))
}

enum AnswerError {
    Late,
    /// The connection, not the content.
    Broken(String),
    /// The content.
    Senseless(String),
}

async fn read_capped(mut response: Response) -> Result<Vec<u8>, AnswerError> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            if error.is_timeout() {
                AnswerError::Late
            } else {
                AnswerError::Broken(format!(
                    "the answer broke off: {}",
                    causes(&error.without_url())
                ))
            }
        })?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(AnswerError::Senseless(format!(
                "the answer is larger than {ANSWER_BYTES_MAX} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
}

/// An error with the errors below it: the outermost alone only says "error sending request".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        below = cause.source();
    }
    text
}

/// RFC 3986 section 2.3: everything but unreserved characters is encoded.
fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encode("aZ09-._~"), "aZ09-._~");
        assert_eq!(percent_encode("a/b?c=d&e#f %+é"), "a%2Fb%3Fc%3Dd%26e%23f%20%25%2B%C3%A9");
    }
}
