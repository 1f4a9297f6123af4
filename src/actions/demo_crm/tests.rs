//! The demo CRM through [`Actions`](crate::actions::Actions), as a call uses it.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use super::*;
use crate::actions::Actions;
use crate::base::Pii;
use crate::config::Config;

const ALEX: &str = "12345678";

fn config(folder: &Path) -> Config {
    let text =
        include_str!("../../../frontdoor.toml").replace("timeout_ms = 5000", "timeout_ms = 600");
    Config::parse(&folder.join("frontdoor.toml"), &text, |name| {
        (name == "XDG_DATA_HOME").then(|| folder.as_os_str().to_owned())
    })
    .expect("the demo configuration is valid")
}

struct Bank {
    folder: tempfile::TempDir,
    config: Config,
    actions: Actions,
}

impl Bank {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path());
        let actions = Actions::open(&config).await.expect("opens");
        Self { folder, config, actions }
    }

    async fn ask(
        &self,
        action: &str,
        key: &str,
        inputs: &[(&str, &str)],
    ) -> Result<String, String> {
        let inputs: BTreeMap<String, Pii<String>> =
            inputs.iter().map(|(n, v)| ((*n).to_owned(), Pii::new((*v).to_owned()))).collect();
        let request = ActionRequest { action: action.into(), inputs, idempotency_key: key.into() };
        match self.actions.run(request).await {
            Ok(outputs) => {
                let told: Vec<String> =
                    outputs.iter().map(|(n, v)| format!("{n}={}", v.expose())).collect();
                Ok(told.join(" "))
            }
            Err(failure) => Err(failure.kind.as_words().to_owned()),
        }
    }

    async fn balance(&self, kind: &str) -> Result<String, String> {
        self.ask("crm.balance", "k", &[("account_number", ALEX), ("account_type", kind)]).await
    }

    async fn transfer(&self, key: &str, amount: &str) -> Result<String, String> {
        let inputs = [
            ("account_number", ALEX),
            ("from_account", "checking"),
            ("to_account", "savings"),
            ("amount", amount),
        ];
        self.ask("crm.transfer", key, &inputs).await
    }
}

