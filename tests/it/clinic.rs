//! The demo clinic: its prompt files with its own configuration and its own database, on text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontdoor::acd::handoff::HandoffReason;
use frontdoor::actions::{ActionRequest, Actions, FailureKind};
use frontdoor::base::{ActionRunId, Pii};
use frontdoor::config::Config;
use frontdoor::conversation::{
    Conversation, ConversationInput, DialogAct, Expectation, Expected, FailureWords, HandoffRequest,
};
use frontdoor::nlu::{IntentName, IntentScore, Readings, SlotKind, Understanding};
use frontdoor::server::{load_profile, rules};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

/// A patient without an appointment or a prescription.
const SAMIR: (&str, &str) = ("5550126", "May ninth two thousand one");
/// A patient with an appointment and two prescriptions.
const NORA: (&str, &str) = ("5550142", "July fourteenth nineteen sixty one");
/// A patient who was born on the same day as another whose name sounds the same.
const IRIS: (&str, &str) =
    ("four zero six five five nine zero", "February twenty ninth nineteen eighty");

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The clinic with a home folder, and so a database, of its own.
fn config(home: &Path) -> Config {
    let path = root().join("clinic.toml");
    let text = fs::read_to_string(&path).expect("clinic.toml can be read");
    let environment = |name: &str| (name == "HOME").then(|| home.as_os_str().to_owned());
    Config::parse(&path, &text, environment).unwrap_or_else(|error| panic!("{error}"))
}

struct Clinic {
    _home: tempfile::TempDir,
    config: Config,
    actions: Actions,
}

impl Clinic {
    async fn open() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let config = config(home.path());
        let actions = Actions::open(&config).await.unwrap_or_else(|error| panic!("{error}"));
        Self { _home: home, config, actions }
    }

    /// One text from the database.
    async fn text(&self, sql: &str) -> String {
        let databases = self.config.seeded_databases();
        let (database, _) = databases.into_iter().next().expect("the clinic has a database");
        let options = SqliteConnectOptions::new().filename(database).create_if_missing(false);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
        let text: String = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect(sql);
        connection.close().await.expect("closes");
        text
    }

    /// The nth day on which something is free, `2026-11-30`.
    async fn free_day(&self, nth: u32) -> String {
        let sql = format!(
            "SELECT day FROM diary WHERE patient IS NULL GROUP BY day ORDER BY day LIMIT 1 OFFSET {nth}"
        );
        self.text(&sql).await
    }

    /// How many appointments are taken.
    async fn taken(&self) -> String {
        self.text("SELECT CAST(count(*) AS TEXT) FROM appointments WHERE patient IS NOT NULL").await
    }

    /// A call from this number, or from one that nobody has.
    async fn call(&self, phone: &str) -> Talk<'_> {
        let generation = load_profile(&self.config).unwrap_or_else(|error| panic!("{error}")).0;
        let conversation = Conversation::new(Arc::new(generation), rules(&self.config), 1);
        let lookup = ActionRequest {
            action: "clinic.caller".to_owned(),
            inputs: BTreeMap::from([("phone".to_owned(), Pii::new(phone.to_owned()))]),
            idempotency_key: format!("{phone}-lookup"),
        };
        let caller = self.actions.run(lookup).await.unwrap_or_default();
        let mut talk = Talk { clinic: self, conversation, phone: phone.to_owned(), acts: vec![] };
        talk.input(ConversationInput::Started { caller }).await;
        talk
    }
}

struct Talk<'a> {
    clinic: &'a Clinic,
    conversation: Conversation,
    phone: String,
    acts: Vec<DialogAct>,
}

