package h1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// TestTimeouts: when a client that stops is given up, and what it is told.
func TestTimeouts(t *testing.T) {
	const get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tt := range []struct {
		name        string
		send        string // at once
		first, then string // what the answer begins with, and then
		least, most time.Duration
		count       Timeouts
	}{
		{"nothing ever", "", "", "", 7 * time.Second, 10 * time.Second, Timeouts{Head: 1}},
		{"idle after a request: silent", get, ok("a"), "", 50 * time.Second, 75 * time.Second, Timeouts{Idle: 1}},
		{"half a head", "GET /a", "HTTP/1.1 408 ", "", 10 * time.Second, 12 * time.Second, Timeouts{Head: 1}},
		{"half a second head", get + "GET", ok("a") + "HTTP/1.1 408 ", "", 10 * time.Second, 12 * time.Second, Timeouts{Head: 1}},
		{"half the content", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 499 ", "", 40 * time.Second, 62 * time.Second, Timeouts{Body: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Handler: handlerFunc(play), Now: clock}
				p := dial(t, s)
				p.send(tt.send)
				start := time.Now()
				got, err := io.ReadAll(p)
				if err != nil || !strings.HasPrefix(string(got), tt.first) {
					t.Errorf("%q: got %q (%v), want %q…", tt.send, got, err, tt.first)
				}
				if d := time.Since(start); d < tt.least || d > tt.most {
					t.Errorf("%q: took %s, want %s to %s", tt.send, d, tt.least, tt.most)
				}
				p.finish()
				if got := s.Stats().Timeouts; got != tt.count {
					t.Errorf("%q: got %+v, want %+v", tt.send, got, tt.count)
				}
			})
		})
	}
}

// TestSlowHead: bytes that come one by one do not prolong the time for a head.
func TestSlowHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Handler: handlerFunc(play), Now: clock})
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, b := range []byte("GET /" + strings.Repeat("a", 50)) {
				if _, err := p.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		got, _ := io.ReadAll(p)
		if d := time.Since(start); !bytes.HasPrefix(got, []byte("HTTP/1.1 408 ")) || d > 13*time.Second {
			t.Errorf("got %.40q after %s, want 408 after 10 to 12 s", got, d)
		}
		p.finish()
		wg.Wait()
	})
}

// TestNoTimeouts: negative ones are none.
func TestNoTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: handlerFunc(play), Now: clock, HeadTimeout: -1, IdleTimeout: -1, BodyTimeout: -1, WriteTimeout: -1, MinRate: -1}
		p := dialSize(t, s, 16)
		for _, part := range []string{"", "POST /echo HTTP/1.1\r\nHost: h\r\n", "Content-Length: 2\r\n\r\n", "a", "b"} {
			time.Sleep(24 * time.Hour)
			go p.send(part)
			synctest.Wait()
		}
		time.Sleep(24 * time.Hour)
		p.expect(ok("ab"))
		p.finish()
	})
}

// TestLazyDeadlines: a busy connection sets no deadline per request.
func TestLazyDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Handler: handlerFunc(play), Now: clock})
		for range 100 {
			p.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
			p.expect(ok("a"))
			time.Sleep(10 * time.Millisecond)
		}
		if got := p.out.rd.sets; got > 2 {
			t.Errorf("%d read deadlines for 100 requests within a second, want at most 2", got)
		}
		if got := p.in.wr.sets; got > 2 {
			t.Errorf("%d write deadlines, want at most 2", got)
		}
		p.finish()
	})
}

// TestSlowSender: content slower than MinRate ends in 408 though it never stops.
func TestSlowSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := make(chan error, 1)
		s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			_, err := io.Copy(io.Discard, r.Body)
			errs <- err
			answer(p, 408, "")
		})}
		p := dial(t, s)
		p.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := p.Write(make([]byte, 100)); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		start := time.Now()
		var e *wire.Error
		if err := <-errs; !errors.As(err, &e) || e.Status != 408 || e.Side != wire.Client {
			t.Errorf("got %v, want a 408 of the client's", err)
		}
		if d := time.Since(start); d < grace || d > grace+2*time.Second {
			t.Errorf("took %s, want just above %s", d, grace)
		}
		p.finish()
		wg.Wait()
	})
}

// A lender is an Owner that remembers what was asked of it.
type lender struct {
	pressure wire.Pressure
	fd       int
	released chan time.Time // gets the time of each Release
}

