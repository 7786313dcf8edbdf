-- Who keeps a waiter's place; '' for nobody.
ALTER TABLE leases ADD COLUMN client text COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX leases_client ON leases (client, namespace) WHERE client <> '' AND ended_at = 0;

-- One row a handle that waits. As long as it listens its session has the advisory
-- lock (shared) of the number that is its name. Nothing is said of a handle that
-- has no row here: so the table is to be empty after a crash of the server and on
-- a replica that takes over, and a row counts only until the server ends.
CREATE UNLOGGED TABLE lease_clients (
	namespace integer NOT NULL,
	client    text COLLATE "C" NOT NULL,
	started   timestamptz NOT NULL, -- the server
	listens   boolean NOT NULL,     -- it has had the lock
	PRIMARY KEY (namespace, client)
);
