package sqlitedb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/uptrace/bun"
)

// Session is the writer's connection with the statements prepared on it.
// Everything runs without a deadline: a statement that a context interrupts
// takes the whole transaction with it, and the driver may report an error for
// a commit that has happened.
//
// It speaks to the driver itself: for statements of some microseconds half of
// what database/sql does would be its own bookkeeping. That is safe because the
// session alone has the connection, which database/sql keeps for it until it is
// given back.
type Session struct {
	connection bun.Conn
	driver     driver.ConnPrepareContext
	identity   any // the driver's connection, to tell connections apart
	statements map[string]*statement

	args []driver.NamedValue // room for those of a statement
	row  []driver.Value      // room for a row
}

// statement is a prepared statement of the driver.
type statement struct {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newSession(connection bun.Conn) (*Session, error) {
	s := &Session{connection: connection, statements: make(map[string]*statement)}
	err := connection.Raw(func(driverConnection any) error {
		s.identity = driverConnection
		prepares, ok := driverConnection.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("driver connection %T cannot prepare statements", driverConnection)
		}
		s.driver = prepares
		return nil
	})
	return s, err
}

// alive reports whether the connection is still ours: database/sql has closed
// the one whose driver called it bad.
func (s *Session) alive() bool {
	if s.connection.Raw(func(any) error { return nil }) == nil {
		return true
	}
	clear(s.statements) // they have gone with it
	return false
}

// maxStatements bounds the memory of prepared statements: there is one for each
// depth of a path, and paths may be deep. Ordinary use has some fifty.
const maxStatements = 300

// statement returns the prepared statement of a query text.
func (s *Session) statement(query string) (*statement, error) {
	if known, ok := s.statements[query]; ok {
		return known, nil
	}
	prepared, err := s.driver.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	made := &statement{Stmt: prepared}
	var executes, queries bool
	made.StmtExecContext, executes = prepared.(driver.StmtExecContext)
	made.StmtQueryContext, queries = prepared.(driver.StmtQueryContext)
	if !executes || !queries {
		return nil, errors.Join(fmt.Errorf("driver statement %T takes no context", prepared), prepared.Close())
	}
	if len(s.statements) >= maxStatements {
		s.close()
		clear(s.statements)
	}
	s.statements[query] = made
	return made, nil
}

// bind turns arguments into the driver's.
func (s *Session) bind(args []any) ([]driver.NamedValue, error) {
	s.args = s.args[:0]
	for i, arg := range args {
		value, err := driverValue(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return s.args, nil
}

// Exec runs a query that returns no rows.
func (s *Session) Exec(query string, args ...any) error {
	_, err := s.exec(query, args)
	return err
}

// Change is [Session.Exec] that returns how many rows were changed.
func (s *Session) Change(query string, args ...any) (int, error) {
	result, err := s.exec(query, args)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

func (s *Session) exec(query string, args []any) (driver.Result, error) {
	prepared, err := s.statement(query)
	if err != nil {
		return nil, err
	}
	values, err := s.bind(args)
	if err != nil {
		return nil, err
	}
	return prepared.ExecContext(context.Background(), values)
}

// Get reads the first row of a query; false if there is none.
func (s *Session) Get(query string, args []any, into ...any) (found bool, err error) {
	rows, err := s.query(query, args)
	if err != nil {
		return false, err
	}
	found, err = s.next(rows)
	if found {
		err = s.scan(into...)
	}
	return found && err == nil, closeRows(rows, err)
}

// Each calls row for every row of a query, until it returns an error. Within
// row no other query may run.
func (s *Session) Each(query string, args []any, row func(scan func(into ...any) error) error) error {
	rows, err := s.query(query, args)
	if err != nil {
		return err
	}
	for {
		found, err := s.next(rows)
		if err == nil && found {
			err = row(s.scan)
		}
		if err != nil || !found {
			return closeRows(rows, err)
		}
	}
}

// query begins to read, with room for a row.
func (s *Session) query(query string, args []any) (driver.Rows, error) {
	prepared, err := s.statement(query)
	if err != nil {
		return nil, err
	}
	values, err := s.bind(args)
	if err != nil {
		return nil, err
	}
	rows, err := prepared.QueryContext(context.Background(), values)
	if err != nil {
		return nil, err
	}
	n := len(rows.Columns())
	if cap(s.row) < n {
		s.row = make([]driver.Value, n)
	}
	s.row = s.row[:n]
	return rows, nil
}

// next reads a row; false if there are no more.
func (s *Session) next(rows driver.Rows) (bool, error) {
	err := rows.Next(s.row)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

func closeRows(rows driver.Rows, err error) error {
	if closeErr := rows.Close(); closeErr != nil {
		return errors.Join(err, closeErr)
	}
	return err
}

// scan stores the columns of the row that was read last.
func (s *Session) scan(into ...any) error {
	if len(into) != len(s.row) {
		return fmt.Errorf("%d columns for %d variables", len(s.row), len(into))
	}
	for i, target := range into {
		if err := assign(target, s.row[i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// close closes the statements, not the connection.
func (s *Session) close() {
	for _, prepared := range s.statements {
		_ = prepared.Close()
	}
}
