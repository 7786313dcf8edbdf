package lease

import (
	"encoding/json"
	"time"
)

// Config is a namespace's configuration, shared by all its processes and
// changed while they run with Admin.SetConfig: read it, change it, set it; the
// Version says whether somebody was faster. Running leases keep their terms,
// a renewal obeys new caps.
//
// The ranges below are both ends included, and what is outside of them is
// [ErrInvalid]; durations are rounded up to whole milliseconds.
type Config struct {
	// Version counts changes. It is set by the store.
	Version uint64

	// DefaultTTL is that of a Request without one: [MinTTL] to [MaxTTL], and no
	// more than MaxTTL if that is set.
	DefaultTTL time.Duration
	// KeepTTL is that of what [Do] and [Keeper.Acquire] are asked for without one
	// ([KeepTTL]): how long a crashed process blocks its paths. [MinTTL] to
	// [MaxTTL], and no more than MaxTTL if that is set.
	KeepTTL time.Duration
	// MaxTTL caps any TTL: [MinTTL] to the constant [MaxTTL], or 0 for that
	// constant. A lease that was granted for longer lasts as long as it was to,
	// but cannot be renewed with its own TTL any more, only with a shorter one
	// that Renew is given: a [Keeper] keeps it to its expiry.
	MaxTTL time.Duration
	// MaxRenewals is that of a Request without one: at least 1, or [Unlimited],
	// or [NoRenewals].
	MaxRenewals int
	// AcquireTimeout is that of a Request without a Timeout: 1 ms to [MaxTTL],
	// or [NoTimeout].
	AcquireTimeout time.Duration

	// WaiterTTL is how long a waiter keeps its place without asking again, as
	// it does every third of it: [MinQueueTTL] to [MaxQueueTTL].
	WaiterTTL time.Duration
	// SweepInterval is that of each engine's sweep in the background: 10 ms to
	// [MaxTTL].
	SweepInterval time.Duration
	// AutoSweep says whether engines sweep in the background.
	AutoSweep bool
	// Blocking says whether requests may have a place in line; else Acquire,
	// and TryAcquire with a QueueTTL, are [ErrDisabled].
	Blocking bool

	// History says whether events are recorded, HistoryRenewals whether
	// renewals are, too.
	History         bool
	HistoryRenewals bool
	// HistoryRetention is how long events are kept: 1 s to 100 times [MaxTTL],
	// or 0 for ever.
	HistoryRetention time.Duration
	// HistoryMaxEvents is how many events are kept: at least 1, or 0 for the
	// store's default (Redis and etcd 1,000,000, others without limit).
	HistoryMaxEvents int
	// EndedRetention is how long Get still knows what ended:
	// [MinEndedRetention] to [MaxTTL].
	EndedRetention time.Duration
	// EndedMax is how many ended ones are remembered at most after a sweep: at
	// least 0.
	EndedMax int

	// PriorityBoost is the head start in the queue for each step of
	// Request.Priority: 0 to 24 h.
	PriorityBoost time.Duration
	// DeadlockCheck says whether [ErrDeadlock] is looked for.
	DeadlockCheck bool
	// MaxLeasesPerHolder bounds a holder's active leases and waiters together:
	// at least 1, or 0 for no limit. It is checked when a request first
	// arrives; more is [ErrQuota].
	MaxLeasesPerHolder int
}

// DefaultConfig returns what a new namespace starts with.
func DefaultConfig() Config {
	return Config{
		DefaultTTL:       time.Hour,
		KeepTTL:          30 * time.Second,
		MaxRenewals:      Unlimited,
		AcquireTimeout:   30 * time.Second,
		WaiterTTL:        10 * time.Second,
		SweepInterval:    5 * time.Minute,
		AutoSweep:        true,
		Blocking:         true,
		History:          true,
		HistoryRenewals:  true,
		HistoryRetention: 30 * 24 * time.Hour,
		EndedRetention:   10 * time.Minute,
		EndedMax:         100_000,
		PriorityBoost:    30 * time.Second,
		DeadlockCheck:    true,
	}
}

// MinEndedRetention is the least Config.EndedRetention: as long as a withdrawn
// attempt is remembered.
const MinEndedRetention = 2 * time.Minute

