package sqlitebackend

import (
	"context"
	"database/sql"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Config implements [backend.Store].
func (s *Store) Config(ctx context.Context) (backend.ConfigReply, error) {
	reply, err := s.readConfig(ctx)
	reply.NoticesGone = s.client.Name() != ""
	return reply, err
}

func (s *Store) readConfig(ctx context.Context) (reply backend.ConfigReply, err error) {
	if s.reader.Stats().OpenConnections > 0 {
		err = s.look(ctx, "config", func(v *view) error {
			reply, err = rules.Config(v)
			return err
		})
		return reply, err
	}
	// Whoever takes one path and goes again needs no other connection than the
	// writer's.
	v := &view{store: s, before: s.newest.Load(), namespace: s.namespace}
	err = s.writer.Read(ctx, func(session *sqlitedb.Session) error {
		v.row = func(into []any, query string, args ...any) error {
			found, err := session.Get(query, args, into...)
			if err == nil && !found {
				return sql.ErrNoRows
			}
			return err
		}
		reply, err = rules.Config(v)
		return err
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
