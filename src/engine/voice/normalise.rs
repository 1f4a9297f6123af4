//! Written English to words that can be said: no digit, symbol or abbreviation is left, only
//! words, blanks and the marks `. ! ? ; : ,`. Pure.
//!
//! The phonemiser reads `Dr.` as the end of a sentence and digits in its own way; what reaches it
//! is decided here. Letters to be spelled come out as single capitals: `ATM` -> `A T M`.

use super::abbreviations::{Short, abbreviation, acronym, spelled, symbol};
use super::dates::month;
use super::tokens::{MARKS, Token};
use super::written::{Said, say_written};

/// Longest text taken, in bytes; the rest is cut at a blank.
pub const TEXT_BYTES_MAX: usize = 8_000;

/// Text as it will be said. `said_as` replaces whole words and phrases first, whatever their case
/// (`("Acme360", "acme three sixty")`), the longest match first.
pub fn normalise(text: &str, said_as: &[(String, String)]) -> String {
    let text = cut(text);
    let text = replace_words(&clean(text), said_as);
    let tokens: Vec<Token<'_>> = text.split_whitespace().map(Token::parse).collect();
    let mut spoken = Spoken::default();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].opened {
            spoken.mark(',');
        }
        let Said { words, taken, mark } = say(&tokens, at);
        spoken.words(&words);
        if let Some(mark) = mark {
            spoken.mark(mark);
        }
        at += taken.max(1);
    }
    spoken.text
}

/// The longest part within [`TEXT_BYTES_MAX`] that ends at a blank.
fn cut(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    text[..end].rsplit_once(char::is_whitespace).map_or(&text[..end], |(head, _)| head)
}

/// Typography to plain characters: quotes, dashes, blanks, dots; what can't be said is dropped.
fn clean(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let chars: Vec<char> = text.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| chars.get(i)).copied().unwrap_or(' ');
        let after = chars.get(i + 1).copied().unwrap_or(' ');
        match c {
            '\u{2018}' | '\u{2019}' | '\u{02bc}' => plain.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{00ab}' | '\u{00bb}' => plain.push('"'),
            '\u{2212}' | '\u{2010}' | '\u{2011}' => plain.push('-'),
            '\u{2012}'..='\u{2015}' => {
                // Between figures a dash is a range, elsewhere a pause.
                let is_range = !before.is_whitespace()
                    && !after.is_whitespace()
                    && (before.is_ascii_digit() || after.is_ascii_digit());
                plain.push_str(if is_range { " to " } else { " , " });
            }
            '\u{2026}' => plain.push('.'),
            '\n' if after == '\n' => plain.push_str(" . "),
            '\u{00a2}' | '\u{00a3}' | '\u{20ac}' | '\u{00b0}' => plain.push(c),
            _ if c.is_ascii_graphic() || is_latin(c) => plain.push(c),
            _ => plain.push(' '),
        }
    }
    plain
}

/// Letters the English phonemiser can read.
fn is_latin(c: char) -> bool {
    c.is_alphabetic() && matches!(c, '\u{00c0}'..='\u{024f}' | '\u{1e00}'..='\u{1eff}')
}

/// Replaces whole words and phrases in one pass from left to right, so that what was put in is
/// not replaced again.
fn replace_words(text: &str, said_as: &[(String, String)]) -> String {
    let mut pairs: Vec<&(String, String)> =
        said_as.iter().filter(|(written, _)| !written.trim().is_empty()).collect();
    if pairs.is_empty() {
        return text.to_owned();
    }
    pairs.sort_by_key(|(written, _)| std::cmp::Reverse(written.len()));
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let found = pairs.iter().find(|(written, _)| {
            let is_same =
                rest.get(..written.len()).is_some_and(|head| head.eq_ignore_ascii_case(written));
            is_same
                && !(before.is_alphanumeric() && written.starts_with(char::is_alphanumeric))
                && !(written.ends_with(char::is_alphanumeric)
                    && rest[written.len()..].starts_with(char::is_alphanumeric))
        });
        let taken = match found {
            Some((written, said)) => {
                replaced.push_str(said);
                written.len()
            }
            None => {
                replaced.push(c);
                c.len_utf8()
            }
        };
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    replaced
}

