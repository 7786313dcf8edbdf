-- The start of the machine that "offset" is about: the store's clock then, in
-- Unix milliseconds. '' is none yet.
ALTER TABLE lease_counters ADD COLUMN boot TEXT NOT NULL DEFAULT '';
