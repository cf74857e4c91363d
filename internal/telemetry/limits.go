package telemetry

import (
	"context"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A LimitLog tells the operator's log which limits clients have reached: for
// each limit one line at most in Every, with how often since the last one. It
// reads counts and so costs whoever keeps them nothing. It remembers a number
// and an address for each name that Counts yields.
type LimitLog struct {
	Log    *slog.Logger              // nil: nothing is logged
	Counts iter.Seq2[string, uint64] // how often each limit was reached, by its name
	// Everyday names the limits that healthy clients reach; they are logged
	// at debug level.
	Everyday []string
	Every    time.Duration // 0: 10 s

	seen map[string]uint64

	mu   sync.Mutex // guards the field below
	last map[string]netip.AddrPort
}

// Note says which client has reached a limit just now; the last of them is
// logged. It may be called from any goroutine, with the names of Counts alone.
func (l *LimitLog) Note(limit string, client netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[string]netip.AddrPort{}
	}
	l.last[limit] = client
}

func (l *LimitLog) lastOf(limit string) netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[limit]
}

// Run logs until ctx ends, and then what is left.
func (l *LimitLog) Run(ctx context.Context) {
	if l.Log == nil || l.Counts == nil {
		return
	}
	every := l.Every
	if every <= 0 {
		every = 10 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.look()
			return
		case <-tick.C:
			l.look()
		}
	}
}

// look logs what was reached since the last look.
func (l *LimitLog) look() {
	if l.seen == nil {
		l.seen = map[string]uint64{}
	}
	for limit, n := range l.Counts {
		since := n - l.seen[limit]
		if since == 0 {
			continue
		}
		l.seen[limit] = n
		level := slog.LevelWarn
		if slices.Contains(l.Everyday, limit) {
			level = slog.LevelDebug
		}
		args := []any{"limit", limit, "times", since}
		if client := l.lastOf(limit); client.IsValid() {
			args = append(args, "last", client)
		}
		l.Log.Log(context.Background(), level, "limit reached", args...)
	}
}
