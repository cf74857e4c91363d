//go:build unix

package opencache

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"opencache/internal/wire"
)

// copySpan fills p from the start of s.
func copySpan(p []byte, s wire.Span) error {
	if s.Mem != nil {
		copy(p, s.Mem)
		return nil
	}
	fd := s.Owner.Expose()
	for off := s.Off; len(p) > 0; {
		n, err := syscall.Pread(fd, p, off)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err == nil && n == 0:
			err = io.ErrUnexpectedEOF // the file is shorter than the span
		}
		if err != nil {
			return fmt.Errorf("span of %d bytes at %d: %w", s.N, s.Off, err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}
