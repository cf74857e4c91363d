package engine

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// An object is what an origin that knows ranges has at the moment.
type object struct {
	content string
	tag     string // ETag; "": none
	fields  string // further field lines, each with \r\n in front
}

// answer answers as RFC 9110 says: If-None-Match, then If-Range and Range.
func (o *object) answer(r *wire.Request) *wire.Response {
	fields := o.fields
	if o.tag != "" {
		fields += "\r\nETag: " + o.tag
	}
	if got := string(r.Get(wire.IfNoneMatch)); got != "" && got == o.tag {
		return streamed("304 Not Modified"+fields, nil)
	}
	var a rfc9111.Ask
	a.Reset(rfc9111.Get)
	if r.Has(wire.Range) && (!r.Has(wire.IfRange) || string(r.Get(wire.IfRange)) == o.tag && o.tag[0] == '"') {
		a.Field(rfc9111.Range, r.Get(wire.Range))
	}
	a.Done()
	var f rfc9111.Facts
	f.Reset(200, 0, 0)
	switch s := rfc9111.Select(&f, &a, int64(len(o.content))); s.Status {
	case 416:
		return respond(fmt.Sprintf("416 x\r\nContent-Range: bytes */%d", len(o.content))+fields, "")
	case 206:
		return respond(fmt.Sprintf("206 x\r\nContent-Range: bytes %d-%d/%d", s.First, s.Last, len(o.content))+fields, o.content[s.First:s.Last+1])
	}
	return respond("200 OK"+fields, o.content)
}

// A ranger is a rig before an origin that knows ranges; asked is what it was
// asked for, as "range" or "range if validator" or "whole".
type ranger struct {
	*rig
	mu    sync.Mutex // guards the fields below
	o     object
	asked []string

	sent atomic.Int64 // bytes of content that were read from it
}

func newRanger(t testing.TB, o object) *ranger {
	g := &ranger{o: o}
	g.rig = newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		what := "whole"
		if r.Has(wire.Range) {
			what = strings.TrimPrefix(string(r.Get(wire.Range)), "bytes=")
		}
		for _, name := range []wire.Name{wire.IfRange, wire.IfNoneMatch} {
			if r.Has(name) {
				what += fmt.Sprintf(" %v:%s", name, r.Get(name))
			}
		}
		g.asked = append(g.asked, what)
		resp := g.o.answer(r)
		if b, ok := resp.Body.(*body); ok {
			b.r = &counted{b.r, &g.sent}
		}
		return resp, nil
	})
	g.pol.PassRange = true
	return g
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (g *ranger) set(o object) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.o = o
}

// saw compares what the origin was asked for since the last time.
func (g *ranger) saw(want ...string) {
	g.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if fmt.Sprint(g.asked) != fmt.Sprint(want) {
		g.t.Errorf("the origin was asked for %q, want %q", g.asked, want)
	}
	g.asked = nil
}

const fresh = "\r\nCache-Control: max-age=60\r\nContent-Type: text/x"

// quiet is get, and all that it has caused.
func (g *rig) quiet(target string, fields ...string) *sink {
	defer synctest.Wait()
	return g.get(target, fields...)
}

// sizes are of one record, of one segment, of several.
var sizes = []int{1000, 200 << 10, 3 << 20}

// TestPartReused: a part is stored and answers what lies in it.
func TestPartReused(t *testing.T) {
	for _, size := range sizes {
		play(t, func(t *testing.T) {
			content := pattern(size)
			g := newRanger(t, object{content, `"a"`, fresh})
			defer g.close()
			half := size / 2
			s := g.quiet("/x", fmt.Sprintf("Range: bytes=%d-", half))
			s.want(t, 206, "MISS", content[half:])
			if got, want := s.field("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", half, size-1, size); got != want {
				t.Errorf("got Content-Range %q, want %q", got, want)
			}
			g.saw(fmt.Sprintf("%d-", half))
			s = g.quiet("/x", "Range: bytes=-300")
			s.want(t, 206, "HIT", content[size-300:])
			if s.field("Age") == "" || s.field("Content-Type") != "text/x" || strings.Count(s.fields, "Content-Range") != 1 {
				t.Errorf("got %q", s.fields)
			}
			g.quiet("/x", fmt.Sprintf("Range: bytes=%d-%d", half+5, half+100)).want(t, 206, "HIT", content[half+5:half+101])
			wantParts(t, g.quiet("/x", fmt.Sprintf("Range: bytes=-1,%d-%d", half, half+1)), "HIT", content,
				rfc9111.Part{First: int64(size - 1), Last: int64(size - 1)}, rfc9111.Part{First: int64(half), Last: int64(half + 1)})
			g.quiet("/x", "Range: bytes=-5", `If-Range: "a"`).want(t, 206, "HIT", content[size-5:])
			g.quiet("/x", "Range: bytes=-5", `If-None-Match: "a"`).want(t, 304, "HIT", "")
			g.quiet("/x", `If-None-Match: "a"`).want(t, 304, "HIT", "")
			g.quiet("/x", fmt.Sprintf("Range: bytes=%d-", size)).want(t, 416, "HIT", "")
			if s := g.ask("HEAD", "/x"); s.reply.Status != 200 || s.reply.Length != int64(size) || s.field("X-Cache-Status") != "HIT" || s.field("Content-Range") != "" {
				t.Errorf("HEAD: got %d of %d bytes: %q", s.reply.Status, s.reply.Length, s.fields)
			}
			g.saw()
		})
	}
}