func newLender(p wire.Pressure, fd int) *lender {
	return &lender{pressure: p, fd: fd, released: make(chan time.Time, 9)}
}

func (l *lender) Release()                { l.released <- time.Now() }
func (l *lender) Expose() int             { return l.fd }
func (l *lender) Pressure() wire.Pressure { return l.pressure }

// TestSlowReader: what becomes of a reader that takes rate bytes a second, and
// when what it holds is released.
func TestSlowReader(t *testing.T) {
	const stopped = -1
	for _, tt := range []struct {
		name     string
		size     int
		pressure wire.Pressure
		rate     int // bytes a second, stopped: none
		minRate  int
		release  time.Duration // at the latest
		whole    bool
		slow     uint64
		write    uint64
	}{
		{"a small one is copied at once", 16 << 10, wire.Yield, stopped, -1, 0, false, 0, 1},
		{"a rest is copied out after the first slice", 40 << 10, wire.Yield, 4000, 0, firstSlice, true, 0, 0},
		{"a large one stays while in nobody's way", 200 << 10, wire.Keep, 20000, 0, 10 * time.Second, true, 0, 0},
		{"and goes when it is in the way", 200 << 10, wire.Yield, 20000, 0, firstSlice, false, 1, 0},
		{"no progress at all, with a minimum rate", 200 << 10, wire.Keep, stopped, 0, 20 * time.Second, false, 1, 0},
		{"no progress at all", 200 << 10, wire.Keep, stopped, -1, 62 * time.Second, false, 0, 1},
		{"below the minimum rate", 400 << 10, wire.Keep, 2000, 5000, 14 * time.Second, false, 1, 0},
		{"below it with a copied rest", 60 << 10, wire.Keep, 2000, 5000, firstSlice, false, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLender(tt.pressure, -1)
				errs := make(chan error, 1)
				s := &Server{Now: clock, MinRate: tt.minRate, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
					p.Status, p.Length = 200, int64(tt.size)
					_ = p.Start()
					err := p.Span(wire.Span{Mem: make([]byte, tt.size), N: tt.size, Owner: l})
					if err == nil {
						err = p.Flush()
					}
					errs <- err
					_ = p.End(nil)
				})}
				p := dialSize(t, s, 4096)
				start := time.Now()
				p.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
				got := make(chan int, 1)
				end := make(chan struct{})
				go func() { got <- drip(p, tt.rate, end) }()
				err := <-errs
				if (err == nil) != tt.whole {
					t.Errorf("got %v, want to be whole: %v", err, tt.whole)
				}
				if d := (<-l.released).Sub(start); d > tt.release {
					t.Errorf("released after %s, want %s at most", d, tt.release)
				}
				close(end)
				if n := <-got; (n > tt.size) != tt.whole {
					t.Errorf("the client got %d bytes of %d and a head", n, tt.size)
				}
				p.finish()
				if st := s.Stats(); st.Slow != tt.slow || st.Timeouts.Write != tt.write {
					t.Errorf("got %+v, want %d slow and %d timeouts", st, tt.slow, tt.write)
				}
				if len(l.released) != 0 {
					t.Error("released twice")
				}
			})
		})
	}
}

// drip reads rate bytes a second until the end, or nothing until end when
// rate is negative. It returns how many bytes came.
func drip(p *peer, rate int, end <-chan struct{}) (n int) {
	if rate < 0 {
		<-end
		return 0
	}
	b := make([]byte, rate/10)
	for {
		k, err := io.ReadFull(p, b)
		n += k
		if err != nil {
			return n
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestReaderTurnsSlow: what a reader took quickly at first does not excuse it.
func TestReaderTurnsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, quick = 1 << 20, 1 << 19
		l := newLender(wire.Keep, -1)
		s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			p.Status, p.Length = 200, size
			_ = p.Start()
			_ = p.Span(wire.Span{Mem: make([]byte, size), N: size, Owner: l})
			_ = p.End(nil)
		})}
		p := dialSize(t, s, 4096)
		start := time.Now()
		p.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if _, err := io.ReadFull(p, make([]byte, quick)); err != nil {
			t.Fatal(err)
		}
		end, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			drip(p, 100, end)
		}()
		if d := (<-l.released).Sub(start); d > 3*time.Minute {
			t.Errorf("released after %s, want 2 write timeouts and a slice at most", d)
		}
		close(end)
		p.finish()
		<-ended
		if got := s.Stats().Slow; got != 1 {
			t.Errorf("%d slow readers, want 1", got)
		}
	})
}
