package mcpserver

// The inputs and outputs of the tools. The schemas that models see are made from
// them: the text in a jsonschema tag is what a model reads about the field.

type claimIn struct {
	Paths  []string `json:"paths" jsonschema:"the files to claim, absolute or relative to the server's folder; one that ends in / is a folder with everything below it; all of them are granted together or none"`
	Shared bool     `json:"shared,omitempty" jsonschema:"true: others may hold it too if they also share (for reading); false: nobody else (for writing)"`
	TTL    int      `json:"ttl_seconds,omitempty" jsonschema:"how long the lease lasts unless extended, in seconds; 600 if not given"`
	Reason string   `json:"reason,omitempty" jsonschema:"what it is for, in a few words, for others who are refused because of it"`
	Queue  *bool    `json:"queue,omitempty" jsonschema:"on a conflict keep a place in line for a minute, for wait_turn; true if not given"`
	Holder string   `json:"holder,omitempty" jsonschema:"who asks: the holder that an earlier call returned, to be the same one; leave it out otherwise"`
}

type claimOut struct {
	Granted   bool      `json:"granted" jsonschema:"whether the paths are yours now"`
	Handle    string    `json:"handle,omitempty" jsonschema:"if granted: what extend_claim and release_paths take; else the place in line that wait_turn takes, if there is one"`
	Holder    string    `json:"holder" jsonschema:"who you are for the other holders"`
	Paths     []string  `json:"paths" jsonschema:"what was asked for, as others see it"`
	ExpiresAt string    `json:"expires_at,omitempty" jsonschema:"when the lease ends, or the place in line lapses, unless it is renewed; RFC 3339, by the store's clock"`
	ExpiresIn int       `json:"expires_in_seconds,omitempty" jsonschema:"the same from now"`
	Waited    float64   `json:"waited_seconds,omitempty" jsonschema:"how long the request was in line"`
	Position  int       `json:"position,omitempty" jsonschema:"the place in line; 1 is the next"`
	InTheWay  []blocker `json:"in_the_way,omitempty" jsonschema:"who has the paths, or is before you in line; at most 16"`
	Blockers  int       `json:"blockers,omitempty" jsonschema:"how many there are in the way, up to 100"`
	Next      string    `json:"next" jsonschema:"what to do now"`
}

type blocker struct {
	Path    string `json:"path" jsonschema:"what you asked for"`
	Held    string `json:"held" jsonschema:"what is in its way"`
	Holder  string `json:"holder"`
	Waiting bool   `json:"waiting" jsonschema:"it does not hold it but is before you in line"`
	Until   string `json:"until" jsonschema:"when that ends unless it is renewed"`
	Reason  string `json:"reason,omitempty" jsonschema:"what it is for"`
}

type waitIn struct {
	Handle  string `json:"handle" jsonschema:"the place in line that claim_paths or wait_turn returned"`
	Seconds int    `json:"wait_seconds,omitempty" jsonschema:"how long to wait at most, 1 to 50; 20 if not given"`
}

type releaseIn struct {
	Handles []string `json:"handles" jsonschema:"leases to release, or places in line to give up"`
}

type releaseOut struct {
	Released []string    `json:"released" jsonschema:"the handles that are released"`
	Failed   []failedOut `json:"failed,omitempty" jsonschema:"the others: a lease that was lost before was not yours any more"`
}

type failedOut struct {
	Handle string `json:"handle"`
	Code   string `json:"code" jsonschema:"expired, revoked, replaced, not_holder, not_found, unavailable, invalid"`
	Error  string `json:"error"`
}

type extendIn struct {
	Handle string `json:"handle" jsonschema:"the lease that claim_paths or wait_turn returned"`
	TTL    int    `json:"ttl_seconds,omitempty" jsonschema:"how long it lasts from now on; as long as it was asked for if not given"`
}

type extendOut struct {
	Handle    string `json:"handle"`
	ExpiresAt string `json:"expires_at"`
	ExpiresIn int    `json:"expires_in_seconds"`
	Waiters   int    `json:"waiters" jsonschema:"how many wait for these paths: if there are any, finish soon"`
}

type checkIn struct {
	Paths  []string `json:"paths" jsonschema:"files, or folders if they end in /"`
	Shared bool     `json:"shared,omitempty" jsonschema:"whether they could be shared"`
	Holder string   `json:"holder,omitempty" jsonschema:"whose leases are not in the way"`
}

type checkOut struct {
	Paths []checked `json:"paths"`
	Free  bool      `json:"free" jsonschema:"all are free or yours"`
}

type checked struct {
	Path    string `json:"path"`
	State   string `json:"state" jsonschema:"free, mine, held or queued (nobody holds it, but somebody is in line)"`
	Holder  string `json:"holder,omitempty"`
	Until   string `json:"until,omitempty" jsonschema:"when that lease ends unless it is renewed"`
	Reason  string `json:"reason,omitempty"`
	Waiters int    `json:"waiters,omitempty" jsonschema:"how many would be before you in line"`
}

type whoIn struct {
	Path string `json:"path" jsonschema:"a file, or a folder with everything below it if it ends in /"`
}

type whoOut struct {
	Path    string  `json:"path"`
	Holders []entry `json:"holders" jsonschema:"who holds it, or a part of it"`
	Waiters []entry `json:"waiters" jsonschema:"who waits for it, in the order of the queue"`
	More    bool    `json:"more,omitempty" jsonschema:"there are more than are shown"`
}

// entry is a lease or a waiter. It shows no token.
type entry struct {
	ID      string   `json:"id"`
	Holder  string   `json:"holder"`
	Paths   []string `json:"paths"`
	Waiting bool     `json:"waiting,omitempty"`
	Since   string   `json:"since"`
	Until   string   `json:"until"`
	Reason  string   `json:"reason,omitempty"`
	Branch  string   `json:"branch,omitempty"`
}
