//! Names that are checked against the organisation's records: which of them was said, and what is
//! asked about it.
//!
//! ```text
//!  heard ──lookup──▶ as heard ─────────────────────────▶ taken as the records write it
//!                 ├─ one is near ──▶ ReadBack ──yes─────▶ taken
//!                 ├─ two are close ─▶ WhichName ──one───▶ taken
//!                 ├─ none is near ──▶ asks to spell it, once; then kept as heard
//!                 └─ no answer ─────▶ kept as heard
//! ```
//!
//! The list is used the moment it comes, and dropped; of its names only those that the caller is
//! asked about are kept, until the task is over. None is a slot's value before the caller has said
//! it or agreed to it, and no transcript shows it where we say it: none gets into a hand-off.
//!
//! In an identity check only names count that are all but the same by ear as what was said: who
//! tries names out is told of no other that is in the records.

use crate::base::{LIST_OUTPUT, Pii, split_list};
use crate::nlu::spoken::name::is_spelled;
use crate::nlu::spoken::yes_no::parse as parse_yes_no;
use crate::nlu::spoken::{
    ChoiceResult, YesNo, choice, rank, same_letters, sounds_alike, spells_alike,
};
use crate::nlu::{Choice, Provenance, Readings, SlotName, SlotValue, Understanding};
use crate::prompts::{Pattern, ReadBack, Risk, SlotSpec};

use super::flow::spoken_value;
use super::task::{NameCheck, Purpose, Scope, Stage};
use super::{ActionResult, Conversation, Expectation, Expected};

/// A name less like what was heard than this is another name.
const NEAR: f32 = 0.6;
/// Of two names whose likeness differs by less than this, either may have been said.
const CLOSE: f32 = 0.1;
/// A reading less likely than the likeliest by more is not what was said, as far as an identity
/// check goes. Logarithms.
const ALMOST: f32 = 4.0;
/// What a name that is in the records is worth.
const ON_FILE: f32 = 0.95;
/// What is left of a name's worth that is not in the records.
const NOT_ON_FILE: f32 = 0.6;

/// Words that no name is, and no name of two.
const NEITHER: [&str; 2] = ["neither", "none"];

/// How a name was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Said,
    Spelled,
}

/// What the records have for a name that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pick {
    /// It, letter for letter.
    AsHeard(Pii<String>),
    /// One that may have been meant.
    Near(Pii<String>),
    /// Two that may have been meant.
    Either(Pii<String>, Pii<String>),
    Nobody,
}

/// What an answer to "this one or that one?" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// This one.
    Sure(usize),
    /// This one by its sound, which the other has too.
    Named(usize),
    /// Another name.
    Other,
    Neither,
    Unclear,
}

impl Conversation {
    /// Whether a name was heard that has not been looked up, and can be.
    pub(super) fn needs_lookup(&self, scope: &Scope, spec: &SlotSpec) -> bool {
        let (Some(action), Some(value)) = (&spec.check_against, self.slot_value(scope, &spec.name))
        else {
            return false;
        };
        let checked = self.name_check(scope, &spec.name).and_then(|check| check.checked.as_ref());
        let inputs = self.rules.action_inputs.get(action).map(Vec::len);
        value.provenance == Provenance::Said
            && checked != Some(&value.value)
            && inputs == Some(self.inputs_of(action, scope).len())
    }

    /// Has the names looked up that this one may be.
    pub(super) fn look_up(&mut self, scope: &Scope, spec: &SlotSpec) {
        if let Some(action) = spec.check_against.clone() {
            let (scope, slot) = (scope.clone(), spec.name.clone());
            self.run_action(action, Purpose::Lookup { scope, slot });
        }
    }

    /// Takes the list, or goes on without one: the caller has said a name, and that will do.
    pub(super) fn on_looked_up(&mut self, scope: Scope, slot: &SlotName, result: ActionResult) {
        if self.divert() {
            return;
        }
        let (Some(spec), Some(heard)) =
            (self.slot_spec(&scope, slot), self.slot_value(&scope, slot).cloned())
        else {
            return self.advance();
        };
        let list = result.ok().and_then(|mut outputs| outputs.remove(LIST_OUTPUT));
        let Some(list) = list else {
            self.forget_proposal(&scope, slot);
            self.mark_checked(&scope, slot, &heard);
            return self.advance();
        };
        match self.pick_from(&scope, &spec, &heard, list.expose()) {
            Pick::AsHeard(name) => {
                self.take_name(&scope, &spec, name);
                self.advance();
            }
            Pick::Near(name) if self.takes_unasked(&scope, &spec, &heard, &name) => {
                self.take_name(&scope, &spec, name);
                self.advance();
            }
            Pick::Near(name) => {
                self.propose(&scope, slot, &heard, name);
                self.advance();
            }
            Pick::Either(first, second) => self.ask_which(scope, &spec, first, second),
            Pick::Nobody => self.on_nobody(scope, &spec, heard),
        }
    }

