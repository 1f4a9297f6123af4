//! Whole conversations on text, in microseconds.

mod at_once;
mod effort;
mod identity;
mod manners;
mod people;
mod scope;
mod sharing;
mod transfer;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

mod names;
mod opening;

use super::*;
use crate::nlu::{ConfidencePolicy, IntentScore, Part, Readings, SlotKind, Understanding};
use crate::prompts::{
    ActionName, ActionSignature, Declared, ReadBack, SourceFile, VerificationSignature, parse,
};

fn declared() -> Declared {
    let action = |inputs: &[&str], outputs: &[&str], changes_state| ActionSignature {
        inputs: inputs.iter().map(|s| (*s).to_owned()).collect(),
        outputs: outputs.iter().map(|s| (*s).to_owned()).collect(),
        changes_state,
        gives_list: false,
    };
    let transfer_inputs = ["account_number", "from_account", "to_account", "amount"];
    let actions = [
        ("crm.balance", action(&["account_number", "account_type"], &["balance"], false)),
        (
            "crm.transactions",
            action(&["account_number", "account_type"], &["count", "summary"], false),
        ),
        ("crm.block_card", action(&["account_number"], &["card_last4"], true)),
        ("crm.transfer", action(&transfer_inputs, &["from_balance", "to_balance"], true)),
        ("crm.change_address", action(&["account_number", "new_address"], &[], true)),
        ("crm.verify_pin", action(&["account_number", "pin"], &[], false)),
        ("crm.surnames", ActionSignature { gives_list: true, ..ActionSignature::default() }),
    ];
    Declared {
        actions: actions.into_iter().map(|(n, a)| (ActionName::new(n), a)).collect(),
        verifications: BTreeMap::from([(
            VerificationName::new("account_pin"),
            VerificationSignature { slots: vec!["account_number".into(), "pin".into()] },
        )]),
        caller_fields: ["customer_name", "first_name", "account_number"]
            .into_iter()
            .map(str::to_owned)
            .collect(),
        tells_ticket: true,
        asks_to_record: false,
    }
}

/// The demo profile itself: what is tested here is what callers get.
pub(crate) fn generation() -> Arc<Generation> {
    generation_with(&[])
}

/// The demo profile with more intents: their names and files.
fn generation_with(intents: &[(&str, &str)]) -> Arc<Generation> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/bank");
    let mut files = Vec::new();
    for sub in ["", "intents"] {
        for entry in std::fs::read_dir(folder.join(sub)).expect("the demo profile") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ext| ext == "md") {
                let relative = path.strip_prefix(&folder).expect("inside").to_string_lossy();
                files.push(SourceFile {
                    path: relative.into_owned(),
                    text: std::fs::read_to_string(&path).expect("readable"),
                });
            }
        }
    }
    files.extend(intents.iter().map(|(name, text)| SourceFile {
        path: format!("intents/{name}.md"),
        text: (*text).to_owned(),
    }));
    Arc::new(parse("bank", &files, &declared()).expect("the demo profile is sound").generation)
}

struct Talk {
    conversation: Conversation,
    /// All that was said, in order.
    said: Vec<Phrase>,
    acts: Vec<DialogAct>,
}

/// How conversations are held here, with callers put through to the people of these queues.
pub(crate) fn rules(transfers: &[&str]) -> Rules {
    let declared = declared();
    Rules {
        policy: ConfidencePolicy::default(),
        failures_max: 3,
        verifications: BTreeMap::from([(
            VerificationName::new("account_pin"),
            VerificationRule { action: ActionName::new("crm.verify_pin"), attempts_max: 3 },
        )]),
        action_inputs: declared
            .actions
            .iter()
            .map(|(name, signature)| (name.clone(), signature.inputs.clone()))
            .collect(),
        transfers: transfers.iter().map(|queue| QueueName::new(*queue)).collect(),
        staffed: Default::default(),
        callback: None,
        record: Default::default(),
        recording: Default::default(),
        today: (2026, 11, 24),
    }
}

impl Talk {
    fn new(caller: &[(&str, &str)]) -> Self {
        Self::on(generation(), caller)
    }

    /// A conversation on the demo profile with something else in place of the account number.
    fn asking_for(kind: SlotKind) -> Self {
        let mut generation = generation();
        let changed = Arc::get_mut(&mut generation).expect("nobody else has it");
        let account_pin = VerificationName::new("account_pin");
        let specs = changed.patterns.verifications.get_mut(&account_pin).expect("its slots");
        specs[0].kind = kind;
        specs[0].read_back = ReadBack::Plain;
        Self::on(generation, &[])
    }

