package engine

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

const seg = 512 << 10 // of a rig's store

// newSpread is a ranger before an object of n segments and some bytes.
func newSpread(t testing.TB, n int) (g *ranger, content string) {
	content = pattern(n*seg + 1000)
	g = newRanger(t, object{content, `"1"`, fresh})
	g.pol.PassRange = false
	g.pol.ReadAhead = -1
	return g, content
}

func bytesOf(from, to int) string { return fmt.Sprintf("Range: bytes=%d-%d", from, to) }

// segs is what the origin is asked for: segments from to to, the last one of n
// is the end.
func segs(from, to, n int) string {
	if to >= n {
		return fmt.Sprintf("%d-%d", from*seg, n*seg+999)
	}
	return fmt.Sprintf("%d-%d", from*seg, (to+1)*seg-1)
}

const ifOne = ` If-Range:"1"`

// TestSeekCold: a range of what is not stored fetches the segments that have
// it, once; what lacks is fetched hole by hole, and then all of it is there.
func TestSeekCold(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 8)
		defer g.close()
		at := 3*seg + 100
		g.quiet("/x", bytesOf(at, at+9)).want(t, 206, "MISS", content[at:at+10])
		g.saw(fmt.Sprintf("%d-%d", 3*seg, 4*seg-1))
		g.quiet("/x", bytesOf(3*seg, 4*seg-1)).want(t, 206, "HIT", content[3*seg:4*seg])
		g.saw()
		s := g.quiet("/x", bytesOf(at, at+2*seg))
		s.want(t, 206, "MISS", content[at:at+2*seg+1])
		if !strings.Contains(s.field("Cache-Status"), "fwd=partial") {
			t.Errorf("got Cache-Status %q", s.field("Cache-Status"))
		}
		g.saw(segs(4, 5, 8) + ifOne)
		g.quiet("/x", "Range: bytes=-10").want(t, 206, "MISS", content[len(content)-10:])
		g.saw(segs(8, 8, 8) + ifOne)
		wantParts(t, g.quiet("/x", fmt.Sprintf("Range: bytes=%d-%d,10-19,-5", at, at+9)), "HIT", content,
			rfc9111.Part{First: int64(at), Last: int64(at + 9)}, rfc9111.Part{First: 10, Last: 19}, rfc9111.Part{First: int64(len(content) - 5), Last: int64(len(content) - 1)})
		g.saw(segs(0, 0, 8) + ifOne)
		if s := g.ask("HEAD", "/x"); s.reply.Status != 200 || s.reply.Length != int64(len(content)) || s.field("X-Cache-Status") != "HIT" {
			t.Errorf("HEAD: got %d of %d bytes, %q", s.reply.Status, s.reply.Length, s.fields)
		}
		g.quiet("/x", fmt.Sprintf("Range: bytes=%d-", len(content))).want(t, 416, "HIT", "")
		g.quiet("/x", "Range: bytes=0-9", `If-Range: "1"`).want(t, 206, "HIT", content[:10])
		g.quiet("/x", `If-None-Match: "1"`).want(t, 304, "HIT", "")
		g.saw()
		g.quiet("/x").want(t, 200, "MISS", content)
		g.saw(segs(1, 2, 8)+ifOne, segs(6, 7, 8)+ifOne)
		g.quiet("/x").want(t, 200, "HIT", content)
		g.quiet("/x", "Range: bytes=0-9", `If-Range: "0"`).want(t, 200, "HIT", content)
		g.saw()
	})
}

