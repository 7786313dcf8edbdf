-- The handles that have kept a place in line: who is gone is found among them.
CREATE TABLE lease_clients (
	namespace INTEGER NOT NULL,
	client    TEXT    NOT NULL, -- as in leases.client
	PRIMARY KEY (namespace, client)
) WITHOUT ROWID;
