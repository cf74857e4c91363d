package edge

import (
	"testing"
	"time"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/wire"
)

func TestShownName(t *testing.T) {
	suffixes := []string{".pfsdns.com", ".ocs.p.foundation"}
	for name, want := range map[string]string{
		"": "", "cache-iad-01": "cache-iad-01", "cache-iad-01.pfsdns.com": "cache-iad-01", "a.OCS.p.Foundation": "a",
		".pfsdns.com": ".pfsdns.com", "a.pfsdns.com.ocs.p.foundation": "a.pfsdns.com", "apfsdns.com": "apfsdns.com",
	} {
		if got := shownName(name, suffixes); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// What a node is called cannot become a field of its own, nor end a text.
func TestSignatureIsOneLineEach(t *testing.T) {
	s := signatureOf(&config.Monitoring{ClientFields: new(true)}, &nodeValues{pop: "a\r\nX: 1", server: `b"\`})
	if got, want := s.lines, "Pf-Served-By: a  X: 1\r\nPF-Pop: a  X: 1\r\nPF-Server: b\"\\\r\n"; got != want {
		t.Errorf("lines: got %q, want %q", got, want)
	}
	if got, want := s.where, `, pop;desc="a  X: 1", server;desc="b\"\\"`; got != want {
		t.Errorf("metrics: got %q, want %q", got, want)
	}
	if s := signatureOf(&config.Monitoring{}, &nodeValues{pop: "iad"}); s.on() || s.lines != "" {
		t.Errorf("off: got %q, want nothing", s.lines)
	}
}

func TestAppendTimes(t *testing.T) {
	var failed wire.Attempts
	failed.Note(wire.Attempt{Status: 502, Took: 3 * time.Millisecond})
	failed.Note(wire.Attempt{Why: "refused", Took: time.Microsecond})
	failed.Note(wire.Attempt{Status: 200, Took: 2500 * time.Microsecond})
	fetched, own := &choice{route: &route{}, rule: &rule{metric: `, cacheRule;desc="r"`}}, &choice{route: &route{}}
	for _, tt := range []struct {
		name   string
		choice *choice
		asked  bool
		out    engine.Outcome
		times  times
		want   string
	}{
		{"own path", nil, false, engine.Outcome{}, times{total: 40 * time.Microsecond}, `total;dur=0.040, pop;desc="iad", rid;desc="x"`},
		{"redirect", own, false, engine.Outcome{}, times{route: 1e3, total: 2e3}, `route;dur=0.001, total;dur=0.002, pop;desc="iad", rid;desc="x"`},
		{"first of a connection", fetched, true, engine.Outcome{Status: engine.Hit}, times{tls: 1234567, route: 1e3, lookup: 5e3, total: 6e3},
			`tls;dur=1.234, route;dur=0.001, cacheLookup;dur=0.005;desc="HIT", upstream;dur=0.000, total;dur=0.006, cacheRule;desc="r", pop;desc="iad", rid;desc="x"`},
		{"attempts", fetched, true, engine.Outcome{Status: engine.Stale, Attempts: &failed}, times{total: 6e6},
			`route;dur=0.000, cacheLookup;dur=0.000;desc="STALE", upstream;dur=3.000;desc="502", upstream;dur=0.001;desc="refused", upstream;dur=2.500;desc="200", total;dur=6.000, cacheRule;desc="r", pop;desc="iad", rid;desc="x"`},
		{"no cache", own, true, engine.Outcome{Waited: time.Second}, times{total: 1e9},
			`route;dur=0.000, upstream;dur=1000.000, total;dur=1000.000, pop;desc="iad", rid;desc="x"`},
	} {
		v := &visit{plan: &Plan{}, choice: tt.choice, times: tt.times}
		v.plan.signature.where, v.id, v.outcome = `, pop;desc="iad"`, []byte("x"), tt.out
		if tt.asked {
			v.to.Policy = &engine.Policy{}
		}
		if got := string(v.appendTimes(nil)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
