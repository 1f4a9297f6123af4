-- What a telephone system was told to find a hand-off by: 128 random bits in hexadecimal; NULL in
-- hand-offs from before there was one.
ALTER TABLE handoffs ADD COLUMN reference TEXT;
CREATE UNIQUE INDEX handoffs_by_reference ON handoffs (reference);

-- Tries to put a caller through to people.
CREATE TABLE transfers (
    id          INTEGER PRIMARY KEY,
    call        TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    at_ms       INTEGER NOT NULL,
    queue       TEXT NOT NULL,
    -- 'refer', 'attended' or 'bridge': the way it went in the end.
    way         TEXT NOT NULL,
    -- 'succeeded', 'busy', 'no answer', 'refused', 'failed', or that the call ended first.
    outcome     TEXT NOT NULL,
    -- The SIP status that told, if one did.
    status      INTEGER,
    -- Until it was known what came of it.
    took_ms     INTEGER NOT NULL,
    -- How long the audio went through us; NULL if it did not.
    bridged_ms  INTEGER
) STRICT;
CREATE INDEX transfers_by_call ON transfers (call);
