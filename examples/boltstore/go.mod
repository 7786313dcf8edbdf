module github.com/leasekit/leasekit/examples/boltstore

go 1.26.0

require (
	github.com/leasekit/leasekit v0.0.0-00010101000000-000000000000
	github.com/leasekit/leasekit/conformance/linearizability v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	go.etcd.io/bbolt v1.5.0
)

require (
	github.com/anishathalye/porcupine v1.3.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