    fn on(generation: Arc<Generation>, caller: &[(&str, &str)]) -> Self {
        Self::transferring(generation, caller, &[])
    }

    /// A conversation in which callers are put through to the people of these queues.
    fn transferring(
        generation: Arc<Generation>,
        caller: &[(&str, &str)],
        transfers: &[&str],
    ) -> Self {
        Self::under(rules(transfers), generation, caller)
    }

    fn with_rules(
        generation: Arc<Generation>,
        caller: &[(&str, &str)],
        change: impl FnOnce(&mut Rules),
    ) -> Self {
        let mut rules = rules(&[]);
        change(&mut rules);
        Self::under(rules, generation, caller)
    }

    /// A conversation under these rules.
    fn under(rules: Rules, generation: Arc<Generation>, caller: &[(&str, &str)]) -> Self {
        let mut talk = Self {
            conversation: Conversation::new(generation, rules, 1),
            said: Vec::new(),
            acts: Vec::new(),
        };
        let caller =
            caller.iter().map(|(k, v)| ((*k).to_owned(), Pii::new((*v).to_owned()))).collect();
        talk.input(ConversationInput::Started { caller });
        talk
    }

    fn input(&mut self, input: ConversationInput) {
        self.acts = self.conversation.handle(input);
        for act in &self.acts {
            if let DialogAct::Say(phrase) = act {
                self.said.push(phrase.clone());
            }
        }
    }

    /// Says something that is a request for `intent`.
    fn ask(&mut self, text: &str, intent: &str) {
        self.hear(text, &[(intent, 0.93)], -1.0);
    }

    /// Says something that is no request.
    fn say(&mut self, text: &str) {
        self.hear(text, &[("balance", 0.12), ("transfer", 0.1)], -0.1);
    }

    fn hear(&mut self, text: &str, intents: &[(&str, f32)], out_of_scope: f32) {
        let intents = intents
            .iter()
            .map(|(name, confidence)| IntentScore {
                intent: IntentName::new(*name),
                confidence: *confidence,
            })
            .collect();
        self.input(ConversationInput::Heard {
            text: Pii::new(text.to_owned()),
            confidence: 0.9,
            understanding: Understanding::of(intents, out_of_scope),
            before_question: false,
            readings: Readings::default(),
        });
    }

    fn key(&mut self, keys: &str) {
        let keys = Pii::new(keys.to_owned());
        self.input(ConversationInput::Keyed { keys, before_question: false });
    }

    /// The action that was just asked for.
    fn action(&self) -> (ActionRunId, String, BTreeMap<String, String>) {
        self.acts
            .iter()
            .find_map(|act| match act {
                DialogAct::RunAction { run, action, inputs } => Some((
                    *run,
                    action.as_str().to_owned(),
                    inputs.iter().map(|(k, v)| (k.clone(), v.expose().clone())).collect(),
                )),
                _ => None,
            })
            .unwrap_or_else(|| panic!("no action in {:?}", self.acts))
    }

    fn done(&mut self, run: ActionRunId, outputs: &[(&str, &str)]) {
        let outputs =
            outputs.iter().map(|(k, v)| ((*k).to_owned(), Pii::new((*v).to_owned()))).collect();
        self.input(ConversationInput::ActionFinished { run, result: Ok(outputs) });
    }

    fn fail(&mut self, run: ActionRunId, failure: FailureWords) {
        self.input(ConversationInput::ActionFinished { run, result: Err(failure) });
    }

    fn verify(&mut self) {
        self.key("12345678");
        self.key("4321");
        let (run, action, inputs) = self.action();
        assert_eq!(action, "crm.verify_pin");
        assert_eq!(inputs["pin"], "4321");
        self.done(run, &[("customer_name", "Alex Morgan"), ("first_name", "Alex")]);
    }

    fn handoff(&self) -> &HandoffRequest {
        self.acts
            .iter()
            .find_map(|act| match act {
                DialogAct::HandOff(request) => Some(&**request),
                _ => None,
            })
            .unwrap_or_else(|| panic!("no hand-off in {:?}", self.acts))
    }

