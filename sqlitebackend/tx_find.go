package sqlitebackend

import (
	"encoding/json"
	"slices"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// readAhead is what the operations that follow in the batch will ask for, as it
// is in the transaction at this moment; nil for what does not exist. Whatever
// changes or removes a record takes it out.
type readAhead map[lease.ID]*rules.Record

const (
	findOne  = `FROM leases INDEXED BY leases_id WHERE namespace = ? AND id = ?`
	findMany = `FROM leases INDEXED BY leases_id WHERE namespace = ? AND id IN (SELECT value FROM json_each(?))`
)

// maxRecent bounds room.recent.
const maxRecent = 4096

// exists reports whether there may be a record with this ID. Most IDs that are
// asked for are either one of a request that has just arrived, or one that this
// handle has put: reading nothing, of one column, costs a third of reading
// nothing of all.
func (t *transaction) exists(id lease.ID) (bool, error) {
	if _, ours := t.store.room.recent[id]; ours {
		return true, nil
	}
	return t.Get(`SELECT +arrival AS "" FROM leases INDEXED BY leases_id WHERE namespace = ? AND id = ?`,
		[]any{t.namespace, string(id)}, &t.store.room.row.Arrival)
}

// remember notes that this handle has put a record.
func (t *transaction) remember(id lease.ID) {
	if len(t.store.room.recent) >= maxRecent {
		clear(t.store.room.recent)
	}
	t.store.room.recent[id] = struct{}{}
}

// Find implements [rules.Tx]. The first operation of a batch reads for the
// others too, since each query has a fixed cost.
func (t *transaction) Find(id lease.ID) (*rules.Record, error) {
	if r, ok := t.found[id]; ok {
		delete(t.found, id) // it is the caller's to change
		return r, nil
	}
	ids := slices.DeleteFunc(t.Ahead(), func(other lease.ID) bool {
		_, known := t.found[other]
		return known || other == id
	})
	if len(ids) == 0 {
		if exists, err := t.exists(id); !exists || err != nil {
			return nil, err
		}
		rs, err := t.some(findOne, t.namespace, id)
		if err != nil || len(rs) == 0 {
			return nil, err
		}
		return rs[0], nil
	}
	ids = append(ids, id)
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
