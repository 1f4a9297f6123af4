-- The demo CRM: customers of a bank, and what a call may do for them. Money is in cents.

CREATE TABLE customers (
    number      TEXT PRIMARY KEY CHECK (length(number) = 8),
    name        TEXT NOT NULL,
    first_name  TEXT NOT NULL,
    phone       TEXT NOT NULL UNIQUE,
    address     TEXT NOT NULL,
    -- Salted SHA-256. Good enough for invented customers; four digits need a slow hash and a
    -- hardware module in a real system.
    pin_salt    TEXT NOT NULL,
    pin_hash    TEXT NOT NULL
) STRICT;

CREATE TABLE accounts (
    customer       TEXT NOT NULL REFERENCES customers (number),
    type           TEXT NOT NULL CHECK (type IN ('checking', 'savings')),
    balance_cents  INTEGER NOT NULL CHECK (balance_cents >= 0),
    PRIMARY KEY (customer, type)
) STRICT;

CREATE TABLE cards (
    number    TEXT PRIMARY KEY,
    customer  TEXT NOT NULL REFERENCES customers (number),
    kind      TEXT NOT NULL,
    status    TEXT NOT NULL CHECK (status IN ('active', 'blocked'))
) STRICT;

CREATE TABLE transactions (
    id            INTEGER PRIMARY KEY,
    customer      TEXT NOT NULL,
    account_type  TEXT NOT NULL,
    at            TEXT NOT NULL,
    description   TEXT NOT NULL,
    amount_cents  INTEGER NOT NULL,
    FOREIGN KEY (customer, account_type) REFERENCES accounts (customer, type)
) STRICT;
CREATE INDEX transactions_by_account ON transactions (customer, account_type, at);

CREATE TABLE transfers (
    id            INTEGER PRIMARY KEY,
    at            TEXT NOT NULL,
    customer      TEXT NOT NULL REFERENCES customers (number),
    from_account  TEXT NOT NULL,
    to_account    TEXT NOT NULL,
    amount_cents  INTEGER NOT NULL CHECK (amount_cents > 0)
) STRICT;

CREATE TABLE address_changes (
    id        INTEGER PRIMARY KEY,
    at        TEXT NOT NULL,
    customer  TEXT NOT NULL REFERENCES customers (number),
    old       TEXT NOT NULL,
    new       TEXT NOT NULL
) STRICT;

-- What was answered to which request, written with the change itself: the same request asked again
-- gets the same answer and changes nothing.
CREATE TABLE answered_requests (
    idempotency_key  TEXT PRIMARY KEY,
    request_hash     TEXT NOT NULL,
    answer           TEXT NOT NULL,
    at               TEXT NOT NULL
) STRICT;
