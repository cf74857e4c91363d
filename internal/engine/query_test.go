package engine

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"opencache/internal/wire"
)

// question asks by QUERY.
func (g *rig) question(target, content string, fields ...string) *sink {
	g.t.Helper()
	head := "QUERY " + target + " HTTP/1.1\r\nHost: cache.test\r\n" + strings.Join(append(fields, ""), "\r\n")
	head += fmt.Sprintf("Content-Length: %d\r\n\r\n", len(content))
	var r wire.Request
	if n, err := wire.ParseRequest(&r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
		g.t.Errorf("request %q: %d, %v", head, n, err)
		return newSink()
	}
	s := newSink()
	s.reply.Sink = s
	r.Body = &body{r: strings.NewReader(content), left: int64(len(content))}
	s.out = g.e.Serve(&r, &s.reply, []byte("http://origin.test"+target), &g.pol)
	return s
}

// echo answers with what was asked and how often anything was.
func echo(n int, r *wire.Request) (*wire.Response, error) {
	var asked []byte
	if r.Body != nil {
		var err error
		if asked, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	return respond("200 OK\r\nCache-Control: max-age=60", fmt.Sprintf("%d %s %s %s", n, r.MethodText(), r.Target(), asked)), nil
}

// What differs in anything that a query means by is another question; what
// comes to the same is one.
func TestQuestions(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, echo)
		defer g.close()
		const typed = "Content-Type: a/b"
		n := 0
		for _, q := range []struct {
			target, content string
			fields          []string
			same            bool
		}{
			{"/", "x", []string{typed}, false},
			{"/", "x", []string{typed}, true},
			{"/", "x", []string{"content-type: a/b", "Accept: y"}, true},
			{"/", "x", []string{"Content-Type: A/b"}, false}, // RFC 10008: normalising is left to us, and not done
			{"/?", "x", []string{typed}, false},
			{"/", "xx", []string{typed}, false},
			{"/", "", []string{typed}, false},
			{"/", "x", []string{typed, typed}, false},
			{"/", "x", []string{typed, "Content-Language: de"}, false},
			{"/", "x", []string{"Content-Language: de", typed}, true},
			{"/", "x", []string{typed, "Content-Encoding: de"}, false},
			{"/", "x", []string{typed, "Content-Location: /de"}, false},
			{"/", "x", []string{typed, "Content-Strange: de"}, false},
			{"/", "x", []string{typed, "content-strange: de"}, true},
			{"/", "e", []string{typed, "Content-Strange: d"}, false},
			{"/", "b", []string{"Content-Type: a/"}, false},
			{"/", "\x00\x00x", []string{typed}, false},
		} {
			if !q.same {
				n++
			}
			want, cache := fmt.Sprintf("%d QUERY %s %s", n, q.target, q.content), "MISS"
			if q.same {
				cache = "HIT"
			}
			got := g.question(q.target, q.content, q.fields...)
			if text := got.body.String(); got.field("X-Cache-Status") != cache || !q.same && text != want {
				t.Errorf("QUERY %s %q with %q: got %s %q, want %s %q", q.target, q.content, q.fields, got.field("X-Cache-Status"), text, cache, want)
			}
		}
		g.get("/").want(t, 200, "MISS", fmt.Sprintf("%d GET / ", n+1))
	})
}

// The content of QUERYs is counted with the fetches', and never above their
// bound: what does not fit is handed through whole.
func TestQuestionsAreBounded(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, echo)
		defer g.close()
		g.pol.MaxQuery = 1 << 20
		large := pattern(300 << 10)
		if got := g.question("/", large, "Content-Type: a/b"); got.field("X-Cache-Status") != "MISS" || got.body.Len() < len(large) {
			t.Errorf("got %s and %d bytes, want MISS and more than %d", got.field("X-Cache-Status"), got.body.Len(), len(large))
		}
		if used := g.e.StagingInUse(); used != 0 {
			t.Errorf("staging in use behind the answer: %d bytes", used)
		}
		g.e.staging.max = 200 << 10
		got := g.question("/", large, "Content-Type: a/b")
		if got.out.Why != StagingFull || got.body.Len() < len(large) {
			t.Errorf("above the bound: got reason %v and %d bytes, want %v and more than %d", got.out.Why, got.body.Len(), StagingFull, len(large))
		}
	})
}
