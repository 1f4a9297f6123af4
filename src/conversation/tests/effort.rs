//! How conversations begin when too many call at once.

use super::*;
use crate::base::Effort;
use crate::conversation::RecordingConsent;

/// A conversation that begins while so much is done for callers.
fn begun(effort: Effort, recording: RecordingConsent) -> Talk {
    let mut conversation = Conversation::new(generation(), Rules { recording, ..rules(&[]) }, 1);
    conversation.begin_with(effort);
    let mut talk = Talk { conversation, said: Vec::new(), acts: Vec::new() };
    talk.input(ConversationInput::Started { caller: BTreeMap::new() });
    talk
}

/// Whether one of the wordings of this pattern was said.
fn was_said(talk: &Talk, pattern: Pattern) -> bool {
    let generation = generation();
    let words = &generation.patterns.says[&pattern];
    let said = |phrase: &Phrase| {
        let spoken = phrase.text.expose();
        words.iter().any(|template| {
            talk.conversation
                .render(template, &Default::default())
                .is_ok_and(|text| text == *spoken)
        })
    };
    talk.said.iter().any(said)
}

#[test]
fn what_is_spared_first_changes_no_word() {
    let usual = begun(Effort::Full, RecordingConsent::NotAsked);
    for effort in [Effort::NoSpeculation, Effort::SmallHearing] {
        let talk = begun(effort, RecordingConsent::NotAsked);
        assert_eq!(talk.said, usual.said, "{effort}");
        assert_eq!(talk.expects().expected, Expected::Request);
    }
}

#[test]
fn the_menu_comes_after_what_has_to_be_said_and_in_words_of_its_own() {
    let mut talk = begun(Effort::KeypadMenu, RecordingConsent::Asked);
    assert_eq!(talk.said.len(), 2, "the disclosure and the menu: {:?}", talk.said);
    assert!(was_said(&talk, Pattern::VeryBusy) && !was_said(&talk, Pattern::KeypadMenu));
    assert!(!was_said(&talk, Pattern::RecordingQuestion), "a yes could not be heard");
    assert_eq!(talk.expects().expected, Expected::Keys);
    // Silence has the menu said again, in the same words or the like.
    talk.input(ConversationInput::Silence);
    assert!(!was_said(&talk, Pattern::KeypadMenu));
    talk.key("0");
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);
}

#[test]
fn words_in_the_menu_that_nobody_hears_lead_to_a_person() {
    let mut talk = begun(Effort::KeypadMenu, RecordingConsent::NotAsked);
    talk.input(ConversationInput::HearingDown);
    assert_eq!(talk.handoff().reason, HandoffReason::Outage);
}

#[test]
fn a_dead_recogniser_in_a_call_that_began_well_is_no_crowd() {
    let mut talk = begun(Effort::SmallHearing, RecordingConsent::NotAsked);
    talk.input(ConversationInput::HearingDown);
    assert!(was_said(&talk, Pattern::KeypadMenu) && !was_said(&talk, Pattern::VeryBusy));
}

#[test]
fn straight_to_people_is_the_default_queue_and_promises_nothing_before_it_is_stored() {
    let mut talk = begun(Effort::StraightToPeople, RecordingConsent::Asked);
    let usual = {
        let mut talk = Talk::new(&[]);
        talk.say("agent");
        talk.handoff().queue.clone()
    };
    assert_eq!(talk.handoff().queue, usual);
    assert!(was_said(&talk, Pattern::StraightToPeople));
    let before = talk.said.len();
    talk.input(ConversationInput::HandoffStored { stored: true });
    assert!(talk.said.len() > before, "then they are told what happens");
}
