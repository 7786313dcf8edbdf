package top

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
)

// Section is one of the tables.
type Section int

// The tables, in the order in which they are shown.
const (
	Paths Section = iota
	Waits
	Holders
	sections
)

var titles = [sections]string{"HOTTEST PATHS", "LONGEST WAITS", "LEASES, THE OLDEST FIRST"}

// Look is how the state is shown.
type Look struct {
	Width, Height int
	Focus         Section // the table that scrolls, and gets the most lines
	Offset        int     // how far it is scrolled
	Filter        string  // only what contains this
	Paused        bool
	Typing        bool // the filter is being typed
}

var (
	bold = lipgloss.NewStyle().Bold(true)
	dim  = lipgloss.NewStyle().Faint(true)
	warn = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	bad  = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
)

// Render draws the state; the terminal drops what it has no colours for.
func Render(s State, l Look) string {
	lines := []string{s.head(l), s.status(l)}
	room := l.Height - len(lines) - 1
	for section := range sections {
		rows := s.rows(section, l)
		height := (room - int(sections)) / 4 // a half for the focused one
		if section == l.Focus {
			height = room - int(sections)*2 + 1 - 2*height
			rows = rows[min(l.Offset, max(0, len(rows)-1)):]
		}
		title := titles[section] + " " + strconv.Itoa(len(rows))
		if section == l.Focus {
			title = bold.Render("▸ " + title)
		} else {
			title = dim.Render("  " + title)
		}
		lines = append(lines, title)
		lines = append(lines, rows[:max(0, min(len(rows), height))]...)
		lines = append(lines, "")
	}
	lines = lines[:min(len(lines), max(0, l.Height-1))]
	lines = append(lines, dim.Render(cut("q quit  tab next table  ↑↓ scroll  / filter  p pause", l.Width)))
	return strings.Join(lines, "\n")
}

func (s State) head(l Look) string {
	longest := "-"
	if len(s.Snapshot.Waiting) > 0 {
		longest = text.Span(s.Snapshot.Age(oldest(s.Snapshot.Waiting)))
	}
	return bold.Render(cut(fmt.Sprintf("leasekit  %s  leases %d  waiters %d  longest wait %s",
		text.Printable(s.Store), len(s.Snapshot.Active), len(s.Snapshot.Waiting), longest), l.Width))
}

// status is what is special at the moment.
func (s State) status(l Look) string {
	switch {
	case l.Typing:
		return warn.Render(cut("filter: "+text.Printable(l.Filter)+"▏", l.Width))
	case s.Err != nil:
		return bad.Render(cut(text.Printable(s.Err.Error()), l.Width))
	case l.Paused:
		return warn.Render("paused, as of " + s.At.Format(time.TimeOnly))
	case l.Filter != "":
		return warn.Render(cut("only what contains "+text.Printable(l.Filter), l.Width))
	}
	return ""
}

// rows are the lines of a table.
func (s State) rows(section Section, l Look) []string {
	var rows []string
	add := func(format string, args ...any) {
		row := text.Printable(fmt.Sprintf(format, args...))
		if l.Filter == "" || strings.Contains(row, l.Filter) {
			rows = append(rows, cut(row, l.Width))
		}
	}
	switch section {
	case Paths:
		for _, h := range s.Hot {
			add("%4d waiting %4d holding %5d granted  %s", h.Waiters, h.Holders, h.Grants, h.Path)
		}
	case Waits:
		waiting := slices.SortedStableFunc(slices.Values(s.Snapshot.Waiting), func(a, b lease.Lease) int { return a.CreatedAt.Compare(b.CreatedAt) })
		for _, w := range waiting {
			add("%8s  %s waits for %s", text.Span(s.Snapshot.Age(w)), w.Holder, text.Claims(w.Claims, 3))
		}
	case Holders:
		held := slices.SortedStableFunc(slices.Values(s.Snapshot.Active), func(a, b lease.Lease) int { return a.GrantedAt.Compare(b.GrantedAt) })
		for _, h := range held {
			add("%8s  %s holds %s for another %s", text.Span(s.Snapshot.Age(h)), h.Holder, text.Claims(h.Claims, 3), text.Span(h.ExpiresAt.Sub(s.Snapshot.Now)))
		}
	}
	return rows
}

func oldest(leases []lease.Lease) lease.Lease {
	return slices.MinFunc(leases, func(a, b lease.Lease) int { return a.CreatedAt.Compare(b.CreatedAt) })
}

// cut shortens a line to the terminal's width.
func cut(line string, width int) string {
	if width <= 0 || lipgloss.Width(line) <= width {
		return line
	}
	var b strings.Builder
	used := 0
	for _, r := range line {
		w := lipgloss.Width(string(r))
		if used+w > width-1 {
			break
		}
		used += w
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// Plain is Render without colours.
func Plain(s State, width, height int) string {
	return ansi.Strip(Render(s, Look{Width: width, Height: height, Focus: Holders}))
}
