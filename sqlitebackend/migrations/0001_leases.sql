-- Times are Unix milliseconds of the store's clock; 0 is none.
--
-- Tables with large rows have a key of one integer: SQLite keeps only the keys
-- above the leaves of such a table, and appends to it without touching what
-- stands before. That integer begins with the namespace (span.go).

-- One row a namespace: its configuration.
CREATE TABLE lease_configs (
	namespace  INTEGER PRIMARY KEY CHECK (namespace BETWEEN 1 AND 524287),
	name       TEXT    NOT NULL UNIQUE,
	version    INTEGER NOT NULL,
	config     TEXT    NOT NULL, -- JSON
	updated_at INTEGER NOT NULL
);

-- One row a namespace: its counters (step.Counters), read and written once in
-- each transaction.
CREATE TABLE lease_counters (
	namespace INTEGER PRIMARY KEY,
	seq       INTEGER NOT NULL DEFAULT 0,
	token     INTEGER NOT NULL DEFAULT 0,
	arrivals  INTEGER NOT NULL DEFAULT 0,
	waiting   INTEGER NOT NULL DEFAULT 0,
	buried    INTEGER NOT NULL DEFAULT 0,
	now       INTEGER NOT NULL DEFAULT 0,
	"offset"  INTEGER NOT NULL DEFAULT 0,
	refused   INTEGER NOT NULL DEFAULT 0,
	ended     INTEGER NOT NULL DEFAULT 0, -- rows of leases that have ended
	wakes     INTEGER NOT NULL DEFAULT 0  -- the newest leases.woken
);

-- One row a request: waiters, leases, and what has ended until it is forgotten.
-- The key rises with time, so rows are appended.
CREATE TABLE leases (
	arrival        INTEGER PRIMARY KEY, -- namespace * 2^44 + a number that rises
	namespace      INTEGER NOT NULL,
	id             TEXT    NOT NULL,
	holder         TEXT    NOT NULL,
	status         TEXT    NOT NULL CHECK (status IN ('pending', 'active', 'expired', 'released', 'failed')),
	claims         TEXT    NOT NULL, -- JSON [{path, shared, tree}]: lease_claims has them only while pending or active
	labels         TEXT,             -- JSON
	ttl            INTEGER NOT NULL,
	max_renewals   INTEGER NOT NULL,
	priority       INTEGER NOT NULL,
	distinct_      INTEGER NOT NULL,
	replace_id     TEXT,
	replace_holder TEXT,
	replace_token  INTEGER,
	attempts       TEXT    NOT NULL,
	key            INTEGER NOT NULL, -- place in the queue, with arrival
	created_at     INTEGER NOT NULL,
	end_reason     TEXT,
	successor      TEXT,
	actor          TEXT,
	note           TEXT,
	token          INTEGER NOT NULL,
	renewals       INTEGER NOT NULL,
	renew_op       TEXT,
	granted_at     INTEGER NOT NULL,
	deadline       INTEGER NOT NULL, -- the expiry, or when the place lapses
	updated_at     INTEGER NOT NULL,
	ended_at       INTEGER NOT NULL,
	woken          INTEGER NOT NULL DEFAULT 0 -- for waiters in other processes: rises with each hint
);

-- Queries name the index that they need (INDEXED BY). Without statistics SQLite
-- takes a namespace for ten rows, and would rather look through it. Conditions
-- are on ended_at, not on status: SQLite does not see what a query that also
-- asks for one status implies.
CREATE UNIQUE INDEX leases_id ON leases (namespace, id);
CREATE INDEX leases_holder ON leases (namespace, holder) WHERE ended_at = 0;
CREATE INDEX leases_deadline ON leases (namespace, deadline, status) WHERE ended_at = 0;
CREATE INDEX leases_ended ON leases (namespace, ended_at) WHERE ended_at > 0;
CREATE INDEX leases_replace ON leases (namespace, replace_id) WHERE replace_id IS NOT NULL AND ended_at = 0;
CREATE INDEX leases_woken ON leases (namespace, woken) WHERE woken > 0;

-- One row a claim of an active lease (waiting 0, key 0) or of a waiter (waiting
-- 1, its key). kind is 2*scope + mode: what conflicts with a claim is a few
-- ranges of this key, each in the order of the queue.
CREATE TABLE lease_claims (
	namespace INTEGER NOT NULL,
	waiting   INTEGER NOT NULL,
	path      TEXT    NOT NULL,
	kind      INTEGER NOT NULL,
	key       INTEGER NOT NULL,
	arrival   INTEGER NOT NULL,
	holder    TEXT    NOT NULL,
	PRIMARY KEY (namespace, waiting, path, kind, key, arrival)
) WITHOUT ROWID;

-- Attempts that were withdrawn, for a while.
CREATE TABLE lease_tombstones (
	namespace INTEGER NOT NULL,
	attempt   TEXT    NOT NULL,
	until     INTEGER NOT NULL,
	PRIMARY KEY (namespace, attempt)
) WITHOUT ROWID;

CREATE INDEX lease_tombstones_until ON lease_tombstones (namespace, until);

-- One row an event.
CREATE TABLE lease_history (
	place       INTEGER PRIMARY KEY, -- namespace * 2^44 + seq
	seq         INTEGER NOT NULL GENERATED ALWAYS AS (place & 0xFFFFFFFFFFF) VIRTUAL,
	namespace   INTEGER NOT NULL,
	kind        TEXT    NOT NULL,
	at          INTEGER NOT NULL, -- when it took effect
	recorded_at INTEGER NOT NULL,
	lease_id    TEXT,
	lease       TEXT,             -- JSON: as it was after the change
	actor       TEXT,
	reason      TEXT
);

CREATE INDEX lease_history_id ON lease_history (namespace, lease_id);
