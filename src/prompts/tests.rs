//! One small sound tree, broken in one place at a time.

mod gathered;
mod queues;
mod ticket;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::nlu::{IntentName, SlotKind};

const BALANCE: &str = "\
---
intent: balance
title: your balance
risk: medium
verify: account_pin
action: crm.balance
handoff: billing
---
## Callers say
- what's my (balance|account balance)
- how much [money] do I have in {account_type}
- check my balance
- am I overdrawn
- tell me what is left
## Not this
- move my balance -> transfer
## We need
### account_type (one of: checking (current account, giro), savings; default checking)
Ask: Checking or savings?
Again: Sorry, which one?
## Then say
- Your {account_type} balance is {balance:money}.
## If it fails
unavailable: I can't see balances right now.
## Tell the agent
Wanted the balance of {account_type}.
## Tests
- caller: how much is in savings
  intent: balance
  slots: account_type=savings
";

const TRANSFER: &str = "\
---
intent: transfer
title: a transfer
risk: high
verify: account_pin
action: crm.transfer
handoff: billing
---
## Callers say
- transfer {amount}
- move some money
- send money to savings
- make a transfer
- put money in the other account
## We need
### amount (money, keypad)
Ask: How much?
Again: Sorry, how many dollars?
## Confirm
I'll move {amount:money}.
## Then say
I've moved {amount:money}.
## If it fails
timeout: I can't tell whether that went through.
";

const PERSON: &str = "\
---
intent: person
title: a person
risk: low
handoff: billing
person: yes
---
## Callers say
- agent
- a person please
- operator
- get me somebody
- can I talk to a human
";

const HOUSE: &str = "\
---
name: Harbor Bank
---
## Greeting
- Hello, this is {house}.
- Hello {caller_first_name}.
## Agent words
- agent
## Repeat words
- repeat
## Stop words
- stop, cancel
## Goodbye words
- bye
";

const HOURS: &str = "\
## Opening hours
- Monday to Friday: 9 am to 5 pm
- Saturday: 10:30 am to noon, 1 pm to 3 pm
- Sunday: closed
## Holidays
- 2026-12-25 Christmas Day
## Say
We're open weekdays from nine to five.
";

const QUEUES: &str = "\
## billing
Spoken: our billing team
Skills: billing, cards
Priority: 3
### While waiting
- Thanks for holding.
";

const FAQ: &str = "\
## Do you have parking?
Yes, behind the building.
Also:
- where can I park
- is there a (car park|parking lot)
";

const VERIFY: &str = "\
## Verify account_pin
### account_number (digits 8, keypad, patient)
Ask: What's your account number?
Again: Just the eight digits, please.
Read back: in pairs
From: crm.caller.account_number
### pin (digits 4-6, keypad, secret)
Ask: And your pin?
Again: Just the digits, please.
";

/// Where `## Verify` stands: behind all patterns, two lines each.
const VERIFY_LINE: usize = 2 * Pattern::ALL.len() + 1;

fn patterns() -> String {
    let mut text = String::new();
    for pattern in Pattern::ALL {
        let blanks: Vec<String> =
            pattern.variables().iter().map(|name| format!("{{{name}}}")).collect();
        text.push_str(&format!("## {}\nSo {}.\n", pattern.heading(), blanks.join(" or ")));
    }
    text + VERIFY
}

fn tree() -> Vec<SourceFile> {
    [
        ("house.md", HOUSE.to_owned()),
        ("words.md", "## Said as\n- IBAN: eye ban\n## Hints\n- savings, checking\n".to_owned()),
        ("patterns.md", patterns()),
        ("hours.md", HOURS.to_owned()),
        ("queues.md", QUEUES.to_owned()),
        ("faq.md", FAQ.to_owned()),
        ("intents/balance.md", BALANCE.to_owned()),
        ("intents/transfer.md", TRANSFER.to_owned()),
        ("intents/person.md", PERSON.to_owned()),
    ]
    .into_iter()
    .map(|(path, text)| SourceFile { path: path.to_owned(), text })
    .collect()
}

fn declared() -> Declared {
    let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let action = |name: &str, inputs: &[&str], outputs: &[&str], changes_state| {
        let (inputs, outputs) = (strings(inputs), strings(outputs));
        let signature = ActionSignature { inputs, outputs, changes_state, gives_list: false };
        (ActionName::new(name), signature)
    };
    Declared {
        actions: BTreeMap::from([
            action("crm.balance", &["account_number", "account_type"], &["balance"], false),
            action("crm.transfer", &["account_number", "amount"], &["left"], true),
        ]),
        verifications: BTreeMap::from([(
            VerificationName::new("account_pin"),
            VerificationSignature { slots: strings(&["account_number", "pin"]) },
        )]),
        caller_fields: BTreeSet::from(["account_number".to_owned()]),
        tells_ticket: true,
        asks_to_record: false,
    }
}

