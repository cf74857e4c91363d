package edge

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"opencache/internal/config"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A twin is an edge with a memo and the same without.
type twin struct{ with, without *Edge }

// newTwin returns edges of a site, with shared as the memo of the one.
func newTwin(t testing.TB, l serveLike, last uint64, shared *memo) twin {
	t.Helper()
	v := newVolume(t)
	c := Compiler{Volumes: []Volume{v}, Count: func(wire.Exchanger) wire.Exchanger { return kilobyte{} }}
	p, faults := c.Compile(&Plan{last: last}, nil, []*config.Site{l.site()})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var w twin
	for _, e := range []**Edge{&w.with, &w.without} {
		var err error
		if *e, err = New(Options{Volumes: []Volume{v}, Plan: p, Memo: -1}); err != nil {
			t.Fatal(err)
		}
	}
	w.with.memo = shared
	return w
}

// compare routes a request by both and reports whether the memo knew it.
func (w twin) compare(t testing.TB, head string) bool {
	t.Helper()
	route := func(e *Edge) *visit {
		v := visitFor(e, head)
		if v == nil {
			return nil
		}
		v.r.Secure = strings.HasSuffix(head, "X-Secure: 1\r\n\r\n")
		v.route()
		return v
	}
	got, want := route(w.with), route(w.without)
	if got == nil {
		return false
	}
	if got.choice != want.choice || !bytes.Equal(got.to.Key, want.to.Key) || !bytes.Equal(got.key, want.key) || got.to.Origin != want.to.Origin {
		t.Fatalf("%q: with a memo got rule %q, key %q and origin %d, without %q, %q and %d",
			head, got.choice.rule.id, got.to.Key, got.to.Origin, want.choice.rule.id, want.to.Key, want.to.Origin)
	}
	known := got.to.Hash != store.Hash{}
	if known && got.to.Hash != w.with.o.Volumes[0].Engine.Hash(want.to.Key) {
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
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		shared := newMemo(1 + rnd.IntN(40))
		var twins []twin
		for n := range uint64(4) {
			l := serveLike{preserve: rnd.IntN(2) == 0, keepOrder: rnd.IntN(4) == 0}
			for range rnd.IntN(4) {
				rule := ""
				if rnd.IntN(8) > 0 {
					rule = pick(rnd, rules)
				}
				l.ttls = append(l.ttls, rule)
			}
			for range rnd.IntN(3) {
				l.pass = append(l.pass, pick(rnd, rules))
			}
			twins = append(twins, newTwin(t, l, n, shared))
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
	f.Add("/"+strings.Repeat("a", spotMax-1), "/"+strings.Repeat("a", spotMax), "")
	shared := newMemo(8)
	w := newTwin(f, serveLike{preserve: true, ttls: []string{`[ab]\?`}, pass: []string{`x=2&`}}, 7, shared)
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
	w := newTwin(t, serveLike{ttls: []string{"a"}}, 0, newMemo(64))
	head := "GET /a?y&x HTTP/1.1\r\nHost: h\r\n\r\n"
	p, found := spot{number: 1, target: []byte("/a?y&x"), host: []byte("h")}, routing{}
	m := w.with.memo
	for sight, want := range []bool{false, true, true} {
		w.compare(t, head)
		if got := m.find(&p, m.hash(&p), &found); got != want {
			t.Errorf("after sight %d: got %t, want %t", sight+1, got, want)
		}
	}
	if got := shownKey(found.key); got != testOrigin+"/a?x&y" || found.choice != 0 || found.tail {
		t.Errorf("remembered: got choice %d and key %q, tail %v, want 0 and %q", found.choice, got, found.tail, testOrigin+"/a?x&y")
	}
	for _, other := range []spot{
		{number: 2, target: p.target, host: p.host}, {number: 1, target: p.target, host: p.host, secure: true},
		{number: 1, target: p.target, host: []byte("g")}, {number: 1, target: []byte("/a?y&"), host: p.host},
		{number: 1, target: p.target, host: p.host, method: wire.POST},
	} {
		if m.find(&other, m.hash(&p), &found) {
			t.Errorf("%+v: found, and was never seen", other)
		}
	}
}

// What is asked for all the time is not displaced by what comes by twice.
func TestMemoKeepsWhatIsHot(t *testing.T) {
	m := newMemo(256)
	hot := spot{number: 1, target: []byte("/hot")}
	h := m.hash(&hot)
	m.keep(&hot, h, &routing{choice: 3})
	lost := 0
	for i := range 20_000 {
		var r routing
		if !m.find(&hot, h, &r) {
			lost++
			m.keep(&hot, h, &routing{choice: 3})
		}
		p := spot{number: 1, target: fmt.Appendf(nil, "/once/%d", i)}
		m.keep(&p, m.hash(&p), &routing{})
	}
	if lost > 0 {
		t.Errorf("lost %d times while 20,000 others came", lost)
	}
}

// Writers and readers of one slot's set never see a mixture.
func TestMemoNeverTears(t *testing.T) {
	m := newMemo(memoWays)
	routingOf := func(p *spot) routing {
		return routing{
			choice: int(p.target[1]), hash: store.Hash{uint64(p.target[1]), uint64(p.target[1])},
			key: bytes.Repeat(p.target[1:2], 40+int(p.target[1]-'a')),
		}
	}
	var group sync.WaitGroup
	found := make([]int, 4)
	for g := range found {
		group.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 2))
			var r routing
			for range 20_000 {
				p := spot{number: 1, target: []byte{'/', byte('a' + rnd.IntN(12))}}
				const h = 1 // all are in one set, and all have the same hash
				if !m.find(&p, h, &r) {
					want := routingOf(&p)
					m.keep(&p, h, &want)
					continue
				}
				found[g]++
				if want := routingOf(&p); r.choice != want.choice || r.hash != want.hash || !bytes.Equal(r.key, want.key) {
					t.Errorf("%s: got %d %v %q, want %d %v %q", p.target, r.choice, r.hash, r.key, want.choice, want.hash, want.key)
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
