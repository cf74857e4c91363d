package edge

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"opencache/internal/engine"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// parrot is an upstream that answers with what it was told.
type parrot struct{}

func (parrot) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	text := fmt.Sprintf("%s %s", r.MethodText(), r.Target())
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n", len(text))
	var resp wire.Response
	if _, err := wire.ParseResponse(&resp, []byte(head), wire.GET, wire.Limits{}); err != nil {
		return nil, err
	}
	resp.Body = content{strings.NewReader(text)}
	return &resp, nil
}

// bytesSink is a client that keeps what it is told.
type bytesSink struct {
	blackHole
	text strings.Builder
}

func (s *bytesSink) Write(b []byte) (int, error) { return s.text.Write(b) }
func (s *bytesSink) Span(sp wire.Span) error {
	defer sp.Release()
	b := make([]byte, sp.N)
	err := sp.Copy(b)
	if err == nil {
		_, err = s.text.Write(b)
	}
	return err
}
func (s *bytesSink) Hijack() (io.ReadWriteCloser, error) { return nil, io.EOF }

// Which requests may have the answer to which others (RFC 9111, 4; RFC 9110,
// 4.2.3 and 9): the second gets what the first stored, or does not. What may
// not be shared is not shared the other way round either.
func TestWhatIsShared(t *testing.T) { synctest.Test(t, testWhatIsShared) }

func testWhatIsShared(t *testing.T) {
	const get = "GET /a HTTP/1.1\nHost: h.test"
	for _, tt := range []struct {
		name, one, other string
		tls              bool // the other comes over TLS
		shared, kept     bool // whether it is shared: without and with --preserve-host
	}{
		{"itself", get, get, false, true, true},
		{"HEAD", get, "HEAD /a HTTP/1.1\nHost: h.test", false, true, true},
		{"POST", get, "POST /a HTTP/1.1\nHost: h.test", false, false, false},
		{"OPTIONS", get, "OPTIONS /a HTTP/1.1\nHost: h.test", false, false, false},
		{"QUERY", get, "QUERY /a HTTP/1.1\nHost: h.test\nContent-Type: a/b", false, false, false},
		{"QUERYs", "QUERY /a HTTP/1.1\nHost: h.test\nContent-Type: a/b", "QUERY /a HTTP/1.1\nHost: h.test\nContent-Type: a/b", false, true, true},
		{"method in another case", get, "get /a HTTP/1.1\nHost: h.test", false, false, false},
		{"unknown method", get, "GETX /a HTTP/1.1\nHost: h.test", false, false, false},
		{"HTTP/1.0", get, "GET /a HTTP/1.0\nHost: h.test", false, true, true},

		{"another host", get, "GET /a HTTP/1.1\nHost: g.test", false, true, false},
		{"another host, close by", get, "GET /a HTTP/1.1\nHost: h.test.", false, true, false},
		{"host in another case", get, "GET /a HTTP/1.1\nHost: H.TEST", false, true, true},
		{"port 80", get, "GET /a HTTP/1.1\nHost: h.test:80", false, true, true},
		{"no port", get, "GET /a HTTP/1.1\nHost: h.test:", false, true, true},
		{"port 443", get, "GET /a HTTP/1.1\nHost: h.test:443", false, true, false},
		{"port 8080", get, "GET /a HTTP/1.1\nHost: h.test:8080", false, true, false},
		{"no host", get, "GET /a HTTP/1.0", false, true, false},
		{"TLS", get, get, true, true, false},
		{"TLS and port 443", "GET https://h.test/a HTTP/1.1\nHost: h.test", "GET /a HTTP/1.1\nHost: h.test:443", true, true, true},
		{"TLS and port 80", get, "GET /a HTTP/1.1\nHost: h.test:80", true, true, false},

		{"absolute form", get, "GET http://h.test/a HTTP/1.1\nHost: h.test", false, true, true},
		{"absolute form before Host", get, "GET http://h.test/a HTTP/1.1\nHost: g.test", false, true, true},
		{"absolute form of another", get, "GET http://g.test/a HTTP/1.1\nHost: h.test", false, true, false},
		{"absolute form of TLS", get, "GET https://h.test/a HTTP/1.1\nHost: h.test", true, true, false},
		{"absolute form with port and case", get, "GET HTTP://H.test:80/a HTTP/1.1\nHost: g.test", false, true, true},

		{"another path", get, "GET /b HTTP/1.1\nHost: h.test", false, false, false},
		{"path in another case", get, "GET /A HTTP/1.1\nHost: h.test", false, false, false},
		{"a slash more", get, "GET /a/ HTTP/1.1\nHost: h.test", false, false, false},
		{"a slash before", get, "GET //a HTTP/1.1\nHost: h.test", false, false, false},
		{"dot segments", get, "GET /b/../a HTTP/1.1\nHost: h.test", false, true, true},
		{"encoded letter", get, "GET /%61 HTTP/1.1\nHost: h.test", false, false, false},
		{"encoded slash", "GET /a/b HTTP/1.1\nHost: h.test", "GET /a%2Fb HTTP/1.1\nHost: h.test", false, false, false},
		{"case of a triplet", "GET /%2F HTTP/1.1\nHost: h.test", "GET /%2f HTTP/1.1\nHost: h.test", false, false, false},
		{"empty query", get, "GET /a? HTTP/1.1\nHost: h.test", false, false, false},
		{"query", get, "GET /a?x HTTP/1.1\nHost: h.test", false, false, false},
		{"order of the query", "GET /a?x=1&y=2 HTTP/1.1\nHost: h.test", "GET /a?y=2&x=1 HTTP/1.1\nHost: h.test", false, true, true},
		{"order of one name", "GET /a?x=1&x=2 HTTP/1.1\nHost: h.test", "GET /a?x=2&x=1 HTTP/1.1\nHost: h.test", false, false, false},
		{"plus and blank", "GET /a?x=%20 HTTP/1.1\nHost: h.test", "GET /a?x=+ HTTP/1.1\nHost: h.test", false, false, false},
		{"encoded in a query", "GET /a?x=a HTTP/1.1\nHost: h.test", "GET /a?x=%61 HTTP/1.1\nHost: h.test", false, false, false},
		{"path into query", "GET /a/b?c HTTP/1.1\nHost: h.test", "GET /a?b/c HTTP/1.1\nHost: h.test", false, false, false},
	} {
		for _, kept := range []bool{false, true} {
			for _, turned := range []bool{false, true} {
				e, end := sharing(t, kept)
				one := asking{tt.one, false}
				other := asking{tt.other, tt.tls}
				if strings.HasPrefix(tt.one, "GET https:") {
					one.tls = true
				}
				want := tt.shared
				if kept {
					want = tt.kept
				}
				if turned { // HEAD stores what GET may have, and a target sent in one form is asked in the other
					one, other = other, one
				}
				serveTold(t, e, one)
				synctest.Wait() // until it is stored
				first := strings.SplitN(one.head, " ", 2)[0]
				if got := serveTold(t, e, other); got != want {
					t.Errorf("%s (preserve host %v, first %s): %q behind %q: shared is %v, want %v", tt.name, kept, first, other.head, one.head, got, want)
				}
				end()
			}
		}
	}
	// RFC 9110, 4.2.4: no authority has user information.
	var r wire.Request
	if _, err := wire.ParseRequest(&r, []byte("GET http://u@h.test/a HTTP/1.1\r\nHost: h.test\r\n\r\n"), wire.Limits{}); err == nil {
		t.Error("user information in a target was accepted")
	}
}

