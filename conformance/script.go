package conformance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// verb is what an instruction of a random script does.
type verb string

const (
	doTry      verb = "try"      // ask without a place
	doWait     verb = "wait"     // ask with a place, and again when there is reason to, as an engine does
	doPlace    verb = "place"    // ask with a place, and again only by doAgain
	doAgain    verb = "again"    // ask again for what another instruction asked for
	doReplace  verb = "replace"  // ask for a request that replaces another one's lease
	doUnder    verb = "under"    // ask for a request under the cover of another one's lease
	doRenew    verb = "renew"    // and the same once more if repeat is set
	doLabel    verb = "label"    // change the labels of a lease
	doRelease  verb = "release"  //
	doWithdraw verb = "withdraw" //
	doForce    verb = "force"    //
	doSweep    verb = "sweep"    //
	doConfig   verb = "config"   //
	doLook     verb = "look"     // compare what List, Get and Stats tell
	doPass     verb = "pass"     // let time pass
	doReuse    verb = "reuse"    // ask for an ID that was asked for before, with other claims, without a place
	doBurst    verb = "burst"    // many leases that expire together
	doReopen   verb = "reopen"   // reopen the store
	doAge      verb = "age"      // let so much time pass that ends are forgotten
)

// instruction is one line of a script. It names requests by the number of the
// instruction that asked for them, so that a script remains one when lines are
// taken out of it.
type instruction struct {
	number int
	verb   verb

	request  lease.Request // try, wait, place, replace, under: without its ID, Replace and Parent
	place    time.Duration
	target   int           // the request that it is about; config: what to change
	ttl      time.Duration // renew
	repeat   bool          // renew, label, release, withdraw, again: the call arrives twice
	stranger bool          // as another holder, or with another token
	query    lease.Query   // force
	steps    int           // pass; burst: how many
}

// id is the ID of the request that an instruction with this number asks for.
func id(number int) lease.ID { return lease.ID(fmt.Sprintf("r%03d", number)) }

// String returns the instruction in one line, for people.
func (i instruction) String() string {
	s := fmt.Sprintf("%03d %s", i.number, i.verb)
	switch i.verb {
	case doTry, doWait, doPlace, doReplace, doUnder:
		if i.verb == doReplace || i.verb == doUnder {
			s += " " + string(id(i.target))
		}
		s += fmt.Sprintf(" %s %v ttl %v", i.request.Holder, i.request.Claims, i.request.TTL)
		for _, part := range []struct {
			text string
			show bool
		}{
			{fmt.Sprintf("place %v", i.place), i.place > 0},
			{fmt.Sprintf("priority %d", i.request.Priority), i.request.Priority != 0},
			{fmt.Sprintf("at most %d renewals", i.request.MaxRenewals), i.request.MaxRenewals != lease.Unlimited},
			{"distinct", i.request.Distinct},
		} {
			if part.show {
				s += ", " + part.text
			}
		}
	case doReuse:
		s += fmt.Sprintf(" %s %s %v ttl %v", id(i.target), i.request.Holder, i.request.Claims, i.request.TTL)
	case doBurst:
		s += fmt.Sprintf(" %d of %s %v ttl %v", i.steps, i.request.Holder, i.request.Claims, i.request.TTL)
	case doAgain, doRenew, doLabel, doRelease, doWithdraw:
		s += " " + string(id(i.target))
		if i.ttl > 0 {
			s += fmt.Sprintf(" for %v", i.ttl)
		}
	case doForce:
		s += fmt.Sprintf(" %+v", i.query)
	case doConfig:
		s += " " + changes[i.target].name
	case doPass:
		s += fmt.Sprintf(" %d steps", i.steps)
	}
	if i.repeat {
		s += ", twice"
	}
	if i.stranger {
		s += ", as a stranger"
	}
	return s
}

// changes are the settings that a script changes, of those that stores read.
var changes = []struct {
	name   string
	change func(*lease.Config)
}{
	{"deadlock_check", func(c *lease.Config) { c.DeadlockCheck = !c.DeadlockCheck }},
	{"priority_boost", func(c *lease.Config) { c.PriorityBoost = boost + 2*step - c.PriorityBoost }},
	{"max_leases_per_holder", func(c *lease.Config) { c.MaxLeasesPerHolder = 5 - c.MaxLeasesPerHolder }},
	{"history_renewals", func(c *lease.Config) { c.HistoryRenewals = !c.HistoryRenewals }},
	{"ended_max 3", func(c *lease.Config) { c.EndedMax = 3 }},
	{"ended_max 0", func(c *lease.Config) { c.EndedMax = 0 }},
	{"ended_retention", func(c *lease.Config) {
		c.EndedRetention = lease.MinEndedRetention + 10*time.Minute - c.EndedRetention
	}},
}

