package edge

import (
	"net/netip"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/wire"
)

// TestUpstream: what of a client's fields stays, and what is said in place of
// it, by who has sent the request and what the node says.
func TestUpstream(t *testing.T) {
	e := newEdge(t, Options{}, kilobyte{}, serveLike{}.site())
	for _, tt := range []struct {
		name      string
		node      config.Network
		from      string
		fields    string
		has, none []string
	}{
		{"a client", config.Network{}, "192.0.2.7", "\nX-Own: 1",
			[]string{"X-Own: 1", "X-Real-IP: 192.0.2.7", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: h", "X-Forwarded-Port: 80", "OC-Connecting-IP: 192.0.2.7", "OC-IPCountry: "}, []string{"Forwarded:"}},
		{"a forger", config.Network{}, "192.0.2.7", "\nX-Forwarded-For: 1.1.1.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil\nX-Forwarded-Port: 1\nX-Real-IP: 2.2.2.2\nForwarded: for=3.3.3.3" +
			"\nOC-Connecting-IP: 4.4.4.4\noc-visitor: me\nOC-New: 1\nOC_IPCountry: XX\nX_Forwarded_For: 5.5.5.5\nX_Real-IP: 6.6.6.6\nOC-" + strings.Repeat("x", 40) + ": 1\nOc_a: 1",
			[]string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: h", "X-Forwarded-Port: 80"}, []string{"1.1.1.1", "evil", "https", "2.2.2.2", "3.3.3.3", "4.4.4.4", ": me", "OC-New", "XX", "5.5.5.5", "6.6.6.6", "OC-xx", "Oc_a", "Forwarded: "}},
		{"a proxy", config.Network{TrustedProxies: []string{"10.0.0.0/8"}}, "10.0.0.1", "\nX-Forwarded-For: 1.1.1.1, 198.51.100.1\nX-Forwarded-Proto: HTTPS\nX-Forwarded-Host: evil\nX-Forwarded-Port: 8443\nForwarded: for=1.1.1.1",
			[]string{"X-Forwarded-For: 1.1.1.1, 198.51.100.1, 10.0.0.1", "X-Real-IP: 198.51.100.1", "OC-Connecting-IP: 198.51.100.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: h", "X-Forwarded-Port: 8443"}, []string{"evil", "Forwarded: "}},
		{"a proxy that says no port", config.Network{TrustedProxies: []string{"10.0.0.0/8"}}, "10.0.0.1", "\nX-Forwarded-Proto: https\nX-Forwarded-Port: 0",
			[]string{"X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443"}, nil},
		{"a proxy of two minds", config.Network{TrustedProxies: []string{"10.0.0.0/8"}}, "10.0.0.1", "\nX-Forwarded-Proto: https\nX-Forwarded-Proto: http\nX-Forwarded-Port: 99999",
			[]string{"X-Forwarded-Proto: http", "X-Forwarded-Port: 80"}, []string{"https"}},
		{"Forwarded", config.Network{Forwarded: true, TrustedProxies: []string{"10.0.0.0/8"}}, "10.0.0.1", "\nForwarded: for=198.51.100.1",
			[]string{`Forwarded: for=198.51.100.1, for=10.0.0.1;host="h";proto=http`, "X-Real-IP: 198.51.100.1"}, nil},
		{"Forwarded, a quote left open", config.Network{Forwarded: true, TrustedProxies: []string{"10.0.0.0/8"}}, "10.0.0.1", "\nForwarded: for=\", for=198.51.100.1",
			[]string{`Forwarded: for=10.0.0.1;host="h";proto=http`, "X-Real-IP: 198.51.100.1"}, nil},
		{"Forwarded, IPv6", config.Network{Forwarded: true}, "2001:db8::7", "\nForwarded: for=198.51.100.1",
			[]string{`Forwarded: for="[2001:db8::7]";host="h";proto=http`, "X-Forwarded-For: 2001:db8::7"}, []string{"198.51"}},
		{"no address", config.Network{Forwarded: true}, "", "",
			[]string{`Forwarded: for=unknown;host="h";proto=http`, "X-Forwarded-For: \n", "OC-Connecting-IP: \n"}, nil},
		{"forwarded alone", config.Network{UpstreamFields: "forwarded"}, "192.0.2.7", "\nOC-Own: 1\nX-Forwarded-For: 1.1.1.1",
			[]string{"OC-Own: 1", "X-Forwarded-For: 192.0.2.7"}, []string{"OC-Connecting-IP", "1.1.1.1"}},
		{"none", config.Network{UpstreamFields: "none"}, "192.0.2.7", "\nOC-Own: 1\nX-Forwarded-For: 1.1.1.1",
			[]string{"OC-Own: 1", "X-Forwarded-For: 1.1.1.1"}, []string{"192.0.2.7", "X-Real-IP"}},
	} {
		c := Compiler{Volumes: e.o.Volumes, VisitorKey: []byte("key")}
		plan, faults := c.Compile(nil, &config.Node{Network: tt.node}, nil)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		v := at(t, e, "GET / HTTP/1.1\nHost: H:80"+tt.fields)
		v.plan, v.visitors = plan, plan.visitors
		v.r.Remote, v.r.Client = netip.AddrPort{}, netip.AddrPort{}
		if tt.from != "" {
			v.r.Remote = netip.AddrPortFrom(netip.MustParseAddr(tt.from), 1)
		}
		v.findClient()
		var r wire.Request
		r.CopyFrom(v.r)
		v.Upstream(&r)
		v.Upstream(&r) // of what it has said itself nothing is left
		got := strings.ReplaceAll(string(r.AppendFields(nil, wire.NameSet{})), "\r\n", "\n")
		got = strings.ReplaceAll(got, `host="H:80"`, `host="h"`)
		for _, want := range tt.has {
			if strings.Count("\n"+got, "\n"+want) != 1 {
				t.Errorf("%s: got\n%s, want one %q", tt.name, got, want)
			}
		}
		for _, not := range tt.none {
			if strings.Contains(got, not) {
				t.Errorf("%s: got\n%s, want no %q", tt.name, got, not)
			}
		}
	}
}

// TestVisitor: an id is of address and User-Agent, by a key, the same for the
// same, and made once.
func TestVisitor(t *testing.T) {
	ids := map[string]bool{}
	for _, key := range []string{"one", "two"} {
		p := newVisitors([]byte(key))
		for _, from := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"} {
			for _, agent := range []string{"", "cat", "dog"} {
				a := netip.MustParseAddr(from)
				id := string(p.appendID(nil, a, []byte(agent)))
				if again := string(p.appendID(nil, a, []byte(agent))); len(id) != 32 || ids[id] || again != id {
					t.Errorf("%s, %s, %q: got %q and %q", key, from, agent, id, again)
				}
				ids[id] = true
			}
		}
	}
	m := newVisitors([]byte("one")).macs.Get().(*mac) // of the pool itself the race detector takes out what it likes
	buf := make([]byte, 0, 32)
	a, agent := netip.MustParseAddr("192.0.2.1"), []byte("cat")
	if n := testing.AllocsPerRun(100, func() { buf = m.appendID(buf[:0], a, agent) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// FuzzUpstream: whatever a client sends, of each field that is the edge's own
// there is one, as the edge says it.
func FuzzUpstream(f *testing.F) {
	for _, s := range []string{"X-Forwarded-For: 1", "OC-RID:a\nOC-RID: b", "Connection: OC-RID, X-Real-IP", "oc_rid: a\nX_FORWARDED-HOST: e", "Forwarded: for=\"x"} {
		f.Add(s)
	}
	e := newEdge(f, Options{}, kilobyte{}, serveLike{}.site())
	f.Fuzz(func(t *testing.T, fields string) {
		var q wire.Request
		head := []byte("GET / HTTP/1.1\r\nHost: h\r\n" + strings.ReplaceAll(fields, "\n", "\r\n") + "\r\n\r\n")
		if n, err := wire.ParseRequest(&q, head, wire.Limits{}); n == 0 || err != nil {
			return
		}
		v := &visit{e: e, plan: e.plan.Load()}
		v.r = &q
		v.r.Remote = netip.MustParseAddrPort("192.0.2.7:1")
		v.findClient()
		var r wire.Request
		r.CopyFrom(&q)
		v.Upstream(&r)
		for name, want := range map[string]string{"x-forwarded-for": "192.0.2.7", "x-real-ip": "192.0.2.7", "oc-connecting-ip": "192.0.2.7", "x-forwarded-host": "h", "oc-ipcountry": ""} {
			n := 0
			for i := range r.Len() {
				if _, as, value, ok := r.At(i); ok && wire.EqualFold([]byte(strings.ReplaceAll(string(as), "_", "-")), name) {
					if n++; string(value) != want {
						t.Errorf("%q: %s: got %q, want %q", fields, as, value, want)
					}
				}
			}
			if n != 1 {
				t.Errorf("%q: got %d lines of %s, want 1", fields, n, name)
			}
		}
	})
}
