-- Whose hand-off promises a queue, until they have been served or have left: a row begins with the hand-off, and
-- ends with the call. Who is in here when the program starts was cut off, and is called back by people.
CREATE TABLE waiting (
    call       TEXT PRIMARY KEY,
    -- Of the hand-off; NULL if it could not be kept in this database.
    reference  TEXT,
    queue      TEXT NOT NULL,
    since      TEXT NOT NULL
) STRICT;

-- Waits that are over, for counting.
CREATE TABLE waits (
    id         INTEGER PRIMARY KEY,
    call       TEXT NOT NULL,
    queue      TEXT NOT NULL,
    -- 'call' or 'callback'.
    kind       TEXT NOT NULL,
    -- 'answered', 'answered again', 'hung up', 'left', 'callback', 'too long', 'no queue' or 'agent gone'.
    outcome    TEXT NOT NULL,
    waited_ms  INTEGER NOT NULL,
    ended_at   TEXT NOT NULL,
    -- The account that took the call.
    agent      TEXT
) STRICT;
CREATE INDEX waits_by_end ON waits (ended_at);

-- Callers who are to be called back by us, in their turn.
CREATE TABLE callbacks (
    call             TEXT PRIMARY KEY,
    reference        TEXT,
    number           TEXT NOT NULL,
    -- Who says that they call back, as spoken.
    house            TEXT NOT NULL,
    queue            TEXT NOT NULL,
    -- Skills asked for besides those of the queue, as JSON: {"billing": 3}.
    needs            TEXT NOT NULL,
    language         TEXT,
    priority         INTEGER NOT NULL,
    only_agent       TEXT,
    -- Since when the place counts.
    since            TEXT NOT NULL,
    booked_at        TEXT NOT NULL,
    state            TEXT NOT NULL
                     CHECK (state IN ('waiting', 'dialling', 'answered', 'served', 'failed')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    -- Not before this time; NULL for at once.
    next_attempt_at  TEXT,
    done_at          TEXT
) STRICT;
CREATE INDEX callbacks_open ON callbacks (since) WHERE state IN ('waiting', 'dialling', 'answered');

-- What agents say came of calls, and whether the customer system has been told.
CREATE TABLE wrap_ups (
    id               INTEGER PRIMARY KEY,
    call             TEXT NOT NULL,
    agent            TEXT NOT NULL,
    -- When the agent took the call: they may have it twice.
    began_at         TEXT NOT NULL,
    queue            TEXT NOT NULL,
    account_number   TEXT,
    summary          TEXT NOT NULL,
    disposition      TEXT,
    notes            TEXT,
    -- One more with each change; an older text never replaces a newer one.
    revision         INTEGER NOT NULL,
    -- 'open' while the agent is at it, then 'kept' where no system is to be told, or 'pending' until 'sent' or
    -- 'failed'.
    state            TEXT NOT NULL CHECK (state IN ('open', 'kept', 'pending', 'sent', 'failed')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    next_attempt_at  TEXT NOT NULL,
    done_at          TEXT,
    last_error       TEXT,
    UNIQUE (call, agent, began_at)
) STRICT;
CREATE INDEX wrap_ups_due ON wrap_ups (next_attempt_at) WHERE state = 'pending';
