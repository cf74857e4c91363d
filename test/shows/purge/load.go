package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"opencache/internal/edge"
	"opencache/internal/wire"
)

// An origin answers /N with "N EDITION" and 160 more bytes, and two tags.
type origin struct {
	objects, tags int
	edition       atomic.Int64 // of what is purged next
	editions      sync.Map     // int to int64: of those that were purged
}

var _ wire.Exchanger = (*origin)(nil)

func tagName(tag int) string { return "tag-" + strconv.Itoa(tag) }

// tagsOf are the tags of response n.
func (o *origin) tagsOf(n int) (first, second int) {
	return n % o.tags, (n/7 + n%13*o.tags/13) % o.tags
}

// purged has n answered in that edition from now on.
func (o *origin) purged(n int, edition int64) { o.editions.Store(n, edition) }

// Exchange implements wire.Exchanger.
func (o *origin) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	n, err := strconv.Atoi(string(r.Path()[1:]))
	if err != nil {
		return nil, err
	}
	edition, _ := o.editions.LoadOrStore(n, int64(0))
	content := fmt.Appendf(nil, "%d %d %s", n, edition, filler)
	first, second := o.tagsOf(n)
	resp := &wire.Response{Status: 200, Minor: 1, Length: int64(len(content)), Body: &body{rest: content}}
	resp.Add(wire.CacheControl, []byte("max-age=86400"))
	resp.Add(wire.SurrogateKey, []byte(tagName(first)+" "+tagName(second)))
	return resp, nil
}

var filler = bytes.Repeat([]byte("opencache "), 16)

// body is content that is all there.
type body struct{ rest []byte }

var _ wire.Body = (*body)(nil)

// Read implements wire.Body.
func (b *body) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Ready says that reading does not have to wait; see wire.Ready.
func (b *body) Ready() bool { return true }

// Trailer implements wire.Body.
func (b *body) Trailer() *wire.Head { return nil }

// Close implements wire.Body.
func (b *body) Close() error { return nil }

// An answer is what a client got.
type answer struct {
	n       int
	edition int64
	hit     bool
}

// A client asks the cache. It is the Sink of its answers.
type client struct {
	edge    *edge.Edge
	head    []byte
	fields  []byte
	content []byte
	r       wire.Request
	p       wire.Reply
	cut     bool
}

var _ wire.Sink = (*client)(nil)

func newClient(e *edge.Edge) *client { return &client{edge: e, fields: make([]byte, 0, 1024)} }

// ask asks for response n.
func (c *client) ask(n int) (a answer, err error) {
	c.head = append(strconv.AppendInt(append(c.head[:0], "GET /"...), int64(n), 10), " HTTP/1.1\r\nHost: cache.test\r\n\r\n"...)
	if _, err := wire.ParseRequest(&c.r, c.head, wire.Limits{}); err != nil {
		return a, err
	}
	c.r.Remote = netip.AddrPortFrom(netip.IPv6Loopback(), 1)
	c.content, c.cut = c.content[:0], false
	c.p = wire.Reply{Fields: c.fields[:0], Sink: c}
	c.edge.Serve(&c.r, &c.p)
	number, rest, _ := bytes.Cut(c.content, []byte{' '})
	edition, _, _ := bytes.Cut(rest, []byte{' '})
	a.hit = bytes.HasPrefix(c.p.Fields, []byte("X-Cache-Status: HIT")) || bytes.Contains(c.p.Fields, []byte("\nX-Cache-Status: HIT"))
	if a.n, err = strconv.Atoi(string(number)); err == nil {
		a.edition, err = strconv.ParseInt(string(edition), 10, 64)
	}
	if err != nil || c.cut || c.p.Status != 200 {
		return a, fmt.Errorf("response %d: got status %d with %q, cut %v", n, c.p.Status, c.content, c.cut)
	}
	return a, nil
}

// Interim implements wire.Sink.
func (c *client) Interim(int, []byte) error { return nil }

// Start implements wire.Sink.
func (c *client) Start() error { return nil }

// Write implements wire.Sink.
func (c *client) Write(p []byte) (int, error) {
	c.content = append(c.content, p...)
	return len(p), nil
}

// Span implements wire.Sink.
func (c *client) Span(s wire.Span) error {
	c.content = append(c.content, s.Mem[:s.N]...)
	s.Release()
	return nil
}

// Flush implements wire.Sink.
func (c *client) Flush() error { return nil }

// End implements wire.Sink.
func (c *client) End(*wire.Head) error { return nil }

// Abort implements wire.Sink.
func (c *client) Abort() { c.cut = true }

// Hijack implements wire.Sink.
func (c *client) Hijack() (io.ReadWriteCloser, error) { return nil, errors.New("no upgrades") }

// A load is clients that ask without a pause, each on a thread of its own.
type load struct {
	lenient atomic.Bool // a purge is under way: what it hits may be used or not
	quit    chan struct{}
	once    sync.Once
	group   sync.WaitGroup
	meters  []meter
}

// A meter counts one client's requests and what its thread took.
type meter struct {
	requests, nanos atomic.Int64
	_               [48]byte
}

// A cost is what requests took.
type cost struct{ requests, nanos int64 }

// each is the nanoseconds of one.
func (c cost) each() float64 { return float64(c.nanos) / float64(max(c.requests, 1)) }

func (c cost) String() string { return fmt.Sprintf("%.0f ns (of %d)", c.each(), c.requests) }

// load starts it.
func (s *show) load(clients int) *load {
	l := &load{quit: make(chan struct{}), meters: make([]meter, clients)}
	for i := range clients {
		l.group.Go(func() { s.askOn(l, &l.meters[i]) })
	}
	return l
}

func (l *load) stop() {
	l.once.Do(func() { close(l.quit) })
	l.group.Wait()
}

// askOn asks for responses at random until the load ends.
func (s *show) askOn(l *load, m *meter) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, begun := newClient(s.edge), threadTime()
	for i := 0; ; i++ {
		if i%256 == 0 {
			m.nanos.Store(threadTime() - begun)
			select {
			case <-l.quit:
				return
			default:
			}
		}
		n := rand.IntN(s.o.objects)
		oldest := s.gone[n].Load()
		if l.lenient.Load() {
			oldest = 0
		}
		a, err := c.ask(n)
		if err == nil {
			err = s.judge(n, oldest, &a)
		}
		if err != nil {
			s.fail.CompareAndSwap(nil, &err)
			return
		}
		m.requests.Add(1)
	}
}

// threadTime is the processor time of this thread.
func threadTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return t.Nano()
}

// measure returns what requests took while do ran.
func (l *load) measure(do func()) (c cost) {
	from := l.read()
	do()
	to := l.read()
	return cost{to.requests - from.requests, to.nanos - from.nanos}
}

func (l *load) read() (c cost) {
	for i := range l.meters {
		c.requests += l.meters[i].requests.Load()
		c.nanos += l.meters[i].nanos.Load()
	}
	return c
}