/// All findings of the small tree after `old` has become `new` in one file.
fn findings(path: &str, old: &str, new: &str) -> Vec<Finding> {
    let mut files = tree();
    let file = files.iter_mut().find(|file| file.path == path).expect("the tree has this file");
    assert!(file.text.contains(old), "{path} has no {old:?}");
    file.text = file.text.replacen(old, new, 1);
    match parse("bank", &files, &declared()) {
        Ok(parsed) => parsed.warnings,
        Err(findings) => findings,
    }
}

fn parsed() -> Generation {
    parse("bank", &tree(), &declared()).expect("the small tree is sound").generation
}

/// Replacing `old` by `new` in a file must give a finding with these words on this line.
fn check(severity: Severity, path: &str, cases: &[(&str, &str, usize, &str, &str)]) {
    for (old, new, line, what, fix) in cases {
        let found = findings(path, old, new);
        let hit = |finding: &&Finding| {
            finding.severity == severity
                && finding.path == format!("prompts/bank/{path}")
                && finding.line == *line
                && finding.what.contains(what)
                && finding.fix.contains(fix)
        };
        let listed: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|f| hit(&f)), "{old:?} -> {new:?} gave {listed:#?}");
    }
}

#[test]
fn what_must_be_heard_says_why() {
    let said = |path: &str, old: &str, new: &str| {
        let mut files = tree();
        let file = files.iter_mut().find(|file| file.path == path).expect("the tree has this file");
        file.text = file.text.replacen(old, new, 1);
        parse("bank", &files, &declared()).map(|parsed| parsed.generation)
    };
    let with =
        "## Disclosure\nThis call is recorded.\nDo not interrupt: the law wants it\n## Agent words";
    let house = said("house.md", "## Agent words", with).expect("sound").house;
    assert_eq!(house.disclosure_uninterruptible.as_deref(), Some("the law wants it"));
    let text = house.disclosure.expect("a disclosure").render(&|_| None).expect("no blanks");
    assert_eq!(text, "This call is recorded.", "the reason is not said");
    assert_eq!(parsed().house.disclosure_uninterruptible, None);
    let heading = format!("## {}\n", Pattern::Goodbye.heading());
    let with = format!("{heading}Do not interrupt: it is the last they hear\n");
    let patterns = said("patterns.md", &heading, &with).expect("sound").patterns;
    let reasons: Vec<(Pattern, &str)> =
        patterns.uninterruptible.iter().map(|(pattern, why)| (*pattern, why.as_str())).collect();
    assert_eq!(reasons, [(Pattern::Goodbye, "it is the last they hear")]);
}

#[test]
fn what_must_be_heard_without_a_reason_is_refused() {
    let disclosure = |lines: &str| format!("## Disclosure\nWe record.\n{lines}\n## Agent words");
    let line = HOUSE.lines().position(|line| line == "## Agent words").expect("there") + 3;
    for (lines, at, what, fix) in [
        ("Do not interrupt:", line, "gives no reason", "write why they must hear this"),
        ("Do not interrupt", line, "gives no reason", "write why they must hear this"),
        ("Do not interupt: law", line, "is not known here", "write `Do not interrupt:`"),
        (
            "Do not interrupt: law\nDo not interrupt: rule",
            line + 1,
            "is already on line",
            "keep one of the two",
        ),
    ] {
        let new = disclosure(lines);
        check(Severity::Error, "house.md", &[("## Agent words", &new, at, what, fix)]);
    }
}

#[test]
fn the_small_tree_is_read_completely() {
    let generation = parsed();
    let balance = generation.intent(&IntentName::new("balance")).expect("balance is there");
    assert_eq!(balance.title, "your balance");
    assert_eq!((balance.risk, balance.person), (Risk::Medium, PersonRule::IfNeeded));
    assert_eq!(balance.action, Some(ActionName::new("crm.balance")));
    let texts: Vec<&str> = balance.examples.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "what's my balance",
            "what's my account balance",
            "how much money do I have in checking",
            "how much do I have in savings",
            "check my balance",
            "am I overdrawn",
            "tell me what is left",
        ]
    );
    assert_eq!(balance.not_this[0].intent, Some(IntentName::new("transfer")));
    let slot = &balance.slots[0];
    let SlotKind::OneOf(choices) = &slot.kind else { panic!("kind is {:?}", slot.kind) };
    assert_eq!(choices[0].also, ["current account", "giro"]);
    assert_eq!(slot.default.as_deref(), Some("checking"));
    assert_eq!(balance.tests[0].slots[0].1, "savings");
    let verify = &generation.patterns.verifications[&VerificationName::new("account_pin")];
    assert_eq!(verify[0].from_caller.as_deref(), Some("account_number"));
    assert_eq!(verify[0].read_back, ReadBack::InPairs);
    assert_eq!(verify[1].kind, SlotKind::Digits { min: 4, max: 6 });
    assert!(verify[1].secret && verify[1].keypad && !verify[1].patient);
    assert_eq!(generation.hours.weekly[5], [(630, 720), (780, 900)]);
    assert!(generation.hours.weekly[6].is_empty());
    let queue = &generation.queues[&QueueName::new("billing")];
    assert_eq!((queue.priority, queue.skills.len()), (3, 2));
    assert_eq!(generation.faq[0].also.len(), 3);
    assert_eq!(generation.house.global_words.stop, ["stop", "cancel"]);
    assert_eq!(generation.house.language, "en-US");
    assert_eq!(generation.words.hints, ["savings", "checking"]);
    assert_eq!(generation.training().len(), 7 + 5 + 5);
    assert_eq!(generation.negatives()[0].not, IntentName::new("balance"));
}

