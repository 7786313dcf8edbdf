package backend

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leasekit/leasekit/lease"
)

// normalize returns the request in normal form, or ErrInvalid for what is
// beyond the limits of package lease. What depends on the configuration is
// filled in and checked later, with each ask. The result shares nothing with
// the caller that the caller may change.
func normalize(r lease.Request, blocking bool) (lease.Request, error) {
	if r.ID != "" {
		if err := checkText("id", string(r.ID), lease.MaxIDBytes); err != nil {
			return r, err
		}
	}
	if err := checkText("holder", r.Holder, lease.MaxHolderBytes); err != nil {
		return r, err
	}
	claims, err := CleanClaims(r.Claims)
	if err != nil {
		return r, err
	}
	r.Claims = claims
	if r.TTL != lease.KeepTTL {
		if r.TTL, err = checkTTL(r.TTL); err != nil {
			return r, err
		}
	}
	switch {
	case r.MaxRenewals < lease.NoRenewals:
		return r, lease.Invalid("max_renewals", "%d, want a number, Unlimited (-1) or NoRenewals (-2)", r.MaxRenewals)
	case r.Timeout < 0 && r.Timeout != lease.NoTimeout:
		return r, lease.Invalid("timeout", "%v, want at least 0, or NoTimeout (-1)", r.Timeout)
	case r.Priority < -lease.MaxPriority || r.Priority > lease.MaxPriority:
		return r, lease.Invalid("priority", "%d, want %d to %d", r.Priority, -lease.MaxPriority, lease.MaxPriority)
	}
	if err := checkReplace(r); err != nil {
		return r, err
	}
	if err := checkParent(r); err != nil {
		return r, err
	}
	if r.QueueTTL, err = checkQueueTTL(r, blocking); err != nil {
		return r, err
	}
	if r.Labels, err = cleanLabels(r.Labels); err != nil {
		return r, err
	}
	if r.ID == "" {
		r.ID = lease.NewID()
	}
	return r, nil
}

// transfers reports whether the request replaces another holder's lease. Such
// a request never waits: the lease's owner would wait for it in turn.
func transfers(r lease.Request) bool {
	return r.Replace != (lease.Ref{}) && r.Replace.Holder != r.Holder
}

func checkReplace(r lease.Request) error { return checkOther("replace", r.Replace, r.ID) }

func checkParent(r lease.Request) error {
	if err := checkOther("parent", r.Parent, r.ID); err != nil {
		return err
	}
	if r.Parent.ID != "" && r.Parent.ID == r.Replace.ID {
		return lease.Invalid("parent.id", "%q is what the request replaces", r.Parent.ID)
	}
	return nil
}

// checkOther checks the Ref of another lease that a request names, if it names
// one.
func checkOther(field string, ref lease.Ref, self lease.ID) error {
	if ref == (lease.Ref{}) {
		return nil
	}
	if err := checkText(field+".id", string(ref.ID), lease.MaxIDBytes); err != nil {
		return err
	}
	if err := checkText(field+".holder", ref.Holder, lease.MaxHolderBytes); err != nil {
		return err
	}
	switch {
	case ref.Token == 0:
		return lease.Invalid(field+".token", "0; it takes the lease's full Ref")
	case ref.ID == self:
		return lease.Invalid(field+".id", "%q is the request itself", ref.ID)
	}
	return nil
}

func checkQueueTTL(r lease.Request, blocking bool) (time.Duration, error) {
	switch {
	case r.QueueTTL == 0:
		return 0, nil
	case blocking:
		return 0, lease.Invalid("queue_ttl", "%v; it is for TryAcquire, Acquire keeps its own place", r.QueueTTL)
	case r.QueueTTL < lease.MinQueueTTL || r.QueueTTL > lease.MaxQueueTTL:
		return 0, lease.Invalid("queue_ttl", "%v, want %v to %v", r.QueueTTL, lease.MinQueueTTL, lease.MaxQueueTTL)
	case r.ID == "":
		return 0, lease.Invalid("queue_ttl", "%v without an ID to ask again with", r.QueueTTL)
	case transfers(r):
		return 0, lease.Invalid("queue_ttl", "%v; a request that replaces another holder's lease never waits", r.QueueTTL)
	}
	return roundUp(r.QueueTTL), nil
}

