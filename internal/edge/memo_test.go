package edge

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"opencache/internal/engine"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A twin is an edge with a memo and the same without.
type twin struct{ with, without *Edge }

// newEngine returns an engine with a small store.
func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	volume, err := store.Open(store.ZoneOptions{Memory: 8 << 20, Heap: true})
	if err != nil {
		t.Fatal(err)
	}
	eng := engine.New(engine.Options{Store: volume})
	t.Cleanup(func() { eng.Close(); _ = volume.Close() })
	return eng
}

// newTwin returns edges of configuration number n, with shared as the memo of
// the one.
func newTwin(t testing.TB, o Options, n uint64, shared *memo) twin {
	t.Helper()
	if o.Engine == nil {
		o.Engine = newEngine(t)
	}
	o.Upstream, o.Memo = kilobyte{}, -1
	var w twin
	for _, e := range []**Edge{&w.with, &w.without} {
		var err error
		if *e, err = New(o); err != nil {
			t.Fatal(err)
		}
	}
	w.with.memo, w.with.snapshot = shared, n
	return w
}

// compare routes a request by both and reports whether the memo knew it.
func (w twin) compare(t testing.TB, head string) bool {
	t.Helper()
	route := func(e *Edge) (*visit, int) {
		r := &wire.Request{}
		if n, err := wire.ParseRequest(r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
			return nil, 0
		}
		r.Secure = strings.HasSuffix(head, "X-Secure: 1\r\n\r\n")
		v := &visit{e: e, r: r, p: &wire.Reply{}}
		v.cleanTarget()
		v.route()
		for i := range e.policies {
			if v.to.Policy == &e.policies[i] {
				return v, i
			}
		}
		t.Fatalf("%q: policy of no edge", head)
		return nil, 0
	}
	got, gotPolicy := route(w.with)
	want, wantPolicy := route(w.without)
	if got == nil {
		return false
	}
	if gotPolicy != wantPolicy || !bytes.Equal(got.to.Key, want.to.Key) || !bytes.Equal(got.key, want.key) {
		t.Fatalf("%q: with a memo got policy %d and key %q, without %d and %q", head, gotPolicy, got.to.Key, wantPolicy, want.to.Key)
	}
	known := got.to.Hash != store.Hash{}
	if known && got.to.Hash != w.with.o.Engine.Hash(want.to.Key) {
		t.Fatalf("%q: hash of another key than %q", head, want.to.Key)
	}
	return known
}

// oneOf are the pieces of random requests and rules.
var (
	paths   = []string{"/", "/a", "/A", "/a/b.zip", "/%61", "/a/../b", "/api/v1/x", "/img/1.png", "//a", "/" + strings.Repeat("long", 70)}
	queries = []string{"", "?", "?a", "?b=1&a=2", "?a=2&b=1", "?a=1&a=2", "?a=2&a=1", "?&&", "?" + strings.Repeat("z=1&y=2&", 12), "?utm_source=x&page=2&id=123456&lang=en"}
	hosts   = []string{"a.test", "A.test", "b.test:8080", "b.test"}
	rules   = []string{`\.zip$`, `^/a`, `b`, `\?`, `^/api/`, `[0-9]`, `png$`, `y=2`}
)

func pick(rnd *rand.Rand, from []string) string { return from[rnd.IntN(len(from))] }

// A route that is remembered is the one that would be found, for any rules and
// whatever other configurations have left in the same memo.
func TestMemoChangesNothing(t *testing.T) {
	eng := newEngine(t)
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		shared := newMemo(1 + rnd.IntN(40))
		var twins []twin
		for n := range uint64(4) {
			o := Options{Engine: eng, Origin: "http://origin.test/base", PreserveHost: rnd.IntN(2) == 0, KeepQueryOrder: rnd.IntN(4) == 0}
			for range rnd.IntN(4) {
				rule := TTL{For: time.Duration(1+rnd.IntN(9)) * time.Hour}
				if rnd.IntN(8) > 0 {
					rule.Match = regexp.MustCompile(pick(rnd, rules))
				}
				o.TTLs = append(o.TTLs, rule)
			}
			for range rnd.IntN(3) {
				o.Passthrough = append(o.Passthrough, regexp.MustCompile(pick(rnd, rules)))
			}
			twins = append(twins, newTwin(t, o, n+1, shared))
		}
		now, known := 0, 0
		for range 1500 {
			if rnd.IntN(100) == 0 {
				now = rnd.IntN(len(twins))
			}
			head := "GET " + pick(rnd, paths) + pick(rnd, queries) + " HTTP/1.1\r\nHost: " + pick(rnd, hosts) + "\r\n"
			if rnd.IntN(4) == 0 {
				head += "X-Secure: 1\r\n"
			}
			if twins[now].compare(t, head+"\r\n") {
				known++
			}
		}
		if known == 0 {
			t.Errorf("seed %d: the memo knew nothing", seed)
		}
	}
}

