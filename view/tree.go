package view

import (
	"sort"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// smallDirectory is how many claims a directory may have to be open at first.
const smallDirectory = 100

// tree makes lines of claims in the order of paths: one for each directory and,
// where it is open, those of what is in it. Directories with a single entry
// are joined with it to one line.
type tree struct {
	rows         []*row
	opened, shut map[string]bool
	all          bool // everything is open that is not shut
	from, to     int  // the window

	count  int // lines so far
	window []row
	held   []int // how many of the rows before this one are leases
}

func (t *tree) walk() {
	t.held = make([]int, len(t.rows)+1)
	for i := range t.rows {
		t.held[i+1] = t.held[i]
		if t.rows[i].Kind == "lease" {
			t.held[i+1]++
		}
	}
	t.inside("", 0, len(t.rows), 0)
}

// inside makes the lines of rows[lo:hi], all of them at or below dir. The root
// is "" here, where every path is below it and "/" is one of its entries.
func (t *tree) inside(dir string, lo, hi, depth int) {
	skip := 0
	if dir != "" {
		skip = len(dir) + 1
	}
	first := lo
	for lo < hi {
		path := t.rows[lo].Path
		if path == dir {
			t.line(t.rows[lo], ".", depth)
			lo++
			continue
		}
		var end int
		entry := path
		if path != lease.Root {
			if slash := strings.IndexByte(path[skip:], '/'); slash >= 0 {
				entry = path[:skip+slash]
			}
			end = lo + sort.Search(hi-lo, func(i int) bool {
				p := t.rows[lo+i].Path
				return p != entry && !below(p, entry)
			})
		} else {
			end = lo + sort.Search(hi-lo, func(i int) bool { return t.rows[lo+i].Path != lease.Root })
		}
		t.entry(entry, skip, lo, end, depth, first == lo && end == hi)
		lo = end
	}
}

// entry makes the lines of what is at or below a path.
func (t *tree) entry(entry string, skip, lo, hi, depth int, only bool) {
	// Join with the entry below as long as there is one only.
	for t.rows[lo].Path != entry {
		path := t.rows[lo].Path
		longer := path
		if slash := strings.IndexByte(path[len(entry)+1:], '/'); slash >= 0 {
			longer = path[:len(entry)+1+slash]
		}
		if last := t.rows[hi-1].Path; last != longer && !below(last, longer) {
			break
		}
		entry = longer
	}
	name := entry[min(skip, len(entry)):]
	if t.rows[hi-1].Path == entry { // nothing below: no directory
		for i := lo; i < hi; i++ {
			t.line(t.rows[i], name, depth)
		}
		return
	}
	open := (only || hi-lo <= smallDirectory || t.all || t.opened[entry]) && !t.shut[entry]
	t.line(&row{
		Kind: "dir", Path: entry, Open: open,
		Held: t.held[hi] - t.held[lo], Waiting: hi - lo - (t.held[hi] - t.held[lo]),
	}, name+"/", depth)
	if open {
		t.inside(entry, lo, hi, depth+1)
	}
}

// line counts a line, and keeps it if it is in the window.
func (t *tree) line(full *row, name string, depth int) {
	if t.count >= t.from && t.count < t.to {
		r := *full
		r.Name, r.Depth = shorten(name), depth
		if r.Kind != "dir" { // a directory's path is what opens it
			r.Path = shorten(r.Path)
		}
		t.window = append(t.window, r)
	}
	t.count++
}
