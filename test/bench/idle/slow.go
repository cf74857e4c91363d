package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// originMax is how many connections to its origin a cache may keep.
const originMax = 300

// A slow is a crowd of slow clients of all kinds, and well-behaved requests
// among them.
type slow struct {
	addr     string
	secure   string
	pid      int
	clients  int // of each kind
	requests int
	timeout  time.Duration
	grace    time.Duration
	slack    time.Duration
}

// A client is one of the crowd. Its fields are complete once all have ended.
type client struct {
	begun    time.Time
	conn     *net.TCPConn
	answered time.Time // zero: not
	closed   time.Time // by the cache; zero: not
	err      error     // why not answered
}

func (s *slow) run(ctx context.Context) error {
	kinds := s.kinds()
	if err := prime(ctx, s.addr); err != nil {
		return err
	}
	before, err := files(s.pid)
	if err != nil {
		return err
	}
	w, err := newWatch(len(kinds) * s.clients)
	if err != nil {
		return err
	}
	defer w.stop()
	c := crowd{s: s, kinds: kinds, watch: w, clients: make([]client, len(kinds)*s.clients)}
	defer c.close()
	begin := time.Now()
	if err := c.open(ctx); err != nil {
		return err
	}
	fmt.Printf("%d slow clients of %d kinds, connected in %.1f s\n", len(c.clients), len(kinds), time.Since(begin).Seconds())
	hanging := len(c.clients) - c.done()
	good, goodErr := behave(ctx, s.addr, s.requests)
	fmt.Printf("well-behaved: %v; meanwhile of the slow clients %d to %d hung on\n", good, len(c.clients)-c.done(), hanging)
	if goodErr != nil {
		goodErr = fmt.Errorf("MISSED: well-behaved requests: %w", goodErr)
	} else if hanging < len(c.clients)/2 {
		goodErr = fmt.Errorf("MISSED: only %d of %d slow clients hung on when the well-behaved came", hanging, len(c.clients))
	}
	c.wait(ctx)
	errs := []error{goodErr}
	for i, k := range kinds {
		seen := summarize(c.clients[i*s.clients : (i+1)*s.clients])
		err := k.judge(seen, s.slack)
		fmt.Printf("%-6s %-40s %v; bound %v\n", word(err), k.name, seen, k.bound)
		errs = append(errs, err)
	}
	lines, err := limited(ctx, s.addr)
	errs = append(errs, err)
	fmt.Printf("its metrics:\n  %s\n", strings.Join(lines, "\n  "))
	c.close()
	return errors.Join(append(errs, s.gone(ctx, before))...)
}

// gone waits until the cache has let go of what all those clients took, and
// says when it has not.
func (s *slow) gone(ctx context.Context, before int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*s.slack)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		after, err := files(s.pid)
		switch {
		case err != nil:
			return err
		case after <= before+originMax:
			fmt.Printf("the cache's open files: %d before, %d after\n", before, after)
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("MISSED: the cache had %d open files before and has %d after its clients have gone", before, after)
		}
	}
}

func word(err error) string {
	if err != nil {
		return "MISSED"
	}
	return "kept"
}

// A crowd is the clients, those of one kind side by side.
type crowd struct {
	s       *slow
	kinds   []kind
	watch   *watch
	clients []client
	playing sync.WaitGroup
	cancel  context.CancelFunc
}

// open connects all clients, of the kinds in turn, and lets each play at once.
func (c *crowd) open(ctx context.Context) error {
	ctx, c.cancel = context.WithCancel(ctx)
	return each(len(c.clients), func(n int) error {
		k, i := n%len(c.kinds), n/len(c.kinds)
		kind, at := c.kinds[k], k*c.s.clients+i
		addr := c.s.addr
		if kind.secure {
			addr = c.s.secure
		}
		conn, err := dial(ctx, addr, n, kind.buffer)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		me := &c.clients[at]
		me.begun, me.conn = time.Now(), conn
		if err := c.watch.add(conn, at); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		c.playing.Go(func() {
			// What an end does to the play is the watch's to see.
			if me.err = kind.play(ctx, conn, addr); me.err == nil {
				me.answered = time.Now()
			}
		})
		return nil
	})
}

