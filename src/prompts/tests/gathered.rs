//! What is asked for: whether it goes anywhere, and whether it can be told apart.

use super::*;

#[test]
fn what_is_gathered_and_goes_nowhere_is_warned_of() {
    check(
        Severity::Warning,
        "intents/transfer.md",
        &[("action: crm.transfer\n", "", 14, "nothing is done with what is asked for", "`person:")],
    );
    for person in ["person: afterwards", "person: yes"] {
        let found = findings("intents/transfer.md", "action: crm.transfer", person);
        let warned = found.iter().any(|f| f.what.contains("nothing is done with"));
        assert!(!warned, "{person}: {found:#?}");
    }
}

#[test]
fn slots_of_one_kind_that_nothing_tells_apart_are_warned_of() {
    let other = |name: &str| {
        format!("### {name} (money)\nAsk: How much is that?\nAgain: How much?\n## Confirm")
    };
    check(
        Severity::Warning,
        "intents/transfer.md",
        &[("## Confirm", &other("amount_2"), 9, "nothing tells `amount` from `amount_2`", "both")],
    );
    let found = findings("intents/transfer.md", "## Confirm", &other("tip"));
    assert!(!found.iter().any(|f| f.what.contains("nothing tells")), "{found:#?}");
}

#[test]
fn words_that_tell_of_a_slot_are_learned_from_its_name_and_the_examples() {
    let mut files = tree();
    let file = files.iter_mut().find(|file| file.path == "intents/transfer.md").expect("there");
    let dates = "### leaving (date)\nAsk: When do you go?\nAgain: When?\n\
                 ### second (date)\nAsk: When are you back?\nAgain: When?\n## Confirm";
    file.text = file.text.replacen("## Confirm", dates, 1);
    file.text = file.text.replacen(
        "- transfer {amount}",
        "- I'm off to Spain on {leaving} and landing on {second}",
        1,
    );
    let generation = parse("bank", &files, &declared()).expect("still sound").generation;
    let transfer = generation.intent(&IntentName::new("transfer")).expect("there");
    let [amount, leaving, second] = &transfer.slots[..] else { panic!("three slots") };
    assert_eq!(amount.cues.strong, ["amount"]);
    let has = |words: &[String], word: &str| words.iter().any(|one| one == word);
    assert!(has(&leaving.cues.strong, "from") && !has(&leaving.cues.strong, "back"));
    assert!(has(&second.cues.strong, "back") && !has(&second.cues.strong, "from"));
    assert!(has(&second.cues.weak, "landing") && !has(&leaving.cues.weak, "spain"));
}
