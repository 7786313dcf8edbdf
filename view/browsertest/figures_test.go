package browsertest

import (
	"slices"
	"testing"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

// What a person waits for: a new holder on the page, and the first paint of a
// page with 25,000 lines. The figures are medians.
func BenchmarkPage(b *testing.B) {
	for name, store := range stores {
		b.Run("new-holder/"+name, func(b *testing.B) {
			m := store(b)
			b.Cleanup(func() { m.Close() })
			benchmarkNewHolder(b, m)
		})
	}
	b.Run("first-paint", func(b *testing.B) {
		m := stores["sqlite"](b)
		b.Cleanup(func() { m.Close() })
		fill(b, m)
		s := serve(b, m, view.Options{})
		var painted, lines []float64
		for b.Loop() {
			page := open(b, s.url+"#now?view=list", 1280, 800)
			p, l := paint(page)
			painted, lines = append(painted, p), append(lines, l)
			page.close()
		}
		b.ReportMetric(median(painted), "ms/first-paint")
		b.ReportMetric(median(lines), "ms/lines")
	})
}

func benchmarkNewHolder(b *testing.B, m lease.Manager) {
	b.Helper()
	s := serve(b, m, view.Options{})
	page := open(b, s.url, 1280, 800)
	page.shows("Live")
	var took []float64
	for b.Loop() {
		took = append(took, showNew(page, m, len(took)))
	}
	b.ReportMetric(median(took), "ms/shown")
	page.close()
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
