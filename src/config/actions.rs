//! What actions are declared to do: the parts of `[actions]` that make sense, and the templates that slots
//! are filled into.

use std::collections::BTreeMap;

use super::sql::SqlActionConfig;

/// `[actions."NAME"]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionConfig {
    /// The name that prompt files use (`crm.balance`).
    pub name: String,
    /// Slots that must be filled.
    pub inputs: Vec<String>,
    /// Whether it changes anything.
    pub changes_state: bool,
    /// For the whole action, retries included: a caller is waiting.
    pub timeout_ms: u64,
    /// Where the list is that it gives in place of outputs, to check names against: a column (SQL),
    /// a JSON pointer to an array of texts (HTTP), or a name (the demo CRM).
    pub list: Option<String>,
    /// How it is done.
    pub connector: ConnectorConfig,
}

impl ActionConfig {
    /// The variables its result fills.
    pub fn output_names(&self) -> Vec<&str> {
        match &self.connector {
            ConnectorConfig::DemoCrm { outputs } => outputs.iter().map(String::as_str).collect(),
            ConnectorConfig::Http(http) => http.outputs.keys().map(String::as_str).collect(),
            ConnectorConfig::Sql(sql) => sql.outputs.keys().map(String::as_str).collect(),
        }
    }
}

/// How an action is done.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectorConfig {
    /// By the built-in demo CRM; the part of the action's name after the dot is the operation.
    DemoCrm {
        /// Outputs that may be used.
        outputs: Vec<String>,
    },
    /// By a request to the organisation's own system.
    Http(Box<HttpActionConfig>),
    /// By a transaction on the organisation's own database.
    Sql(Box<SqlActionConfig>),
}

/// The methods an action may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// Reads; may be repeated.
    Get,
    /// Creates or does; repeated only when declared `idempotent`.
    Post,
    /// Replaces; repeated only when declared `idempotent`.
    Put,
    /// Changes; repeated only when declared `idempotent`.
    Patch,
    /// Removes; repeated only when declared `idempotent`.
    Delete,
}

impl HttpMethod {
    /// As it stands in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// An action that is an HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpActionConfig {
    /// The method.
    pub method: HttpMethod,
    /// Blanks are URL-encoded when filled; none is before the path.
    pub url: TextTemplate,
    /// Further tries after the first. More than 0 only where repeating does no harm.
    pub retries: u32,
    /// Environment variable that holds the bearer token.
    pub bearer_env: Option<String>,
    /// Header names in lower case with their values.
    pub headers: BTreeMap<String, TextTemplate>,
    /// The JSON body, if there is one.
    pub body: Option<JsonTemplate>,
    /// Output name to JSON pointer (RFC 6901) into the answer.
    pub outputs: BTreeMap<String, String>,
    /// HTTP status to failure word.
    pub failures: BTreeMap<u16, String>,
}

/// A piece of a [`TextTemplate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextPart {
    Text(String),
    Slot(String),
}

/// Text with `{slot}` blanks; `{{` and `}}` are the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate {
    pub(super) parts: Vec<TextPart>,
}

impl TextTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// A sentence naming the brace that has no partner or the blank without a name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(doubled) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = doubled;
                continue;
            }
            if brace == "}" {
                return Err(format!("`}}` without `{{` in `{text}`; write `}}}}` for a brace"));
            }
            let Some(end) = after.find('}') else {
                return Err(format!("`{{` without `}}` in `{text}`; write `{{{{` for a brace"));
            };
            let name = after[..end].trim();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(format!("`{{{name}}}` in `{text}` is not the name of a slot"));
            }
            if !plain.is_empty() {
                parts.push(TextPart::Text(std::mem::take(&mut plain)));
            }
            parts.push(TextPart::Slot(name.to_owned()));
            rest = &after[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(TextPart::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The blanks, in order.
    pub fn slots(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TextPart::Slot(name) => Some(name.as_str()),
            TextPart::Text(_) => None,
        })
    }

    /// Fills the blanks. `value` gives what to write for a slot, already encoded.
    ///
    /// # Errors
    /// The name of the first slot that has no value.
    pub fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TextPart::Text(plain) => text.push_str(plain),
                TextPart::Slot(name) => {
                    text.push_str(&value(name).ok_or_else(|| name.clone())?);
                }
            }
        }
        Ok(text)
    }
}

/// A JSON value whose strings are templates.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    /// A number, boolean or null: as it is.
    Plain(serde_json::Value),
    /// A string with blanks.
    Text(TextTemplate),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object.
    Object(BTreeMap<String, JsonTemplate>),
}

impl JsonTemplate {
    /// All blanks.
    pub fn slots(&self) -> Vec<&str> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Text(text) => text.slots().collect(),
            Self::List(items) => items.iter().flat_map(Self::slots).collect(),
            Self::Object(fields) => fields.values().flat_map(Self::slots).collect(),
        }
    }

    /// Fills the blanks; a value becomes a JSON string or part of one, never anything else.
    ///
    /// # Errors
    /// The name of the first slot that has no value.
    pub fn fill(
        &self,
        value: &impl Fn(&str) -> Option<String>,
    ) -> Result<serde_json::Value, String> {
        Ok(match self {
            Self::Plain(plain) => plain.clone(),
            Self::Text(text) => serde_json::Value::String(text.fill(value)?),
            Self::List(items) => serde_json::Value::Array(
                items.iter().map(|item| item.fill(value)).collect::<Result<_, _>>()?,
            ),
            Self::Object(fields) => serde_json::Value::Object(
                fields
                    .iter()
                    .map(|(key, field)| Ok((key.clone(), field.fill(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
        })
    }
}