// Validate returns [ErrInvalid] for the first field that is out of range, or
// that contradicts another one.
func (c Config) Validate() error {
	for _, f := range []struct {
		field      string
		value      time.Duration
		least, top time.Duration
		also       time.Duration // a special value that is allowed too
	}{
		{"default_ttl", c.DefaultTTL, MinTTL, MaxTTL, MinTTL},
		{"keep_ttl", c.KeepTTL, MinTTL, MaxTTL, MinTTL},
		{"max_ttl", c.MaxTTL, MinTTL, MaxTTL, 0},
		{"acquire_timeout", c.AcquireTimeout, time.Millisecond, MaxTTL, NoTimeout},
		{"waiter_ttl", c.WaiterTTL, MinQueueTTL, MaxQueueTTL, MaxQueueTTL},
		{"sweep_interval", c.SweepInterval, 10 * time.Millisecond, MaxTTL, MaxTTL},
		{"history_retention", c.HistoryRetention, time.Second, 100 * MaxTTL, 0},
		{"ended_retention", c.EndedRetention, MinEndedRetention, MaxTTL, MaxTTL},
		{"priority_boost", c.PriorityBoost, 0, 24 * time.Hour, 0},
	} {
		if (f.value < f.least || f.value > f.top) && f.value != f.also {
			return Invalid(f.field, "%v, want %v to %v", f.value, f.least, f.top)
		}
	}
	switch {
	case c.MaxTTL > 0 && c.DefaultTTL > c.MaxTTL:
		return Invalid("default_ttl", "%v, more than max_ttl %v", c.DefaultTTL, c.MaxTTL)
	case c.MaxTTL > 0 && c.KeepTTL > c.MaxTTL:
		return Invalid("keep_ttl", "%v, more than max_ttl %v", c.KeepTTL, c.MaxTTL)
	case c.MaxRenewals < NoRenewals || c.MaxRenewals == 0:
		return Invalid("max_renewals", "%d, want at least 1, or Unlimited (-1), or NoRenewals (-2)", c.MaxRenewals)
	case c.HistoryMaxEvents < 0:
		return Invalid("history_max_events", "%d, want at least 0", c.HistoryMaxEvents)
	case c.EndedMax < 0:
		return Invalid("ended_max", "%d, want at least 0", c.EndedMax)
	case c.MaxLeasesPerHolder < 0:
		return Invalid("max_leases_per_holder", "%d, want at least 0", c.MaxLeasesPerHolder)
	}
	return nil
}

// TTLCap returns the longest TTL that may be asked for.
func (c Config) TTLCap() time.Duration {
	if c.MaxTTL > 0 {
		return c.MaxTTL
	}
	return MaxTTL
}

// configJSON is the JSON form of a Config: snake_case names, durations as
// text ("30s"; "-1ns" is NoTimeout).
type configJSON struct {
	Version            uint64       `json:"version"`
	DefaultTTL         durationText `json:"default_ttl"`
	KeepTTL            durationText `json:"keep_ttl"`
	MaxTTL             durationText `json:"max_ttl"`
	MaxRenewals        int          `json:"max_renewals"`
	AcquireTimeout     durationText `json:"acquire_timeout"`
	WaiterTTL          durationText `json:"waiter_ttl"`
	SweepInterval      durationText `json:"sweep_interval"`
	AutoSweep          bool         `json:"auto_sweep"`
	Blocking           bool         `json:"blocking"`
	History            bool         `json:"history"`
	HistoryRenewals    bool         `json:"history_renewals"`
	HistoryRetention   durationText `json:"history_retention"`
	HistoryMaxEvents   int          `json:"history_max_events"`
	EndedRetention     durationText `json:"ended_retention"`
	EndedMax           int          `json:"ended_max"`
	PriorityBoost      durationText `json:"priority_boost"`
	DeadlockCheck      bool         `json:"deadlock_check"`
	MaxLeasesPerHolder int          `json:"max_leases_per_holder"`
}

// MarshalJSON writes durations as text.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(configJSON{
		Version:            c.Version,
		DefaultTTL:         durationText(c.DefaultTTL),
		KeepTTL:            durationText(c.KeepTTL),
		MaxTTL:             durationText(c.MaxTTL),
		MaxRenewals:        c.MaxRenewals,
		AcquireTimeout:     durationText(c.AcquireTimeout),
		WaiterTTL:          durationText(c.WaiterTTL),
		SweepInterval:      durationText(c.SweepInterval),
		AutoSweep:          c.AutoSweep,
		Blocking:           c.Blocking,
		History:            c.History,
		HistoryRenewals:    c.HistoryRenewals,
		HistoryRetention:   durationText(c.HistoryRetention),
		HistoryMaxEvents:   c.HistoryMaxEvents,
		EndedRetention:     durationText(c.EndedRetention),
		EndedMax:           c.EndedMax,
		PriorityBoost:      durationText(c.PriorityBoost),
		DeadlockCheck:      c.DeadlockCheck,
		MaxLeasesPerHolder: c.MaxLeasesPerHolder,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Config) UnmarshalJSON(b []byte) error {
	// A configuration that was stored before there was a keep_ttl has none.
	j := configJSON{KeepTTL: durationText(DefaultConfig().KeepTTL)}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*c = Config{
		Version:            j.Version,
		DefaultTTL:         time.Duration(j.DefaultTTL),
		KeepTTL:            time.Duration(j.KeepTTL),
		MaxTTL:             time.Duration(j.MaxTTL),
		MaxRenewals:        j.MaxRenewals,
		AcquireTimeout:     time.Duration(j.AcquireTimeout),
		WaiterTTL:          time.Duration(j.WaiterTTL),
		SweepInterval:      time.Duration(j.SweepInterval),
		AutoSweep:          j.AutoSweep,
		Blocking:           j.Blocking,
		History:            j.History,
		HistoryRenewals:    j.HistoryRenewals,
		HistoryRetention:   time.Duration(j.HistoryRetention),
		HistoryMaxEvents:   j.HistoryMaxEvents,
		EndedRetention:     time.Duration(j.EndedRetention),
		EndedMax:           j.EndedMax,
		PriorityBoost:      time.Duration(j.PriorityBoost),
		DeadlockCheck:      j.DeadlockCheck,
		MaxLeasesPerHolder: j.MaxLeasesPerHolder,
	}
	return nil
}
