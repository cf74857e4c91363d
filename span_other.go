//go:build !unix

package opencache

import (
	"errors"
	"fmt"

	"opencache/internal/wire"
)

// copySpan fills p from the start of s. Where there is no pread, no store
// lends what is not in memory.
func copySpan(p []byte, s wire.Span) error {
	if s.Mem == nil {
		return fmt.Errorf("span of %d bytes at %d: %w", s.N, s.Off, errors.ErrUnsupported)
	}
	copy(p, s.Mem)
	return nil
}