const NOT_BY_PHONE: &str = "\
## Not by phone
### a mortgage
Say: We do those at our branches.
Queue: billing
Callers say:
- I want a (mortgage|home loan)
- what are your mortgage rates
- can I refinance my house
## Agent words";

#[test]
fn what_is_not_done_by_phone_is_read() {
    let mut files = tree();
    files[0].text = HOUSE.replacen("## Agent words", NOT_BY_PHONE, 1);
    let generation = parse("bank", &files, &declared()).expect("still sound").generation;
    let [entry] = &generation.house.not_by_phone[..] else { panic!("one entry") };
    let name = IntentName::new("not offered: a mortgage");
    assert_eq!((entry.title.as_str(), entry.name()), ("a mortgage", name.clone()));
    assert_eq!(entry.queue, Some(QueueName::new("billing")));
    assert_eq!(entry.answer.to_string(), "We do those at our branches.");
    assert_eq!(entry.examples.len(), 4);
    assert_eq!(generation.not_by_phone_training().len(), 5);
    assert_eq!(
        generation.not_by_phone(&name).map(|found| found.title.as_str()),
        Some("a mortgage")
    );
    assert!(generation.fixed_sentences().contains(&"We do those at our branches.".to_owned()));
    assert_eq!(file_teaching(&name), "house.md");
    assert_eq!(file_teaching(&generation.faq[0].name()), "faq.md");
    assert_eq!(file_teaching(&IntentName::new("balance")), "intents/balance.md");
}

#[test]
fn mistakes_in_what_is_not_done_by_phone_are_named() {
    let line = 1 + HOUSE.lines().position(|line| line == "## Agent words").expect("it is there");
    let cases = [
        ("### a mortgage\n", "", 1, "belongs to nothing", "`### a mortgage`"),
        ("Say: We do those at our branches.\n", "", 1, "has no answer", "`Say:`"),
        ("Say: We", "Says: We", 2, "`Says:` is not known", "`Say`"),
        ("- can I refinance my house\n", "", 4, "there are 2 lines", "at least 3"),
        ("Queue: billing", "Queue: biling", 3, "no queue `biling`", "`billing`"),
        ("(mortgage|home loan)", "{mortgage}", 5, "is not known here", "write the words out"),
        ("those at", "{amount} at", 2, "`{amount}`", ""),
        ("those at our branches", "those. I've moved it", 2, "no action has succeeded", "known"),
        ("can I refinance my house", "check my balance", 7, "is also in", "remove the other"),
    ];
    for (old, new, below, what, fix) in cases {
        let changed = NOT_BY_PHONE.replacen(old, new, 1);
        assert_ne!(changed, NOT_BY_PHONE, "{old:?} is not there");
        let found = findings("house.md", "## Agent words", &changed);
        let hit =
            |f: &&Finding| f.line == line + below && f.what.contains(what) && f.fix.contains(fix);
        let listed: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|f| hit(&f)), "{old:?} -> {new:?} gave {listed:#?}");
    }
}

#[test]
fn settings_of_intents_are_checked() {
    check(
        Severity::Error,
        "intents/balance.md",
        &[
            ("risk: medium", "rsik: medium", 4, "`rsik` is not a setting", "`risk`"),
            ("risk: medium", "risk: hihg", 4, "`hihg` is not a risk", "`high`"),
            ("risk: medium\n", "", 1, "how much harm", "`risk: low`"),
            ("risk: medium", "risk:", 4, "has no value", "after the colon"),
            ("intent: balance", "intent: balanse", 2, "file balance.md", "rename the file"),
            ("intent: balance", "intent: My Balance", 2, "cannot be the name", "lowercase"),
            ("intent: balance\n", "", 1, "which intent it is", "`intent: balance`"),
            ("account_pin", "acount_pin", 5, "no verification", "`account_pin`"),
            ("crm.balance", "crm.balence", 6, "no action `crm.balence`", "`crm.balance`"),
            ("handoff: billing", "handoff: biling", 7, "no queue `biling`", "`billing`"),
            ("handoff: billing", "handoff: sales", 7, "no queue `sales`", "`billing`"),
            ("verify: account_pin\n", "", 5, "needs `account_number`", "### account_number"),
            ("intent: balance", "intent: transfer", 2, "stands in the file", "rename"),
        ],
    );
    check(
        Severity::Error,
        "intents/person.md",
        &[
            ("person: yes", "person: maybe", 6, "is not clear", "`person: yes`"),
            ("handoff: billing\n", "", 1, "nothing says who", "add `handoff:`"),
            ("handoff: billing\nperson: yes\n", "", 1, "does nothing", "add `action:`"),
        ],
    );
    check(
        Severity::Warning,
        "intents/balance.md",
        &[
            ("title: your balance\n", "", 1, "no title", "add `title:`"),
            ("## Not this", "## Not this", 9, "5 lines", "at least 12"),
        ],
    );
    check(
        Severity::Warning,
        "house.md",
        &[("Harbor", "Harbor SDX", 2, "how to say \"SDX\"", "words.md")],
    );
}

