package origin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"opencache/internal/wire"
)

// A Protocol is how an Upstream is spoken to.
type Protocol uint8

// The protocols. Auto asks for both by ALPN; a server that chooses HTTP/1.1 is
// asked again after ten minutes. What wants an upgrade goes by HTTP/1.1 there.
const (
	HTTP1 Protocol = iota
	HTTP2          // over TLS
	Auto           // over TLS
	H2C            // HTTP/2 without TLS, as known beforehand (RFC 9113, 3.3)
)

// Two is what an Upstream has for HTTP/2. Each connection carries as many
// exchanges as the server allows, so there are few: another one is made, one
// at a time, when all are full.
type two struct {
	once      sync.Once
	transport *http2.Transport
	config    *tls.Config

	mu      sync.Mutex // guards the fields below
	conns   []*twoConn
	dial    *dialing // nil: none is under way
	waiting int
	freed   chan struct{} // closed when there may be a place; nil: nobody waits
	looking bool          // for one, again and again: somebody waits
	older   time.Time     // until when the server is known to speak HTTP/1.1
	closed  bool
}

// A twoConn is a connection of HTTP/2.
type twoConn struct {
	*http2.ClientConn
	address netip.Addr
}

// A dialing is a connection being made, for all who wait for one.
type dialing struct {
	done chan struct{} // closed when it has ended
	err  *wire.Error   // set before that
}

// olderFor is how long a server that has chosen HTTP/1.1 is not asked for more.
const olderFor = 10 * time.Minute

// streamWindow is how much content of a response comes before it is read.
const streamWindow = 512 << 10

// errOlder says that the server speaks HTTP/1.1: no exchange was begun.
var errOlder = errors.New("the server speaks HTTP/1.1")

// byTwo reports whether r is to go by HTTP/2, as far as is known.
func (u *Upstream) byTwo(r *wire.Request) bool {
	switch u.Protocol {
	case HTTP1:
		return false
	case Auto:
		if u.Scheme != "https" || r.Upgrade {
			return false
		}
		t := &u.two
		t.mu.Lock()
		defer t.mu.Unlock()
		return !u.now().Before(t.older)
	}
	return true
}

// prepare makes what HTTP/2 needs, once.
func (u *Upstream) prepare() {
	t := &u.two
	t.once.Do(func() {
		// With a net/http Transport the window can be set; nothing else is its.
		under := &http.Transport{HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: streamWindow}}
		made, err := http2.ConfigureTransports(under)
		if err != nil {
			made = new(http2.Transport)
		}
		made.ConnPool = &picker{u}
		made.DisableCompression, made.AllowHTTP = true, true
		made.MaxHeaderListSize = uint32(cmp.Or(u.Limits.Head, wire.DefaultLimits.Head))
		made.IdleConnTimeout = u.keepAlive()
		made.ReadIdleTimeout, made.PingTimeout = 30*time.Second, 15*time.Second
		made.WriteByteTimeout = u.bodyTimeout()
		t.transport = made
		t.config = u.secureConfig().Clone()
		t.config.NextProtos = []string{"h2"}
		if u.Protocol == Auto {
			t.config.NextProtos = []string{"h2", "http/1.1"}
		}
	})
}

// A picker gives exchanges their connections: x/net's pool.
type picker struct{ u *Upstream }

var _ http2.ClientConnPool = (*picker)(nil)

// GetClientConn implements http2.ClientConnPool. It is called again for an
// exchange that the server has refused to begin.
func (p *picker) GetClientConn(req *http.Request, _ string) (*http2.ClientConn, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange2)
	if !ok {
		return nil, http2.ErrNoCachedConn
	}
	if x.starts++; x.starts > 2 {
		return nil, p.u.blame(Closed, errors.New("the server refused to begin the exchange, twice"))
	}
	cc, err := p.u.pick(req.Context())
	if err != nil {
		return nil, err
	}
	x.start(cc)
	return cc, nil
}

// MarkDead implements http2.ClientConnPool.
func (p *picker) MarkDead(cc *http2.ClientConn) {
	t := &p.u.two
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = slices.DeleteFunc(t.conns, func(c *twoConn) bool { return c.ClientConn == cc })
}

// pick returns a connection with a place for one exchange.
func (u *Upstream) pick(ctx context.Context) (*http2.ClientConn, error) {
	var timer *time.Timer
	for queued := false; ; {
		cc, d, freed, err := u.place(&queued)
		if cc != nil || err != nil {
			return cc, orNil(err)
		}
		if timer == nil {
			timer = time.NewTimer(cmp.Or(u.QueueTimeout, 10*time.Second))
			defer timer.Stop()
			defer u.two.unqueue(&queued)
		}
		var dialled chan struct{}
		late := timer.C
		if d != nil {
			dialled, late = d.done, nil // it has its own time
		}
		select {
		case <-dialled:
			if d.err != nil {
				return nil, orNil(d.err)
			}
			if u.Protocol == Auto && !u.byTwo(&wire.Request{}) {
				return nil, errOlder
			}
		case <-freed:
		case <-late:
			return nil, u.blame(QueueTimeout, errors.New("no exchange ended in time"))
		case <-ctx.Done():
			return nil, u.canceled(ctx)
		}
	}
}