// TestSeekColdForms: what is asked for on account of a range, by its form.
func TestSeekColdForms(t *testing.T) {
	for _, tt := range []struct{ ask, first string }{
		{"bytes=0-0", segs(0, 0, 4)},
		{"bytes=0-", "0-"},
		{fmt.Sprintf("bytes=%d-", 2*seg+7), fmt.Sprintf("%d-", 2*seg)},
		{fmt.Sprintf("bytes=%d-%d", seg, 2*seg), segs(1, 2, 4)},
		{fmt.Sprintf("bytes=%d-99999999999", 3*seg+1), fmt.Sprintf("%d-%d", 3*seg, 99999999999+seg-1-99999999999%seg)},
		{"bytes=-1", fmt.Sprintf("-%d", seg)},
		{fmt.Sprintf("bytes=-%d", 2*seg), fmt.Sprintf("-%d", 3*seg-1)},
		{"bytes=0-99999999", fmt.Sprintf("0-%d", 99999999+seg-1-99999999%seg)},
		{"bytes=5-9223372036854775807", "0-"},
		{"bytes=-9223372036854775807", "0-"},
		{"bytes=-99999999999999999999", "0-"},
		{"bytes=9223372036854775000-", fmt.Sprintf("%d-", int64(9223372036854775000)/seg*seg)},
	} {
		play(t, func(t *testing.T) {
			g, content := newSpread(t, 4)
			defer g.close()
			var a rfc9111.Ask
			a.Reset(rfc9111.Get)
			a.Field(rfc9111.Range, []byte(tt.ask[0:]))
			a.Done()
			var f rfc9111.Facts
			f.Reset(200, 0, 0)
			want := rfc9111.Select(&f, &a, int64(len(content)))
			s := g.quiet("/x", "Range: "+tt.ask)
			if want.Status == 416 {
				s.want(t, 416, "MISS", "")
			} else {
				s.want(t, 206, "MISS", content[want.First:want.Last+1])
			}
			g.saw(tt.first)
			if want.Status == 206 {
				g.quiet("/x", "Range: "+tt.ask).want(t, 206, "HIT", content[want.First:want.Last+1])
				g.saw()
			}
			if s := g.quiet("/x"); s.reply.Status != 200 || s.body.String() != content {
				t.Errorf("%s, then all: got %d, %d bytes", tt.ask, s.reply.Status, s.body.Len())
			}
		})
	}
}

// TestSmallByRange: what fits into a segment comes whole, whatever the range.
func TestSmallByRange(t *testing.T) {
	for _, size := range []int{1, 1000, 60 << 10, 200 << 10, seg} {
		for _, tag := range []string{`"1"`, `W/"1"`, ""} {
			play(t, func(t *testing.T) {
				content := pattern(size)
				g := newRanger(t, object{content, tag, fresh})
				defer g.close()
				g.pol.PassRange = false
				g.quiet("/x", "Range: bytes=0-0").want(t, 206, "MISS", content[:1])
				g.saw(segs(0, 0, 4))
				g.quiet("/x").want(t, 200, "HIT", content)
				g.quiet("/y", "Range: bytes=-1", `If-Range: "0"`).want(t, 200, "MISS", content)
				g.quiet("/y").want(t, 200, "HIT", content)
				g.saw(fmt.Sprintf("-%d", seg))
			})
		}
	}
}

// TestSeekWeak: without a strong validator nothing is joined; each seek has its
// segments, and the last one's stay.
func TestSeekWeak(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(4 * seg)
		g := newRanger(t, object{content, `W/"1"`, fresh})
		defer g.close()
		g.pol.PassRange = false
		for _, n := range []int{1, 3} {
			at := n*seg + 10
			g.quiet("/x", bytesOf(at, at+9)).want(t, 206, "MISS", content[at:at+10])
			g.quiet("/x", bytesOf(at+20, at+29)).want(t, 206, "HIT", content[at+20:at+30])
			g.saw(segs(n, n, 4))
		}
		g.quiet("/x", fmt.Sprintf("Range: bytes=0-9,%d-", 4*seg-10)) // several: the whole
		g.quiet("/x").want(t, 200, "HIT", content)
		g.saw("whole")
	})
}

