package listen

import (
	"context"
	"errors"
	"net"
	"testing"
)

// A connection that outlives the function that serves it counts until it
// ends.
func TestServerOutlive(t *testing.T) {
	l := batch(t, Options{})
	ends := make(chan func(), 1)
	returned := make(chan struct{})
	s := &Server{Protocols: map[string]func(net.Conn){"http/1.1": func(c net.Conn) {
		ends <- c.(interface{ Outlive() (ended func()) }).Outlive()
		close(returned)
	}}}
	result := make(chan error, 1)
	go func() { result <- s.Serve(l) }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	end := <-ends
	<-returned
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) || s.Stats().Open != 1 {
		t.Errorf("got %v with %d open, want 1 open", err, s.Stats().Open)
	}
	end()
	if err := s.Shutdown(t.Context()); err != nil || s.Stats().Open != 0 {
		t.Errorf("got %v with %d open, want none", err, s.Stats().Open)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}
