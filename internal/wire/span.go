package wire

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

// Pressure is what an Owner asks of a borrower whose reader is slow.
type Pressure uint8

const (
	Keep  Pressure = iota // the bytes are in nobody's way
	Leave                 // copy out a small rest and release
	Yield                 // give up the reader now: too much is held back
)

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
