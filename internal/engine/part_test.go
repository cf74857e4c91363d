package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// TestPartRefused: what is not a part of known length, of the size it says, is
// not stored; it goes out as it came, or is cut.
func TestPartRefused(t *testing.T) {
	for _, tt := range []struct {
		head string
		cut  bool
	}{
		{"206 x\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/*", false},
		{"206 x\r\nContent-Length: 10", false},
		{"206 x\r\nContent-Length: 10\r\nContent-Range: items 0-9/100", false},
		{"206 x\r\nContent-Length: 10\r\nContent-Range: bytes 0-10/100", false},
		{"206 x\r\nContent-Length: 10\r\nContent-Range: bytes 0-8/100", false},
		{"206 x\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/9", false},
		{"206 x\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/100\r\nContent-Range: bytes 0-9/100", false},
		{"206 x\r\nContent-Length: 10\r\nContent-Type: multipart/byteranges; boundary=x", false},
		{"206 x\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-10/100", true},
		{"206 x\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-8/100", true},
	} {
		for _, pass := range []bool{false, true} {
			play(t, func(t *testing.T) {
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					return streamed(tt.head+"\r\nCache-Control: max-age=60\r\nETag: \"a\"", strings.NewReader("0123456789")), nil
				})
				defer g.close()
				g.pol.PassRange, g.pol.FetchWhole = pass, !pass
				for range 2 {
					s := g.quiet("/x", "Range: bytes=0-8")
					// 502 when it was seen before the head went out; what came before is the client's.
					if tt.cut && !s.aborted && s.reply.Status != 502 && s.body.String() != "012345678" {
						t.Errorf("%q: got %d, %d bytes, %q", tt.head, s.reply.Status, s.body.Len(), s.fields)
					}
					if !tt.cut && (s.reply.Status != 206 || s.body.String() != "0123456789") {
						t.Errorf("%q: got %d %q", tt.head, s.reply.Status, s.body.String())
					}
				}
				if n := g.origin.n.Load(); n != 2 {
					t.Errorf("%q: %d requests, want 2: something is stored", tt.head, n)
				}
			})
		}
	}
}

// TestPartIfRange: the answer to a client's If-Range may lack fields, so it is
// not stored unless it joins what has them.
func TestPartIfRange(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1000)
		g := newRanger(t, object{content, `"a"`, fresh})
		defer g.close()
		g.quiet("/x", "Range: bytes=0-9", `If-Range: "a"`).want(t, 206, "MISS", content[:10])
		g.saw(`0-9 If-Range:"a"`)
		g.quiet("/x", "Range: bytes=0-9").want(t, 206, "MISS", content[:10])
		g.saw("0-9")
		g.quiet("/x", "Range: bytes=0-9", `If-Range: "a"`).want(t, 206, "HIT", content[:10])
		g.quiet("/x", "Range: bytes=0-9", `If-Range: "b"`).want(t, 200, "MISS", content)
		g.saw(`10- If-Range:"a"`)
		g.quiet("/y", "Range: bytes=0-9", `If-Range: "b"`).want(t, 200, "MISS", content)
		g.saw(`0-9 If-Range:"b"`)
		g.quiet("/y").want(t, 200, "HIT", content)
	})
}

// TestPartIfRangeUnheard: a part that came though the client's If-Range was not
// sent is not for it when the condition is false: it asks for itself.
func TestPartIfRangeUnheard(t *testing.T) {
	for _, fields := range []string{fresh, "\r\nCache-Control: no-store"} {
		play(t, func(t *testing.T) {
			content := pattern(1000)
			g := newRanger(t, object{content, `"a"`, fields})
			defer g.close()
			inner := g.origin.answer
			g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
				if !r.Has(wire.Range) { // a part, unasked
					r.Add(wire.Range, []byte("bytes=0-99"))
				}
				return inner(n, r)
			}
			g.pol.PassRange = false
			s := g.quiet("/x", "Range: bytes=0-9", `If-Range: "b"`)
			s.want(t, 200, "MISS", content)
			g.quiet("/y", "Range: bytes=0-9", `If-Range: "b"`, `If-Range: "b"`).want(t, 200, "MISS", content)
		})
	}
	play(t, func(t *testing.T) { // a stale part, and another version
		one, two := pattern(1000), strings.Repeat("two ", 250)
		g := newRanger(t, object{one, `"1"`, fresh})
		defer g.close()
		g.quiet("/x", "Range: bytes=0-99")
		after(time.Minute)
		g.set(object{two, `"2"`, fresh})
		if s := g.quiet("/x", "Range: bytes=0-9", `If-Range: "1"`); s.reply.Status != 200 || s.body.String() != two {
			t.Errorf("got %d, %d bytes: %+v", s.reply.Status, s.body.Len(), s.out)
		}
	})
}

// TestPartGivenUp: where fetches live for their readers a part is kept when
// its reader has had it, and not when he left before.
func TestPartGivenUp(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1 << 20)
		g := newRanger(t, object{content, `"a"`, fresh})
		defer g.close()
		g.pol.GiveUp = true
		s := newSink()
		s.gate = func(int) error { return errGone }
		g.run(s, "GET", "/x", "Range: bytes=0-499999")
		g.quiet("/x", "Range: bytes=0-499999").want(t, 206, "MISS", content[:500000])
		g.quiet("/x", "Range: bytes=100-499999").want(t, 206, "HIT", content[100:500000])
		g.quiet("/x").want(t, 200, "MISS", content)
		g.quiet("/x").want(t, 200, "HIT", content)
	})
}

