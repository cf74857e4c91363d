package origin

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ in, addr, host, base string }{
		{"http://example.org", "example.org:80", "example.org", ""},
		{"https://example.org/", "example.org:443", "example.org", ""},
		{"https://example.org:8443/a/b/", "example.org:8443", "example.org:8443", "/a/b"},
		{"HTTP://127.0.0.1:80//", "127.0.0.1:80", "127.0.0.1", ""},
		{"http://[::1]:8080/a%2Fb", "[::1]:8080", "[::1]:8080", "/a%2Fb"},
		{"https://[::1]", "[::1]:443", "[::1]", ""},
	} {
		u, err := Parse(tt.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.in, err)
			continue
		}
		if u.Addr != tt.addr || u.Host != tt.host || u.Base != tt.base {
			t.Errorf("Parse(%q): got %q %q %q, want %q %q %q", tt.in, u.Addr, u.Host, u.Base, tt.addr, tt.host, tt.base)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ in, found string }{
		{"", "no scheme"},
		{"example.org", "no scheme"},
		{"example.org:80", "scheme"},
		{"ftp://example.org", `scheme "ftp"`},
		{"http://", "no host"},
		{"http://:80", "no host"},
		{"http://u:secret@example.org", "user information"},
		{"http://u:secret@exa mple.org", "white space"},
		{"ftp://u:secret@example.org", "scheme"},
		{"http://u:secret@[::1", "not a URL"},
		{"http://u:secret/x@h", "not a URL"},
		{"http://example.org?a=b", `query "a=b"`},
		{"http://example.org/?", "query"},
		{"http://example.org#", "fragment"},
		{"http://example.org/#top", `fragment "top"`},
		{"http://example.org:", "empty port"},
		{"http://example.org:0", `port "0"`},
		{"http://example.org:65536", `port "65536"`},
		{"http://example.org:http", "port"},
		{"http://exa mple.org", "white space"},
		{"http://example.org/a\r\nb", "white space"},
		{"http://[::1", "]"},
		{"http://b\u00fccher.example", "neither"},
		{"http://[fe80::1%25eth0]", "neither"},
	} {
		_, err := Parse(tt.in)
		switch {
		case err == nil:
			t.Errorf("Parse(%q): no error, want %q", tt.in, tt.found)
		case !strings.Contains(err.Error(), tt.found) || !strings.Contains(err.Error(), "expected"):
			t.Errorf("Parse(%q): got %q, want %q and what is expected", tt.in, err, tt.found)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("Parse(%q): %q repeats the password", tt.in, err)
		}
	}
}

// FuzzParse checks that what is taken can be dialled and written into a head.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"http://h", "https://h:8443/a/", "http://[::1]:1/%2f", "http://h/\u00fc?", "//h", "http://a\"b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		for _, part := range []string{u.Addr, u.Host, u.Base} {
			if strings.ContainsFunc(part, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
				t.Errorf("Parse(%q): %q %q %q has bytes that no head may hold", s, u.Addr, u.Host, u.Base)
			}
		}
		if u.Addr == "" || u.Host == "" || strings.HasSuffix(u.Base, "/") || u.Base != "" && u.Base[0] != '/' {
			t.Errorf("Parse(%q): got %q %q %q", s, u.Addr, u.Host, u.Base)
		}
	})
}