    fn expects(&self) -> &Expectation {
        self.acts
            .iter()
            .find_map(|act| match act {
                DialogAct::Listen(expectation) => Some(expectation),
                _ => None,
            })
            .unwrap_or_else(|| panic!("listens for nothing in {:?}", self.acts))
    }

    fn last_words(&self) -> String {
        self.acts
            .iter()
            .filter_map(|act| match act {
                DialogAct::Say(phrase) => Some(phrase.text.expose().as_str()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn claimed(&self) -> bool {
        self.said.iter().any(|phrase| phrase.claims_completion)
    }
}

#[test]
fn a_balance_is_told_after_verification() {
    let mut talk = Talk::new(&[]);
    talk.ask("how much do I have in savings", "balance");
    assert!(talk.expects().patient, "an account number takes time");
    assert!(!talk.expects().secret);
    talk.verify();
    let (run, action, inputs) = talk.action();
    assert_eq!(action, "crm.balance");
    assert_eq!(inputs["account_number"], "12345678");
    assert_eq!(inputs["account_type"], "savings");
    assert!(!talk.claimed());
    talk.done(run, &[("balance", "5310.00")]);
    assert!(talk.last_words().contains("$5,310"), "{}", talk.last_words());
    assert!(talk.claimed());
}

#[test]
fn the_pin_is_secret_and_in_no_handoff() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.key("12345678");
    assert!(talk.expects().secret);
    talk.say("four three two one");
    let (run, _, inputs) = talk.action();
    assert_eq!(inputs["pin"], "4321");
    talk.fail(run, FailureWords::Unavailable);
    talk.say("yes please");
    let handoff = talk.handoff();
    assert!(handoff.slots.iter().all(|slot| slot.value != "4321"), "{handoff:?}");
    assert_eq!(handoff.reason, HandoffReason::Outage);
}

#[test]
fn a_known_caller_is_asked_for_the_pin_only() {
    let mut talk = Talk::new(&[("account_number", "12345678"), ("first_name", "Alex")]);
    talk.ask("what's my checking balance", "balance");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn a_transfer_is_confirmed_before_and_claimed_only_after() {
    let mut talk = Talk::new(&[]);
    talk.ask("move fifty dollars from checking to savings", "transfer");
    talk.verify();
    assert_eq!(talk.expects().expected, Expected::YesNo);
    let words = talk.last_words();
    assert!(words.contains("$50") && words.contains("savings"), "{words}");
    talk.say("yes go ahead");
    let (run, action, inputs) = talk.action();
    assert_eq!(action, "crm.transfer");
    assert_eq!(inputs["amount"], "50.00");
    assert_eq!(inputs["from_account"], "checking");
    assert_eq!(inputs["to_account"], "savings");
    assert!(!talk.claimed());
    talk.done(run, &[("from_balance", "1154.50"), ("to_balance", "5360.00")]);
    assert!(talk.claimed());
}

#[test]
fn a_correction_at_the_confirmation_changes_the_value_and_asks_again() {
    let mut talk = Talk::new(&[]);
    talk.ask("move fifty dollars from checking to savings", "transfer");
    talk.verify();
    talk.say("no, sixty dollars");
    assert_eq!(talk.expects().expected, Expected::YesNo);
    assert!(talk.last_words().contains("$60"), "{}", talk.last_words());
    talk.say("yes");
    assert_eq!(talk.action().2["amount"], "60.00");
}

#[test]
fn a_no_leaves_everything_as_it_is() {
    let mut talk = Talk::new(&[]);
    talk.ask("I lost my card", "lost_card");
    talk.verify();
    talk.say("no");
    assert!(!talk.claimed());
    assert!(!talk.acts.iter().any(|act| matches!(act, DialogAct::RunAction { .. })));
}

#[test]
fn a_failed_action_is_never_claimed_and_a_person_is_offered() {
    for failure in [FailureWords::Unavailable, FailureWords::Timeout] {
        let mut talk = Talk::new(&[]);
        talk.ask("I lost my card", "lost_card");
        talk.verify();
        talk.say("yes");
        let (run, action, _) = talk.action();
        assert_eq!(action, "crm.block_card");
        talk.fail(run, failure.clone());
        assert!(!talk.claimed(), "{failure:?}");
        // The file says "Let me get you our card team": nobody is asked first.
        let handoff = talk.handoff();
        assert_eq!(handoff.reason, HandoffReason::Outage);
        assert_eq!(handoff.intent.as_ref().map(|i| i.name.as_str()), Some("lost_card"));
        assert!(handoff.summary.contains("crm.block_card"), "{}", handoff.summary);
        talk.input(ConversationInput::HandoffStored { stored: true });
        assert!(talk.conversation.is_over());
    }
}

#[test]
fn nothing_is_promised_when_the_handoff_is_not_stored() {
    let mut talk = Talk::new(&[]);
    talk.say("agent");
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);
    assert!(talk.last_words().is_empty(), "said too early: {}", talk.last_words());
    talk.input(ConversationInput::HandoffStored { stored: false });
    let stored = generation();
    let promises = &stored.patterns.says[&Pattern::HandOffCallback];
    let promised = promises.iter().any(|template| {
        talk.conversation
            .render(template, &BTreeMap::new())
            .is_ok_and(|text| talk.last_words().contains(&text))
    });
    assert!(!promised, "{}", talk.last_words());
    assert!(talk.conversation.is_over());
}

#[test]
fn wrong_pins_end_with_a_person() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    for _ in 0..3 {
        talk.key("12345678");
        talk.key("1111");
        let (run, _, _) = talk.action();
        talk.fail(run, FailureWords::Refused("wrong pin".into()));
    }
    let handoff = talk.handoff();
    assert_eq!(handoff.verification.as_ref().map(|v| v.result.as_str()), Some("failed"));
    assert_eq!(handoff.verification.as_ref().map(|v| v.tries), Some(3));
}

#[test]
fn not_understanding_ends_with_a_person_never_a_loop() {
    let mut talk = Talk::new(&[]);
    for _ in 0..2 {
        talk.say("blah blah something");
        assert!(!talk.last_words().is_empty());
    }
    talk.say("blah blah something");
    assert_eq!(talk.handoff().reason, HandoffReason::RepeatedFailure);
}

#[test]
fn silence_is_asked_about_then_ended() {
    let mut talk = Talk::new(&[]);
    talk.input(ConversationInput::Silence);
    let first = talk.last_words();
    talk.input(ConversationInput::Silence);
    assert_ne!(first, talk.last_words(), "the same words twice in a row");
    talk.input(ConversationInput::Silence);
    assert!(talk.conversation.is_over(), "a line nobody speaks on is not kept");
}

#[test]
fn an_unsure_request_is_confirmed_and_two_close_ones_are_told_apart() {
    let mut talk = Talk::new(&[]);
    talk.hear("my card thing", &[("lost_card", 0.42), ("balance", 0.1)], -0.5);
    assert_eq!(talk.expects().expected, Expected::YesNo);
    talk.say("yes");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());

    let mut talk = Talk::new(&[]);
    talk.hear("my account", &[("balance", 0.44), ("recent_transactions", 0.41)], -0.5);
    assert!(talk.last_words().contains("balance"), "{}", talk.last_words());
    talk.ask("the balance", "balance");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());
}