// orNil keeps a nil *wire.Error from becoming an error.
func orNil(err *wire.Error) error {
	if err == nil {
		return nil
	}
	return err
}

// place returns a connection with a place, or what to wait for: a connection
// being made, or the end of an exchange. Who waits for the latter is counted.
func (u *Upstream) place(queued *bool) (cc *http2.ClientConn, d *dialing, freed chan struct{}, err *wire.Error) {
	t := &u.two
	t.mu.Lock()
	defer t.mu.Unlock()
	u.pruneLocked(false)
	for _, c := range t.conns {
		if c.ReserveNewRequest() {
			return c.ClientConn, nil, nil, nil
		}
	}
	if t.dial == nil && len(t.conns) < cmp.Or(u.MaxConns, 1024) {
		t.dial = &dialing{done: make(chan struct{})}
		go u.dialTwo(t.dial) // bounded by its timeouts
	}
	if t.dial != nil {
		return nil, t.dial, nil, nil
	}
	if !*queued {
		if t.waiting >= cmp.Or(u.MaxQueue, 4096) {
			return nil, nil, nil, u.blame(QueueFull, fmt.Errorf("%d exchanges wait for a place on %d connections", t.waiting, len(t.conns)))
		}
		*queued = true
		t.waiting++
		if !t.looking {
			t.looking = true
			time.AfterFunc(lookEvery, u.lookForPlace)
		}
	}
	if t.freed == nil {
		t.freed = make(chan struct{})
	}
	return nil, nil, t.freed, nil
}

// lookEvery is how long a place may be free before those who wait hear of it.
const lookEvery = 10 * time.Millisecond

// lookForPlace tells those who wait when there is a place. Package http2 may
// have it free only after the exchange has ended: when its stream is, or when
// the server has answered what was sent behind a reset.
func (u *Upstream) lookForPlace() {
	t := &u.two
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.looking = t.waiting > 0; !t.looking {
		return
	}
	u.pruneLocked(t.closed)
	free := func(c *twoConn) bool { return c.CanTakeNewRequest() }
	if t.freed != nil && (len(t.conns) < cmp.Or(u.MaxConns, 1024) || slices.ContainsFunc(t.conns, free)) {
		close(t.freed)
		t.freed = nil
	}
	time.AfterFunc(lookEvery, u.lookForPlace) // ends with the last who waits, and nobody waits for ever
}

func (t *two) unqueue(queued *bool) {
	if *queued {
		t.mu.Lock()
		t.waiting--
		t.mu.Unlock()
	}
}

// pruneLocked lets connections go that take nothing more, or lead to an
// address that the name has no longer; all, when none is to be kept.
func (u *Upstream) pruneLocked(all bool) {
	t := &u.two
	t.conns = slices.DeleteFunc(t.conns, func(c *twoConn) bool {
		state := c.State()
		if !state.Closed && !state.Closing && u.names.has(c.address) && !all {
			return false
		}
		c.SetDoNotReuse()
		if state.StreamsActive+state.StreamsReserved+state.StreamsPending > 0 && !state.Closed {
			return false // it is asked again when an exchange ends
		}
		go func() { _ = c.Close() }() // a TLS alert may have to wait, as long as package tls has it
		return true
	})
}

// leave ends an exchange on some connection.
func (u *Upstream) leave() {
	t := &u.two
	t.mu.Lock()
	defer t.mu.Unlock()
	u.pruneLocked(t.closed)
	if t.freed != nil {
		close(t.freed)
		t.freed = nil
	}
}

// dialTwo makes a connection for whoever waits for one. It is nobody's alone,
// so that it does not end with one client.
func (u *Upstream) dialTwo(d *dialing) {
	c, err := u.dialFor(context.Background(), true)
	var made *twoConn
	older := false
	if err == nil {
		if older = u.Scheme == "https" && !c.speaksTwo(); !older {
			made, err = u.startTwo(c)
		}
	}
	t := &u.two
	t.mu.Lock()
	if made != nil {
		t.conns = append(t.conns, made)
	}
	if older {
		t.older = u.now().Add(olderFor)
	}
	d.err, t.dial = err, nil
	t.mu.Unlock()
	if older {
		u.adopt(c)
	}
	close(d.done)
}

func (u *Upstream) startTwo(c *conn) (*twoConn, *wire.Error) {
	cc, err := u.two.transport.NewClientConn(c.nc)
	if err != nil {
		_ = c.nc.Close()
		return nil, u.blame(Closed, err)
	}
	return &twoConn{cc, c.address}, nil
}

// adopt gives a connection of HTTP/1.1 to the pool.
func (u *Upstream) adopt(c *conn) {
	u.mu.Lock()
	u.open++
	u.mu.Unlock()
	u.put(c)
}

// end lets all connections go.
func (t *two) end(u *Upstream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	u.pruneLocked(t.closed)
}

// sift lets connections go whose address is gone.
func (t *two) sift(u *Upstream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u.pruneLocked(t.closed)
}

// figures adds the connections and what is on them.
func (t *two) figures(u *Upstream, s *Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u.pruneLocked(t.closed)
	for _, c := range t.conns {
		if c.State().StreamsActive == 0 {
			s.Idle++
		} else {
			s.InUse++
		}
	}
	s.Open += len(t.conns)
	s.Waiting += t.waiting
}
