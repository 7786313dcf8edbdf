// Package redisbackend keeps leases in Redis: a single server, one with Sentinel, or a Cluster.
package redisbackend
