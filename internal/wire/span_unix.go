//go:build unix

package wire

import (
	"errors"
	"io"
	"syscall"
)

// pread fills p from the Owner's descriptor.
func (s Span) pread(p []byte) error {
	fd := -1
	if s.Owner != nil {
		fd = s.Owner.Expose()
	}
	if fd < 0 {
		return errNowhere
	}
	for off := s.Off; len(p) > 0; {
		n, err := syscall.Pread(fd, p, off)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF // the file is shorter than the span
		default:
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}
