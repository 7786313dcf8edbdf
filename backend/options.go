package backend

// Options configure the engine. The zero value, and nil, are the defaults.
type Options struct {
	// Observer is told what the engine does. It is copied by New.
	Observer *Observer
}
