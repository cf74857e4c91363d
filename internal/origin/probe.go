package origin

import (
	"cmp"
	"context"
	"io"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"opencache/internal/wire"
)

// A Check is how a server is asked whether it is well. Zero fields mean their
// defaults. Checks can be compared.
type Check struct {
	Path string // below the server's Base; empty: /
	Host string // what the Host field says, where the Upstream's does not; empty: its address
	// Interval is the time from one check to the next, by chance up to a tenth
	// less or more; 0: 10 s.
	Interval time.Duration
	Timeout  time.Duration // for all of an answer; 0: 5 s
	Rise     int           // checks in a row that must go well for the server to be up; 0: 2
	Fall     int           // that must fail for it to be down; 0: 3
	// Statuses are those of a server that is well, like "200 3xx", separated by
	// blanks; empty: 2xx 3xx.
	Statuses string
}

// fits reports whether the status is that of a server that is well.
func (c *Check) fits(status int) bool {
	statuses := c.Statuses
	if statuses == "" {
		statuses = "2xx 3xx"
	}
	code := strconv.Itoa(status)
	for want := range strings.FieldsSeq(statuses) {
		if want == code || want == "any" || strings.HasSuffix(want, "xx") && want[:1] == code[:1] {
			return true
		}
	}
	return false
}

// A streak is how many checks in a row said other than what holds.
type streak struct {
	down  bool
	since int
}

// note counts a check, and reports whether it changes what holds.
func (s *streak) note(well bool, rise, fall int) bool {
	if well != s.down {
		s.since = 0
		return false
	}
	s.since++
	if s.down && s.since < rise || !s.down && s.since < fall {
		return false
	}
	s.down, s.since = !s.down, 0
	return true
}

// A Probe checks a server again and again, from Start to Close, one check at a
// time, and tells its Circuit. Fields are not changed after Start.
type Probe struct {
	Check
	// Upstream is what it asks by, its own: so that the check waits for no
	// place in a queue of requests, and each makes a connection of its own.
	Upstream *Upstream
	Circuit  *Circuit
	Tally    *Tally // counts checks; nil: nobody does
	// Slots bounds how many Probes check at once: each puts one in before and
	// takes it out behind it. nil: any number.
	Slots  chan struct{}
	Random func() uint64    // nil: math/rand/v2
	Now    func() time.Time // nil: time.Now

	streak streak // the check's under way

	mu      sync.Mutex // guards the fields below
	timer   *time.Timer
	started bool
	closed  bool
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Start begins to check; the first time soon. Starting twice is allowed.
func (p *Probe) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started || p.closed {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	p.started, p.stop = true, stop
	p.streak.down = p.Circuit.State(p.now()) == Down
	first, _ := bits.Mul64(p.random(), uint64(p.interval())/2) // not all of a node's at once
	p.timer = time.AfterFunc(time.Duration(first), func() { p.turn(ctx) })
}

// Close ends it, waits for the check under way, which is given up, and closes
// Upstream.
func (p *Probe) Close() {
	p.mu.Lock()
	p.closed = true
	if p.started {
		p.timer.Stop()
		p.stop()
	}
	p.mu.Unlock()
	p.running.Wait()
	_ = p.Upstream.Close() // it has nothing to say
}

// turn makes a check and sets the time of the next.
func (p *Probe) turn(ctx context.Context) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.running.Add(1)
	p.mu.Unlock()
	defer p.running.Done()
	p.look(ctx)
	p.mu.Lock()
	if !p.closed {
		p.timer.Reset(jittered(p.interval(), p.random()))
	}
	p.mu.Unlock()
}

// jittered is an interval by chance up to a tenth less or more.
func jittered(d time.Duration, random uint64) time.Duration {
	more, _ := bits.Mul64(random, uint64(d/5))
	return d - d/10 + time.Duration(more)
}

// look makes a check and tells the Circuit what changes by it.
func (p *Probe) look(ctx context.Context) {
	if p.Slots != nil {
		select {
		case p.Slots <- struct{}{}:
			defer func() { <-p.Slots }()
		case <-ctx.Done():
			return
		}
	}
	well := p.ask(ctx)
	if ctx.Err() != nil { // closed
		return
	}
	if p.Tally != nil {
		i := 0
		if well {
			i = 1
		}
		p.Tally.Checks[i].Add(1)
	}
	if p.streak.note(well, cmp.Or(p.Rise, 2), cmp.Or(p.Fall, 3)) {
		p.Circuit.check(p.streak.down, p.now())
	}
}

// mostChecked is how much of a check's answer is read, in bytes.
const mostChecked = 64 << 10

// ask reports whether the server answers as one that is well.
func (p *Probe) ask(ctx context.Context) bool {
	ctx, stop := context.WithTimeout(ctx, orDuration(p.Timeout, 5*time.Second))
	defer stop()
	var r wire.Request
	r.SetMethod(wire.GET)
	r.SetTarget([]byte(cmp.Or(p.Path, "/")))
	r.SetAuthority([]byte(cmp.Or(p.Host, p.Upstream.Addr)))
	r.Minor, r.Secure = 1, p.Upstream.Scheme == "https"
	resp, err := p.Upstream.exchange(ctx, &r)
	if err != nil {
		return false
	}
	if resp.Body != nil {
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.CopyN(io.Discard, resp.Body, mostChecked); err != nil && err != io.EOF {
			return false
		}
	}
	return p.fits(resp.Status)
}

func (p *Probe) interval() time.Duration { return orDuration(p.Interval, 10*time.Second) }

func (p *Probe) random() uint64 {
	if p.Random != nil {
		return p.Random()
	}
	return rand.Uint64()
}

func (p *Probe) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
