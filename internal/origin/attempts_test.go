package origin

import (
	"fmt"
	"testing"
	"time"

	"opencache/internal/wire"
)

// An exchange is noted as one attempt: its server, what came or what failed,
// and the time until then.
func TestAttemptsNoted(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.HeadTimeout = 3 * time.Second
		var tried wire.Attempts
		for range 2 {
			r := get(t)
			r.Attempts = &tried
			_, _, _ = fetch(u, r)
		}
		got := ""
		for _, one := range tried.All() {
			got += fmt.Sprintf("%t %d %q %v; ", one.Server == u.Addr, one.Status, one.Why, one.Took)
		}
		if want := `true 200 "" 0s; true 0 "head-timeout" 3s; `; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}, func(p *peer) { p.head(); p.say(ok2); p.head(); p.expectEnd() })
}
