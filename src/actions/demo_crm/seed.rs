//! The customers of the demo. Always the same, so that a test or a demonstration can name them.
//! Everybody is invented; numbers 555-01xx belong to nobody.

use sha2::{Digest, Sha256};
use sqlx::{Sqlite, SqliteConnection, Transaction};

struct Customer {
    number: &'static str,
    name: &'static str,
    first_name: &'static str,
    phone: &'static str,
    address: &'static str,
    pin: &'static str,
    tier: &'static str,
    checking_cents: i64,
    savings_cents: Option<i64>,
    /// Number, kind, status.
    cards: &'static [(&'static str, &'static str, &'static str)],
    /// Account, day, description, cents (negative is money out).
    transactions: &'static [(&'static str, &'static str, &'static str, i64)],
    /// Day, what about, status.
    tickets: &'static [(&'static str, &'static str, &'static str)],
}

const CUSTOMERS: &[Customer] = &[
    Customer {
        number: "12345678",
        name: "Alex Morgan",
        first_name: "Alex",
        phone: "5550123",
        address: "12 Orchard Lane, Fairview",
        pin: "4321",
        tier: "standard",
        checking_cents: 120_450,
        savings_cents: Some(531_000),
        cards: &[("4000123412344417", "Visa", "active")],
        transactions: &[
            ("checking", "2026-03-27", "Payroll deposit", 210_000),
            ("checking", "2026-03-30", "City Power and Light", -8_615),
            ("checking", "2026-04-01", "Riverside Coffee", -475),
            ("checking", "2026-04-02", "Grocery Mart", -5_420),
            ("savings", "2026-03-28", "Transfer from checking", 20_000),
            ("savings", "2026-03-31", "Interest", 442),
        ],
        tickets: &[],
    },
    Customer {
        number: "23456789",
        name: "Maria Santos",
        first_name: "Maria",
        phone: "5550145",
        address: "8 Harbor Street, Port Ellis",
        pin: "2580",
        tier: "standard",
        checking_cents: 32_875,
        savings_cents: Some(1_250_000),
        cards: &[("5100123412342209", "Mastercard", "active")],
        transactions: &[
            ("checking", "2026-03-29", "Pharmacy Plus", -2_340),
            ("checking", "2026-04-01", "Rent, Harbor Street", -95_000),
            ("savings", "2026-03-31", "Interest", 1_041),
        ],
        tickets: &[],
    },
    Customer {
        number: "34567890",
        name: "James Carter",
        first_name: "James",
        phone: "5550167",
        address: "401 Mill Road, Fairview",
        pin: "1199",
        tier: "standard",
        checking_cents: 1_520,
        savings_cents: None,
        cards: &[("4000123412348830", "Visa", "active")],
        transactions: &[("checking", "2026-04-02", "Bus pass", -6_000)],
        tickets: &[],
    },
    Customer {
        number: "45678901",
        name: "Priya Patel",
        first_name: "Priya",
        phone: "5550189",
        address: "77 Station Avenue, Kingsport",
        pin: "7410",
        tier: "standard",
        checking_cents: 845_012,
        savings_cents: Some(2_300_000),
        cards: &[("4000123412341055", "Visa", "blocked")],
        transactions: &[
            ("checking", "2026-03-31", "Payroll deposit", 485_000),
            ("checking", "2026-04-01", "Kingsport Dental", -18_000),
        ],
        tickets: &[],
    },
    Customer {
        number: "56789012",
        name: "Samuel O'Brien",
        first_name: "Samuel",
        phone: "5550102",
        address: "3 Chapel Hill, Fairview",
        pin: "8642",
        tier: "standard",
        checking_cents: 67_390,
        savings_cents: Some(100),
        cards: &[
            ("4000123412347713", "Visa", "active"),
            ("5100123412346624", "Mastercard", "active"),
        ],
        transactions: &[("checking", "2026-04-02", "Book Corner", -3_199)],
        tickets: &[("2026-02-16", "the statement you were missing", "closed")],
    },
    Customer {
        number: "67890123",
        name: "Grace Kim",
        first_name: "Grace",
        phone: "5550134",
        address: "250 Lakeview Drive, Port Ellis",
        pin: "9021",
        tier: "standard",
        checking_cents: 0,
        savings_cents: Some(75_000),
        cards: &[("4000123412343398", "Visa", "active")],
        transactions: &[("savings", "2026-02-27", "Deposit", 75_000)],
        tickets: &[],
    },
    Customer {
        number: "78901234",
        name: "Daniel Weber",
        first_name: "Daniel",
        phone: "5550156",
        address: "19 Garden Court, Kingsport",
        pin: "3344",
        tier: "standard",
        checking_cents: 210_000,
        savings_cents: Some(415_060),
        cards: &[],
        transactions: &[
            ("checking", "2026-03-31", "Payroll deposit", 210_000),
            ("savings", "2026-03-31", "Interest", 345),
        ],
        tickets: &[],
    },
    Customer {
        number: "89012345",
        name: "Linda Okafor",
        first_name: "Linda",
        phone: "5550178",
        address: "5 Bridge Street, Fairview",
        pin: "6087",
        tier: "gold",
        checking_cents: 4_310_725,
        savings_cents: Some(9_800_000),
        cards: &[("5100123412349942", "Mastercard", "active")],
        transactions: &[("checking", "2026-04-01", "Okafor Catering, invoice 118", 320_000)],
        tickets: &[("2026-03-31", "the card you ordered on Tuesday", "open")],
    },
];

