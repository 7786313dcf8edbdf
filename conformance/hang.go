package conformance

import (
	"fmt"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// hung is how much longer than the limit of its context a case may take. Nothing
// but the end of the process ends one that waits for what never comes, in a
// bubble even less than elsewhere.
type hung struct{ virtual, real time.Duration }

var hangs = hung{virtual: virtualLimit + time.Hour, real: 2 * realLimit}

// within runs body where the fixture's clock is: in a bubble, or in real time. If
// it does not come to an end it ends the process, with what it was about.
func within(t *testing.T, fixture Fixture, about func() string, body func(t *testing.T)) {
	clock := time.AfterFunc(hangs.real, func() { giveUp(t, about, hangs.real, "real") })
	defer clock.Stop()
	if fixture.RealTime {
		body(t)
		return
	}
	synctest.Test(t, func(t *testing.T) {
		virtual := time.AfterFunc(hangs.virtual, func() { giveUp(t, about, hangs.virtual, "virtual") })
		t.Cleanup(func() { virtual.Stop() }) // after all other cleanups
		body(t)
	})
}

func giveUp(t *testing.T, about func() string, limit time.Duration, clock string) {
	debug.SetTraceback("all")
	panic(fmt.Sprintf("%s did not come to an end within %v of %s time: %s", t.Name(), limit, clock, about()))
}
