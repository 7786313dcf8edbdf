// Package keepbench measures what it costs to keep many leases renewed in one
// process.
//
// Only _test.go files import it.
package keepbench
