package engine

import (
	"bytes"
	"context"
	"testing"

	"opencache/internal/wire"
)

// asker is an Exchanger that shows the context it got.
type asker func(ctx context.Context)

func (a asker) Exchange(ctx context.Context, _ *wire.Request) (*wire.Response, error) {
	a(ctx)
	return respond("200 OK", "x"), nil
}

// TestPatron: a client is watched when its context is looked into, once, and
// not for an answer that was there without.
func TestPatron(t *testing.T) {
	type key struct{}
	stop := func(ctx context.Context) { context.AfterFunc(ctx, func() {})() }
	for _, tt := range []struct {
		name    string
		look    func(ctx context.Context)
		watched int
	}{
		{"nothing", func(context.Context) {}, 0},
		{"Err", func(ctx context.Context) { _ = ctx.Err() }, 0},
		{"Done", func(ctx context.Context) { <-ctx.Done() }, 1},
		{"Done and Err", func(ctx context.Context) {
			<-ctx.Done()
			if ctx.Err() != context.Canceled {
				t.Errorf("got %v, want %v", ctx.Err(), context.Canceled)
			}
		}, 1},
		{"Value", func(ctx context.Context) {
			if got := ctx.Value(key{}); got != "mine" {
				t.Errorf("got %v, want mine", got)
			}
		}, 1},
		{"Deadline", func(ctx context.Context) { _, _ = ctx.Deadline() }, 1},
		{"AfterFunc", stop, 1},
		{"AfterFunc twice", func(ctx context.Context) { stop(ctx); stop(ctx) }, 1},
	} {
		g := newRig(t, nil)
		g.pol.Bypass, g.pol.Upstream = true, asker(tt.look)
		gone, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "mine"))
		leave()
		watched := 0
		for range 2 { // the second call is the first's, used again
			var r wire.Request
			if _, err := wire.ParseRequest(&r, []byte("GET /a HTTP/1.1\r\nHost: c\r\n\r\n"), wire.Limits{}); err != nil {
				t.Fatal(err)
			}
			r.Watch = func() context.Context { watched++; return gone }
			s := newSink()
			s.reply.Sink = s
			g.e.Serve(&r, &s.reply, []byte("http://origin.test/a"), &g.pol)
			if s.reply.Status != 200 || !bytes.Equal(s.body.Bytes(), []byte("x")) {
				t.Errorf("%s: got %d %q, want 200 and x", tt.name, s.reply.Status, s.body.Bytes())
			}
		}
		if watched != 2*tt.watched {
			t.Errorf("%s: watched %d times in two requests, want %d", tt.name, watched, 2*tt.watched)
		}
		g.close()
	}
}
