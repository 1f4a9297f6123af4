-- How a caller's line was taken; NULL in other lines and in records from before this was noted.

-- What was listened for: 'request' (anything), 'yes_no', 'slot' or 'keys'.
ALTER TABLE lines ADD COLUMN expected TEXT;
-- Above 0 is out of scope.
ALTER TABLE lines ADD COLUMN out_of_scope REAL;
-- 1 if nothing could be made of it.
ALTER TABLE lines ADD COLUMN failed INTEGER;
