//! The Replaces header (RFC 3891 6.1): which call an INVITE takes over. Pure.

use super::wire::is_token;

/// A Replaces value. The tags are named as the other side sees them: `to_tag` is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replaces {
    pub(super) call_id: String,
    pub(super) to_tag: String,
    pub(super) from_tag: String,
    /// Only a call that is not answered yet may be taken over.
    pub(super) early_only: bool,
}

impl Replaces {
    /// Reads one value; `None` if it does not name one dialog.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty() && !id.contains([' ', ',']))?;
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            let (name, text) = (name.trim().to_ascii_lowercase(), text.trim());
            let place = match name.as_str() {
                "to-tag" => &mut to_tag,
                "from-tag" => &mut from_tag,
                "early-only" => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            if !is_token(text) || place.replace(text.to_owned()).is_some() {
                return None;
            }
        }
        Some(Self { call_id: call_id.to_owned(), to_tag: to_tag?, from_tag: from_tag?, early_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dialog_is_named_or_none() {
        for (value, early_only) in [
            ("c1@host;to-tag=a;from-tag=b", false),
            (" c1@host ; From-Tag = b ; x=y ; to-tag=a;early-only", true),
        ] {
            let read = Replaces::parse(value).unwrap_or_else(|| panic!("{value}"));
            let expected = Replaces {
                call_id: "c1@host".to_owned(),
                to_tag: "a".to_owned(),
                from_tag: "b".to_owned(),
                early_only,
            };
            assert_eq!(read, expected, "{value}");
        }
        for bad in [
            "",
            "c1",
            "c1;to-tag=a",
            "c1;from-tag=b",
            ";to-tag=a;from-tag=b",
            "c1;to-tag=;from-tag=b",
            "c1;to-tag=a;to-tag=a;from-tag=b",
            "c1;to-tag=a;from-tag=b,c2;to-tag=a;from-tag=b",
            "c1,c2;to-tag=a;from-tag=b",
        ] {
            assert_eq!(Replaces::parse(bad), None, "{bad}");
        }
    }
}
