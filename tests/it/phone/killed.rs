//! The whole program killed (SIGKILL) at each moment of a caller's way to people, and started again with the
//! same data: what is owed to the caller is known, and nothing is there twice.
//!
//! Callers are `frontdoor call`, agents sign in over HTTP and take calls on a SIP telephone, and what is owed
//! is read from the files that the program left behind.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio::runtime::Runtime;

use super::agents::{Agent, SilentTelephone, free_port, telephone};
use super::alone;
use super::audio::{SECOND, write};
use super::faults::profile_with;
use super::front_door::{FrontDoor, frontdoor, root};
use super::peers::SippAgent;

/// Where the program is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    HandoffBeingStored,
    Waiting,
    Offered,
    Taken,
    Talking,
    OnHold,
    SentOn,
    CallbackBooked,
    CallbackBeingCalled,
    WrapUpTyped,
}

/// What a caller is owed after the restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// People call them back: the hand-off says so, and the webhook is told.
    People,
    /// We call them back, in their turn.
    Us,
    /// They were served.
    Nothing,
}

/// One test each, so that failures name the moment.
const IN_LINE: [Point; 3] = [Point::HandoffBeingStored, Point::Waiting, Point::Offered];
const WITH_AN_AGENT: [Point; 4] = [Point::Taken, Point::Talking, Point::OnHold, Point::SentOn];
const IN_THE_BOOK: [Point; 2] = [Point::CallbackBooked, Point::CallbackBeingCalled];
const AFTER_THE_TALK: [Point; 1] = [Point::WrapUpTyped];

impl Point {
    const fn name(self) -> &'static str {
        match self {
            Self::HandoffBeingStored => "a hand-off is being stored",
            Self::Waiting => "a caller waits in line",
            Self::Offered => "a caller is offered to an agent",
            Self::Taken => "an agent has taken the call and is being joined",
            Self::Talking => "a caller talks with an agent",
            Self::OnHold => "a caller is on hold",
            Self::SentOn => "a caller was sent on to another queue",
            Self::CallbackBooked => "a callback is booked",
            Self::CallbackBeingCalled => "a customer is being called back",
            Self::WrapUpTyped => "a wrap-up is typed and not done",
        }
    }

    const fn owed(self) -> Owed {
        match self {
            Self::HandoffBeingStored
            | Self::Waiting
            | Self::Offered
            | Self::Taken
            | Self::Talking
            | Self::OnHold
            | Self::SentOn => Owed::People,
            Self::CallbackBooked | Self::CallbackBeingCalled => Owed::Us,
            Self::WrapUpTyped => Owed::Nothing,
        }
    }
}

/// The caller's number, which is that of a customer of the demo, and their account.
const NUMBER: &str = "5550123";
const ACCOUNT: &str = "12345678";

/// What the agent writes.
const NOTE: &str = "Wants a letter about the new rates";

/// How long it may take until something stands in the files, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the program has written down.
struct Records {
    runtime: Runtime,
    file: PathBuf,
}

impl Records {
    fn of(door: &FrontDoor) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a runtime"), file: door.records() }
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new().filename(&self.file).create_if_missing(false);
        options.busy_timeout(Duration::from_secs(10))
    }

    /// The first column of what this finds, which is text.
    fn all(&self, sql: &str) -> Vec<String> {
        let options = self.options().pragma("query_only", "ON");
        self.runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
            let found = sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("read");
            connection.close().await.expect("closes");
            found
        })
    }

    /// Waits until this finds something.
    #[track_caller]
    fn found(&self, what: &str, sql: &str) {
        await_that(what, || !self.all(sql).is_empty());
    }

    /// Keeps everybody from writing.
    fn lock(&self) -> SqliteConnection {
        let options = self.options();
        self.runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("locked");
            connection
        })
    }

    fn unlock(&self, lock: SqliteConnection) {
        self.runtime.block_on(lock.close()).expect("closes");
    }
}

/// Waits until something is so. Files tell nobody that they have changed.
#[track_caller]
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not in time");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A caller who stays on the line until they are dropped.
struct Caller(Child);

