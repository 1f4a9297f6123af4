//! What the demo CRM can do, each in one transaction.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, Sqlite, SqliteConnection, Transaction};

use crate::actions::failure::{ActionFailure, ActionOutcome, FailureKind};
use crate::actions::list::{ENTRIES_MAX, joined};
use crate::actions::{ActionRequest, ActionsError};
use crate::base::{LIST_OUTPUT, Pii};
use crate::config::{ActionConfig, did_you_mean};

use super::money::{decimal, dollars, parse_cents};
use super::seed::{hex, pin_hash};
use super::unavailable;

/// Read out at once; more is too much to listen to.
const TRANSACTIONS_TOLD_MAX: i64 = 3;
/// A shorter match than a local number could be anybody.
const PHONE_DIGITS_MIN: usize = 7;
const ADDRESS_CHARS_MAX: usize = 200;

/// One thing the demo CRM can do. Its name is the last part of the action's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::actions) enum Operation {
    Caller,
    VerifyPin,
    Balance,
    Transactions,
    BlockCard,
    Transfer,
    ChangeAddress,
    Surnames,
    Note,
}

type Answer = Vec<(&'static str, String)>;

impl Operation {
    const ALL: [Self; 9] = [
        Self::Caller,
        Self::VerifyPin,
        Self::Balance,
        Self::Transactions,
        Self::BlockCard,
        Self::Transfer,
        Self::ChangeAddress,
        Self::Surnames,
        Self::Note,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::VerifyPin => "verify_pin",
            Self::Balance => "balance",
            Self::Transactions => "transactions",
            Self::BlockCard => "block_card",
            Self::Transfer => "transfer",
            Self::ChangeAddress => "change_address",
            Self::Surnames => "surnames",
            Self::Note => "note",
        }
    }

    /// The operation of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    pub(super) const fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::Caller => &["phone"],
            Self::VerifyPin => &["account_number", "pin"],
            Self::Balance | Self::Transactions => &["account_number", "account_type"],
            Self::BlockCard => &["account_number"],
            Self::Transfer => &["account_number", "from_account", "to_account", "amount"],
            Self::ChangeAddress => &["account_number", "new_address"],
            Self::Surnames => &[],
            Self::Note => &["call_id", "account_number", "disposition", "summary", "notes"],
        }
    }

    pub(super) const fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::Caller => &[
                "customer_name",
                "first_name",
                "account_number",
                "tier",
                "open_tickets",
                "ticket_subject",
            ],
            Self::VerifyPin => {
                &["customer_name", "first_name", "tier", "open_tickets", "ticket_subject"]
            }
            Self::Balance => &["balance"],
            Self::Transactions => &["count", "summary"],
            Self::BlockCard => &["card_last4"],
            Self::Transfer => &["from_balance", "to_balance"],
            Self::ChangeAddress | Self::Surnames | Self::Note => &[],
        }
    }

    /// The list that it gives in place of outputs.
    const fn list(self) -> Option<&'static str> {
        match self {
            Self::Surnames => Some("surnames"),
            _ => None,
        }
    }

    const fn changes_state(self) -> bool {
        matches!(self, Self::BlockCard | Self::Transfer | Self::ChangeAddress | Self::Note)
    }

    /// The operation that a declared action means, if the declaration is true to it.
    pub(in crate::actions) fn for_action(
        declared: &ActionConfig,
        outputs: &[String],
    ) -> Result<Self, ActionsError> {
        let wrong = |message| ActionsError::Declaration { action: declared.name.clone(), message };
        let name = declared.name.rsplit('.').next().unwrap_or_default();
        let names = Self::ALL.map(Self::name);
        let operation = Self::named(name).ok_or_else(|| {
            let hint = did_you_mean(name, names)
                .unwrap_or_else(|| format!("It can do: {}", names.join(", ")));
            wrong(format!("the demo CRM cannot do \"{name}\". {hint}"))
        })?;
        let takes = operation.inputs();
        if declared.inputs.len() != takes.len()
            || !takes.iter().all(|input| declared.inputs.iter().any(|i| i == input))
        {
            return Err(wrong(format!("inputs must be {takes:?}")));
        }
        let gives = operation.outputs();
        if let Some(output) = outputs.iter().find(|output| !gives.contains(&output.as_str())) {
            let hint = did_you_mean(output, gives.iter().copied())
                .unwrap_or_else(|| format!("It gives {gives:?}"));
            return Err(wrong(format!("there is no output \"{output}\". {hint}")));
        }
        if declared.list.as_deref() != operation.list() {
            return Err(wrong(match operation.list() {
                Some(list) => format!("it gives a list. Write list = \"{list}\""),
                None => "it gives no list. Remove the line".to_owned(),
            }));
        }
        if declared.changes_state != operation.changes_state() {
            let truth = operation.changes_state();
            return Err(wrong(format!("changes_state must be {truth}")));
        }
        Ok(operation)
    }

    pub(super) async fn run(
        self,
        connection: &mut SqliteConnection,
        request: &ActionRequest,
    ) -> ActionOutcome {
        let answer = if self.changes_state() {
            self.change(connection, request).await?
        } else {
            // One transaction, so that all queries of an operation see the same moment.
            let mut transaction = connection.begin().await.map_err(|error| unavailable(&error))?;
            self.answer(&mut transaction, request).await?
        };
        Ok(answer.into_iter().map(|(name, value)| (name.to_owned(), Pii::new(value))).collect())
    }

    /// Does a change once per idempotency key, with its answer in the same transaction.
    async fn change(
        self,
        connection: &mut SqliteConnection,
        request: &ActionRequest,
    ) -> Result<Answer, ActionFailure> {
        if request.idempotency_key.is_empty() {
            return Err(ActionFailure::bad_request("a change needs an idempotency key"));
        }
        let hash = self.request_hash(request);
        // IMMEDIATE takes the write lock first: what is read stays true until the commit.
        let mut transaction =
            connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| unavailable(&error))?;
        if let Some(answer) = self.earlier_answer(&mut transaction, request, &hash).await? {
            return Ok(answer);
        }
        let answer = self.answer(&mut transaction, request).await?;
        let kept: BTreeMap<&str, &str> =
            answer.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let kept = serde_json::to_string(&kept)
            .map_err(|error| ActionFailure::new(FailureKind::Unavailable, error.to_string()))?;
        sqlx::query(
            "INSERT INTO answered_requests (idempotency_key, request_hash, answer, at)
             VALUES (?, ?, ?, ?)",
        )
        .bind(&request.idempotency_key)
        .bind(hash)
        .bind(kept)
        .bind(now())
        .execute(&mut *transaction)
        .await
        .map_err(|error| unavailable(&error))?;
        transaction.commit().await.map_err(|error| {
            // After a failed commit nobody knows what reached the disk.
            ActionFailure::new(FailureKind::Timeout, format!("demo CRM: commit: {error}"))
        })?;
        Ok(answer)
    }

    async fn earlier_answer(
        self,
        transaction: &mut Transaction<'_, Sqlite>,
        request: &ActionRequest,
        hash: &str,
    ) -> Result<Option<Answer>, ActionFailure> {
        let row = sqlx::query(
            "SELECT request_hash, answer FROM answered_requests WHERE idempotency_key = ?",
        )
        .bind(&request.idempotency_key)
        .fetch_optional(&mut **transaction)
        .await
        .map_err(|error| unavailable(&error))?;
        let Some(row) = row else { return Ok(None) };
        if row.get::<String, _>("request_hash") != hash {
            return Err(ActionFailure::bad_request(
                "the idempotency key was used for a different request",
            ));
        }
        let mut kept: BTreeMap<String, String> = serde_json::from_str(row.get("answer"))
            .map_err(|error| ActionFailure::new(FailureKind::Unavailable, error.to_string()))?;
        let outputs = self.outputs().iter();
        Ok(Some(outputs.filter_map(|name| Some((*name, kept.remove(*name)?))).collect()))
    }

    fn request_hash(self, request: &ActionRequest) -> String {
        let mut hash = Sha256::new().chain_update(self.name());
        for input in self.inputs() {
            let value = request.inputs.get(*input).map_or("", |value| value.expose().as_str());
            hash.update((value.len() as u64).to_le_bytes());
            hash.update(value);
        }
        hex(&hash.finalize())
    }

    async fn answer(
        self,
        connection: &mut SqliteConnection,
        request: &ActionRequest,
    ) -> Result<Answer, ActionFailure> {
        match self {
            Self::Caller => caller(connection, request).await,
            Self::VerifyPin => verify_pin(connection, request).await,
            Self::Balance => {
                let kind = account_type(request, "account_type")?;
                let customer = input(request, "account_number")?;
                let cents = balance_cents(connection, customer, kind).await?;
                Ok(vec![("balance", decimal(cents))])
            }
            Self::Transactions => transactions(connection, request).await,
            Self::BlockCard => block_card(connection, request).await,
            Self::Transfer => transfer(connection, request).await,
            Self::ChangeAddress => change_address(connection, request).await,
            Self::Surnames => surnames(connection).await,
            Self::Note => note(connection, request).await,
        }
    }
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn not_found(what: &str) -> ActionFailure {
    ActionFailure::new(FailureKind::NotFound, format!("demo CRM: no such {what}"))
}

