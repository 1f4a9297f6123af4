-- What agents say came of calls.
CREATE TABLE notes (
    id           INTEGER PRIMARY KEY,
    at           TEXT NOT NULL,
    -- NULL if it is not known who called.
    customer     TEXT REFERENCES customers (number),
    call         TEXT NOT NULL,
    disposition  TEXT NOT NULL,
    summary      TEXT NOT NULL,
    notes        TEXT NOT NULL
) STRICT;
