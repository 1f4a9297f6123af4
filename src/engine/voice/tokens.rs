//! Written text cut at its blanks into tokens: a core, the marks behind it, a bracket before it.
//! Pure.

/// A mark that the voice hears: a pause, or the tune of a question.
pub(super) const MARKS: [char; 6] = ['.', '!', '?', ';', ':', ','];

/// One blank-separated piece of written text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Whether a bracket opened before it.
    pub opened: bool,
    /// The piece without the punctuation around it.
    pub core: &'a str,
    /// The punctuation behind it, as written.
    pub trail: &'a str,
}

impl<'a> Token<'a> {
    /// Cuts the punctuation off a piece without blanks.
    pub fn parse(piece: &'a str) -> Self {
        const OPENING: &[char] =
            &['(', '[', '{', '<', '"', '\'', '*', '_', '~', '`', ',', ';', '!'];
        const CLOSING: &[char] =
            &['.', ',', ';', ':', '!', '?', ')', ']', '}', '>', '"', '\'', '*', '_', '~', '`'];
        // A key on the keypad, said by name, is not decoration.
        if let Some(trail) =
            piece.strip_prefix('*').filter(|t| t.chars().all(|c| MARKS.contains(&c)))
        {
            return Self { opened: false, core: &piece[..1], trail };
        }
        let inner = piece.trim_start_matches(OPENING);
        let opened = piece[..piece.len() - inner.len()].contains(['(', '[']);
        let core = inner.trim_end_matches(CLOSING);
        let (core, trail) = match core.is_empty() {
            // Only punctuation: "..." or "),".
            true => ("", piece),
            false => (core, &inner[core.len()..]),
        };
        Self { opened, core, trail }
    }

    /// Whether a full stop comes directly behind the core (`Dr.`, `a.m.`).
    pub fn is_dotted(&self) -> bool {
        self.trail.starts_with('.')
    }

    /// The strongest mark behind the core; a closing bracket counts as a comma.
    pub fn mark(&self) -> Option<char> {
        strongest(self.trail)
    }

    /// The strongest mark behind the core and the full stop that is part of it.
    pub fn mark_after_dot(&self) -> Option<char> {
        strongest(self.trail.strip_prefix('.').unwrap_or(self.trail))
    }

    /// Whether the core starts with a capital letter.
    pub fn is_capitalised(&self) -> bool {
        self.core.starts_with(char::is_uppercase)
    }
}

/// Whether a text is one or more ASCII digits and nothing else.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn strongest(trail: &str) -> Option<char> {
    // A question stays a question in "?!"; brackets only part.
    ['?', '!', '.', ';', ':', ',']
        .into_iter()
        .find(|&mark| trail.contains(mark))
        .or_else(|| trail.contains([')', ']']).then_some(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_punctuation_off() {
        for (piece, core, mark) in [
            ("hello", "hello", None),
            ("hello,", "hello", Some(',')),
            ("(555)", "555", Some(',')),
            ("$1,234.50.", "$1,234.50", Some('.')),
            ("a.m.", "a.m", Some('.')),
            ("really?!", "really", Some('?')),
            ("**bold**", "bold", None),
            ("*", "*", None),
            ("*.", "*", Some('.')),
            ("#.", "#", Some('.')),
            ("...", "", Some('.')),
            ("\"quoted.\"", "quoted", Some('.')),
        ] {
            let token = Token::parse(piece);
            assert_eq!((token.core, token.mark()), (core, mark), "{piece}");
        }
    }
}
