package edge

import (
	"errors"
	"io"

	"opencache/internal/wire"
)

// heard is the connection of a visit that nobody waits for: the Reply has what
// is to be known of the answer, and its content is nobody's.
type heard struct{}

var _ wire.Sink = heard{}

var errHeard = errors.New("the head was all")

// Interim implements wire.Sink.
func (heard) Interim(int, []byte) error { return nil }

// Start implements wire.Sink.
func (heard) Start() error { return nil }

// Write implements wire.Sink.
func (heard) Write([]byte) (int, error) { return 0, errHeard }

// Span implements wire.Sink.
func (heard) Span(s wire.Span) error {
	s.Release()
	return errHeard
}

// Flush implements wire.Sink.
func (heard) Flush() error { return nil }

// End implements wire.Sink.
func (heard) End(*wire.Head) error { return nil }

// Abort implements wire.Sink.
func (heard) Abort() {}

// Hijack implements wire.Sink.
func (heard) Hijack() (io.ReadWriteCloser, error) { return nil, errHeard }
