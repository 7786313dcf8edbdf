// Package mcpserver lets a model take leases by the Model Context Protocol, on
// standard input and output or by HTTP.
//
// A lease is an explicit handle, which a tool returns and others take. A client
// that goes away releases nothing: its leases last until their TTL is over, and
// its place in line for a minute. So the server keeps nothing between calls, and
// any server on the same store serves any handle.
package mcpserver