fn refused(word: &str) -> ActionFailure {
    ActionFailure::new(FailureKind::Refused(word.to_owned()), "demo CRM")
}

fn input<'a>(request: &'a ActionRequest, name: &str) -> Result<&'a str, ActionFailure> {
    request
        .inputs
        .get(name)
        .map(|value| value.expose().trim())
        .ok_or_else(|| ActionFailure::bad_request(format!("input \"{name}\" is missing")))
}

fn account_type(request: &ActionRequest, name: &str) -> Result<&'static str, ActionFailure> {
    match input(request, name)?.to_ascii_lowercase().as_str() {
        "checking" => Ok("checking"),
        "savings" => Ok("savings"),
        _ => Err(ActionFailure::bad_request(format!("\"{name}\" must be checking or savings"))),
    }
}

async fn caller(
    connection: &mut SqliteConnection,
    request: &ActionRequest,
) -> Result<Answer, ActionFailure> {
    let written = input(request, "phone")?;
    let number = written.split_once(':').map_or(written, |(_scheme, rest)| rest);
    let number = number.split('@').next().unwrap_or_default();
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < PHONE_DIGITS_MIN {
        return Err(not_found("caller"));
    }
    // A trunk may put country and area codes before the number that the bank knows.
    let rows = sqlx::query(
        "SELECT name, first_name, number, tier FROM customers
         WHERE substr(?1, -length(phone)) = phone LIMIT 2",
    )
    .bind(digits)
    .fetch_all(&mut *connection)
    .await
    .map_err(|error| unavailable(&error))?;
    match rows.as_slice() {
        [row] => {
            let mut answer = known(row);
            answer.push(("account_number", row.get("number")));
            answer.extend(tickets(connection, row.get("number")).await?);
            Ok(answer)
        }
        _ => Err(not_found("caller")),
    }
}