/// What is said for the token at `at`, and how many tokens that took.
fn say(tokens: &[Token<'_>], at: usize) -> Said {
    let token = &tokens[at];
    let one = |words: String| Said { words, taken: 1, mark: token.mark() };
    if token.core.is_empty() {
        return one(String::new());
    }
    if let Some(said) = say_short(tokens, at) {
        return said;
    }
    if let Some(said) = say_written(tokens, at) {
        return said;
    }
    if matches!(token.core, "-" | "--" | "|" | "\\" | "/") {
        return Said { words: String::new(), taken: 1, mark: Some(token.mark().unwrap_or(',')) };
    }
    one(say_word(token.core))
}

/// Abbreviations, with the full stop that belongs to them.
fn say_short(tokens: &[Token<'_>], at: usize) -> Option<Said> {
    let token = &tokens[at];
    let next = tokens.get(at + 1);
    let is_title_mark = token.mark_after_dot();
    let said = |words: &str, mark| Some(Said { words: words.to_owned(), taken: 1, mark });
    if let Some(words) = neighbourly(tokens, at) {
        let mark = match words {
            "saint" | "doctor" | "number" => is_title_mark,
            _ => closing_mark(token, next),
        };
        return said(words, mark);
    }
    match abbreviation(token.core)? {
        Short::Title(words) if token.is_dotted() || token.core.len() > 1 => {
            // "Ms" and "Mr" are written without the stop in Britain; "rev" or "ext" as words are
            // not abbreviations.
            let is_bare_title = matches!(token.core, "Mr" | "Mrs" | "Ms");
            let is_latin_form = token.core.contains('.');
            if token.is_dotted() || is_bare_title || is_latin_form {
                said(words, is_title_mark)
            } else {
                None
            }
        }
        Short::Dotted(words) if token.is_dotted() => said(words, closing_mark(token, next)),
        Short::Always(words) if token.is_dotted() => said(words, closing_mark(token, next)),
        Short::Always(words) => said(words, token.mark()),
        _ => None,
    }
}

/// `St.`, `Dr.` and `No.` mean one thing before a name or number and another behind one.
fn neighbourly(tokens: &[Token<'_>], at: usize) -> Option<&'static str> {
    let token = &tokens[at];
    let next = tokens.get(at + 1);
    let is_before_name =
        token.mark_after_dot().is_none() && next.is_some_and(Token::is_capitalised);
    let is_after_name = at > 0
        && tokens[at - 1].mark().is_none()
        && (tokens[at - 1].is_capitalised() || super::dates::day(tokens[at - 1].core).is_some());
    match (token.core, token.is_dotted()) {
        ("St", true) if is_after_name => Some("street"),
        ("St", _) if is_before_name => Some("saint"),
        ("St", true) => Some("street"),
        ("Dr", true) if is_after_name && !is_before_name => Some("drive"),
        ("Dr", _) if is_before_name => Some("doctor"),
        ("Dr", true) => Some("doctor"),
        ("No" | "no" | "Nr", true)
            if next.is_some_and(|n| n.core.starts_with(|c: char| c.is_ascii_digit())) =>
        {
            Some("number")
        }
        _ => None,
    }
}

/// The mark behind an abbreviation whose full stop may also end the sentence: it does where the
/// text ends or a capital follows that is no month or weekday.
pub(super) fn closing_mark(token: &Token<'_>, next: Option<&Token<'_>>) -> Option<char> {
    let is_end = match next {
        None => true,
        Some(next) => {
            next.is_capitalised()
                && month(next.core).is_none()
                && super::dates::weekday(next.core.get(..3).unwrap_or_default()).is_none()
        }
    };
    match token.mark_after_dot() {
        Some(mark) => Some(mark),
        None if is_end && token.is_dotted() => Some('.'),
        None => None,
    }
}

/// A word, a compound, or symbols among words.
pub(super) fn say_word(core: &str) -> String {
    // "AT&T", "B&B": initials around the sign.
    let is_initials =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_uppercase());
    if core.contains('&') && core.split('&').all(is_initials) {
        return core.split('&').map(spelled).collect::<Vec<_>>().join(" and ");
    }
    let mut said = Vec::new();
    let mut piece = String::new();
    for c in core.chars() {
        if c.is_alphanumeric() || c == '\'' || c == '-' {
            piece.push(c);
            continue;
        }
        flush(&mut piece, &mut said);
        match c {
            '/' => said.push("or".to_owned()),
            _ => said.extend(symbol(c).map(str::to_owned)),
        }
    }
    flush(&mut piece, &mut said);
    // "cash/" or "/cash": no choice without a second word.
    let is_or = |word: Option<&String>| word.is_some_and(|w| w == "or") && core.contains('/');
    if is_or(said.first()) {
        said.remove(0);
    }
    if is_or(said.last()) && said.len() > 1 {
        said.pop();
    }
    said.join(" ")
}

/// Says the letters, digits and hyphens gathered so far.
fn flush(piece: &mut String, said: &mut Vec<String>) {
    let word = std::mem::take(piece);
    let word = word.trim_matches(['-', '\'']);
    if word.is_empty() {
        return;
    }
    if word.contains(|c: char| c.is_ascii_digit()) {
        said.extend(word.split('-').map(super::written::alphanumeric));
        return;
    }
    if let Some(words) = acronym(word) {
        said.push(words);
        return;
    }
    // "IT-support": capitals in a compound are said like capitals alone.
    if word.contains('-') && word.split('-').any(|part| acronym(part).is_some()) {
        said.extend(word.split('-').map(|p| acronym(p).unwrap_or_else(|| p.to_owned())));
        return;
    }
    // "J-o-h-n": spelled already.
    if word.contains('-') && word.split('-').all(|part| part.chars().count() == 1) {
        said.push(spelled(word));
        return;
    }
    said.push(word.to_owned());
}

/// The text being put together.
#[derive(Default)]
struct Spoken {
    text: String,
}

impl Spoken {
    fn words(&mut self, words: &str) {
        for word in words.split_whitespace() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(word);
        }
    }

    /// Puts a mark behind the last word; of two marks the one that ends more stays.
    fn mark(&mut self, mark: char) {
        let rank = |mark: char| MARKS.iter().rev().position(|&m| m == mark);
        match self.text.chars().next_back() {
            None => {}
            Some(last) if MARKS.contains(&last) => {
                let is_weaker = matches!(last, ',' | ';' | ':') && rank(mark) > rank(last);
                if is_weaker {
                    self.text.pop();
                    self.text.push(mark);
                }
            }
            Some(_) => self.text.push(mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (written, said)
    const CASES: &[(&str, &str)] = &[
        // Numbers.
        ("You have 3 messages.", "You have three messages."),
        ("1,234 points", "one thousand two hundred thirty four points"),
        ("1500 people", "one thousand five hundred people"),
        ("3.5", "three point five"),
        ("It is -5 outside", "It is minus five outside"),
        ("\u{2212}12", "minus twelve"),
        ("the 1st, 2nd and 23rd", "the first, second and twenty third"),
        ("15%", "fifteen percent"),
        ("2.5% off.", "two point five percent off."),
        ("1/2 or 3/4", "one half or three quarters"),
        // Money.
        (
            "Your balance is $1,234.50.",
            "Your balance is one thousand two hundred thirty four dollars and fifty cents.",
        ),
        ("$1", "one dollar"),
        ("$0.05", "five cents"),
        ("$0.01", "one cent"),
        ("$0", "zero dollars"),
        ("$1.01", "one dollar and one cent"),
        ("-$5.00", "minus five dollars"),
        ("$-5.25", "minus five dollars and twenty five cents"),
        ("£12.30", "twelve pounds and thirty pence"),
        ("£0.01", "one penny"),
        ("€99,", "ninety nine euros,"),
        ("$5 million", "five million dollars"),
        ("$2.5k", "two point five thousand dollars"),
        ("50¢", "fifty cents"),
        ("$5-$10", "five dollars to ten dollars"),
        ("US$20", "twenty dollars"),
        // Dates.
        ("on March 31.", "on March thirty first."),
        ("March 31, 2026", "March thirty first, twenty twenty six"),
        ("2026-03-31", "March thirty first, twenty twenty six"),
        ("3/31/2026", "March thirty first, twenty twenty six"),
        ("Mar. 5th", "March fifth"),
        ("31 March 2026", "the thirty first of March, twenty twenty six"),
        ("the 4 July", "the fourth of July"),
        ("you may 5 times", "you may five times"),
        ("in 1999 and 2005", "in nineteen ninety nine and two thousand five"),
        ("2019-2021", "twenty nineteen to twenty twenty one"),
        // Times.
        ("at 9:30 am", "at nine thirty A M"),
        ("at 17:00", "at five P M"),
        ("9 am to 5 pm", "nine A M to five P M"),
        ("9am-5pm", "nine A M to five P M"),
        ("9\u{2013}5", "nine to five"),
        ("Mon-Fri", "Monday to Friday"),
        ("at 9 a.m. Monday", "at nine A M Monday"),
        ("We open at 9 a.m. Please call then.", "We open at nine A M. Please call then."),
        ("We open at 9 a.m.", "We open at nine A M."),
        ("10:05", "ten oh five"),
        ("24/7", "twenty four seven"),
        // Digits one by one.
        ("1 2, 3 4", "one two, three four"),
        ("12345678", "one two three four five six seven eight"),
        ("0042", "zero zero four two"),
        ("555-0123", "five five five, zero one two three"),
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("+1 555 123 4567", "plus one, five five five, one two three, four five six seven"),
        ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
        (
            "4111 1111 2222 3333",
            "four one one one, one one one one, two two two two, three three three three",
        ),
        ("card ending 1234", "card ending one two three four"),
        ("ending in 0987.", "ending in zero nine eight seven."),
        ("Your code is 2026", "Your code is two zero two six"),
        ("No. 5", "number five"),
        ("#5 and #1234", "number five and number one two three four"),
        ("ticket AB1234", "ticket A B one two three four"),
        // Abbreviations.
        ("Mr. and Mrs. Smith", "mister and missus Smith"),
        ("Dr. Jones lives on Oak Dr.", "doctor Jones lives on Oak drive."),
        ("St. Mary on Main St.", "saint Mary on Main street."),
        ("5th Ave. and Mill Rd.", "fifth avenue and Mill road."),
        ("cards, e.g. debit", "cards, for example debit"),
        ("fees, rates, etc. apply", "fees, rates, et cetera apply"),
        ("Fees, rates, etc.", "Fees, rates, et cetera."),
        ("No. I can't.", "No. I can't."),
        ("ext. 204", "extension two zero four"),
        // Capitals.
        ("the ATM", "the A T M"),
        ("your PIN or ID", "your pin or I D"),
        ("Read the FAQ", "Read the F A Q"),
        ("SSN", "S S N"),
        ("AT&T", "A T and T"),
        ("PLEASE CALL NOW", "please call now"),
        // Symbols and addresses.
        ("checking & savings", "checking and savings"),
        ("checking/savings", "checking or savings"),
        ("and/or", "and or"),
        ("Press # or *.", "Press pound or star."),
        ("help@example.com.", "help at example dot com."),
        ("jo.smith+1@mail-x.co.uk", "jo dot smith plus one at mail dash X dot co dot U K"),
        ("www.example.com/help", "W W W dot example dot com slash help"),
        ("example.org", "example dot org"),
        ("5 km or 1 kg", "five kilometers or one kilogram"),
        ("20°C", "twenty degrees Celsius"),
        // Punctuation.
        ("Wait \u{2014} really?!", "Wait, really?"),
        ("\u{201c}Hello,\u{201d} she said\u{2026}", "Hello, she said."),
        ("It\u{2019}s fine", "It's fine"),
        ("Yes (if any) now", "Yes, if any, now"),
        ("One.\n\nTwo.", "One. Two."),
        ("**Bold** and _soft_", "Bold and soft"),
        ("check-in via Wi-Fi", "check-in via Wi-Fi"),
        ("Caf\u{e9}", "Caf\u{e9}"),
        ("\u{1f600} hi \u{4f60}\u{597d}", "hi"),
        ("", ""),
        ("...", ""),
        ("[[h@l'oU]] <b>", "h at l'oU, b"),
    ];

    #[test]
    fn says_what_is_written() {
        let mut wrong = Vec::new();
        for (written, want) in CASES {
            let got = normalise(written, &[]);
            if got != *want {
                wrong.push(format!("{written:?}\n   got {got:?}\n  want {want:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn replaces_words_whole_and_once() {
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        for (list, text, want) in [
            (&[("Acme360", "acme three sixty")][..], "Call ACME360.", "Call acme three sixty."),
            (&[("cat", "dog")][..], "catalog cat", "catalog dog"),
            (&[("a", "b"), ("b", "a")][..], "a b", "b a"),
            (&[("gold", "x"), ("gold card", "the good one")][..], "gold card", "the good one"),
            (&[("C++", "see plus plus")][..], "C++ now", "see plus plus now"),
            (&[("", "x"), ("  ", "y")][..], "a b", "a b"),
            (&[("\u{e9}t\u{e9}", "summer")][..], "\u{e9}t\u{e9}!", "summer!"),
        ] {
            assert_eq!(normalise(text, &pairs(list)), want, "{text}");
        }
    }

    #[test]
    fn leaves_nothing_the_phonemiser_would_read_its_own_way() {
        let nasty = "a\u{0}b [[x]] <p> \\ 1.2.3.4 $$ 5$5 --- 9:99 $1.2.3 @@ a@b #x# 1e9 0x1F \
                     -- -$ %5 3/0 5/ /5 \u{feff} \u{202e}abc $999999999999999999999999 \
                     99999999999999999999th \
                     2026-99-99 +++ +x ('')' (((";
        let said = normalise(nasty, &[]);
        let is_fine = |c: char| c.is_alphabetic() || " '-".contains(c) || MARKS.contains(&c);
        assert!(said.chars().all(is_fine), "{said}");
    }

    fn is_sayable(said: &str) -> bool {
        let is_fine = |c: char| c.is_alphabetic() || " '-".contains(c) || MARKS.contains(&c);
        said.chars().all(is_fine) && !said.contains("  ") && said.trim() == said
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_sayable(text in "\\PC{0,60}") {
            let said = normalise(&text, &[("a".to_owned(), "b".to_owned())]);
            proptest::prop_assert!(is_sayable(&said), "{said}");
        }

        #[test]
        fn any_heap_of_figures_becomes_sayable(
            text in "[-0-9$£€¢%.,:;/+#&@() *'°AaPpMmstkSD]{0,40}"
        ) {
            let said = normalise(&text, &[]);
            proptest::prop_assert!(is_sayable(&said), "{said}");
        }
    }

    #[test]
    fn cuts_text_that_is_too_long() {
        let said = normalise(&"hello ".repeat(10_000), &[]);
        assert!(said.len() <= TEXT_BYTES_MAX && said.ends_with("hello"));
    }
}