fn done(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn failed(words: &str) -> Result<String, String> {
    Err(words.to_owned())
}

#[tokio::test]
async fn questions_are_answered_from_the_seed() {
    let bank = Bank::open().await;
    let alex = "account_number=12345678 customer_name=Alex Morgan first_name=Alex open_tickets=0 \
                tier=standard";
    for phone in ["5550123", "+1 (212) 555-0123", "sip:5550123@10.0.0.1", "tel:+15550123"] {
        assert_eq!(bank.ask("crm.caller", "", &[("phone", phone)]).await, done(alex), "{phone}");
    }
    for phone in ["123", "anonymous", "sip:anonymous@anonymous.invalid", "5559999"] {
        assert_eq!(bank.ask("crm.caller", "", &[("phone", phone)]).await, failed("not found"));
    }
    assert_eq!(bank.balance("checking").await, done("balance=1204.50"));
    assert_eq!(bank.balance("Savings").await, done("balance=5310.00"));
    assert_eq!(bank.balance("gold").await, failed("bad request"));
    let james = [("account_number", "34567890"), ("account_type", "savings")];
    assert_eq!(bank.ask("crm.balance", "", &james).await, failed("not found"));
    let recent = [("account_number", ALEX), ("account_type", "checking")];
    assert_eq!(
        bank.ask("crm.transactions", "", &recent).await,
        done(
            "count=3 summary=April 2, Grocery Mart, $54.20. April 1, Riverside Coffee, $4.75. \
             March 30, City Power and Light, $86.15."
        )
    );
    let none = [("account_number", "56789012"), ("account_type", "savings")];
    assert_eq!(bank.ask("crm.transactions", "", &none).await, done("count=0 summary=None."));
}

#[tokio::test]
async fn a_record_says_what_is_going_on_with_a_customer() {
    let bank = Bank::open().await;
    let linda = "account_number=89012345 customer_name=Linda Okafor first_name=Linda \
                 open_tickets=1 ticket_subject=the card you ordered on Tuesday tier=gold";
    assert_eq!(bank.ask("crm.caller", "", &[("phone", "5550178")]).await, done(linda));
    // One that is closed is nobody's business any more.
    let samuel = bank.ask("crm.caller", "", &[("phone", "5550102")]).await.expect("is known");
    assert!(samuel.ends_with("open_tickets=0 tier=standard"), "{samuel}");
    let crm = DemoCrm::new(bank.config.demo_crm_path());
    let tables = crm.tables(Some("linda")).await.expect("shown");
    let tickets = tables.iter().find(|table| table.title == "Tickets").expect("tickets");
    assert_eq!(tickets.rows[0][2..], ["the card you ordered on Tuesday", "open"]);
}

#[tokio::test]
async fn over_http_what_there_is_none_of_is_null() {
    let bank = Bank::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/verify_pin", listener.local_addr().expect("bound"));
    let crm = DemoCrm::new(bank.config.demo_crm_path());
    let serving = tokio::spawn(crm.serve(listener, std::future::pending()));
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = serde_json::json!({"account_number": ALEX, "pin": "4321"});
    let answer = client.post(url).json(&ask).send().await.expect("answers");
    let told: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(told["first_name"], "Alex");
    // Every output that is declared, or a front door would take the answer for a broken one.
    assert_eq!(told.get("ticket_subject"), Some(&serde_json::Value::Null), "{told}");
    serving.abort();
}

#[tokio::test]
async fn surnames_are_listed() {
    let bank = Bank::open().await;
    let list = bank.ask("crm.surnames", "", &[]).await.expect("a list");
    let names: Vec<&str> = list.trim_start_matches("list=").lines().collect();
    assert!(names.contains(&"Morgan") && names.contains(&"O'Brien"), "{names:?}");
}

#[tokio::test]
async fn pins_are_checked() {
    let bank = Bank::open().await;
    for (number, pin, expected) in [
        (
            ALEX,
            "4321",
            done("customer_name=Alex Morgan first_name=Alex open_tickets=0 tier=standard"),
        ),
        (ALEX, "4322", failed("wrong pin")),
        (ALEX, "", failed("wrong pin")),
        ("00000000", "4321", failed("not found")),
    ] {
        let inputs = [("account_number", number), ("pin", pin)];
        assert_eq!(bank.ask("crm.verify_pin", "", &inputs).await, expected, "{number} {pin}");
    }
    let missing = bank.ask("crm.verify_pin", "", &[("account_number", ALEX)]).await;
    assert_eq!(missing, failed("bad request"));
}

#[tokio::test]
async fn money_moves_once_per_key_and_never_out_of_nothing() {
    let bank = Bank::open().await;
    let moved = done("from_balance=1154.50 to_balance=5360.00");
    assert_eq!(bank.transfer("call-1", "50.00").await, moved);
    assert_eq!(bank.transfer("call-1", "50.00").await, moved, "same key, same answer");
    assert_eq!(bank.balance("checking").await, done("balance=1154.50"), "moved once");
    assert_eq!(bank.transfer("call-1", "60.00").await, failed("bad request"), "key reused");
    assert_eq!(bank.transfer("call-2", "1154.51").await, failed("insufficient funds"));
    for amount in ["0", "-5", "1.005", "fifty", ""] {
        assert_eq!(bank.transfer("call-3", amount).await, failed("bad request"), "{amount}");
    }
    assert_eq!(bank.transfer("", "1").await, failed("bad request"), "a change needs a key");
    let same = [
        ("account_number", ALEX),
        ("from_account", "savings"),
        ("to_account", "savings"),
        ("amount", "1"),
    ];
    assert_eq!(bank.ask("crm.transfer", "call-4", &same).await, failed("same account"));
    assert_eq!(bank.balance("checking").await, done("balance=1154.50"));
    assert_eq!(bank.balance("savings").await, done("balance=5360.00"));
    // A refusal is not kept: the same run may be tried again when it can succeed.
    assert_eq!(
        bank.transfer("call-2", "1154.50").await,
        done("from_balance=0.00 to_balance=6514.50")
    );
}

#[tokio::test]
async fn transfers_at_the_same_time_do_not_lose_each_other() {
    let bank = Bank::open().await;
    let (a, b, c, d) = tokio::join!(
        bank.transfer("call-1", "2.02"),
        bank.transfer("call-2", "2.02"),
        bank.transfer("call-3", "2.02"),
        bank.transfer("call-4", "2.02"),
    );
    for outcome in [a, b, c, d] {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    assert_eq!(bank.balance("checking").await, done("balance=1196.42"));
    assert_eq!(bank.balance("savings").await, done("balance=5318.08"));
}

#[tokio::test]
async fn cards_are_blocked() {
    let bank = Bank::open().await;
    for (key, number, expected) in [
        ("k1", ALEX, done("card_last4=4417")),
        ("k1", ALEX, done("card_last4=4417")),
        ("k2", ALEX, failed("not found")),
        ("k3", "45678901", failed("not found")),
        ("k4", "78901234", failed("not found")),
        ("k5", "56789012", failed("several cards")),
    ] {
        let inputs = [("account_number", number)];
        assert_eq!(bank.ask("crm.block_card", key, &inputs).await, expected, "{key}");
    }
}

#[tokio::test]
async fn addresses_change_and_reset_brings_everything_back() {
    let bank = Bank::open().await;
    let inputs = [("account_number", ALEX), ("new_address", " 1 New Road ")];
    assert_eq!(bank.ask("crm.change_address", "k1", &inputs).await, done(""));
    bank.transfer("k2", "50").await.expect("moves");
    let crm = DemoCrm::new(bank.config.demo_crm_path());
    let tables = crm.tables(Some("alex")).await.expect("shown");
    assert_eq!(tables[0].rows, [[ALEX, "Alex Morgan", "5550123", "standard", "1 New Road"]]);
    let titles: Vec<&str> = tables.iter().map(|table| table.title).collect();
    assert!(titles.contains(&"Transfers") && titles.contains(&"Address changes"), "{titles:?}");
    crm.reset().await.expect("resets");
    let tables = crm.tables(None).await.expect("shown");
    assert_eq!(tables.len(), 5, "no changes are left");
    assert_eq!(tables[0].rows.len(), 8);
    assert_eq!(bank.balance("checking").await, done("balance=1204.50"));
    assert!(matches!(crm.tables(Some("nobody")).await, Err(DemoCrmError::NoSuchCustomer { .. })));
}

#[tokio::test]
async fn what_agents_write_is_kept_once_with_the_customer() {
    let bank = Bank::open().await;
    let note = |customer: &'static str, notes: &'static str| {
        [
            ("call_id", "c1"),
            ("account_number", customer),
            ("disposition", "solved"),
            ("summary", "Called about a card."),
            ("notes", notes),
        ]
    };
    for (key, customer, notes, expected) in [
        ("k1", ALEX, "sent a new one", done("")),
        ("k1", ALEX, "sent a new one", done("")),
        ("k2", "", "", done("")),
        ("k3", "99999999", "", failed("not found")),
    ] {
        assert_eq!(bank.ask("crm.note", key, &note(customer, notes)).await, expected, "{key}");
    }
    let crm = DemoCrm::new(bank.config.demo_crm_path());
    let tables = crm.tables(Some("alex")).await.expect("shown");
    let notes = tables.iter().find(|table| table.title == "Notes of agents").expect("notes");
    let rows: Vec<&[String]> = notes.rows.iter().map(|row| &row[2..]).collect();
    assert_eq!(rows, [["solved", "Called about a card.", "sent a new one"]]);
}

#[tokio::test]
async fn a_file_of_an_earlier_version_gets_what_is_new() {
    let bank = Bank::open().await;
    let options = DemoCrm::new(bank.config.demo_crm_path()).options(Duration::ZERO);
    let mut other = SqliteConnection::connect_with(&options).await.expect("opens");
    for old in ["DROP TABLE notes", "DELETE FROM _sqlx_migrations WHERE version = 2"] {
        sqlx::query(old).execute(&mut other).await.expect("as it was before");
    }
    let again = Actions::open(&bank.config).await.expect("opens");
    again.close().await;
    sqlx::query("SELECT * FROM notes").fetch_all(&mut other).await.expect("there is a table");
    assert_eq!(bank.balance("checking").await, done("balance=1204.50"));
}

#[tokio::test]
async fn an_outage_is_unavailable_and_ends_by_itself() {
    let bank = Bank::open().await;
    let path = bank.config.demo_crm_path();
    let away = bank.folder.path().join("away.sqlite");
    std::fs::rename(&path, &away).expect("moved away");
    assert_eq!(bank.balance("checking").await, failed("unavailable"));
    assert!(!path.exists(), "asking must not make an empty file");
    std::fs::write(&path, "this is not a database, whatever its name says").expect("written");
    assert_eq!(bank.balance("checking").await, failed("unavailable"));
    assert_eq!(bank.transfer("k1", "1").await, failed("unavailable"));
    let again = Actions::open(&bank.config).await.expect("a damaged CRM does not stop the server");
    again.close().await;
    std::fs::rename(&away, &path).expect("moved back");
    assert_eq!(bank.balance("checking").await, done("balance=1204.50"));
}

#[tokio::test]
async fn a_locked_file_is_unavailable_and_not_a_timeout() {
    let bank = Bank::open().await;
    let options = DemoCrm::new(bank.config.demo_crm_path()).options(Duration::ZERO);
    let mut other = SqliteConnection::connect_with(&options).await.expect("opens");
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("locks");
    assert_eq!(bank.transfer("k1", "1").await, failed("unavailable"));
    assert_eq!(bank.balance("checking").await, done("balance=1204.50"), "reading still works");
    let crm = DemoCrm::new(bank.config.demo_crm_path());
    let error = crm.reset_waiting(Duration::from_millis(20)).await.expect_err("locked");
    assert!(matches!(error, DemoCrmError::Locked { .. }), "{error}");
    drop(lock);
    assert_eq!(bank.transfer("k1", "1").await, done("from_balance=1203.50 to_balance=5311.00"));
}

#[tokio::test]
async fn reset_replaces_a_damaged_file() {
    let bank = Bank::open().await;
    let path = bank.config.demo_crm_path();
    std::fs::write(&path, vec![b'x'; 8192]).expect("damaged");
    DemoCrm::new(path).reset().await.expect("made anew");
    assert_eq!(bank.balance("checking").await, done("balance=1204.50"));
}

#[tokio::test]
async fn declarations_must_be_true() {
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to, expected) in [
        (
            "[actions.\"crm.block_card\"]",
            "[actions.\"crm.block_crad\"]",
            "Did you mean `block_card`",
        ),
        ("outputs = [\"balance\"]", "outputs = [\"balanse\"]", "Did you mean `balance`"),
        (
            "inputs = [\"account_number\", \"new_address\"]",
            "inputs = [\"account_number\"]",
            "inputs must be [\"account_number\", \"new_address\"]",
        ),
        (
            "outputs = []\nchanges_state = true",
            "outputs = []\nchanges_state = false",
            "changes_state must be true",
        ),
    ] {
        let text = include_str!("../../../frontdoor.toml").replace(from, to);
        let config = Config::parse(&folder.path().join("f.toml"), &text, |_| {
            Some(folder.path().as_os_str().to_owned())
        })
        .expect("well-formed");
        let error = Actions::open(&config).await.expect_err(to).to_string();
        assert!(error.contains(expected), "{expected}\nnot in\n{error}");
    }
}
