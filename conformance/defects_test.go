package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// defect is one rule broken, and cases that must find it.
type defect struct {
	name  string
	cases []string
	make  func() hooks
}

var background = context.Background()

// askDefects break what a store answers to a request.
var askDefects = []defect{
	{"an expired lease blocks until it is swept", []string{"Acquire/ExpiredNeverBlocks", "Sweep/Manual", "Handover/ByExpiry"}, func() hooks {
		swept := false
		return hooks{
			acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
				for _, l := range all(s, lease.Query{Status: []lease.Status{lease.Expired}}) {
					if !swept && l.Holder != a.Request.Holder && clash(l.Claims, a.Request.Claims) {
						return refusal(l, a)
					}
				}
				return must(s.Acquire(background, a))
			},
			sweep: func(s *memory.Store, limit int) backend.SweepReply {
				swept = true
				return must(s.Sweep(background, limit))
			},
		}
	}},
	{"a token is used again", []string{"Acquire/Reentry", "Fencing/EveryPath"}, func() hooks {
		minted := map[lease.ID]lease.Token{}
		const always = 7
		return hooks{
			acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
				if a.Request.Replace.Token == always {
					a.Request.Replace.Token = minted[a.Request.Replace.ID]
				}
				reply := must(s.Acquire(background, a))
				if reply.Outcome == backend.Done {
					minted[reply.Lease.ID], reply.Lease.Token = reply.Lease.Token, always
				}
				return reply
			},
			release: func(s *memory.Store, a backend.ReleaseArgs) backend.ReleaseReply {
				a.Ref.Token = 0
				return must(s.Release(background, a))
			},
		}
	}},
	{"a try passes who waits", []string{"Queue/NoBarging", "Place/BlocksOthers"}, asks(func(a *backend.AcquireArgs) {
		if a.PlaceTTL == 0 {
			a.HeadStart += time.Hour
		}
	})},
	{"nobody notices who is gone", []string{"Gone/Passed", "Gone/AllAtOnce"}, func() hooks {
		return hooks{acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
			return must(s.Another().Acquire(background, a))
		}}
	}},
	{"who lives is taken for gone", []string{"Gone/TheLivingAreNot"}, func() hooks {
		return hooks{acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
			asks := s.Another()
			if a.Request.Holder == "slow" {
				defer asks.Close()
			}
			return must(asks.Acquire(background, a))
		}}
	}},
	{"the last in line is the first", []string{"Queue/FirstInFirstOut"}, func() hooks {
		var ahead time.Duration
		return asks(func(a *backend.AcquireArgs) {
			ahead += time.Minute
			a.HeadStart += ahead
		})()
	}},
	{"priorities are ignored", []string{"Priority/HeadStart", "Config/PriorityBoost"}, asks(func(a *backend.AcquireArgs) { a.HeadStart = 0 })},
	{"a path is compared by its beginning", []string{"Claims/SiblingPrefix"}, func() hooks {
		return hooks{acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
			for _, l := range all(s, lease.Query{Status: []lease.Status{lease.Active}}) {
				for _, held := range l.Claims {
					if held.Scope == lease.Tree && l.Holder != a.Request.Holder && held.Path != "/" && held.Mode == lease.Exclusive &&
						slices.ContainsFunc(a.Request.Claims, func(c lease.Claim) bool { return strings.HasPrefix(c.Path, held.Path) }) {
						return refusal(l, a)
					}
				}
			}
			return must(s.Acquire(background, a))
		}}
	}},
	{"all claims are exclusive", []string{"Claims/ManyShare", "Claims/EveryPair"}, asks(func(a *backend.AcquireArgs) {
		a.Request.Claims = slices.Clone(a.Request.Claims)
		for i := range a.Request.Claims {
			a.Request.Claims[i].Mode = lease.Exclusive
		}
	})},
	{"trees are ignored", []string{"Claims/RootTree", "Claims/EveryPair"}, asks(func(a *backend.AcquireArgs) {
		a.Request.Claims = slices.Clone(a.Request.Claims)
		for i := range a.Request.Claims {
			a.Request.Claims[i].Scope = lease.Exact
		}
	})},
	{"only the first claim counts", []string{"Claims/AllOrNothing", "Claims/Many"}, asks(func(a *backend.AcquireArgs) { a.Request.Claims = a.Request.Claims[:1] })},
	{"distinct is ignored", []string{"Acquire/Distinct", "Deadlock/DistinctTakesNoPart"}, asks(func(a *backend.AcquireArgs) { a.Request.Distinct = false })},
	{"what is replaced goes on", []string{"History/Replaced", "Replace/Upgrade", "Handover/ByDowngrade"}, asks(func(a *backend.AcquireArgs) { a.Request.Replace = lease.Ref{} })},
	{"a dead waiter keeps its place", []string{"Handover/DeadWaitersAtOnce", "Place/Lapses"}, asks(func(a *backend.AcquireArgs) { a.PlaceTTL *= 1000 })},
	{"a place is not kept", []string{"Queue/FirstInFirstOut", "History/Queued"}, asks(func(a *backend.AcquireArgs) { a.PlaceTTL, a.Deadlock = 0, false })},
	{"the quota is ignored", []string{"Config/MaxLeasesPerHolder", "Limits/Quota"}, asks(func(a *backend.AcquireArgs) { a.Quota = 0 })},
	{"deadlocks are not looked for", []string{"Deadlock/TwoHolders", "Deadlock/TwoUpgraders"}, asks(func(a *backend.AcquireArgs) { a.Deadlock = false })},
	{"a TTL is rounded to seconds", []string{"Acquire/ShortestTTL"}, asks(func(a *backend.AcquireArgs) { a.Request.TTL = max(1, a.Request.TTL.Round(time.Second)) })},
	{"a TTL is a little short", []string{"Acquire/TTLRoundedUp", "Clock/NeverEarly"}, asks(func(a *backend.AcquireArgs) { a.Request.TTL -= time.Millisecond })},
	{"the limit of renewals is ignored", []string{"Renew/Limit", "Config/MaxRenewals"}, asks(func(a *backend.AcquireArgs) { a.Request.MaxRenewals = lease.Unlimited })},
	{"labels are lost", []string{"Acquire/Labels"}, asks(func(a *backend.AcquireArgs) { a.Request.Labels = nil })},
	{"an old copy of the configuration is good enough", []string{"Config/DefaultTTL", "Config/Blocking"}, func() hooks {
		return hooks{
			acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
				a.ConfigVersion = must(s.Config(background)).Config.Version
				return must(s.Acquire(background, a))
			},
			renew: func(s *memory.Store, a backend.RenewArgs) backend.RenewReply {
				a.ConfigVersion = must(s.Config(background)).Config.Version
				return must(s.Renew(background, a))
			},
		}
	}},
	{"an ID is granted again after its end", []string{"Identity/AfterReleased", "Force/HolderTold"}, func() hooks {
		return hooks{acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
			reply := must(s.Acquire(background, a))
			if reply.Outcome == backend.Gone && a.Request.Replace.ID == "" {
				a.Request.ID += "-again"
				reply = must(s.Acquire(background, a))
			}
			return reply
		}}
	}},
	{"an ID with other claims gets what it had", []string{"Identity/Mismatch"}, func() hooks {
		return hooks{acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
			reply := must(s.Acquire(background, a))
			if l := known(s, a.Request.ID); reply.Outcome == backend.Mismatch && l.Status == lease.Active {
				return backend.AcquireReply{Outcome: backend.Done, Lease: l, Remaining: l.TTL}
			}
			return reply
		}}
	}},
	{"each attempt is a request of its own", []string{"Identity/SameLease"}, func() hooks {
		return hooks{
			acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
				a.Request.ID += lease.ID(a.Attempt)
				return must(s.Acquire(background, a))
			},
			withdraw: func(s *memory.Store, a backend.WithdrawArgs) backend.WithdrawReply {
				a.ID += lease.ID(a.Attempt)
				return must(s.Withdraw(background, a))
			},
			wake: func(s *memory.Store, _ lease.ID) (<-chan struct{}, func()) { return nil, func() {} },
		}
	}},
	{"a refusal does not tell when to ask again, and nobody is woken", []string{"Acquire/RetryAfterTheLatest", "Handover/ByExpiry"}, func() hooks {
		return hooks{
			acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
				reply := must(s.Acquire(background, a))
				reply.RetryAfter = 0
				return reply
			},
			wake: deaf,
		}
	}},
	{"nobody is woken", []string{"Force/FreesThePath", "History/Queued"}, func() hooks { return hooks{wake: deaf} }},
	{"a refusal names nobody", []string{"Acquire/HeldPath"}, func() hooks {
		return hooks{acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
			reply := must(s.Acquire(background, a))
			reply.Blockers = nil
			return reply
		}}
	}},
}

