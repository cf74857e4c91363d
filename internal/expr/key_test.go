package expr_test

import (
	"errors"
	"testing"

	"opencache/internal/expr"
)

func parseKey(t testing.TB, text string, o expr.KeyOptions) *expr.Key {
	t.Helper()
	k, err := expr.ParseKey(text, o)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return k
}

func keyOf(k *expr.Key, r *request) []byte {
	key, _ := k.Append(nil, r)
	return key
}

func plain(stored []byte) string { return string(expr.AppendPlainKey(nil, stored)) }

// TestKeyText: what is shown of a key is what nginx would make of its text, but
// for what an origin may tell apart.
func TestKeyText(t *testing.T) {
	normalizer, err := expr.NewNormalizer(expr.Normalize{Drop: []string{"None", "b"}, Sort: expr.ByValue})
	if err != nil {
		t.Fatal(err)
	}
	r := *example
	r.host, r.normalizer = "Example.com:8080", normalizer
	r.path = "/%61%2f/b"
	bare := r
	bare.query, bare.fields = "?b=1", nil
	for _, c := range []struct{ key, want, bare string }{
		{expr.DefaultKey, "httpGETexample.com:8080/%61%2f/b?b=1&A=2&a=3&empty=&none", "httpGETexample.com:8080/%61%2f/b?b=1"},
		{expr.NormalizedKey, "httpGETexample.com:8080/%61%2f/b?A=2&a=3&empty=", "httpGETexample.com:8080/%61%2f/b"},
		{"$scheme$request_method$host$uri$is_args$normalized_args", "httpGETexample.com:8080/a%2F/b?A=2&a=3&empty=", "httpGETexample.com:8080/a%2F/b"},
		{"$host$uri", "example.com:8080/a%2F/b", "example.com:8080/a%2F/b"},
		{"$host$uri$is_args$args", "example.com:8080/a%2F/b?b=1&A=2&a=3&empty=&none", "example.com:8080/a%2F/b?b=1"},
		{"$host$uri$cookie_tier", "example.com:8080/a%2F/b;Tier=x;tier=\"gold\"", "example.com:8080/a%2F/b"},
		{"$host$uri$cookie_session|$http_user_agent", "example.com:8080/a%2F/b;session=|Mozilla Bot/1.0", "example.com:8080/a%2F/b|"},
		{"$uri$arg_b$arg_a", "/a%2F/b1&A=2&a=3", "/a%2F/b1"},
	} {
		k := parseKey(t, c.key, expr.KeyOptions{})
		if got := plain(keyOf(k, &r)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.key, got, c.want)
		}
		if got := plain(keyOf(k, &bare)); got != c.bare {
			t.Errorf("%s, bare: got %q, want %q", c.key, got, c.bare)
		}
		shared := parseKey(t, c.key, expr.KeyOptions{Prefix: "shop:"})
		if got, want := plain(keyOf(shared, &r)), "shop:"+c.want; got != want {
			t.Errorf("%s, shared: got %q, want %q", c.key, got, want)
		}
	}
}