/// Hexadecimal SHA-256 of salt and PIN.
pub(super) fn pin_hash(salt: &str, pin: &str) -> String {
    hex(&Sha256::new().chain_update(salt).chain_update(":").chain_update(pin).finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Empties every table and fills in the customers, within the transaction.
pub(super) async fn reseed(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    const TABLES: [&str; 9] = [
        "notes",
        "tickets",
        "answered_requests",
        "address_changes",
        "transfers",
        "transactions",
        "cards",
        "accounts",
        "customers",
    ];
    for table in TABLES {
        sqlx::query(&format!("DELETE FROM {table}")).execute(&mut **transaction).await?;
    }
    for customer in CUSTOMERS {
        insert(transaction, customer).await?;
    }
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, customer: &Customer) -> Result<(), sqlx::Error> {
    // The seed must be the same every time, so the salt is made from the number.
    let salt = format!("frontdoor-demo-{}", customer.number);
    sqlx::query(
        "INSERT INTO customers
             (number, name, first_name, phone, address, pin_salt, pin_hash, tier)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(customer.number)
    .bind(customer.name)
    .bind(customer.first_name)
    .bind(customer.phone)
    .bind(customer.address)
    .bind(&salt)
    .bind(pin_hash(&salt, customer.pin))
    .bind(customer.tier)
    .execute(&mut *connection)
    .await?;
    let accounts =
        [("checking", Some(customer.checking_cents)), ("savings", customer.savings_cents)];
    for (kind, balance_cents) in accounts {
        let Some(balance_cents) = balance_cents else { continue };
        sqlx::query("INSERT INTO accounts (customer, type, balance_cents) VALUES (?, ?, ?)")
            .bind(customer.number)
            .bind(kind)
            .bind(balance_cents)
            .execute(&mut *connection)
            .await?;
    }
    for (number, kind, status) in customer.cards {
        sqlx::query("INSERT INTO cards (number, customer, kind, status) VALUES (?, ?, ?, ?)")
            .bind(number)
            .bind(customer.number)
            .bind(kind)
            .bind(status)
            .execute(&mut *connection)
            .await?;
    }
    for (account, at, description, amount_cents) in customer.transactions {
        sqlx::query(
            "INSERT INTO transactions (customer, account_type, at, description, amount_cents)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(customer.number)
        .bind(account)
        .bind(at)
        .bind(description)
        .bind(amount_cents)
        .execute(&mut *connection)
        .await?;
    }
    for (opened_on, subject, status) in customer.tickets {
        sqlx::query(
            "INSERT INTO tickets (customer, opened_on, subject, status) VALUES (?, ?, ?, ?)",
        )
        .bind(customer.number)
        .bind(opened_on)
        .bind(subject)
        .bind(status)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
