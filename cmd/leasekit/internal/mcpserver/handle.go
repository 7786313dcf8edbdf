package mcpserver

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// A handle is a lease.Ref as one text, so that a model has one thing to keep:
// "lease/ID/TOKEN/HOLDER" or, for a place in line, "place/ID/HOLDER". It proves
// to be the holder, and is shown to nobody else.
const (
	leasePrefix = "lease/"
	placePrefix = "place/"
)

func handleOf(ref lease.Ref) string {
	if ref.Token == 0 {
		return placePrefix + string(ref.ID) + "/" + ref.Holder
	}
	return fmt.Sprintf("%s%s/%d/%s", leasePrefix, ref.ID, ref.Token, ref.Holder)
}

// parseHandle reads a handle. Of a place in line the Token is 0.
func parseHandle(handle string) (lease.Ref, error) {
	bad := lease.Invalid("handle", "%q is not one that claim_paths returned", handle)
	if rest, ok := strings.CutPrefix(handle, placePrefix); ok {
		id, holder, ok := strings.Cut(rest, "/")
		if !ok || id == "" || holder == "" {
			return lease.Ref{}, bad
		}
		return lease.Ref{ID: lease.ID(id), Holder: holder}, nil
	}
	rest, ok := strings.CutPrefix(handle, leasePrefix)
	parts := strings.SplitN(rest, "/", 3)
	if !ok || len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return lease.Ref{}, bad
	}
	token, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil || token == 0 {
		return lease.Ref{}, bad
	}
	return lease.Ref{ID: lease.ID(parts[0]), Holder: parts[2], Token: lease.Token(token)}, nil
}
