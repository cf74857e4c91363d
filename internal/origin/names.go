package origin

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Names are the addresses that the name in Addr stands for. They are looked up
// at the first dial and again from time to time while there are connections;
// when that fails, those that were had last still count. Connections to
// addresses that a name has no longer are not used again.
type names struct {
	known atomic.Pointer[[]netip.Addr] // not changed; nil: none yet
	turn  atomic.Uint32                // whose turn it is

	mu     sync.Mutex  // guards the fields below
	at     time.Time   // when they were looked up, or that was tried
	timer  *time.Timer // nil: never set
	armed  bool
	closed bool
	stop   context.CancelFunc // ends the timer's lookup; nil: there is none
}

// maxAddresses is how many addresses of a name are used.
const maxAddresses = 16

// stagger is how long an address is tried alone before the next one is tried
// beside it (RFC 8305, 5).
const stagger = 250 * time.Millisecond

// connect makes a connection to Addr; address is which one of its name's that
// is, if it was looked up here.
func (u *Upstream) connect(ctx context.Context) (nc net.Conn, address netip.Addr, err error) {
	dial := u.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	host, port, err := net.SplitHostPort(u.Addr)
	_, literal := netip.ParseAddr(host)
	if err != nil || literal == nil || u.Resolve < 0 || u.Dial != nil && u.Lookup == nil {
		nc, err = dial(ctx, "tcp", u.Addr)
		return nc, address, err
	}
	list, err := u.addresses(ctx, host)
	if err != nil {
		return nil, address, err
	}
	r := race{dial: dial, port: port, list: list, came: make(chan arrival, len(list))}
	return r.run(ctx)
}

// addresses returns those of host in the order in which they are to be tried.
func (u *Upstream) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	n := &u.names
	n.mu.Lock()
	known := n.known.Load()
	old := known == nil || u.now().Sub(n.at) >= 2*u.resolve() // nobody had a use for them meanwhile
	n.mu.Unlock()
	if old {
		if err := u.look(ctx, host); err != nil && known == nil {
			return nil, err
		}
	}
	u.watchNames(host)
	return inOrder(*n.known.Load(), int(n.turn.Add(1)-1)), nil
}

func (u *Upstream) resolve() time.Duration { return cmp.Or(u.Resolve, 30*time.Second) }

// look looks host up. After an error what was known still is.
func (u *Upstream) look(ctx context.Context, host string) error {
	lookup := u.Lookup
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	list, err := lookup(ctx, host)
	if err == nil && len(list) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	n := &u.names
	n.mu.Lock()
	n.at = u.now()
	n.mu.Unlock()
	if err != nil {
		u.counts.unresolved.Add(1)
		return err
	}
	list = slices.Clone(list[:min(len(list), maxAddresses)])
	for i := range list {
		list[i] = list[i].Unmap()
	}
	n.known.Store(&list)
	u.sift()
	return nil
}

// inOrder returns a name's addresses as they are to be tried: those of the
// family that the resolver puts first by turns, between them those of the other.
func inOrder(list []netip.Addr, turn int) []netip.Addr {
	var own, other []netip.Addr
	for _, a := range list {
		if a.Is4() == list[0].Is4() {
			own = append(own, a)
		} else {
			other = append(other, a)
		}
	}
	all := make([]netip.Addr, 0, len(list))
	for i := range max(len(own), len(other)) {
		if i < len(own) {
			all = append(all, own[(i+turn)%len(own)])
		}
		if i < len(other) {
			all = append(all, other[(i+turn)%len(other)])
		}
	}
	return all
}

// watchNames has host looked up from time to time.
func (u *Upstream) watchNames(host string) {
	n := &u.names
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.armed {
		return
	}
	n.armed = true
	wait := u.resolve()
	wait += time.Duration((rand.Float64() - 0.5) / 5 * float64(wait)) // a tenth more or less: not all nodes at once
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, func() { u.lookAgain(host) })
		return
	}
	n.timer.Reset(wait)
}

// lookAgain is the timer's.
func (u *Upstream) lookAgain(host string) {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(u.DialTimeout, 5*time.Second))
	defer cancel()
	n := &u.names
	n.mu.Lock()
	n.armed, n.stop = false, cancel
	closed := n.closed
	n.mu.Unlock()
	if closed || !u.connected() {
		return
	}
	_ = u.look(ctx, host) // what was known still is
	u.watchNames(host)
}

// end ends looking up.
func (n *names) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	if n.timer != nil {
		n.timer.Stop()
	}
	if n.stop != nil {
		n.stop()
	}
}

// has reports whether a connection to a may be used: nobody knows that it is
// not the name's any more.
func (n *names) has(a netip.Addr) bool {
	known := n.known.Load()
	return !a.IsValid() || known == nil || slices.Contains(*known, a)
}

// connected reports whether there are connections.
func (u *Upstream) connected() bool {
	s := u.Stats()
	return s.Open > 0
}

// sift closes the kept connections to addresses that the name has no longer.
func (u *Upstream) sift() {
	var gone []*conn
	u.mu.Lock()
	u.idle = slices.DeleteFunc(u.idle, func(c *conn) bool {
		if u.names.has(c.address) {
			return false
		}
		gone = append(gone, c)
		return true
	})
	u.mu.Unlock()
	for _, c := range gone {
		_ = c.nc.Close()
		u.free()
	}
	u.two.sift(u)
}

// A race dials addresses: each a moment after the one before, or when that has
// failed. The first connection is taken, the others are closed.
type race struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	port string
	list []netip.Addr
	came chan arrival
}

type arrival struct {
	nc      net.Conn
	address netip.Addr
	err     error
}

// run returns the first connection, or the first error when there is none.
func (r *race) run(ctx context.Context) (net.Conn, netip.Addr, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var first error
	for begun, ended := 0, 0; ended < len(r.list); {
		select {
		case <-timer.C:
			if begun < len(r.list) {
				go r.one(ctx, r.list[begun]) // ends with ctx
				begun++
				timer.Reset(stagger)
			}
		case a := <-r.came:
			if ended++; a.err == nil {
				go r.rest(begun - ended) // ends when those do whose ctx has ended
				return a.nc, a.address, nil
			}
			first = cmp.Or(first, a.err)
			if begun == ended {
				timer.Reset(0)
			}
		}
	}
	return nil, netip.Addr{}, first
}

func (r *race) one(ctx context.Context, a netip.Addr) {
	nc, err := r.dial(ctx, "tcp", net.JoinHostPort(a.String(), r.port))
	r.came <- arrival{nc, a, err}
}

// rest closes what n more dials bring.
func (r *race) rest(n int) {
	for range n {
		if a := <-r.came; a.err == nil {
			_ = a.nc.Close()
		}
	}
}