impl Caller {
    /// Presses these keys, each when we have finished, and says nothing.
    fn who_presses(door: &FrontDoor, keys: &[&str]) -> Self {
        let folder = door.folder.path();
        let silence = folder.join("silence.wav");
        write(&silence, &SECOND.repeat(150));
        let mut command = frontdoor();
        command.args(["call", "--to", &door.uri, "--from", NUMBER, "--listen-with", "none"]);
        command.arg("--out").arg(folder.join("caller.wav"));
        for key in keys {
            command.args(["--keys", key]);
        }
        command.arg(&silence).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("it starts"))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whoever is on the line when the program is killed, and hangs up after it.
#[derive(Default)]
struct OnTheLine {
    caller: Option<Caller>,
    telephones: Vec<SippAgent>,
    silent: Vec<SilentTelephone>,
    lock: Option<SqliteConnection>,
}

/// A front door with an agent, and the calls that were cut off there.
struct House {
    door: FrontDoor,
    records: Records,
    ana: Agent,
    /// Where her telephone is, and the customer's.
    anas: u16,
    customers: u16,
    cut_off: Vec<(Point, String)>,
}

impl House {
    fn open() -> Self {
        let (anas, customers) = (free_port(), free_port());
        let door = FrontDoor::start_in(&[("KILLED_SECRET", "secret")], |folder, text| {
            let bank = folder.join("bank");
            profile_with(&bank, "queues.md", |text| {
                text.replace("Callback: after 1 minute", "Callback: after 1 second")
            });
            let usual = format!("profile = {:?}", root().join("prompts/bank"));
            let hook = "# webhook_url = \"https://desk.example/frontdoor\"";
            assert!(text.contains(&usual) && text.contains(hook), "{text}");
            let text = text.replace(&usual, &format!("profile = {bank:?}"));
            // Nobody listens there: everything stays in the outbox.
            let nowhere =
                "webhook_url = \"http://127.0.0.1:9/\"\nwebhook_secret_env = \"KILLED_SECRET\"";
            let text = text.replace(hook, nowhere);
            let text = text.replace("drain_timeout_s = 30", "drain_timeout_s = 1");
            format!(
                "{text}\n[transfer_rules]\nhosts = [\"127.0.0.1\"]\n\
                 [desk.phones]\nana = \"sip:201@127.0.0.1:{anas}\"\n\
                 [callbacks]\nto = \"sip:{{number}}@127.0.0.1:{customers}\"\nallowed = [\"555*\"]\n"
            )
        });
        let ana = Agent::new(&door, "ana", &["--skill", "general=4"]);
        let records = Records::of(&door);
        Self { door, records, ana, anas, customers, cut_off: Vec::new() }
    }

    /// Kills the program at this point and starts it again; everybody who was cut off so far must be owed
    /// what they should be, once.
    fn killed_at(&mut self, point: Point) {
        println!("killed while {}", point.name());
        let line = self.brought_to(point);
        self.door.kill();
        let OnTheLine { caller, telephones, silent, lock } = line;
        drop((caller, telephones, silent));
        if let Some(lock) = lock {
            self.records.unlock(lock);
        }
        self.door.start_again();
        self.ana.come_back(&self.door);
        if point == Point::CallbackBeingCalled {
            // The same customer goes on.
            self.cut_off.pop();
        }
        let newest = "SELECT call FROM handoffs ORDER BY created_at DESC LIMIT 1";
        let call = self.records.all(newest).pop();
        let call = call.unwrap_or_else(|| panic!("{}: the hand-off is lost", point.name()));
        self.cut_off.push((point, call));
        self.check();
    }

    /// Brings a caller so far.
    fn brought_to(&mut self, point: Point) -> OnTheLine {
        match point {
            Point::HandoffBeingStored => self.with_a_handoff_on_its_way(),
            Point::Waiting => {
                let caller = Some(Caller::who_presses(&self.door, &["0"]));
                self.ana.wait_in("front_desk", 1);
                OnTheLine { caller, ..OnTheLine::default() }
            }
            Point::Offered => {
                let (caller, _) = self.offered();
                OnTheLine { caller: Some(caller), ..OnTheLine::default() }
            }
            Point::Taken => {
                let telephone = SilentTelephone::at(self.anas);
                let (caller, offer) = self.offered();
                self.ana.takes(&offer);
                self.ana.call_is("connecting");
                telephone.is_called();
                OnTheLine { caller: Some(caller), silent: vec![telephone], ..OnTheLine::default() }
            }
            Point::Talking => self.talking(),
            Point::OnHold => {
                let line = self.talking();
                self.ana.does("call/hold", &Value::Null);
                self.ana.told("on hold", |event| event["event"] == "call" && event["held"] == true);
                line
            }
            Point::SentOn => {
                let line = self.talking();
                self.ana.does("call/transfer", &json!({ "queue": "cards" }));
                self.ana.wait_in("cards", 1);
                line
            }
            Point::CallbackBooked => {
                // It is offered when the place is told: yes, in case the first yes comes too early.
                let caller = Some(Caller::who_presses(&self.door, &["0", "1", "1", "1"]));
                self.records.found(
                    "a booked callback",
                    "SELECT call FROM callbacks WHERE state = 'waiting'",
                );
                OnTheLine { caller, ..OnTheLine::default() }
            }
            Point::CallbackBeingCalled => {
                let customer = SilentTelephone::at(self.customers);
                let ana = self.takes_the_callback();
                assert_eq!(customer.is_called().len(), 1, "the customer is called twice");
                OnTheLine { telephones: vec![ana], silent: vec![customer], ..OnTheLine::default() }
            }
            Point::WrapUpTyped => {
                let line = self.talking();
                self.ana.does("call/hang_up", &Value::Null);
                self.ana.told("wrapping up", |event| event["state"] == "wrap_up");
                let typed = json!({ "disposition": "solved", "notes": NOTE, "done": false });
                self.ana.does("wrap_up", &typed);
                line
            }
        }
    }

