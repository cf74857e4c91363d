package wire

// A Pipe is a pipe of the kernel: content goes through it from one socket to
// another without being copied. It is the Owner of its Spans: one with Mem nil
// and Off 0 is the next N bytes in it, to be given to a Sink that Splices says
// yes of. It belongs to one goroutine at a time, which closes it.
type Pipe struct {
	R, W int // descriptors to read from and to write to; they do not block
	Size int // what it holds at least, in bytes
}

var _ Owner = (*Pipe)(nil)

// Release does nothing: bytes in a Pipe are gone when they were sent.
func (p *Pipe) Release() {}

// Expose returns R.
func (p *Pipe) Expose() int { return p.R }

// Pressure returns Keep.
func (p *Pipe) Pressure() Pressure { return Keep }

// SpliceTo moves content of b into p, which is empty. It waits for content as
// a Read does, and its errors are Read's. 0 without an error says that what
// comes next can not be moved: a Read is to take it. A Body has it by a method
// SpliceTo.
func SpliceTo(b Body, p *Pipe) (n int, err error) {
	if s, ok := b.(interface{ SpliceTo(*Pipe) (int, error) }); ok {
		return s.SpliceTo(p)
	}
	return 0, nil
}

// Splices reports whether s takes Spans of a Pipe, from Start on. A Sink says
// so by a method Splices.
func Splices(s Sink) bool {
	p, ok := s.(interface{ Splices() bool })
	return ok && p.Splices()
}