// done is how many clients were closed by the cache.
func (c *crowd) done() int { return c.watch.count() }

// wait lets the crowd play until everybody has an outcome or is beyond its
// bound.
func (c *crowd) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(c.s.timeout, c.s.grace)+2*c.s.slack)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	bad := 0 // clients that are to be closed
	for _, k := range c.kinds {
		if !k.honest {
			bad += c.s.clients
		}
	}
	for ctx.Err() == nil && c.closed() < bad {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	c.stop()
	for i := range c.clients {
		c.clients[i].closed = c.watch.when(i)
	}
}

// closed is how many clients of those that are to be closed are.
func (c *crowd) closed() (n int) {
	for i := range c.clients {
		if !c.kinds[i/c.s.clients].honest && !c.watch.when(i).IsZero() {
			n++
		}
	}
	return n
}

// stop ends all plays.
func (c *crowd) stop() {
	if c.cancel != nil {
		c.cancel()
	}
	for i := range c.clients {
		if conn := c.clients[i].conn; conn != nil {
			_ = conn.SetDeadline(time.Unix(1, 0)) // wakes its play
		}
	}
	c.playing.Wait()
}

func (c *crowd) close() {
	c.stop()
	for i := range c.clients {
		if conn := c.clients[i].conn; conn != nil {
			_ = conn.Close() // nobody waits for what it might still say
		}
	}
}

// A summary is what became of the clients of one kind.
type summary struct {
	clients, answered, closed           int
	lastAnswer, firstClosed, lastClosed time.Duration // since the client's begin
	err                                 error         // of one that was not answered
}

func summarize(clients []client) summary {
	s := summary{clients: len(clients)}
	for _, c := range clients {
		if !c.answered.IsZero() {
			s.answered++
			s.lastAnswer = max(s.lastAnswer, c.answered.Sub(c.begun))
		} else {
			s.err = cmp.Or(s.err, c.err)
		}
		if !c.closed.IsZero() {
			t := c.closed.Sub(c.begun)
			if s.closed == 0 {
				s.firstClosed = t
			}
			s.closed++
			s.firstClosed, s.lastClosed = min(s.firstClosed, t), max(s.lastClosed, t)
		}
	}
	return s
}

func (s summary) String() string {
	text := fmt.Sprintf("%d clients, %d answered", s.clients, s.answered)
	if s.answered > 0 {
		text += fmt.Sprintf(" (by %.1f s)", s.lastAnswer.Seconds())
	}
	text += fmt.Sprintf(", %d closed by the cache", s.closed)
	if s.closed > 0 {
		text += fmt.Sprintf(" (%.1f to %.1f s)", s.firstClosed.Seconds(), s.lastClosed.Seconds())
	}
	return text
}

// judge says what is not as it should be.
func (k kind) judge(s summary, slack time.Duration) error {
	switch {
	case k.honest && s.answered < s.clients:
		return fmt.Errorf("MISSED: %s: %d of %d were answered: %w", k.name, s.answered, s.clients, s.err)
	case k.honest && s.lastAnswer > k.bound+slack:
		return fmt.Errorf("MISSED: %s: answered after %v, want at most %v and %v", k.name, s.lastAnswer, k.bound, slack)
	case k.honest:
		return nil
	case s.closed < s.clients:
		return fmt.Errorf("MISSED: %s: %d of %d live on beyond %v", k.name, s.clients-s.closed, s.clients, k.bound)
	case s.lastClosed > k.bound+slack:
		return fmt.Errorf("MISSED: %s: closed after %v, want at most %v and %v", k.name, s.lastClosed, k.bound, slack)
	}
	return nil
}
