//! What fits into an account: names, skills and languages. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::AccountsError;

/// Characters of an account's name.
pub(super) const NAME_LEN_MAX: usize = 64;
const DISPLAY_NAME_LEN_MAX: usize = 80;
const SKILL_LEN_MAX: usize = 40;
const SKILLS_MAX: usize = 50;
const LANGUAGES_MAX: usize = 20;

pub(super) fn check_name(name: &str) -> Result<(), AccountsError> {
    let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.len() <= NAME_LEN_MAX
        && name.starts_with(begins)
        && name.chars().all(|c| begins(c) || "._-".contains(c));
    if fits {
        return Ok(());
    }
    Err(AccountsError::Unfit(format!(
        "\"{name}\" is no name for an account. Write 1 to {NAME_LEN_MAX} of a-z, 0-9, `.`, `_` and \
         `-`, such as \"anna.b\""
    )))
}

pub(super) fn check_display_name(name: &str) -> Result<(), AccountsError> {
    let fits = !name.trim().is_empty()
        && name.chars().count() <= DISPLAY_NAME_LEN_MAX
        && !name.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    Err(AccountsError::Unfit(format!(
        "a display name has 1 to {DISPLAY_NAME_LEN_MAX} characters, such as \"Anna B.\""
    )))
}

pub(super) fn check_skills(skills: &BTreeMap<String, u8>) -> Result<(), AccountsError> {
    if skills.len() > SKILLS_MAX {
        return Err(AccountsError::Unfit(format!("more than {SKILLS_MAX} skills are too many")));
    }
    for (skill, level) in skills {
        let fits = !skill.is_empty()
            && skill.chars().count() <= SKILL_LEN_MAX
            && skill.chars().all(|c| c.is_alphanumeric() || "_- ".contains(c));
        if !fits {
            return Err(AccountsError::Unfit(format!(
                "\"{skill}\" is no skill. Write it as queues.md does, such as cards"
            )));
        }
        if !(1..=5).contains(level) {
            return Err(AccountsError::Unfit(format!(
                "skill {skill} has level {level}. Levels are 1 (a beginner) to 5 (an expert)"
            )));
        }
    }
    Ok(())
}

pub(super) fn check_languages(languages: &BTreeSet<String>) -> Result<(), AccountsError> {
    if languages.len() > LANGUAGES_MAX {
        let why = format!("more than {LANGUAGES_MAX} languages are too many");
        return Err(AccountsError::Unfit(why));
    }
    for language in languages {
        // RFC 5646 2.1, as far as it matters: en, es-US.
        let fits = language.len() <= 35
            && language.split('-').all(|part| {
                (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
            });
        if !fits {
            return Err(AccountsError::Unfit(format!(
                "\"{language}\" is no language tag. Write it like en or es-US"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_or_are_told_how_to() {
        for good in ["anna", "anna.b", "7up", "a_b-c"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Anna", ".anna", "anna b", "änna", "a/b", &"a".repeat(65)] {
            let why = check_name(bad).expect_err(bad).to_string();
            assert!(why.contains("anna.b"), "{why}");
        }
        assert!(check_display_name("Änna B.").is_ok());
        assert!(check_display_name(" ").is_err() && check_display_name("a\nb").is_err());
        let skills = |name: &str, level| BTreeMap::from([(name.to_owned(), level)]);
        assert!(check_skills(&skills("card disputes", 5)).is_ok());
        for (name, level) in [("cards", 0), ("cards", 6), ("", 1), ("a;b", 1)] {
            assert!(check_skills(&skills(name, level)).is_err(), "{name} {level}");
        }
        let languages = |tag: &str| BTreeSet::from([tag.to_owned()]);
        for (tag, fits) in [("en", true), ("es-US", true), ("", false), ("en_US", false)] {
            assert_eq!(check_languages(&languages(tag)).is_ok(), fits, "{tag}");
        }
    }
}
