package telemetry

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask counts n requests of a site.
func ask(m *Metrics, site *SiteCounts, n int) {
	for range n {
		r := sample()
		r.Count = site
		m.Observe(r)
	}
}

// bySite are the requests that an exposition shows, by site.
func bySite(t *testing.T, m *Metrics) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(text(t, m)) {
		if rest, ok := strings.CutPrefix(line, `opencache_site_requests_total{cache_status="HIT",code_class="2xx",site="`); ok {
			site, n, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
			all = append(all, site+"="+n)
		}
	}
	return strings.Join(all, " ")
}

// So many sites have a label, those that are asked most in the long run; no
// counter goes back, and all requests are somewhere.
func TestSites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(Source{Sites: 2})
		a, b, c, d := m.Site("a"), m.Site("b"), m.Site("c"), m.Site("d")
		if m.Site("a") != a {
			t.Error("got another one for the same site")
		}
		step := func(name, want string) {
			t.Helper()
			if got := bySite(t, m); got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		}
		ask(m, a, 2)
		ask(m, c, 3)
		ask(m, d, 1)
		step("the first have seats, and b nothing to show", "a=2 other=4")
		time.Sleep(seatTime)
		ask(m, c, 5)
		ask(m, a, 1)
		step("b's seat goes to c, but what was counted does not", "a=3 other=9")
		time.Sleep(seatTime)
		ask(m, a, 4)
		ask(m, c, 9)
		ask(m, d, 20)
		step("d is busier than a", "c=9 other=36")
		ask(m, a, 1)
		ask(m, c, 1)
		ask(m, d, 2)
		step("and has its seat from now on", "c=10 other=39")
		ask(m, d, 2)
		ask(m, c, 1)
		step("others keep theirs", "c=11 d=2 other=39")
		m.Forget("c")
		m.Forget("never")
		ask(m, b, 1)
		step("what is gone is with the others", "d=2 other=51")
		ask(m, a, 1)
		ask(m, d, 1)
		step("and gives way", "a=1 d=3 other=51")
		wantLines(t, text(t, m), `opencache_site_response_bytes_total{site="d",source="cache"} 3072`, `opencache_site_request_seconds_total{site="d"} 0.037035`)
	})
}

// Without seats all sites are others.
func TestSitesNone(t *testing.T) {
	m := NewMetrics(Source{})
	for i := range 3 {
		ask(m, m.Site(fmt.Sprint(i)), 1)
	}
	if got := bySite(t, m); got != "other=3" {
		t.Errorf("got %s, want other=3", got)
	}
}
