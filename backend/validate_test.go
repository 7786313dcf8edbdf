package backend

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestNormalizeRefuses(t *testing.T) {
	for field, change := range map[string][]func(r *lease.Request){
		"id": {
			func(r *lease.Request) { r.ID = lease.ID(strings.Repeat("x", lease.MaxIDBytes+1)) },
			func(r *lease.Request) { r.ID = "a\x00" },
			func(r *lease.Request) { r.ID = "\xff" },
		},
		"holder": {
			func(r *lease.Request) { r.Holder = "" },
			func(r *lease.Request) { r.Holder = strings.Repeat("x", lease.MaxHolderBytes+1) },
			func(r *lease.Request) { r.Holder = "a\x00" },
			func(r *lease.Request) { r.Holder = "\xff" },
		},
		"claims": {
			func(r *lease.Request) { r.Claims = nil },
			func(r *lease.Request) { r.Claims = make([]lease.Claim, lease.MaxClaims+1) },
		},
		"path": {
			func(r *lease.Request) { r.Claims = lease.Paths("a/../b") },
			func(r *lease.Request) { r.Claims = lease.Paths("") },
		},
		"ttl": {
			func(r *lease.Request) { r.TTL = -2 },
			func(r *lease.Request) { r.TTL = lease.MinTTL - 1 },
			func(r *lease.Request) { r.TTL = lease.MaxTTL + 1 },
		},
		"max_renewals": {func(r *lease.Request) { r.MaxRenewals = -3 }},
		"timeout":      {func(r *lease.Request) { r.Timeout = -2 }},
		"priority": {
			func(r *lease.Request) { r.Priority = lease.MaxPriority + 1 },
			func(r *lease.Request) { r.Priority = -lease.MaxPriority - 1 },
		},
		"queue_ttl": {
			func(r *lease.Request) { r.QueueTTL = time.Second }, // no ID
			func(r *lease.Request) { r.ID, r.QueueTTL = "i", lease.MinQueueTTL-1 },
			func(r *lease.Request) { r.ID, r.QueueTTL = "i", lease.MaxQueueTTL+1 },
			func(r *lease.Request) { r.ID, r.QueueTTL = "i", -1 },
			func(r *lease.Request) {
				r.ID, r.QueueTTL, r.Replace = "i", time.Second, lease.Ref{ID: "o", Holder: "other", Token: 1}
			},
		},
		"replace.id": {
			func(r *lease.Request) { r.Replace = lease.Ref{Holder: "h", Token: 1} },
			func(r *lease.Request) { r.ID, r.Replace = "i", lease.Ref{ID: "i", Holder: "h", Token: 1} },
		},
		"replace.holder": {func(r *lease.Request) { r.Replace = lease.Ref{ID: "o", Token: 1} }},
		"replace.token":  {func(r *lease.Request) { r.Replace = lease.Ref{ID: "o", Holder: "h"} }},
		"labels": {
			func(r *lease.Request) { r.Labels = map[string]string{"": "v"} },
			func(r *lease.Request) { r.Labels = map[string]string{"k": "\xff"} },
			func(r *lease.Request) { r.Labels = map[string]string{"k": strings.Repeat("x", lease.MaxLabelsBytes)} },
		},
	} {
		for i, f := range change {
			r := lease.Request{Holder: "h", Claims: lease.Paths("a")}
			f(&r)
			_, err := normalize(r, false)
			var invalid *lease.InvalidError
			require.ErrorAs(t, err, &invalid, "%s %d", field, i)
			require.Equal(t, field, invalid.Field)
		}
	}
	_, err := normalize(lease.Request{ID: "i", Holder: "h", Claims: lease.Paths("a"), QueueTTL: time.Second}, true)
	require.ErrorIs(t, err, lease.ErrInvalid, "QueueTTL is for TryAcquire")
}

func TestNormalizeShares(t *testing.T) {
	r := lease.Request{Holder: "h", Claims: lease.Paths("a"), Labels: map[string]string{"k": "v"}}
	n, err := normalize(r, true)
	require.NoError(t, err)
	r.Claims[0].Path, r.Labels["k"] = "changed", "changed"
	require.Equal(t, "a", n.Claims[0].Path)
	require.Equal(t, "v", n.Labels["k"])
}

func TestRoundUp(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		0:                                0,
		lease.NoTimeout:                  lease.NoTimeout,
		1:                                time.Millisecond,
		time.Millisecond:                 time.Millisecond,
		time.Millisecond + 1:             2 * time.Millisecond,
		lease.MaxTTL:                     lease.MaxTTL,
		time.Second - 1*time.Microsecond: time.Second,
	} {
		require.Equal(t, want, roundUp(in), in)
	}
}

// FuzzNormalize: what passes is within the limits, and in a form that passing
// again does not change.
func FuzzNormalize(f *testing.F) {
	f.Add("", "h", "a", "/b//c/", int64(0), 0, int64(0), int64(0), 0, "", "", uint64(0), "k", "v", false)
	f.Add("id", "h", "a", "a", int64(time.Second)+1, -2, int64(-1), int64(time.Second)+1, 100, "", "", uint64(0), "", "", false)
	f.Add("id", "h", "a", "a", int64(1), 1, int64(1), int64(0), -100, "old", "giver", uint64(3), "k", "", true)
	f.Add("id", "h", "a", "a", int64(lease.KeepTTL), 1, int64(1), int64(0), 0, "", "", uint64(0), "", "", true)
	f.Add("i\x00", "\xff", "..", "", int64(-1), -3, int64(-2), int64(1), 101, "o", "", uint64(0), "\x00", "\xff", true)
	f.Fuzz(func(t *testing.T, id, holder, path1, path2 string, ttl int64, renewals int, timeout, queue int64,
		priority int, oldID, oldHolder string, oldToken uint64, key, value string, blocking bool,
	) {
		r := lease.Request{
			ID: lease.ID(id), Holder: holder, Claims: append(lease.Paths(path1), lease.SharedTrees(path2)...),
			TTL: time.Duration(ttl), MaxRenewals: renewals, Timeout: time.Duration(timeout),
			QueueTTL: time.Duration(queue), Priority: priority,
			Replace: lease.Ref{ID: lease.ID(oldID), Holder: oldHolder, Token: lease.Token(oldToken)},
		}
		if key != "" || value != "" {
			r.Labels = map[string]string{key: value}
		}
		n, err := normalize(r, blocking)
		if err != nil {
			require.ErrorIs(t, err, lease.ErrInvalid)
			return
		}
		again, err := normalize(n, blocking)
		require.NoError(t, err)
		require.Equal(t, n, again)

		for _, s := range []string{string(n.ID), n.Holder, n.Claims[0].Path, string(n.Replace.ID), n.Replace.Holder, key, value} {
			require.True(t, utf8.ValidString(s) && !strings.Contains(s, "\x00"))
		}
		require.NotEmpty(t, n.ID)
		require.NotEmpty(t, n.Holder)
		require.True(t, n.TTL == 0 || n.TTL == lease.KeepTTL || n.TTL >= lease.MinTTL && n.TTL <= lease.MaxTTL && n.TTL >= r.TTL && n.TTL%time.Millisecond == 0)
		require.True(t, n.QueueTTL == 0 || !blocking && n.QueueTTL >= r.QueueTTL && n.QueueTTL%time.Millisecond == 0)
		require.LessOrEqual(t, max(n.Priority, -n.Priority), lease.MaxPriority)
		require.True(t, n.Replace == lease.Ref{} || n.Replace.Token != 0)
	})
}
