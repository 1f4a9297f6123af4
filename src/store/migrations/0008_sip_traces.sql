-- The SIP messages of calls, without personal data, as JSON: {"messages": [...], "left_out", "gap_at"}.
CREATE TABLE sip_traces (
    call      TEXT PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    began_at  TEXT NOT NULL,
    trace     TEXT NOT NULL
) STRICT;

-- Calls that were refused before there was a record of them; the latest only.
CREATE TABLE sip_refusals (
    id        INTEGER PRIMARY KEY,
    began_at  TEXT NOT NULL,
    source    TEXT NOT NULL,
    status    INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    times     INTEGER NOT NULL,
    trace     TEXT NOT NULL
) STRICT;
