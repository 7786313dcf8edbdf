package sqlitebackend

import (
	"context"
	"database/sql"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Config implements [backend.Store].
func (s *Store) Config(ctx context.Context) (backend.ConfigReply, error) {
	var reply backend.ConfigReply
	read := func(v *view) {
		reply = backend.ConfigReply{Config: v.config, Now: time.UnixMilli(v.now).UTC(), NoticesGone: s.client.Name() != ""}
	}
	if s.reader.Stats().OpenConnections > 0 {
		err := s.look(ctx, "config", func(v *view) error { read(v); return nil })
		return reply, err
	}
	// Whoever takes one path and goes again needs no other connection than the
	// writer's.
	before := s.newest.Load()
	err := s.writer.Read(ctx, func(session *sqlitedb.Session) error {
		v := &view{namespace: s.namespace}
		err := v.load(s, before, func(into []any, query string, args ...any) error {
			found, err := session.Get(query, args, into...)
			if err == nil && !found {
				return sql.ErrNoRows
			}
			return err
		})
		if err != nil {
			return err
		}
		read(v)
		return s.db.Check()
	})
	if err != nil {
		return reply, readFailed(ctx, "config", err)
	}
	return reply, nil
}

// SetConfig implements [backend.Store].
func (s *Store) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return run(ctx, s, sqlitedb.Call{}, func(st *rules.Step) (lease.Config, error) { return st.SetConfig(c) })
}