    /// A caller whose hand-off is kept beside the database, since somebody else writes there.
    fn with_a_handoff_on_its_way(&self) -> OnTheLine {
        let answered = "SELECT id FROM calls WHERE answered_at IS NOT NULL";
        let before = self.records.all(answered).len();
        let caller = Caller::who_presses(&self.door, &["0"]);
        await_that("an answered call", || self.records.all(answered).len() > before);
        let lock = self.records.lock();
        await_that("a hand-off beside the database", || self.unsaved() > 0);
        OnTheLine { caller: Some(caller), lock: Some(lock), ..OnTheLine::default() }
    }

    /// How many hand-offs are kept beside the database.
    fn unsaved(&self) -> usize {
        let folder = self.door.folder.path().join("data/handoffs-unsaved");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|end| end == "json")).count()
    }

    fn offered(&mut self) -> (Caller, Value) {
        self.ana.ready();
        let caller = Caller::who_presses(&self.door, &["0"]);
        let offer = self.ana.is_offered();
        assert_eq!(offer["kind"], "call", "{offer:#}");
        (caller, offer)
    }

    fn anas_telephone(&self) -> SippAgent {
        telephone(self.anas, "telephone", &self.door.folder.path().join("ana"), &SECOND.repeat(120))
    }

    fn talking(&mut self) -> OnTheLine {
        let telephone = self.anas_telephone();
        let (caller, offer) = self.offered();
        self.ana.takes(&offer);
        self.ana.call_is("talking");
        OnTheLine { caller: Some(caller), telephones: vec![telephone], ..OnTheLine::default() }
    }

    /// The customer in the book comes up, and Ana takes them: her telephone is answered.
    fn takes_the_callback(&mut self) -> SippAgent {
        let telephone = self.anas_telephone();
        self.ana.ready();
        let offer = self.ana.is_offered();
        let (_, call) = self.cut_off.last().expect("a callback was booked");
        assert_eq!((&offer["kind"], &offer["call_id"]), (&json!("callback"), &json!(call)));
        self.ana.takes(&offer);
        telephone
    }

    /// Everybody who was cut off is owed what they should be, once, and nobody is on the line any more.
    #[track_caller]
    fn check(&self) {
        let (records, last) = (&self.records, self.cut_off.last().map(|(point, _)| point.name()));
        let last = last.unwrap_or_default();
        assert_eq!(records.all("SELECT call FROM waiting"), [""; 0], "killed while {last}");
        assert_eq!(self.unsaved(), 0, "killed while {last}: a hand-off was not taken in");
        let handoffs = records.all("SELECT call FROM handoffs ORDER BY created_at");
        let calls: Vec<&String> = self.cut_off.iter().map(|(_, call)| call).collect();
        assert_eq!(handoffs.iter().collect::<Vec<_>>(), calls, "killed while {last}");
        for (point, call) in &self.cut_off {
            self.check_one(*point, call);
        }
    }

    #[track_caller]
    fn check_one(&self, point: Point, call: &str) {
        let (records, when) = (&self.records, point.name());
        let promises = records.all(&format!(
            "SELECT json_extract(json, '$.promise') FROM handoffs WHERE call = '{call}'"
        ));
        let told = records.all(&format!(
            "SELECT idempotency_key FROM webhooks JOIN handoffs ON handoffs.id = handoff
             WHERE handoffs.call = '{call}'"
        ));
        let told_again = told.iter().filter(|key| key.ends_with("-callback")).count();
        let booked = records.all(&format!("SELECT state FROM callbacks WHERE call = '{call}'"));
        match point.owed() {
            Owed::People => {
                assert_eq!(promises, ["callback"], "killed while {when}");
                // What was taken in from beside the database was told nobody before.
                let again = usize::from(point != Point::HandoffBeingStored);
                assert_eq!(
                    (told.len(), told_again),
                    (1 + again, again),
                    "killed while {when}: {told:?}"
                );
                assert_eq!(booked, [""; 0], "killed while {when}");
            }
            Owed::Us => {
                assert_ne!(promises, ["callback"], "killed while {when}: called back twice");
                assert_eq!(told_again, 0, "killed while {when}: {told:?}");
                assert_eq!(booked, ["waiting"], "killed while {when}");
            }
            Owed::Nothing => {
                assert_ne!(promises, ["callback"], "killed while {when}: they were served");
                assert_eq!((told_again, booked.len()), (0, 0), "killed while {when}: {told:?}");
            }
        }
    }
}

