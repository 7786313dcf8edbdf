// Package serve is the command "leasekit serve": the live page, its JSON, metrics
// and health over HTTP.
package serve
