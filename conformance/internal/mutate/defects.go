package main

const (
	inRules  = "backend/rules/"
	inMemory = "backend/memory/"
	inBolt   = "examples/boltstore/"

	onMemory = "./backend/memory"
	onBolt   = "./examples/boltstore"
	onSQLite = "./sqlitebackend"
)

// defects is the table: the rule, where it is broken and how, who notices.
var defects = []defect{
	// Conflicts.
	{"a sub-lease is not blocked by what it lies under", inRules + "conflict.go",
		" || slices.Contains(r.Chain, e.ID)", "", onMemory, "TestConformance/Sublease/.*"},
	{"a shared claim lies in a tree as an exclusive one does", inRules + "conflict.go",
		"		(h.Mode == lease.Exclusive || c.Mode == lease.Shared)", "		(h.Mode == lease.Exclusive || c.Mode == lease.Exclusive)", onMemory, "TestParity"},

	// The queue.
	{"a lapsed waiter blocks nobody", inRules + "end.go",
		"	case r.Over(s.now):\n		return true, s.expire(r)", "	case r.Over(s.now) && r.Status == lease.Active:\n		return true, s.expire(r)", onMemory, "TestConformance/Over/LapsedIsSeenAsOver"},
	{"an orphaned sub-lease makes nobody wait for its holder", inRules + "bypass.go",
		"	return parent != nil, err", "	return parent != nil || true, err", onMemory, "TestConformance/Sublease/.*"},

	// Deadlocks.
	{"a ring has up to 64 holders", inRules + "deadlock.go",
		"const maxCycle = 64", "const maxCycle = 9", onMemory, "TestConformance/Sizes/Rings"},
	{"distinct requests take no part in deadlocks", inRules + "deadlock.go",
		"				if u.Distinct || asked", "				if asked", onMemory, "TestParity"},

	// Ends.
	{"an expiry took effect at the deadline", inRules + "end.go",
		"	return s.end(r, status, reason, kind, r.Deadline)", "	return s.end(r, status, reason, kind, s.now)", onMemory, "TestConformance/Over/RetentionFromTheEnd"},
	{"who waits under a lease ends with it", inRules + "end.go",
		"		if u.Parent.ID != r.ID || s.full() {", "		if u.Parent.ID != \"\" {", onMemory, "TestParity"},
	{"ends of the last two minutes are spared", inRules + "sweep.go",
		"Spare: s.now - lease.MinEndedRetention.Milliseconds(),", "Spare: s.now,", onMemory, "TestConformance/Repeated/EndsAreSpared"},
	{"ended_max is a maximum", inRules + "sweep.go",
		"Keep: s.config.EndedMax,", "Keep: s.config.EndedMax + 1,", onMemory, "TestConformance/Sizes/EndedMax"},
	{"a retention of 0 is for ever", inRules + "sweep.go",
		"		before := int64(-1)", "		before := s.now", onMemory, "TestConformance/Repeated/NoRetentionBesideAMaximum"},

	// Identity.
	{"a late ask does nothing", inRules + "acquire.go",
		"	if !a.NotAfter.IsZero() && s.now", "	if false && s.now", onMemory, "TestConformance/LateCopy/AskAfterItsTime"},
	{"a withdrawn attempt is never granted", inRules + "acquire.go",
		"err != nil || until > s.now {", "err != nil || until < 0 {", onMemory, "TestConformance/Identity/Tombstone"},
	{"what was withdrawn is a new request at once", inRules + "acquire.go",
		"	if r == nil || r.withdrawn() {", "	if r == nil {", onMemory, "TestConformance/Second/Withdrawal"},
	{"an end that is forgotten is forgotten, swept or not", inRules + "step.go",
		"	if r.Forgotten(s.now, s.config) {", "	if false {", onMemory, "TestConformance/Second/IDAfterItsEnd"},
	{"Replace is part of the identity", inRules + "record.go",
		"r.Replace == q.Replace && ", "", onMemory, "TestConformance/Identity/.*"},

	// Quota.
	{"what has expired does not count against the quota", inRules + "acquire.go",
		"s.tx.Count(q.Holder, s.now)", "s.tx.Count(q.Holder, 0)", onMemory, "TestConformance/Sizes/QuotaAmongExpired"},
	{"what is replaced does not count against the quota", inRules + "acquire.go",
		"		n--\n", "		n -= 0\n", onMemory, "TestConformance/Bounds/QuotaOfTheLiving"},
	{"refusals are counted", inRules + "acquire.go",
		"		s.counters.Refused++\n", "", onMemory, "TestConformance/Stats/.*"},

	// Grants and renewals.
	{"tokens rise within a millisecond", inRules + "grant.go",
		"max(s.counters.Token+1, lease.Token(s.now)*tokensPerMilli)", "lease.Token(s.now) * tokensPerMilli", onMemory, "TestConformance/Fencing/.*"},
	{"a lease never lasts for less than its TTL", inRules + "grant.go",
		"within(s.up+r.TTL, parent)", "within(s.now+r.TTL, parent)", onMemory, "TestConformance/Clock/.*"},
	{"a sub-lease does not outlast its parent", inRules + "grant.go",
		"	return min(deadline, parent.Deadline)", "	return deadline", onMemory, "TestParity"},
	{"a late renewal changes nothing", inRules + "renew.go",
		"	case a.Op < r.RenewOp:", "	case false:", onMemory, "TestConformance/LateCopy/Renewal"},
	{"a renewal without a TTL never shortens", inRules + "renew.go",
		"max(r.Deadline, within(s.up+r.TTL, parent))", "within(s.up+r.TTL, parent)", onMemory, "TestParity"},
	{"the limit of renewals is a limit", inRules + "renew.go",
		"r.Renewals >= r.MaxRenewals", "r.Renewals > r.MaxRenewals", onMemory, "TestConformance/Renew/Limit"},
	{"contention counts the living", inRules + "contention.go",
		"u.Over(now) || mine(r, u)", "mine(r, u)", onMemory, "TestConformance/Over/LapsedIsSeenAsOver"},

	// Release, Withdraw, Force.
	{"giving up a place may be repeated", inRules + "release.go",
		"r.EndReason == lease.EndReleased, r.EndReason == lease.EndCancelled:", "r.EndReason == lease.EndReleased:", onMemory, "TestConformance/Place/GivenUp"},
	{"the attempts of a place that was given up are over", inRules + "release.go",
		"		for attempt := range strings.FieldsFuncSeq(r.Attempts,", "		for attempt := range strings.FieldsFuncSeq(\"\",", onMemory, "TestConformance/LateCopy/AskForAPlaceGivenUp"},
	{"who still waits in a place that was given up is told so", inRules + "acquire.go",
		"	if r != nil && a.Again && r.asked(a.Attempt)", "	if r != nil && false && r.asked(a.Attempt)", onMemory, "TestConformance/LateCopy/AskForAPlaceGivenUp"},
	{"only the last attempt's withdrawal ends a request", inRules + "release.go",
		"	if !r.leave(a.Attempt) {", "	if r.leave(a.Attempt); false {", onMemory, "TestConformance/Sizes/Attempts"},
	{"a grant that replaced a lease is not taken back", inRules + "release.go",
		"	if r.Status == lease.Active && r.Replace.ID != \"\" {", "	if false {", onMemory, "TestConformance/Replace/NotTakenBack"},
	{"what has expired cannot be revoked", inRules + "force.go",
		"		if over, err := s.dropIfOver(r); err != nil || over {", "		if over, err := s.ended[r.ID], error(nil); err != nil || over {", onMemory, "TestConformance/Over/ForcedTooLate"},
	{"ForceRelease ends all, however many", inRules + "force.go",
		"				outcome = backend.Again\n", "				outcome = backend.Done\n", onMemory, "TestConformance/Bounds/ForceOfManyShared"},
	{"a repeated Force ends no more", inRules + "force.go",
		"	if len(reply.Leases) > 0 {\n		until", "	if false {\n		until", onMemory, "TestConformance/Force/Repeated"},

	// Reading.
	{"a full page without a match is not the end of a list", inRules + "view.go",
		"	if len(rs) == pageSize {", "	if len(rs) == pageSize && len(page.Leases) > 0 {", onMemory, "TestConformance/Sizes/ListPastPagesWithoutAMatch"},
	{"events that do not match do not end the history", inRules + "view.go",
		"	reply := backend.EventsReply{Next: last}", "	reply := backend.EventsReply{Next: head}", onMemory, "TestConformance/Sizes/HistoryPastPagesWithoutAMatch"},
	{"SetConfig wants the current version", inRules + "config.go",
		"c.Version != s.config.Version", "c.Version > s.config.Version", onMemory, "TestConformance/Config/Version"},

	// The store in memory.
	{"what ended first is forgotten first", inMemory + "transaction.go",
		"cmp.Or(cmp.Compare(a.Ended, b.Ended), arrival(a, b))", "cmp.Or(arrival(a, b), cmp.Compare(a.Ended, b.Ended))", onMemory, "TestConformance/Sizes/EndedMax"},
	{"a maximum of 0 events is none", inMemory + "transaction.go",
		"|| keep > 0 && len", "|| len", onMemory, "TestConformance/Repeated/NoMaximumBesideARetention"},

	{"events are kept from their recording on", inMemory + "transaction.go",
		"event{copiedEvent(e), t.counters.Now}", "event{copiedEvent(e), e.At.UnixMilli()}", onMemory, "TestConformance/History/RetentionFromTheRecording"},

	// What is on the disk.
	{"what SQLite keeps of an event is its recording", "sqlitebackend/tx_events.go",
		"e.At.UnixMilli(), t.counters.Now,", "e.At.UnixMilli(), e.At.UnixMilli(),", onSQLite, "TestConformance/History/RetentionFromTheRecording"},
	{"what boltstore keeps of an event is its recording", inBolt + "transaction.go",
		"append(number(t.state.Counters.Now), text...)", "append(number(e.At.UnixMilli()), text...)", onBolt, "TestConformance/History/RetentionFromTheRecording"},
	{"refusals are kept when the store is closed", inBolt + "boltstore.go",
		"		t.dirty = true // refusals that were counted in memory only\n", "", onBolt, "TestConformance/Reopen/RefusalCounts"},
	{"an ID that is used again leaves nothing behind", inBolt + "transaction.go",
		"	for _, k := range keys(old) {\n		err = errors.Join(err, t.index.Delete(k))\n	}\n", "", onBolt, "TestConformance/Second/IDAfterItsEnd"},
	{"tombstones are stored", inBolt + "transaction.go",
		"	return t.tombstones.Put([]byte(name), number(until))", "	return nil", onBolt, "TestConformance/Reopen/Tombstones"},
	{"refusals are kept when a file is closed", "sqlitebackend/store.go",
		"	s.poller.Close()\n	s.saveRefused()\n", "	s.poller.Close()\n", onSQLite, "TestConformance/Reopen/RefusalCounts"},
}
