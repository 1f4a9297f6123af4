-- What kind of customer somebody is.
ALTER TABLE customers ADD COLUMN tier TEXT NOT NULL DEFAULT 'standard'
    CHECK (tier IN ('standard', 'gold'));

-- What is going on with customers.
CREATE TABLE tickets (
    id         INTEGER PRIMARY KEY,
    customer   TEXT NOT NULL REFERENCES customers (number),
    opened_on  TEXT NOT NULL,
    -- As it is said to them: "the card you ordered on Tuesday".
    subject    TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('open', 'closed'))
) STRICT;
CREATE INDEX tickets_by_customer ON tickets (customer, opened_on);