// Time goes in steps: calls are made at whole ones, and all that ends by itself
// ends half-way between, so that a few milliseconds of difference between two
// stores change nothing.
const (
	step  = 100 * time.Millisecond
	boost = 10*step + step/2
)

// scriptLength is long enough for several holders to get into each other's way
// in several ways, short enough that it can be shrunk.
const scriptLength = 120

// script returns the script of a seed. In real time nothing ends by itself.
func script(seed uint64, realTime bool) []instruction {
	g := &generator{
		Rand: rand.New(rand.NewPCG(seed, 0x1ea5e)), realTime: realTime, requests: map[int]lease.Request{},
	}
	holders := 2 + g.IntN(3)
	if g.IntN(6) == 0 {
		holders = maxHolders
	}
	for n := range holders {
		g.holders = append(g.holders, fmt.Sprintf("h%d", n+1))
	}
	burst := -1 // one script in four has one
	if g.IntN(4) == 0 {
		burst = 20 + g.IntN(scriptLength/2)
	}
	all := make([]instruction, scriptLength)
	for n := range all {
		if all[n] = g.instruction(n); n == burst {
			all[n] = g.burst(n)
		}
	}
	return all
}

// maxHolders is how many holders a script has at most.
const maxHolders = 12

type generator struct {
	*rand.Rand
	realTime bool
	holders  []string
	asked    []int // the instructions that asked for something
	requests map[int]lease.Request
}

// verbs are drawn from with these weights.
var verbs = []struct {
	verb   verb
	weight int
}{
	{doTry, 16}, {doWait, 26}, {doPlace, 5}, {doAgain, 8}, {doReplace, 9}, {doUnder, 14}, {doRenew, 14}, {doLabel, 4}, {doRelease, 22},
	{doWithdraw, 5}, {doForce, 2}, {doSweep, 2}, {doConfig, 2}, {doLook, 6}, {doPass, 20}, {doReuse, 4}, {doReopen, 1}, {doAge, 1},
}

func (g *generator) instruction(n int) instruction {
	i := instruction{number: n, verb: g.verb()}
	if len(g.asked) > 0 {
		// Mostly one of the latest: earlier ones have probably ended.
		i.target = g.asked[max(0, len(g.asked)-1-int(g.ExpFloat64()*4))]
	}
	switch i.verb {
	case doReuse:
		i.request = g.request()
		if same := g.requests[i.target]; g.IntN(2) == 0 && len(same.Claims) > 0 {
			i.request = same
		}
	case doTry, doWait, doPlace, doReplace, doUnder:
		i.request = g.request()
		if parent := g.requests[i.target].Claims; i.verb == doUnder && len(parent) > 0 && g.IntN(8) > 0 {
			i.request.Claims = []lease.Claim{g.within(parent[g.IntN(len(parent))])}
		}
		g.asked = append(g.asked, n)
		g.requests[n] = i.request
		if i.verb == doWait || (i.verb == doReplace || i.verb == doUnder) && g.IntN(2) == 0 {
			i.place = g.lasts(4, 12)
		} else if i.verb == doPlace {
			i.place = g.lasts(2, 20)
		}
	case doAgain, doLabel, doRelease, doWithdraw:
		i.repeat, i.stranger = g.IntN(8) == 0, g.IntN(10) == 0
	case doRenew:
		i.repeat, i.stranger = g.IntN(8) == 0, g.IntN(10) == 0
		if g.IntN(2) == 0 {
			i.ttl = g.lasts(1, 60)
		}
	case doForce:
		i.query = g.query(i.target)
	case doConfig:
		i.target = g.IntN(len(changes))
	case doPass:
		i.steps = 1 + g.IntN(6)
	}
	return i
}

