package edge

import (
	"context"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// browser is a request as browsers send it, but for its target.
const browser = "GET %s HTTP/1.1\r\nHost: cache.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: http://cache.test/index.html\r\n\r\n"

// tenRules are patterns as operators write them; none matches /a/b.
var tenRules = []string{`\.zip$`, `^/api/v[0-9]+/`, `\.(png|jpe?g|gif|webp)$`, `^/static/.*\.css$`, `^/user/[a-z]+/profile$`,
	`/thumbs/[0-9]+x[0-9]+/`, `^/download/`, `\.(mp4|webm)(\?|$)`, `^/search\?q=`, `/feed(\.xml)?$`}

func BenchmarkHit(b *testing.B) {
	for _, tt := range []struct {
		name, target string
		rules        []string
		log          bool
	}{
		{"plain", "/assets/b.css", nil, false},
		{"log", "/assets/b.css", nil, true},
		{"query", "/a/b?utm_source=x&page=2&id=123456&lang=en", nil, false},
		{"rules", "/assets/b.css", tenRules, false},
		{"rules+query", "/a/b?utm_source=x&page=2&id=123456&lang=en", tenRules, false},
	} {
		b.Run(tt.name, func(b *testing.B) { benchHit(b, tt.target, tt.rules, tt.log) })
	}
}

func benchHit(b *testing.B, target string, rules []string, logged bool) {
	o := Options{Metrics: telemetry.NewMetrics(telemetry.Source{})}
	if logged {
		var err error
		if o.Log, err = telemetry.OpenLog(telemetry.LogOptions{Out: io.Discard, Queue: 64 << 20}); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = o.Log.Close() }()
	}
	e := newEdge(b, o, kilobyte{}, serveLike{ttls: rules}.site())
	var r wire.Request
	head := strings.Replace(browser, "%s", target, 1)
	if n, err := wire.ParseRequest(&r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
		b.Fatal(n, err)
	}
	r.Remote = netip.MustParseAddrPort("192.0.2.7:4711")
	var sink blackHole
	fields := make([]byte, 0, 4096)
	p := wire.Reply{}
	for b.Loop() {
		p = wire.Reply{Fields: fields[:0], Sink: &sink}
		e.Serve(&r, &p)
	}
	if p.Status != 200 || !strings.Contains(string(p.Fields), "X-Cache-Status: HIT") {
		b.Fatalf("got %d %s", p.Status, p.Fields)
	}
}

// kilobyte is an upstream whose answers are of 1 KiB, fresh for an hour.
type kilobyte struct{}

func (kilobyte) Exchange(context.Context, *wire.Request) (*wire.Response, error) {
	head := "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 03:00:00 GMT\r\nServer: origin/1.0\r\nContent-Type: text/css\r\nETag: \"5f3a-1\"\r\n" +
		"Last-Modified: Sun, 22 Nov 2025 03:00:00 GMT\r\nCache-Control: max-age=360000000\r\nContent-Length: " + strconv.Itoa(1024) + "\r\n\r\n"
	var resp wire.Response
	if _, err := wire.ParseResponse(&resp, []byte(head), wire.GET, wire.Limits{}); err != nil {
		return nil, err
	}
	resp.Body = content{strings.NewReader(strings.Repeat("x", 1024))}
	return &resp, nil
}

type content struct{ io.Reader }

func (content) Trailer() *wire.Head { return nil }
func (content) Close() error        { return nil }

// blackHole is a client that takes everything.
type blackHole struct{ wire.Sink }

func (*blackHole) Interim(int, []byte) error   { return nil }
func (*blackHole) Start() error                { return nil }
func (*blackHole) Write(b []byte) (int, error) { return len(b), nil }
func (*blackHole) Span(s wire.Span) error      { s.Release(); return nil }
func (*blackHole) Flush() error                { return nil }
func (*blackHole) End(*wire.Head) error        { return nil }
func (*blackHole) Abort()                      {}
