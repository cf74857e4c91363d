package engine

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// TestHoleBesideRefresh: a 304 that comes while a hole of the same content is
// fetched updates the answer that waits for that hole, and what is stored; the
// hole's 206 updates it further (RFC 9111, 3.2 and 4.3.4), and a 200 in its
// place does not.
func TestHoleBesideRefresh(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		t.Run(fmt.Sprint("ranges ", ranges), func(t *testing.T) {
			play(t, func(t *testing.T) {
				content := pattern(2*seg + 1000)
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					const head = "\r\nETag: \"1\"\r\nCache-Control: max-age=10, stale-while-revalidate=600"
					switch {
					case r.Has(wire.IfNoneMatch):
						return streamed("304 x\r\nX-304: 1"+head, nil), nil
					case n > 1:
						time.Sleep(time.Second)
					}
					if r.Has(wire.Range) && ranges {
						return respond(fmt.Sprintf("206 x\r\nX-206: 1\r\nContent-Range: bytes 0-%d/%d", seg-1, len(content))+head, content[:seg]), nil
					}
					return respond(fmt.Sprintf("200 x\r\nX-200: %d", n)+head, content), nil
				})
				defer g.close()
				g.quiet("/x").want(t, 200, "MISS", content)
				g.lose("/x")
				after(time.Minute)
				waited := g.quiet("/x", bytesOf(0, 9))
				waited.want(t, 206, "MISS", content[:10])
				later := g.quiet("/x", bytesOf(0, 9))
				later.want(t, 206, "HIT", content[:10])
				want := map[bool]string{true: "200: 1, 206: 1, 304: 1", false: "200: 1, 206: , 304: 1"}[ranges]
				for what, s := range map[string]*sink{"the answer": waited, "what is stored": later} {
					if got := fmt.Sprintf("200: %s, 206: %s, 304: %s", s.field("X-200"), s.field("X-206"), s.field("X-304")); got != want {
						t.Errorf("%s has the fields of %s, want %s", what, got, want)
					}
				}
			})
		})
	}
}

// TestResumeWithoutLength: what a client has to ask for by himself must say how
// long all of the content is: else it could be other content.
func TestResumeWithoutLength(t *testing.T) {
	play(t, func(t *testing.T) {
		g, content := newSpread(t, 8)
		defer g.close()
		g.set(object{content, `"1"`, "\r\nCache-Control: public, max-age=60"})
		g.quiet("/x", bytesOf(0, 3*seg-1)).want(t, 206, "MISS", content[:3*seg])
		g.origin.answer = func(_ int, r *wire.Request) (*wire.Response, error) {
			var first, last int
			if _, err := fmt.Sscanf(string(r.Get(wire.Range)), "bytes=%d-%d", &first, &last); err != nil {
				t.Errorf("Range %q: %v", r.Get(wire.Range), err)
			}
			return respond(fmt.Sprintf("206 x\r\nETag: \"1\"\r\nContent-Range: bytes %d-%d/*", first, last), content[first:last+1]), nil
		}
		s := g.quiet("/x", "Range: bytes=0-", "Authorization: Basic x") // it fetches alone
		if got := s.body.String(); !s.aborted || got != content[:3*seg] {
			t.Errorf("got %d bytes, aborted %t (%+v)", len(got), s.aborted, s.out)
		}
	})
}

// TestRangesApart: requests for one range of content without a strong validator
// share a fetch, also while another range of it is fetched, which has nothing
// for them.
func TestRangesApart(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		t.Run(fmt.Sprint("ranges ", ranges), func(t *testing.T) {
			play(t, func(t *testing.T) {
				content, hold := pattern(8*seg), make(chan struct{})
				asked := map[string]int{}
				var mu sync.Mutex // guards asked
				o := object{content: content, fields: fresh}
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					mu.Lock()
					asked[string(r.Get(wire.Range))]++
					mu.Unlock()
					if !ranges {
						r.Del(wire.Range)
					}
					resp := o.answer(r)
					if n == 1 {
						b := resp.Body.(*body)
						b.r = &held{b.r, hold}
					} else {
						time.Sleep(time.Second)
					}
					return resp, nil
				})
				defer g.close()
				var all sync.WaitGroup
				get := func(first int) {
					all.Go(func() {
						if s := g.get("/x", bytesOf(first, first+9)); s.reply.Status != 206 || s.body.String() != content[first:first+10] {
							t.Errorf("from %d: got %d, %d bytes (%+v)", first, s.reply.Status, s.body.Len(), s.out)
						}
					})
				}
				get(0)
				synctest.Wait()
				for range 20 {
					get(6 * seg)
				}
				time.Sleep(2 * time.Second)
				close(hold)
				all.Wait()
				synctest.Wait()
				if want := map[string]int{"bytes=" + segs(0, 0, 9): 1, "bytes=" + segs(6, 6, 9): 1}; !maps.Equal(asked, want) {
					t.Errorf("the origin was asked for %v", asked)
				}
			})
		})
	}
}

// TestManyRangesBounded: of small ranges that lie apart only so many bring whole
// segments as would be read ahead; the others are asked for as they are. All
// bytes come.
func TestManyRangesBounded(t *testing.T) {
	for _, cold := range []bool{true, false} {
		t.Run(fmt.Sprint("cold ", cold), func(t *testing.T) {
			play(t, func(t *testing.T) {
				g, content := newSpread(t, 40)
				defer g.close()
				if !cold {
					g.quiet("/x", bytesOf(39*seg, 39*seg+9)).want(t, 206, "MISS", content[39*seg:39*seg+10])
				}
				before := g.sent.Load()
				g.pol.ReadAhead = 2 * seg
				var list []string
				for i := range 16 {
					list = append(list, fmt.Sprintf("%d-%d", 2*i*seg+100, 2*i*seg+100))
				}
				s := g.quiet("/x", "Range: bytes="+strings.Join(list, ","))
				if s.reply.Status != 206 || int64(s.body.Len()) != s.reply.Length {
					t.Fatalf("got %d, %d bytes of %d (%+v)", s.reply.Status, s.body.Len(), s.reply.Length, s.out)
				}
				for i := range 16 {
					at := 2*i*seg + 100
					if want := fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\n\r\n%s", at, at, len(content), content[at:at+1]); !strings.Contains(s.body.String(), want) {
						t.Errorf("%q is missing", want)
					}
				}
				if sent := g.sent.Load() - before; sent > 3*seg+16 {
					t.Errorf("the origin sent %d bytes for 16, want at most %d", sent, 3*seg+16)
				}
			})
		})
	}
}
