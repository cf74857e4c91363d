package engine

import (
	"fmt"
	"io"
	"mime"
	mimeparts "mime/multipart"
	"strings"
	"testing"
	"testing/synctest"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// wantParts takes a multipart answer apart with the standard library and
// compares it with the parts of content.
func wantParts(t *testing.T, s *sink, cache, content string, parts ...rfc9111.Part) {
	t.Helper()
	if s.reply.Status != 206 || s.field("X-Cache-Status") != cache || !s.ended || s.aborted || s.reply.Length != int64(s.body.Len()) {
		t.Errorf("got %d %s, %d bytes of %d, ended %t, aborted %t (%+v)", s.reply.Status, s.field("X-Cache-Status"), s.body.Len(), s.reply.Length, s.ended, s.aborted, s.out)
		return
	}
	if got := s.field("Content-Range"); got != "" {
		t.Errorf("Content-Range %q in the head", got)
	}
	kind, params, err := mime.ParseMediaType(s.field("Content-Type"))
	if err != nil || kind != "multipart/byteranges" || len(params["boundary"]) != 32 {
		t.Errorf("Content-Type %q: %v", s.field("Content-Type"), err)
		return
	}
	r := mimeparts.NewReader(strings.NewReader(s.body.String()), params["boundary"])
	for _, want := range parts {
		p, err := r.NextRawPart()
		if err != nil {
			t.Errorf("part %v: %v", want, err)
			return
		}
		got, err := io.ReadAll(p)
		if err != nil || string(got) != content[want.First:want.Last+1] {
			t.Errorf("part %v: %d bytes, %v", want, len(got), err)
		}
		if got, want := p.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", want.First, want.Last, len(content)); got != want {
			t.Errorf("got Content-Range %q, want %q", got, want)
		}
		if got := p.Header.Get("Content-Type"); got != "text/x" {
			t.Errorf("got Content-Type %q of a part, want text/x", got)
		}
	}
	if _, err := r.NextRawPart(); err != io.EOF {
		t.Errorf("behind the last part: %v", err)
	}
}

// TestMultipart: several ranges of a small record, of segments, and of a fetch
// under way, which is what the first request gets.
func TestMultipart(t *testing.T) {
	for _, size := range []int{1000, 64 << 10, 300 << 10, 3 << 20} {
		play(t, func(t *testing.T) {
			content := pattern(size)
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Type: text/x", content), nil
			})
			defer g.close()
			last := int64(size) - 1
			s := g.get("/x", fmt.Sprintf("Range: bytes=-10,0-4,100-%d", size/2))
			wantParts(t, s, "MISS", content, rfc9111.Part{First: last - 9, Last: last}, rfc9111.Part{First: 0, Last: 4}, rfc9111.Part{First: 100, Last: int64(size / 2)})
			synctest.Wait() // until all of it is stored
			s = g.get("/x", "Range: bytes=0-4,900-, 200-210")
			wantParts(t, s, "HIT", content, rfc9111.Part{First: 0, Last: 4}, rfc9111.Part{First: 900, Last: last}, rfc9111.Part{First: 200, Last: 210})
			g.get("/x", "Range: bytes=0-4,60-69").want(t, 206, "HIT", content[:70])
			g.get("/x", "Range: bytes=0-0,-1", `If-Range: "b"`).want(t, 200, "HIT", content)
			g.get("/x", fmt.Sprintf("Range: bytes=%d-,-0", size)).want(t, 416, "HIT", "")
			if s := g.ask("HEAD", "/x", "Range: bytes=0-0,-1"); s.reply.Status != 200 || s.reply.Length != int64(size) {
				t.Errorf("HEAD: got %d of %d bytes", s.reply.Status, s.reply.Length)
			}
			if n := g.origin.n.Load(); n != 1 {
				t.Errorf("%d requests to the origin", n)
			}
		})
	}
}

// TestMultipartHanded: a fetch that has no room leaves the rest to its reader;
// parts that lie before it are asked for under the strong validator.
func TestMultipartHanded(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1 << 20)
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			var from, to int
			if n, _ := fmt.Sscanf(string(r.Get(wire.Range)), "bytes=%d-%d", &from, &to); n == 2 {
				return respond(fmt.Sprintf("206 x\r\nETag: \"a\"\r\nContent-Range: bytes %d-%d/%d", from, to, len(content)), content[from:to+1]), nil
			}
			return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Type: text/x", content), nil
		})
		defer g.close()
		g.pol.FetchWhole = true
		g.e.staging.max = 128 << 10
		s := g.get("/x", "Range: bytes=700000-700099,900000-900010,0-99")
		wantParts(t, s, "MISS", content, rfc9111.Part{First: 700000, Last: 700099}, rfc9111.Part{First: 900000, Last: 900010}, rfc9111.Part{First: 0, Last: 99})
	})
}
