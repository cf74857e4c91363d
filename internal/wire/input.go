package wire

import "io"

// An Input is the reading side of a connection: what came and was not
// consumed yet, and where more comes from. One goroutine uses it at a time.
type Input struct {
	Src io.Reader
	Buf []byte // Buf[R:W] is unread
	// R and W: whoever consumes bytes advances R, Fill advances W.
	R, W int
	// Base keeps Buf[:Base] from being overwritten by Fill: set it to R
	// while a parsed Head borrows those bytes, and leave some room behind it
	// (a few hundred bytes) when content follows. 0: all of Buf is free.
	Base int
}

// Fill reads once into the free space of Buf, moving unread bytes to its start
// (to Base) when there is none behind them. It returns nil when bytes came,
// io.ErrShortBuffer when there is no free space, else the error of Src.
func (in *Input) Fill() error {
	if in.R == in.W && in.R > in.Base {
		in.R, in.W = in.Base, in.Base
	}
	if in.W == len(in.Buf) {
		if in.R <= in.Base {
			return io.ErrShortBuffer
		}
		in.W = in.Base + copy(in.Buf[in.Base:], in.Buf[in.R:in.W])
		in.R = in.Base
	}
	for range 100 {
		n, err := in.Src.Read(in.Buf[in.W:])
		in.W += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// Unread returns the bytes that came and were not consumed. They stay valid
// until the next Fill.
func (in *Input) Unread() []byte { return in.Buf[in.R:in.W] }
