package sqlitebackend

import (
	"encoding/json"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// readAhead is what the operations that follow in the batch will ask for, as it
// is in the transaction at this moment; nil for what does not exist. Whatever
// changes or removes a record takes it out.
type readAhead map[lease.ID]*rules.Record

var (
	findOne  = `SELECT ` + selected + ` FROM leases INDEXED BY leases_id WHERE namespace = ? AND id = ?`
	findMany = `SELECT ` + selected + ` FROM leases INDEXED BY leases_id WHERE namespace = ? AND id IN (SELECT value FROM json_each(?))`
)

// Find implements [rules.Tx]. The first operation of a batch reads for the
// others too: half of what a query costs is not by the row.
func (t *transaction) Find(id lease.ID) (*rules.Record, error) {
	if r, ok := t.found[id]; ok {
		delete(t.found, id) // it is the caller's to change
		return r, nil
	}
	ids := []lease.ID{id}
	for _, other := range t.Ahead() {
		if _, ok := t.found[other]; !ok && other != id {
			ids = append(ids, other)
		}
	}
	if len(ids) == 1 {
		rs, err := t.some(findOne, t.namespace, id)
		if err != nil || len(rs) == 0 {
			return nil, err
		}
		return rs[0], nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rs, err := t.some(findMany, t.namespace, string(list))
	if err != nil {
		return nil, err
	}
	if t.found == nil {
		t.found = make(readAhead, len(ids))
	}
	for _, id := range ids {
		t.found[id] = nil
	}
	for _, r := range rs {
		t.found[r.ID] = r
	}
	r := t.found[id]
	delete(t.found, id)
	return r, nil
}
