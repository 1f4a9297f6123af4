-- The account of who took the call at a desk of ours (way 'desk'); NULL for all other ways.
ALTER TABLE transfers ADD COLUMN agent TEXT;
