package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// One line a limit and look, with what has come since.
func TestLimitLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var mu sync.Mutex // guards counts
		counts := map[string]uint64{}
		count := func(limit string, n uint64) {
			mu.Lock()
			defer mu.Unlock()
			counts[limit] += n
		}
		l := &LimitLog{
			Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})),
			Counts: func(yield func(string, uint64) bool) {
				mu.Lock()
				defer mu.Unlock()
				for _, name := range []string{"connections", "idle_timeout", "min_rate"} {
					if !yield(name, counts[name]) {
						return
					}
				}
			},
			Everyday: []string{"idle_timeout"},
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			l.Run(ctx)
			close(ended)
		}()
		after := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := out.String(); got != want {
				t.Errorf("after %v: got %q, want %q", d, got, want)
			}
			out.Reset()
		}
		after(10*time.Second, "")
		count("connections", 3)
		count("idle_timeout", 7)
		after(9*time.Second, "")
		count("connections", 2)
		l.Note("connections", netip.MustParseAddrPort("192.0.2.9:1"))
		l.Note("connections", netip.MustParseAddrPort("192.0.2.1:4711"))
		after(time.Second, "level=WARN msg=\"limit reached\" limit=connections times=5 last=192.0.2.1:4711\n")
		after(time.Minute, "")
		count("connections", 1)
		count("min_rate", 1)
		cancel()
		<-ended
		after(0, "level=WARN msg=\"limit reached\" limit=connections times=1 last=192.0.2.1:4711\n"+
			"level=WARN msg=\"limit reached\" limit=min_rate times=1\n")
	})
}

// The zero LimitLog does nothing, and ends.
func TestLimitLogZero(*testing.T) { new(LimitLog).Run(context.Background()) }