#[test]
fn two_files_for_one_intent_are_named() {
    let found = findings("intents/transfer.md", "intent: transfer", "intent: balance");
    assert!(found.iter().any(|f| f.what == "the intent `balance` is also in balance.md"));
    let mut files = tree();
    let path = "intents/balance-copy.md".to_owned();
    files.push(SourceFile { path, text: BALANCE.to_owned() });
    let found = parse("bank", &files, &declared()).expect_err("a copy is one too many");
    assert!(found.iter().any(|f| f.fix.starts_with("rename the file to balance.md, or remove it")));
}

#[test]
fn sections_and_examples_are_checked() {
    check(
        Severity::Error,
        "intents/balance.md",
        &[
            ("## Then say", "## Then sya", 21, "no section `## Then sya`", "`Then say`"),
            ("## Not this", "## Callers say", 15, "already on line 9", "under one heading"),
            ("(balance|account balance)", "(balance", 10, "never closed", "missing `)`"),
            ("check my balance", "check my] balance", 12, "closes nothing", "remove the `]`"),
            ("in {account_type}", "in {account_tpye}", 11, "not something we need", "account_type"),
            ("- am I overdrawn\n", "", 9, "there are 4 lines", "at least 5"),
            ("- am I overdrawn", "-", 13, "nothing after", "write the text"),
            ("- am I overdrawn", "am I overdrawn", 13, "no `- ` in front", "dash and a space"),
            ("- am I overdrawn", "-am I overdrawn", 13, "no `- ` in front", "dash and a space"),
            ("- move my", "\u{2022} move my", 16, "no `- ` in front", "dash and a space"),
            ("- Your", "1. Your", 22, "one of several choices", "start it with `- `"),
            ("-> transfer", "-> tranfser", 16, "no intent `tranfser`", "`transfer`"),
            ("-> transfer", "-> balance", 16, "this intent itself", "another intent"),
            ("move my balance", "am I overdrawn", 16, "also what callers say", "remove it"),
            ("intent: balance\n  slots", "intent: balence\n  slots", 28, "no intent", "`balance`"),
            ("=savings", "=saving", 28, "can never be the value", "`savings`"),
            ("account_type=savings", "acount_type=x", 28, "no slot `acount_type`", "account_type"),
            ("account_type=savings", "account_type", 30, "not a slot with", "`name=value`"),
            ("- caller: how", "- how", 28, "not a line of a test", "`- caller: ...`"),
            ("  intent: balance\n", "", 28, "does not say what", "`intent: none`"),
            ("- caller: how", "today: 3/11\n- caller: how", 28, "not a day", "2026-03-11"),
            ("  slots:", "  today: 2026-03-11\n  slots:", 30, "below a test", "`## Tests`"),
            ("  intent: balance\n", "  intent: faq: parking?\n", 28, "no answer", "parking?`"),
            (
                "  intent: balance\n",
                "  intent: faq: do you have parking\n",
                28,
                "needs no values",
                "`slots:`",
            ),
        ],
    );
    check(
        Severity::Warning,
        "intents/balance.md",
        &[
            ("how much is in savings", "Am I overdrawn?", 28, "proves little", "other words"),
            ("unavailable:", "unavailible:", 24, "`unavailible`", "`unavailable`"),
        ],
    );
    let same = findings("intents/balance.md", "am I overdrawn", "Make a transfer!");
    assert!(same.iter().any(|f| {
        f.path.ends_with("transfer.md")
            && f.line == 13
            && f.what == "\"make a transfer\" is also in intents/balance.md on line 13"
    }));
    check(
        Severity::Error,
        "faq.md",
        &[
            ("where can I park", "Check my balance.", 1, "also in intents/balance.md", "keep it"),
            ("Yes, behind the building.\n", "", 1, "has no answer", "below the question"),
            ("Also:", "Aslo:", 3, "`Aslo:` is not known", "`Also`"),
            ("- where can", "- {where} can", 4, "not known here", "write the words out"),
        ],
    );
}

