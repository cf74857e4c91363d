package listen

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
)

// A fakeConn has an address.
type fakeConn struct {
	net.Conn
	from netip.AddrPort
}

func (c fakeConn) RemoteAddrPort() netip.AddrPort { return c.from }

func TestAddressOf(t *testing.T) {
	of := func(s string) address { return addressOf(fakeConn{from: netip.MustParseAddrPort(s)}) }
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{"192.0.2.1:1", "[::ffff:192.0.2.2]:1", false},
		{"[2001:db8::1]:1", "[2001:db8::2:3:4:5]:2", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[fe80::1%2]:1", "[fe80::2%2]:1", true},
		{"0.0.0.0:1", "[::1]:1", false},
	} {
		if got := of(c.a) == of(c.b); got != c.same {
			t.Errorf("%s and %s: got the same %v, want %v", c.a, c.b, got, c.same)
		}
	}
	a, b := net.Pipe()
	if got := addressOf(a); got != (address{}) {
		t.Errorf("without an address: got %x", got)
	}
	_, _ = a.Close(), b.Close()
}

func TestServerMaxPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		l, s := newMemListener(), &Server{MaxPerAddress: 2}
		s.Limited = func(limit string, client netip.AddrPort) { told = append(told, limit+" "+client.String()) }
		result := serve(t, s, l)
		dial := func(from string) net.Conn {
			client, server := net.Pipe()
			l.next <- fakeConn{server, netip.MustParseAddrPort(from)}
			synctest.Wait()
			return client
		}
		a := []net.Conn{dial("127.0.0.1:1"), dial("127.0.0.1:2"), dial("127.0.0.1:3")}
		b := dial("127.0.0.2:1")
		if closed(a[0]) || closed(a[1]) || !closed(a[2]) || closed(b) {
			t.Error("want the third connection of an address closed, and no other")
		}
		if got, want := s.Stats(), (Stats{Open: 3, Accepted: 3, Refused: 1, PerAddress: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if len(told) != 1 || told[0] != "connections_per_address 127.0.0.1:3" {
			t.Errorf("told %q", told)
		}
		_ = a[0].Close()
		synctest.Wait()
		again := dial("127.0.0.1:4")
		if closed(again) {
			t.Error("a connection was refused though there was room again")
		}
		for _, c := range []net.Conn{a[1], b, again} {
			_ = c.Close()
		}
		synctest.Wait()
		if n := len(s.peers.open); n != 0 {
			t.Errorf("%d addresses are remembered without a connection", n)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}

// Workers are used again, and no more wait than there may.
func TestServerWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newMemListener(), &Server{}
		result := serve(t, s, l)
		var clients []net.Conn
		for range idleWorkers + 10 {
			clients = append(clients, l.dial())
			synctest.Wait()
		}
		for _, c := range clients {
			_ = c.Close()
		}
		synctest.Wait()
		if got := len(s.idle); got != idleWorkers {
			t.Errorf("got %d idle workers, want %d", got, idleWorkers)
		}
		c := l.dial()
		synctest.Wait()
		if got := len(s.idle); got != idleWorkers-1 {
			t.Errorf("got %d idle workers beside a connection, want %d", got, idleWorkers-1)
		}
		_ = c.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}