// TestReadersApart: two readers of one cold object, at two places, are two
// fetches that do not overlap; a third one joins.
func TestReadersApart(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 12)
		defer g.close()
		inner := g.origin.answer
		g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
			resp, err := inner(n, r)
			resp.Body.(*body).r = &paced{resp.Body.(*body).r}
			return resp, err
		}
		var wg sync.WaitGroup
		for i, from := range []int{0, 6*seg + 5, 100, 6*seg + seg/2, 9 * seg} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				g.get("/x", fmt.Sprintf("Range: bytes=%d-%d", from, 12*seg+500)).want(t, 206, "MISS", content[from:12*seg+501])
			})
		}
		wg.Wait()
		synctest.Wait()
		for _, asked := range g.asked {
			var from, to int
			if n, _ := fmt.Sscanf(asked, "%d-%d", &from, &to); n != 2 {
				t.Errorf("asked for %q", asked)
			}
		}
		if len(g.asked) > 5 {
			t.Errorf("%d requests: %q", len(g.asked), g.asked)
		}
		// The first asked for all; it ends where the others begin.
		if sent := int(g.sent.Load()); sent > len(content)+5*seg {
			t.Errorf("the origin sent %d bytes of %d; asked %q", sent, len(content), g.asked)
		}
	})
}

// lose has the store keep the record of target without its content.
func (g *rig) lose(target string) {
	key := []byte("http://origin.test" + target)
	h := g.store.Hash(key)
	var e store.Entry
	g.store.Lookup(h, key, 0, &e)
	rec := store.Record{Hash: h, Key: key, Born: g.store.Seq(), Validated: g.store.Seq(), Meta: bytes.Clone(e.Meta), Size: e.Size, Version: g.store.Version()}
	e.Release()
	if err := g.store.Put(&rec); err != nil {
		g.t.Fatal(err)
	}
}

// paced is content that takes a while.
type paced struct{ io.Reader }

func (p *paced) Read(b []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return p.Reader.Read(b[:min(len(b), 64<<10)])
}

// TestReadOn: who reads on in requests that follow each other has the next
// segments fetched ahead, never behind the end; who seeks has not.
func TestReadOn(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 6)
		defer g.close()
		g.pol.ReadAhead = 2 * seg
		half := seg / 2
		read := func(n int, status string) {
			t.Helper()
			g.quiet("/x", bytesOf(n*half, (n+1)*half-1)).want(t, 206, status, content[n*half:(n+1)*half])
		}
		read(2, "MISS")
		g.saw(segs(1, 1, 6))
		read(3, "HIT")
		g.saw(segs(2, 3, 6) + ifOne) // ahead of the second in a row
		read(4, "HIT")
		read(5, "HIT")
		g.saw(segs(4, 4, 6) + ifOne) // half of it is used up
		read(6, "HIT")
		read(9, "HIT") // a seek
		g.saw()
		read(10, "MISS")
		g.saw(segs(5, 6, 6) + ifOne)
		read(11, "HIT")
		g.quiet("/x", bytesOf(6*seg, 6*seg+999)).want(t, 206, "HIT", content[6*seg:])
		g.saw()
	})
}

// TestLeft: a fetch that nobody reads any more ends with the segment that was
// being read; nothing far ahead of a reader is fetched.
func TestLeft(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 40)
		defer g.close()
		g.pol.ReadAhead = 2 * seg
		s := newSink()
		got := 0
		s.gate = func(n int) error {
			if got += n; got > 3*seg {
				time.Sleep(20 * time.Second)
				return errGone
			}
			return nil
		}
		done := make(chan bool)
		go func() { g.run(s, "GET", "/x", "Range: bytes=0-"); done <- true }()
		time.Sleep(time.Second)
		synctest.Wait()
		if sent := g.sent.Load(); sent > 7*seg {
			t.Errorf("the origin sent %d bytes while the reader stood at %d", sent, 3*seg)
		}
		<-done
		synctest.Wait()
		if sent := g.sent.Load(); sent > 7*seg {
			t.Errorf("the origin sent %d bytes to a reader that left at %d", sent, 3*seg)
		}
		if n := g.e.StagingInUse(); n != 0 {
			t.Errorf("%d bytes of staging in use", n)
		}
		g.asked = nil
		g.quiet("/x", bytesOf(0, 3*seg-1)).want(t, 206, "HIT", content[:3*seg])
		g.saw()
	})
}