#[test]
fn slots_are_checked() {
    check(
        Severity::Error,
        "intents/balance.md",
        &[
            ("### account_type", "### Account Type", 18, "cannot be the name", "`account_type`"),
            (
                " (one of: checking (current account, giro), savings; default checking)",
                "",
                18,
                "does not say what",
                "(digits 8)",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "monye",
                18,
                "not a kind",
                "`money`",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "digits x",
                18,
                "does not say how many",
                "`digits 4-6`",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "money; default 12",
                18,
                "does not fit",
                "`120.50`",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "one of: checking",
                18,
                "fewer than two",
                "one of: checking, savings",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "card",
                18,
                "is a card number and not secret",
                "(card, secret)",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "email, keypad",
                18,
                "cannot be keyed in",
                "phone numbers",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "time; default noon",
                18,
                "does not fit",
                "`14:30`",
            ),
            (
                "one of: checking (current account, giro), savings; default checking",
                "emial",
                18,
                "not a kind",
                "`email`",
            ),
            ("default checking", "default chekcing", 18, "does not fit its kind", "`checking`"),
            ("; default", ", default", 18, "stands among the choices", "`;`"),
            ("; default checking", "; pateint", 18, "`pateint` is not an option", "`patient`"),
            ("; default checking", "; keypad", 18, "cannot be keyed in", "digits"),
            ("savings; default", "giro; default", 18, "listed twice", "one place"),
            (
                "; default checking)\nAsk: Checking or savings?\n",
                ")\n",
                18,
                "nothing is asked",
                "`Ask:`",
            ),
            (
                "; default checking)\nAsk: Checking or savings?\nAgain: Sorry, which one?\n",
                ")\nAsk: Which?\n",
                18,
                "no second question",
                "`Again:`",
            ),
            ("Again:", "Agian:", 20, "`Agian:` is not known", "`Again`"),
            ("Again: Sorry", "Read back: aloud\nAgain: Sorry", 20, "not a way to read", "`plain`"),
            ("Again: Sorry", "Read back: in pairs\nAgain: Sorry", 20, "only digits", "plain"),
            (
                "Again: Sorry",
                "From: crm.caller.acount_number\nAgain: Sorry",
                20,
                "no field",
                "account_number",
            ),
            (
                "Again: Sorry",
                "From: account_number\nAgain: Sorry",
                20,
                "not a field",
                "crm.caller.",
            ),
            (
                "Checking or savings?",
                "{account_type}, right?",
                19,
                "asked for later",
                "leave it out",
            ),
            ("## We need\n", "## We need\nhello\n", 18, "belongs to no slot", "### amount"),
        ],
    );
    check(
        Severity::Warning,
        "intents/balance.md",
        &[("Again: Sorry, which one?\n", "", 18, "no second question", "`Again:`")],
    );
    let sound =
        findings("intents/balance.md", "Ask: Checking or savings?\nAgain: Sorry, which one?\n", "");
    assert!(sound.iter().all(|f| f.severity == Severity::Warning), "{sound:?}");
}