#[test]
fn out_of_scope_twice_goes_to_a_person() {
    let mut talk = Talk::new(&[]);
    talk.hear("how tall is the eiffel tower", &[("balance", 0.3)], 1.0);
    assert!(!talk.last_words().is_empty());
    talk.hear("who won the match", &[("balance", 0.3)], 1.0);
    assert_eq!(talk.handoff().reason, HandoffReason::OutOfScope);

    let mut talk = Talk::new(&[]);
    talk.hear("how tall is the eiffel tower", &[("balance", 0.3)], 1.0);
    talk.ask("okay then what's my balance", "balance");
    assert!(talk.last_words().to_lowercase().contains("account number"), "{}", talk.last_words());
}

#[test]
fn repeat_says_the_same_words_and_stop_leaves_the_task() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    let asked = talk.last_words();
    talk.say("can you repeat that");
    assert_eq!(talk.last_words(), asked);
    assert_eq!(talk.conversation.signals().repeats, 1);
    talk.say("never mind");
    talk.say("no that's all");
    assert!(talk.conversation.is_over());
}

#[test]
fn another_request_in_mid_task_is_served_and_the_first_resumed() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.ask("when are you open on saturdays", "branch_hours");
    let words = talk.last_words().to_lowercase();
    assert!(words.contains("account number"), "the first task is taken up again: {words}");
}

