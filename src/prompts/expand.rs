//! The short forms of `## Callers say`: `(a|b)` one of them, `[c]` with or without, `{slot}` a
//! value. A line stands for several sentences; at most [`EXPANSIONS_MAX`] of them are made.

use crate::nlu::SlotKind;

/// Most sentences made of one line. More teach the classifier nothing new.
pub(super) const EXPANSIONS_MAX: u64 = 24;

/// A line that stands for more sentences than this is certainly not meant.
const COMBINATIONS_MAX: u64 = 100_000;

/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    Slot(String),
    /// One of these; an empty one for "or nothing".
    Choice(Vec<Vec<Node>>),
}

/// A line of examples as parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression(Vec<Node>);

/// A line whose brackets make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpandError {
    #[error("a `{0}` is opened and never closed")]
    Unclosed(char),
    #[error("there is a `{0}` that closes nothing")]
    Stray(char),
    #[error("there is a `|` outside of brackets")]
    Bar,
    #[error("there are brackets with nothing in them")]
    Empty,
    #[error("`{{{0}}}` is not the name of something we need")]
    BadSlot(String),
    #[error("brackets are nested more than {DEPTH_MAX} deep")]
    TooDeep,
    #[error("this line stands for more than {COMBINATIONS_MAX} sentences")]
    TooMany,
}

impl ExpandError {
    /// What to do about it.
    pub(super) fn fix(&self) -> String {
        match self {
            Self::Unclosed('(') => "add the missing `)`".to_owned(),
            Self::Unclosed('[') => "add the missing `]`".to_owned(),
            Self::Unclosed(_) => "add the missing `}`".to_owned(),
            Self::Stray(bracket) => format!("remove the `{bracket}`, or open it first"),
            Self::Bar => "write choices as `(this|that)`".to_owned(),
            Self::Empty => "write the words inside, or remove the brackets".to_owned(),
            Self::BadSlot(_) => "write it exactly as under `## We need`".to_owned(),
            Self::TooDeep | Self::TooMany => "split it into several lines".to_owned(),
        }
    }
}

impl Expression {
    /// Reads a line.
    pub(super) fn parse(text: &str) -> Result<Self, ExpandError> {
        let mut reader = Reader { chars: text.chars().peekable() };
        let mut choices = reader.choices(None, 0)?;
        if choices.len() > 1 {
            return Err(ExpandError::Bar);
        }
        let expression = Self(choices.pop().unwrap_or_default());
        if expression.combinations() > COMBINATIONS_MAX {
            return Err(ExpandError::TooMany);
        }
        Ok(expression)
    }

    /// The slots it names.
    pub(super) fn slots(&self) -> Vec<&str> {
        let mut found = Vec::new();
        collect_slots(&self.0, &mut found);
        found
    }

    fn combinations(&self) -> u64 {
        sequence_count(&self.0)
    }

    /// The sentences it stands for, evenly sampled if there are too many, always the same ones.
    /// `value` gives a typical value for a slot.
    pub(super) fn expand(&self, value: &mut dyn FnMut(&str) -> String) -> Vec<String> {
        let total = self.combinations();
        let mut indexes: Vec<u64> = (0..total.min(EXPANSIONS_MAX)).collect();
        if total > EXPANSIONS_MAX {
            // A stride without a common divisor visits all choices of every bracket equally often;
            // the golden ratio keeps the first ones from clustering.
            let mut step = total * 618 / 1000;
            while gcd(step, total) != 1 {
                step += 1;
            }
            for index in &mut indexes {
                *index = *index * step % total;
            }
            indexes.sort_unstable();
        }
        let mut sentences: Vec<String> = Vec::new();
        for index in indexes {
            let mut out = String::new();
            let mut index = index;
            render(&self.0, &mut index, value, &mut out);
            let sentence = tidy(&out);
            if !sentence.is_empty() && !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        sentences
    }
}

struct Reader<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Reader<'_> {
    /// Reads `a|b|c` up to `close`, or to the end of the line.
    fn choices(
        &mut self,
        close: Option<char>,
        depth: usize,
    ) -> Result<Vec<Vec<Node>>, ExpandError> {
        if depth > DEPTH_MAX {
            return Err(ExpandError::TooDeep);
        }
        let mut choices = vec![Vec::new()];
        let mut text = String::new();
        loop {
            let next = self.chars.next();
            let plain = !matches!(next, None | Some('(' | '[' | '{' | ')' | ']' | '}' | '|'));
            if let (true, Some(c)) = (plain, next) {
                text.push(c);
                continue;
            }
            let current = choices.last_mut().expect("there is always a choice being read");
            if !text.is_empty() {
                current.push(Node::Text(std::mem::take(&mut text)));
            }
            match next {
                None => match close {
                    None => return Ok(choices),
                    Some(close) => return Err(ExpandError::Unclosed(opener(close))),
                },
                Some('(') => current.push(Node::Choice(self.group(')', depth)?)),
                Some('[') => {
                    let mut inner = self.group(']', depth)?;
                    inner.push(Vec::new());
                    current.push(Node::Choice(inner));
                }
                Some('{') => current.push(self.slot()?),
                Some('|') => choices.push(Vec::new()),
                Some(c) if Some(c) == close => return Ok(choices),
                Some(c) => return Err(ExpandError::Stray(c)),
            }
        }
    }

