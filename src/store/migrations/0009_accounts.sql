-- Who signs in at the web pages, and what they did there.

CREATE TABLE accounts (
    name          TEXT PRIMARY KEY,
    display_name  TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('agent', 'supervisor', 'operations', 'admin')),
    -- argon2id, as a PHC string.
    password      TEXT NOT NULL,
    -- 1: nothing but a new password is taken at the next sign-in.
    must_change   INTEGER NOT NULL,
    -- JSON: {"cards": 4}, levels 1 to 5.
    skills        TEXT NOT NULL,
    -- JSON: ["en", "es-US"]; any language if there are none.
    languages     TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    -- NULL while they may sign in.
    disabled_at   TEXT
) STRICT;

CREATE TABLE sessions (
    -- SHA-256 of what the browser holds, in hexadecimal.
    digest      TEXT PRIMARY KEY,
    account     TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
    created_at  TEXT NOT NULL,
    seen_at     TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_account ON sessions (account);

-- What other programs show to be let in.
CREATE TABLE tokens (
    -- Never used twice: the audit names tokens by it.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    -- SHA-256 of the token, in hexadecimal.
    digest      TEXT NOT NULL UNIQUE,
    -- JSON: ["call", "handoffs", "metrics"].
    scopes      TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    used_at     TEXT
) STRICT;

CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       TEXT NOT NULL,
    -- What kind of somebody: 'account', 'token', 'command_line' or 'nobody' (nobody was let in).
    kind     TEXT NOT NULL,
    -- The account, or the token's number and name; empty for the other kinds.
    who      TEXT NOT NULL,
    action   TEXT NOT NULL,
    -- What it was done to: a call, an account, a hand-off's reference.
    subject  TEXT NOT NULL,
    -- The address that it came from; empty for the command line.
    source   TEXT NOT NULL
) STRICT;