// holdDefects break what a store does with leases.
var holdDefects = []defect{
	{"a renewal mints a token", []string{"Renew/Extends"}, func() hooks {
		return hooks{renew: func(s *memory.Store, a backend.RenewArgs) backend.RenewReply {
			reply := must(s.Renew(background, a))
			reply.Lease.Token++
			return reply
		}}
	}},
	{"a renewal brings back what has expired", []string{"Renew/AfterExpired"}, func() hooks {
		return hooks{renew: func(s *memory.Store, a backend.RenewArgs) backend.RenewReply {
			reply := must(s.Renew(background, a))
			if errors.Is(reply.End.Err, lease.ErrExpired) {
				l := known(s, a.Ref.ID)
				l.Status = lease.Active
				return backend.RenewReply{Lease: l, Remaining: l.TTL}
			}
			return reply
		}}
	}},
	{"a renewal moves the expiry backwards", []string{"Renew/NeverBackwards"}, func() hooks {
		return hooks{renew: func(s *memory.Store, a backend.RenewArgs) backend.RenewReply {
			if a.TTL == 0 {
				a.TTL = known(s, a.Ref.ID).TTL
			}
			return must(s.Renew(background, a))
		}}
	}},
	{"a repeated renewal counts twice", []string{"Renew/Repeated", "History/RepeatsAreNot"}, func() hooks {
		return hooks{renew: func(s *memory.Store, a backend.RenewArgs) backend.RenewReply {
			a.Op = string(lease.NewID())
			return must(s.Renew(background, a))
		}}
	}},
	{"a renewal needs no token", []string{"Renew/WrongRef"}, func() hooks {
		return hooks{renew: func(s *memory.Store, a backend.RenewArgs) backend.RenewReply {
			a.Ref.Token = known(s, a.Ref.ID).Token
			return must(s.Renew(background, a))
		}}
	}},
	{"a renewal ignores caps", []string{"Config/MaxTTL", "Renew/Cap"}, func() hooks {
		return hooks{renew: func(s *memory.Store, a backend.RenewArgs) backend.RenewReply {
			a.MaxTTL = lease.MaxTTL
			return must(s.Renew(background, a))
		}}
	}},
	{"a release needs no token", []string{"Release/WrongRef", "Release/OldLeaseOfTheSameHolder"}, func() hooks {
		return hooks{release: func(s *memory.Store, a backend.ReleaseArgs) backend.ReleaseReply {
			a.Ref.Token = 0
			return must(s.Release(background, a))
		}}
	}},
	{"a holder is compared by its beginning", []string{"Claims/HoldersAreBytes"}, func() hooks {
		return hooks{release: func(s *memory.Store, a backend.ReleaseArgs) backend.ReleaseReply {
			if l := known(s, a.Ref.ID); strings.HasPrefix(l.Holder, a.Ref.Holder) {
				a.Ref.Holder = l.Holder
			}
			return must(s.Release(background, a))
		}}
	}},
	{"a repeated release is an error", []string{"Release/Twice", "LostReply/Release"}, func() hooks {
		return hooks{release: func(s *memory.Store, a backend.ReleaseArgs) backend.ReleaseReply {
			if known(s, a.Ref.ID).EndReason == lease.EndReleased {
				return backend.ReleaseReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrReleased}}
			}
			return must(s.Release(background, a))
		}}
	}},
	{"a release of what is gone is a success", []string{"Release/Unknown", "Release/OldHolder"}, func() hooks {
		return hooks{release: func(s *memory.Store, a backend.ReleaseArgs) backend.ReleaseReply {
			_ = must(s.Release(background, a))
			return backend.ReleaseReply{}
		}}
	}},
	{"a release frees all that its holder has", []string{"Acquire/ReentryReleasedOneByOne"}, func() hooks {
		return hooks{release: func(s *memory.Store, a backend.ReleaseArgs) backend.ReleaseReply {
			reply := must(s.Release(background, a))
			for _, l := range all(s, lease.Query{Holder: a.Ref.Holder, Status: []lease.Status{lease.Active}}) {
				_ = must(s.Release(background, backend.ReleaseArgs{Ref: l.Ref()}))
			}
			return reply
		}}
	}},
	{"nothing is withdrawn", []string{"History/WithdrawnGrant", "Identity/Tombstone"}, func() hooks {
		return hooks{withdraw: func(*memory.Store, backend.WithdrawArgs) backend.WithdrawReply { return backend.WithdrawReply{} }}
	}},
	{"a withdrawal takes back what another attempt was given", []string{"Identity/WithdrawalOfOneAttempt"}, func() hooks {
		last := map[lease.ID]string{}
		return hooks{
			acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
				last[a.Request.ID] = a.Attempt
				return must(s.Acquire(background, a))
			},
			withdraw: func(s *memory.Store, a backend.WithdrawArgs) backend.WithdrawReply {
				if attempt := last[a.ID]; attempt != "" {
					a.Attempt = attempt
				}
				return must(s.Withdraw(background, a))
			},
		}
	}},
	{"force spares who waits", []string{"Force/WaiterTold", "Force/All"}, func() hooks {
		return hooks{force: func(s *memory.Store, a backend.ForceArgs) backend.ForceReply {
			if len(a.Query.Status) == 0 {
				a.Query.Status = []lease.Status{lease.Active}
			}
			return must(s.Force(background, a))
		}}
	}},
	{"force by a path ends whole trees", []string{"Force/OnlyThroughTheTree"}, func() hooks {
		return hooks{force: func(s *memory.Store, a backend.ForceArgs) backend.ForceReply {
			if a.Query.Path != "" && a.Query.Under == "" {
				a.Query.Under = lease.Root
			}
			return must(s.Force(background, a))
		}}
	}},
	{"force leaves no trace", []string{"Force/OneEventEach", "Force/HolderTold"}, func() hooks {
		return hooks{force: func(s *memory.Store, a backend.ForceArgs) backend.ForceReply {
			a.Revocation = lease.Revocation{}
			return must(s.Force(background, a))
		}}
	}},
}