// TestPart416: the origin's 416 goes out as it came and is not kept.
func TestPart416(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1000)
		g := newRanger(t, object{content, `"a"`, fresh})
		defer g.close()
		for range 2 {
			s := g.quiet("/x", "Range: bytes=1000-")
			s.want(t, 416, "MISS", "")
			if got := s.field("Content-Range"); got != "bytes */1000" {
				t.Errorf("got Content-Range %q", got)
			}
		}
		g.saw("1000-", "1000-")
		g.quiet("/x", "Range: bytes=0-9").want(t, 206, "MISS", content[:10])
		g.saw("0-9")
		// One that has become shorter.
		g.set(object{content[:500], `"b"`, fresh})
		g.quiet("/x", "Range: bytes=0-9,600-").want(t, 206, "MISS", content[:10])
		g.saw(`600- If-Range:"a"`)
	})
}

// TestPartCompletionRefused: what does not bring the missing bytes is followed
// by a request for the whole.
func TestPartCompletionRefused(t *testing.T) {
	content := pattern(1000)
	for name, answer := range map[string]func() *wire.Response{
		"416":      func() *wire.Response { return respond("416 x\r\nContent-Range: bytes */50", "") },
		"304":      func() *wire.Response { return streamed("304 x\r\nETag: \"a\"", nil) },
		"no range": func() *wire.Response { return respond("206 x\r\nETag: \"a\""+fresh, content[10:]) },
		"length unknown": func() *wire.Response {
			return respond("206 x\r\nETag: \"a\"\r\nContent-Range: bytes 10-999/*"+fresh, content[10:])
		},
		"several parts": func() *wire.Response {
			return respond("206 x\r\nETag: \"a\"\r\nCache-Control: max-age=60\r\nContent-Type: multipart/byteranges; boundary=x", "--x--")
		},
		"not storable": func() *wire.Response {
			return respond("206 x\r\nETag: \"a\"\r\nContent-Range: bytes 10-999/1000\r\nCache-Control: no-store", content[10:])
		},
	} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				o := object{content, `"a"`, fresh}
				if r.Has(wire.IfRange) {
					return answer(), nil
				}
				return o.answer(r), nil
			})
			defer g.close()
			g.pol.PassRange = true
			g.quiet("/x", "Range: bytes=0-9").want(t, 206, "MISS", content[:10])
			g.quiet("/x").want(t, 200, "MISS", content)
			if n := g.origin.n.Load(); n != 3 {
				t.Errorf("%s: %d requests, want 3", name, n)
			}
			g.quiet("/x").want(t, 200, "HIT", content)
		})
	}
}

// TestPartOtherPart: an origin that answers If-Range with a part of another
// version, or with another part, gets asked again; nothing is mixed.
func TestPartOtherPart(t *testing.T) {
	play(t, func(t *testing.T) {
		one, two := pattern(1000), strings.Repeat("two ", 250)
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			o := object{one, `"1"`, fresh}
			if r.Has(wire.IfRange) {
				o = object{two, `"2"`, fresh}
				if n > 2 {
					return respond("206 x\r\nETag: \"2\"\r\nContent-Range: bytes 0-199/1000"+fresh, two[:200]), nil
				}
				return respond("206 x\r\nETag: \"2\"\r\nContent-Range: bytes 100-149/1000"+fresh, two[100:150]), nil
			}
			return o.answer(r), nil
		})
		defer g.close()
		g.pol.PassRange = true
		g.quiet("/x", "Range: bytes=0-99").want(t, 206, "MISS", one[:100])
		g.quiet("/x", "Range: bytes=50-149").want(t, 206, "MISS", two[50:150])
		if n := g.origin.n.Load(); n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
		g.quiet("/x", "Range: bytes=0-199").want(t, 206, "HIT", two[:200])
	})
}

// What is dropped while a part without a strong validator goes out can not be
// asked for again: the answer is cut, whatever the call answered before.
func TestPartWithoutValidatorDropped(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(2 << 20)
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			tag := map[string]string{"/strong": `"a"`, "/weak": `W/"a"`}[string(r.Target())]
			return respond("206 x\r\nContent-Range: bytes 0-2097151/4194304\r\nCache-Control: max-age=60\r\nETag: "+tag, content), nil
		})
		defer g.close()
		g.pol.PassRange = true
		route := Route{Policy: &g.pol}
		defer g.e.Leave(&route)
		get := func(target string, gate func(int) error) *sink {
			var r wire.Request
			head := "GET " + target + " HTTP/1.1\r\nHost: cache.test\r\nRange: bytes=0-2097151\r\n\r\n"
			if _, err := wire.ParseRequest(&r, []byte(head), wire.Limits{}); err != nil {
				t.Fatal(err)
			}
			s := newSink()
			s.gate, s.reply.Sink, route.Key = gate, s, []byte("http://origin.test"+target)
			s.out = g.e.ServeRoute(&r, &s.reply, &route)
			synctest.Wait()
			return s
		}
		for _, target := range []string{"/strong", "/weak"} {
			get(target, nil)
			get(target, nil).want(t, 206, "HIT", content)
		}
		s := get("/weak", func(int) error { g.e.Clear(); return nil })
		if !s.aborted || s.body.Len() == 0 || s.body.Len() == len(content) || s.out.Why != SegmentGone {
			t.Errorf("got %d bytes, aborted %t, %v; want some, cut, %v", s.body.Len(), s.aborted, s.out.Why, SegmentGone)
		}
		if n := g.origin.n.Load(); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
}