    fn pick_from(&self, scope: &Scope, spec: &SlotSpec, heard: &SlotValue, list: &str) -> Pick {
        let refused =
            self.name_check(scope, &spec.name).map_or(&[][..], |check| check.refused.as_slice());
        let is_refused = |name: &str| refused.iter().any(|refused| refused.expose() == name);
        let candidates: Vec<&str> = split_list(list).filter(|name| !is_refused(name)).collect();
        let readings = self.ear.readings_of(&spec.name);
        pick(heard.value.expose(), readings, self.manner(spec, heard), scope, &candidates)
    }

    /// Whether this name was spelled. Only the last words can tell: a name from words before them
    /// counts as said.
    fn manner(&self, spec: &SlotSpec, heard: &SlotValue) -> Manner {
        let text = self.last_heard.expose();
        let is_of_text =
            || self.best_fill(spec, text, 1.0).is_some_and(|value| value.value == heard.value);
        if is_spelled(text) && is_of_text() { Manner::Spelled } else { Manner::Said }
    }

    /// A name that only differs in its spelling is no question where a mistake does no harm.
    fn takes_unasked(
        &self,
        scope: &Scope,
        spec: &SlotSpec,
        heard: &SlotValue,
        name: &Pii<String>,
    ) -> bool {
        *scope == Scope::Task
            && spec.read_back == ReadBack::No
            && self.current_intent().is_some_and(|intent| intent.risk == Risk::Low)
            && sounds_alike(heard.value.expose(), name.expose())
    }

    fn take_name(&mut self, scope: &Scope, spec: &SlotSpec, name: Pii<String>) {
        let value = SlotValue { value: name, provenance: Provenance::Crm, confidence: ON_FILE };
        self.set_slot(scope, spec, value);
    }

    fn mark_checked(&mut self, scope: &Scope, slot: &SlotName, heard: &SlotValue) {
        if let Some(check) = self.name_check_mut(scope, slot) {
            check.checked = Some(heard.value.clone());
        }
    }

    /// Has the caller asked about a name of the records, next.
    fn propose(&mut self, scope: &Scope, slot: &SlotName, heard: &SlotValue, name: Pii<String>) {
        self.mark_checked(scope, slot, heard);
        if let Some(check) = self.name_check_mut(scope, slot) {
            check.proposed = Some(name);
        }
    }

    /// The name of the records that the caller is being asked about.
    pub(super) fn proposal(&self, scope: &Scope, slot: &SlotName) -> Option<&Pii<String>> {
        self.name_check(scope, slot)?.proposed.as_ref()
    }

    /// The caller agrees to the name of the records.
    pub(super) fn accept_proposal(&mut self, scope: &Scope, spec: &SlotSpec) {
        if let Some(name) = self.proposal(scope, &spec.name).cloned() {
            self.take_name(scope, spec, name);
        }
    }

    /// The caller says no to it: it is not asked about again.
    pub(super) fn refuse_proposal(&mut self, scope: &Scope, slot: &SlotName) {
        if self.proposal(scope, slot).is_some()
            && let Some(check) = self.name_check_mut(scope, slot)
        {
            check.refused.extend(check.proposed.take());
        }
    }

    pub(super) fn forget_proposal(&mut self, scope: &Scope, slot: &SlotName) {
        if self.proposal(scope, slot).is_some()
            && let Some(check) = self.name_check_mut(scope, slot)
        {
            check.proposed = None;
        }
    }

    /// Nobody in the records is called that, or nobody like it may be told. It may have been
    /// misheard: spelled it is heard better.
    fn on_nobody(&mut self, scope: Scope, spec: &SlotSpec, mut heard: SlotValue) {
        let manner = self.manner(spec, &heard);
        self.mark_checked(&scope, &spec.name, &heard);
        heard.confidence *= NOT_ON_FILE;
        self.set_slot(&scope, spec, heard);
        if manner == Manner::Spelled || !self.may_ask_to_spell(&scope, spec) {
            return self.advance();
        }
        self.ask_to_spell(scope, spec);
    }