// checkTTL returns the TTL in whole milliseconds; 0 stays 0.
func checkTTL(ttl time.Duration) (time.Duration, error) {
	if ttl != 0 && (ttl < lease.MinTTL || ttl > lease.MaxTTL) {
		return 0, lease.Invalid("ttl", "%v, want %v to %v", ttl, lease.MinTTL, lease.MaxTTL)
	}
	return roundUp(ttl), nil
}

func cleanLabels(labels map[string]string) (map[string]string, error) {
	if len(labels) == 0 {
		return nil, nil
	}
	size := 0
	for k, v := range labels {
		if err := checkText("labels", k, lease.MaxLabelsBytes); err != nil {
			return nil, err
		}
		if v != "" {
			if err := checkText("labels", v, lease.MaxLabelsBytes); err != nil {
				return nil, err
			}
		}
		if size += len(k) + len(v); size > lease.MaxLabelsBytes {
			return nil, lease.Invalid("labels", "more than %d bytes", lease.MaxLabelsBytes)
		}
	}
	return maps.Clone(labels), nil
}

// checkText refuses text that is empty, longer than limit bytes, not UTF-8 or
// with a NUL byte: what some store would cut, change or confuse.
func checkText(field, s string, limit int) error {
	switch {
	case s == "":
		return lease.Invalid(field, "empty")
	case len(s) > limit:
		return lease.Invalid(field, "%d bytes, at most %d", len(s), limit)
	case !utf8.ValidString(s):
		return lease.Invalid(field, "%q is not valid UTF-8", s)
	case strings.IndexByte(s, 0) >= 0:
		return lease.Invalid(field, "%q has a NUL byte", s)
	}
	return nil
}

// checkRef checks what names a lease. A Token of 0 is left to the caller.
func checkRef(ref lease.Ref) error {
	if err := checkText("id", string(ref.ID), lease.MaxIDBytes); err != nil {
		return err
	}
	return checkText("holder", ref.Holder, lease.MaxHolderBytes)
}

// checkFullRef checks what proves to own a lease.
func checkFullRef(ref lease.Ref) error {
	if err := checkRef(ref); err != nil {
		return err
	}
	if ref.Token == 0 {
		return lease.Invalid("token", "0; only Release takes any")
	}
	return nil
}

// cleanQuery returns the query with its paths in normal form.
func cleanQuery(q lease.Query) (lease.Query, error) {
	if q.ID != "" {
		if err := checkText("id", string(q.ID), lease.MaxIDBytes); err != nil {
			return q, err
		}
	}
	if q.Holder != "" {
		if err := checkText("holder", q.Holder, lease.MaxHolderBytes); err != nil {
			return q, err
		}
	}
	for _, p := range []*string{&q.Path, &q.Under} {
		if *p == "" {
			continue
		}
		clean, err := lease.CleanPath(*p)
		if err != nil {
			return q, err
		}
		*p = clean
	}
	for _, s := range q.Status {
		if s > lease.Failed {
			return q, lease.Invalid("status", "no such value: %d", s)
		}
	}
	for _, k := range q.Kinds {
		if !slices.Contains(lease.Kinds(), k) {
			return q, lease.Invalid("kinds", "no such value: %q", k)
		}
	}
	if q.Limit < 0 {
		return q, lease.Invalid("limit", "%d, want at least 0", q.Limit)
	}
	q.Status, q.Kinds = slices.Clone(q.Status), slices.Clone(q.Kinds)
	return q, nil
}

// checkRevocation checks who force-releases, and why.
func checkRevocation(r lease.Revocation) error {
	if err := checkText("actor", r.Actor, lease.MaxActorBytes); err != nil {
		return err
	}
	if r.Reason == "" {
		return nil
	}
	return checkText("reason", r.Reason, lease.MaxReasonBytes)
}

// roundUp returns the duration in whole milliseconds, the resolution of the
// stores. What is not positive (0, NoTimeout) stays as it is.
func roundUp(d time.Duration) time.Duration {
	if rest := d % time.Millisecond; d > 0 && rest > 0 {
		return d - rest + time.Millisecond
	}
	return d
}
