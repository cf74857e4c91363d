package edge

import (
	"bytes"
	"net/netip"
	"testing"

	"opencache/internal/wire"
)

func TestCacheKey(t *testing.T) {
	const base = testOrigin
	e := newEdge(t, Options{}, kilobyte{}, serveLike{}.site())
	tests := []struct{ name, target, want string }{
		{"plain", "/a", base + "/a"},
		{"query", "/a?x=1", base + "/a?x=1"},
		{"empty query is another resource", "/a?", base + "/a?"},
		{"sorted by name", "/a?b=1&a=2", base + "/a?a=2&b=1"},
		{"values of a name keep their order", "/a?x=2&x=1&a", base + "/a?a&x=2&x=1"},
		{"empty parameters stay", "/a?&b&&a", base + "/a?&&a&b"},
		{"double slash", "//a", base + "//a"},
		{"encoded slash", "/a%2Fb", base + "/a%2Fb"},
		{"dot segments", "/a/./b/../c", base + "/a/c"},
		{"not above the base", "/../../etc", base + "/etc"},
		{"encoded dots", "/%2e%2E/x", base + "/x"},
		{"dots in a query", "/a?x=/../b", base + "/a?x=/../b"},
		{"absolute form", "http://other.test/a?b=1", base + "/a?b=1"},
		{"absolute form without path", "http://other.test", base + "/"},
	}
	for _, tt := range tests {
		v := at(t, e, "GET "+tt.target+" HTTP/1.1\nHost: cache.test")
		if got := v.routed(); got != tt.want {
			t.Errorf("%s: %s: got %q, want %q", tt.name, tt.target, got, tt.want)
		}
		if sent, want := string(v.r.Target()), tt.want[len(base):]; len(sent) != len(want) || sent[0] != '/' {
			t.Errorf("%s: %s: target sent is %q, keyed as %q", tt.name, tt.target, sent, want)
		}
	}
}

func TestMatched(t *testing.T) {
	e := newEdge(t, Options{}, kilobyte{}, serveLike{}.site())
	for target, want := range map[string]string{
		"/api/me?x=%61":   "/api/me?x=%61",
		"/%61p%69/me?x=1": "/api/me?x=1",
		"/a%2Fb%2e%7E%20": "/a%2Fb.~%20",
		"/%41?%41":        "/A?%41",
	} {
		if got := string(at(t, e, "GET "+target+" HTTP/1.1\nHost: h").matched()); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestCacheKeyOptions(t *testing.T) {
	head := "GET /a?b&a HTTP/1.1\nHost: WWW.Cache.Test:8080"
	for _, tt := range []struct {
		o    serveLike
		want string
	}{
		{serveLike{preserve: true}, "http://www.cache.test:8080/a?a&b"},
		{serveLike{preserve: true, keepOrder: true}, "http://www.cache.test:8080/a?b&a"},
		{serveLike{keepOrder: true}, "http://origin.test/base/a?b&a"},
	} {
		if got := at(t, newEdge(t, Options{}, kilobyte{}, tt.o.site()), head).routed(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.o, got, tt.want)
		}
	}
}

func TestTrusted(t *testing.T) {
	const token = "a-token-of-some-length"
	tests := []struct {
		name, from, fields string
		want               bool
	}{
		{"loopback", "127.0.0.1", "", true},
		{"loopback 6", "::1", "", true},
		{"mapped", "::ffff:127.0.0.1", "", true},
		{"elsewhere", "192.0.2.7", "", false},
		{"forwarded for", "127.0.0.1", "\nX-Forwarded-For: 127.0.0.1", false},
		{"forwarded", "127.0.0.1", "\nForwarded: for=127.0.0.1", false},
		{"through a proxy", "127.0.0.1", "\nVia: 1.1 p", false},
		{"a page", "127.0.0.1", "\nOrigin: http://evil.test", false},
		{"token", "192.0.2.7", "\nAuthorization: Bearer " + token, true},
		{"token through a proxy", "192.0.2.7", "\nX-Forwarded-For: 1.1.1.1\nAuthorization: Bearer " + token, true},
		{"wrong token", "192.0.2.7", "\nAuthorization: Bearer x", false},
		{"part of the token", "192.0.2.7", "\nAuthorization: Bearer " + token[:5], false},
	}
	e := newEdge(t, Options{AdminToken: token}, kilobyte{}, serveLike{}.site())
	for _, tt := range tests {
		v := at(t, e, "PURGE / HTTP/1.1\nHost: h"+tt.fields)
		v.r.Remote = netip.AddrPortFrom(netip.MustParseAddr(tt.from), 1)
		if got := v.trusted(); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
	v := at(t, newEdge(t, Options{}, kilobyte{}, serveLike{}.site()), "PURGE / HTTP/1.1\nHost: h\nAuthorization: Bearer ")
	v.r.Remote = netip.MustParseAddrPort("192.0.2.7:1")
	if v.trusted() {
		t.Error("an empty token is no token")
	}
}

func TestMaxForwards(t *testing.T) {
	e := newEdge(t, Options{}, kilobyte{}, serveLike{}.site())
	for _, tt := range []struct {
		value, left string
		may         bool
	}{{"", "", true}, {"0", "", false}, {"1", "0", true}, {"70", "69", true}, {"x", "x", true}} {
		head := "OPTIONS /a HTTP/1.1\nHost: h"
		if tt.value != "" {
			head += "\nMax-Forwards: " + tt.value
		}
		v := at(t, e, head)
		if got, left := v.mayForward(), v.r.Get(wire.MaxForwards); got != tt.may || !bytes.Equal(left, []byte(tt.left)) {
			t.Errorf("Max-Forwards %q: got %t and %q, want %t and %q", tt.value, got, left, tt.may, tt.left)
		}
	}
}