    /// Whether a name is looked up and its spelling has not been asked for.
    pub(super) fn may_ask_to_spell(&self, scope: &Scope, spec: &SlotSpec) -> bool {
        let asked = self.name_check(scope, &spec.name).is_some_and(|check| check.asked_to_spell);
        spec.check_against.is_some() && !asked
    }

    pub(super) fn ask_to_spell(&mut self, scope: Scope, spec: &SlotSpec) {
        if let Some(check) = self.name_check_mut(&scope, &spec.name) {
            check.asked_to_spell = true;
        }
        self.say_pattern(Pattern::SpellName, &[]);
        self.stage = Stage::Ask { scope, slot: spec.name.clone(), tries: 1 };
        let patient = true;
        let expected = Expected::Slot(spec.kind.clone());
        self.listen(Expectation { patient, ..Expectation::of(expected) });
    }

    /// "Is that Smith or Snyder?" Names that sound alike are spelled.
    pub(super) fn ask_which(
        &mut self,
        scope: Scope,
        spec: &SlotSpec,
        first: Pii<String>,
        second: Pii<String>,
    ) {
        let are_alike = sounds_alike(first.expose(), second.expose());
        let spoken = |name: &Pii<String>| match are_alike {
            true => spoken_value(spec, name.expose()),
            false => name.expose().clone(),
        };
        let values = [("first", spoken(&first)), ("second", spoken(&second))];
        self.say_pattern_hidden(Pattern::WhichName, &values);
        self.stage = Stage::WhichName { scope, slot: spec.name.clone(), first, second };
        let expected = Expected::Slot(spec.kind.clone());
        let (patient, keys_max) = (true, Some(1));
        self.listen(Expectation { patient, keys_max, ..Expectation::of(expected) });
    }

    pub(super) fn on_which_name(
        &mut self,
        (scope, slot): (Scope, SlotName),
        names: [Pii<String>; 2],
        text: Pii<String>,
        confidence: f32,
        understanding: &Understanding,
    ) {
        let Some(spec) = self.slot_spec(&scope, &slot) else { return self.advance() };
        let value = match parse_yes_no(text.expose()) {
            YesNo::NoWith(rest) => self.best_fill(&spec, rest.expose(), confidence),
            _ => self.best_fill(&spec, text.expose(), confidence),
        };
        let said = value.as_ref().map(|value| value.value.expose().as_str());
        let which = which(text.expose(), said, [names[0].expose(), names[1].expose()]);
        let [first, second] = names;
        let named = |index: usize| if index == 0 { first.clone() } else { second.clone() };
        match which {
            Which::Sure(index) => {
                self.progress();
                self.take_name(&scope, &spec, named(index));
                self.advance();
            }
            Which::Named(index) => {
                self.progress();
                if let Some(heard) = self.slot_value(&scope, &slot).cloned() {
                    self.propose(&scope, &slot, &heard, named(index));
                }
                self.advance();
            }
            Which::Other => {
                if self.reject(&slot) {
                    return;
                }
                if let Some(value) = value {
                    self.set_slot(&scope, &spec, value);
                }
                self.advance();
            }
            Which::Neither => self.on_neither(scope, &spec, [first, second]),
            Which::Unclear => match self.digression(understanding, text.expose()) {
                Some(index) => self.on_request_as(index, text, understanding),
                None => self.on_no_match(),
            },
        }
    }

    /// 1 is the first of the two names, 2 the second.
    pub(super) fn on_which_key(
        &mut self,
        (scope, slot): (Scope, SlotName),
        [first, second]: [Pii<String>; 2],
        keys: &str,
    ) {
        let Some(spec) = self.slot_spec(&scope, &slot) else { return self.advance() };
        let name = match keys {
            "1" => first,
            "2" => second,
            _ => return self.on_no_match(),
        };
        self.progress();
        self.take_name(&scope, &spec, name);
        self.advance();
    }

    fn on_neither(&mut self, scope: Scope, spec: &SlotSpec, names: [Pii<String>; 2]) {
        if let Some(check) = self.name_check_mut(&scope, &spec.name) {
            check.refused.extend(names);
        }
        self.clear_slot(&scope, &spec.name);
        if !self.reject(&spec.name) {
            self.ask_name_again(scope, spec);
        }
    }

    /// Asks for a name that was wrong: spelled, where that has not been asked for yet.
    pub(super) fn ask_name_again(&mut self, scope: Scope, spec: &SlotSpec) {
        if self.may_ask_to_spell(&scope, spec) {
            self.ask_to_spell(scope, spec);
        } else {
            self.ask_slot(scope, spec, 1);
        }
    }

