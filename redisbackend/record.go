package redisbackend

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// Records are text, in the form that lua/record.lua describes: a header of the store's making, and the request as
// encodeRequest made it. No name has a NUL, so all of them stand as they are between NULs.

var statusOf = map[byte]lease.Status{
	'p': lease.Pending, 'a': lease.Active, 'e': lease.Expired, 'r': lease.Released, 'f': lease.Failed,
}

var reasonOf = map[byte]lease.EndReason{
	'r': lease.EndReleased, 'e': lease.EndExpired, 'v': lease.EndRevoked, 'p': lease.EndReplaced,
	't': lease.EndTransferred, 'l': lease.EndLapsed, 'o': lease.EndTimeout, 'c': lease.EndCancelled,
	'd': lease.EndDeadlock,
}

var kindOf = map[byte]lease.Kind{
	'q': lease.KindQueued, 'g': lease.KindGranted, 'n': lease.KindRenewed, 'b': lease.KindRelabelled, 'r': lease.KindReleased,
	'e': lease.KindExpired, 'l': lease.KindLapsed, 'w': lease.KindWithdrawn, 'v': lease.KindRevoked,
	'p': lease.KindReplaced, 't': lease.KindTransferred, 'c': lease.KindConfig,
}

// encodeRequest returns the part of a record of which only the labels change.
func encodeRequest(q lease.Request) string {
	var b strings.Builder
	b.Grow(256)
	b.WriteString(millis(q.TTL) + " " + strconv.Itoa(q.MaxRenewals) + " " + strconv.Itoa(q.Priority) + " " + bit(q.Distinct))
	b.WriteByte(0)
	for _, name := range []string{
		q.Holder, string(q.Replace.ID), q.Replace.Holder, formatToken(q.Replace.Token),
		string(q.Parent.ID), q.Parent.Holder, formatToken(q.Parent.Token),
	} {
		b.WriteString(name)
		b.WriteByte(0)
	}
	b.WriteString(encodeClaims(q.Claims))
	b.WriteByte(0)
	b.WriteString(encodeLabels(q.Labels))
	return b.String()
}

func encodeClaims(claims []lease.Claim) string {
	if len(claims) == 1 {
		return string(claimLetter(claims[0])) + encodePath(claims[0].Path) + "\x00"
	}
	var b strings.Builder
	for _, c := range claims {
		b.WriteByte(claimLetter(c))
		b.WriteString(encodePath(c.Path))
		b.WriteByte(0)
	}
	return b.String()
}

// encodeNew returns the end of the record of a request that arrives: the length of what encodeRequest returns, that, and
// the names: only the attempt, and the client if somebody waits.
func encodeNew(a backend.AcquireArgs, client string) string {
	request := encodeRequest(a.Request)
	return strconv.Itoa(len(request)) + "\x00" + request + a.Attempt + "\x00\x00\x00\x00\x00" + client + "\x00\x00"
}

func encodeLabels(labels map[string]string) string {
	if len(labels) == 0 {
		return ""
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b.WriteString(name + "\x00" + labels[name] + "\x00")
	}
	return b.String()
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// encodePath returns the path as the store has it: the root, above all others, is empty.
func encodePath(path string) string {
	if path == lease.Root {
		return ""
	}
	return path
}

func claimLetter(c lease.Claim) byte {
	switch {
	case c.Scope == lease.Exact && c.Mode == lease.Exclusive:
		return 'e'
	case c.Scope == lease.Exact:
		return 'f'
	case c.Mode == lease.Exclusive:
		return 't'
	}
	return 'u'
}

func decodeClaim(letter byte, path string) (lease.Claim, bool) {
	c := lease.Claim{Path: path}
	if path == "" {
		c.Path = lease.Root
	}
	switch letter {
	case 'e':
	case 'f':
		c.Mode = lease.Shared
	case 't':
		c.Scope = lease.Tree
	case 'u':
		c.Mode, c.Scope = lease.Shared, lease.Tree
	default:
		return c, false
	}
	return c, true
}

// decodeRecord reads the record with this ID.
func decodeRecord(id, text string) (*rules.Record, error) {
	d := decoder{rest: text}
	r := &rules.Record{ID: lease.ID(id)}
	letters := d.until(' ')
	if len(letters) != 2 {
		return nil, malformed("record", text)
	}
	var known bool
	r.Status, known = statusOf[letters[0]]
	r.EndReason = reasonOf[letters[1]] // none for "-"
	r.Deadline, r.Token, r.Arrival = d.number(' '), lease.Token(d.number(' ')), d.number(' ')
	r.Updated, r.Ended, r.Created, r.Granted = d.number(' '), d.number(' '), d.number(' '), d.number(' ')
	r.Renewals, r.Key = int(d.number(' ')), d.number(' ')
	length := d.number(0)
	if d.bad || !known || length < 0 || length > int64(len(d.rest)) {
		return nil, malformed("record", text)
	}
	request := decoder{rest: d.rest[:length]}
	request.request(r)
	d.rest = d.rest[length:]
	r.Attempts, r.RenewOp, r.Successor, r.Actor, r.Reason = d.until(0), d.until(0), lease.ID(d.until(0)), d.until(0), d.until(0)
	r.Client = d.until(0)
	for chain := d.until(0); chain != ""; {
		id, rest, ok := cutID(chain)
		d.bad = d.bad || !ok
		r.Chain, chain = append(r.Chain, lease.ID(id)), rest
	}
	if r.Parent.ID == "" && len(r.Chain) > 0 {
		r.Parent.ID = r.Chain[0] // taken over from what it replaced
	}
	if d.bad || request.bad {
		return nil, malformed("record", text)
	}
	return r, nil
}

// decoder takes text apart from the front. bad says that it was not what was expected.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) until(end byte) string {
	at := strings.IndexByte(d.rest, end)
	if at < 0 {
		d.bad = true
		return ""
	}
	field := d.rest[:at]
	d.rest = d.rest[at+1:]
	return field
}

