package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A rig is an engine over heap slabs with a scripted upstream.
type rig struct {
	t      testing.TB
	e      *Engine
	store  *store.Zone
	pol    Policy
	origin *scripted
}

func newRig(t testing.TB, answer func(n int, r *wire.Request) (*wire.Response, error)) *rig {
	t.Helper()
	return newRigOf(t, 32<<20, answer)
}

func newRigOf(t testing.TB, size int64, answer func(n int, r *wire.Request) (*wire.Response, error)) *rig {
	t.Helper()
	s, err := store.Open(store.ZoneOptions{Memory: size, Heap: true, Poison: true})
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, store: s, origin: &scripted{answer: answer}}
	g.e = New(Options{Store: s})
	g.pol = Policy{
		Upstream: g.origin,
		Rules:    rfc9111.Policy{Heuristic: 10, StaleIfError: 86400},
	}
	return g
}

// close ends the rig and fails the test for whatever is left.
func (g *rig) close() {
	g.t.Helper()
	g.e.Close()
	if n := g.e.StagingInUse(); n != 0 {
		g.t.Errorf("staging in use after Close: %d bytes", n)
	}
	if err := g.store.Close(); err != nil {
		g.t.Errorf("store: %v", err)
	}
}

// get asks for target and returns what the client saw.
func (g *rig) get(target string, fields ...string) *sink { return g.ask("GET", target, fields...) }

func (g *rig) ask(method, target string, fields ...string) *sink {
	return g.run(newSink(), method, target, fields...)
}

func (g *rig) run(s *sink, method, target string, fields ...string) *sink {
	g.t.Helper()
	head := method + " " + target + " HTTP/1.1\r\nHost: cache.test\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
	var r wire.Request
	if n, err := wire.ParseRequest(&r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
		g.t.Errorf("request %q: %d, %v", head, n, err)
		return s
	}
	s.head = method == "HEAD"
	s.reply.Sink = s
	s.out = g.e.Serve(&r, &s.reply, []byte("http://origin.test"+target), &g.pol)
	return s
}

// scripted is an Exchanger that answers as a test says.
type scripted struct {
	answer func(n int, r *wire.Request) (*wire.Response, error)
	n      atomic.Int64
}

func (o *scripted) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	n := int(o.n.Add(1))
	resp, err := o.answer(n, r)
	if resp != nil {
		if b, ok := resp.Body.(*body); ok {
			b.ctx = ctx
		}
	}
	return resp, err
}

// respond makes a response from its head and its content.
func respond(head, content string) *wire.Response {
	return streamed(head+fmt.Sprintf("\r\nContent-Length: %d", len(content)), strings.NewReader(content))
}

// streamed makes a response whose content comes from r.
func streamed(head string, r io.Reader) *wire.Response {
	head = "HTTP/1.1 " + head + "\r\n\r\n"
	var resp wire.Response
	n, err := wire.ParseResponse(&resp, []byte(head), wire.GET, wire.Limits{})
	if err != nil || n != len(head) {
		panic(fmt.Sprintf("response %q: %d, %v", head, n, err))
	}
	if resp.Status != 304 && resp.Status != 204 {
		resp.Body = &body{r: r, left: resp.Length}
	}
	return &resp
}

// body is content with the promises of a wire.Body.
type body struct {
	r      io.Reader
	ctx    context.Context
	left   int64
	closed atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.r.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	if b.ctx != nil && b.ctx.Err() != nil {
		return n, b.ctx.Err()
	}
	if err == io.EOF && b.left > 0 {
		err = &wire.Error{Side: wire.Upstream, Status: 502, Err: io.ErrUnexpectedEOF}
	}
	return n, err
}
func (b *body) Trailer() *wire.Head { return nil }
func (b *body) Close() error        { b.closed.Store(true); return nil }

// sink is a client: it keeps what it is sent.
type sink struct {
	reply   wire.Reply
	out     Outcome
	head    bool
	mu      sync.Mutex // guards body, for tests that look while it grows
	body    bytes.Buffer
	fields  string
	interim []int
	trailer string
	started bool
	ended   bool
	aborted bool
	gate    func(n int) error // called before each write; nil: never blocks
}

func newSink() *sink { return &sink{} }

var errGone = errors.New("client is gone")

func (s *sink) Interim(status int, _ []byte) error {
	s.interim = append(s.interim, status)
	return nil
}
func (s *sink) Start() error {
	s.started, s.fields = true, string(s.reply.Fields)
	return nil
}
func (s *sink) Write(p []byte) (int, error) {
	if s.gate != nil {
		if err := s.gate(len(p)); err != nil {
			s.reply.Err = err
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply.Sent += int64(len(p))
	return s.body.Write(p)
}
func (s *sink) Span(sp wire.Span) error {
	defer sp.Release()
	b := make([]byte, sp.N)
	err := sp.Copy(b)
	if err == nil {
		_, err = s.Write(b)
	}
	return err
}
func (s *sink) Flush() error { return nil }
func (s *sink) End(trailer *wire.Head) error {
	s.ended = true
	if trailer != nil {
		s.trailer = string(trailer.AppendFields(nil, wire.NameSet{}))
	}
	if !s.head && s.reply.Length >= 0 && s.reply.Status != 304 && int64(s.body.Len()) != s.reply.Length {
		s.reply.Err = fmt.Errorf("content of %d bytes announced as %d", s.body.Len(), s.reply.Length)
		s.aborted = true
	}
	return s.reply.Err
}
func (s *sink) Abort()                              { s.aborted = true; s.reply.Err = errGone }
func (s *sink) Hijack() (io.ReadWriteCloser, error) { return nil, errors.New("no tunnel here") }

// field returns the value of a field of the answer's head.
func (s *sink) field(name string) string {
	for _, line := range strings.Split(s.fields, "\r\n") {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

func (s *sink) want(t testing.TB, status int, cache, content string) {
	t.Helper()
	got := s.body.String()
	if s.reply.Status != status || s.field("X-Cache-Status") != cache || got != content || !s.ended || s.aborted {
		t.Errorf("got %d %s, %d bytes %.60q, ended %t, aborted %t (%+v); want %d %s %.60q",
			s.reply.Status, s.field("X-Cache-Status"), len(got), got, s.ended, s.aborted, s.out, status, cache, content)
	}
}

func play(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func pattern(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i*7)
	}
	return string(b)
}

func after(d time.Duration) { time.Sleep(d) } // in a bubble: no time at all
