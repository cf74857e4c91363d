package engine

import (
	"errors"
	"sync"
	"testing"
	"time"

	"opencache/internal/wire"
)

// TestClientFaultIsItsOwn: a request that can not be sent as its client made it
// fails for that client, and for nobody who has waited with it.
func TestClientFaultIsItsOwn(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			after(time.Second)
			if n == 1 {
				return nil, &wire.Error{Side: wire.Client, Status: 431, Err: errors.New("too large a head")}
			}
			return respond("200 OK\r\nCache-Control: max-age=60", "hello"), nil
		})
		defer g.close()
		var wg sync.WaitGroup
		wg.Go(func() {
			if s := g.get("/a"); s.reply.Status != 431 {
				t.Errorf("who was at fault got %d, want 431", s.reply.Status)
			}
		})
		after(time.Millisecond)
		for range 3 {
			wg.Go(func() { g.get("/a").want(t, 200, "MISS", "hello") })
		}
		wg.Wait()
	})
}
