package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opencache/internal/wire"
)

// TestTortureSearch has clients ask for URLs that are equivalent by fields that
// come and go, while others change what they stand for and purge: every answer
// is for its URL, and none is older than a purge of that which had ended before
// it was asked for, whichever URL brought it.
func TestTortureSearch(t *testing.T) {
	const ids = 4
	var versions [ids]atomic.Int64
	fields := []string{"", `No-Vary-Search: params=("utm")`, `No-Vary-Search: except=("id")`, `No-Vary-Search: params=("utm"), key-order`,
		"Vary: X-Strange", "Cache-Control: no-store"}
	g := newRigOf(t, 8<<20, func(n int, r *wire.Request) (*wire.Response, error) {
		id := idOf(string(r.Target()))
		content := fmt.Sprintf("%d %d", id, versions[id].Load())
		if rand.IntN(3) == 0 {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		}
		head := "200 OK\r\nCache-Control: max-age=600"
		if f := fields[rand.IntN(len(fields))]; f != "" {
			head += "\r\n" + f
		}
		return respond(head, content), nil
	})
	g.pol.HitForMiss = time.Millisecond
	defer g.close()
	end := time.Now().Add(2 * time.Second)
	var wg sync.WaitGroup
	for i := range 12 {
		rnd := rand.New(rand.NewPCG(uint64(i), 27))
		wg.Go(func() {
			for time.Now().Before(end) {
				id := rnd.IntN(ids)
				target, least := spelling(rnd, id), int64(0)
				if rnd.IntN(4) == 0 {
					least = versions[id].Add(1)
					g.e.Purge([]byte("http://origin.test"+target), false)
				}
				got := g.get(target).body.String()
				var gotID int
				var version int64
				if n, _ := fmt.Sscanf(got, "%d %d", &gotID, &version); n != 2 || gotID != id || version < least {
					t.Errorf("%s behind a purge of version %d: got %q", target, least, got)
				}
			}
		})
	}
	wg.Wait()
}

// spelling is one of the URLs for an id.
func spelling(rnd *rand.Rand, id int) string {
	return fmt.Sprintf([...]string{"/t?id=%d", "/t?id=%d&utm=1", "/t?id=%d&utm=2", "/t?utm=3&id=%d"}[rnd.IntN(4)], id)
}

func idOf(target string) (id int) {
	_, rest, _ := strings.Cut(target, "id=")
	_, _ = fmt.Sscanf(rest, "%d", &id)
	return id
}

// TestMovedBehindPurge: a fetch that began before a purge is not joined where it
// moves to behind it.
func TestMovedBehindPurge(t *testing.T) {
	for _, purged := range []bool{false, true} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(int, *wire.Request) (*wire.Response, error) { return respond("200 OK", "old"), nil })
			defer g.close()
			var r wire.Request
			_, _ = wire.ParseRequest(&r, []byte("GET /t?id=1&utm=1 HTTP/1.1\r\nHost: a\r\n\r\n"), wire.Limits{})
			key := []byte("http://origin.test/t?id=1&utm=1")
			c := &call{e: g.e, r: &r, pol: &g.pol, key: key, now: g.e.now(), primary: g.e.store.Hash([]byte("a place"))}
			c.at, c.atKey = c.primary, c.key
			f, _ := g.e.flights.join(c.at, c.stalled, func() *fetch { return c.start(nil, c) })
			if purged {
				g.e.Purge(key, false)
			}
			own := g.e.store.Hash(key)
			f.moveTo(own, key)
			if joined, _ := g.e.flights.join(own, c.stalled, func() *fetch { return nil }); (joined == nil) != purged {
				t.Errorf("purged %v: joined %v", purged, joined != nil)
			} else if joined != nil {
				joined.leave(c)
			}
			g.e.flights.remove(f.at, f)
			f.leave(c)
			f.finish()
		})
	}
}