func (d *decoder) number(end byte) int64 {
	n, err := strconv.ParseInt(d.until(end), 10, 64)
	d.bad = d.bad || err != nil
	return n
}

// padded reads a number of so many places, with leading spaces, and the space behind it.
func (d *decoder) padded(width int) uint64 {
	if d.bad = d.bad || len(d.rest) <= width; d.bad {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimLeft(d.rest[:width], " "), 10, 64)
	d.bad = err != nil
	d.rest = d.rest[width+1:]
	return n
}

// request reads what encodeRequest wrote.
func (d *decoder) request(r *rules.Record) {
	r.TTL, r.MaxRenewals, r.Priority = d.number(' '), int(d.number(' ')), int(d.number(' '))
	r.Distinct = d.until(0) == "1"
	r.Holder = d.until(0)
	r.Replace.ID, r.Replace.Holder = lease.ID(d.until(0)), d.until(0)
	r.Replace.Token = lease.Token(d.number(0))
	r.Parent.ID, r.Parent.Holder = lease.ID(d.until(0)), d.until(0)
	r.Parent.Token = lease.Token(d.number(0))
	for !d.bad {
		claim := d.until(0)
		if claim == "" {
			break
		}
		c, ok := decodeClaim(claim[0], claim[1:])
		d.bad = d.bad || !ok
		r.Claims = append(r.Claims, c)
	}
	for d.rest != "" && !d.bad {
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		name := d.until(0)
		r.Labels[name] = d.until(0)
	}
}

// decodeEvent reads an event of the history: its number; kind, when it took effect and when it was recorded, actor,
// reason, and whose it is; and the record (not for a change of the configuration).
func decodeEvent(seq, about, record string) (lease.Event, error) {
	var e lease.Event
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return e, malformed("event number", seq)
	}
	d := decoder{rest: about}
	kind := d.until(' ')
	at := d.number(' ')
	d.number(0)
	e.Seq, e.At, e.Actor, e.Reason = lease.Seq(n), moment(at), d.until(0), d.until(0)
	if kind != "" {
		e.Kind = kindOf[kind[0]]
	}
	if d.bad || e.Kind == "" {
		return e, malformed("event", about)
	}
	if record != "" {
		r, err := decodeRecord(d.rest, record)
		if err != nil {
			return e, err
		}
		e.Lease = r.Lease()
	}
	return e, nil
}

// encodeConfig returns a configuration as the store has it: what the scripts look at, and all of it for the clients.
func encodeConfig(c lease.Config) (string, error) {
	all, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s %s %d %d %d %d %s", c.Version, bit(c.History), bit(c.HistoryRenewals),
		c.EndedRetention.Milliseconds(), c.EndedMax, c.HistoryRetention.Milliseconds(), c.HistoryMaxEvents, all), nil
}

func decodeConfig(text string) (lease.Config, error) {
	var c lease.Config
	at := strings.IndexByte(text, '{')
	if at < 0 {
		return c, malformed("configuration", text)
	}
	if err := json.Unmarshal([]byte(text[at:]), &c); err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// malformed is the error for what no version of this package wrote.
func malformed(what, text string) error {
	const most = 100
	return fmt.Errorf("%s of unknown form: %.*q", what, most, text)
}
