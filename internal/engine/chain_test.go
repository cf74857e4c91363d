package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// parsed returns the only member of a field's only line, and its parameters.
func parsed(t *testing.T, line, field string) httpsfv.Item {
	t.Helper()
	value, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r\n"), field+": ")
	list, err := httpsfv.UnmarshalList([]string{value})
	if !ok || err != nil || len(list) != 1 {
		t.Fatalf("%q: got %d members (%v), want 1", line, len(list), err)
	}
	item, _ := list[0].(httpsfv.Item)
	return item
}

// Whatever is told of an outcome can be parsed, and each reason has words (RFC
// 9211, 2; RFC 9209, 2).
func TestOutcomesParse(t *testing.T) {
	var all []Reason
	for r := range rfc9111.NumReasons {
		all = append(all, Reason(r))
	}
	for r := OriginUnreachable; int(r-OriginUnreachable) < len(reasons); r++ {
		all = append(all, r)
	}
	for i, why := range all {
		if s := why.String(); s == "" || s == "reason?" {
			t.Errorf("reason %d: got %q, want words", why, s)
		}
		for fwd := range forwards {
			o := Outcome{
				Status: Status(i % NumStatus), Forward: Forward(fwd), Why: why, Upstream: 100 * (i % 6), TTL: int64(i) - 20,
				Stored: i&1 == 1, Collapsed: i&2 == 2,
			}
			lines := strings.SplitAfter(string(o.appendFields(nil, itemOf("My Cache"), []byte("http://a/\"\\\x00é"), false)), "\r\n")
			params := parsed(t, lines[2], "Cache-Status").Params
			for _, name := range params.Names() {
				checkParam(t, &o, params, name)
			}
			if got, _ := params.Get("detail"); why != 0 && got != why.String() {
				t.Errorf("%+v: got detail %v, want %s", o, got, why)
			}
		}
	}
	for f := origin.Dial; int(f) < origin.NumFaults; f++ {
		o := Outcome{Why: Internal, Upstream: 503, Err: blamed(502, f, errors.New("x"))}
		item := parsed(t, string(o.appendProxyStatus(nil, itemOf("3rd"), `"a:80"`)), "Proxy-Status")
		if got, _ := item.Params.Get("error"); item.Value != "3rd" || got != httpsfv.Token(proxyErrorOf(o.Err).String()) {
			t.Errorf("%s: got %v and error %v", f, item.Value, got)
		}
	}
}

// checkParam checks the type that RFC 9211, 2.1 to 2.8 says for a parameter.
func checkParam(t *testing.T, o *Outcome, params *httpsfv.Params, name string) {
	t.Helper()
	value, _ := params.Get(name)
	ok := false
	switch name {
	case "hit":
		ok = value == true && o.Forward == NotForwarded
	case "stored", "collapsed":
		ok = value == true
	case "fwd":
		ok = value == httpsfv.Token(o.Forward.String())
	case "fwd-status":
		ok = value == int64(o.Upstream)
	case "ttl":
		ok = value == o.TTL
	case "key":
		ok = value == `http://a/"\%00%C3%A9`
	case "detail":
		ok = value == o.Why.String()
	}
	if !ok {
		t.Errorf("%+v: parameter %s is %T %v", o, name, value, value)
	}
}

// What caches before this one tell is kept in its order, in front of ours, at
// storing, from the store and after a 304; what can not be read is not.
func TestMembersOfOtherCaches(t *testing.T) {
	for _, tt := range []struct{ came, want string }{
		{"inner; hit; ttl=5", "inner; hit; ttl=5, "},
		{"a; hit\r\nCache-Status: \"b c\"; fwd=miss", "a; hit, \"b c\"; fwd=miss, "},
		{"HIT from inner", ""}, // two words are no member
		{"inner; hit=", ""},
		{"inner, ", ""},
	} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				if r.Has(wire.IfNoneMatch) {
					return streamed("304 Not Modified\r\nETag: \"a\"\r\nCache-Control: max-age=5\r\nCache-Status: mid; fwd=stale", nil), nil
				}
				if r.Method == wire.POST {
					return respond("200 OK\r\nCache-Status: "+tt.came, "done"), nil
				}
				return respond("200 OK\r\nCache-Control: max-age=5\r\nETag: \"a\"\r\nCache-Status: "+tt.came, "hello"), nil
			})
			defer g.close()
			check := func(what string, s *sink, want string) {
				t.Helper()
				if got := strings.Join(s.all("Cache-Status"), ", "); got != want {
					t.Errorf("%q, %s: got %q, want %q", tt.came, what, got, want)
				}
			}
			check("miss", g.get("/a"), tt.want+"opencache; fwd=uri-miss; fwd-status=200; stored; ttl=5")
			check("hit", g.get("/a"), tt.want+"opencache; hit; ttl=5")
			check("pass", g.ask("POST", "/b"), tt.want+"opencache; fwd=method; fwd-status=200; detail=\"method\"")
			after(6e9)
			check("304", g.get("/a"), "mid; fwd=stale, opencache; fwd=stale; fwd-status=304; ttl=5")
			check("hit behind it", g.get("/a"), "mid; fwd=stale, opencache; hit; ttl=5")
		})
	}
}

// all returns the values of a field's lines.
func (s *sink) all(name string) (values []string) {
	for _, line := range strings.Split(s.fields, "\r\n") {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

// The key is told by policy alone, as a string and not without end (RFC 9211, 2.7).
func TestTellKey(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(int, *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60", "hello"), nil
		})
		defer g.close()
		g.get("/a?b=1,2")
		g.pol.TellKey = true
		if got, want := g.get("/a?b=1,2").field("Cache-Status"), `opencache; hit; ttl=60; key="http://origin.test/a?b=1,2"`; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		long := g.get("/" + strings.Repeat("x", 5000)).field("Cache-Status")
		if n := strings.Count(long, "x"); n > keyTold || n < keyTold-30 {
			t.Errorf("of a long key: got %d bytes, want about %d", n, keyTold)
		}
	})
}