// TestSeekInWhole: a range far ahead in what is being fetched whole does not
// wait for it, and what both bring is joined.
func TestSeekInWhole(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 10)
		defer g.close()
		hold := make(chan struct{})
		inner := g.origin.answer
		g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
			resp, err := inner(n, r)
			if n == 1 {
				resp.Body.(*body).r = io.MultiReader(io.LimitReader(resp.Body.(*body).r, 2*seg), &held{resp.Body.(*body).r, hold})
			}
			return resp, err
		}
		done := make(chan *sink)
		go func() { done <- g.get("/x") }()
		synctest.Wait()
		g.quiet("/x", bytesOf(7*seg, 7*seg+9)).want(t, 206, "MISS", content[7*seg:7*seg+10])
		g.saw("whole", segs(7, 7, 10)+ifOne)
		close(hold)
		(<-done).want(t, 200, "MISS", content)
		synctest.Wait()
		g.saw(segs(8, 10, 10) + ifOne)
		g.quiet("/x").want(t, 200, "HIT", content)
		g.saw()
	})
}

// TestChangedBetween: bytes of two versions are never in one answer: one under
// way is cut, and the next request gets the new version.
func TestChangedBetween(t *testing.T) {
	two := strings.Repeat("two ", 2*seg)
	for name, change := range map[string]func(r *wire.Request) *wire.Response{
		"200": func(r *wire.Request) *wire.Response { return (&object{two, `"2"`, fresh}).answer(r) },
		"206 in spite of If-Range": func(r *wire.Request) *wire.Response {
			r.Del(wire.IfRange)
			return (&object{two, `"2"`, fresh}).answer(r)
		},
		"no tag": func(r *wire.Request) *wire.Response {
			r.Del(wire.IfRange)
			return (&object{two, "", fresh}).answer(r)
		},
		"other length": func(r *wire.Request) *wire.Response { return (&object{two[1:], `"1"`, fresh}).answer(r) },
		"404":          func(r *wire.Request) *wire.Response { return respond("404 x\r\nCache-Control: max-age=60", two) },
	} {
		play(t, func(t *testing.T) {
			g, content := newSpread(t, 8)
			defer g.close()
			g.quiet("/x", bytesOf(0, 4*seg-1)).want(t, 206, "MISS", content[:4*seg])
			inner, changed := g.origin.answer, false
			g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
				if changed {
					return change(r), nil
				}
				return inner(n, r)
			}
			changed = true
			s := g.quiet("/x") // the hole is far: its head is out
			if got := s.body.String(); !s.aborted || !strings.HasPrefix(content, got) || s.out.Why != ContentChanged {
				t.Errorf("%s: got %d bytes, aborted %t, %+v", name, len(got), s.aborted, s.out)
			}
			s = g.quiet("/x", bytesOf(0, 9))
			if got := s.body.String(); name == "404" && s.reply.Status != 404 || name != "404" && got != two[:10] && got != two[1:11] {
				t.Errorf("%s: got %d %.20q", name, s.reply.Status, got)
			}
			if name == "404" {
				return
			}
			// Before the head is out, the answer is the new one.
			changed = false
			g.quiet("/y", bytesOf(0, seg-1)).want(t, 206, "MISS", content[:seg])
			changed = true
			if got := g.quiet("/y", bytesOf(100, seg+99)).body.String(); got != two[100:seg+100] && got != two[101:seg+101] {
				t.Errorf("%s: got %.20q before the head was out", name, got)
			}
		})
	}
}

