package sqlitedb

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

type (
	name  string
	count uint64
	kind  int8
)

func TestValues(t *testing.T) {
	_, w := newCounters(t, Hooks{})
	var (
		whole   int64
		small   int
		text    string
		bytes   []byte
		yes     bool
		null    sql.NullString
		some    sql.NullInt64
		own     name
		tokens  count
		mode    kind
		nothing string
		zero    int64
	)
	require.NoError(t, w.Do(t.Context(), Call{}, func(b *Batch) error {
		found, err := b.Get("SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL",
			[]any{int64(1) << 60, -2, "three", []byte("four"), true, nil, 7, name("eight"), count(9), kind(-10)},
			&whole, &small, &text, &bytes, &yes, &null, &some, &own, &tokens, &mode, &nothing, &zero)
		require.True(t, found)
		return err
	}))
	require.EqualValues(t, 1<<60, whole)
	require.Equal(t, -2, small)
	require.Equal(t, "three", text)
	require.Equal(t, []byte("four"), bytes)
	require.True(t, yes)
	require.False(t, null.Valid)
	require.Equal(t, sql.NullInt64{Int64: 7, Valid: true}, some)
	require.Equal(t, name("eight"), own)
	require.EqualValues(t, 9, tokens)
	require.EqualValues(t, -10, mode)
	require.Empty(t, nothing)
	require.Zero(t, zero)

	for _, into := range []any{new(int64), new(int), new(bool), new(count), 7, new(struct{})} {
		require.ErrorContains(t, w.Do(t.Context(), Call{}, func(b *Batch) error {
			_, err := b.Get("SELECT 'text'", nil, into)
			return err
		}), "does not fit")
	}
	require.Error(t, w.Do(t.Context(), Call{}, func(b *Batch) error { return b.Exec("SELECT ?", struct{}{}) }))
	require.ErrorContains(t, w.Do(t.Context(), Call{}, func(b *Batch) error {
		_, err := b.Get("SELECT 1, 2", nil, new(int))
		return err
	}), "2 columns for 1 variables")
}
