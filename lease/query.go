package lease

// Query selects leases, waiters or events. Fields that are set must all match;
// the zero Query matches everything (but see [Query.All]).
type Query struct {
	ID     ID
	Holder string
	Path   string   // leases with a claim that covers this path
	Under  string   // leases with a claim at or below this path
	Status []Status // List: none means Pending and Active, or with an ID any
	Kinds  []Kind   // History and Watch: none means all

	After Seq // History and Watch: events after this one; 0: from the oldest kept; [Now]: only new ones
	Limit int // at most so many results; 0: all

	// NewestFirst turns List's order around: the newest request first. All that
	// the query selects is read before the first is yielded; Limit bounds what is
	// kept of it.
	NewestFirst bool

	// All must be set to select everything: ForceRelease refuses a query without
	// ID, Holder, Path and Under otherwise. History and Watch show the tokens of
	// all holders only with it; with Holder or ID they show them too.
	All bool
}

// Empty reports whether the query names nobody and nothing: it has no ID,
// Holder, Path or Under. Status, Kinds, After and Limit only narrow down what
// is everything.
func (q Query) Empty() bool {
	return q.ID == "" && q.Holder == "" && q.Path == "" && q.Under == ""
}
