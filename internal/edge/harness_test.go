package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// serveLike is a site as `opencache serve` makes one of its flags, from the
// origin http://origin.test/base.
type serveLike struct {
	preserve, keepOrder bool
	ttls                []string // patterns, each with its own freshness; "" matches all
	pass                []string // patterns of what is never cached
}

const testOrigin = "http://origin.test/base"

// site is the document.
func (l serveLike) site() *config.Site {
	s := &config.Site{ID: "serve", Hostnames: []string{"_"}, SpeculationRules: "pass"}
	s.Upstreams = []config.Upstream{{Name: "origin", Servers: []config.Server{{URL: testOrigin}}, HostHeader: "$upstream_host"}}
	g := &s.Cache.Global
	g.Key, g.Heuristics, g.PassThroughRequest = testOrigin, true, []string{"*"}
	if l.preserve {
		s.Upstreams[0].HostHeader, g.Key = "$http_host", "$scheme://$host"
	}
	if l.keepOrder {
		g.Key += "$request_uri"
	} else {
		g.Key += "$normalized_request_uri"
		g.QueryNormalization = &config.QueryNormalization{Enabled: true, SortParams: true, KeepDuplicateOrder: true}
	}
	s.Cache.Zones = []config.CacheZone{{Name: "default", Hosts: &config.ZoneHosts{}}}
	off := false
	for i, p := range l.pass {
		s.Cache.Rules = append(s.Cache.Rules, config.CacheRule{ID: fmt.Sprint("pass", i), Priority: 2, Match: config.RuleMatch{TargetPattern: p}, Cache: config.RuleCache{Enabled: &off, Key: g.Key}})
	}
	for i, p := range l.ttls {
		ttl := config.TTL{For: config.Duration(time.Duration(i+1) * time.Hour)}
		s.Cache.Rules = append(s.Cache.Rules, config.CacheRule{ID: fmt.Sprint("ttl", i), Priority: 1, Match: config.RuleMatch{TargetPattern: p},
			Cache: config.RuleCache{Key: g.Key, ValidResponses: map[string]config.TTL{"200": ttl}}})
	}
	return s
}

// newVolume returns a small volume in memory.
func newVolume(t testing.TB) Volume {
	t.Helper()
	z, err := store.Open(store.ZoneOptions{Memory: 8 << 20, Heap: true})
	if err != nil {
		t.Fatal(err)
	}
	eng := engine.New(engine.Options{Store: z})
	t.Cleanup(func() { eng.Close(); _ = z.Close() })
	return Volume{Name: "default", Store: z, Engine: eng, Memory: true}
}

// compile makes the plan of sites whose content comes from upstream.
func compile(t testing.TB, v Volume, upstream wire.Exchanger, sites ...*config.Site) *Plan {
	t.Helper()
	c := Compiler{Volumes: []Volume{v}, Count: func(wire.Exchanger) wire.Exchanger { return upstream }, Dial: nobody}
	p, faults := c.Compile(nil, nil, sites)
	for _, f := range faults {
		t.Fatal(f)
	}
	return p
}

// newEdge returns an edge of sites.
func newEdge(t testing.TB, o Options, upstream wire.Exchanger, sites ...*config.Site) *Edge {
	t.Helper()
	o.Volumes = []Volume{newVolume(t)}
	o.Plan = compile(t, o.Volumes[0], upstream, sites...)
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// visitFor is a visit of a request with the given head, parsed and cleaned; nil
// when there is no such request.
func visitFor(e *Edge, head string) *visit {
	r := &wire.Request{}
	if n, err := wire.ParseRequest(r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
		return nil
	}
	v := &visit{e: e, p: &wire.Reply{}, plan: e.plan.Load()}
	v.r, v.node = r, e.plan.Load().values
	v.cleanTarget()
	v.which()
	return v
}

// at returns a visit of a request with the given head lines.
func at(t testing.TB, e *Edge, head string) *visit {
	t.Helper()
	head = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n"
	v := visitFor(e, head)
	if v == nil {
		t.Fatalf("request %q is none", head)
	}
	return v
}

// routed makes the visit's choice and key without a memo, and returns the key
// as operators see it.
func (v *visit) routed() string {
	v.choose(v.match())
	v.makeKey()
	return shownKey(v.key)
}

func shownKey(key []byte) string { return string(expr.AppendPlainKey(nil, key)) }

// nobody answers: checks of made-up servers go nowhere.
func nobody(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("nobody is there")
}
