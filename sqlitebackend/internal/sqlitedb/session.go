package sqlitedb

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
)

// Session is the writer's connection with the statements prepared on it.
// Everything runs without a deadline: a statement that a context interrupts
// takes the whole transaction with it, and the driver may report an error for
// a commit that has happened.
type Session struct {
	connection bun.Conn
	identity   any // the driver's connection, to tell connections apart
	statements map[string]*sql.Stmt
}

func newSession(connection bun.Conn) (*Session, error) {
	s := &Session{connection: connection, statements: make(map[string]*sql.Stmt)}
	err := connection.Raw(func(driverConnection any) error {
		s.identity = driverConnection
		return nil
	})
	return s, err
}

// maxStatements bounds the memory of prepared statements: there is one for each
// depth of a path, and paths may be deep. Ordinary use has some fifty.
const maxStatements = 300

// statement returns the prepared statement of a query text.
func (s *Session) statement(query string) (*sql.Stmt, error) {
	if statement, ok := s.statements[query]; ok {
		return statement, nil
	}
	statement, err := s.connection.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	if len(s.statements) >= maxStatements {
		s.close()
		clear(s.statements)
	}
	s.statements[query] = statement
	return statement, nil
}

// Exec runs a query that returns no rows.
func (s *Session) Exec(query string, args ...any) error {
	_, err := s.Change(query, args...)
	return err
}

// Change is [Session.Exec] that returns how many rows were changed.
func (s *Session) Change(query string, args ...any) (int, error) {
	statement, err := s.statement(query)
	if err != nil {
		return 0, err
	}
	result, err := statement.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// Get reads the first row of a query; false if there is none.
func (s *Session) Get(query string, args []any, into ...any) (bool, error) {
	statement, err := s.statement(query)
	if err != nil {
		return false, err
	}
	err = statement.QueryRowContext(context.Background(), args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Each calls row for every row of a query, until it returns an error. Within
// row no other query may run.
func (s *Session) Each(query string, args []any, row func(scan func(into ...any) error) error) (err error) {
	statement, err := s.statement(query)
	if err != nil {
		return err
	}
	rows, err := statement.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// close closes the statements, not the connection.
func (s *Session) close() {
	for _, statement := range s.statements {
		_ = statement.Close()
	}
}
