// Package etcdbackend keeps leases in an etcd cluster, version 3.5 or newer.
package etcdbackend