    fn group(&mut self, close: char, depth: usize) -> Result<Vec<Vec<Node>>, ExpandError> {
        let choices = self.choices(Some(close), depth + 1)?;
        let blank = |nodes: &Vec<Node>| {
            nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
        };
        if choices.iter().all(blank) {
            return Err(ExpandError::Empty);
        }
        Ok(choices)
    }

    fn slot(&mut self) -> Result<Node, ExpandError> {
        let mut name = String::new();
        loop {
            match self.chars.next() {
                Some('}') => break,
                Some(c) if !"([{|)]".contains(c) => name.push(c),
                _ => return Err(ExpandError::Unclosed('{')),
            }
        }
        let name = name.trim().to_owned();
        if super::template::is_name(&name) {
            Ok(Node::Slot(name))
        } else {
            Err(ExpandError::BadSlot(name))
        }
    }
}

const fn opener(close: char) -> char {
    if close == ')' { '(' } else { '[' }
}

fn collect_slots<'a>(nodes: &'a [Node], found: &mut Vec<&'a str>) {
    for node in nodes {
        match node {
            Node::Text(_) => {}
            Node::Slot(name) => found.push(name),
            Node::Choice(choices) => {
                for choice in choices {
                    collect_slots(choice, found);
                }
            }
        }
    }
}

fn sequence_count(nodes: &[Node]) -> u64 {
    nodes.iter().map(node_count).fold(1, u64::saturating_mul)
}

fn node_count(node: &Node) -> u64 {
    match node {
        Node::Text(_) | Node::Slot(_) => 1,
        Node::Choice(choices) => {
            choices.iter().map(|choice| sequence_count(choice)).fold(0, u64::saturating_add)
        }
    }
}

/// Writes the combination with this index. Each bracket takes its part of the index away.
fn render(
    nodes: &[Node],
    index: &mut u64,
    value: &mut dyn FnMut(&str) -> String,
    out: &mut String,
) {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Slot(name) => out.push_str(&value(name)),
            Node::Choice(choices) => {
                let count = node_count(node);
                let mut own = *index % count;
                *index /= count;
                for choice in choices {
                    let size = sequence_count(choice);
                    if own < size {
                        render(choice, &mut own, value, out);
                        break;
                    }
                    own -= size;
                }
            }
        }
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One space between words, none before a comma or the end of the sentence.
fn tidy(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let joined = joined.replace(" ,", ",").replace(" ?", "?").replace(" .", ".");
    joined.trim_matches([' ', ',']).to_owned()
}

