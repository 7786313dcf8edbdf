// Longtask is a task that takes longer than its lease's TTL. The lease is
// renewed while the task runs; if it is lost after all, taken away by an
// operator or cut off from the store, the task's context ends, and says why.
//
//	go run ./examples/longtask
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

const ttl = 1500 * time.Millisecond

func main() {
	dir, err := os.MkdirTemp("", "leasekit-longtask-")
	if err == nil {
		err = errors.Join(run(context.Background(), dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("OK: kept while it was needed, and every loss was told")
}

func run(ctx context.Context, dir string) error {
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	return errors.Join(renewed(ctx, m), revoked(ctx, m), cutOff(ctx, m))
}

func request(holder string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths("report.md"), TTL: ttl}
}

// renewed: the task outlasts its TTL, and still holds its lease.
func renewed(ctx context.Context, m lease.Manager) error {
	k := lease.NewKeeper(m, nil)
	defer k.Close()
	began := time.Now()
	return k.Do(ctx, request("writer"), nil, func(ctx context.Context, h *lease.Held) error {
		for time.Since(began) < 2*ttl { // the work, step by step
			select {
			case <-time.After(ttl / 10):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if _, err := m.TryAcquire(ctx, request("other")); !errors.Is(err, lease.ErrConflict) {
			return fmt.Errorf("another one asked for a file in use and got: %w", err)
		}
		fmt.Printf("writer works for two TTLs, renewed %d times; another one is refused\n", h.Lease().Renewals)
		return nil
	})
}

// revoked: an operator ends the lease. It is free at once; the task hears of it
// at its next renewal, after at most a third of the TTL.
func revoked(ctx context.Context, m lease.Manager) error {
	err := lease.Do(ctx, m, request("writer"), func(ctx context.Context, _ lease.Lease) error {
		by := lease.Revocation{Actor: "olga", Reason: "the report was dropped"}
		if _, err := m.ForceRelease(ctx, lease.Query{Holder: "writer"}, by); err != nil {
			return err
		}
		<-ctx.Done() // stop, clean up
		return context.Cause(ctx)
	})
	var lost *lease.LostError
	if !errors.As(err, &lost) || !errors.Is(lost, lease.ErrRevoked) || lost.Actor != "olga" {
		return fmt.Errorf("a lease was force-released, and its holder was told: %w", err)
	}
	fmt.Printf("writer was stopped: %v by %s: %s\n", lost.Err, lost.Actor, lost.Reason)
	return nil
}

// cutOff: nobody can tell the holder anything, for the store is out of reach.
// It counts for itself: its lease ends a little before the next one gets in.
func cutOff(ctx context.Context, m lease.Manager) error {
	link := &link{Manager: m}
	var next lease.Lease
	err := lease.Do(ctx, link, request("writer"), func(ctx context.Context, l lease.Lease) (err error) {
		link.cut.Store(true)
		if next, err = m.Acquire(context.WithoutCancel(ctx), request("next")); err != nil || l.Valid() { // it waited
			return errors.Join(errors.New("let in while another could rely on its lease"), err)
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if !errors.Is(err, lease.ErrExpired) {
		return fmt.Errorf("a holder was cut off, and was told: %w", err)
	}
	fmt.Printf("writer was cut off and knew when its lease had expired; %s got in after %v\n", next.Holder, next.Waited)
	return m.Release(ctx, next.Ref())
}

// link is the way to the store, which can be cut.
type link struct {
	lease.Manager
	cut atomic.Bool
}

func (l *link) Renew(ctx context.Context, ref lease.Ref, d time.Duration) (lease.Lease, error) {
	if l.cut.Load() {
		return lease.Lease{}, &lease.UnavailableError{Op: "renew", Err: errors.New("cut off")}
	}
	return l.Manager.Renew(ctx, ref, d)
}