// TestDroppedStays: what a fetch of a hole, or a HEAD, found to be out of date
// is not put back by the fetch that made it.
func TestDroppedStays(t *testing.T) {
	for _, by := range []string{"GET", "HEAD"} {
		play(t, func(t *testing.T) {
			g, content := newSpread(t, 10)
			defer g.close()
			g.pol.PassHead = true
			two := strings.Repeat("two ", 2*seg)
			hold := make(chan struct{})
			inner := g.origin.answer
			g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
				resp, err := inner(n, r)
				if b, ok := resp.Body.(*body); ok && n == 1 {
					b.r = io.MultiReader(io.LimitReader(b.r, 2*seg), &held{b.r, hold})
				}
				return resp, err
			}
			gone := newSink()
			gone.gate = func(int) error { return errGone }
			g.run(gone, "GET", "/x")
			g.quiet("/x", bytesOf(5*seg, 5*seg+9)).want(t, 206, "MISS", content[5*seg:5*seg+10])
			g.set(object{two, `"2"`, fresh})
			if by == "GET" {
				if s := g.quiet("/x", bytesOf(5*seg, 7*seg+9)); s.out.Why != ContentChanged {
					t.Errorf("got %+v", s.out)
				}
			} else {
				g.ask("HEAD", "/x", "Cache-Control: no-cache")
			}
			close(hold)
			synctest.Wait()
			if s := g.quiet("/x", bytesOf(0, 9)); s.body.String() != two[:10] {
				t.Errorf("%s: got %q (%+v)", by, s.body.String(), s.out)
			}
		})
	}
}

// TestHoleRefused: what is no answer to the question for a hole is not stored,
// and never goes out as content of it.
func TestHoleRefused(t *testing.T) {
	const tagged = "\r\nETag: \"1\"" + fresh
	for name, answer := range map[string]func(content string) *wire.Response{
		"other part": func(content string) *wire.Response {
			return respond(fmt.Sprintf("206 x\r\nContent-Range: bytes 0-%d/%d", seg-1, len(content))+tagged, content[:seg])
		},
		"no range": func(content string) *wire.Response { return respond("206 x"+tagged, content[:seg]) },
		"no length": func(content string) *wire.Response {
			return respond("206 x\r\nContent-Range: bytes 524288-1048575/*"+tagged, content[:seg])
		},
		"longer": func(content string) *wire.Response {
			return streamed(fmt.Sprintf("206 x\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes %d-%d/%d", seg, 2*seg-1, len(content))+tagged, strings.NewReader(content[seg:3*seg]))
		},
		"shorter": func(content string) *wire.Response {
			return streamed(fmt.Sprintf("206 x\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes %d-%d/%d", seg, 3*seg-1, len(content))+tagged, strings.NewReader(content[seg:2*seg+seg/2]))
		},
		"cut": func(content string) *wire.Response {
			return streamed(fmt.Sprintf("206 x\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/%d", 2*seg, seg, 3*seg-1, len(content))+tagged, strings.NewReader(content[seg:2*seg+seg/2]))
		},
		"503":   func(string) *wire.Response { return respond("503 x", "no") },
		"416":   func(string) *wire.Response { return respond("416 x\r\nContent-Range: bytes */5", "") },
		"304":   func(string) *wire.Response { return streamed("304 x"+tagged, nil) },
		"error": func(string) *wire.Response { return nil },
	} {
		play(t, func(t *testing.T) {
			g, content := newSpread(t, 8)
			defer g.close()
			g.quiet("/x", bytesOf(0, seg-1)).want(t, 206, "MISS", content[:seg])
			inner, broken := g.origin.answer, true
			g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
				if !broken || !r.Has(wire.IfRange) {
					return inner(n, r)
				}
				resp := answer(content)
				if resp == nil {
					return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: io.ErrUnexpectedEOF}
				}
				return resp, nil
			}
			s := g.quiet("/x", bytesOf(100, 3*seg-1))
			switch got := s.body.String(); {
			case s.reply.Status == 206 && !strings.HasPrefix(content[100:], got):
				t.Errorf("%s: %d bytes that are not the content's (%+v)", name, len(got), s.out)
			case s.reply.Status == 206 && !s.aborted && len(got) != 3*seg-100:
				t.Errorf("%s: %d bytes, not cut (%+v)", name, len(got), s.out)
			case s.reply.Status != 206 && s.reply.Status < 500:
				t.Errorf("%s: got %d (%+v)", name, s.reply.Status, s.out)
			}
			broken = false
			g.quiet("/x", bytesOf(100, 3*seg-1))
			g.quiet("/x", bytesOf(100, 3*seg-1)).want(t, 206, "HIT", content[100:3*seg])
		})
	}
}

