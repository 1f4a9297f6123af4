//! What an agent might say first: facts of the hand-off, and nothing else.

use crate::acd::WaiterKind;
use crate::acd::handoff::Handoff;

/// Field of the caller's record with the name that they are called by.
const FIRST_NAME: &str = "first_name";

/// The result of an identity check that the caller has passed.
const PASSED: &str = "passed";

/// A first line. `about` is what the caller wants in the words of the prompt files ("a lost card"), if it
/// was understood. Whoever has not proved who they are is asked, not addressed, by the name that belongs to
/// their number: it may be somebody else's telephone.
pub(super) fn first_line(handoff: &Handoff, about: Option<&str>, kind: WaiterKind) -> String {
    let name = first_name(handoff);
    let is_known = handoff.verification.as_ref().is_some_and(|check| check.result == PASSED);
    let greeting = match (name, is_known) {
        (Some(name), true) => format!("Hello {name}."),
        (Some(name), false) => format!("Hello, am I speaking with {name}?"),
        (None, _) => "Hello.".to_owned(),
    };
    let matter = match (kind, about) {
        (WaiterKind::Call, Some(about)) => format!("I understand you're calling about {about}."),
        (WaiterKind::Call, None) => "How can I help you?".to_owned(),
        (WaiterKind::Callback, Some(about)) => {
            format!("You asked us to call you back about {about}.")
        }
        (WaiterKind::Callback, None) => "You asked us to call you back.".to_owned(),
    };
    let proof = if is_known { " You don't need to prove again who you are." } else { "" };
    format!("{greeting} {matter}{proof}")
}

fn first_name(handoff: &Handoff) -> Option<&str> {
    let name = handoff.crm.as_ref()?.get(FIRST_NAME)?.as_str()?.trim();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::handoff::HandoffVerification;
    use crate::server::floor::tests::a_handoff;

    #[test]
    fn a_first_line_says_what_is_known_and_no_more() {
        let with = |name: Option<&str>, result: Option<&str>| {
            let mut handoff = a_handoff("c", None);
            handoff.crm =
                name.map(|name| serde_json::Map::from_iter([(FIRST_NAME.to_owned(), name.into())]));
            handoff.verification = result.map(|result| HandoffVerification {
                method: "pin".to_owned(),
                result: result.to_owned(),
                tries: 1,
            });
            handoff
        };
        let card = Some("a lost card");
        for (handoff, about, kind, expected) in [
            (
                with(Some("Maria"), Some("passed")),
                card,
                WaiterKind::Call,
                "Hello Maria. I understand you're calling about a lost card. You don't need to prove \
                 again who you are.",
            ),
            (
                with(Some("Maria"), Some("failed")),
                card,
                WaiterKind::Call,
                "Hello, am I speaking with Maria? I understand you're calling about a lost card.",
            ),
            (with(Some(" "), None), None, WaiterKind::Call, "Hello. How can I help you?"),
            (
                with(None, None),
                card,
                WaiterKind::Callback,
                "Hello. You asked us to call you back about a lost card.",
            ),
        ] {
            assert_eq!(first_line(&handoff, about, kind), expected);
        }
    }
}
