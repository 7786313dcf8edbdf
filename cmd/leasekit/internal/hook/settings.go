package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Hold says how long a session keeps what it has written.
type Hold string

// The values of Hold.
const (
	HoldTurn    Hold = "turn"    // until the host's turn ends
	HoldSession Hold = "session" // until the session ends
	HoldWrite   Hold = "write"   // until the tool has run
)

// Settings are the member "hook" of the configuration file.
type Settings struct {
	TTL      time.Duration // how long a claim outlasts the session's last call; 10 min
	Wait     time.Duration // how long a call waits in line before it is refused; 0: not at all
	Deadline time.Duration // when the hook ends by itself, below the host's own; 50 s
	Hold     Hold
	Reads    string // "none", or "shared": a read takes a shared claim
	OnError  string // "allow" with a visible warning, or "deny"
}

const (
	readsNone   = "none"
	readsShared = "shared"
	allowError  = "allow"
	denyError   = "deny"
)

func defaults() Settings {
	return Settings{
		TTL: 10 * time.Minute, Deadline: 50 * time.Second,
		Hold: HoldTurn, Reads: readsNone, OnError: allowError,
	}
}

// maxTTL bounds the TTL: a checkout's configuration must not keep files from
// everybody for days.
const maxTTL = 24 * time.Hour

// apply reads the configuration's member over the settings. A member that is
// not known is an error: what it was to achieve would not happen.
func (s *Settings) apply(raw json.RawMessage) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var file struct {
		TTL      duration `json:"ttl"`
		Wait     duration `json:"wait"`
		Deadline duration `json:"deadline"`
		Hold     Hold     `json:"hold"`
		Reads    string   `json:"reads"`
		OnError  string   `json:"on_error"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return fmt.Errorf("hook: %w", err)
	}
	for _, f := range []struct {
		to   *time.Duration
		from duration
	}{{&s.TTL, file.TTL}, {&s.Wait, file.Wait}, {&s.Deadline, file.Deadline}} {
		if f.from != 0 {
			*f.to = time.Duration(f.from)
		}
	}
	if file.Hold != "" {
		s.Hold = file.Hold
	}
	if file.Reads != "" {
		s.Reads = file.Reads
	}
	if file.OnError != "" {
		s.OnError = file.OnError
	}
	return s.check()
}

func (s *Settings) check() error {
	switch {
	case s.Hold != HoldTurn && s.Hold != HoldSession && s.Hold != HoldWrite:
		return fmt.Errorf("hook: hold: %q, want turn, session or write", s.Hold)
	case s.Reads != readsNone && s.Reads != readsShared:
		return fmt.Errorf("hook: reads: %q, want none or shared", s.Reads)
	case s.OnError != allowError && s.OnError != denyError:
		return fmt.Errorf("hook: on_error: %q, want allow or deny", s.OnError)
	case s.TTL < time.Second || s.TTL > maxTTL:
		return fmt.Errorf("hook: ttl: %v, want 1s to %v", s.TTL, maxTTL)
	case s.Wait < 0 || s.Deadline < time.Second:
		return fmt.Errorf("hook: wait %v, deadline %v: wait must not be negative, the deadline at least 1s", s.Wait, s.Deadline)
	}
	return nil
}

// duration is a duration as text: "30s".
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}
