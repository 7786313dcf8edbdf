package rowtext

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// past is a lease in the history: shorter, and faster to write, than a
// lease.Lease. Times are those of rules.Record; the ID has a column of its own.
// AppendLease writes it.
type past struct {
	Token       lease.Token       `json:"token"`
	Holder      string            `json:"holder"`
	Claims      []claimText       `json:"claims"`
	Status      string            `json:"status"`
	EndReason   lease.EndReason   `json:"end_reason"`
	TTL         int64             `json:"ttl"`
	Renewals    int               `json:"renewals"`
	MaxRenewals int               `json:"max_renewals"`
	Priority    int               `json:"priority"`
	Distinct    bool              `json:"distinct"`
	Labels      map[string]string `json:"labels"`
	Replaced    lease.ID          `json:"replaced"`
	ReplacedBy  lease.ID          `json:"replaced_by"`
	Parent      lease.ID          `json:"parent"`
	Actor       string            `json:"actor"`
	Reason      string            `json:"note"`
	Created     int64             `json:"created_at"`
	Granted     int64             `json:"granted_at"`
	Deadline    int64             `json:"deadline"`
	Updated     int64             `json:"updated_at"`
}

// AppendLease appends a lease as JSON, without its ID and what is empty. It is written
// for every renewal, so by hand: encoding/json takes four times as long, and
// leaves twice as much garbage.
func AppendLease(b []byte, l *lease.Lease) ([]byte, error) {
	b = append(b, `{"holder":`...)
	b = appendText(b, l.Holder)
	b = append(b, `,"claims":`...)
	b = AppendClaims(b, l.Claims)
	b = appendTextField(b, "status", l.Status.String())
	b = appendTextField(b, "end_reason", string(l.EndReason))
	b = appendTextField(b, "replaced", string(l.Replaced))
	b = appendTextField(b, "replaced_by", string(l.ReplacedBy))
	b = appendTextField(b, "parent", string(l.Parent))
	b = appendTextField(b, "actor", l.Revoked.Actor)
	b = appendTextField(b, "note", l.Revoked.Reason)
	b = appendNumberField(b, "token", int64(l.Token))
	b = appendNumberField(b, "ttl", l.TTL.Milliseconds())
	b = appendNumberField(b, "renewals", int64(l.Renewals))
	b = appendNumberField(b, "max_renewals", int64(l.MaxRenewals))
	b = appendNumberField(b, "priority", int64(l.Priority))
	b = appendNumberField(b, "created_at", millis(l.CreatedAt))
	b = appendNumberField(b, "granted_at", millis(l.GrantedAt))
	b = appendNumberField(b, "deadline", millis(l.ExpiresAt))
	b = appendNumberField(b, "updated_at", millis(l.UpdatedAt))
	if l.Distinct {
		b = append(b, `,"distinct":true`...)
	}
	if len(l.Labels) > 0 {
		labels, err := json.Marshal(l.Labels)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"labels":`...), labels...)
	}
	return append(b, '}'), nil
}

func appendTextField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendText(b, value)
}

func appendNumberField(b []byte, name string, value int64) []byte {
	if value == 0 {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendInt(b, value, 10)
}

// ReadLease reads what AppendLease wrote.
func ReadLease(id lease.ID, text []byte) (lease.Lease, error) {
	var p past
	if err := json.Unmarshal(text, &p); err != nil {
		return lease.Lease{}, err
	}
	r := rules.Record{
		ID: id, Token: p.Token, Holder: p.Holder, Claims: claimsOf(p.Claims), EndReason: p.EndReason,
		TTL: p.TTL, Renewals: p.Renewals, MaxRenewals: p.MaxRenewals, Priority: p.Priority, Labels: p.Labels,
		Distinct: p.Distinct, Replace: lease.Ref{ID: p.Replaced}, Parent: lease.Ref{ID: p.Parent}, Successor: p.ReplacedBy, Actor: p.Actor, Reason: p.Reason,
		Created: p.Created, Granted: p.Granted, Deadline: p.Deadline, Updated: p.Updated,
	}
	err := r.Status.UnmarshalText([]byte(p.Status))
	return r.Lease(), err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
