package lab

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// readAll reads a trace to its end.
func readAll(t Trace) (requests []Request, err error) {
	for {
		var r Request
		if err := t.Next(&r); errors.Is(err, io.EOF) {
			return requests, nil
		} else if err != nil {
			return requests, err
		}
		requests = append(requests, r)
	}
}

const (
	hitLine  = `{"time_iso8601":"2026-11-22T10:00:00.000Z","request_method":"GET","host":"a","request_uri":"/x","status":200,"body_bytes_sent":1234,"upstream_cache_status":"HIT","cache_reason":"","log_cache_key":"http://a/x"}`
	passLine = `{"request_method":"GET","host":"a","request_uri":"/p","status":200,"body_bytes_sent":7,"upstream_cache_status":"BYPASS"}`
	postLine = `{"request_method":"POST","host":"a","request_uri":"/x","status":200,"body_bytes_sent":7}`
	nginx    = `{"request_method":"GET","host":"a","request_uri":"/x","status":404,"body_bytes_sent":9}`
)

func TestLog(t *testing.T) {
	text := "# a comment\n\n0 a 10\n1.5\tb  20 \r\n" + hitLine + "\n" + passLine + "\n" + postLine + "\n" + nginx + "\n1e3 a 10"
	want := []Request{
		{keyHash([]byte("a")), 10}, {keyHash([]byte("b")), 20}, {keyHash([]byte("http://a/x")), 1234},
		{keyHash([]byte("a /x")), 9}, {keyHash([]byte("a")), 10},
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, text) // to memory
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]io.Reader{"text": strings.NewReader(text), "gzip": &packed} {
		l, err := NewLog(name, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(l)
		if err != nil || !slices.Equal(got, want) || l.Skipped != 2 {
			t.Errorf("%s: got %v, %d skipped, %v; want %v, 2", name, got, l.Skipped, err, want)
		}
	}
	l, err := NewLog("empty", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(l); len(got) != 0 || err != nil {
		t.Errorf("empty: got %v, %v", got, err)
	}
}

// A wrong line is named with what was found and what was expected.
func TestLogFaults(t *testing.T) {
	for text, want := range map[string]string{
		"1 a\n":                               `trace f:1: "1 a" in 2 columns: expected three, time key size, or a line of JSON`,
		"0 a 1\n0 a 1 x":                      `trace f:2: "0 a 1 x" in 4 columns: expected three`,
		"now a 1":                             `trace f:1: time "now": expected seconds, 0 or more`,
		"-1 a 1":                              `trace f:1: time "-1": expected seconds`,
		"NaN a 1":                             `trace f:1: time "NaN": expected seconds`,
		"1 a -1":                              `trace f:1: size "-1": expected bytes, from 0 to 1099511627776`,
		"1 a 2K":                              `trace f:1: size "2K": expected bytes`,
		"{":                                   `trace f:1: "{": unexpected end of JSON input: expected a line of an access log`,
		"{}":                                  `trace f:1: "{}": no body_bytes_sent from 0 to 1099511627776: expected`,
		`{"status":"ok"}`:                     `expected a line of an access log`,
		hitLine + "\n0 \x00":                  `trace f:2: "0 \x00" in 2 columns`,
		`{"body_bytes_sent":1}`:               `neither log_cache_key nor request_uri: expected`,
		"0 " + strings.Repeat("k", 64<<10):    `trace f:1: a line of more than 65536 bytes, "0 kkk`,
		"\x1f\x8b not gzip after all, at all": `trace f: gzip: invalid header`,
	} {
		l, err := NewLog("f", strings.NewReader(text))
		if err == nil {
			_, err = readAll(l)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %s", text, err, want)
		}
	}
}

// Whatever is in a file: requests within bounds or an error, never a panic.
func FuzzLog(f *testing.F) {
	for _, seed := range []string{
		"0 a 10\n", hitLine, passLine, postLine, nginx, "# x\n\n1e3 b 0", "{", `{"body_bytes_sent":-1}`, "NaN a 1", "1 a 99999999999999999999",
		"\x1f\x8b", "0 a 1\r\n\r\n", "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := NewLog("fuzz", bytes.NewReader(text))
		if err != nil {
			return
		}
		got, err := readAll(l)
		if lines := bytes.Count(text, []byte("\n")) + 1; len(text) > 1 && text[0] != 0x1f && len(got)+int(l.Skipped) > lines {
			t.Errorf("got %d requests of %d lines", len(got), lines)
		}
		for _, r := range got {
			if r.Size < 0 || r.Size > sizeMax {
				t.Errorf("got a size of %d", r.Size)
			}
		}
		if err != nil && !strings.HasPrefix(err.Error(), "trace fuzz:") {
			t.Errorf("got %v: no line in it", err)
		}
	})
}
