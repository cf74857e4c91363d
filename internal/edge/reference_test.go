package edge

import (
	"strings"
	"testing"

	"opencache/internal/wire"
)

func TestKeyOf(t *testing.T) {
	const base = "http://origin.test/base"
	kept := Options{PreserveHost: true}
	for _, tt := range []struct {
		o         Options
		url, ref  string
		want, why string
	}{
		{Options{}, "/d/x", "y", base + "/d/y", "relative"},
		{Options{}, "/d/x?q", "", base + "/d/x?q", "the target itself"},
		{Options{}, "/d/x", "/y?b&a#f", base + "/y?a&b", "sorted like any key"},
		{Options{KeepQueryOrder: true}, "/d/x", "/y?b&a", base + "/y?b&a", "or not"},
		{Options{}, "/d/x", "../../../y", base + "/y", "not above the base"},
		{Options{}, "/d/x", "/base/y", base + "/y", "the origin's path"},
		{Options{}, "/d/x", "/base", base + "/", "the base itself"},
		{Options{}, "/d/x", "/base?q", base + "/?q", "the base itself"},
		{Options{}, "/d/x", "/basement", base + "/basement", "another path"},
		{Options{}, "/d/x", "http://origin.test/base/y", base + "/y", "the origin's URI"},
		{Options{}, "/d/x", "http://origin.test/y", "", "beside the base"},
		{Options{}, "/d/x", "http://cache.test/y", base + "/y", "the client's URI"},
		{Options{}, "/d/x", "https://cache.test/y", "", "another scheme"},
		{Options{}, "/d/x", "https://origin.test/base/y", "", "another scheme"},
		{Options{}, "/d/x", "//origin.test:81/base/y", "", "another port"},
		{Options{}, "/d/x", "//evil.test/base/y", "", "another host"},
		{Options{}, "/d/x", "javascript:y", "", "another kind"},
		{kept, "/d/x", "y", "http://cache.test/d/y", "relative"},
		{kept, "/d/x", "//CACHE.test:80/y", "http://cache.test/y", "the same host"},
		{kept, "/d/x", "http://origin.test/base/y", "", "the origin's URI, which it was not told"},
		{kept, "https://cache.test/d/x", "http://cache.test/y", "https://cache.test/y", "the scheme that the origin sees"},
		{kept, "/d/x", "https://cache.test/y", "", "a scheme of neither side"},
	} {
		v := at(t, tt.o, "POST "+tt.url+" HTTP/1.1\nHost: cache.test")
		e := &Edge{o: v.e.o, origin: parseOrigin(v.e.o.Origin)}
		got, ok := e.keyOf(nil, v.r, []byte(tt.ref))
		if string(got) != tt.want || ok != (tt.want != "") {
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
	f.Fuzz(func(t *testing.T, target, ref string, options uint8) {
		o := Options{Origin: "http://o/base", KeepQueryOrder: options&1 != 0, PreserveHost: options&2 != 0}
		v := keyed(o, target, "h")
		if v == nil {
			return
		}
		e := &Edge{o: o, origin: parseOrigin(o.Origin)}
		key, ok := e.keyOf(nil, v.r, []byte(ref))
		if !ok {
			return
		}
		begins := string(v.appendOrigin(nil))
		rest, ok := strings.CutPrefix(string(key), begins)
		if !ok {
			t.Fatalf("%q on %q: key %q does not begin with %q", ref, target, key, begins)
		}
		var q wire.Request
		q.SetTarget([]byte(rest))
		q.SetAuthority(v.r.Authority())
		q.Secure = v.r.Secure
		again := visit{e: e, r: &q}
		again.cleanTarget()
		if got := string(again.cacheKey()); got != string(key) {
			t.Fatalf("%q on %q: key %q, which a request for it does not have: %q", ref, target, key, got)
		}
	})
}
