// Package postgresbackend keeps leases in a PostgreSQL database (13 or newer).
package postgresbackend