// TestHoleLonger: what comes behind the end that Content-Range says is seen by
// nobody and stored nowhere, wherever that end is.
func TestHoleLonger(t *testing.T) {
	for _, n := range []int{100, seg - 100, seg, seg + 100} {
		for _, more := range []int{1, 60 << 10, 2 * seg} {
			play(t, func(t *testing.T) {
				g, content := newSpread(t, 8)
				defer g.close()
				g.quiet("/x", bytesOf(0, seg-1)).want(t, 206, "MISS", content[:seg])
				inner, broken := g.origin.answer, true
				g.origin.answer = func(k int, r *wire.Request) (*wire.Response, error) {
					if !broken || !r.Has(wire.IfRange) {
						return inner(k, r)
					}
					broken = false
					head := fmt.Sprintf("206 x\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes %d-%d/%d\r\nETag: \"1\"", seg, seg+n-1, len(content)) + fresh
					return streamed(head, strings.NewReader(content[seg:seg+n]+strings.Repeat("#", more))), nil
				}
				s := g.quiet("/x", bytesOf(100, 3*seg-1))
				if got := s.body.String(); s.reply.Status != 502 && !strings.HasPrefix(content[100:], got) {
					t.Errorf("%d and %d more: %d bytes that are not the content's (%+v)", n, more, len(got), s.out)
				}
				synctest.Wait()
				if s := g.quiet("/x", bytesOf(100, 3*seg-1)); s.body.String() != content[100:3*seg] {
					t.Errorf("%d and %d more, then again: %d bytes (%+v)", n, more, s.body.Len(), s.out)
				}
			})
		}
	}
}

// TestHoleForbidden: a client that the origin refuses the missing bytes to
// drops nothing, and no other client's answer is cut for it.
func TestHoleForbidden(t *testing.T) {
	for _, status := range []int{203, 302, 303, 308, 400, 401, 403, 429, 431} {
		play(t, func(t *testing.T) {
			g, content := newSpread(t, 8)
			defer g.close()
			g.quiet("/x", bytesOf(0, 2*seg-1)).want(t, 206, "MISS", content[:2*seg])
			hold := make(chan struct{})
			inner := g.origin.answer
			g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
				if r.Has(wire.Cookie) {
					<-hold
					return respond(fmt.Sprintf("%d x", status), "no"), nil
				}
				return inner(n, r)
			}
			bad, good, near := make(chan *sink), make(chan *sink), make(chan *sink)
			go func() { bad <- g.get("/x", bytesOf(2*seg, 2*seg+9), "Cookie: bad") }()
			synctest.Wait()
			go func() { good <- g.get("/x", bytesOf(0, 3*seg-1)) }()
			go func() { near <- g.get("/x", bytesOf(2*seg, 2*seg+19)) }()
			synctest.Wait()
			close(hold)
			(<-bad).want(t, status, "MISS", "no")
			(<-good).want(t, 206, "HIT", content[:3*seg]) // the hole is far
			(<-near).want(t, 206, "MISS", content[2*seg:2*seg+20])
			g.quiet("/x", bytesOf(0, 9)).want(t, 206, "HIT", content[:10])
			if s := g.quiet("/x", bytesOf(0, 5*seg), "Cookie: bad"); !s.aborted || !strings.HasPrefix(content, s.body.String()) {
				t.Errorf("%d: %d bytes, aborted %t (%+v)", status, s.body.Len(), s.aborted, s.out)
			}
			if n := g.e.StagingInUse(); n != 0 {
				t.Errorf("%d bytes of staging in use", n)
			}
		})
	}
}