#[test]
fn sentences_know_what_they_may_say() {
    check(
        Severity::Error,
        "intents/balance.md",
        &[
            ("{balance:money}", "{balanse:money}", 22, "`{balanse}` is not known", "`balance`"),
            ("{balance:money}", "{balance:monye}", 22, "asks for `monye`", "`money`"),
            ("{balance:money}", "{balance", 22, "without its `}`", "missing `}`"),
            ("{balance:money}", "{Balance:money}", 22, "is not a name", "`{balance:money}`"),
            ("{balance:money}", "{My Balance}", 22, "is not a name", "`{my_balance}`"),
            ("{balance:money}", "{}", 22, "is not a name", "such as `{house}`"),
            ("{balance:money}", "{pin}", 22, "is secret", "remove it"),
            ("right now.", "right now, {balance}.", 24, "action's result", "`## Then say` only"),
            (
                "- Your {account_type}",
                "- {caller_first_name}, your",
                21,
                "may be unknown",
                "without",
            ),
            (
                "- Your {account_type}",
                "- I've moved {account_type}.",
                22,
                "changes nothing",
                "known",
            ),
            ("I can't see balances", "It's done, but", 24, "no action has succeeded", "known"),
            (
                "Checking or savings?",
                "Okay, that's done. Which?",
                19,
                "nothing is done yet",
                "Shall",
            ),
            ("Sorry, which one?", "I've moved on. Which?", 20, "nothing is done yet", "Shall"),
        ],
    );
    check(
        Severity::Error,
        "intents/transfer.md",
        &[
            (
                "## Confirm\nI'll move {amount:money}.\n",
                "",
                4,
                "not asked to confirm",
                "## Confirm",
            ),
            ("risk: high\nverify: account_pin", "risk: high", 4, "who is calling", "verify:"),
            ("I'll move", "I've moved", 20, "\"I've moved\"", "going to happen"),
            (
                "I can't tell whether that went through",
                "Nothing was moved",
                24,
                "nobody knows",
                "I can't tell",
            ),
            (
                "## Then say\nI've moved {amount:money}.\n",
                "",
                1,
                "nothing is said when",
                "## Then say",
            ),
            (
                "timeout: I can't",
                "timeout:\n- I can't\n- You can't",
                24,
                "exactly one",
                "write it as",
            ),
        ],
    );
    let medium = findings("intents/transfer.md", "risk: high", "risk: medium");
    assert!(medium.iter().all(|f| f.severity == Severity::Warning));
    let mut files = tree();
    files[7].text = TRANSFER
        .replace("risk: high", "risk: medium")
        .replace("## Confirm\nI'll", "## Tests\nI'll");
    let found = parse("bank", &files, &declared()).expect_err("a change needs a confirmation");
    assert!(found.iter().any(|f| f.line == 6 && f.what.contains("this action changes something")));
    check(
        Severity::Error,
        "house.md",
        &[
            ("Hello, this is {house}.", "Your card is blocked.", 5, "nothing is done yet", "Shall"),
            ("- Hello, this is {house}.\n", "", 4, "callers may be unknown", "without the name"),
            ("name: Harbor Bank", "nmae: Harbor Bank", 2, "`nmae` is not a setting", "`name`"),
            ("name: Harbor Bank", "", 1, "no name", "`name: Harbor Bank`"),
            ("## Agent words\n- agent\n", "", 1, "`## Agent words` has no words", "operator"),
            ("## Greeting", "## Greetings", 4, "no section `## Greetings`", "`Greeting`"),
        ],
    );
    check(
        Severity::Warning,
        "intents/transfer.md",
        &[
            (
                "timeout: I can't tell whether",
                "not found: I can't tell whether",
                23,
                "unknown whether",
                "timeout:",
            ),
            ("risk: high", "risk: low", 4, "the risk is low", "`risk: medium`"),
            ("How much?", "How much (in USD)?", 17, "`(` reads badly", "brackets"),
        ],
    );
}

#[test]
fn tests_may_name_their_day_and_an_answer() {
    let mut files = tree();
    let test = "today: 2026-03-11\n- caller: where do I leave my car\n  \
                intent: faq: do you have PARKING\n";
    files[6].text = BALANCE.replace("## Tests\n", &format!("## Tests\n{test}"));
    let generation = parse("bank", &files, &declared()).expect("still sound").generation;
    let tests = &generation.intents[0].tests;
    assert_eq!(tests[0].intent, Some(generation.faq[0].name()));
    assert_eq!(tests[1].intent, Some(IntentName::new("balance")));
    assert!(tests.iter().all(|test| test.today == Some((2026, 3, 11))));
    assert_eq!(parsed().intents[0].tests[0].today, None);
    assert!(is_answer(&generation.faq[0].name()) && !is_answer(&IntentName::new("balance")));
}

#[test]
fn the_other_files_are_checked() {
    check(
        Severity::Error,
        "patterns.md",
        &[
            ("## No input\nSo .\n## No match\nSo .\n", "", 1, "No input, No match", "## No input"),
            ("## No match", "## No mtach", 3, "`## No mtach` is not a pattern", "`No match`"),
            ("So {first} or {second}", "So {first}", 6, "without `{second}`", "into the sentence"),
            ("So {intent}", "So {intend}", 8, "`{intend}` is not known", "`intent`"),
            (
                "## Verify account_pin",
                "## Verify acount_pin",
                VERIFY_LINE,
                "no verification",
                "account_pin",
            ),
            (
                "### pin (digits 4-6",
                "### pim (digits 4-6",
                VERIFY_LINE,
                "also checks `pin`",
                "### pin",
            ),
            (
                "### pin (digits 4-6",
                "### pim (digits 4-6",
                VERIFY_LINE + 6,
                "does not check `pim`",
                "`pin`",
            ),
            (
                "And your pin?",
                "Is {account_number} with a pin\u{1f600}{x}?",
                VERIFY_LINE + 7,
                "`{x}`",
                "one of",
            ),
            (
                "Again: Just the digits",
                "Read back: plain\nAgain: Just",
                VERIFY_LINE + 8,
                "secret",
                "no",
            ),
        ],
    );
    check(
        Severity::Error,
        "hours.md",
        &[
            ("Monday to Friday", "Monday to Firday", 2, "`Firday` is not a day", "`Friday`"),
            ("9 am to 5 pm", "9 to 5", 2, "not a time of opening", "`9 am to 5:30 pm`"),
            ("Sunday", "Friday", 4, "Friday is listed twice", "one line"),
            ("Monday to Friday", "Mon-Fri", 2, "`Mon-Fri` is not a day", "`Monday to Friday`"),
            ("- Sunday: closed", "Sunday: closed", 4, "no `- ` in front", "dash and a space"),
            ("- 2026-12-25", "2026-12-25", 6, "no `- ` in front", "dash and a space"),
            ("2026-12-25", "25 December", 6, "`25` is not a date", "2026-12-25"),
            ("- Sunday: closed", "- Sunday closed", 4, "not a line of opening hours", "closed"),
            ("We're open", "{hours} We're open", 8, "stand for itself", "write the hours out"),
        ],
    );
    check(
        Severity::Error,
        "queues.md",
        &[
            ("Spoken: our billing team\n", "", 1, "no spoken name", "`Spoken:"),
            ("Priority: 3", "Priority: 12", 4, "`12` is not a priority", "from 1"),
            ("Priority: 3", "Prioriti: 3", 4, "`Prioriti:` is not known", "`Priority`"),
            ("### While waiting", "### While wating", 5, "does not belong", "While waiting"),
            ("## billing", "## Billing Team", 1, "cannot be the name", "lowercase"),
        ],
    );
    check(
        Severity::Error,
        "words.md",
        &[
            ("- IBAN: eye ban", "- IBAN eye ban", 2, "does not say how", "`- IBAN: eye ban`"),
            ("- IBAN: eye ban", "IBAN: eye ban", 2, "no `- ` in front", "dash and a space"),
        ],
    );
}

