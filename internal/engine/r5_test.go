package engine

import (
	"fmt"
	"testing"
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
