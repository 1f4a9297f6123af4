//! What the organisation's record of a caller means for their call: how soon it is their turn, who
//! can help them, and what is going on with them already.

use std::collections::BTreeMap;

use crate::base::Pii;

/// The mark of a caller with an open ticket; any other mark is the name of a tier.
pub const OPEN_TICKET: &str = "open ticket";

/// A subject is said aloud: longer than this nobody would wait for its end.
const SUBJECT_LEN_MAX: usize = 120;

/// Which fields of a record mean what. Without any of them a record means nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordMeaning {
    /// What kind of customer they are (`gold`).
    pub tier: Option<String>,
    /// How many of their tickets are open.
    pub open_tickets: Option<String>,
    /// What the latest of those is about, in words for them ("the card you ordered on Tuesday").
    pub ticket_subject: Option<String>,
    /// The language that they want to speak: a tag.
    pub language: Option<String>,
    /// By how many priorities a call goes up, by mark.
    pub priority_up: BTreeMap<String, u8>,
    /// What agents have to be good at besides what the queue asks for, by mark.
    pub skills: BTreeMap<String, Vec<String>>,
}

/// How a caller stands with the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// In small letters.
    pub tier: Option<Pii<String>>,
    /// Whether a ticket of theirs is open.
    pub has_open_ticket: bool,
    /// What it is about, fit to be said; `None` if that is not known.
    pub ticket_subject: Option<Pii<String>>,
    /// Language tag.
    pub language: Option<String>,
}

impl RecordMeaning {
    /// How a caller stands with this record.
    pub fn read<'r>(&self, record: impl Fn(&str) -> Option<&'r str>) -> Standing {
        let value = |field: &Option<String>| {
            let value = record(field.as_deref()?)?.trim();
            (!value.is_empty()).then_some(value)
        };
        let subject = value(&self.ticket_subject).filter(|subject| is_sayable(subject));
        let has_open_ticket = match &self.open_tickets {
            Some(_) => value(&self.open_tickets).is_some_and(is_some_number),
            // Whoever only says what it is about says that there is one.
            None => subject.is_some(),
        };
        let subject = subject.filter(|_| has_open_ticket);
        Standing {
            tier: value(&self.tier).map(|tier| Pii::new(tier.to_lowercase())),
            has_open_ticket,
            ticket_subject: subject.map(|subject| Pii::new(subject.to_owned())),
            language: value(&self.language).filter(|tag| is_language(tag)).map(str::to_owned),
        }
    }

    /// The priority of a call in a queue that has this one: 1 (first) to 9.
    pub fn priority(&self, standing: &Standing, of_queue: u8) -> u8 {
        let up = marks(standing).filter_map(|mark| self.priority_up.get(mark));
        let up = up.fold(0_u8, |all, one| all.saturating_add(*one));
        of_queue.saturating_sub(up).max(1)
    }

    /// What agents have to be good at besides what the queue asks for, each once.
    pub fn skills(&self, standing: &Standing) -> Vec<String> {
        let mut skills: Vec<String> = Vec::new();
        for skill in marks(standing).filter_map(|mark| self.skills.get(mark)).flatten() {
            if !skills.contains(skill) {
                skills.push(skill.clone());
            }
        }
        skills
    }
}

/// What rules go by.
fn marks(standing: &Standing) -> impl Iterator<Item = &str> {
    let tier = standing.tier.as_ref().map(|tier| tier.expose().as_str());
    let ticket = standing.has_open_ticket.then_some(OPEN_TICKET);
    // A tier that has the name of the other mark does not count twice.
    tier.filter(|tier| Some(*tier) != ticket).into_iter().chain(ticket)
}