#[test]
fn late_results_are_counted_not_believed() {
    let mut talk = Talk::new(&[]);
    talk.done(ActionRunId(7), &[("balance", "1.00")]);
    assert_eq!(talk.conversation.out_of_place, 1);
    assert!(!talk.claimed());
}

#[test]
fn a_dead_recogniser_leaves_keys_and_a_person() {
    let mut talk = Talk::new(&[]);
    talk.input(ConversationInput::HearingDown);
    assert_eq!(talk.expects().expected, Expected::Keys);
    talk.key("1");
    assert_eq!(talk.handoff().reason, HandoffReason::Outage);
}

#[test]
fn a_yes_before_the_question_confirms_nothing() {
    let mut talk = Talk::new(&[]);
    talk.ask("I lost my card", "lost_card");
    talk.verify();
    let early = |talk: &mut Talk, text: &str| {
        talk.input(ConversationInput::Heard {
            text: Pii::new(text.to_owned()),
            confidence: 0.9,
            understanding: Understanding::of(Vec::new(), -1.0),
            before_question: true,
            readings: Readings::default(),
        });
    };
    early(&mut talk, "yeah okay");
    assert!(!talk.acts.iter().any(|act| matches!(act, DialogAct::RunAction { .. })));
    assert_eq!(talk.expects().expected, Expected::YesNo, "it asks again");
    let keys = Pii::new("1".to_owned());
    talk.input(ConversationInput::Keyed { keys, before_question: true });
    assert!(!talk.acts.iter().any(|act| matches!(act, DialogAct::RunAction { .. })));
    talk.say("yes");
    assert_eq!(talk.action().1, "crm.block_card");
}

#[test]
fn agreement_has_many_forms() {
    for yes in ["yes block it", "yeah, go ahead please", "Yes, I'm sure.", "sure, that's fine"] {
        let mut talk = Talk::new(&[]);
        talk.ask("I lost my card", "lost_card");
        talk.verify();
        talk.say(yes);
        assert_eq!(talk.action().1, "crm.block_card", "{yes}");
    }
    for no in ["yes but not now", "no wait", "no I found it"] {
        let mut talk = Talk::new(&[]);
        talk.ask("I lost my card", "lost_card");
        talk.verify();
        talk.say(no);
        let acts = talk.acts.iter().any(|act| matches!(act, DialogAct::RunAction { .. }));
        assert!(!acts, "{no}");
    }
}

#[test]
fn thats_it_agrees_to_a_read_back_and_does_not_end_the_call() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("one two three four five six seven eight");
    talk.say("Yeah, that's it.");
    assert!(talk.expects().secret, "the PIN is asked for: {}", talk.last_words());
}

#[test]
fn a_number_in_pieces_is_put_together() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("one two three four");
    assert!(talk.expects().patient);
    assert_eq!(talk.conversation.signals().failed_turns, 0);
    talk.key("5678");
    assert!(talk.expects().secret, "{}", talk.last_words());
    talk.say("four three");
    talk.say("two one");
    assert_eq!(talk.action().2["pin"], "4321");
}

#[test]
fn a_number_misheard_every_time_goes_to_a_person() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    for _ in 0..2 {
        talk.say("one two three four five six seven nine");
        talk.say("no");
    }
    talk.say("one two three four five six seven nine");
    talk.say("no");
    assert_eq!(talk.handoff().reason, HandoffReason::RepeatedFailure);
}