/// Values that callers typically say for a slot, to stand in for it in examples.
pub(super) fn typical_values(kind: &SlotKind, name: &str) -> Vec<String> {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match kind {
        SlotKind::Digits { min, max } => ["123456789012", "407192638504", "550138274916"]
            .iter()
            .enumerate()
            .map(|(index, digits)| {
                let length = if index % 2 == 0 { *max } else { *min };
                let digits = digits.chars().cycle().take(length.min(40));
                digits.map(String::from).collect::<Vec<_>>().join(" ")
            })
            .collect(),
        SlotKind::Money => {
            owned(&["50 dollars", "a hundred dollars", "$250", "20 bucks", "1,200 dollars"])
        }
        SlotKind::OneOf(choices) => choices
            .iter()
            .map(|choice| choice.value.clone())
            .chain(choices.iter().flat_map(|choice| choice.also.iter().cloned()))
            .collect(),
        SlotKind::Date => owned(&["March 31st", "tomorrow", "the 5th of June", "next Friday"]),
        SlotKind::Time => owned(&["2:30 pm", "ten o'clock", "noon", "a quarter to nine"]),
        SlotKind::Phone => owned(&["415 555 0123", "212-555-0199", "3 1 2 5 5 5 0 1 4 2"]),
        SlotKind::Zip => owned(&["94103", "1 0 0 0 1", "60611"]),
        SlotKind::Postcode => owned(&["SW1A 1AA", "M1 1AE", "B33 8TH"]),
        SlotKind::Card => owned(&["4111 1111 1111 1111", "5555 5555 5555 4444"]),
        SlotKind::Name => owned(&["John Smith", "Maria Garcia", "Lee"]),
        SlotKind::Email => owned(&["john.smith@example.com", "maria at example dot com"]),
        SlotKind::Text => vec![name.replace('_', " ")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlu::Choice;

    fn expand(text: &str) -> Vec<String> {
        Expression::parse(text).expect(text).expand(&mut |name| format!("<{name}>"))
    }

    #[test]
    fn short_forms_expand() {
        let cases: [(&str, &[&str]); 7] = [
            ("hello", &["hello"]),
            ("my (a|b) c", &["my a c", "my b c"]),
            ("how much [money] is left", &["how much money is left", "how much is left"]),
            ("[please] (a|b)", &["please a", "a", "please b", "b"]),
            ("(a|b [c|d]) e", &["a e", "b c e", "b d e", "b e"]),
            ("in {account_type}", &["in <account_type>"]),
            (
                "so [well] , hi [there] ?",
                &["so well, hi there?", "so, hi there?", "so well, hi?", "so, hi?"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text), expected, "{text}");
        }
    }

    #[test]
    fn too_many_are_sampled_evenly_and_always_the_same() {
        let text = "(a|b|c) (d|e|f|g) (h|i|j) [k] (l|m)";
        let sentences = expand(text);
        assert_eq!(sentences.len(), 24);
        assert_eq!(sentences, expand(text));
        for (letter, at_least) in
            [("a", 6), ("c", 6), ("d", 4), ("g", 4), ("j", 6), ("k", 9), ("m", 9)]
        {
            let count = sentences.iter().filter(|s| s.contains(letter)).count();
            assert!(count >= at_least, "{letter} is in {count} of {sentences:?}");
        }
    }

    #[test]
    fn brackets_that_make_no_sense_are_named() {
        for (text, expected) in [
            ("a (b|c", ExpandError::Unclosed('(')),
            ("a [b", ExpandError::Unclosed('[')),
            ("a {b", ExpandError::Unclosed('{')),
            ("a b)", ExpandError::Stray(')')),
            ("a (b]", ExpandError::Stray(']')),
            ("a } b", ExpandError::Stray('}')),
            ("a | b", ExpandError::Bar),
            ("a () b", ExpandError::Empty),
            ("{Account Type}", ExpandError::BadSlot("Account Type".into())),
            ("((((((((a))))))))", ExpandError::TooDeep),
            (&"(a|b)".repeat(100), ExpandError::TooMany),
        ] {
            assert_eq!(Expression::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn typical_values_have_the_shape_of_their_kind() {
        let digits = typical_values(&SlotKind::Digits { min: 4, max: 8 }, "n");
        assert_eq!(digits[..2], ["1 2 3 4 5 6 7 8", "4 0 7 1"]);
        let choice = |value: &str, also: &str| Choice {
            value: value.to_owned(),
            also: vec![also.to_owned()],
        };
        let kind = SlotKind::OneOf(vec![choice("checking", "current"), choice("savings", "saver")]);
        assert_eq!(typical_values(&kind, "n"), ["checking", "savings", "current", "saver"]);
        assert_eq!(typical_values(&SlotKind::Text, "new_address"), ["new address"]);
    }
}
