package lease

import "context"

// IsLocked reports whether an active lease covers the path, whoever holds it
// and in whatever mode. The path need not be in normal form.
func IsLocked(ctx context.Context, i Inspector, path string) (bool, error) {
	return exists(ctx, i, Query{Path: path, Status: []Status{Active}, Limit: 1})
}

// HoldsLease reports whether the holder has an active lease that covers the
// path, in whatever mode. The path need not be in normal form.
func HoldsLease(ctx context.Context, i Inspector, holder, path string) (bool, error) {
	if holder == "" {
		return false, Invalid("holder", "empty")
	}
	return exists(ctx, i, Query{Holder: holder, Path: path, Status: []Status{Active}, Limit: 1})
}

// Holders returns the active leases that cover the path, oldest request first:
// who holds it, in what mode, and until when. There is more than one where
// holders share it, and where one holder took it more than once. The path need
// not be in normal form.
func Holders(ctx context.Context, i Inspector, path string) ([]Lease, error) {
	if _, err := CleanPath(path); err != nil {
		return nil, err
	}
	var all []Lease
	for l, err := range i.List(ctx, Query{Path: path, Status: []Status{Active}}) {
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func exists(ctx context.Context, i Inspector, q Query) (bool, error) {
	if _, err := CleanPath(q.Path); err != nil {
		return false, err
	}
	for _, err := range i.List(ctx, q) {
		return err == nil, err
	}
	return false, nil
}
