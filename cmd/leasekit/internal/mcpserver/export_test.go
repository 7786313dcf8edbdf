package mcpserver

// For the tests.
var (
	HandleOf    = handleOf
	ParseHandle = parseHandle
)
