//go:build !unix

package main

import "fmt"

func main() {
	fmt.Println("OK: nothing to show here, where a process cannot be stopped with SIGSTOP")
}
