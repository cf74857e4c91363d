package telemetry

import (
	"bytes"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	empty := sample()
	empty.UserAgent, empty.Referer = nil, []byte("\"\\\n\x7fé")
	for text, want := range map[string]string{
		Combined: `192.0.2.7 - - [04/Mar/2026:04:06:07 +0000] "GET /a?b=\x22c\x22\x5Cd HTTP/1.1" 200 1024 "\x22\x5C\x0A\x7F\xC3\xA9" "-"`,
		"$status ${status}0 $$ $msec|$upstream_addr|$dl_bps|$cache_key": "200 2000 $ 1772597167.089|-|663588|-",
		"": "",
	} {
		f, err := ParseFormat(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := string(f.append(nil, empty)); got != want+"\n" {
			t.Errorf("%q:\n got %q\nwant %q", text, got, want+"\n")
		}
	}
	for text, want := range map[string]string{
		"$statuss":                   `log text: "$statuss" at byte 0`,
		"a $":                        `log text: "$" at byte 2`,
		"a ${status":                 `log text: "${status" at byte 2`,
		"a\nb":                       "expected one line",
		strings.Repeat("a", 1+4<<10): "expected at most 4096",
	} {
		if _, err := ParseFormat(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
	}
}

// FuzzFormat: any text and any bytes of a request give one line that fits a block.
func FuzzFormat(f *testing.F) {
	for _, text := range []string{Combined, "$$", "${request}$", "${", strings.Repeat("$request", 500)} {
		f.Add(text, []byte("/a\r\nb\"\xff"))
	}
	f.Fuzz(func(t *testing.T, text string, target []byte) {
		format, err := ParseFormat(text)
		if err != nil {
			return
		}
		r := sample()
		r.Target, r.UserAgent, r.Referer, r.Host = target, target, target, target
		line := format.append(nil, r)
		if n := bytes.IndexByte(line, '\n'); n != len(line)-1 || len(line) > blockSize || bytes.IndexByte(line, '\r') >= 0 {
			t.Errorf("%q of %q: newline at %d of %d", text, target, n, len(line))
		}
	})
}
