package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// TestSpreadNeverMixed: readers anywhere in large content, an origin that
// changes it all the time and answers ranges in every way there is, right or
// wrong, and purges: what an answer holds is of the version that its head says.
func TestSpreadNeverMixed(t *testing.T) {
	for seed := range uint64(4) {
		play(t, func(t *testing.T) {
			var now atomic.Int64 // the version
			versions := make([]string, 40)
			for v := range versions {
				versions[v] = strings.Repeat(fmt.Sprintf("%07d ", v), (3*seg+v%3*seg)/8)
			}
			var mu sync.Mutex
			chance := rand.New(rand.NewPCG(seed, 5))
			draw := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return chance.IntN(n)
			}
			g := newRig(t, func(_ int, r *wire.Request) (*wire.Response, error) {
				time.Sleep(time.Duration(draw(20)) * time.Millisecond)
				v := now.Load()
				resp := oddly(draw(30), &object{versions[v], fmt.Sprintf(`"%d"`, v), fresh}, r)
				if b, ok := resp.Body.(*body); ok {
					b.r = &paced{b.r}
				}
				return resp, nil
			})
			defer g.close()
			g.pol.ReadAhead = 2 * seg
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					for range 12 {
						var fields []string
						if from := draw(4 * seg); draw(4) > 0 {
							fields = append(fields, bytesOf(from, from+draw(2*seg)))
						}
						checkVersion(t, seed, g.get("/x", fields...), versions)
						switch k := draw(12); k {
						case 0, 1, 2:
							now.Store(min(now.Load()+1, int64(len(versions)-1)))
						case 3, 4:
							g.e.Purge([]byte("http://origin.test/x"), k == 3)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// oddly answers r as o does, or as no origin should.
func oddly(how int, o *object, r *wire.Request) *wire.Response {
	switch how {
	case 0:
		r.Del(wire.Range) // ignored
	case 1:
		r.Del(wire.IfRange)
	case 2:
		return respond("429 x", "no")
	case 3:
		return respond("503 x", "no")
	case 4:
		return respond("206 x\r\nContent-Type: multipart/byteranges; boundary=x", "--x--")
	}
	resp := o.answer(r)
	if b, ok := resp.Body.(*body); ok && how == 5 {
		b.r = io.LimitReader(b.r, int64(seg)+77)
	}
	return resp
}

// checkVersion compares an answer with the content of the version in its ETag.
func checkVersion(t *testing.T, seed uint64, s *sink, versions []string) {
	var v int
	if n, _ := fmt.Sscanf(s.field("ETag"), `"%d"`, &v); n != 1 {
		return // an error's
	}
	got, want := s.body.String(), versions[v]
	if s.reply.Status == 206 {
		p, length, ok := rfc9111.ParseContentRange([]byte(s.field("Content-Range")))
		if !ok || length != int64(len(want)) {
			t.Errorf("seed %d: version %d of %d bytes: got Content-Range %q", seed, v, len(want), s.field("Content-Range"))
			return
		}
		want = want[p.First : p.Last+1]
	} else if s.reply.Status != 200 {
		return
	}
	if !strings.HasPrefix(want, got) || !s.aborted && len(got) != len(want) {
		t.Errorf("seed %d: version %d, status %d: got %d bytes of %d that are not its own (%+v)", seed, v, s.reply.Status, len(got), len(want), s.out)
	}
}
