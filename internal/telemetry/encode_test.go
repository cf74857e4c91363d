package telemetry

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"opencache/internal/wire"
)

func sample() *Record {
	return &Record{
		Time:        time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.FixedZone("", 3600)),
		Remote:      netip.MustParseAddrPort("192.0.2.7:1234"),
		Method:      wire.GET,
		Host:        []byte("example.org"),
		Target:      []byte(`/a?b="c"\d`),
		Proto:       HTTP11,
		UserAgent:   []byte("curl/8"),
		RequestID:   []byte("0123"),
		Status:      200,
		Bytes:       1024,
		Duration:    12345 * time.Microsecond,
		CacheStatus: "HIT",
		Reason:      "fresh",
	}
}

// appendJSON is a line of a pen that wrote none before.
func appendJSON(dst []byte, r *Record) []byte { return new(pen).json(dst, r) }

func TestAppendJSON(t *testing.T) {
	full := everything()
	const request = `"host":"example.org","request_uri":"/a?b=\"c\"\\d","server_protocol":`
	for name, c := range map[string]struct {
		rec  *Record
		want string
	}{
		"hit": {sample(), `{"time_iso8601":"2026-03-04T04:06:07.089Z","remote_addr":"192.0.2.7",` +
			`"request":"GET /a?b=\"c\"\\d HTTP/1.1","request_method":"GET","scheme":"http",` + request + `"HTTP/1.1","status":200,` +
			`"body_bytes_sent":1024,"request_time":0.012345,"dl_bps":663588,"upstream_cache_status":"HIT","cache_reason":"fresh",` +
			`"request_id":"0123","http_user_agent":"curl/8","http_referer":""}`},
		"all fields": {full, `{"time_iso8601":"2026-03-04T04:06:07.089Z","remote_addr":"2001:db8::1","realip_remote_addr":"192.0.2.9","remote_user":"joe",` +
			`"request":"BREW /a?b=\"c\"\\d HTTP/2.0","request_method":"BREW","scheme":"https","host":"example.org","server_port":443,` +
			`"request_uri":"/a?b=\"c\"\\d","server_protocol":"HTTP/2.0","status":200,` +
			`"body_bytes_sent":1024,"request_time":0.012345,"dl_bps":663588,"upstream_cache_status":"REVALIDATED","cache_reason":"fresh",` +
			`"cache_tier":"disk","cache_collapsed":true,"log_cache_key":"k","log_cache_rule_id":"r","log_cache_target_time":0,` +
			`"upstream_status":304,"upstream_response_time":2.000003,` +
			`"upstream_addr":"192.0.2.1:80, 192.0.2.2:80","upstream_attempt_status":"-, 304","upstream_attempt_time":"1.500000, 0.500003",` +
			`"upstream_attempt_error":"refused, -","upstream_withheld":"retry-budget","denied":"country",` +
			`"request_id":"0123","trace_id":"01000000000000000000000000000000","span_id":"0200000000000000","resource_id":"s","route_id":"/x",` +
			`"pop_id":"iad","pf_server":"cache-1","oc_build_id":"1.2.3","oc_visitor":"v",` +
			`"ssl_protocol":"TLSv1.3","ssl_cipher":"TLS_AES_128_GCM_SHA256","ssl_curve":"X25519","ssl_server_name":"example.org",` +
			`"geoip_country_code":"SE","geoip_country_name":"Sweden","geoip_continent":"EU","geoip_region":"AB","geoip_region_name":"Stockholm County",` +
			`"geoip_city":"Stockholm","geoip_postal_code":"100","geoip_latitude":"59.3","geoip_longitude":"18.0","geoip_timezone":"Europe/Stockholm",` +
			`"geoip_asn":64500,"geoip_as_org":"An \"AS\"","http_x_forwarded_for":"198.51.100.1",` +
			`"http_user_agent":"curl/8","http_referer":"é` + "\ufffd" + `\u0000\u000a"}`},
		"zero": {&Record{Duration: -1}, `{"time_iso8601":"0001-01-01T00:00:00.000Z","remote_addr":"","request":"  HTTP/1.1","request_method":"","scheme":"http",` +
			`"host":"","request_uri":"","server_protocol":"HTTP/1.1","status":0,"body_bytes_sent":0,"request_time":0.000000,` +
			`"upstream_cache_status":"","cache_reason":"","request_id":"","http_user_agent":"","http_referer":""}`},
	} {
		if got := string(appendJSON(nil, c.rec)); got != c.want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// everything is a record in which all is said.
func everything() *Record {
	r := sample()
	r.Method, r.MethodText, r.Secure, r.Port = wire.OtherMethod, []byte("BREW"), true, 443
	r.Remote, r.Peer, r.User = netip.MustParseAddrPort("[2001:db8::1]:9"), netip.MustParseAddrPort("192.0.2.9:1"), []byte("joe")
	r.Proto, r.Collapsed, r.Key, r.Tier = HTTP2, true, []byte("k"), "disk"
	r.UpstreamStatus, r.UpstreamTime = 304, 2*time.Second+3*time.Microsecond
	r.Referer, r.CacheStatus = []byte("é\xff\x00\n"), "REVALIDATED"
	r.ForwardedFor, r.Visitor = []byte("198.51.100.1"), []byte("v")
	r.Kept, r.Denied = true, "country"
	r.POP, r.Server, r.Build, r.Site, r.Route, r.Rule = "iad", "cache-1", "1.2.3", "s", "/x", "r"
	r.TLSProtocol, r.TLSCipher, r.TLSCurve, r.TLSServerName = "TLSv1.3", "TLS_AES_128_GCM_SHA256", "X25519", "example.org"
	r.Place = &Place{"SE", "Sweden", "EU", "AB", "Stockholm County", "Stockholm", "100", "59.3", "18.0", "Europe/Stockholm", 64500, `An "AS"`}
	r.Attempts = &wire.Attempts{}
	r.Attempts.Note(wire.Attempt{Server: "192.0.2.1:80", Why: "refused", Took: 1500 * time.Millisecond})
	r.Attempts.Note(wire.Attempt{Server: "192.0.2.2:80", Status: 304, Took: 500003 * time.Microsecond})
	r.Attempts.Withhold(wire.RetryBudget)
	r.TraceID[0], r.SpanID[0] = 1, 2
	return r
}

// browsed is a hit as browsers ask for one.
func browsed() *Record {
	r := sample()
	r.Time, r.Port = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC), 80
	r.Target, r.Host, r.Key = []byte("/assets/b.css"), []byte("cache.test"), []byte("httpGETcache.test/assets/b.css")
	r.UserAgent = []byte("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	r.Referer, r.RequestID = []byte("http://cache.test/index.html"), []byte("0123456789abcdef0123456789abcdef")
	r.Visitor, r.Duration = []byte("0123456789abcdef0123456789abcdef"), 41*time.Microsecond
	r.Rule, r.Kept, r.TTL, r.Tier, r.Site, r.Route = "rest", true, 3600, "memory", "bench", "/"
	r.POP, r.Server, r.Build, r.Place = "iad", "cache-iad-01", "1.4.2", &Place{}
	return r
}

// A line fits a block whatever a client sends.
func TestAppendJSONBound(t *testing.T) {
	for name, text := range map[string]string{
		"plain": "a", "control": "\x01", "invalid": "\xff", "wide": "𝄞", "quote": `"`, "cut wide": "\xf0\x9d",
	} {
		long := []byte(strings.Repeat(text, 64<<10))
		r, long2 := everything(), string(long)
		r.MethodText, r.Host, r.Target, r.UserAgent, r.Referer = long, long, long, long, long
		r.RequestID, r.Key, r.User, r.ForwardedFor, r.Visitor = long, long, long, long, long
		r.Reason, r.Site, r.Route, r.Rule, r.Denied, r.TLSServerName = long2, long2, long2, long2, long2, long2
		r.Place = &Place{long2, long2, long2, long2, long2, long2, long2, long2, long2, long2, 1 << 31, long2}
		for range wire.MaxAttempts {
			r.Attempts.Note(wire.Attempt{Server: long2, Why: long2})
		}
		line := appendJSON(nil, r)
		if len(line) > blockSize {
			t.Errorf("%s: got a line of %d bytes, want at most %d", name, len(line), blockSize)
		}
		if !json.Valid(line) {
			t.Errorf("%s: not JSON", name)
		}
		if !bytes.Contains(line, []byte("…")) {
			t.Errorf("%s: a value was cut without saying so", name)
		}
	}
}

// Each byte is escaped wherever it stands among those that are looked at
// together, and nothing else is.
func TestAppendStringEveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			text := bytes.Repeat([]byte("~"), 17) // the last one that needs no escape
			text[at] = byte(c)
			line := appendString(nil, text)
			var got string
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatalf("byte %#x at %d: %v in %q", c, at, err, line)
			}
			if want := string([]rune(string(text))); got != want {
				t.Errorf("byte %#x at %d: got %q, want %q", c, at, got, want)
			}
			if plain := c >= ' ' && c < 128 && c != '"' && c != '\\'; plain && string(line) != `"`+string(text)+`"` {
				t.Errorf("byte %#x at %d: got %s, want it as it is", c, at, line)
			}
		}
	}
}

