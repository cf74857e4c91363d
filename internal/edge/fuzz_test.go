package edge

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"opencache/internal/wire"
)

// FuzzCacheKey: requests share a key only if what is sent upstream is the same,
// but for the order of parameters of different names, and with PreserveHost the
// case of the host and a default port. The key of the sorted target is the key.
func FuzzCacheKey(f *testing.F) {
	for options := range uint8(4) {
		f.Add("/a?b=1&a=2", "/a?a=2&b=1", "h", "H", options)
		f.Add("/a?x=1&x=2", "/a?x=2&x=1", "h", "h:80", options)
		f.Add("/a/../b", "/b", "h", "h", options)
		f.Add("//a", "/a", "h", "h", options)
		f.Add("/a%2fb", "/a/b", "h", "h", options)
		f.Add("http://h/a", "https://h/a", "g", "g", options)
		f.Add("http://h?a&b", "/?b&a", "h", "h", options)
	}
	edges := fourEdges(f)
	f.Fuzz(func(t *testing.T, a, b, hostA, hostB string, options uint8) {
		o := edges[options%4]
		one, two := keyed(o, a, hostA), keyed(o, b, hostB)
		if one == nil || two == nil {
			return
		}
		for _, v := range []*visit{one, two} {
			soundKey(t, v)
		}
		if got, want := bytes.Equal(one.key, two.key), canonical(one) == canonical(two); got != want {
			t.Errorf("%q of %s (sent as %q) and %q of %s (sent as %q), %+v: keys %q and %q: the same is %v, want %v",
				a, hostA, one.r.Target(), b, hostB, two.r.Target(), likeOf(o), one.key, two.key, got, want)
		}
	})
}

// fourEdges are edges that keep the order of queries, the client's host, both
// or neither.
func fourEdges(t testing.TB) (edges [4]*Edge) {
	for options := range edges {
		edges[options] = newEdge(t, Options{}, kilobyte{}, serveLike{keepOrder: options&1 != 0, preserve: options&2 != 0}.site())
	}
	return edges
}

// likeOf says what the site of an edge is like.
func likeOf(e *Edge) serveLike {
	key := e.plan.Load().hosts.other.doc.Cache.Global.Key
	return serveLike{preserve: strings.HasPrefix(key, "$"), keepOrder: strings.HasSuffix(key, "$request_uri")}
}

// keyed is a visit whose key was made; nil when there is no such request.
func keyed(e *Edge, target, host string) *visit {
	v := visitFor(e, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	if v != nil {
		v.routed()
	}
	return v
}

// soundKey checks one key: it is the origin's URI, no request leaves the
// base, and a request for what the key says has the same key.
func soundKey(t *testing.T, v *visit) {
	t.Helper()
	begins, shown := shownKey(v.key[:v.to.Origin]), shownKey(v.key)
	rest, ok := strings.CutPrefix(shown, begins+"/")
	if !ok || begins == "" || strings.ContainsAny(shown, " \r\n\x00#") {
		t.Fatalf("%q: key %q, want one below %q", v.r.Target(), v.key, begins)
	}
	if wire.HasDots(v.r.Path()) || v.r.Target()[0] != '/' {
		t.Fatalf("%q is sent with dot segments", v.r.Target())
	}
	again := keyed(v.e, "/"+rest, string(v.r.Authority()))
	if again == nil || v.r.Secure != again.r.Secure && likeOf(v.e).preserve {
		return // what is sent has no absolute form to say https with
	}
	if !bytes.Equal(again.key, v.key) {
		t.Fatalf("%q has key %q, and that key %q", v.r.Target(), v.key, again.key)
	}
	if len(rest)+1 != len(v.r.Target()) {
		t.Fatalf("%q: key %q is of another length", v.r.Target(), v.key)
	}
}

// canonical is what the key stands for, written in another way than the edge's.
func canonical(v *visit) string {
	o := likeOf(v.e)
	begins := ""
	if o.preserve {
		scheme, port := "plain ", ":80"
		if v.r.Secure {
			scheme, port = "secure ", ":443"
		}
		authority := strings.ToLower(string(v.r.Authority()))
		if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
			if digits := strings.TrimLeft(authority[i+1:], "0"); ":"+digits == port || authority[i:] == ":" {
				authority = authority[:i]
			}
		}
		begins = scheme + authority + " "
	}
	target := string(v.r.Target())
	path, query, has := strings.Cut(target, "?")
	params := strings.Split(query, "&")
	if !has || o.keepOrder || len(params) > 256 {
		return begins + target
	}
	byName := map[string][]string{}
	var names []string
	for _, p := range params {
		name, _, _ := strings.Cut(p, "=")
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], p)
	}
	slices.Sort(names)
	var out []string
	for _, n := range names {
		out = append(out, byName[n]...)
	}
	return begins + path + "?" + strings.Join(out, "&")
}

// FuzzQuestion: whatever /oc-cgi/explain is asked, it is refused with words, or
// explained; and what is explained is asked so again by Query.
func FuzzQuestion(f *testing.F) {
	for _, seed := range []string{
		"url=http://h/a", "url=https://h/a.png?b%26c&method=POST&header=Cookie:%20a=b&from=192.0.2.1&uses=2", "url=http://h/a&status=404&response-header=Vary:%20*",
		"url=http://h/a&header=Host:%20g:81&response-header=Cache-Control:%20max-age=5&response-header=Age:%206", "url=http://h/../b&method=PURGE", "url=http://h/oc-cgi/x",
		"url=http://h/health&method=HEAD", "url=http://h/a&method=OPTIONS&header=Max-Forwards:%200", "url=http://h/a&header=Range:%20bytes=0-1&status=206", "url=*", "url=http://h/a&header=a:%0d%0a",
	} {
		f.Add(seed)
	}
	plan := newEdge(f, Options{}, kilobyte{}, serveLike{ttls: []string{"^/a", ""}, pass: []string{"^/pass"}}.site()).Plan()
	f.Fuzz(func(t *testing.T, query string) {
		q, err := questionOf(query)
		if err != nil {
			return
		}
		x, err := plan.Explain(q)
		if err != nil {
			return
		}
		again, err := questionOf(q.Query())
		if err != nil {
			t.Fatalf("%q: as %q: %v", query, q.Query(), err)
		}
		if y, err := plan.Explain(again); err != nil || y.Key != x.Key || y.Stored != x.Stored || y.Status != x.Status {
			t.Errorf("%q: got %+v, and as %q %+v, %v", query, x, q.Query(), y, err)
		}
	})
}