#[test]
fn words_need_no_dashes_to_be_several() {
    let mut files = tree();
    files[0].text = HOUSE.replace("- stop, cancel", "stop, cancel,\nnever mind\n\u{2022} leave it");
    let generation = parse("bank", &files, &declared()).expect("sound").generation;
    let words = generation.house.global_words;
    assert_eq!(words.stop, ["stop", "cancel", "never mind", "leave it"]);
}

#[test]
fn opening_hours_answer_for_any_moment() {
    let hours = parsed().hours;
    for (weekday, minute, date, open) in [
        (0, 540, "2026-11-23", true),
        (0, 539, "2026-11-23", false),
        (4, 1020, "2026-11-27", false),
        (5, 750, "2026-11-28", false),
        (5, 800, "2026-11-28", true),
        (6, 800, "2026-11-29", false),
        (4, 600, "2026-12-25", false),
        (9, 600, "2026-11-23", false),
    ] {
        assert_eq!(hours.is_open(weekday, minute, date), open, "{weekday} {minute} {date}");
    }
}

#[test]
fn hours_can_only_be_said_if_the_file_says_them() {
    let mut files = tree();
    files[3].text = HOURS.replace("## Say\nWe're open weekdays from nine to five.\n", "");
    files[0].text = HOUSE.replace("this is {house}", "{hours}");
    let found = parse("bank", &files, &declared()).expect_err("there is nothing to say");
    assert!(found.iter().any(|f| f.path.ends_with("house.md") && f.what.contains("`{hours}`")));
}

#[test]
fn files_that_do_not_belong_are_told_from_notes() {
    let with = |path: &str, text: &str| {
        let mut files = tree();
        files.push(SourceFile { path: path.to_owned(), text: text.to_owned() });
        parse("bank", &files, &declared()).err().unwrap_or_default()
    };
    for (path, part) in [
        ("queus.md", "did you mean `queues.md`?"),
        ("intents/cards/lost.md", "straight into the folder"),
        ("intents/loan.md.txt", "rename it to `loan.md`"),
        ("faq.MD", "rename it to `faq.md`"),
        ("house.md", "keep one of the two"),
    ] {
        let found = with(path, "");
        assert!(found.iter().any(|f| f.fix.contains(part)), "{path}: {found:?}");
    }
    for path in ["README.md", "notes.txt", "intents/.balance.md.swp", "intents/balance.md~"] {
        assert_eq!(with(path, "anything"), [], "{path}");
    }
    let big = with("faq2.md", &"a".repeat(FILE_SIZE_MAX_BYTES + 1));
    assert!(big.iter().any(|f| f.what.contains("larger than")));
}

#[test]
fn nothing_at_all_names_every_missing_file() {
    let found = parse("bank", &[], &Declared::default()).expect_err("nothing is there");
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    for part in ["no file house.md", "no file patterns.md", "no intents"] {
        assert!(texts.iter().any(|text| text.contains(part)), "{part} is not in {texts:#?}");
    }
}

#[test]
fn windows_line_ends_change_nothing_but_the_hash() {
    let mut files = tree();
    for file in &mut files {
        file.text = file.text.replace('\n', "\r\n");
    }
    let generation = parse("bank", &files, &declared()).expect("still sound").generation;
    assert_eq!(generation.training(), parsed().training());
    assert_ne!(generation.hash, parsed().hash);
}

#[test]
fn the_hash_follows_paths_and_text_and_not_the_order() {
    let mut files = tree();
    files.reverse();
    let again = parse("bank", &files, &declared()).expect("sound").generation;
    assert_eq!(again.hash, parsed().hash);
    assert_eq!(again.hash.as_str().len(), 64);
    files[0].text.push_str("- one more way to say it\n");
    let changed = parse("bank", &files, &declared()).expect("sound").generation;
    assert_ne!(changed.hash, parsed().hash);
}

