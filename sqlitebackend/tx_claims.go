package sqlitebackend

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// The claims of a record are in its row for as long as that is kept, and in
// lease_claims, where overlaps are looked up (overlap.go), only while it is
// active or waits.

// kind is a claim's mode and scope as one number: exclusive ones are even,
// trees are 2 and 3.
func kind(c lease.Claim) int { return 2*int(c.Scope) + int(c.Mode) }

// claim writes the record's claims, as a waiter's or a lease's.
func (t *transaction) claim(r *rules.Record) error {
	waiting, key := claimed(r.Status, r.Key)
	for _, c := range r.Claims {
		_, err := t.change(`INSERT INTO lease_claims (namespace, waiting, path, kind, key, arrival, holder) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			t.namespace, waiting, c.Path, kind(c), key, r.Arrival, r.Holder)
		if err != nil {
			return err
		}
	}
	for _, member := range r.Chain {
		_, err := t.change(`INSERT INTO lease_chains (namespace, member, waiting, arrival) VALUES (?, ?, ?, ?)`,
			t.namespace, string(member), waiting, r.Arrival)
		if err != nil {
			return err
		}
	}
	return nil
}

// unclaim removes the claims that the record has had in this status.
func (t *transaction) unclaim(r *rules.Record, status lease.Status) error {
	waiting, key := claimed(status, r.Key)
	for _, c := range r.Claims {
		_, err := t.change(`DELETE FROM lease_claims WHERE namespace = ? AND waiting = ? AND path = ? AND kind = ? AND key = ? AND arrival = ?`,
			t.namespace, waiting, c.Path, kind(c), key, r.Arrival)
		if err != nil {
			return err
		}
	}
	for _, member := range r.Chain {
		_, err := t.change(`DELETE FROM lease_chains WHERE namespace = ? AND member = ? AND waiting = ? AND arrival = ?`,
			t.namespace, string(member), waiting, r.Arrival)
		if err != nil {
			return err
		}
	}
	return nil
}

// claimed returns the first columns of a claim's key.
func claimed(status lease.Status, key int64) (waiting int, at int64) {
	if status == lease.Pending {
		return 1, key
	}
	return 0, 0
}

// claimText is a claim in JSON columns. It is written for every event, so it is
// shorter than a lease.Claim.
type claimText struct {
	Path   string `json:"path"`
	Shared bool   `json:"shared,omitempty"`
	Tree   bool   `json:"tree,omitempty"`
}

// appendClaims appends claims as the JSON of claimTexts.
func appendClaims(b []byte, claims []lease.Claim) []byte {
	b = append(b, '[')
	for i, c := range claims {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"path":`...), c.Path)
		if c.Mode == lease.Shared {
			b = append(b, `,"shared":true`...)
		}
		if c.Scope == lease.Tree {
			b = append(b, `,"tree":true`...)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendText appends a string as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// readClaims reads claims as appendClaims writes them.
func readClaims(text string) ([]lease.Claim, error) {
	// Most records have one claim, exclusive and exact, and decoding is a sixth
	// of what it costs to read one.
	if path, ok := strings.CutPrefix(text, `[{"path":"`); ok {
		if path, ok = strings.CutSuffix(path, `"}]`); ok && !strings.ContainsAny(path, `"\\`) {
			return []lease.Claim{{Path: path}}, nil
		}
	}
	var claims []claimText
	err := json.Unmarshal([]byte(text), &claims)
	return claimsOf(claims), err
}

func claimsOf(texts []claimText) []lease.Claim {
	if texts == nil {
		return nil
	}
	claims := make([]lease.Claim, len(texts))
	for i, t := range texts {
		claims[i].Path = t.Path
		if t.Shared {
			claims[i].Mode = lease.Shared
		}
		if t.Tree {
			claims[i].Scope = lease.Tree
		}
	}
	return claims
}

// jsonText is v as JSON, or nil (NULL) where there is nothing.
func jsonText(v any, empty bool) (any, error) {
	if empty {
		return nil, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}
