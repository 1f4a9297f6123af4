//! Which line of `[numbers]` a call is answered by. Pure.
//!
//! A trunk may name the called number in the request line or, where it sends calls to the address
//! that we registered, only in the To header: the request line is looked up first. The longest
//! pattern counts, and a number that is reached through one trunk only is not there for others.

use super::trunks::NumberConfig;

/// What a call says about whom it is for.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The user part of the request line's URI.
    pub requested: &'a str,
    /// The user part of the To header.
    pub to: &'a str,
    /// The trunk that it came through.
    pub trunk: Option<&'a str>,
}

/// What `[numbers]` says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed<'a> {
    /// There are no numbers: every call is for the one profile.
    Everything,
    /// This line.
    Line(&'a NumberConfig),
    /// The number is there, but not for those who come this way.
    OtherTrunk(&'a NumberConfig),
    /// It is in no line.
    Unknown,
}

/// Looks a call up.
pub fn route<'a>(numbers: &'a [NumberConfig], called: &Called<'_>) -> Routed<'a> {
    if numbers.is_empty() {
        return Routed::Everything;
    }
    let requested = look_up(numbers, called.requested, called.trunk);
    match requested {
        Routed::Line(line) if line.pattern != "*" => return requested,
        _ => {}
    }
    match look_up(numbers, called.to, called.trunk) {
        found @ Routed::Line(_) => found,
        _ => requested,
    }
}

fn look_up<'a>(numbers: &'a [NumberConfig], user: &str, trunk: Option<&str>) -> Routed<'a> {
    let number = normal_form(user);
    let matching = || numbers.iter().filter(|line| matches(&line.pattern, &number));
    let is_theirs =
        |line: &&NumberConfig| line.trunk.as_deref().is_none_or(|only| Some(only) == trunk);
    let longest = |line: &&NumberConfig| (!line.pattern.ends_with('*'), line.pattern.len());
    match matching().filter(is_theirs).max_by_key(longest) {
        Some(line) => Routed::Line(line),
        None => matching().max_by_key(longest).map_or(Routed::Unknown, Routed::OtherTrunk),
    }
}

fn matches(pattern: &str, number: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => number.starts_with(beginning),
        None => pattern == number,
    }
}

/// A number without its `+` and the separators that people write (RFC 3966 section 5.1.1). Names
/// stay as they are: `front-desk` is no number.
pub(super) fn normal_form(user: &str) -> String {
    let user = user.trim();
    let is_number = user.contains(|c: char| c.is_ascii_digit())
        && user.chars().all(|c| c.is_ascii_digit() || "+-.() *#".contains(c));
    if !is_number {
        return user.to_owned();
    }
    user.chars().filter(|c| c.is_ascii_digit() || "*#".contains(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pattern: &str, trunk: Option<&str>) -> NumberConfig {
        NumberConfig {
            pattern: normal_form(pattern),
            profile: "p".into(),
            trunk: trunk.map(str::to_owned),
        }
    }

    #[test]
    fn the_longest_pattern_that_is_theirs_counts() {
        let numbers = [
            line("+44 20 7123 4567", None),
            line("+44 20*", None),
            line("+4420 8*", Some("main")),
            line("clinic", None),
        ];
        for (requested, to, trunk, expected) in [
            ("+442071234567", "", None, Some("442071234567")),
            ("442071234567", "", None, Some("442071234567")),
            ("+44-20-7999", "", None, Some("4420*")),
            ("+44208111", "", Some("main"), Some("44208*")),
            ("+44208111", "", Some("other"), Some("4420*")),
            ("clinic", "", None, Some("clinic")),
            // The address that was registered; the number is in To.
            ("frontdoor", "+442071234567", None, Some("442071234567")),
            ("+4930", "", None, None),
            ("Clinic", "nobody", None, None),
        ] {
            let found = route(&numbers, &Called { requested, to, trunk });
            let expected = match expected {
                Some(pattern) => {
                    Routed::Line(numbers.iter().find(|line| line.pattern == pattern).unwrap())
                }
                None => Routed::Unknown,
            };
            assert_eq!(found, expected, "{requested} {to} {trunk:?}");
        }
    }

    #[test]
    fn a_number_of_one_trunk_is_not_there_for_others() {
        let numbers = [line("100", Some("main"))];
        let called = |trunk| Called { requested: "100", to: "", trunk };
        assert_eq!(route(&numbers, &called(Some("main"))), Routed::Line(&numbers[0]));
        assert_eq!(route(&numbers, &called(None)), Routed::OtherTrunk(&numbers[0]));
    }

    #[test]
    fn what_is_for_everybody_gives_way_to_the_number_in_to() {
        let numbers = [line("*", None), line("200", None)];
        let called = |requested, to| Called { requested, to, trunk: None };
        assert_eq!(route(&numbers, &called("frontdoor", "200")), Routed::Line(&numbers[1]));
        assert_eq!(route(&numbers, &called("frontdoor", "")), Routed::Line(&numbers[0]));
        assert_eq!(route(&[], &called("200", "")), Routed::Everything);
    }
}
