package script

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// origin is the scripted server. It answers as its rules say, and is free to
// lie. What it cannot answer by them it notes as a fault of the play.
type origin struct {
	place place
	log   *transcript
	words func() values

	stopped chan struct{} // closed at the end of the play
	serving sync.WaitGroup

	*board // guards the fields below
	state  originState
	rules  []*rule
	asked  []*exchange
	open   map[net.Conn]bool // whether an exchange is going on
	dialed int
	gates  map[string]*gate
	faults []error
}

type originState string

const (
	up          originState = "up"
	down        originState = "down"
	unreachable originState = "unreachable"
)

// A gate is a barrier: "wait NAME" and "signal NAME".
type gate struct {
	waiting int
	open    chan struct{}
	passed  bool
}

// A rule is an answer and the requests that it is for.
type rule struct {
	line           int
	text           string
	method, target string
	wants          []want
	left           int // uses
	any            bool
	early          bool
	steps          []step
}

// A step is one thing that the origin does in answering.
type step func(x *exchange) error

// errEnd is the step's word for: the connection is at its end.
var errEnd = errors.New("connection ends here")

// An exchange is one request and its answering.
type exchange struct {
	*message
	o              *origin
	conn           net.Conn
	br             *bufio.Reader
	framing        framing
	method, target string
	bodyRead       bool
	cut            bool // the request ended before its framing said
}

func newOrigin(p place, log *transcript, words func() values) *origin {
	return &origin{
		place: p, log: log, words: words, board: newBoard(), state: up,
		stopped: make(chan struct{}), open: map[net.Conn]bool{}, gates: map[string]*gate{},
	}
}

// dial is the Env's Dial.
func (o *origin) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var state originState
	o.peek(func() { state = o.state })
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: err}
	}
	switch state {
	case down:
		o.log.add("origin", "refuses a connection")
		return nil, refused(network, addr)
	case unreachable:
		o.log.add("origin", "does not take a connection")
		return nil, neverMade(ctx, network, addr)
	}
	// The subject dials and the play accepts; pair watches the dialling
	// end, so it is the play's.
	mine, theirs, err := o.place.pair(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err != nil {
		return nil, err
	}
	o.change(func() {
		o.dialed++
		o.open[mine] = false
		o.serving.Add(1)
	})
	o.log.add("origin", "connection opened")
	go o.serve(mine)
	return theirs, nil
}

// stop ends all connections and waits for their goroutines.
func (o *origin) stop() {
	close(o.stopped)
	o.change(func() {
		for c := range o.open {
			_ = c.Close()
		}
	})
	o.serving.Wait()
}

func (o *origin) serve(c net.Conn) {
	defer o.serving.Done()
	defer o.change(func() { delete(o.open, c) })
	defer c.Close()
	br := bufio.NewReaderSize(c, 16<<10)
	for {
		m, err := readHead(br)
		if err != nil {
			if len(m.raw) > 0 {
				o.log.add("origin", "> %s, then %v", show(m.raw), err)
			}
			if errors.Is(err, errMalformed) {
				o.fault(fmt.Errorf("origin: got %s: %w", show(m.raw), err))
			}
			o.log.add("origin", "connection ended: %v", err)
			return
		}
		x := &exchange{message: m, o: o, conn: c, br: br}
		if err := o.answer(x); err != nil {
			o.log.add("origin", "connection ended: %v", err)
			if errors.Is(err, errEnd) && !x.bodyRead {
				linger(c)
			}
			return
		}
		o.change(func() { o.open[c] = false })
	}
}

