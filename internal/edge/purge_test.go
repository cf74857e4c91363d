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
	f.Fuzz(func(t *testing.T, url string, options uint8) {
		o := Options{Origin: "http://o/base", KeepQueryOrder: options&1 != 0, PreserveHost: options&2 != 0}
		e := &Edge{o: o, origin: parseOrigin(o.Origin)}
		key, err := e.keyNamed(url)
		if err == nil {
			v := keyed(o, url, "other")
			if v == nil || !bytes.Equal(v.key, key) {
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
