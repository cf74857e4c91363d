package edge

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// locate makes locations of texts as documents have them.
func locate(texts ...string) *locations {
	l := &locations{exact: map[string]int{}}
	for n, text := range texts {
		kind, rest, _ := strings.Cut(text, " ")
		switch kind {
		case "=":
			l.exact[rest] = n
		case "^~":
			l.prefixes = append(l.prefixes, prefix{text: rest, route: n, first: true})
		case "~":
			l.patterns = append(l.patterns, pattern{regexp.MustCompile(rest), n})
		case "~*":
			l.patterns = append(l.patterns, pattern{regexp.MustCompile("(?i)" + rest), n})
		default:
			l.prefixes = append(l.prefixes, prefix{text: text, route: n})
		}
	}
	l.complete()
	return l
}

// nginx: "location" in ngx_http_core_module.
func TestLocations(t *testing.T) {
	l := locate("= /", "/", "/documents/", "^~ /images/", `~* \.(gif|jpg|jpeg)$`, `~ ^/documents/x`, "= /documents/1.jpg", "/images/raw/", "/doc")
	for path, want := range map[string]string{
		"/": "= /", "/index.html": "/", "/documents/document.html": "/documents/", "/images/1.gif": "^~ /images/", "/documents/1.JPG": `~* \.(gif|jpg|jpeg)$`,
		"/documents/1.jpg": "= /documents/1.jpg", "/documents/x.gif": `~* \.(gif|jpg|jpeg)$`, "/documents/xyz": `~ ^/documents/x`,
		"/images/raw/1.gif": `~* \.(gif|jpg|jpeg)$`, // the longest prefix is one that lets expressions go before it
		"/images/raw/1":     "/images/raw/", "/images": "/", "/docs": "/doc", "/document": "/doc", "/dob": "/",
	} {
		texts := []string{"= /", "/", "/documents/", "^~ /images/", `~* \.(gif|jpg|jpeg)$`, `~ ^/documents/x`, "= /documents/1.jpg", "/images/raw/", "/doc"}
		if n, _, _ := l.find([]byte(path)); n < 0 || texts[n] != want {
			t.Errorf("%s: got %d, want %s", path, n, want)
		}
	}
	if n, by, _ := locate("/a/", "= /b").find([]byte("/c")); n >= 0 || by != nowhere {
		t.Errorf("a path of no route: got %d, %d", n, by)
	}
}

// The longest prefix is what looking at each of them finds.
func TestLongestPrefix(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := []byte{'/'}
		for range rnd.IntN(6) {
			b = append(b, "ab/"[rnd.IntN(3)])
		}
		return string(b)
	}
	for range 2000 {
		seen := map[string]bool{}
		var texts []string
		for range rnd.IntN(12) {
			if w := word(); !seen[w] {
				seen[w] = true
				texts = append(texts, w)
			}
		}
		path, want := word(), ""
		for _, text := range texts {
			if strings.HasPrefix(path, text) && len(text) > len(want) {
				want = text
			}
		}
		got := ""
		if p := locate(texts...).longest([]byte(path)); p != nil {
			got = p.text
		}
		if got != want {
			t.Fatalf("%s of %q: got %q, want %q", path, texts, got, want)
		}
	}
}