// FuzzMemo: what is remembered of one target is not given for another.
func FuzzMemo(f *testing.F) {
	f.Add("/a?b=1&a=2", "/a?a=2&b=1", "h")
	f.Add("/a?x=1&x=2", "/a?x=2&x=1", "H")
	f.Add("/aaaaaaa", "/aaaaaaa%00", "hhhhhhhh")
	f.Add("/"+strings.Repeat("a", placeMax-1), "/"+strings.Repeat("a", placeMax), "")
	shared := newMemo(8)
	w := newTwin(f, Options{
		Origin: "http://o", PreserveHost: true, TTLs: []TTL{{Match: regexp.MustCompile(`[ab]\?`), For: time.Hour}},
		Passthrough: []*regexp.Regexp{regexp.MustCompile(`x=2&`)},
	}, 7, shared)
	f.Fuzz(func(t *testing.T, a, b, host string) {
		for range 3 {
			for _, target := range []string{a, b} {
				w.compare(t, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
			}
		}
	})
}

// It takes the second sight to be remembered, and the number of the
// configuration to be found.
func TestMemoLife(t *testing.T) {
	w := newTwin(t, Options{Origin: "http://o", TTLs: []TTL{{Match: regexp.MustCompile("a"), For: time.Hour}}}, 1, newMemo(64))
	head := "GET /a?y&x HTTP/1.1\r\nHost: h\r\n\r\n"
	p, found := place{snapshot: 1, target: []byte("/a?y&x")}, routing{}
	m := w.with.memo
	for sight, want := range []bool{false, true, true} {
		w.compare(t, head)
		if got := m.find(&p, m.hash(&p), &found); got != want {
			t.Errorf("after sight %d: got %t, want %t", sight+1, got, want)
		}
	}
	if got := string(found.tail); got != "/a?x&y" || found.policy != 0 {
		t.Errorf("remembered: got policy %d and tail %q, want 0 and %q", found.policy, got, "/a?x&y")
	}
	for _, other := range []place{
		{snapshot: 2, target: p.target}, {snapshot: 1, target: p.target, secure: true},
		{snapshot: 1, target: p.target, host: []byte("h")}, {snapshot: 1, target: []byte("/a?y&")},
	} {
		if m.find(&other, m.hash(&p), &found) {
			t.Errorf("%+v: found, and was never seen", other)
		}
	}
}

// What is asked for all the time is not displaced by what comes by twice.
func TestMemoKeepsWhatIsHot(t *testing.T) {
	m := newMemo(256)
	hot := place{snapshot: 1, target: []byte("/hot")}
	h := m.hash(&hot)
	m.keep(&hot, h, &routing{policy: 3})
	lost := 0
	for i := range 20_000 {
		var r routing
		if !m.find(&hot, h, &r) {
			lost++
			m.keep(&hot, h, &routing{policy: 3})
		}
		p := place{snapshot: 1, target: fmt.Appendf(nil, "/once/%d", i)}
		m.keep(&p, m.hash(&p), &routing{})
	}
	if lost > 0 {
		t.Errorf("lost %d times while 20,000 others came", lost)
	}
}

// Writers and readers of one slot's set never see a mixture.
func TestMemoNeverTears(t *testing.T) {
	m := newMemo(memoWays)
	routingOf := func(p *place) routing {
		return routing{
			policy: int(p.target[1]), hash: store.Hash{uint64(p.target[1]), uint64(p.target[1])},
			tail: bytes.Repeat(p.target[1:2], 40+int(p.target[1]-'a')),
		}
	}
	var group sync.WaitGroup
	found := make([]int, 4)
	for g := range found {
		group.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 2))
			var r routing
			for range 20_000 {
				p := place{snapshot: 1, target: []byte{'/', byte('a' + rnd.IntN(12))}}
				const h = 1 // all are in one set, and all have the same hash
				if !m.find(&p, h, &r) {
					want := routingOf(&p)
					m.keep(&p, h, &want)
					continue
				}
				found[g]++
				if want := routingOf(&p); r.policy != want.policy || r.hash != want.hash || !bytes.Equal(r.tail, want.tail) {
					t.Errorf("%s: got %d %v %q, want %d %v %q", p.target, r.policy, r.hash, r.tail, want.policy, want.hash, want.tail)
					return
				}
			}
		})
	}
	group.Wait()
	for g, n := range found {
		if n == 0 {
			t.Errorf("goroutine %d found nothing", g)
		}
	}
}