// TestPartCompleted: what lacks bytes asks for those alone, and the client has
// stored and new ones in one answer; when all are there it is whole.
func TestPartCompleted(t *testing.T) {
	for _, size := range sizes {
		play(t, func(t *testing.T) {
			content := pattern(size)
			g := newRanger(t, object{content, `"a"`, fresh})
			defer g.close()
			g.quiet("/x", "Range: bytes=200-299").want(t, 206, "MISS", content[200:300])
			g.saw("200-299")
			s := g.quiet("/x", "Range: bytes=250-399")
			s.want(t, 206, "MISS", content[250:400])
			if !strings.Contains(s.field("Cache-Status"), "fwd=partial") {
				t.Errorf("got Cache-Status %q", s.field("Cache-Status"))
			}
			g.saw(`300-399 If-Range:"a"`)
			g.quiet("/x", "Range: bytes=100-499").want(t, 206, "MISS", content[100:500])
			g.saw(`100-499 If-Range:"a"`)
			g.quiet("/x", "Range: bytes=120-480").want(t, 206, "HIT", content[120:481])
			wantParts(t, g.quiet("/x", "Range: bytes=0-9,400-449,700-709"), "MISS", content,
				rfc9111.Part{First: 0, Last: 9}, rfc9111.Part{First: 400, Last: 449}, rfc9111.Part{First: 700, Last: 709})
			g.saw(`0-709 If-Range:"a"`)
			g.quiet("/x").want(t, 200, "MISS", content)
			g.saw(`710- If-Range:"a"`)
			s = g.quiet("/x")
			s.want(t, 200, "HIT", content)
			g.quiet("/x", "Range: bytes=5-10").want(t, 206, "HIT", content[5:11])
			g.saw()
			var e store.Entry
			key := []byte("http://origin.test/x")
			g.store.Lookup(g.store.Hash(key), key, 0, &e)
			if whole := int64(size) <= store.WholeMax; whole != (e.Size == int64(size)) {
				t.Errorf("a record of %d bytes for %d", e.Size, size)
			}
			e.Release()
		})
	}
}

// TestPartChanged: bytes of two versions are never in one answer.
func TestPartChanged(t *testing.T) {
	play(t, func(t *testing.T) {
		one, two := pattern(1000), strings.Repeat("two ", 250)
		g := newRanger(t, object{one, `"1"`, fresh})
		defer g.close()
		g.quiet("/x", "Range: bytes=0-99").want(t, 206, "MISS", one[:100])
		g.set(object{two, `"2"`, fresh})
		s := g.quiet("/x", "Range: bytes=50-149") // If-Range fails: the whole of the new one
		s.want(t, 206, "MISS", two[50:150])
		g.saw("0-99", `100-149 If-Range:"1"`)
		g.quiet("/x").want(t, 200, "HIT", two)
		g.saw()
		// Without a strong validator nothing is joined: the newer part stays.
		weak := object{one, `W/"1"`, fresh}
		g.set(weak)
		g.quiet("/weak", "Range: bytes=0-99").want(t, 206, "MISS", one[:100])
		g.quiet("/weak", "Range: bytes=0-49").want(t, 206, "HIT", one[:50])
		g.quiet("/weak", "Range: bytes=50-149").want(t, 206, "MISS", one[50:150])
		g.quiet("/weak", "Range: bytes=100-149").want(t, 206, "HIT", one[100:150])
		g.saw("0-99", "50-149")
		g.quiet("/weak", "Range: bytes=0-9").want(t, 206, "MISS", one[:10])
		g.quiet("/weak").want(t, 200, "MISS", one)
		g.saw("0-9", "whole")
	})
}