type asking struct {
	head string
	tls  bool
}

// sharing is an edge with an empty cache.
func sharing(t *testing.T, preserve bool) (e *Edge, end func()) {
	t.Helper()
	volume, err := store.Open(store.ZoneOptions{Memory: 4 << 20, Heap: true})
	if err != nil {
		t.Fatal(err)
	}
	v := Volume{Name: "default", Store: volume, Engine: engine.New(engine.Options{Store: volume}), Memory: true}
	e, err = New(Options{Volumes: []Volume{v}, Plan: compile(t, v, parrot{}, serveLike{preserve: preserve}.site())})
	if err != nil {
		t.Fatal(err)
	}
	return e, func() { v.Engine.Close(); _ = volume.Close() }
}

// serveTold asks and reports whether the answer came from the store.
func serveTold(t *testing.T, e *Edge, a asking) bool {
	t.Helper()
	var r wire.Request
	head := strings.ReplaceAll(a.head, "\n", "\r\n") + "\r\n\r\n"
	if n, err := wire.ParseRequest(&r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
		t.Fatalf("request %q: %d, %v", head, n, err)
	}
	if a.tls {
		r.Secure, r.TLS = true, &wire.Channel{}
	}
	var sink bytesSink
	p := wire.Reply{Sink: &sink}
	e.Serve(&r, &p)
	return strings.Contains(string(p.Fields), "X-Cache-Status: HIT")
}
