package conformance

import (
	"errors"
	"slices"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// lookDefects break what a store tells, records and keeps.
var lookDefects = []defect{
	{"a sweep does nothing", []string{"Sweep/Expired", "History/Retention"}, func() hooks {
		return hooks{sweep: func(*memory.Store, int) backend.SweepReply { return backend.SweepReply{} }}
	}},
	{"renewals are not recorded", []string{"History/Renewed"}, without(lease.KindRenewed)},
	{"expiries are not recorded", []string{"History/ExpiredAt", "Acquire/ExpiredNeverBlocks"}, without(lease.KindExpired)},
	{"queued is not recorded", []string{"History/Queued"}, without(lease.KindQueued)},
	{"replacements are not recorded", []string{"History/Replaced", "Replace/Upgrade"}, without(lease.KindReplaced)},
	{"an end is recorded twice", []string{"History/Released", "Queue/FirstInFirstOut"}, func() hooks {
		return hooks{events: func(s *memory.Store, q lease.Query, limit int) ([]lease.Event, lease.Seq, error) {
			events, next, _, err := s.Events(background, q, limit)
			var twice []lease.Event
			for _, e := range events {
				if twice = append(twice, e); e.Lease.Status.Ended() {
					twice = append(twice, e)
				}
			}
			return twice, next, err
		}}
	}},
	{"an expiry is dated when it is found out", []string{"History/ExpiredAt", "History/LapsedAt"}, events(func(e *lease.Event) {
		if e.Kind == lease.KindExpired || e.Kind == lease.KindLapsed {
			e.At = e.Lease.UpdatedAt
		}
	})},
	{"a transfer is recorded as a replacement", []string{"History/Transferred"}, events(func(e *lease.Event) {
		if e.Kind == lease.KindTransferred {
			e.Kind = lease.KindReplaced
		}
	})},
	{"what is trimmed is passed over in silence", []string{"History/Trimmed", "Watch/Trimmed"}, func() hooks {
		return hooks{events: func(s *memory.Store, q lease.Query, limit int) ([]lease.Event, lease.Seq, error) {
			events, next, _, err := s.Events(background, q, limit)
			if errors.Is(err, lease.ErrTrimmed) {
				q.After = 0
				events, next, _, err = s.Events(background, q, limit)
			}
			return events, next, err
		}}
	}},
	{"now is the beginning", []string{"Watch/Now"}, func() hooks {
		return hooks{events: func(s *memory.Store, q lease.Query, limit int) ([]lease.Event, lease.Seq, error) {
			if q.After == lease.Now {
				q.After = 0
			}
			events, next, _, err := s.Events(background, q, limit)
			return events, next, err
		}}
	}},
	{"an event that does not match is never passed", []string{"Watch/BeyondTheHead"}, func() hooks {
		return hooks{events: func(s *memory.Store, q lease.Query, limit int) ([]lease.Event, lease.Seq, error) {
			events, next, _, err := s.Events(background, q, limit)
			if len(events) == 0 && q.After != lease.Now {
				next = q.After
			}
			return events, next, err
		}}
	}},
	{"the configuration is kept but not obeyed", []string{"History/Off", "Config/Kept"}, func() hooks {
		return hooks{setConfig: func(s *memory.Store, c lease.Config) (lease.Config, error) {
			obeyed := must(s.Config(background))
			obeyed.Version = c.Version
			set, err := s.SetConfig(background, obeyed)
			c.Version = set.Version
			return c, err
		}}
	}},
	{"the last configuration wins", []string{"Config/Version"}, func() hooks {
		return hooks{setConfig: func(s *memory.Store, c lease.Config) (lease.Config, error) {
			c.Version = must(s.Config(background)).Version
			return s.SetConfig(background, c)
		}}
	}},
	{"what has ended is not remembered", []string{"List/Ended", "Get/Remembered"}, lists(func(_ *memory.Store, ls []lease.Lease) []lease.Lease {
		return slices.DeleteFunc(ls, func(l lease.Lease) bool { return l.Status.Ended() })
	})},
	{"why it ended is not remembered", []string{"List/ExpiredAtOnce"}, lists(func(_ *memory.Store, ls []lease.Lease) []lease.Lease {
		for i := range ls {
			ls[i].EndReason = ""
		}
		return ls
	})},
	{"who waits is not listed", []string{"List/ActiveAndWaiting", "Get/Waiter"}, lists(func(_ *memory.Store, ls []lease.Lease) []lease.Lease {
		return slices.DeleteFunc(ls, func(l lease.Lease) bool { return l.Status == lease.Pending })
	})},
	{"contention is not told", []string{"Get/Contention"}, lists(func(_ *memory.Store, ls []lease.Lease) []lease.Lease {
		for i := range ls {
			ls[i].Contention = lease.Contention{}
		}
		return ls
	})},
	{"a list sweeps", []string{"History/LooksAreNot"}, lists(func(s *memory.Store, ls []lease.Lease) []lease.Lease {
		_ = must(s.Sweep(background, 100))
		return ls
	})},
	{"a list loses what lies between two pages", []string{"List/ExactlyOnce", "List/Order"}, func() hooks {
		return hooks{list: func(s *memory.Store, q lease.Query, cursor string) backend.ListReply {
			page := must(s.List(background, q, cursor))
			if page.Next != "" {
				page.Leases = page.Leases[:len(page.Leases)-1]
			}
			return page
		}}
	}},
	{"a list does not tell the time", []string{"List/Remaining", "Get/Remaining"}, func() hooks {
		return hooks{list: func(s *memory.Store, q lease.Query, cursor string) backend.ListReply {
			page := must(s.List(background, q, cursor))
			page.Now = page.Now.Add(-time.Minute)
			return page
		}}
	}},
	{"a list ends after a page", []string{"List/Order"}, func() hooks {
		return hooks{list: func(s *memory.Store, q lease.Query, cursor string) backend.ListReply {
			page := must(s.List(background, q, cursor))
			page.Next = ""
			return page
		}}
	}},
	{"what has expired is counted", []string{"Stats/Counts"}, func() hooks {
		return hooks{stats: func(s *memory.Store) lease.Stats {
			stats := must(s.Stats(background))
			stats.Active += len(all(s, lease.Query{Status: []lease.Status{lease.Expired}}))
			return stats
		}}
	}},
	{"refusals are not counted", []string{"Stats/Refused"}, func() hooks {
		return hooks{stats: func(s *memory.Store) lease.Stats {
			stats := must(s.Stats(background))
			stats.Refused = 0
			return stats
		}}
	}},
}

// events returns a defect that changes each event that is read.
func events(change func(e *lease.Event)) func() hooks {
	return func() hooks {
		return hooks{events: func(s *memory.Store, q lease.Query, limit int) ([]lease.Event, lease.Seq, error) {
			events, next, _, err := s.Events(background, q, limit)
			for i := range events {
				change(&events[i])
			}
			return events, next, err
		}}
	}
}

// without returns a defect that loses the events of a kind.
func without(kind lease.Kind) func() hooks {
	return func() hooks {
		return hooks{events: func(s *memory.Store, q lease.Query, limit int) ([]lease.Event, lease.Seq, error) {
			events, next, _, err := s.Events(background, q, limit)
			return slices.DeleteFunc(events, func(e lease.Event) bool { return e.Kind == kind }), next, err
		}}
	}
}

// lists returns a defect that changes each page of a list.
func lists(change func(s *memory.Store, page []lease.Lease) []lease.Lease) func() hooks {
	return func() hooks {
		return hooks{list: func(s *memory.Store, q lease.Query, cursor string) backend.ListReply {
			page := must(s.List(background, q, cursor))
			page.Leases = change(s, page.Leases)
			return page
		}}
	}
}