fn is_some_number(value: &str) -> bool {
    value.parse::<f64>().is_ok_and(|count| count >= 1.0)
        || ["yes", "true"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

fn is_sayable(subject: &str) -> bool {
    subject.chars().count() <= SUBJECT_LEN_MAX
        && subject.chars().any(char::is_alphanumeric)
        && !subject.chars().any(char::is_control)
}

/// RFC 5646 2.1, as far as it matters: `en`, `es-US`.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    matches!(first.len(), 2..=8)
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            matches!(part.len(), 1..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning() -> RecordMeaning {
        let field = |name: &str| Some(name.to_owned());
        let up = [("gold", 2), ("platinum", 9), (OPEN_TICKET, 1)];
        let skills: [(&str, &[&str]); 2] =
            [("gold", &["retention"]), (OPEN_TICKET, &["tickets", "retention"])];
        RecordMeaning {
            tier: field("tier"),
            open_tickets: field("tickets"),
            ticket_subject: field("about"),
            language: field("speaks"),
            priority_up: up.iter().map(|(mark, up)| ((*mark).to_owned(), *up)).collect(),
            skills: skills
                .iter()
                .map(|(mark, skills)| {
                    ((*mark).to_owned(), skills.iter().map(|skill| (*skill).to_owned()).collect())
                })
                .collect(),
        }
    }

    fn standing(meaning: &RecordMeaning, record: &[(&str, &'static str)]) -> Standing {
        let record: BTreeMap<&str, &'static str> = record.iter().copied().collect();
        meaning.read(|field| record.get(field).copied())
    }

    #[test]
    fn a_call_goes_up_with_its_caller_and_never_past_the_first_place() {
        let meaning = meaning();
        for (record, of_queue, priority, skills) in [
            (&[("tier", "Gold ")][..], 5, 3, &["retention"][..]),
            (&[], 5, 5, &[]),
            (&[("tickets", "2")], 5, 4, &["tickets", "retention"]),
            (&[("tier", "gold"), ("tickets", "1")], 5, 2, &["retention", "tickets"]),
            (&[("tier", "gold"), ("tickets", "1")], 2, 1, &["retention", "tickets"]),
            (&[("tier", "platinum")], 9, 1, &[]),
            (&[("tier", "silver"), ("tickets", "0")], 5, 5, &[]),
            (&[("tickets", "none")], 5, 5, &[]),
        ] {
            let standing = standing(&meaning, record);
            assert_eq!(meaning.priority(&standing, of_queue), priority, "{record:?}");
            assert_eq!(meaning.skills(&standing), skills, "{record:?}");
        }
        let none = standing(&RecordMeaning::default(), &[("tier", "gold"), ("tickets", "1")]);
        assert_eq!(none, Standing::default());
    }

    #[test]
    fn a_ticket_has_a_subject_only_if_it_is_open_and_can_be_said() {
        let long = "x".repeat(SUBJECT_LEN_MAX + 1);
        let long: &'static str = Box::leak(long.into_boxed_str());
        for (record, subject) in [
            (&[("tickets", "1"), ("about", "the card")][..], Some("the card")),
            (&[("tickets", "0"), ("about", "the card")], None),
            (&[("about", "the card")], None),
            (&[("tickets", "1"), ("about", " ")], None),
            (&[("tickets", "1"), ("about", "a\nb")], None),
            (&[("tickets", "1"), ("about", "?!")], None),
            (&[("tickets", "1"), ("about", long)], None),
        ] {
            let standing = standing(&meaning(), record);
            let found = standing.ticket_subject.as_ref().map(|subject| subject.expose().as_str());
            assert_eq!(found, subject, "{record:?}");
        }
        let only_subject = RecordMeaning { open_tickets: None, ..meaning() };
        let standing = standing(&only_subject, &[("about", "the card")]);
        assert!(standing.has_open_ticket && standing.ticket_subject.is_some());
    }

    #[test]
    fn a_language_is_a_tag() {
        for (tag, expected) in [
            ("es", Some("es")),
            ("es-US", Some("es-US")),
            ("Spanish please", None),
            ("e", None),
            ("12", None),
            ("en_US", None),
        ] {
            let record = [("speaks", tag)];
            assert_eq!(standing(&meaning(), &record).language.as_deref(), expected, "{tag}");
        }
    }
}