// TestResumeOtherLength: what a client has to ask for by himself is of no use,
// either, when the content has another length by now, whatever its tag.
func TestResumeOtherLength(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 8)
		defer g.close()
		g.set(object{content, `"1"`, "\r\nCache-Control: public, max-age=60"})
		g.quiet("/x", bytesOf(0, 3*seg-1)).want(t, 206, "MISS", content[:3*seg])
		g.set(object{strings.Repeat("#", 9*seg), `"1"`, "\r\nCache-Control: public, max-age=60"})
		s := g.quiet("/x", "Range: bytes=0-", "Authorization: Basic x") // it fetches alone
		if got := s.body.String(); !s.aborted || !strings.HasPrefix(content, got) {
			t.Errorf("got %d bytes, aborted %t (%+v)", len(got), s.aborted, s.out)
		}
	})
}

// TestRangesIgnored: an origin that ignores ranges is streamed once, and
// segmented as it passes: the client gets its range, later ones are hits.
func TestRangesIgnored(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 8)
		defer g.close()
		inner := g.origin.answer
		g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
			_, _ = inner(n, r) // notes what was asked
			return (&object{content, `"1"`, fresh}).answer(new(wire.Request)), nil
		}
		at := 5 * seg
		g.quiet("/x", bytesOf(at, at+9)).want(t, 206, "MISS", content[at:at+10])
		g.quiet("/x", bytesOf(seg, 3*seg)).want(t, 206, "HIT", content[seg:3*seg+1])
		g.quiet("/x").want(t, 200, "HIT", content)
		g.saw(segs(5, 5, 8))
		// The segments are lost: they come again, once, whoever asks.
		g.lose("/x")
		var wg sync.WaitGroup
		for _, from := range []int{6*seg + 1, 2*seg + 1} {
			wg.Go(func() {
				s := g.get("/x", bytesOf(from, from+9))
				if got := s.body.String(); got != content[from:from+10] || s.field("Age") == "" { // the head is the stored one
					t.Errorf("%d: got %q, %q", from, got, s.fields)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		g.quiet("/x").want(t, 200, "HIT", content)
		if n := len(g.asked); n > 2 {
			t.Errorf("%d requests: %q", n, g.asked)
		}
	})
}

// TestSpreadPurged: a purge while holes come wins: nothing that was asked for
// before it is found afterwards.
func TestSpreadPurged(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 8)
		defer g.close()
		hold := make(chan struct{})
		inner := g.origin.answer
		g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
			resp, err := inner(n, r)
			if n == 2 {
				resp.Body.(*body).r = &held{resp.Body.(*body).r, hold}
			}
			return resp, err
		}
		g.quiet("/x", bytesOf(0, 9)).want(t, 206, "MISS", content[:10])
		done := make(chan *sink)
		go func() { done <- g.get("/x", bytesOf(0, 3*seg)) }()
		synctest.Wait()
		g.e.Purge([]byte("http://origin.test/x"), false)
		close(hold)
		(<-done).want(t, 206, "MISS", content[:3*seg+1])
		g.asked = nil
		g.quiet("/x", bytesOf(seg, seg+9)).want(t, 206, "MISS", content[seg:seg+10])
		g.saw(segs(1, 1, 8))
	})
}