// TestKeysApart: requests and texts that look the same in nginx, and have keys
// of their own here.
func TestKeysApart(t *testing.T) {
	type way struct {
		key string
		o   expr.KeyOptions
		r   request
	}
	for _, c := range []struct {
		name string
		a, b way
	}{
		{"values run together",
			way{"$host$arg_a$arg_b", expr.KeyOptions{}, request{query: "?a=1&b=23"}},
			way{"$host$arg_a$arg_b", expr.KeyOptions{}, request{query: "?a=12&b=3"}}},
		{"scheme and host",
			way{"$scheme$host", expr.KeyOptions{}, request{host: "sx"}},
			way{"$scheme$host", expr.KeyOptions{}, request{host: "x", secure: true}}},
		{"a question mark encoded",
			way{"$host$uri$is_args$args", expr.KeyOptions{}, request{path: "/a%3Fb"}},
			way{"$host$uri$is_args$args", expr.KeyOptions{}, request{path: "/a", query: "?b"}}},
		{"a slash encoded",
			way{"$host$uri", expr.KeyOptions{}, request{path: "/a%2Fb"}},
			way{"$host$uri", expr.KeyOptions{}, request{path: "/a/b"}}},
		{"path and query without a question mark",
			way{"$host$uri$args", expr.KeyOptions{}, request{path: "/ab"}},
			way{"$host$uri$args", expr.KeyOptions{}, request{path: "/a", query: "?b"}}},
		{"a literal in a value",
			way{"$host$uri|$cookie_a|$cookie_b", expr.KeyOptions{}, request{fields: map[string]string{"cookie": "a=x|y; b=z"}}},
			way{"$host$uri|$cookie_a|$cookie_b", expr.KeyOptions{}, request{fields: map[string]string{"cookie": "a=x; b=y|z"}}}},
		{"bytes that separate",
			way{"$http_a$http_b", expr.KeyOptions{}, request{fields: map[string]string{"a": "x\x01", "b": "y"}}},
			way{"$http_a$http_b", expr.KeyOptions{}, request{fields: map[string]string{"a": "x", "b": "\x01y"}}}},
		{"the same parameter twice",
			way{"$uri$arg_v", expr.KeyOptions{}, request{query: "?v=1&v=2"}},
			way{"$uri$arg_v", expr.KeyOptions{}, request{query: "?v=1"}}},
		{"a parameter in other letters",
			way{"$uri$arg_v", expr.KeyOptions{}, request{query: "?V=1&v=2"}},
			way{"$uri$arg_v", expr.KeyOptions{}, request{query: "?v=1"}}},
		{"a parameter encoded",
			way{"$uri$arg_v", expr.KeyOptions{}, request{query: "?%76=2"}},
			way{"$uri$arg_v", expr.KeyOptions{}, request{}}},
		{"a cookie twice",
			way{"$uri$cookie_tier", expr.KeyOptions{}, request{fields: map[string]string{"cookie": "tier=free; tier=gold"}}},
			way{"$uri$cookie_tier", expr.KeyOptions{}, request{fields: map[string]string{"cookie": "tier=free"}}}},
		{"two ports",
			way{"$host$uri", expr.KeyOptions{}, request{host: "h:81"}},
			way{"$host$uri", expr.KeyOptions{}, request{host: "h:82"}}},
		{"two texts",
			way{"$host$uri", expr.KeyOptions{}, request{path: "/a"}},
			way{"$host$request_uri", expr.KeyOptions{}, request{path: "/a"}}},
		{"two accounts",
			way{"$request_uri", expr.KeyOptions{Account: "one/static"}, request{path: "/a"}},
			way{"$request_uri", expr.KeyOptions{Account: "two/static"}, request{path: "/a"}}},
		{"account and none",
			way{expr.DefaultKey, expr.KeyOptions{Account: "one/static"}, request{path: "/a"}},
			way{expr.DefaultKey, expr.KeyOptions{}, request{path: "/a"}}},
		{"sites in a shared zone",
			way{"$request_uri", expr.KeyOptions{Prefix: "a:"}, request{path: "/a"}},
			way{"$request_uri", expr.KeyOptions{Prefix: "b:"}, request{path: "/a"}}},
	} {
		for _, r := range []*request{&c.a.r, &c.b.r} {
			if r.path == "" {
				r.path = "/"
			}
		}
		a := keyOf(parseKey(t, c.a.key, c.a.o), &c.a.r)
		b := keyOf(parseKey(t, c.b.key, c.b.o), &c.b.r)
		if string(a) == string(b) {
			t.Errorf("%s: both have %q", c.name, a)
		}
	}
}

func TestKeysAlike(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		x, y       request
	}{
		{"HEAD and GET", expr.DefaultKey, expr.DefaultKey, request{method: "HEAD"}, request{method: "GET"}},
		{"case of the host", expr.DefaultKey, expr.DefaultKey, request{host: "A.example"}, request{host: "a.example"}},
		{"names with and without braces, and aliases", "$host$uri$args", "${host}${document_uri}$query_string", request{}, request{}},
		{"equivalent paths", "$host$uri", "$host$uri", request{path: "/%61%2f"}, request{path: "/a%2F"}},
	} {
		for _, r := range []*request{&c.x, &c.y} {
			if r.path == "" {
				r.path = "/"
			}
		}
		a := keyOf(parseKey(t, c.a, expr.KeyOptions{}), &c.x)
		b := keyOf(parseKey(t, c.b, expr.KeyOptions{}), &c.y)
		if string(a) != string(b) {
			t.Errorf("%s: got %q and %q", c.name, a, b)
		}
	}
}

