//! Which slot a value is for: one piece of speech never fills two. Of several slots of one kind, the
//! words around a value tell which it is for; failing that, the one that was asked for, or the order
//! in which the values were said.

use std::ops::Range;

use crate::base::Pii;
use crate::nlu::spoken::choice::parse_directed;
use crate::nlu::spoken::{
    CivilDate, Cues, Expectation as Asking, FillContext, Filled, fill, fill_each, told_apart,
};
use crate::nlu::{Provenance, SlotKind, SlotName, SlotValue};
use crate::prompts::SlotSpec;

use super::slots::{SURE_ENOUGH, best, said};

/// How readily a slot takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taking {
    /// Whatever fits.
    Anything,
    /// Only what is said to be for it.
    Named,
    /// Nothing: it is secret, say.
    Nothing,
}

/// What was said, and what it may be for.
pub(super) struct Words<'w> {
    pub text: &'w str,
    pub today: CivilDate,
    /// The recogniser's confidence.
    pub heard: f32,
    /// The slot that was asked for.
    pub asked: Option<&'w SlotName>,
    /// Bytes that have filled a slot already.
    pub taken: Vec<Range<usize>>,
    /// Slots that are filled are put right: a value that may be for two of them is for neither.
    pub corrects: bool,
}

impl<'w> Words<'w> {
    /// A sentence that nothing was asked before.
    pub fn volunteered(text: &'w str, today: CivilDate) -> Self {
        Self { text, today, heard: 1.0, asked: None, taken: Vec::new(), corrects: false }
    }

    fn context(&self, is_asked: bool) -> FillContext {
        let expectation = if is_asked { Asking::Asked } else { Asking::Volunteered };
        FillContext { expectation, today: self.today }
    }

    fn is_taken(&self, span: &Range<usize>) -> bool {
        self.taken.iter().any(|other| span.start < other.end && other.start < span.end)
    }

    fn is_asked(&self, spec: &SlotSpec) -> bool {
        self.asked == Some(&spec.name)
    }
}

/// What the words give.
#[derive(Default)]
pub(super) struct Given<'s> {
    pub values: Vec<(&'s SlotSpec, SlotValue)>,
    /// A value, and the slots of which it may put one right.
    pub unplaced: Option<(Vec<&'s SlotSpec>, SlotValue)>,
}

/// The values that words give to slots. The places they were read from are added to `words.taken`.
pub(super) fn share_out<'s>(
    slots: &'s [SlotSpec],
    words: &mut Words<'_>,
    taking: &dyn Fn(&SlotSpec) -> Taking,
) -> Given<'s> {
    let mut given = Given::default();
    // What was asked for has the first choice.
    let mut order: Vec<&SlotSpec> = slots.iter().collect();
    order.sort_by_key(|spec| !words.is_asked(spec));
    let mut done: Vec<&SlotKind> = Vec::new();
    for spec in order {
        if done.contains(&&spec.kind) {
            continue;
        }
        done.push(&spec.kind);
        let twins: Vec<&SlotSpec> = slots.iter().filter(|twin| twin.kind == spec.kind).collect();
        match (&spec.kind, &twins[..]) {
            (_, [_]) => share_one(spec, words, taking(spec), &mut given),
            (SlotKind::OneOf(_), _) => share_directed(&twins, words, taking, &mut given),
            _ => share_twins(&twins, words, taking, &mut given),
        }
    }
    given
}

fn share_one<'s>(spec: &'s SlotSpec, words: &mut Words<'_>, taking: Taking, given: &mut Given<'s>) {
    if taking == Taking::Nothing || (taking == Taking::Named && !is_named(spec, words.text)) {
        return;
    }
    let context = words.context(words.is_asked(spec));
    let found = best(fill(&spec.kind, words.text, &context));
    let Some(filled) = found.filter(|filled| !words.is_taken(&filled.span)) else { return };
    words.taken.push(filled.span.clone());
    given.values.push((spec, said(filled, words.heard)));
}

/// Whether words name a slot ("the amount is sixty").
fn is_named(spec: &SlotSpec, text: &str) -> bool {
    let is_of_name = |word: &String| spec.name.as_str().split('_').any(|part| part == word);
    let own: Vec<&String> = spec.cues.strong.iter().filter(|word| is_of_name(word)).collect();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    words.map(str::to_lowercase).any(|word| own.contains(&&word))
}