#[test]
#[ignore = "places real calls: needs the models and SIPp"]
fn a_program_killed_while_callers_are_in_line_owes_each_a_call_back() {
    let _alone = alone();
    let mut house = House::open();
    for point in IN_LINE {
        house.killed_at(point);
    }
}

#[test]
#[ignore = "places real calls: needs the models and SIPp"]
fn a_program_killed_while_callers_are_with_an_agent_owes_each_a_call_back() {
    let _alone = alone();
    let mut house = House::open();
    for point in WITH_AN_AGENT {
        house.killed_at(point);
    }
}

#[test]
#[ignore = "places real calls: needs the models and SIPp"]
fn a_program_killed_with_a_callback_in_its_book_calls_back_and_once() {
    let _alone = alone();
    let mut house = House::open();
    for point in IN_THE_BOOK {
        house.killed_at(point);
    }
    // Nobody had answered, so the customer is called again; now they answer.
    let folder = house.door.folder.path().join("customer");
    let customer = telephone(house.customers, "telephone", &folder, &SECOND.repeat(120));
    let ana = house.takes_the_callback();
    house.ana.call_is("talking");
    house.ana.does("call/hang_up", &Value::Null);
    house.records.found("served", "SELECT call FROM callbacks WHERE state = 'served'");
    customer.finish();
    ana.finish();
    // With that it is done, whatever happens afterwards.
    house.door.kill();
    house.door.start_again();
    house.ana.come_back(&house.door);
    house.ana.ready();
    let again = house.ana.told_within(Duration::from_secs(3), |event| event["event"] == "offer");
    assert!(again.is_none(), "a customer who was called back is called again: {again:#?}");
}

#[test]
#[ignore = "places real calls: needs the models and SIPp"]
fn a_program_killed_while_an_agent_writes_keeps_what_is_written() {
    let _alone = alone();
    let mut house = House::open();
    for point in AFTER_THE_TALK {
        house.killed_at(point);
    }
    let (_, call) = house.cut_off.last().expect("one call");
    let kept = house.records.all(&format!("SELECT notes FROM wrap_ups WHERE call = '{call}'"));
    assert_eq!(kept, [NOTE]);
    // The customer system is told what there is, once.
    let shown = |door: &FrontDoor| door.command(&["crm", "show", ACCOUNT]);
    await_that("the note in the customer system", || shown(&house.door).contains(NOTE));
    house.door.kill();
    house.door.start_again();
    let shown = shown(&house.door);
    assert_eq!(shown.matches(NOTE).count(), 1, "{shown}");
}

#[test]
#[ignore = "places real calls: needs the models and SIPp"]
fn a_program_stopped_while_callers_talk_or_wait_owes_each_a_call_back() {
    let _alone = alone();
    for point in [Point::Talking, Point::OnHold, Point::Waiting] {
        let mut house = House::open();
        let line = house.brought_to(point);
        // It takes no more calls, gives those in progress a second, and ends them.
        house.door.stop_for_now();
        drop(line);
        house.door.start_again();
        let newest = "SELECT call FROM handoffs ORDER BY created_at DESC LIMIT 1";
        house.cut_off.push((point, house.records.all(newest).pop().expect("a hand-off")));
        house.check();
    }
}

#[test]
fn every_moment_is_in_one_test() {
    let all = [&IN_LINE[..], &WITH_AN_AGENT, &IN_THE_BOOK, &AFTER_THE_TALK].concat();
    let names: std::collections::BTreeSet<&str> = all.iter().map(|point| point.name()).collect();
    assert_eq!((all.len(), names.len()), (10, 10));
}
