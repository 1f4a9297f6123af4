//! Who is calling: runs the declared lookup on the caller's number while the phone still rings.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::actions::{ActionRequest, Actions};
use crate::base::{CallId, Pii};
use crate::config::Config;

/// The caller hears ringing meanwhile, so it must not take long; without it we just know less.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The caller's record, empty if their number is unknown or the CRM is down.
pub(super) async fn caller_record(
    config: &Config,
    actions: &Actions,
    call: CallId,
    caller_user: &str,
) -> BTreeMap<String, Pii<String>> {
    let Some(lookup) = &config.caller_lookup else { return BTreeMap::new() };
    let phone: String = caller_user.chars().filter(char::is_ascii_digit).collect();
    if phone.is_empty() {
        return BTreeMap::new();
    }
    let request = ActionRequest {
        action: lookup.action.clone(),
        inputs: BTreeMap::from([("phone".to_owned(), Pii::new(phone))]),
        idempotency_key: format!("{call}-lookup"),
    };
    match tokio::time::timeout(LOOKUP_TIMEOUT, actions.run(request)).await {
        Ok(Ok(record)) => record,
        Ok(Err(failure)) => {
            tracing::info!(kind = ?failure.kind, "the caller's number gave no record");
            BTreeMap::new()
        }
        Err(_) => {
            tracing::warn!("the caller lookup took too long");
            BTreeMap::new()
        }
    }
}