async fn verify_pin(
    connection: &mut SqliteConnection,
    request: &ActionRequest,
) -> Result<Answer, ActionFailure> {
    let customer = input(request, "account_number")?;
    let row = sqlx::query(
        "SELECT name, first_name, tier, pin_salt, pin_hash FROM customers WHERE number = ?",
    )
    .bind(customer)
    .fetch_optional(&mut *connection)
    .await
    .map_err(|error| unavailable(&error))?
    .ok_or_else(|| not_found("customer"))?;
    let expected: String = row.get("pin_hash");
    if pin_hash(row.get("pin_salt"), input(request, "pin")?) != expected {
        return Err(refused("wrong pin"));
    }
    let mut answer = known(&row);
    answer.extend(tickets(connection, customer).await?);
    Ok(answer)
}

/// Who a customer is.
fn known(row: &SqliteRow) -> Answer {
    vec![
        ("customer_name", row.get("name")),
        ("first_name", row.get("first_name")),
        ("tier", row.get("tier")),
    ]
}

/// What is going on with a customer: how many tickets are open, and what the latest is about.
async fn tickets(
    connection: &mut SqliteConnection,
    customer: &str,
) -> Result<Answer, ActionFailure> {
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT subject FROM tickets WHERE customer = ? AND status = 'open'
         ORDER BY opened_on DESC, id DESC",
    )
    .bind(customer)
    .fetch_all(connection)
    .await
    .map_err(|error| unavailable(&error))?;
    let mut answer = vec![("open_tickets", open.len().to_string())];
    answer.extend(open.into_iter().next().map(|subject| ("ticket_subject", subject)));
    Ok(answer)
}

