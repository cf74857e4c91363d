package edge

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzPurgeURL: a URL that operators name is refused, or has the key of a
// request for it; a prefix is refused, or is what keys of one site begin with,
// that of the same text as a URL among them.
func FuzzPurgeURL(f *testing.F) {
	for options := range uint8(4) {
		for _, url := range []string{"/a?b&a", "http://H:80/a", "https://h/../b#c", "http://h", "http://u@h/", "/\x00", "ftp://h/", "http://h/a*", "*", "//h/a", "http://h/%2e%2e/a b"} {
			f.Add(url, options)
		}
	}
	edges := fourEdges(f)
	f.Fuzz(func(t *testing.T, url string, options uint8) {
		e := edges[options%4]
		o := likeOf(e)
		var key []byte
		found, err := e.storedFor(url)
		if err == nil {
			v := keyed(e, url, "other")
			if len(found) != 1 || found[0].begins {
				t.Fatalf("%q, %+v: got %+v, want one key", url, o, found)
			}
			if key = found[0].key; v == nil || !bytes.Equal(v.key, key) {
				t.Fatalf("%q, %+v: got key %q, a request for it has another or is none", url, o, key)
			}
			soundKey(t, v)
		}
		bans, bad := e.prefixBans(&Purge{Prefix: url})
		if bad != nil {
			return
		}
		for _, b := range bans {
			path, ok := bytes.CutPrefix(b.Prefix, b.Site)
			if !ok || len(path) == 0 || path[0] != '/' || bytes.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("prefix %q, %+v: got %q of site %q", url, o, b.Prefix, b.Site)
			}
			plain := !strings.ContainsAny(url, "?*") && !bytes.Contains(path, []byte("/.")) && !bytes.Contains(bytes.ToLower(path), []byte("%2e"))
			if err == nil && plain && !bytes.Equal(b.Prefix, key) {
				t.Fatalf("%q, %+v: as prefix %q, as URL %q", url, o, b.Prefix, key)
			}
		}
	})
}
