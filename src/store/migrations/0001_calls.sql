-- Times are RFC 3339 in UTC with microseconds, so that they sort as text. `*_ms` in lines, turns and
-- action_runs count from answer.

CREATE TABLE calls (
    id           TEXT PRIMARY KEY,
    started_at   TEXT NOT NULL,
    answered_at  TEXT,
    ended_at     TEXT,
    caller       TEXT NOT NULL,
    called       TEXT NOT NULL,
    channel      TEXT NOT NULL,
    profile      TEXT NOT NULL,
    generation   TEXT NOT NULL,
    -- How it ended; NULL while it runs, and for ever if the server died.
    result       TEXT,
    reason       TEXT,
    recording    TEXT,
    turns        INTEGER,
    outcome      TEXT
) STRICT;
CREATE INDEX calls_by_start ON calls (started_at);

CREATE TABLE lines (
    id                 INTEGER PRIMARY KEY,
    call               TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    at_ms              INTEGER NOT NULL,
    speaker            TEXT NOT NULL,
    -- Secrets are masked before they come here.
    text               TEXT NOT NULL,
    confidence         REAL,
    intent             TEXT,
    intent_confidence  REAL
) STRICT;
CREATE INDEX lines_by_call ON lines (call);

CREATE TABLE turns (
    call           TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    turn           INTEGER NOT NULL,
    endpoint_ms    INTEGER NOT NULL,
    transcribe_ms  INTEGER NOT NULL,
    understand_ms  INTEGER NOT NULL,
    act_ms         INTEGER NOT NULL,
    voice_ms       INTEGER NOT NULL,
    playout_ms     INTEGER NOT NULL,
    total_ms       INTEGER NOT NULL,
    PRIMARY KEY (call, turn)
) STRICT;

CREATE TABLE action_runs (
    id       INTEGER PRIMARY KEY,
    call     TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    run      INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    action   TEXT NOT NULL,
    result   TEXT NOT NULL,
    took_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX action_runs_by_call ON action_runs (call);

-- No foreign key to calls: a hand-off is kept even if the call's record could not be.
CREATE TABLE handoffs (
    id          TEXT PRIMARY KEY,
    call        TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    json        TEXT NOT NULL
) STRICT;
CREATE INDEX handoffs_by_call ON handoffs (call);

CREATE TABLE webhooks (
    id               INTEGER PRIMARY KEY,
    handoff          TEXT NOT NULL REFERENCES handoffs (id) ON DELETE CASCADE,
    idempotency_key  TEXT NOT NULL UNIQUE,
    state            TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    created_at       TEXT NOT NULL,
    next_attempt_at  TEXT NOT NULL,
    done_at          TEXT,
    last_error       TEXT
) STRICT;
CREATE INDEX webhooks_due ON webhooks (next_attempt_at) WHERE state = 'pending';