// TestPartValidated: a stale part is asked for with its validator.
func TestPartValidated(t *testing.T) {
	play(t, func(t *testing.T) {
		one, two := pattern(1000), strings.Repeat("two ", 250)
		g := newRanger(t, object{one, `"1"`, fresh})
		defer g.close()
		g.quiet("/x", "Range: bytes=0-99").want(t, 206, "MISS", one[:100])
		after(time.Minute)
		g.quiet("/x", "Range: bytes=0-9").want(t, 206, "REVALIDATED", one[:10])
		g.quiet("/x", "Range: bytes=10-19").want(t, 206, "HIT", one[10:20])
		g.saw("0-99", `0-9 If-None-Match:"1"`)
		after(time.Minute)
		g.quiet("/x", "Range: bytes=50-149").want(t, 206, "MISS", one[50:150]) // joined, and fresh by it
		g.quiet("/x", "Range: bytes=0-149").want(t, 206, "HIT", one[:150])
		g.saw(`100-149 If-Range:"1"`)
		after(time.Minute)
		g.set(object{two, `"2"`, fresh})
		g.quiet("/x", "Range: bytes=0-9").want(t, 206, "EXPIRED", two[:10])
		g.quiet("/x", "Range: bytes=0-9").want(t, 206, "HIT", two[:10])
		g.saw(`0-9 If-None-Match:"1"`)
		g.quiet("/x", "Range: bytes=10-19").want(t, 206, "MISS", two[10:20])
		g.saw(`10-19 If-Range:"2"`)
		after(time.Minute)
		g.quiet("/x", "Range: bytes=0-19", "Cache-Control: only-if-cached").want(t, 504, "MISS", "504 only-if-cached\n")
		g.quiet("/x", "Range: bytes=0-19", "Cache-Control: max-stale").want(t, 206, "STALE", two[:20])
		g.quiet("/x", "Cache-Control: only-if-cached, max-stale").want(t, 504, "MISS", "504 only-if-cached\n")
		g.saw()
	})
}

// TestPartHeadUpdated: fields of the newer part are the stored one's (RFC 9111, 3.4).
func TestPartHeadUpdated(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1000)
		g := newRanger(t, object{content, `"1"`, fresh + "\r\nX-A: 1\r\nX-B: 1"})
		defer g.close()
		g.quiet("/x", "Range: bytes=0-99")
		g.set(object{content, `"1"`, "\r\nCache-Control: max-age=100\r\nX-A: 2"})
		for range 2 {
			s := g.quiet("/x", "Range: bytes=0-199")
			if s.field("X-A") != "2" || s.field("X-B") != "1" || s.field("Cache-Control") != "max-age=100" || s.field("Content-Type") != "text/x" {
				t.Errorf("got %q", s.fields)
			}
		}
		after(70 * time.Second)
		g.quiet("/x", "Range: bytes=0-199").want(t, 206, "HIT", content[:200])
	})
}

// TestPartUnasked: what comes for a plain GET as a part is stored, goes out as
// it came, and answers a range that it covers; never as the whole.
func TestPartUnasked(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1000)
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			o := object{content, `"a"`, fresh}
			if !r.Has(wire.Range) {
				return respond("206 x\r\nContent-Range: bytes 100-299/1000\r\nETag: \"a\""+fresh, content[100:300]), nil
			}
			return o.answer(r), nil
		})
		g.pol.FetchWhole = true
		defer g.close()
		s := g.quiet("/x")
		s.want(t, 206, "MISS", content[100:300])
		if got := s.field("Content-Range"); got != "bytes 100-299/1000" {
			t.Errorf("got Content-Range %q", got)
		}
		g.quiet("/x", "Range: bytes=150-159").want(t, 206, "HIT", content[150:160])
		g.quiet("/y", "Range: bytes=150-159").want(t, 206, "MISS", content[150:160])
		g.quiet("/z", "Range: bytes=0-9").want(t, 206, "MISS", content[100:300])
		g.quiet("/z", "Range: bytes=0-9").want(t, 206, "MISS", content[:10])
		g.quiet("/x").want(t, 200, "MISS", content)
		g.quiet("/x").want(t, 200, "HIT", content)
		if s := g.ask("HEAD", "/h"); s.reply.Status != 200 || s.reply.Length != 1000 {
			t.Errorf("HEAD: got %d of %d bytes", s.reply.Status, s.reply.Length)
		}
	})
}

