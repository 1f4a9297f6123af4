//! Chooses words: no variant twice in a row, and the last words kept for "say that again".

use std::collections::BTreeMap;

use crate::base::Pii;
use crate::nlu::SlotName;
use crate::prompts::{Part, Pattern, RenderError, Template};

use super::{ActionSuccess, Conversation, DialogAct, Expectation, Phrase};

/// Values for a template's blanks, beyond those the conversation knows itself.
pub(super) type Values = BTreeMap<String, String>;

/// Remembers what was said.
#[derive(Clone)]
pub(super) struct Speaker {
    /// Next variant per place that has variants.
    next_variant: BTreeMap<String, usize>,
    seed: u64,
    /// What was said since the caller last spoke.
    pub since_listen: Vec<Phrase>,
    /// What was said before the present question, for "repeat".
    pub last: Vec<Phrase>,
    /// What we listened for last.
    pub expectation: Option<Expectation>,
}

impl Speaker {
    pub fn new(seed: u64) -> Self {
        Self {
            next_variant: BTreeMap::new(),
            seed,
            since_listen: Vec::new(),
            last: Vec::new(),
            expectation: None,
        }
    }

    /// The variants are gone through in order from a place that the seed decides, so that neither
    /// a call nor two calls in a row sound the same.
    fn pick(&mut self, place: &str, count: usize) -> usize {
        let seed = self.seed as usize;
        let next = self.next_variant.entry(place.to_owned()).or_insert(seed % count.max(1));
        let picked = *next % count.max(1);
        *next = picked + 1;
        picked
    }
}

impl Conversation {
    pub(super) fn say_pattern(&mut self, pattern: Pattern, values: &[(&str, String)]) {
        let generation = std::sync::Arc::clone(&self.generation);
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        if let Some(variants) = generation.patterns.says.get(&pattern) {
            let said = self.acts.len();
            self.say_variant(&format!("{pattern:?}"), variants, &values);
            if self.acts.len() > said && generation.patterns.uninterruptible.contains_key(&pattern)
            {
                self.must_be_heard();
            }
        }
    }

    /// Whether there are words for this with these values.
    pub(super) fn can_say(&self, pattern: Pattern, values: &[(&str, String)]) -> bool {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let variants = self.generation.patterns.says.get(&pattern);
        variants.is_some_and(|all| all.iter().any(|one| self.render(one, &values).is_ok()))
    }

    pub(super) fn say_variant(&mut self, place: &str, variants: &[Template], values: &Values) {
        // A variant that needs what is not known (a name) is left out, not half said.
        let sayable: Vec<&Template> =
            variants.iter().filter(|template| self.render(template, values).is_ok()).collect();
        if sayable.is_empty() {
            self.out_of_place += u64::from(!variants.is_empty());
            return;
        }
        let picked = self.speaker.pick(place, sayable.len());
        self.say_template(sayable[picked], values);
    }

    /// Words about things not (yet) done.
    pub(super) fn say_template(&mut self, template: &Template, values: &Values) {
        match self.render(template, values) {
            Ok(text) => {
                let fixed = is_fixed(template);
                let text = Pii::new(text);
                self.say(Phrase::plain(text, fixed));
            }
            Err(_) => self.out_of_place += 1,
        }
    }

    /// The only way to words that say something was done: it needs the proof.
    pub(super) fn say_completion(&mut self, variants: &[Template], done: &ActionSuccess) {
        if variants.is_empty() {
            return;
        }
        let sayable: Vec<String> = variants
            .iter()
            .filter_map(|template| self.render(template, done.outputs()).ok())
            .collect();
        let picked = self.speaker.pick("then say", sayable.len());
        match sayable.into_iter().nth(picked) {
            Some(text) => {
                self.say_claim(Pii::new(text));
            }
            None => {
                // The result came without a value the sentence needs. It is done all the same, and
                // to say otherwise would have it done twice.
                self.out_of_place += 1;
                let generation = std::sync::Arc::clone(&self.generation);
                if let Some(variants) = generation.patterns.says.get(&Pattern::TaskDone) {
                    let text = variants.iter().find_map(|t| self.render(t, &Values::new()).ok());
                    let text = Pii::new(text.unwrap_or_default());
                    self.say_claim(text);
                }
            }
        }
    }

    fn say_claim(&mut self, text: Pii<String>) {
        self.say(Phrase { claims_completion: true, ..Phrase::plain(text, false) });
    }

    /// What was said last must be heard to its end.
    pub(super) fn must_be_heard(&mut self) {
        if let Some(phrase) = self.speaker.since_listen.last_mut() {
            phrase.uninterruptible = true;
        }
        if let Some(DialogAct::Say(phrase)) = self.acts.last_mut() {
            phrase.uninterruptible = true;
        }
    }

    /// As [`Self::say_pattern`], for values that no transcript shows.
    pub(super) fn say_pattern_hidden(&mut self, pattern: Pattern, values: &[(&str, String)]) {
        self.say_pattern(pattern, values);
        let hidden: Vec<_> = values.iter().map(|(_, value)| Pii::new(value.clone())).collect();
        if let Some(phrase) = self.speaker.since_listen.last_mut() {
            phrase.hidden.clone_from(&hidden);
        }
        if let Some(DialogAct::Say(phrase)) = self.acts.last_mut() {
            phrase.hidden = hidden;
        }
    }

    pub(super) fn say(&mut self, phrase: Phrase) {
        self.speaker.since_listen.push(phrase.clone());
        self.acts.push(DialogAct::Say(phrase));
    }

    pub(super) fn listen(&mut self, expectation: Expectation) {
        let digits_taken = self.piece_len();
        let expectation = Expectation { digits_taken, ..expectation };
        if !self.speaker.since_listen.is_empty() {
            self.speaker.last = std::mem::take(&mut self.speaker.since_listen);
        }
        self.speaker.expectation = Some(expectation.clone());
        self.acts.push(DialogAct::Listen(expectation));
    }

    /// Says the last words again.
    pub(super) fn repeat_last(&mut self) {
        self.signals.repeats += 1;
        if self.speaker.last.is_empty() {
            self.say_pattern(Pattern::NothingToRepeat, &[]);
        }
        for phrase in std::mem::take(&mut self.speaker.last) {
            // It has been heard once.
            self.say(Phrase { uninterruptible: false, ..phrase });
        }
        if let Some(expectation) = self.speaker.expectation.clone() {
            self.listen(expectation);
        }
    }

    pub(super) fn render(
        &self,
        template: &Template,
        values: &Values,
    ) -> Result<String, RenderError> {
        template.render(&|name: &str| self.lookup(name, values))
    }

    /// A blank's value: given for this sentence, of the task, of the call, or of the house.
    fn lookup(&self, name: &str, values: &Values) -> Option<String> {
        if let Some(value) = values.get(name) {
            return Some(value.clone());
        }
        let slot = SlotName::new(name);
        let of_task = self.tasks.last().and_then(|task| task.slots.get(&slot));
        if let Some(value) = of_task.or_else(|| self.facts.get(&slot)) {
            return Some(value.value.expose().clone());
        }
        match name {
            "caller_first_name" => self.caller.get("first_name").map(|v| v.expose().clone()),
            _ => self.generation.of_house(name),
        }
    }
}

/// Fixed words may be kept as sound: their only blanks are the house's own.
fn is_fixed(template: &Template) -> bool {
    template.parts.iter().all(|part| match part {
        Part::Text(_) => true,
        Part::Var { name, .. } => name == "house" || name == "hours",
    })
}
