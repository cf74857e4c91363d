package edge

import (
	"strings"
	"testing"

	"opencache/internal/wire"
)

func TestKeyOf(t *testing.T) {
	const base = testOrigin
	kept := serveLike{preserve: true}
	for _, tt := range []struct {
		o         serveLike
		url, ref  string
		want, why string
	}{
		{serveLike{}, "/d/x", "y", base + "/d/y", "relative"},
		{serveLike{}, "/d/x?q", "", base + "/d/x?q", "the target itself"},
		{serveLike{}, "/d/x", "/y?b&a#f", base + "/y?a&b", "sorted like any key"},
		{serveLike{keepOrder: true}, "/d/x", "/y?b&a", base + "/y?b&a", "or not"},
		{serveLike{}, "/d/x", "../../../y", base + "/y", "not above the base"},
		{serveLike{}, "/d/x", "/base/y", base + "/y", "the origin's path"},
		{serveLike{}, "/d/x", "/base", base + "/", "the base itself"},
		{serveLike{}, "/d/x", "/base?q", base + "/?q", "the base itself"},
		{serveLike{}, "/d/x", "/basement", base + "/basement", "another path"},
		{serveLike{}, "/d/x", "http://origin.test/base/y", base + "/y", "the origin's URI"},
		{serveLike{}, "/d/x", "http://origin.test/y", "", "beside the base"},
		{serveLike{}, "/d/x", "http://cache.test/y", base + "/y", "the client's URI"},
		{serveLike{}, "/d/x", "https://cache.test/y", "", "another scheme"},
		{serveLike{}, "/d/x", "https://origin.test/base/y", "", "another scheme"},
		{serveLike{}, "/d/x", "//origin.test:81/base/y", "", "another port"},
		{serveLike{}, "/d/x", "//evil.test/base/y", "", "another host"},
		{serveLike{}, "/d/x", "javascript:y", "", "another kind"},
		{kept, "/d/x", "y", "http://cache.test/d/y", "relative"},
		{kept, "/d/x", "//CACHE.test:80/y", "http://cache.test/y", "the same host"},
		{kept, "/d/x", "http://origin.test/base/y", "", "the origin's URI, which it was not told"},
		{kept, "https://cache.test/d/x", "http://cache.test/y", "https://cache.test/y", "the scheme that the origin sees"},
		{kept, "/d/x", "https://cache.test/y", "", "a scheme of neither side"},
	} {
		v := at(t, newEdge(t, Options{}, kilobyte{}, tt.o.site()), "POST "+tt.url+" HTTP/1.1\nHost: cache.test")
		v.routed()
		key, ok := v.choice.policy.KeyOf(nil, v.r, []byte(tt.ref))
		got := shownKey(key)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q in an answer to %s: got %q, %v, want %q", tt.why, tt.ref, tt.url, got, ok, tt.want)
		}
	}
}

// FuzzKeyOf: a key that a reference gives is one that a request has.
func FuzzKeyOf(f *testing.F) {
	for options := range uint8(4) {
		f.Add("/d/x?q", "/base/y?b&a", options)
		f.Add("/d/x", "http://origin.test/base?q", options)
		f.Add("http://h/", "//h:80/../%2e", options)
	}
	edges := fourEdges(f)
	f.Fuzz(func(t *testing.T, target, ref string, options uint8) {
		e := edges[options%4]
		v := keyed(e, target, "h")
		if v == nil || v.choice == nil {
			return
		}
		key, ok := v.choice.policy.KeyOf(nil, v.r, []byte(ref))
		if !ok {
			return
		}
		begins := string(v.key[:v.to.Origin])
		rest, ok := strings.CutPrefix(string(key), begins)
		if !ok {
			t.Fatalf("%q on %q: key %q does not begin with %q", ref, target, key, begins)
		}
		var q wire.Request
		q.SetTarget([]byte(rest))
		q.SetAuthority(v.r.Authority())
		q.Secure = v.r.Secure
		again := visit{e: e, plan: v.plan}
		again.r, again.site = &q, v.site
		again.cleanTarget()
		again.routed()
		if got := string(again.key); got != string(key) {
			t.Fatalf("%q on %q: key %q, which a request for it does not have: %q", ref, target, key, got)
		}
	})
}