#[test]
fn fixed_sentences_are_those_the_voice_can_speak_ahead() {
    let mut files = tree();
    files[6].text = BALANCE.replace("- Your", "- Thanks for waiting. Your");
    let generation = parse("bank", &files, &declared()).expect("sound").generation;
    let fixed = generation.fixed_sentences();
    for sentence in [
        "Hello, this is Harbor Bank.",
        "Thanks for waiting.",
        "What's your account number?",
        "We're open weekdays from nine to five.",
        "Thanks for holding.",
        "Yes, behind the building.",
        "I can't see balances right now.",
    ] {
        assert!(fixed.iter().any(|known| known == sentence), "{sentence} is not in {fixed:?}");
    }
    assert!(fixed.iter().all(|sentence| !sentence.contains('{')), "{fixed:?}");
    let distinct: BTreeSet<&String> = fixed.iter().collect();
    assert_eq!(distinct.len(), fixed.len());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(index in 0_usize..9, text in "(?s).{0,200}") {
        let mut files = tree();
        files[index].text = text;
        let _ = parse("bank", &files, &declared());
    }

    #[test]
    fn scrambled_prompt_files_never_panic(
        index in 0_usize..9,
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("## We need\n"), Just("### a (one of: "), Just("- "), Just("Ask:"),
                Just("---\n"),
                Just("## Callers say\n"), Just("("), Just(")"), Just("["), Just("|"), Just("{"),
                Just("}"), Just(":"), Just("->"), Just("\n"), Just("digits 4-"), Just("a"),
                Just("<!--"), Just("-->"), Just("## Tests\n"), Just("caller: "), Just("slots: a=,"),
                Just("\u{e9}"), Just("## Opening hours\n"), Just("monday to "), Just("12 am to "),
                Just("## Then say\n"), Just("done"), Just(";"), Just(","), Just("9"),
            ],
            0..40,
        ),
    ) {
        let mut files = tree();
        files[index].text = pieces.concat();
        let _ = parse("bank", &files, &declared());
    }

    #[test]
    fn a_line_cut_out_of_a_sound_tree_never_panics(index in 0_usize..9, line in 0_usize..60) {
        let mut files = tree();
        let kept: Vec<&str> = files[index].text.lines().enumerate()
            .filter(|(at, _)| *at != line).map(|(_, text)| text).collect();
        files[index].text = kept.join("\n");
        let _ = parse("bank", &files, &declared());
    }

    #[test]
    fn templates_come_back_from_their_text(text in "[a-z {}:.]{0,40}") {
        if let Ok(template) = Template::parse(&text, 1) {
            let again = Template::parse(&template.to_string(), 1);
            prop_assert_eq!(again.map(|t| t.to_string()), Ok(template.to_string()));
        }
    }
}

#[test]
fn names_are_checked_against_lists_that_are_declared() {
    let list = |inputs: &[&str]| ActionSignature {
        inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
        gives_list: true,
        ..ActionSignature::default()
    };
    let mut declared = declared();
    declared.actions.insert(ActionName::new("crm.surnames"), list(&["account_number"]));
    declared.actions.insert(ActionName::new("crm.towns"), list(&["town"]));
    let errors = |old: &str, new: &str| {
        let mut files = tree();
        let file = files.iter_mut().find(|file| file.path == "intents/balance.md");
        let file = file.expect("the tree has this file");
        file.text = file.text.replacen(old, new, 1);
        let findings = parse("bank", &files, &declared).err().unwrap_or_default();
        let errors = findings.into_iter().filter(|f| f.severity == Severity::Error);
        errors.map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    let slot = |kind: &str, action: &str| {
        let questions = "Ask: Who are you?\nAgain: Sorry, who?";
        let block = format!("### holder ({kind})\n{questions}\nCheck against: {action}\n");
        errors("### account_type", &format!("{block}### account_type"))
    };
    assert_eq!(slot("name", "crm.surnames"), Vec::<String>::new());
    for (kind, action, expected) in [
        (
            "name",
            "crm.surname",
            "no action `crm.surname` gives a list. Fix: did you mean `crm.surn",
        ),
        ("name", "crm.balance", "no action `crm.balance` gives a list"),
        ("name", "", "no action `` gives a list"),
        ("name", "crm.towns", "`crm.towns` needs `town`, which is not known by then"),
        ("text", "crm.surnames", "only a name that is no secret"),
        ("name, secret", "crm.surnames", "only a name that is no secret"),
    ] {
        let found = slot(kind, action);
        assert!(found.iter().any(|error| error.contains(expected)), "{expected}: {found:#?}");
    }
    let found = errors("action: crm.balance", "action: crm.surnames");
    assert!(found.iter().any(|error| error.contains("gives a list of names")), "{found:#?}");
}