    /// The task is over, and with it what was kept of the records' names.
    pub(super) fn forget_names(&mut self) {
        for state in self.verifications.values_mut() {
            state.names.clear();
        }
    }

    fn name_check(&self, scope: &Scope, slot: &SlotName) -> Option<&NameCheck> {
        let names = match scope {
            Scope::Task => &self.tasks.last()?.names,
            Scope::Verification(name) => &self.verifications.get(name)?.names,
        };
        names.get(slot)
    }

    fn name_check_mut(&mut self, scope: &Scope, slot: &SlotName) -> Option<&mut NameCheck> {
        let names = match scope {
            Scope::Task => &mut self.tasks.last_mut()?.names,
            Scope::Verification(name) => {
                &mut self.verifications.entry(name.clone()).or_default().names
            }
        };
        Some(names.entry(slot.clone()).or_default())
    }
}

/// Which of the records' names was meant by the one that was heard.
fn pick(
    heard: &str,
    readings: &Readings,
    manner: Manner,
    scope: &Scope,
    candidates: &[&str],
) -> Pick {
    let mut by_ear: Vec<(&str, f32)> = readings
        .values
        .iter()
        .map(|reading| (reading.text.expose().as_str(), reading.log_probability))
        .collect();
    // What was taken, where the readings are of something else that was said since.
    if !by_ear.iter().any(|(text, _)| same_letters(text, heard)) {
        by_ear = vec![(heard, 0.0)];
    }
    let likeliest = by_ear.iter().map(|(_, log)| *log).fold(f32::NEG_INFINITY, f32::max);
    let is_likely = |name: &str| {
        by_ear.iter().any(|(text, log)| likeliest - log < ALMOST && is_whole(text, name))
    };
    let is_same_by_ear = |name: &str| {
        sounds_alike(heard, name) || (manner == Manner::Spelled && spells_alike(heard, name))
    };
    let is_near = |name: &str, likeness: f32| match scope {
        Scope::Task => likeness >= NEAR,
        Scope::Verification(_) => is_likely(name) || is_same_by_ear(name),
    };
    let ranked = rank(&by_ear, candidates);
    let near: Vec<(&str, f32)> = ranked
        .into_iter()
        .map(|(index, likeness)| (candidates[index], likeness))
        .filter(|(name, likeness)| is_near(name, *likeness))
        .collect();
    let Some((best, likeness)) = near.first().copied() else { return Pick::Nobody };
    let kept = |name: &str| Pii::new(name.to_owned());
    let is_as_heard = is_whole(heard, best);
    // What was spelled tells it from others that sound like it.
    if is_as_heard && manner == Manner::Spelled {
        return Pick::AsHeard(kept(best));
    }
    let rival = near.iter().skip(1).find(|(name, as_like)| {
        !same_letters(name, best) && (likeness - as_like < CLOSE || sounds_alike(best, name))
    });
    match rival {
        Some((rival, _)) => Pick::Either(kept(best), kept(rival)),
        None if is_as_heard => Pick::AsHeard(kept(best)),
        None => Pick::Near(kept(best)),
    }
}

/// Whether a name, or the last of several words of one, is this one letter for letter.
fn is_whole(heard: &str, name: &str) -> bool {
    rank(&[(heard, 0.0)], &[name]).first().is_some_and(|(_, likeness)| *likeness >= 1.0)
}

/// Which of two names an answer means. `said` is the name in it, if there is one.
fn which(text: &str, said: Option<&str>, names: [&str; 2]) -> Which {
    if let Some(index) = by_letter(text, names) {
        return Which::Sure(index);
    }
    let is_neither = |word: &str| NEITHER.iter().any(|neither| word.eq_ignore_ascii_case(neither));
    if text.split(|c: char| !c.is_alphabetic()).any(is_neither) {
        return Which::Neither;
    }
    if let Some(said) = said {
        let ranked = rank(&[(said, 0.0)], &names);
        if let [(best, likeness), (_, other)] = ranked[..]
            && likeness >= NEAR
            && likeness > other
        {
            let is_told = is_spelled(text) || !sounds_alike(names[0], names[1]);
            return if is_told { Which::Sure(best) } else { Which::Named(best) };
        }
    }
    // "The second one."
    let choices = names.map(|name| Choice { value: name.to_owned(), also: Vec::new() });
    if let ChoiceResult::One(index, _) = choice::parse(text, &choices) {
        return Which::Sure(index);
    }
    match (parse_yes_no(text), said) {
        (YesNo::No, _) | (YesNo::NoWith(_), None) => Which::Neither,
        (_, Some(_)) => Which::Other,
        (_, None) => Which::Unclear,
    }
}