// TestSpreadStale: a stale record is validated with its tag and the range; a
// new version takes its place by segments, too.
func TestSpreadStale(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 8)
		defer g.close()
		two := strings.Repeat("two ", 2*seg)
		g.quiet("/x", bytesOf(0, 9)).want(t, 206, "MISS", content[:10])
		after(time.Minute)
		g.quiet("/x", bytesOf(5, 9)).want(t, 206, "REVALIDATED", content[5:10])
		g.saw(segs(0, 0, 8), segs(0, 0, 8)+` If-None-Match:"1"`)
		after(time.Minute)
		g.quiet("/x", bytesOf(seg, seg+9)).want(t, 206, "MISS", content[seg:seg+10])
		g.saw(segs(1, 1, 8)+` If-None-Match:"1"`, segs(1, 1, 8)+ifOne)
		after(time.Minute)
		g.set(object{two, `"2"`, fresh})
		g.quiet("/x", bytesOf(3*seg, 3*seg+9)).want(t, 206, "EXPIRED", two[3*seg:3*seg+10])
		g.quiet("/x", bytesOf(3*seg, 3*seg+9)).want(t, 206, "HIT", two[3*seg:3*seg+10])
		g.quiet("/x", bytesOf(0, 9)).want(t, 206, "MISS", two[:10])
		g.quiet("/x", bytesOf(0, 9), "Cache-Control: only-if-cached").want(t, 206, "HIT", two[:10])
		g.quiet("/x", bytesOf(0, seg), "Cache-Control: only-if-cached").want(t, 504, "MISS", "504 only-if-cached\n")
	})
}

// TestSpreadOnlyIfCached: who wants only what is stored has nothing fetched,
// however far the hole is.
func TestSpreadOnlyIfCached(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 8)
		defer g.close()
		const only = "Cache-Control: only-if-cached"
		g.quiet("/x", bytesOf(0, 3*seg-1)).want(t, 206, "MISS", content[:3*seg])
		g.saw(segs(0, 2, 8))
		for _, fields := range [][]string{{only}, {only, fmt.Sprintf("Range: bytes=0-9,%d-", 7*seg)}, {only, bytesOf(0, 4*seg)}} {
			if s := g.quiet("/x", fields...); s.reply.Status != 504 {
				t.Errorf("%q: got %d (%+v)", fields, s.reply.Status, s.out)
			}
		}
		g.quiet("/x", only, bytesOf(5, 3*seg-1)).want(t, 206, "HIT", content[5:3*seg])
		g.quiet("/x", only, fmt.Sprintf("Range: bytes=%d-", len(content))).want(t, 416, "HIT", "")
		g.quiet("/x", only, `If-None-Match: "1"`).want(t, 304, "HIT", "")
		g.saw()
	})
}

// TestUncacheableRange: a response that is nobody else's gives its client the
// range that it asked for.
func TestUncacheableRange(t *testing.T) {
	for _, fields := range []string{"\r\nCache-Control: no-store", "\r\nCache-Control: private"} {
		play(t, func(t *testing.T) {
			g, content := newSpread(t, 8)
			defer g.close()
			g.set(object{content, `"1"`, fields})
			s := g.quiet("/x", bytesOf(seg+5, seg+9))
			s.want(t, 206, "MISS", content[seg+5:seg+10])
			if got, want := s.field("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", seg+5, seg+9, len(content)); got != want {
				t.Errorf("got Content-Range %q, want %q", got, want)
			}
			g.quiet("/x", bytesOf(5, 9)).want(t, 206, "MISS", content[5:10])
			g.saw(segs(1, 1, 8), "5-9") // it is known for a moment
			g.quiet("/y", bytesOf(seg+5, seg+9), `If-Range: "0"`).want(t, 200, "MISS", content)
			g.quiet("/z", "Range: bytes=5-6,90000-90001")
			g.quiet("/w", bytesOf(len(content), len(content)+5)).want(t, 416, "MISS", "")
		})
	}
}
