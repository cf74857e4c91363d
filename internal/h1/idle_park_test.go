package h1

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdleTimeoutOfFirstPark: the first wait parks at once, so nothing of
// IdleTimeout has passed.
func TestIdleTimeoutOfFirstPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: handlerFunc(play), Now: clock, IdleTimeout: 11 * time.Second}
		p := park(t, s, false)
		p.trip(1, getA)
		began := time.Now()
		_, _ = io.ReadAll(p.nc)
		if d := time.Since(began); d < 10*time.Second {
			t.Errorf("closed after %v, want Now: clock, IdleTimeout: 11s", d)
		}
		p.gone()
	})
}