/// Two slots with the same choices: "from savings to checking". One that was asked for takes a
/// choice without a direction, if it is not the other's.
fn share_directed<'s>(
    twins: &[&'s SlotSpec],
    words: &Words<'_>,
    taking: &dyn Fn(&SlotSpec) -> Taking,
    given: &mut Given<'s>,
) {
    let mut directed: Vec<(&SlotSpec, SlotValue)> = Vec::new();
    for spec in twins {
        directed.extend(directed_value(spec, words.text).map(|value| (*spec, value)));
    }
    let is_told = |spec: &SlotSpec| directed.iter().any(|(told, _)| told.name == spec.name);
    let asked = twins.iter().find(|spec| words.is_asked(spec) && !is_told(spec));
    let own = asked.and_then(|spec| {
        let filled = best(fill(&spec.kind, words.text, &words.context(true)))?;
        let of_other = directed.iter().any(|(_, value)| value.value == filled.value);
        (!of_other).then(|| (*spec, said(filled, words.heard)))
    });
    given.values.extend(own);
    let takes = |(spec, _): &(&SlotSpec, SlotValue)| taking(spec) != Taking::Nothing;
    given.values.extend(directed.into_iter().filter(takes));
}

/// The choice whose direction is this slot's.
fn directed_value(spec: &SlotSpec, text: &str) -> Option<SlotValue> {
    let SlotKind::OneOf(choices) = &spec.kind else { return None };
    let directed = parse_directed(text, choices);
    let is_told = |word: &str| spec.cues.strong.iter().any(|own| own == word);
    let index = match (is_told("from"), is_told("to")) {
        (true, false) => directed.from,
        (false, true) => directed.to,
        _ => None,
    };
    let value = Pii::new(choices.get(index?)?.value.clone());
    Some(SlotValue { value, provenance: Provenance::Said, confidence: 0.9 })
}

fn share_twins<'s>(
    twins: &[&'s SlotSpec],
    words: &mut Words<'_>,
    taking: &dyn Fn(&SlotSpec) -> Taking,
    given: &mut Given<'s>,
) {
    let asked = twins.iter().copied().find(|spec| words.is_asked(spec));
    let context = words.context(asked.is_some());
    let mut found = fill_each(&twins[0].kind, words.text, &context);
    found.retain(|filled| filled.confidence >= SURE_ENOUGH && !words.is_taken(&filled.span));
    let spans: Vec<Range<usize>> = found.iter().map(|filled| filled.span.clone()).collect();
    let cues: Vec<&Cues> = twins.iter().map(|spec| &spec.cues).collect();
    let told = told_apart(words.text, &spans, &cues);
    let has_several = told.len() > 1;
    let takes_named = |spec: &SlotSpec| match taking(spec) {
        Taking::Anything => true,
        // "I fly on the tenth" to "when are you back?" is an answer, and nothing put right.
        Taking::Named => has_several || words.asked.is_none() || is_named(spec, words.text),
        Taking::Nothing => false,
    };
    let mut placed: Vec<(&SlotSpec, Filled)> = Vec::new();
    let (mut refused, mut rest) = (Vec::new(), Vec::new());
    for (filled, told) in found.into_iter().zip(told) {
        match told.and_then(|index| twins.get(index)).copied() {
            Some(spec) if takes_named(spec) => placed.push((spec, filled)),
            Some(_) => refused.push(filled),
            None => rest.push(filled),
        }
    }
    let is_free = |spec: &SlotSpec| {
        taking(spec) == Taking::Anything && placed.iter().all(|(other, _)| other.name != spec.name)
    };
    let free: Vec<&SlotSpec> = twins.iter().copied().filter(|spec| is_free(spec)).collect();
    let asked = asked.filter(|spec| is_free(spec));
    let is_first = placed.is_empty();
    match (rest.len(), asked) {
        (0, Some(asked)) if is_first => {
            placed.extend(refused.into_iter().next().map(|only| (asked, only)));
        }
        (1, Some(asked)) => placed.extend(rest.pop().map(|only| (asked, only))),
        (count @ 1.., _) if count == free.len() || (count < free.len() && !words.corrects) => {
            placed.extend(free.into_iter().zip(rest));
        }
        // More values than slots: the one that an answer by itself would give.
        (1.., Some(asked)) if is_first => {
            placed.extend(best(fill(&asked.kind, words.text, &context)).map(|one| (asked, one)));
        }
        (1, None) if words.corrects && !free.is_empty() => {
            given.unplaced = rest.pop().map(|only| (free, said(only, words.heard)));
        }
        _ => {}
    }
    for (spec, filled) in placed {
        words.taken.push(filled.span.clone());
        given.values.push((spec, said(filled, words.heard)));
    }
}
