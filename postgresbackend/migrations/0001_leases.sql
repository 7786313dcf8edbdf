-- Runs with the schema as its search_path. Times are Unix milliseconds of the
-- store's clock; 0 is none, and '' is no text. Text is compared byte by byte.
--
-- Where a row is looked up by something that few rows have, an index begins with
-- that and not with the namespace: without statistics the planner takes a
-- namespace for a few rows, and would rather look through it.

-- One row a namespace: its configuration.
CREATE TABLE lease_configs (
	namespace  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (namespace BETWEEN 1 AND 262143),
	name       text COLLATE "C" NOT NULL UNIQUE,
	version    bigint  NOT NULL,
	config     text    NOT NULL, -- JSON
	updated_at bigint  NOT NULL
);

-- One row a namespace: its counters. Whoever changes anything of a namespace
-- locks this row first.
CREATE TABLE lease_counters (
	namespace      integer PRIMARY KEY REFERENCES lease_configs,
	config_version bigint  NOT NULL,
	seq            bigint  NOT NULL DEFAULT 0,
	token          bigint  NOT NULL DEFAULT 0,
	arrivals       bigint  NOT NULL DEFAULT 0,
	waiting        bigint  NOT NULL DEFAULT 0,
	tombstones     bigint  NOT NULL DEFAULT 0,
	subleases      bigint  NOT NULL DEFAULT 0,
	now            bigint  NOT NULL DEFAULT 0,
	refused        bigint  NOT NULL DEFAULT 0,
	ended          bigint  NOT NULL DEFAULT 0  -- rows of leases that have ended
) WITH (fillfactor = 10); -- each transaction writes a new version of a row

-- One row a request: waiters, leases, and what has ended until it is forgotten.
CREATE TABLE leases (
	arrival        bigint  PRIMARY KEY, -- namespace * 2^44 + a number that rises
	namespace      integer NOT NULL,
	id             text COLLATE "C" NOT NULL,
	holder         text COLLATE "C" NOT NULL,
	status         text    NOT NULL, -- pending, active, expired, released, failed
	claims         text    NOT NULL, -- JSON [{path, shared, tree}]
	labels         text    NOT NULL, -- JSON
	ttl            bigint  NOT NULL,
	max_renewals   bigint  NOT NULL,
	priority       bigint  NOT NULL,
	distinct_      boolean NOT NULL,
	replace_id     text COLLATE "C" NOT NULL,
	replace_holder text    NOT NULL,
	replace_token  bigint  NOT NULL,
	parent_id      text COLLATE "C" NOT NULL,
	parent_holder  text    NOT NULL,
	parent_token   bigint  NOT NULL,
	chain          text    NOT NULL, -- JSON [id]: the parent and the parent's chain
	attempts       text    NOT NULL,
	key            bigint  NOT NULL, -- place in the queue, with arrival
	created_at     bigint  NOT NULL,
	end_reason     text    NOT NULL,
	successor      text    NOT NULL,
	actor          text    NOT NULL,
	note           text    NOT NULL,
	token          bigint  NOT NULL,
	renewals       bigint  NOT NULL,
	renew_op       text    NOT NULL,
	granted_at     bigint  NOT NULL,
	deadline       bigint  NOT NULL, -- the expiry, or when the place lapses
	updated_at     bigint  NOT NULL,
	ended_at       bigint  NOT NULL
);

CREATE UNIQUE INDEX leases_id ON leases (id, namespace);
CREATE INDEX leases_holder ON leases (holder, namespace, status, arrival) WHERE ended_at = 0;
CREATE INDEX leases_deadline ON leases (namespace, deadline, arrival) WHERE ended_at = 0 AND deadline > 0;
CREATE INDEX leases_ended ON leases (namespace, ended_at, arrival) WHERE ended_at > 0;
CREATE INDEX leases_replace ON leases (replace_id, namespace) WHERE replace_id <> '' AND ended_at = 0;
CREATE INDEX leases_parent ON leases (parent_id, namespace) WHERE parent_id <> '' AND ended_at = 0;

-- One row a claim of an active lease (waiting 0, key 0) or of a waiter (waiting
-- 1, its key). kind is 2*scope + mode: what conflicts with a claim is a few
-- ranges of this key, each in the order of the queue. A long path is cut, and
-- a hash of it put behind: an index holds no more.
CREATE TABLE lease_claims (
	path    text COLLATE "C" NOT NULL, -- namespace:path
	kind    smallint NOT NULL,
	waiting smallint NOT NULL,
	key     bigint   NOT NULL,
	arrival bigint   NOT NULL,
	holder  text COLLATE "C" NOT NULL,
	PRIMARY KEY (path, kind, waiting, key, arrival)
);

-- One row a member of the chain of an active lease (waiting 0) or of a waiter (1).
CREATE TABLE lease_chains (
	member    text COLLATE "C" NOT NULL,
	namespace integer  NOT NULL,
	waiting   smallint NOT NULL,
	arrival   bigint   NOT NULL,
	PRIMARY KEY (member, namespace, waiting, arrival)
);

-- Attempts that were withdrawn, for a while.
CREATE TABLE lease_tombstones (
	name      text COLLATE "C" NOT NULL,
	namespace integer NOT NULL,
	until     bigint  NOT NULL,
	PRIMARY KEY (name, namespace)
);

CREATE INDEX lease_tombstones_until ON lease_tombstones (namespace, until);

-- One row an event.
CREATE TABLE lease_history (
	namespace   integer NOT NULL,
	seq         bigint  NOT NULL,
	kind        text    NOT NULL,
	at          bigint  NOT NULL, -- when it took effect
	recorded_at bigint  NOT NULL,
	lease_id    text COLLATE "C" NOT NULL,
	lease       text    NOT NULL, -- JSON: as it was after the change
	actor       text    NOT NULL,
	reason      text    NOT NULL,
	PRIMARY KEY (namespace, seq)
);

CREATE INDEX lease_history_id ON lease_history (lease_id, namespace, seq) WHERE lease_id <> '';