// TestPartEvicted: a piece that the store has lost is missing, no error.
func TestPartEvicted(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(3 << 20)
		g := newRanger(t, object{content, `"a"`, fresh})
		defer g.close()
		g.quiet("/x", "Range: bytes=0-2999999").want(t, 206, "MISS", content[:3000000])
		g.saw("0-2999999")
		var e store.Entry
		key := []byte("http://origin.test/x")
		g.store.Lookup(g.store.Hash(key), key, 0, &e)
		var h storedHead
		if err := h.read(e.Meta); err != nil || len(h.runs) != 1 {
			t.Fatalf("%v, %v", h.runs, err)
		}
		lost := h.runs.without(rfc9111.Part{First: 1000, Last: 1999})
		e.Release()
		c := &call{e: g.e}
		if got := c.e.present(h.runs, h.runs[0].Part); fmt.Sprint(got) != fmt.Sprint(h.runs) {
			t.Errorf("got %v, want %v", got, h.runs)
		}
		// A run whose content is gone.
		lost = lost.with(run{rfc9111.Part{First: 1000, Last: 1999}, 1000, 12345})
		if got := c.e.present(lost, rfc9111.Part{First: 1500, Last: 1600}); fmt.Sprint(got) != fmt.Sprint(h.runs.without(rfc9111.Part{First: 1000, Last: 1999})) {
			t.Errorf("got %v of %v", got, lost)
		}
		h.runs = lost
		if err := g.store.Freshen(g.store.Hash(key), key, entryVersion(g.rig), h.appendMeta(nil), g.store.Seq()); err != nil {
			t.Fatal(err)
		}
		g.quiet("/x", "Range: bytes=500-999").want(t, 206, "HIT", content[500:1000])
		g.quiet("/x", "Range: bytes=500-2500").want(t, 206, "MISS", content[500:2501])
		g.saw(`1000-1999 If-Range:"a"`)
		g.quiet("/x", "Range: bytes=0-2999999").want(t, 206, "HIT", content[:3000000])
		g.saw()
	})
}

func entryVersion(g *rig) uint64 {
	var e store.Entry
	key := []byte("http://origin.test/x")
	g.store.Lookup(g.store.Hash(key), key, 0, &e)
	defer e.Release()
	return e.Version
}

// TestPartPurged: a purge while missing bytes come wins, over them and over
// what was stored.
func TestPartPurged(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1000)
		hold := make(chan struct{})
		g := newRig(t, nil)
		defer g.close()
		g.pol.PassRange = true
		g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
			o := object{content, `"a"`, fresh}
			resp := o.answer(r)
			if n == 2 {
				resp.Body.(*body).r = &held{resp.Body.(*body).r, hold}
			}
			return resp, nil
		}
		g.quiet("/x", "Range: bytes=0-99")
		s := newSink()
		done := make(chan bool)
		go func() { g.run(s, "GET", "/x", "Range: bytes=50-149"); done <- true }()
		synctest.Wait()
		s.mu.Lock()
		if got := s.body.String(); got != content[50:100] {
			t.Errorf("%d bytes while the rest is waited for, want the 50 that are stored", len(got))
		}
		s.mu.Unlock()
		g.e.Purge([]byte("http://origin.test/x"), false)
		close(hold)
		<-done
		s.want(t, 206, "MISS", content[50:150])
		synctest.Wait()
		g.quiet("/x", "Range: bytes=50-149").want(t, 206, "MISS", content[50:150])
		if n := g.origin.n.Load(); n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
	})
}

// held is content that waits to be let go.
type held struct {
	io.Reader
	gate chan struct{}
}

func (h *held) Read(p []byte) (int, error) {
	<-h.gate
	return h.Reader.Read(p)
}

// TestPartsTogether: ranges that come at once are each asked for once and all
// kept; the same ones are one request.
func TestPartsTogether(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(10000)
		g := newRanger(t, object{content, `"a"`, fresh})
		defer g.close()
		inner := g.origin.answer
		g.origin.answer = func(n int, r *wire.Request) (*wire.Response, error) {
			time.Sleep(time.Second)
			return inner(n, r)
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				at := i % 10 * 1000
				if s := g.get("/x", fmt.Sprintf("Range: bytes=%d-%d", at, at+499)); s.body.String() != content[at:at+500] || s.reply.Status != 206 {
					t.Errorf("%d: got %d, %d bytes", at, s.reply.Status, s.body.Len())
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if n := g.origin.n.Load(); n != 10 {
			t.Errorf("%d requests for 10 ranges", n)
		}
		for at := 0; at < 10000; at += 1000 {
			g.quiet("/x", fmt.Sprintf("Range: bytes=%d-%d", at, at+499)).want(t, 206, "HIT", content[at:at+500])
		}
	})
}

