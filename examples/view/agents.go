package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

var (
	tasks = []string{"fix the login redirect", "rename Config to Settings", "cache the index", "update the docs", "add metrics", "split the parser"}
	files = []string{
		"cmd/server/main.go", "internal/auth/login.go", "internal/auth/session.go", "internal/config/load.go",
		"internal/index/build.go", "internal/index/query.go", "internal/parse/lexer.go", "internal/parse/parser.go",
		"web/app.js", "web/style.css", "docs/index.md", "go.mod",
	}
)

// agents work until ctx ends: each edits some files, reads some, and sometimes
// takes a whole directory.
func agents(ctx context.Context, m lease.Manager) error {
	var group sync.WaitGroup
	errs := make([]error, len(tasks))
	for i, task := range tasks {
		group.Go(func() {
			errs[i] = agent(ctx, m, fmt.Sprintf("agent-%d", i+1), task)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func agent(ctx context.Context, m lease.Manager, holder, task string) error {
	for ctx.Err() == nil {
		err := lease.Do(ctx, m, lease.Request{
			Holder: holder, Claims: some(), TTL: 15 * time.Second, Timeout: time.Minute,
			Labels: map[string]string{"task": task},
		}, func(ctx context.Context, _ lease.Lease) error {
			return work(ctx)
		})
		// The page may have ended the lease, and the end of the program ends all.
		if err != nil && !errors.Is(err, lease.ErrRevoked) && !errors.Is(err, lease.ErrTimeout) && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func some() []lease.Claim {
	pick := func() string { return files[rand.IntN(len(files))] }
	switch rand.IntN(6) {
	case 0:
		return lease.Trees("internal/parse")
	case 1:
		return lease.SharedPaths(pick(), pick())
	case 2:
		return lease.Paths(pick(), pick())
	}
	return lease.Paths(pick())
}

func work(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second/2 + rand.N(2*time.Second)):
		return nil
	}
}