func TestKeyOrigin(t *testing.T) {
	r := &request{host: "h", path: "/a", query: "?b", fields: map[string]string{}}
	for _, c := range []struct{ key, want string }{
		{expr.DefaultKey, "httpGETh"}, {"$host$uri", "h"}, {"$scheme://$host|$args", "http://h|"}, {"$host$cookie_a$uri", ""}, {"$uri$host", ""}, {"$scheme$uri", "http"}, {"http://o$uri", "http://o"}, {"a$uri$host", ""}, {"$host", ""},
	} {
		for _, o := range []expr.KeyOptions{{}, {Prefix: "site:", Account: "zone"}} {
			key, n := parseKey(t, c.key, o).Append([]byte("before"), r)
			want := c.want
			if want != "" {
				want = o.Prefix + want
			}
			if got := plain(key[len("before"):][:n]); got != want {
				t.Errorf("%s %+v: got origin %q, want %q", c.key, o, got, want)
			}
		}
	}
}

func TestKeyFaults(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"static", `at position 1: "static": expected a variable: all requests have this key`},
		{"$request_method", `at position 1: "$request_method": expected a variable: all requests have this key`},
		{"", `at position 1: expected a variable: all requests have this key`},
		{"$host$msec", `at position 6: "$msec": not in a key: no two requests have the same, so nothing would be found again`},
	} {
		_, err := expr.ParseKey(c.key, expr.KeyOptions{})
		var fault *expr.Error
		if !errors.As(err, &fault) || fault.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.key, err, c.want)
		}
	}
}

func TestKeyPurge(t *testing.T) {
	url := &request{host: "h", path: "/%61/b", query: "?x=1&y", scratch: new(expr.Scratch)}
	for _, c := range []struct {
		key    string
		reach  expr.Reach
		text   string // of what all keys of the URL begin with
		prefix string // of what all keys of URLs begin with that begin so; "-": there is none
		search bool
	}{
		{expr.DefaultKey, expr.Exact, "httpGETh/%61/b?x=1&y", "httpGETh/%61/b?x=1&y", true},
		{expr.NormalizedKey, expr.Exact, "httpGETh/%61/b?x=1&y", "httpGETh/%61/b?x=1&y", true},
		{"$host$uri", expr.Exact, "h/a/b", "h/a/b", false},
		{"$host$uri$is_args$normalized_args", expr.Exact, "h/a/b?x=1&y", "h/a/b", true},
		{"$host$uri?$args", expr.Exact, "h/a/b?x=1&y", "h/a/b", false},
		{"$host$uri$cookie_t", expr.Begins, "h/a/b", "h/a/b", false},
		{"$host$request_uri-$http_x", expr.Begins, "h/%61/b?x=1&y-", "h/%61/b?x=1&y", false},
		{"$host$cookie_t$uri", expr.Wide, "h", "-", false},
		{"$cookie_t$host$uri", expr.Nowhere, "", "-", false},
		{"x$arg_x$uri", expr.Exact, "x1/a/b", "-", false},
	} {
		k := parseKey(t, c.key, expr.KeyOptions{})
		got, reach := k.AppendURL(nil, url)
		if reach != c.reach || plain(got) != c.text {
			t.Errorf("%s: got %q reach %d, want %q %d", c.key, got, reach, c.text, c.reach)
		}
		prefix, ok := k.AppendPrefix(nil, url)
		if ok && plain(prefix) != c.prefix || !ok && c.prefix != "-" {
			t.Errorf("%s: got prefix %q %t, want %q", c.key, prefix, ok, c.prefix)
		}
		if got := k.Searchable(); got != c.search {
			t.Errorf("%s: got searchable %t, want %t", c.key, got, c.search)
		}
	}
	// What two URLs' keys begin with tells them apart, though one begins the other.
	k := parseKey(t, "$host$uri$cookie_t", expr.KeyOptions{})
	short, _ := k.AppendURL(nil, &request{host: "h", path: "/a"})
	long := keyOf(k, &request{host: "h", path: "/ab"})
	if string(long[:min(len(short), len(long))]) == string(short) {
		t.Errorf("a purge of %q drops %q", short, long)
	}
	if prefix, ok := parseKey(t, "$host$uri", expr.KeyOptions{}).AppendPrefix(nil, &request{host: "h", path: "/a%e"}); !ok || plain(prefix) != "h/a" {
		t.Errorf("half a triplet: got prefix %q", prefix)
	}
}