/// "The one with a Y": a letter that only one of the names has.
fn by_letter(text: &str, names: [&str; 2]) -> Option<usize> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let with = words.iter().rposition(|word| word == "with")?;
    let last = words.get(with + 1..)?.last()?;
    let letter = match last.as_str() {
        "why" | "wye" => 'y',
        "eye" => 'i',
        word if word.chars().count() == 1 => word.chars().next()?,
        _ => return None,
    };
    let has = names.map(|name| name.to_lowercase().contains(letter));
    match has {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::VerificationName;

    fn picked(heard: &str, manner: Manner, scope: &Scope, candidates: &[&str]) -> String {
        match pick(heard, &Readings::default(), manner, scope, candidates) {
            Pick::AsHeard(name) => format!("= {}", name.expose()),
            Pick::Near(name) => format!("~ {}", name.expose()),
            Pick::Either(first, second) => format!("{} or {}", first.expose(), second.expose()),
            Pick::Nobody => "nobody".to_owned(),
        }
    }

    #[test]
    fn the_nearest_name_is_meant_unless_another_is_as_near() {
        const NAMES: &[&str] =
            &["Smith", "Smythe", "Feldman", "Dale", "Gale", "O'Brien", "Garcia Lopez"];
        for (heard, manner, expected) in [
            ("Feldman", Manner::Said, "= Feldman"),
            ("Feldmann", Manner::Said, "~ Feldman"),
            ("Nora Feldman", Manner::Said, "= Feldman"),
            ("Fieldman", Manner::Said, "~ Feldman"),
            ("Smith", Manner::Said, "Smith or Smythe"),
            ("Smith", Manner::Spelled, "= Smith"),
            ("Smythe", Manner::Said, "Smythe or Smith"),
            ("Dale", Manner::Said, "Dale or Gale"),
            ("Bale", Manner::Spelled, "Dale or Gale"),
            ("OBrien", Manner::Said, "= O'Brien"),
            ("Garcia Lopes", Manner::Said, "~ Garcia Lopez"),
            ("Jones", Manner::Said, "nobody"),
        ] {
            assert_eq!(picked(heard, manner, &Scope::Task, NAMES), expected, "{heard}");
        }
        assert_eq!(picked("Smith", Manner::Said, &Scope::Task, &[]), "nobody");
        assert_eq!(picked("Smith", Manner::Said, &Scope::Task, &["Smith", "SMITH"]), "= Smith");
    }

    #[test]
    fn an_identity_check_tells_only_what_sounds_the_same() {
        let check = Scope::Verification(VerificationName::new("who"));
        for (heard, manner, expected) in [
            ("Feldman", Manner::Said, "= Feldman"),
            ("Feltman", Manner::Said, "~ Feldman"),
            ("Fieldman", Manner::Said, "nobody"),
            ("Feldstein", Manner::Spelled, "nobody"),
            ("Bale", Manner::Said, "nobody"),
            ("Dale", Manner::Said, "= Dale"),
            ("Bale", Manner::Spelled, "Dale or Gale"),
            ("Smyth", Manner::Said, "Smith or Smythe"),
        ] {
            let names = ["Smith", "Smythe", "Feldman", "Dale", "Gale"];
            assert_eq!(picked(heard, manner, &check, &names), expected, "{heard}");
        }
    }

    #[test]
    fn one_of_two_names_is_told_in_many_ways() {
        let alike = ["Smith", "Smythe"];
        for (text, said, expected) in [
            ("S M Y T H E", Some("Smythe"), Which::Sure(1)),
            ("Smith", Some("Smith"), Which::Named(0)),
            ("the second one", None, Which::Sure(1)),
            ("the first", None, Which::Sure(0)),
            ("Smith with a Y", Some("Smith"), Which::Sure(1)),
            ("no", None, Which::Neither),
            ("Neither of them.", Some("Neither Them"), Which::Neither),
            ("no, Jones", Some("Jones"), Which::Other),
            ("what do you mean by that", None, Which::Unclear),
        ] {
            assert_eq!(which(text, said, alike), expected, "{text}");
        }
        assert_eq!(which("it's Gale", Some("Gale"), ["Dale", "Gale"]), Which::Sure(1));
    }
}