async fn balance_cents(
    connection: &mut SqliteConnection,
    customer: &str,
    kind: &str,
) -> Result<i64, ActionFailure> {
    sqlx::query_scalar("SELECT balance_cents FROM accounts WHERE customer = ? AND type = ?")
        .bind(customer)
        .bind(kind)
        .fetch_optional(connection)
        .await
        .map_err(|error| unavailable(&error))?
        .ok_or_else(|| not_found("account"))
}

async fn transactions(
    connection: &mut SqliteConnection,
    request: &ActionRequest,
) -> Result<Answer, ActionFailure> {
    let customer = input(request, "account_number")?;
    let kind = account_type(request, "account_type")?;
    // Tells "no such account" from "nothing happened in it".
    balance_cents(connection, customer, kind).await?;
    let rows = sqlx::query(
        "SELECT at, description, amount_cents FROM transactions
         WHERE customer = ? AND account_type = ? ORDER BY at DESC, id DESC LIMIT ?",
    )
    .bind(customer)
    .bind(kind)
    .bind(TRANSACTIONS_TOLD_MAX)
    .fetch_all(connection)
    .await
    .map_err(|error| unavailable(&error))?;
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let description: &str = row.get("description");
            told_transaction(row.get("at"), description, row.get("amount_cents"))
        })
        .collect();
    let summary = if told.is_empty() { "None.".to_owned() } else { told.join(" ") };
    Ok(vec![("count", told.len().to_string()), ("summary", summary)])
}

/// `April 2, Grocery Mart, $54.20.`
fn told_transaction(at: &str, description: &str, amount_cents: i64) -> String {
    let day = at
        .parse::<jiff::civil::Date>()
        .map_or_else(|_| at.to_owned(), |date| date.strftime("%B %-d").to_string());
    let received = if amount_cents > 0 { " received" } else { "" };
    format!("{day}, {description}, {}{received}.", dollars(amount_cents))
}

async fn block_card(
    connection: &mut SqliteConnection,
    request: &ActionRequest,
) -> Result<Answer, ActionFailure> {
    let cards: Vec<String> = sqlx::query_scalar(
        "SELECT number FROM cards WHERE customer = ? AND status = 'active' LIMIT 2",
    )
    .bind(input(request, "account_number")?)
    .fetch_all(&mut *connection)
    .await
    .map_err(|error| unavailable(&error))?;
    let number = match cards.as_slice() {
        [] => return Err(not_found("active card")),
        [number] => number,
        // Blocking the wrong one strands the caller; a person can ask which.
        _ => return Err(refused("several cards")),
    };
    sqlx::query("UPDATE cards SET status = 'blocked' WHERE number = ?")
        .bind(number)
        .execute(connection)
        .await
        .map_err(|error| unavailable(&error))?;
    let last4 = number.get(number.len().saturating_sub(4)..).unwrap_or(number);
    Ok(vec![("card_last4", last4.to_owned())])
}

