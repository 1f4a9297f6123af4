//! `## Ticket greeting` of `house.md`, and the question whether a call may be recorded.

use super::*;

const TICKET: &str = "\
## Ticket greeting
Ask:
- Hello {caller_first_name}, is it about {caller_ticket_subject}?
- Are you calling about {caller_ticket_subject}?
If not: Okay. What can I do for you?
Queue: billing

";

/// What is found with this section in `house.md`.
fn found(section: &str) -> Vec<Finding> {
    findings("house.md", "## Agent words", &format!("{section}## Agent words"))
}

#[test]
fn a_ticket_greeting_is_read_with_where_it_leads() {
    assert!(!found(TICKET).iter().any(|finding| finding.path.ends_with("house.md")));
    let mut files = tree();
    let house = files.iter_mut().find(|file| file.path == "house.md").expect("it is there");
    house.text.push_str(&TICKET.replace("Queue: billing", "Yes means: balance"));
    let generation = parse("bank", &files, &declared()).expect("is sound").generation;
    let greeting = generation.house.ticket_greeting.as_ref().expect("it is there");
    assert_eq!((greeting.ask.len(), greeting.otherwise.len()), (2, 1));
    assert_eq!(greeting.lead, TicketLead::Intent(IntentName::new("balance")));
    // Its only blanks are the house's, so its sound can be kept.
    assert!(generation.fixed_sentences().contains(&"Okay. What can I do for you?".to_owned()));
    assert!(parsed().house.ticket_greeting.is_none());
}

#[test]
fn mistakes_in_a_ticket_greeting_are_named() {
    let line = 1 + HOUSE.lines().position(|line| line == "## Agent words").expect("it is there");
    for (old, new, below, what, fix) in [
        ("about {caller_ticket_subject}?\nIf", "about it?\nIf", 3, "is said without", "put it"),
        ("{caller_ticket_subject}?\nIf", "{caller_ticket_subject}.\nIf", 3, "no question", "`?`"),
        (
            "{caller_ticket_subject}?\nIf",
            "{caller_ticket_subjct}?\nIf",
            3,
            "is not known here",
            "subject",
        ),
        ("If not: Okay. What can I do for you?\n", "", 0, "call about something else", "`If not:"),
        ("Queue: billing\n", "", 0, "nothing says what a yes leads to", "`Queue:`"),
        ("Queue: billing", "Queue: biling", 5, "no queue `biling`", "`billing`"),
        ("Queue: billing", "Yes means: balanse", 5, "no intent `balanse`", "`balance`"),
        ("Queue: billing\n", "Queue: billing\nYes means: balance\n", 5, "one thing only", "keep"),
        ("Queue:", "Que:", 5, "`Que:` is not known", "`Queue`"),
    ] {
        let changed = TICKET.replacen(old, new, 1);
        assert_ne!(changed, TICKET, "{old:?} is not there");
        let found = found(&changed);
        let hit =
            |f: &&Finding| f.line == line + below && f.what.contains(what) && f.fix.contains(fix);
        let listed: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|f| hit(&f)), "{old:?} -> {new:?} gave {listed:#?}");
    }
    let nothing = found("## Ticket greeting\n\n");
    assert!(nothing.iter().any(|f| f.what.contains("asks nothing")), "{nothing:?}");
}

#[test]
fn a_ticket_greeting_that_nothing_fills_is_doubted() {
    let mut files = tree();
    let house = files.iter_mut().find(|file| file.path == "house.md").expect("it is there");
    house.text.push_str(TICKET);
    let declared = Declared { tells_ticket: false, ..declared() };
    let warnings = parse("bank", &files, &declared).expect("is sound").warnings;
    assert!(warnings.iter().any(|f| f.what.contains("never said")), "{warnings:?}");
}

#[test]
fn the_subject_of_a_ticket_is_said_nowhere_else() {
    let greeting = findings("house.md", "- Hello, this is", "- {caller_ticket_subject}, this is");
    assert!(greeting.iter().any(|f| f.what.contains("is not known here")), "{greeting:?}");
}

#[test]
fn whoever_is_to_be_asked_about_recording_needs_words_for_it() {
    let mut files = tree();
    let asks = Declared { asks_to_record: true, ..declared() };
    assert!(parse("bank", &files, &asks).is_ok());
    let patterns = files.iter_mut().find(|file| file.path == "patterns.md").expect("it is there");
    patterns.text = patterns.text.replacen("## Recording question\nSo .\n", "", 1);
    assert!(parse("bank", &files, &declared()).is_ok(), "nobody is asked");
    let findings = parse("bank", &files, &asks).expect_err("there are no words");
    assert!(findings.iter().any(|f| f.what.contains("`## Recording question`")), "{findings:?}");
}
