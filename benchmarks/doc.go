// Package benchmarks compares Leasekit with other lock libraries on the same
// server, in the same process and the same run. It is a module of its own so
// that who imports Leasekit never downloads its peers.
//
//	go test -run '^$' -bench . -count 6 | tee new.txt
//	benchstat -col /locker new.txt
//
// Ratios between the lockers of one run are to be trusted; absolute figures
// depend on the machine, and with one goroutine on how fast it wakes up.
package benchmarks