// TestPartStale: a part stands in for an origin that fails where it has the
// bytes, and only there.
func TestPartStale(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1000)
		down := false
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			o := object{content, `"a"`, fresh}
			if down {
				return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: io.ErrUnexpectedEOF}
			}
			return o.answer(r), nil
		})
		defer g.close()
		g.pol.PassRange = true
		g.quiet("/x", "Range: bytes=0-99").want(t, 206, "MISS", content[:100])
		down = true
		after(2 * time.Minute)
		g.quiet("/x", "Range: bytes=10-19").want(t, 206, "STALE", content[10:20])
		if s := g.quiet("/x", "Range: bytes=50-149"); s.reply.Status != 502 {
			t.Errorf("got %d, want 502", s.reply.Status)
		}
		if s := g.quiet("/x"); s.reply.Status != 502 {
			t.Errorf("got %d, want 502", s.reply.Status)
		}
	})
}

// TestPartVary: parts are kept by variant.
func TestPartVary(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			lang := string(r.Get(wire.AcceptLanguage))
			o := object{strings.Repeat(lang, 100), `"` + lang + `"`, fresh + "\r\nVary: Accept-Language"}
			return o.answer(r), nil
		})
		defer g.close()
		g.pol.PassRange = true
		for _, status := range []string{"MISS", "HIT"} {
			g.quiet("/x", "Range: bytes=0-9", "Accept-Language: de").want(t, 206, status, "dedededede")
			g.quiet("/x", "Range: bytes=0-9", "Accept-Language: en").want(t, 206, status, "enenenenen")
		}
		g.quiet("/x", "Range: bytes=5-14", "Accept-Language: de").want(t, 206, "MISS", "ededededed")
	})
}

// TestPartTooLarge: what is larger than may be stored is not completed, and
// pieces of it are kept within that bound.
func TestPartTooLarge(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1 << 20)
		g := newRanger(t, object{content, `"a"`, fresh})
		defer g.close()
		g.e.maxObject = 100 << 10
		piece := func(at int) string { return fmt.Sprintf("Range: bytes=%d-%d", at, at+40<<10-1) }
		for at := 0; at < 200<<10; at += 50 << 10 {
			g.quiet("/x", piece(at)).want(t, 206, "MISS", content[at:at+40<<10])
		}
		g.asked = nil
		g.quiet("/x", piece(150<<10)).want(t, 206, "HIT", content[150<<10:190<<10])
		g.quiet("/x").want(t, 200, "MISS", content)
		g.quiet("/x", piece(150<<10)).want(t, 206, "HIT", content[150<<10:190<<10])
		g.quiet("/x", "Range: bytes=0-500000").want(t, 206, "MISS", content[:500001])
		g.quiet("/x", piece(150<<10)).want(t, 206, "HIT", content[150<<10:190<<10])
		g.saw("whole", "0-500000")
	})
}

// TestPartRefreshed: a stale part answers while it is asked for in the
// background, with its validator and the range, whatever the client's If-Range.
func TestPartRefreshed(t *testing.T) {
	play(t, func(t *testing.T) {
		one, two := pattern(1000), strings.Repeat("two ", 250)
		const fields = "\r\nCache-Control: max-age=60, stale-while-revalidate=60\r\nContent-Type: text/x"
		g := newRanger(t, object{one, `"1"`, fields})
		defer g.close()
		g.quiet("/x", "Range: bytes=0-99").want(t, 206, "MISS", one[:100])
		after(70 * time.Second)
		g.quiet("/x", "Range: bytes=0-9", `If-Range: "1"`).want(t, 206, "STALE", one[:10])
		g.saw("0-99", `0-9 If-None-Match:"1"`)
		g.quiet("/x", "Range: bytes=0-99").want(t, 206, "HIT", one[:100])
		after(70 * time.Second)
		g.set(object{two, `"2"`, fields})
		g.quiet("/x", "Range: bytes=0-9").want(t, 206, "STALE", one[:10])
		g.saw(`0-9 If-None-Match:"1"`)
		g.quiet("/x", "Range: bytes=0-9").want(t, 206, "HIT", two[:10])
		g.quiet("/x", "Range: bytes=0-19").want(t, 206, "MISS", two[:20])
		g.saw(`10-19 If-Range:"2"`)
	})
}
