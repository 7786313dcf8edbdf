// Package stoptest stops a process that holds leases (SIGSTOP) until they have
// expired and another has taken them over, and wakes it up (SIGCONT): what it
// does then must change nothing. [Hold] is what the process runs, [TakeOver]
// what the test runs.
//
// Only _test.go files import it.
package stoptest
