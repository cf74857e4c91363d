//go:build !unix

package wire

import "errors"

// pread refuses: where there is no pread, only Devices lend what is not in
// memory.
func (s Span) pread([]byte) error { return errors.ErrUnsupported }