// linger ends a connection on which a request's content may still come:
// closing it at once would reset it and take the answer along.
// RFC 9112, 9.6.
func linger(c net.Conn) {
	_ = c.(halfCloser).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

func (o *origin) fault(err error) {
	o.change(func() { o.faults = append(o.faults, err) })
}

// faulted joins the faults till now.
func (o *origin) faulted() (err error) {
	o.peek(func() { err = errors.Join(o.faults...) })
	return err
}

// answer performs one exchange; an error ends the connection.
func (o *origin) answer(x *exchange) error {
	o.log.add("origin", "> %s", show(x.raw))
	r, err := o.take(x)
	if err != nil {
		o.fault(err)
		_, _ = io.WriteString(x.conn, "HTTP/1.1 500 Unscripted\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Length: 11\r\n\r\nunscripted\n")
		return err
	}
	if !r.early {
		// A client that waits for 100 gets it. // RFC 9110, 10.1.1
		if expect, _ := x.fields.get("Expect"); strings.EqualFold(expect, "100-continue") {
			if err := x.write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
				return err
			}
		}
		if err := x.readBody(-1); err != nil {
			return err
		}
	}
	for _, s := range r.steps {
		if err := s(x); err != nil {
			return err
		}
	}
	return x.readBody(-1)
}

// take notes the request and finds its rule.
func (o *origin) take(x *exchange) (*rule, error) {
	words := strings.Split(x.start, " ")
	if len(words) != 3 {
		return nil, fmt.Errorf("origin: request line %q: %w", x.start, errMalformed)
	}
	x.method, x.target = words[0], words[1]
	var err error
	if x.framing, err = x.fields.frame(framing{}); err != nil {
		return nil, fmt.Errorf("origin: %s: %w", show(x.raw), err)
	}
	v := o.words()
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.cond.Broadcast()
	o.asked = append(o.asked, x)
	o.open[x.conn] = true
	for _, r := range o.rules {
		if r.fits(x, v) {
			if !r.any {
				r.left--
			}
			return r, nil
		}
	}
	return nil, fmt.Errorf("origin: no answer is left for %s", show(x.raw))
}

func (r *rule) fits(x *exchange, v values) bool {
	if !r.any && r.left == 0 {
		return false
	}
	if !matches(r.method, x.method) || !matches(r.target, x.target) {
		return false
	}
	for _, w := range r.wants {
		if w.check(x.fields, v) != nil {
			return false
		}
	}
	return true
}

// matches compares s with a pattern that may end in *.
func matches(pattern, s string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(s, prefix)
	}
	return s == pattern
}

// readBody reads n bytes of the request's content, all that is left with
// n < 0.
func (x *exchange) readBody(n int64) error {
	sink := func(piece []byte) (err error) {
		x.o.change(func() { err = grow(&x.body, piece) })
		return err
	}
	if n >= 0 {
		x.framing.length -= n
		return copyN(x.br, n, sink)
	}
	if x.bodyRead {
		return nil
	}
	x.bodyRead = true
	trailers, err := readBody(x.br, x.framing, sink)
	x.o.change(func() { x.trailers, x.cut = trailers, err != nil })
	if len(x.body) > 0 || err != nil {
		x.o.log.add("origin", "> content %s, %v", show(x.body), err)
	}
	return err
}

// write sends b on the exchange's connection.
func (x *exchange) write(b []byte) error {
	x.o.log.add("origin", "< %s", show(b))
	_, err := x.conn.Write(b)
	return err
}

// pass waits at the gate called name.
func (o *origin) pass(name string) error {
	var g *gate
	o.change(func() {
		g = o.gateLocked(name)
		g.waiting++
	})
	o.log.add("origin", "waits for %s", name)
	defer o.change(func() { g.waiting-- })
	select {
	case <-g.open:
		return nil
	case <-o.stopped:
		return errEnd
	}
}

func (o *origin) gateLocked(name string) *gate {
	g := o.gates[name]
	if g == nil {
		g = &gate{open: make(chan struct{})}
		o.gates[name] = g
	}
	return g
}

// signal opens the gate called name for good.
func (o *origin) signal(name string) {
	o.change(func() {
		g := o.gateLocked(name)
		if !g.passed {
			g.passed = true
			close(g.open)
		}
	})
}

// delay waits, in a bubble without waiting.
func (o *origin) delay(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-o.stopped:
		return errEnd
	}
}

// unused names the answers that nobody asked for.
func (o *origin) unused() []error {
	var errs []error
	o.peek(func() {
		for _, r := range o.rules {
			if r.left > 0 {
				errs = append(errs, &fault{line: r.line, text: r.text, err: fmt.Errorf("%d answers of it were not asked for", r.left)})
			}
		}
	})
	return errs
}
