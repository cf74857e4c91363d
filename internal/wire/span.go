package wire

import (
	"errors"
	"fmt"
	"io"
)

// A Span is a run of content bytes that somebody owns: memory, or a part of a
// file that can be sent without being copied. Whoever holds a Span releases it
// once. The zero Span is empty and needs no release.
type Span struct {
	Mem   []byte // the bytes, nil when they are only in Owner's file
	Off   int64  // where they begin in Owner's file
	N     int    // how many
	Owner Owner  // nil: plain memory, nothing to release
}

// An Owner lends the bytes of Spans.
type Owner interface {
	// Release ends the loan.
	Release()
	// Expose returns the descriptor of a file in which the Span's bytes lie
	// at Off, or -1 when there is none. After it the owner knows that bytes
	// may sit in a socket by reference even after Release.
	Expose() int
	// Pressure says what the owner asks of a borrower that is slow.
	Pressure() Pressure
}

// A Device is an Owner whose file lies on something that can make a call wait,
// fail, or hang for good: a disk. Its Spans have no Mem. A call on the
// descriptor of an Owner that is no Device does not wait.
type Device interface {
	Owner
	// ReadAt is io.ReaderAt on the file. It returns within a time of the
	// Owner's choice, with an error when the device did not answer by then, and
	// leaves p alone afterwards.
	io.ReaderAt
	// Enter asks for leave to have the kernel send the n bytes at off from the
	// descriptor (sendfile), a call that nothing can end while the device
	// hangs. It returns how many of them can be sent now because they are in
	// memory, as far as the Owner can know; 0: none, or too many such calls
	// are under way. Then they are to be read. It does not wait.
	Enter(off int64, n int) int
	// Leave ends a call for which Enter returned more than 0.
	Leave()
}

// Pressure is what an Owner asks of a borrower whose reader is slow.
type Pressure uint8

const (
	Keep  Pressure = iota // the bytes are in nobody's way
	Leave                 // copy out a small rest and release
	Yield                 // give up the reader now: too much is held back
)

// ErrLost is in the error of Span.Copy, and of a Sink's Span, when the Owner
// did not give the bytes: its file is shorter, damaged, or does not answer.
var ErrLost = errors.New("stored content lost")

// Release ends the loan of the bytes.
func (s Span) Release() {
	if s.Owner != nil {
		s.Owner.Release()
	}
}

// Slice returns the n bytes of s from off on. It is the same loan: release
// one of the two.
func (s Span) Slice(off, n int) Span {
	t := Span{Off: s.Off + int64(off), N: n, Owner: s.Owner}
	if s.Mem != nil {
		t.Mem = s.Mem[off : off+n]
	}
	return t
}

// Copy fills p, which is at most N long, with the first bytes of s. Its error
// is an ErrLost, and what p holds then means nothing.
func (s Span) Copy(p []byte) error {
	if s.Mem != nil || len(p) == 0 {
		copy(p, s.Mem)
		return nil
	}
	err := s.read(p)
	if err == nil || errors.Is(err, ErrLost) { // an Owner may say so itself
		return err
	}
	return fmt.Errorf("%w: %d bytes at %d: %w", ErrLost, len(p), s.Off, err)
}

// read fills p from where the bytes are when they are not in memory.
func (s Span) read(p []byte) error {
	d, ok := s.Owner.(Device)
	if !ok {
		return s.pread(p)
	}
	switch n, err := d.ReadAt(p, s.Off); {
	case n == len(p):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF // the file is shorter than the span
	default:
		return err
	}
}

var errNowhere = errors.New("neither in memory nor in a file")
