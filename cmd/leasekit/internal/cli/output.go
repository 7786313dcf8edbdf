package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
)

// The formats of what a command prints on standard output.
const (
	formatTable = "table" // for people
	formatWide  = "wide"  // a table with more columns
	formatJSON  = "json"  // one document
	formatJSONL = "jsonl" // one document a line
	formatName  = "name"  // one name a line, for scripts
	formatShell = "sh"    // assignments for eval
)

const outputFlag = "output"

// format is the value of -o.
type format struct {
	value   string
	allowed []string
}

// addFormat adds -o to a command. The first of the formats is the default.
func addFormat(cmd *cobra.Command, allowed ...string) {
	f := &format{value: allowed[0], allowed: allowed}
	cmd.Flags().VarP(f, outputFlag, "o", "what to print: "+strings.Join(allowed, "|"))
	_ = cmd.RegisterFlagCompletionFunc(outputFlag, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

// String returns the format.
func (f *format) String() string { return f.value }

// Type is what --help calls the value.
func (f *format) Type() string { return "format" }

// Set checks the format.
func (f *format) Set(s string) error {
	if !slices.Contains(f.allowed, s) {
		return fmt.Errorf("no such format here, want %s", strings.Join(f.allowed, ", "))
	}
	f.value = s
	return nil
}

// wantsJSON reports whether a command was asked for JSON.
func wantsJSON(cmd *cobra.Command) bool {
	if cmd == nil {
		return false
	}
	flag := cmd.Flags().Lookup(outputFlag)
	return flag != nil && (flag.Value.String() == formatJSON || flag.Value.String() == formatJSONL)
}

// rows writes many results in one format: as a table, as one JSON array, as one
// document a line, or as names.
type rows[T any] struct {
	format  *format
	headers []string               // of the table
	wide    []string               // more of them, for wide
	cells   func(T, bool) []string // the table's cells; the flag asks for those of wide, too
	name    func(T) string         // for -o name
	stream  bool                   // each row is shown as soon as it comes
	out     *bufio.Writer
	tabs    *tabwriter.Writer
	all     []T
	started bool
}

// start prepares the output.
func (r *rows[T]) start(out io.Writer) {
	r.out = bufio.NewWriter(out)
	r.tabs = tabwriter.NewWriter(r.out, 0, 8, 2, ' ', 0)
	r.all = []T{} // an empty list is [], not null
}

// add writes one result.
func (r *rows[T]) add(v T) error {
	switch r.format.value {
	case formatJSON:
		if !r.stream {
			r.all = append(r.all, v)
			return nil
		}
		fallthrough
	case formatJSONL:
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, _ = r.out.Write(append(b, '\n')) // a bufio.Writer keeps its error for Flush
	case formatName:
		_, _ = r.out.WriteString(text.Printable(r.name(v)) + "\n")
	default:
		r.line(v)
	}
	if r.stream {
		return r.flush()
	}
	return nil
}

// line writes one line of the table, before the first one the headers.
func (r *rows[T]) line(v T) {
	wide := r.format.value == formatWide
	if !r.started {
		r.started = true
		headers := r.headers
		if wide {
			headers = append(slices.Clone(headers), r.wide...)
		}
		r.tab(headers)
	}
	r.tab(r.cells(v, wide))
}

func (r *rows[T]) tab(cells []string) {
	for i, c := range cells {
		cells[i] = text.Printable(c)
	}
	_, _ = io.WriteString(r.tabs, strings.Join(cells, "\t")+"\n") // kept for Flush
}

func (r *rows[T]) flush() error {
	if err := r.tabs.Flush(); err != nil {
		return err
	}
	return r.out.Flush()
}

// end writes what is left. A table without rows is the sentence on words.
func (r *rows[T]) end(words io.Writer, none string) error {
	switch {
	case r.format.value == formatJSON && !r.stream:
		if err := writeJSON(r.out, r.all); err != nil {
			return err
		}
	case !r.started && (r.format.value == formatTable || r.format.value == formatWide) && none != "":
		_, _ = fmt.Fprintln(words, none)
	}
	return r.flush()
}

// writeJSON writes one document for a program, indented for people who look.
func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeErr turns a failed write of the output into an error of its own.
func writeErr(err error) error {
	if err == nil {
		return nil
	}
	return &exit.Error{Status: exit.Failed, Code: "output", Err: fmt.Errorf("write the output: %w", err)}
}
