package main

import (
	"errors"
	"io"
	"net/http"
	"net/netip"

	"opencache/internal/wire"
)

// A bridge answers net/http's requests by a wire.Handler, for the paths that
// the administration interface and the public listener have in common. It
// carries small answers without request content, and no upgrades.
type bridge struct{ next wire.Handler }

// ServeHTTP implements http.Handler. The request must have been let through:
// one without an address counts as from this machine.
func (b bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req wire.Request
	req.Minor = 1
	req.SetMethodText([]byte(r.Method))
	req.SetAuthority([]byte(r.Host))
	req.SetTarget([]byte(r.RequestURI)) // as it was sent: r.URL would spell it anew
	for name, values := range r.Header {
		for _, value := range values {
			req.AddNamed(name, []byte(value))
		}
	}
	var err error
	if req.Remote, err = netip.ParseAddrPort(r.RemoteAddr); err != nil {
		req.Remote = netip.AddrPortFrom(netip.IPv6Loopback(), 0)
	}
	var p wire.Reply
	p.Sink = &bridgeSink{w: w, p: &p}
	b.next.Serve(&req, &p)
}

// A bridgeSink is an http.ResponseWriter as a wire.Sink.
type bridgeSink struct {
	w http.ResponseWriter
	p *wire.Reply
}

var _ wire.Sink = (*bridgeSink)(nil)

// Interim implements wire.Sink; nobody waits for one here.
func (s *bridgeSink) Interim(int, []byte) error { return nil }

// Start implements wire.Sink.
func (s *bridgeSink) Start() error {
	for _, line := range wire.Lines(s.p.Fields) {
		s.w.Header().Add(string(line.Name), string(line.Value))
	}
	s.w.WriteHeader(s.p.Status)
	return nil
}

// Write implements wire.Sink.
func (s *bridgeSink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.p.Sent += int64(n)
	return n, err
}

// Span implements wire.Sink.
func (s *bridgeSink) Span(span wire.Span) error {
	defer span.Release()
	b := make([]byte, span.N)
	if err := span.Copy(b); err != nil {
		return err
	}
	_, err := s.Write(b)
	return err
}

// Flush implements wire.Sink; net/http sends at the end.
func (s *bridgeSink) Flush() error { return nil }

// End implements wire.Sink.
func (s *bridgeSink) End(*wire.Head) error { return nil }

// Abort implements wire.Sink.
func (s *bridgeSink) Abort() { panic(http.ErrAbortHandler) }

// Hijack implements wire.Sink.
func (s *bridgeSink) Hijack() (io.ReadWriteCloser, error) {
	return nil, errors.New("bridge: no upgrades here")
}
