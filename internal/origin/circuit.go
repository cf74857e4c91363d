package origin

import (
	"cmp"
	"sync"
	"time"
)

// A State says how a server stands with the Groups that it is in.
type State uint8

const (
	Up        State = iota // it is asked
	Trying                 // it failed, and one request is to tell whether it still does
	Ejected                // it failed, and is left out for a while
	Down                   // its checks fail
	NumStates int   = iota
)

// String returns the word that metrics and status print.
func (s State) String() string {
	return [NumStates]string{"up", "trying", "ejected", "down"}[s]
}

// A Circuit remembers how a server fared: whether requests to it failed, whether
// its checks do, and since when it is back. Groups share it, so that one learns
// from what another one met. Its fields are not changed after the first use; the
// zero value is ready.
type Circuit struct {
	// MaxFails is how many requests have to fail for the server to be left out
	// for FailTimeout; 0: 1, below 0: none does that. Failures count together
	// until an answer that comes FailTimeout after the last one, or later.
	MaxFails    int
	FailTimeout time.Duration // 0: 10 s
	// SlowStart is how long it takes a server that is back to have its whole
	// share of requests again; 0: no time.
	SlowStart time.Duration
	// Changed is called when the server is left out (Ejected by requests, Down by
	// checks) and when it is back (Up). It does not wait. nil: nobody is told.
	Changed func(State)

	mu sync.Mutex // guards the fields below
	health
	ejections uint64
}

// limits are a Circuit's fields, the defaults filled in.
type limits struct {
	maxFails               int
	failTimeout, slowStart time.Duration
}

func (c *Circuit) limits() limits {
	return limits{cmp.Or(c.MaxFails, 1), orDuration(c.FailTimeout, 10*time.Second), c.SlowStart}
}

// health is what a Circuit remembers. It moves so:
//
//	up ── maxFails failures ──▶ ejected ── failTimeout ──▶ trying ── an answer ──▶ up, by and by
//	                               ▲───────── a failure ──────┘
//
// and down and up again by checks, from whatever state.
type health struct {
	fails   int       // requests that failed, as far as they count together
	failed  time.Time // when one did last
	checked time.Time // the same, or when the trial behind it began
	down    bool      // checks fail
	back    time.Time // when it came back last; zero: it was never away
}

// out reports whether so many requests failed that the server is left out.
func (h *health) out(l limits) bool { return l.maxFails > 0 && h.fails >= l.maxFails }

// usable reports whether the server is to be asked while there are others.
func (h *health) usable(l limits, now time.Time) bool {
	return !h.down && (!h.out(l) || now.Sub(h.checked) >= l.failTimeout)
}

func (h *health) state(l limits, now time.Time) State {
	switch {
	case h.down:
		return Down
	case !h.out(l):
		return Up
	case h.usable(l, now), h.checked.After(h.failed):
		return Trying
	}
	return Ejected
}

// begin notes that the server is asked, and reports whether it is so to tell
// how it is: while that is open nobody else asks for that reason.
func (h *health) begin(l limits, now time.Time) (trial bool) {
	trial = h.out(l)
	if h.fails > 0 && now.Sub(h.checked) >= l.failTimeout {
		h.checked, trial = now, true
	}
	return trial
}

// answered notes an answer. One from before the failures says nothing of what
// is now.
func (h *health) answered(l limits, now time.Time, trial bool) {
	if !trial {
		return
	}
	if h.out(l) && !h.down {
		h.back = now
	}
	h.fails = 0
}

// abandoned notes that what was to be a trial told nothing.
func (h *health) abandoned(trial bool) {
	if trial {
		h.checked = h.failed
	}
}

// fail notes a failure, and reports whether the server is left out for it.
func (h *health) fail(l limits, now time.Time) (ejected bool) {
	was := h.out(l)
	h.fails = min(h.fails+1, 1<<20)
	h.failed, h.checked = now, now
	return !was && h.out(l)
}

// set notes what checks come to.
func (h *health) set(down bool, now time.Time) {
	if h.down && !down {
		h.back, h.fails = now, 0
	}
	h.down = down
}

// share is how much of its weight counts, in thousandths: it grows while the
// server is newly back.
func (h *health) share(l limits, now time.Time) int {
	if l.slowStart <= 0 || h.back.IsZero() {
		return whole
	}
	since := max(now.Sub(h.back), 0)
	if since >= l.slowStart {
		return whole
	}
	return max(1, int(whole*since/l.slowStart))
}

// whole is the share of a server that is well.
const whole = 1000

// look returns what a Group asks before it picks.
func (c *Circuit) look(now time.Time) (usable bool, share int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.limits()
	return c.usable(l, now), c.share(l, now)
}

func (c *Circuit) begin(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.health.begin(c.limits(), now)
}

// An ending is what became of a request that a server was asked.
type ending uint8

const (
	well   ending = iota
	failed        // the server did
	untold        // it could not be told
)

func (c *Circuit) end(how ending, now time.Time, trial bool) {
	c.mu.Lock()
	l := c.limits()
	was, change := c.down || c.out(l), false
	switch how {
	case well:
		c.answered(l, now, trial)
		change = was && !c.down && !c.out(l)
	case failed:
		if ejected := c.fail(l, now); ejected {
			c.ejections++
			change = !c.down
		}
	case untold:
		c.abandoned(trial)
	}
	c.mu.Unlock()
	if change {
		c.tell(Ejected, how == well)
	}
}

// tell says that the server is back, or away, in that state.
func (c *Circuit) tell(away State, back bool) {
	switch {
	case c.Changed == nil:
	case back:
		c.Changed(Up)
	default:
		c.Changed(away)
	}
}

func (c *Circuit) check(down bool, now time.Time) {
	c.mu.Lock()
	change := down != c.down
	if down && !c.down {
		c.ejections++
	}
	c.set(down, now)
	c.mu.Unlock()
	if change {
		c.tell(Down, !down)
	}
}

// State returns how the server stands.
func (c *Circuit) State(now time.Time) State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state(c.limits(), now)
}

// Ejections returns how often it was left out.
func (c *Circuit) Ejections() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ejections
}

// Inherit takes over what was known of the server, what its checks came to only
// if it is checked still. It is called before anybody uses c.
func (c *Circuit) Inherit(was *Circuit, checked bool) {
	was.mu.Lock()
	h, n := was.health, was.ejections
	was.mu.Unlock()
	h.down = h.down && checked
	c.health, c.ejections = h, n
}
