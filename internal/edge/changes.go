package edge

import (
	"log/slog"
	"sync"
	"time"

	"opencache/internal/origin"
)

// changes tell the log when a server begins to fail and when it is back: of one
// that does so again and again once in ten seconds.
type changes struct {
	log    *slog.Logger
	server string
	now    func() time.Time

	mu    sync.Mutex // guards the fields below
	last  time.Time  // when a failure was told
	away  bool       // it was told, and that it is back is not
	quiet int        // failures that were not told since
}

const changesEvery = 10 * time.Second

// tell is origin.Circuit.Changed.
func (c *changes) tell(s origin.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := c.now(); {
	case s == origin.Up && c.away:
		c.away = false
		c.log.Info("a server is back", "server", c.server)
	case s == origin.Up:
	case !c.last.IsZero() && now.Sub(c.last) < changesEvery:
		c.quiet++
	default:
		c.log.Warn("a server fails and is left out while there are others", "server", c.server, "state", s.String(), "untold", c.quiet)
		c.last, c.away, c.quiet = now, true, 0
	}
}

// clock is what a Compiler's servers go by.
func (c *Compiler) clock() func() time.Time {
	if c.Now != nil {
		return c.Now
	}
	return time.Now
}
