-- When our first voiced sample left; NULL in turns from before this was noted.
ALTER TABLE turns ADD COLUMN at_ms INTEGER;
-- From the socket to the machine; part of endpoint_ms in turns from before this was told apart.
ALTER TABLE turns ADD COLUMN network_ms INTEGER NOT NULL DEFAULT 0;
-- 1 if work done before the end of the turn was known was of use.
ALTER TABLE turns ADD COLUMN speculated INTEGER NOT NULL DEFAULT 0;
