-- Sub-leases: the lease under whose cover one is, and all above that.
ALTER TABLE leases ADD COLUMN parent_id TEXT;
ALTER TABLE leases ADD COLUMN parent_holder TEXT;
ALTER TABLE leases ADD COLUMN parent_token INTEGER;
ALTER TABLE leases ADD COLUMN chain TEXT; -- JSON [id]: the parent and the parent's chain
ALTER TABLE leases ADD COLUMN client TEXT; -- who keeps the place

CREATE INDEX leases_parent ON leases (namespace, parent_id) WHERE parent_id IS NOT NULL AND ended_at = 0;

-- One row a member of the chain of an active lease (waiting 0) or of a waiter (1).
CREATE TABLE lease_chains (
	namespace INTEGER NOT NULL,
	member    TEXT    NOT NULL,
	waiting   INTEGER NOT NULL,
	arrival   INTEGER NOT NULL,
	PRIMARY KEY (namespace, member, waiting, arrival)
) WITHOUT ROWID;

ALTER TABLE lease_counters ADD COLUMN subleases INTEGER NOT NULL DEFAULT 0; -- pending or active