async fn transfer(
    connection: &mut SqliteConnection,
    request: &ActionRequest,
) -> Result<Answer, ActionFailure> {
    let customer = input(request, "account_number")?;
    let from = account_type(request, "from_account")?;
    let to = account_type(request, "to_account")?;
    let cents = parse_cents(input(request, "amount")?)
        .filter(|cents| *cents > 0)
        .ok_or_else(|| ActionFailure::bad_request("\"amount\" must be money such as 50.00"))?;
    if from == to {
        return Err(refused("same account"));
    }
    let from_cents = balance_cents(connection, customer, from).await?;
    let to_cents = balance_cents(connection, customer, to).await?;
    if from_cents < cents {
        return Err(refused("insufficient funds"));
    }
    let (from_cents, to_cents) = (from_cents - cents, to_cents + cents);
    let today = jiff::Zoned::now().date().to_string();
    let sides = [
        (from, from_cents, -cents, format!("Transfer to {to}")),
        (to, to_cents, cents, format!("Transfer from {from}")),
    ];
    for (kind, balance, amount, description) in sides {
        sqlx::query("UPDATE accounts SET balance_cents = ? WHERE customer = ? AND type = ?")
            .bind(balance)
            .bind(customer)
            .bind(kind)
            .execute(&mut *connection)
            .await
            .map_err(|error| unavailable(&error))?;
        sqlx::query(
            "INSERT INTO transactions (customer, account_type, at, description, amount_cents)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(customer)
        .bind(kind)
        .bind(&today)
        .bind(description)
        .bind(amount)
        .execute(&mut *connection)
        .await
        .map_err(|error| unavailable(&error))?;
    }
    sqlx::query(
        "INSERT INTO transfers (at, customer, from_account, to_account, amount_cents)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(now())
    .bind(customer)
    .bind(from)
    .bind(to)
    .bind(cents)
    .execute(connection)
    .await
    .map_err(|error| unavailable(&error))?;
    Ok(vec![("from_balance", decimal(from_cents)), ("to_balance", decimal(to_cents))])
}

async fn change_address(
    connection: &mut SqliteConnection,
    request: &ActionRequest,
) -> Result<Answer, ActionFailure> {
    let customer = input(request, "account_number")?;
    let new = input(request, "new_address")?;
    if new.is_empty() || new.chars().count() > ADDRESS_CHARS_MAX {
        return Err(ActionFailure::bad_request(format!(
            "\"new_address\" must have 1 to {ADDRESS_CHARS_MAX} characters"
        )));
    }
    let old: String = sqlx::query_scalar("SELECT address FROM customers WHERE number = ?")
        .bind(customer)
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| unavailable(&error))?
        .ok_or_else(|| not_found("customer"))?;
    sqlx::query("UPDATE customers SET address = ? WHERE number = ?")
        .bind(new)
        .bind(customer)
        .execute(&mut *connection)
        .await
        .map_err(|error| unavailable(&error))?;
    sqlx::query("INSERT INTO address_changes (at, customer, old, new) VALUES (?, ?, ?, ?)")
        .bind(now())
        .bind(customer)
        .bind(old)
        .bind(new)
        .execute(connection)
        .await
        .map_err(|error| unavailable(&error))?;
    Ok(Vec::new())
}

async fn surnames(connection: &mut SqliteConnection) -> Result<Answer, ActionFailure> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT substr(name, length(first_name) + 2) FROM customers LIMIT ?",
    )
    .bind(ENTRIES_MAX as i64 + 1)
    .fetch_all(connection)
    .await
    .map_err(|error| unavailable(&error))?;
    Ok(vec![(LIST_OUTPUT, joined(names)?)])
}

/// What came of a call, with the customer if it is known who called.
async fn note(
    connection: &mut SqliteConnection,
    request: &ActionRequest,
) -> Result<Answer, ActionFailure> {
    let customer = Some(input(request, "account_number")?).filter(|number| !number.is_empty());
    if let Some(number) = customer {
        let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM customers WHERE number = ?")
            .bind(number)
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| unavailable(&error))?;
        known.ok_or_else(|| not_found("customer"))?;
    }
    sqlx::query(
        "INSERT INTO notes (at, customer, call, disposition, summary, notes)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(now())
    .bind(customer)
    .bind(input(request, "call_id")?)
    .bind(input(request, "disposition")?)
    .bind(input(request, "summary")?)
    .bind(input(request, "notes")?)
    .execute(connection)
    .await
    .map_err(|error| unavailable(&error))?;
    Ok(Vec::new())
}
