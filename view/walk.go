package view

// walk is the holders of a graph as numbers: which of them wait for each other
// in a circle, how long the chains are, and which belong together.
type walk struct {
	names     []string
	number    map[string]int
	next      [][]int // whom each waits for
	component []int   // those in a circle share one
	cyclic    []bool
	depth     []int // the longest chain from here, each circle counted whole
	parent    []int // of the union of those that belong together
}

func newWalk(edges []edge) *walk {
	w := &walk{number: map[string]int{}}
	for _, e := range edges {
		from, to := w.numberOf(e.From), w.numberOf(e.To)
		w.next[from] = append(w.next[from], to)
		w.union(from, to)
	}
	w.components()
	return w
}

func (w *walk) numberOf(name string) int {
	n, ok := w.number[name]
	if !ok {
		n = len(w.names)
		w.number[name] = n
		w.names = append(w.names, name)
		w.next = append(w.next, nil)
		w.parent = append(w.parent, n)
	}
	return n
}

func (w *walk) root(n int) int {
	for w.parent[n] != n {
		w.parent[n] = w.parent[w.parent[n]]
		n = w.parent[n]
	}
	return n
}

func (w *walk) union(a, b int) { w.parent[w.root(a)] = w.root(b) }

// components is Tarjan's algorithm, without recursion, since a chain may be as
// long as the queue. It finishes a component after all those that it leads to,
// so their depths are known by then.
func (w *walk) components() {
	n := len(w.names)
	w.component, w.cyclic, w.depth = make([]int, n), make([]bool, n), make([]int, n)
	index, low, on := make([]int, n), make([]int, n), make([]bool, n)
	var stack []int
	type frame struct{ at, edge int }
	count := 0
	for start := range n {
		if index[start] != 0 {
			continue
		}
		frames := []frame{{at: start}}
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			v := f.at
			if f.edge == 0 && index[v] == 0 {
				count++
				index[v], low[v], on[v] = count, count, true
				stack = append(stack, v)
			}
			if f.edge < len(w.next[v]) {
				to := w.next[v][f.edge]
				f.edge++
				switch {
				case index[to] == 0:
					frames = append(frames, frame{at: to})
				case on[to]:
					low[v] = min(low[v], index[to])
				}
				continue
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				up := frames[len(frames)-1].at
				low[up] = min(low[up], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			at := len(stack) - 1
			for stack[at] != v {
				at--
			}
			w.finish(stack[at:], v, on)
			stack = stack[:at]
		}
	}
}

// finish notes a component and the longest chain from it.
func (w *walk) finish(members []int, name int, on []bool) {
	for _, m := range members {
		w.component[m], on[m] = name, false
	}
	depth := 0
	for _, m := range members {
		for _, to := range w.next[m] {
			if w.component[to] != name {
				depth = max(depth, w.depth[to]+1)
			}
		}
	}
	if len(members) > 1 {
		depth += len(members) - 1
	}
	for _, m := range members {
		w.depth[m], w.cyclic[m] = depth, len(members) > 1
	}
}