func TestAppendMetric(t *testing.T) {
	for _, tt := range []struct {
		d          time.Duration
		desc, want string
	}{
		{0, "", "x;dur=0.000"},
		{41 * time.Microsecond, "HIT", `x;dur=0.041;desc="HIT"`},
		{12*time.Second + 345*time.Millisecond + 6789, "", "x;dur=12345.006"},
		{-time.Second, "", "x;dur=0.000"},
	} {
		if got := string(AppendMetric(nil, "x", tt.d, tt.desc)); got != tt.want {
			t.Errorf("%v %q: got %s, want %s", tt.d, tt.desc, got, tt.want)
		}
	}
}

// FuzzAppendJSON: any bytes give one line of valid JSON, from which the text
// comes back with U+FFFD where it was not UTF-8.
func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{"", "/a b", "\"\\\n\r\t\x00\x1f\x7f", "é\xff\xc3", "\xed\xa0\x80", "\u2028", "\xf4\x90\x80\x80"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		line := appendJSON(nil, &Record{Target: text, Host: text, UserAgent: text})
		if n := bytes.IndexByte(line, '\n'); n != len(line)-1 {
			t.Fatalf("%q: newline at %d of %d", text, n, len(line))
		}
		if !utf8.Valid(line) {
			t.Fatalf("%q: line is not UTF-8: %q", text, line)
		}
		var got struct {
			Target string `json:"request_uri"`
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v in %q", text, err, line)
		}
		if len(text) > fieldMax/6 {
			return // it may have been cut
		}
		if want := string([]rune(string(text))); got.Target != want {
			t.Fatalf("%q: got %q, want %q", text, got.Target, want)
		}
	})
}
