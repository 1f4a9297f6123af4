-- How a call sounded, by our own count and by the reports of the other side (RTCP); NULL where it sent none.
CREATE TABLE call_quality (
    call                TEXT PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    codec               TEXT NOT NULL,
    heard_loss_percent  REAL NOT NULL,
    heard_jitter_ms     REAL NOT NULL,
    heard_concealed_ms  INTEGER NOT NULL,
    heard_mos           REAL NOT NULL,
    sent_loss_percent   REAL,
    sent_jitter_ms      REAL,
    sent_mos            REAL,
    round_trip_ms       REAL
) STRICT;