// burst returns an instruction for many shared leases, most of them, that end
// together: more than stores look at, or end, in one step.
func (g *generator) burst(n int) instruction {
	i := instruction{number: n, verb: doBurst, steps: []int{50, 99, 100, 101, 128, 200, 201, 300}[g.IntN(8)], request: g.request()}
	for c := range i.request.Claims {
		i.request.Claims[c].Mode = lease.Shared
	}
	i.request.TTL, i.request.Distinct = g.lasts(4, 20), false
	return i
}

func (g *generator) verb() verb {
	sum := 0
	for _, v := range verbs {
		sum += v.weight
	}
	n := g.IntN(sum)
	for _, v := range verbs {
		if n -= v.weight; n < 0 {
			return v.verb
		}
	}
	return doPass
}

// lasts returns a duration of so many steps and a half.
func (g *generator) lasts(least, most int) time.Duration {
	if g.realTime {
		return 10 * time.Minute
	}
	return time.Duration(least+g.IntN(most-least+1))*step + step/2
}

func (g *generator) request() lease.Request {
	r := lease.Request{
		Holder: g.holders[g.IntN(len(g.holders))], TTL: g.lasts(2, 40), MaxRenewals: lease.Unlimited,
		Distinct: g.IntN(12) == 0,
	}
	if g.IntN(4) == 0 {
		r.MaxRenewals = []int{lease.NoRenewals, 1, 2}[g.IntN(3)]
	}
	if g.IntN(4) == 0 {
		r.Priority = g.IntN(5) - 2
	}
	if g.IntN(6) == 0 {
		r.Labels = map[string]string{"reason": "script"}
	}
	paths := []string{"a", "a/b", "a/b/c", "d"}
	var claims []lease.Claim
	for range 1 + int(g.ExpFloat64()/1.5) {
		c := lease.Claim{Path: paths[g.IntN(len(paths))]}
		if g.IntN(3) == 0 {
			c.Mode = lease.Shared
		}
		if g.IntN(4) == 0 {
			c.Scope = lease.Tree
		}
		claims = append(claims, c)
	}
	clean, err := backend.CleanClaims(claims)
	if err != nil {
		panic(err) // the paths above are in normal form
	}
	r.Claims = clean
	return r
}

// within returns a claim that one within c.
func (g *generator) within(c lease.Claim) lease.Claim {
	if c.Scope == lease.Tree {
		if path := []string{"a/b", "a/b/c"}[g.IntN(2)]; lease.Below(path, c.Path) {
			c.Path = path
		}
		c.Scope = lease.Scope(g.IntN(2))
	}
	if g.IntN(4) == 0 {
		c.Mode = lease.Shared
	}
	return c
}

func (g *generator) query(target int) lease.Query {
	return []lease.Query{
		{ID: id(target)}, {Holder: g.holders[g.IntN(len(g.holders))]}, {Path: "a/b"}, {Path: "d"}, {Under: "a/b"},
		{Under: "d", Status: []lease.Status{lease.Pending}}, {Under: "a", Limit: 1},
	}[g.IntN(7)]
}

// text returns a script for people.
func text(script []instruction) string {
	lines := make([]string, len(script))
	for n, i := range script {
		lines[n] = "  " + i.String()
	}
	return strings.Join(lines, "\n")
}

// shrink returns a short script that still fails: parts that are not needed are
// taken out, lines of which only the time is needed become doPass. It makes at
// most so many attempts.
func shrink(all []instruction, attempts int, fails func([]instruction) bool) []instruction {
	try := func(candidate []instruction) bool {
		if attempts == 0 {
			return false
		}
		attempts--
		if !fails(candidate) {
			return false
		}
		all = candidate
		return true
	}
	for size := len(all) / 2; size > 0; {
		shorter := false
		for from := 0; from < len(all); {
			if try(slices.Concat(all[:from], all[min(from+size, len(all)):])) {
				shorter = true
			} else {
				from += size
			}
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
	for n, i := range all {
		if i.verb != doPass {
			candidate := slices.Clone(all)
			candidate[n] = instruction{number: i.number, verb: doPass, steps: 1}
			try(candidate)
		}
	}
	return merge(all)
}

// merge makes one doPass of several in a row, which is the same.
func merge(script []instruction) []instruction {
	var merged []instruction
	for _, i := range script {
		if last := len(merged) - 1; last >= 0 && i.verb == doPass && merged[last].verb == doPass {
			merged[last].steps += i.steps
			continue
		}
		merged = append(merged, i)
	}
	return merged
}
