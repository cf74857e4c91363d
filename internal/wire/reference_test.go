package wire

import (
	"fmt"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, tt := range []struct{ ref, want string }{
		// RFC 3986, 5.4.1, less what HTTP has not: parameters of a scheme and fragments
		{"g:h", "none"},
		{"g", "http://a/b/c/g"},
		{"./g", "http://a/b/c/g"},
		{"g/", "http://a/b/c/g/"},
		{"/g", "http://a/g"},
		{"//g", "http://g/"},
		{"?y", "http://a/b/c/d;p?y"},
		{"g?y", "http://a/b/c/g?y"},
		{"#s", "http://a/b/c/d;p?q"},
		{"g#s", "http://a/b/c/g"},
		{"g?y#s", "http://a/b/c/g?y"},
		{";x", "http://a/b/c/;x"},
		{"", "http://a/b/c/d;p?q"},
		{".", "http://a/b/c/"},
		{"..", "http://a/b/"},
		{"../g", "http://a/b/g"},
		{"../../g", "http://a/g"},
		// 5.4.2
		{"../../../../g", "http://a/g"},
		{"/../g", "http://a/g"},
		{"..g", "http://a/b/c/..g"},
		{"g;x=1/../y", "http://a/b/c/y"},
		{"g?y/../x", "http://a/b/c/g?y/../x"},
		{"g#s/../x", "http://a/b/c/g"},
		{"http:g", "none"}, // the strict reading
		// and more
		{"http://x.test/a/../b?c#d", "http://x.test/b?c"},
		{"HTTPS://X.test:443", "https://X.test:443/"},
		{"https://x.test?q", "https://x.test/?q"},
		{"//x.test:81/a?", "http://x.test:81/a?"},
		{"?", "http://a/b/c/d;p?"},
		{"%67", "http://a/b/c/%67"},
		{"g?%", "http://a/b/c/g?%"},
		{"http://u@a/", "none"}, // RFC 9110, 4.2.4
		{"http:///g", "none"},
		{"//a b/", "none"},
		{"g h", "none"},
		{"%6", "none"},
		{"mailto:x@y", "none"},
		{"ftp://a/g", "none"},
		{"a:b", "none"},
		{"./a:b", "http://a/b/c/a:b"},
		{"\xc3\xa9", "none"},
	} {
		var r Request
		if _, err := ParseRequest(&r, []byte("PUT /b/c/d;p?q HTTP/1.1\r\nHost: a\r\n\r\n"), Limits{}); err != nil {
			t.Fatal(err)
		}
		got := "none"
		if u, _, ok := r.Resolve(nil, []byte(tt.ref)); ok {
			got = fmt.Sprintf("%s://%s%s", map[bool]string{true: "https", false: "http"}[u.Secure], u.Authority, u.Target)
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.ref, got, tt.want)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tt := range []struct {
		a, b         string
		plain, whole bool // the same by http, by https
	}{
		{"h", "h", true, true},
		{"H.test", "h.TEST", true, true},
		{"h", "h:", true, true},
		{"h", "h:80", true, false},
		{"h", "h:080", true, false},
		{"h", "h:443", false, true},
		{"h:8080", "h:8080", true, true},
		{"h", "h:8080", false, false},
		{"h", "h:0", false, false},
		{"h:", "h:0", false, false},
		{"h:80", "h:443", false, false},
		{"h", "g", false, false},
		{"[::1]", "[::1]:80", true, false},
		{"[::80]", "[::80]", true, true},
		{"h80", "h", false, false},
	} {
		u := URI{Authority: []byte(tt.a)}
		plain := u.SameOrigin(false, []byte(tt.b))
		u.Secure = true
		whole := u.SameOrigin(true, []byte(tt.b))
		if plain != tt.plain || whole != tt.whole {
			t.Errorf("%q and %q: got %v by http, %v by https, want %v, %v", tt.a, tt.b, plain, whole, tt.plain, tt.whole)
		}
		if u.SameOrigin(false, []byte(tt.b)) {
			t.Errorf("https %q has the origin of http %q", tt.a, tt.b)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, ref := range []string{"g", "//h/g", "http://h:80?x", "../..", "?", "a:b", "%2e./x", "#"} {
		f.Add("/b/c/d;p?q", ref)
	}
	f.Fuzz(func(t *testing.T, target, ref string) {
		var r Request
		head := "PUT " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"
		if n, err := ParseRequest(&r, []byte(head), Limits{}); err != nil || n != len(head) {
			return
		}
		u, _, ok := r.Resolve(nil, []byte(ref))
		if !ok {
			return
		}
		// What was resolved is a target that a request may have, and resolves to itself.
		head = "GET " + string(u.Target) + " HTTP/1.1\r\nHost: " + string(u.Authority) + "\r\n\r\n"
		var again Request
		if n, err := ParseRequest(&again, []byte(head), Limits{Line: 1 << 20, Head: 1 << 21}); err != nil || n != len(head) {
			t.Fatalf("%q on %q: %q is no request: %v", ref, target, head, err)
		}
		if v, _, ok := again.Resolve(nil, u.Target); string(u.Target[:min(2, len(u.Target))]) != "//" && (!ok || string(v.Target) != string(u.Target)) {
			t.Fatalf("%q on %q: %q resolves to %q", ref, target, u.Target, v.Target)
		}
	})
}
