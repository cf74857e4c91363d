package listen

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestCloseInsideCallback: who calls Control from within Write's callback, as
// h1 does to see how slow a reader is, is not stopped by a Close meanwhile.
func TestCloseInsideCallback(t *testing.T) {
	if raceEnabled {
		t.Skip("needs a Conn")
	}
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := nc.(*Conn)
	if err := c.poll(); err != nil {
		t.Fatal(err)
	}
	raw, _ := nc.(syscall.Conn).SyscallConn()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = raw.Write(func(uintptr) bool {
			_ = raw.Control(func(uintptr) { _ = c.Close() }) // any goroutine's
			return true
		})
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Fatal("the write waits for its own end")
	}
	_ = client.SetReadDeadline(time.Now().Add(2 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("client: %v, want the end", err)
	}
}
