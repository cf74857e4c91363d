package coding

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"opencache/internal/wire"
)

var page = strings.Repeat("All happy families are alike; each unhappy family is unhappy in its own way. ", 700)

// An upstream answers with what it has.
type upstream func(r *wire.Request) *wire.Response

func (u upstream) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	return u(r), nil
}

// content is a Body of text in pieces, which ends in err.
type content struct {
	r      io.Reader
	err    error
	closed chan struct{}
	once   sync.Once
}

func newContent(text string, err error) *content {
	return &content{r: strings.NewReader(text), err: err, closed: make(chan struct{})}
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(len(p), 1000)])
	if err == io.EOF && c.err != nil {
		return n, c.err
	}
	return n, err
}
func (c *content) Trailer() *wire.Head { return nil }
func (c *content) Close() error        { c.once.Do(func() { close(c.closed) }); return nil }

func response(status int, text string, fields ...string) *wire.Response {
	resp := &wire.Response{Status: status, Length: int64(len(text)), Body: newContent(text, nil)}
	for _, line := range fields {
		name, value, _ := strings.Cut(line, ": ")
		resp.AddNamed(name, []byte(value))
	}
	return resp
}

func decode(t *testing.T, coding string, b []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	return string(text)
}

// TestOver holds heads and content of responses to what they are for each
// coding and each kind of response.
func TestOver(t *testing.T) {
	const html = "Content-Type: text/html; charset=utf-8"
	for _, tt := range []struct {
		what, accept, method string
		resp                 *wire.Response
		fields               string
		coded                string
	}{
		{"gzip", "gzip", "GET", response(200, page, html, `ETag: "1"`, "Accept-Ranges: bytes", "Content-MD5: x", "Repr-Digest: y"),
			html + "\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\nAccept-Ranges: none\r\nETag: W/\"1\"\r\n", "gzip"},
		{"br", "br", "GET", response(200, page, html, `ETag: W/"1"`, "Vary: Cookie"), html + "\r\nETag: W/\"1\"\r\nVary: Cookie, Accept-Encoding\r\nContent-Encoding: br\r\nAccept-Ranges: none\r\n", "br"},
		{"zstd", "zstd", "GET", response(404, page, html), html + "\r\nVary: Accept-Encoding\r\nContent-Encoding: zstd\r\nAccept-Ranges: none\r\n", "zstd"},
		{"HEAD", "gzip", "HEAD", &wire.Response{Status: 200, Length: 5000, Head: response(200, "", html, `ETag: "1"`).Head},
			html + "\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\nAccept-Ranges: none\r\nETag: W/\"1\"\r\n", "head"},
		{"identity", "identity", "GET", response(200, page, html, `ETag: "1"`), html + "\r\nETag: \"1\"\r\nVary: Accept-Encoding\r\n", ""},
		{"varies already", "gzip", "GET", response(200, page, html, "Vary: accept-encoding"), html + "\r\nVary: accept-encoding\r\nContent-Encoding: gzip\r\nAccept-Ranges: none\r\n", "gzip"},
		{"varies by all", "gzip", "GET", response(200, page, html, "Vary: *"), html + "\r\nVary: *\r\nContent-Encoding: gzip\r\nAccept-Ranges: none\r\n", "gzip"},
		{"coded already", "gzip", "GET", response(200, page, html, "Content-Encoding: br"), html + "\r\nContent-Encoding: br\r\n", ""},
		{"a part", "gzip", "GET", response(206, page, html, "Content-Range: bytes 0-9/10"), html + "\r\nContent-Range: bytes 0-9/10\r\n", ""},
		{"a picture", "gzip", "GET", response(200, page, "Content-Type: image/png"), "Content-Type: image/png\r\n", ""},
		{"no type", "gzip", "GET", response(200, page), "", ""},
		{"small", "gzip", "GET", response(200, page[:1023], html), html + "\r\n", ""},
		{"large", "gzip", "GET", &wire.Response{Status: 200, Length: 16<<20 + 1, Head: response(200, "", html).Head, Body: newContent("", nil)}, html + "\r\n", ""},
		{"not to be transformed", "gzip", "GET", response(200, page, html, "Cache-Control: max-age=1, No-Transform"), html + "\r\nCache-Control: max-age=1, No-Transform\r\n", ""},
		{"not to be transformed, as told to some caches", "gzip", "GET", response(200, page, html, "CDN-Cache-Control: max-age=1, no-transform"), html + "\r\nCDN-Cache-Control: max-age=1, no-transform\r\n", ""},
		{"of a status with no content of its own", "gzip", "GET", response(500, page, html), html + "\r\n", ""},
		{"not settled", "gzip, br", "GET", response(200, page, html), html + "\r\nVary: Accept-Encoding\r\n", ""},
	} {
		p := &Policy{Encoders: NewEncoders(1)}
		r := ask(tt.accept)
		if tt.method == "HEAD" {
			r.SetMethod(wire.HEAD)
		}
		was := tt.resp.Length
		resp, err := p.Over(upstream(func(*wire.Request) *wire.Response { return tt.resp })).Exchange(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(resp.AppendFields(nil, wire.NameSet{})); got != tt.fields {
			t.Errorf("%s: got fields\n%swant\n%s", tt.what, got, tt.fields)
		}
		if coded := resp.Length == wire.Unknown; coded != (tt.coded != "") || !coded && resp.Length != was {
			t.Errorf("%s: got a length of %d, it was %d", tt.what, resp.Length, was)
		}
		if tt.coded != "" && tt.coded != "head" {
			b, err := io.ReadAll(resp.Body)
			if got := decode(t, tt.coded, b); got != page || err != nil {
				t.Errorf("%s: got %d bytes, %v, want %d", tt.what, len(got), err, len(page))
			}
			if len(b) > len(page)/10 {
				t.Errorf("%s: %d bytes of %d", tt.what, len(b), len(page))
			}
		}
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		if n := p.Encoders.Active(); n != 0 {
			t.Errorf("%s: %d encoders are still in use", tt.what, n)
		}
	}
}

// TestConfirm: a 304 that confirms what is stored in a coding names it by the
// tag that it is stored with.
func TestConfirm(t *testing.T) {
	for _, tt := range []struct{ accept, match, tag, want string }{
		{"gzip", `W/"1"`, `"1"`, `W/"1"`},
		{"gzip", `"2", W/"1"`, `"1"`, `W/"1"`},
		{"gzip", `"1"`, `"1"`, `"1"`}, // the origin's own coding
		{"gzip", `W/"2"`, `"1"`, `"1"`},
		{"gzip", `W/"1"`, `W/"1"`, `W/"1"`},
		{"identity", `W/"1"`, `"1"`, `"1"`},
	} {
		r := ask(tt.accept)
		r.Add(wire.IfNoneMatch, []byte(tt.match))
		resp := &wire.Response{Status: 304, Length: wire.Unknown}
		resp.Add(wire.ETag, []byte(tt.tag))
		resp.AddNamed("Repr-Digest", []byte("sha-256=:AA==:"))
		resp, _ = (&Policy{}).Over(upstream(func(*wire.Request) *wire.Response { return resp })).Exchange(t.Context(), r)
		if got := string(resp.Get(wire.ETag)); got != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
		for value := range resp.Values("Repr-Digest") {
			if tt.accept != "identity" {
				t.Errorf("%+v: got the digest of what is not coded: %q", tt, value)
			}
		}
	}
}

// TestCut: content that is cut short stays cut short, whatever was coded.
func TestCut(t *testing.T) {
	cut := errors.New("cut")
	for c := Gzip; c < numCodings; c++ {
		p := &Policy{Encoders: NewEncoders(1)}
		resp := response(200, "", "Content-Type: text/html")
		resp.Body, resp.Length = newContent(page, cut), wire.Unknown
		resp, _ = p.Over(upstream(func(*wire.Request) *wire.Response { return resp })).Exchange(t.Context(), ask(c.String()))
		if _, err := io.ReadAll(resp.Body); err != cut {
			t.Errorf("%v: got %v, want %v", c, err, cut)
		}
		if n := p.Encoders.Active(); n != 0 {
			t.Errorf("%v: %d encoders are in use behind the end", c, n)
		}
		if _, err := resp.Body.Read(make([]byte, 1)); err != cut {
			t.Errorf("%v: then %v", c, err)
		}
	}
}

// TestBusy: when all encoders are in use content goes as it is.
func TestBusy(t *testing.T) {
	p := &Policy{Encoders: NewEncoders(2)}
	up := p.Over(upstream(func(*wire.Request) *wire.Response { return response(200, page, "Content-Type: text/html") }))
	var bodies []wire.Body
	for i := range 3 {
		resp, _ := up.Exchange(t.Context(), ask("br"))
		bodies = append(bodies, resp.Body)
		if got, want := resp.Has(wire.ContentEncoding), i < 2; got != want || !resp.Has(wire.Vary) {
			t.Errorf("content %d: coded %v, want %v", i, got, want)
		}
	}
	if n := p.Encoders.Stats.Busy.Load(); n != 1 {
		t.Errorf("%d were counted", n)
	}
	for _, b := range bodies { // unread, and twice
		_, _ = b.Close(), b.Close()
	}
	if n := p.Encoders.Active(); n != 0 {
		t.Errorf("%d encoders are still in use", n)
	}
}

// stalled is content of which there is some, and then none until it is closed.
type stalled struct {
	*content
	some bool
}

func (s *stalled) Read(p []byte) (int, error) {
	if !s.some {
		s.some = true
		return copy(p, page), nil
	}
	<-s.closed
	return 0, io.ErrClosedPipe
}

// TestStream: of content whose length nobody knows all that has come can be
// read while the rest is waited for, and closing it ends a Read.
func TestStream(t *testing.T) {
	for c := Gzip; c < numCodings; c++ {
		p := &Policy{Encoders: NewEncoders(1)}
		resp := response(200, "", "Content-Type: text/html")
		resp.Body, resp.Length = &stalled{content: newContent("", nil)}, wire.Unknown
		resp, _ = p.Over(upstream(func(*wire.Request) *wire.Response { return resp })).Exchange(t.Context(), ask(c.String()))
		var coded []byte
		buf := make([]byte, 1<<10)
		for n, _ := resp.Body.Read(buf); ; n, _ = resp.Body.Read(buf) {
			coded = append(coded, buf[:n]...)
			if !wire.Ready(resp.Body) {
				break
			}
		}
		var text []byte
		r, err := reader(c, bytes.NewReader(coded))
		if err == nil {
			text, err = io.ReadAll(r)
		}
		if want := page[:min(piece, len(page))]; string(text) != want || err == nil {
			t.Errorf("%v: %d bytes and %v, want %d and no end", c, len(text), err, len(want))
		}
		done := make(chan error)
		go func() { _, err := resp.Body.Read(buf); done <- err }()
		_ = resp.Body.Close()
		if err := <-done; err == nil || err == io.EOF {
			t.Errorf("%v: a Read was ended with %v", c, err)
		}
		if n := p.Encoders.Active(); n != 0 {
			t.Errorf("%v: %d encoders are still in use", c, n)
		}
	}
}

func reader(c Coding, r io.Reader) (io.Reader, error) {
	switch c {
	case Gzip:
		return gzip.NewReader(r)
	case Brotli:
		return brotli.NewReader(r), nil
	}
	return zstd.NewReader(r)
}

// TestOnto holds answers of the edge's own to the same.
func TestOnto(t *testing.T) {
	for _, tt := range []struct{ accept, method, text, head string }{
		{"gzip", "GET", page, "200 -1 Content-Type: text/html|Vary: Accept-Encoding|Content-Encoding: gzip|Accept-Ranges: none|ETag: W/\"1\"|"},
		{"gzip", "HEAD", page, "200 -1 Content-Type: text/html|Vary: Accept-Encoding|Content-Encoding: gzip|Accept-Ranges: none|ETag: W/\"1\"|"},
		{"identity", "GET", page, fmt.Sprintf("200 %d Content-Type: text/html|ETag: \"1\"|Vary: Accept-Encoding|", len(page))},
		{"zstd", "GET", "small", "200 5 Content-Type: text/html|ETag: \"1\"|"},
	} {
		p := &Policy{Encoders: NewEncoders(1)}
		r := ask(tt.accept)
		if tt.method == "HEAD" {
			r.SetMethod(wire.HEAD)
		}
		out := &memory{}
		reply := &wire.Reply{Status: 200, Length: int64(len(tt.text)), Sink: out, Fields: []byte("Content-Type: text/html\r\nETag: \"1\"\r\n")}
		out.reply = reply
		done := p.Onto(r, reply)
		_ = reply.Start()
		if tt.method == "GET" {
			_, _ = reply.Write([]byte(tt.text[:3]))
			_ = reply.Flush()
			_ = reply.Span(wire.Span{Mem: []byte(tt.text[3:]), N: len(tt.text) - 3})
		}
		_ = reply.End(nil)
		done()
		if out.head != tt.head {
			t.Errorf("%s %s: got %s\nwant %s", tt.method, tt.accept, out.head, tt.head)
		}
		text := ""
		if tt.method == "GET" {
			text = tt.text
		}
		coding := "identity"
		if strings.Contains(out.head, "Content-Encoding") && text != "" {
			coding = tt.accept
		}
		if got := decode(t, coding, out.Bytes()); got != text || !out.ended || reply.Sink != wire.Sink(out) || p.Encoders.Active() != 0 {
			t.Errorf("%s %s: got %d bytes, ended %v", tt.method, tt.accept, len(got), out.ended)
		}
	}
}

// TestOntoNotModified: a 304 names what the client has by the tag that it got.
func TestOntoNotModified(t *testing.T) {
	for _, tt := range []struct{ accept, match, head string }{
		{"gzip", `W/"1"`, "304 -1 ETag: W/\"1\"|Vary: Accept-Encoding|"},
		{"gzip", `"1"`, "304 -1 ETag: \"1\"|"},
		{"identity", `W/"1"`, "304 -1 ETag: \"1\"|"},
	} {
		p := &Policy{Encoders: NewEncoders(1)}
		r := ask(tt.accept)
		r.Add(wire.IfNoneMatch, []byte(tt.match))
		out := &memory{}
		reply := &wire.Reply{Status: 304, Length: wire.Unknown, Sink: out, Fields: []byte("ETag: \"1\"\r\n")}
		out.reply = reply
		done := p.Onto(r, reply)
		_ = reply.Start()
		_ = reply.End(nil)
		done()
		if out.head != tt.head {
			t.Errorf("%s, %s: got %s, want %s", tt.accept, tt.match, out.head, tt.head)
		}
	}
}

// memory is a Sink that keeps what it gets.
type memory struct {
	wire.Sink
	bytes.Buffer
	reply *wire.Reply
	head  string
	ended bool
}

func (m *memory) Start() error {
	m.head = fmt.Sprintf("%d %d %s", m.reply.Status, m.reply.Length, strings.ReplaceAll(string(m.reply.Fields), "\r\n", "|"))
	return nil
}
func (m *memory) Write(p []byte) (int, error) { return m.Buffer.Write(p) }
func (m *memory) Span(s wire.Span) error      { _, err := m.Buffer.Write(s.Mem); return err }
func (m *memory) Flush() error                { return nil }
func (m *memory) End(*wire.Head) error        { m.ended = true; return nil }
