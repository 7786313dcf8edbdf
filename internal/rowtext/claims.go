// Package rowtext is how stores in a database write claims and leases into
// columns of text, as JSON.
package rowtext

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/leasekit/leasekit/lease"
)

// claimText is a claim in JSON columns. It is written for every event, so it is
// shorter than a lease.Claim.
type claimText struct {
	Path   string `json:"path"`
	Shared bool   `json:"shared,omitempty"`
	Tree   bool   `json:"tree,omitempty"`
}

// AppendClaims appends claims as the JSON of claimTexts.
func AppendClaims(b []byte, claims []lease.Claim) []byte {
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

// ReadClaims reads claims as AppendClaims writes them.
func ReadClaims(text string) ([]lease.Claim, error) {
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

// Text returns v as JSON, "" where there is nothing.
func Text(v any, empty bool) (string, error) {
	if empty {
		return "", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}
