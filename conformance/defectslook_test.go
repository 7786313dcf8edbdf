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
		return hooks{events: func(s *memory.Store, a backend.EventsArgs) (backend.EventsReply, error) {
			page, err := s.Events(background, a)
			var twice []lease.Event
			for _, e := range page.Events {
				if twice = append(twice, e); e.Lease.Status.Ended() {
					twice = append(twice, e)
				}
			}
			page.Events = twice
			return page, err
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
		return hooks{events: func(s *memory.Store, a backend.EventsArgs) (backend.EventsReply, error) {
			page, err := s.Events(background, a)
			if errors.Is(err, lease.ErrTrimmed) {
				a.Query.After = 0
				page, err = s.Events(background, a)
			}
			return page, err
		}}
	}},
	{"now is the beginning", []string{"Watch/Now"}, func() hooks {
		return hooks{events: func(s *memory.Store, a backend.EventsArgs) (backend.EventsReply, error) {
			if a.Query.After == lease.Now {
				a.Query.After = 0
			}
			return s.Events(background, a)
		}}
	}},
	{"an event that does not match is never passed", []string{"Watch/BeyondTheHead"}, func() hooks {
		return hooks{events: func(s *memory.Store, a backend.EventsArgs) (backend.EventsReply, error) {
			page, err := s.Events(background, a)
			if len(page.Events) == 0 && a.Query.After != lease.Now {
				page.Next = a.Query.After
			}
			return page, err
		}}
	}},
	{"the configuration is kept but not obeyed", []string{"History/Off", "Config/Kept"}, func() hooks {
		return hooks{setConfig: func(s *memory.Store, c lease.Config) (lease.Config, error) {
			obeyed := must(s.Config(background)).Config
			obeyed.Version = c.Version
			set, err := s.SetConfig(background, obeyed)
			c.Version = set.Version
			return c, err
		}}
	}},
	{"the last configuration wins", []string{"Config/Version"}, func() hooks {
		return hooks{setConfig: func(s *memory.Store, c lease.Config) (lease.Config, error) {
			c.Version = must(s.Config(background)).Config.Version
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
		return hooks{events: func(s *memory.Store, a backend.EventsArgs) (backend.EventsReply, error) {
			page, err := s.Events(background, a)
			for i := range page.Events {
				change(&page.Events[i])
			}
			return page, err
		}}
	}
}

// without returns a defect that loses the events of a kind.
func without(kind lease.Kind) func() hooks {
	return func() hooks {
		return hooks{events: func(s *memory.Store, a backend.EventsArgs) (backend.EventsReply, error) {
			page, err := s.Events(background, a)
			page.Events = slices.DeleteFunc(page.Events, func(e lease.Event) bool { return e.Kind == kind })
			return page, err
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
