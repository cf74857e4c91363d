//go:build !linux

package store

import "errors"

// A memory is one run of bytes. Where there is no memfd it is on the heap.
type memory struct {
	b  []byte
	fd int // always -1
}

func mapMemory(_ string, n int64, _ bool) (memory, error) {
	return memory{b: make([]byte, n), fd: -1}, nil
}

// punch and writeAt are for slabs that were exposed, which needs a descriptor.
func (m *memory) punch(_, _ int64) error { return errors.ErrUnsupported }

func (m *memory) writeAt(_ []byte, _ int64) error { return errors.ErrUnsupported }

func (m *memory) resident() int64 { return int64(len(m.b)) }

func (m *memory) close() error {
	m.b = nil
	return nil
}