impl Talk<'_> {
    /// Takes an input, and runs every action it leads to.
    async fn input(&mut self, input: ConversationInput) {
        self.acts = self.conversation.handle(input);
        while let Some((run, action, inputs)) = self.action() {
            let idempotency_key = format!("{}-{run}", self.phone);
            let request = ActionRequest { action, inputs, idempotency_key };
            let outcome = self.clinic.actions.run(request).await;
            let result = outcome.map_err(|failure| match failure.kind {
                FailureKind::NotFound => FailureWords::NotFound,
                FailureKind::Refused(word) => FailureWords::Refused(word),
                FailureKind::Timeout => FailureWords::Timeout,
                other => panic!("{}: {}", other.as_words(), failure.detail),
            });
            self.acts = self.conversation.handle(ConversationInput::ActionFinished { run, result });
        }
    }

    fn action(&self) -> Option<(ActionRunId, String, BTreeMap<String, Pii<String>>)> {
        self.acts.iter().find_map(|act| match act {
            DialogAct::RunAction { run, action, inputs } => {
                Some((*run, action.as_str().to_owned(), inputs.clone()))
            }
            _ => None,
        })
    }

    async fn hear(&mut self, text: &str, intent: Option<&str>) -> String {
        let scores =
            intent.map(|name| IntentScore { intent: IntentName::new(name), confidence: 0.93 });
        let understanding = Understanding::of(scores.into_iter().collect(), -1.0);
        self.input(ConversationInput::Heard {
            text: Pii::new(text.to_owned()),
            confidence: 0.9,
            understanding,
            before_question: false,
            readings: Readings::default(),
        })
        .await;
        self.said()
    }

    async fn ask(&mut self, text: &str, intent: &str) -> String {
        self.hear(text, Some(intent)).await
    }

    async fn say(&mut self, text: &str) -> String {
        self.hear(text, None).await
    }

    fn said(&self) -> String {
        let texts = self.acts.iter().filter_map(|act| match act {
            DialogAct::Say(phrase) => Some(phrase.text.expose().as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    fn claims(&self) -> bool {
        let claims = |act: &DialogAct| matches!(act, DialogAct::Say(p) if p.claims_completion);
        self.acts.iter().any(claims)
    }

    fn expects(&self) -> &Expectation {
        let listens = self.acts.iter().find_map(|act| match act {
            DialogAct::Listen(expectation) => Some(expectation),
            _ => None,
        });
        listens.unwrap_or_else(|| panic!("listens for nothing: {}", self.said()))
    }

    fn handoff(&self) -> &HandoffRequest {
        let handoff = self.acts.iter().find_map(|act| match act {
            DialogAct::HandOff(request) => Some(&**request),
            _ => None,
        });
        handoff.unwrap_or_else(|| panic!("no hand-off: {}", self.said()))
    }
}

#[track_caller]
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[tokio::test]
async fn a_known_caller_books_asks_and_cancels() {
    let clinic = Clinic::open().await;
    let before = clinic.taken().await;
    let day = clinic.free_day(1).await;
    let mut talk = clinic.call(&format!("1212{}", SAMIR.0)).await;
    assert_says(&talk.said(), &["nine one one"]);

    talk.ask("I'd like to see the nurse in the morning", "book_appointment").await;
    assert!(talk.expects().secret, "only the date of birth is asked for: {}", talk.said());
    talk.say(SAMIR.1).await;
    assert_eq!(talk.expects().expected, Expected::Slot(SlotKind::Date), "{}", talk.said());
    let said = talk.say(&day).await;
    assert_says(&said, &["nurse", "in the morning"]);
    assert_eq!(talk.expects().expected, Expected::YesNo);
    assert_eq!(clinic.taken().await, before, "nothing is done before the yes");
    let said = talk.say("yes please").await;
    assert_says(&said, &["Nurse Delgado", "8:00 am"]);
    assert!(talk.claims());
    let booked = clinic.text("SELECT day FROM diary WHERE patient = '4058813'").await;
    assert_eq!(booked, day);

    let said = talk.ask("when do I have to be there", "next_appointment").await;
    assert_says(&said, &["Nurse Delgado", "8:00 am"]);
    talk.ask("actually, book me another one with a doctor", "book_appointment").await;
    talk.say(&clinic.free_day(2).await).await;
    talk.say("in the afternoon").await;
    let said = talk.say("yes").await;
    assert_says(&said, &["already have an appointment"]);
    assert!(!talk.claims());

    talk.ask("cancel my appointment", "cancel_appointment").await;
    let said = talk.say("yes").await;
    assert_says(&said, &["canceled"]);
    assert!(talk.claims());
    assert_eq!(clinic.taken().await, before);
    let said = talk.ask("when is my appointment", "next_appointment").await;
    assert_says(&said, &["don't see an appointment"]);
}

#[tokio::test]
async fn an_appointment_is_moved_and_the_old_time_is_free_again() {
    let clinic = Clinic::open().await;
    let before = clinic.taken().await;
    let old = "SELECT day || time FROM diary WHERE patient = '4021187'";
    let first = clinic.text(old).await;
    let day = clinic.free_day(9).await;
    let mut talk = clinic.call("anonymous").await;
    talk.ask("can I come another day instead", "move_appointment").await;
    talk.say("four zero two one one eight seven").await;
    assert_eq!(talk.expects().expected, Expected::YesNo, "read back: {}", talk.said());
    talk.say("yes").await;
    assert!(talk.expects().secret, "{}", talk.said());
    talk.say(NORA.1).await;
    assert_eq!(talk.expects().expected, Expected::Slot(SlotKind::Name), "{}", talk.said());
    talk.say("Feldman").await;
    talk.say(&day).await;
    talk.say("the afternoon").await;
    let said = talk.say("yes go ahead").await;
    assert_says(&said, &["Doctor Whitlow", "1:30 pm"]);
    assert!(talk.claims());
    assert_eq!(clinic.text(old).await, format!("{day}13:30"));
    assert_ne!(clinic.text(old).await, first);
    assert_eq!(clinic.taken().await, before, "one appointment, as before");
    let said = talk.ask("I'll be there, I'm confirming", "confirm_appointment").await;
    assert!(!talk.claims(), "{said}");
    let said = talk.say("yes").await;
    assert_says(&said, &["1:30 pm"]);
}

#[tokio::test]
async fn where_nothing_is_free_it_is_said_and_asked_again() {
    let clinic = Clinic::open().await;
    let saturday = clinic.text("SELECT date('now', 'localtime', '+2 days', 'weekday 6')").await;
    let day = clinic.free_day(3).await;
    let mut talk = clinic.call(SAMIR.0).await;
    let wish = format!("a doctor on {saturday} in the morning please");
    talk.ask(&wish, "book_appointment").await;
    talk.say(SAMIR.1).await;
    let said = talk.say("yes").await;
    assert_says(&said, &["nothing free"]);
    assert!(!talk.claims());
    talk.say("a doctor").await;
    talk.say(&day).await;
    talk.say("any time").await;
    let said = talk.say("yes").await;
    assert_says(&said, &["Doctor Whitlow", "8:30 am"]);
}

#[tokio::test]
async fn a_wrong_date_of_birth_opens_nothing() {
    let clinic = Clinic::open().await;
    let mut talk = clinic.call(NORA.0).await;
    talk.ask("when is my appointment", "next_appointment").await;
    for _ in 0..2 {
        let said = talk.say("July fifteenth nineteen sixty one").await;
        assert!(!said.contains("Doctor"), "{said}");
        if !talk.expects().secret {
            // After the second time the number is asked for as well.
            talk.say("five five five oh one four two").await;
            talk.say("yes").await;
        }
    }
    talk.say("July fifteenth nineteen sixty one").await;
    let said = talk.say("Feldman").await;
    assert_says(&said, &["spell"]);
    talk.say("F E L D M A N").await;
    assert_eq!(talk.handoff().reason, HandoffReason::RepeatedFailure);
    let birth = |slot: &frontdoor::acd::handoff::HandoffSlot| slot.name == "date_of_birth";
    assert!(!talk.handoff().slots.iter().any(birth), "it is secret");
}

impl Talk<'_> {
    /// Asks for something private from a number that the clinic does not know, up to the last name.
    async fn identify_but_for_the_name(&mut self, (number, born): (&str, &str)) {
        self.ask("when is my appointment", "next_appointment").await;
        self.say(number).await;
        self.say("yes").await;
        assert!(self.expects().secret, "{}", self.said());
        self.say(born).await;
        assert_eq!(self.expects().expected, Expected::Slot(SlotKind::Name), "{}", self.said());
    }
}

#[tokio::test]
async fn of_two_last_names_that_sound_alike_the_caller_says_which() {
    let clinic = Clinic::open().await;
    let mut talk = clinic.call("anonymous").await;
    talk.identify_but_for_the_name(IRIS).await;
    let said = talk.say("Smith").await;
    assert_says(&said, &["Smith, S M I T H", "Smyth, S M Y T H"]);
    let said = talk.say("the second one").await;
    assert_says(&said, &["don't see an appointment"]);

    let mut talk = clinic.call("anonymous").await;
    talk.identify_but_for_the_name(IRIS).await;
    let said = talk.say("Smith, S M Y T H").await;
    assert_says(&said, &["don't see an appointment"]);
}

#[tokio::test]
async fn a_last_name_is_put_right_by_the_records_and_never_given_away() {
    const NUMBER: &str = "four zero two one one eight seven";
    let clinic = Clinic::open().await;
    let mut talk = clinic.call("anonymous").await;
    talk.identify_but_for_the_name((NUMBER, NORA.1)).await;
    let said = talk.say("it's Feltman").await;
    assert_says(&said, &["Feldman, F E L D M A N"]);
    assert_eq!(talk.expects().expected, Expected::YesNo);
    let said = talk.say("yes").await;
    assert_says(&said, &["Doctor Okafor"]);

    let mut talk = clinic.call("anonymous").await;
    talk.identify_but_for_the_name((NUMBER, NORA.1)).await;
    let mut heard = talk.say("Fieldstone").await;
    assert_says(&heard, &["spell"]);
    heard.push_str(&talk.say("F I E L D S T O N E").await);
    assert!(!heard.contains("Feldman") && !heard.contains("F E L D"), "{heard}");
    assert!(!heard.contains("Okafor"), "{heard}");
}

#[tokio::test]
async fn repeat_prescriptions_are_asked_for_once() {
    let clinic = Clinic::open().await;
    let mut talk = clinic.call(NORA.0).await;
    talk.ask("I need my pills again, at the pharmacy", "repeat_prescription").await;
    talk.say(NORA.1).await;
    let said = talk.say("yes").await;
    assert_says(&said, &["lisinopril and metformin", "pharmacy"]);
    talk.ask("and my tablets again please, at the clinic", "repeat_prescription").await;
    let said = talk.say("yes").await;
    assert_says(&said, &["already on its way"]);
    assert!(!talk.claims());
}

#[tokio::test]
async fn an_emergency_goes_to_the_nurse_on_duty_at_once() {
    let clinic = Clinic::open().await;
    let mut talk = clinic.call(SAMIR.0).await;
    talk.ask("I'd like to see a doctor", "book_appointment").await;
    let said = talk.ask("my chest hurts and I can't breathe", "urgent_symptoms").await;
    assert_says(&said, &["nine one one"]);
    assert_eq!(talk.handoff().queue.as_str(), "urgent");
    assert_eq!(talk.handoff().priority, 1);
    assert_eq!(talk.handoff().reason, HandoffReason::Policy);

    let mut talk = clinic.call(SAMIR.0).await;
    talk.ask("can I talk to a person", "talk_to_person").await;
    assert_eq!(talk.handoff().queue.as_str(), "front_desk");
    assert_eq!(talk.handoff().reason, HandoffReason::Asked);

    let mut talk = clinic.call(SAMIR.0).await;
    talk.ask("are my results in", "test_results").await;
    let said = talk.say(SAMIR.1).await;
    assert_says(&said, &["nurses"]);
    assert_eq!(talk.handoff().queue.as_str(), "nurses");
}

#[tokio::test]
async fn what_is_not_done_by_phone_goes_to_its_own_people() {
    let clinic = Clinic::open().await;
    let mut talk = clinic.call(SAMIR.0).await;
    let said = talk.ask("can you refer me to an eye doctor", "not offered: a referral").await;
    assert_says(&said, &["refer you", "our nurses"]);
    talk.say("yes please").await;
    assert_eq!(talk.handoff().queue.as_str(), "nurses");
    assert_eq!(talk.handoff().reason, HandoffReason::OutOfScope);
}