#[test]
fn the_same_number_again_agrees_to_it() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("one two three four five six seven eight");
    talk.say("yes one two three four five six seven eight");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn a_part_of_a_number_is_put_right() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("one two three four five six seven nine");
    talk.say("no, it ends in seven eight");
    assert!(talk.last_words().contains("1 2, 3 4, 5 6, 7 8"), "{}", talk.last_words());
    talk.say("the first digit is nine");
    assert!(talk.last_words().contains("9 2, 3 4, 5 6, 7 8"), "{}", talk.last_words());
    talk.say("yes");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn a_phone_number_may_come_in_pieces_and_be_put_right() {
    let mut talk = Talk::asking_for(SlotKind::Phone);
    talk.ask("what's my balance", "balance");
    talk.say("four one five");
    talk.say("five five five oh one two three");
    assert!(talk.last_words().contains("4 1 5, 5 5 5, 0 1 2 3"), "{}", talk.last_words());
    talk.say("no, the area code is two one two");
    assert!(talk.last_words().contains("2 1 2, 5 5 5, 0 1 2 3"), "{}", talk.last_words());
    talk.key("4155550199");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn a_name_is_read_back_spelled_and_corrected_by_spelling() {
    let mut talk = Talk::asking_for(SlotKind::Name);
    talk.ask("what's my balance", "balance");
    talk.say("It's Smyth.");
    assert!(talk.last_words().contains("Smyth, S M Y T H"), "{}", talk.last_words());
    talk.say("no, S M I T H");
    assert!(talk.last_words().contains("Smith, S M I T H"), "{}", talk.last_words());
    talk.say("yes");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn one_letter_of_a_name_is_put_right() {
    let mut talk = Talk::asking_for(SlotKind::Name);
    talk.ask("what's my balance", "balance");
    talk.say("It's Catherine.");
    talk.say("no, with a K");
    let words = talk.last_words();
    assert!(words.contains("Katherine, K A T H E R I N E"), "{words}");
    talk.say("yes");
    assert!(talk.expects().secret, "{}", talk.last_words());
    // Two letters may be meant: the name is asked for again, and Mary is nobody.
    let mut talk = Talk::asking_for(SlotKind::Name);
    talk.ask("what's my balance", "balance");
    talk.say("It's Hannah.");
    talk.say("no, M as in Mary");
    assert!(!talk.last_words().contains("Mary"), "{}", talk.last_words());
    assert_eq!(talk.expects().expected, Expected::Slot(SlotKind::Name));
    talk.say("Mannah");
    talk.say("yes");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn not_five_nine_changes_one_digit() {
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.say("one two three four five six seven eight");
    talk.say("not five, nine");
    assert!(talk.last_words().contains("1 2, 3 4, 9 6, 7 8"), "{}", talk.last_words());
}

#[test]
fn of_a_card_only_the_last_digits_are_said() {
    let mut talk = Talk::asking_for(SlotKind::Card);
    talk.ask("what's my balance", "balance");
    talk.say("4111 1111");
    talk.say("1111 1111");
    let words = talk.last_words();
    assert!(words.contains("ending in 1 1 1 1") && !words.contains('4'), "{words}");
    talk.say("yes");
    assert!(talk.expects().secret, "{}", talk.last_words());
}

#[test]
fn from_and_to_in_one_answer_fill_both() {
    let mut talk = Talk::new(&[]);
    talk.ask("I'd like to move fifty dollars", "transfer");
    talk.verify();
    talk.say("from checking to savings");
    let words = talk.last_words();
    assert!(words.contains("from checking") && words.contains("to savings"), "{words}");
}

#[test]
fn no_the_other_one_changes_no_amount_and_cancels_nothing() {
    let mut talk = Talk::new(&[]);
    talk.ask("move fifty dollars from checking to savings", "transfer");
    talk.verify();
    talk.say("no, the other one");
    assert_eq!(talk.expects().expected, Expected::YesNo);
    talk.say("sixty dollars");
    assert!(talk.last_words().contains("$60"), "{}", talk.last_words());
}

#[test]
fn a_person_asked_for_during_an_action_comes_after_its_result() {
    let mut talk = Talk::new(&[]);
    talk.ask("I lost my card", "lost_card");
    talk.verify();
    talk.say("yes");
    let (run, _, _) = talk.action();
    talk.input(ConversationInput::Lull(Lull::First));
    assert!(!talk.last_words().is_empty(), "one moment");
    talk.say("agent");
    talk.done(run, &[("card_last4", "4417")]);
    assert!(talk.claimed());
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);
    assert_eq!(talk.handoff().actions.last().map(|(_, a)| a.result.as_str()), Some("done"));
}

#[test]
fn engines_that_fail_during_an_action_do_not_lose_its_result() {
    for failed in [ConversationInput::VoiceDown, ConversationInput::HearingDown] {
        let mut talk = Talk::new(&[]);
        talk.ask("I lost my card", "lost_card");
        talk.verify();
        talk.say("yes");
        let (run, _, _) = talk.action();
        talk.input(failed.clone());
        talk.done(run, &[("card_last4", "4417")]);
        if matches!(failed, ConversationInput::HearingDown) {
            talk.key("0");
        }
        let done = talk.handoff().actions.last().map(|(_, a)| a.result.clone());
        assert_eq!(done.as_deref(), Some("done"));
        assert!(talk.claimed());
    }
}

#[test]
fn a_result_that_cannot_be_read_out_is_still_a_success() {
    let mut talk = Talk::new(&[]);
    talk.ask("move fifty dollars from checking to savings", "transfer");
    talk.verify();
    talk.say("yes");
    let (run, _, _) = talk.action();
    talk.done(run, &[("from_balance", "a lot"), ("to_balance", "even more")]);
    assert!(talk.claimed(), "{}", talk.last_words());
    assert!(!talk.last_words().contains("didn't work"), "{}", talk.last_words());
}

#[test]
fn an_account_number_in_the_request_is_read_back_not_asked_for() {
    let mut talk = Talk::new(&[]);
    talk.ask("I lost my card, my account is 12345678", "lost_card");
    assert_eq!(talk.expects().expected, Expected::YesNo, "{}", talk.last_words());
    assert!(talk.last_words().contains("7 8"), "{}", talk.last_words());
}

#[test]
fn what_people_decide_is_asked_about_and_then_handed_over() {
    let mut talk = Talk::new(&[]);
    talk.ask("there is a charge I didn't make", "dispute_charge");
    talk.say("eighty dollars");
    let handoff = talk.handoff();
    assert_eq!((handoff.reason, handoff.queue.as_str()), (HandoffReason::Policy, "billing"));
    assert!(handoff.slots.iter().any(|slot| slot.value == "80.00"), "{handoff:?}");
}

#[test]
fn help_tells_what_can_be_asked_for_and_zero_is_a_person_everywhere() {
    let mut talk = Talk::new(&[]);
    talk.say("what can you do");
    assert!(talk.last_words().contains("balance"), "{}", talk.last_words());
    talk.ask("I moved and have a new address", "address_change");
    talk.verify();
    talk.key("0");
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);
}

#[test]
fn unsure_requests_again_and_again_go_to_a_person() {
    let mut talk = Talk::new(&[]);
    let mut turns = 0;
    while !talk.acts.iter().any(|act| matches!(act, DialogAct::HandOff(_))) {
        talk.hear("my card thing", &[("lost_card", 0.42), ("balance", 0.1)], -0.5);
        turns += 1;
        assert!(turns < 8, "it would go on for ever");
    }
}

#[test]
fn a_question_is_answered_as_written_and_a_person_offered_if_that_was_not_it() {
    let question = generation().faq[0].name();
    let mut talk = Talk::new(&[]);
    talk.ask("where do I find the routing number", question.as_str());
    assert!(talk.last_words().contains("first nine digits"), "{}", talk.last_words());
    assert_eq!(talk.expects().expected, Expected::YesNo);
    talk.say("no that's not what I meant");
    talk.say("yes please");
    let handoff = talk.handoff();
    assert_eq!(handoff.reason, HandoffReason::OutOfScope);
    assert!(handoff.summary.contains("routing number"), "{}", handoff.summary);
}

#[test]
fn a_question_in_mid_task_is_answered_and_the_task_goes_on() {
    let question = generation().faq[0].name();
    let mut talk = Talk::new(&[]);
    talk.ask("what's my balance", "balance");
    talk.ask("by the way where do I find the routing number", question.as_str());
    let words = talk.last_words().to_lowercase();
    assert!(words.contains("nine digits") && words.contains("account number"), "{words}");
}

#[test]
fn two_requests_in_one_breath_are_done_one_after_the_other() {
    let part = |words: &str, intent: &str| Part {
        words: Pii::new(words.to_owned()),
        score: IntentScore { intent: IntentName::new(intent), confidence: 0.95 },
    };
    let mut talk = Talk::new(&[]);
    let mut understanding = Understanding::of(
        vec![IntentScore { intent: IntentName::new("balance"), confidence: 0.5 }],
        -1.0,
    );
    understanding.parts = vec![
        part("when are you open", "branch_hours"),
        part("move fifty dollars to savings", "transfer"),
    ];
    talk.input(ConversationInput::Heard {
        text: Pii::new("when are you open and then move fifty dollars to savings".to_owned()),
        confidence: 0.9,
        understanding,
        before_question: false,
        readings: Readings::default(),
    });
    let words = talk.last_words().to_lowercase();
    assert!(words.contains("weekdays") && words.contains("account number"), "{words}");
    talk.verify();
    assert!(talk.last_words().to_lowercase().contains("from"), "{}", talk.last_words());
}