// asks returns a defect that changes each ask.
func asks(change func(a *backend.AcquireArgs)) func() hooks {
	return func() hooks {
		return hooks{acquire: func(s *memory.Store, a backend.AcquireArgs) backend.AcquireReply {
			change(&a)
			return must(s.Acquire(background, a))
		}}
	}
}

func deaf(*memory.Store, lease.ID) (<-chan struct{}, func()) { return make(chan struct{}), func() {} }

func clash(a, b []lease.Claim) bool {
	return slices.ContainsFunc(b, func(c lease.Claim) bool {
		return slices.ContainsFunc(a, func(d lease.Claim) bool { return lease.Conflict(c, d) })
	})
}

// TestPlantedDefects requires that the suite finds what it is there to find.
func TestPlantedDefects(t *testing.T) {
	byName := map[string]testCase{}
	for _, c := range cases() {
		byName[c.name] = c
	}
	for _, d := range slices.Concat(askDefects, holdDefects, lookDefects) {
		t.Run(d.name, func(t *testing.T) {
			for _, name := range d.cases {
				require.Contains(t, byName, name)
				require.True(t, record(t, byName[name], plant(d.make())).Failed(), "%s does not find it", name)
			}
		})
	}
}

func plant(h hooks) Fixture {
	s := memory.NewStore()
	return Fixture{Open: func(testing.TB) backend.Store { return defective{s.Another(), h} }}
}
