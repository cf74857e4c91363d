package engine

import (
	"sync"
	"sync/atomic"
)

const (
	blockSize  = 64 << 10
	smallBlock = 4 << 10
)

// staging lends the blocks in which fetches keep content until the store has
// it, within a bound for all of them together.
type staging struct {
	max   int64
	used  atomic.Int64
	large sync.Pool // *block of blockSize
	small sync.Pool // *block of smallBlock
}

// A block is a piece of a fetch's content. The fetch holds one reference,
// each reader that writes from it another; the last to leave gives it back.
// Bytes below the fetch's published length never change.
type block struct {
	buf  []byte
	n    int // bytes filled; guarded by the fetch's mu
	refs atomic.Int32
}

// get lends a block that holds want bytes or, when that is more than one
// holds or unknown (negative), a large one. nil: the bound is reached.
func (s *staging) get(want int64) *block {
	pool, size := &s.large, int64(blockSize)
	if want >= 0 && want <= smallBlock {
		pool, size = &s.small, smallBlock
	}
	if s.used.Add(size) > s.max {
		s.used.Add(-size)
		return nil
	}
	b, _ := pool.Get().(*block)
	if b == nil {
		b = &block{buf: make([]byte, size)}
	}
	b.n = 0
	b.refs.Store(1)
	return b
}

// take counts n bytes that are kept elsewhere, within the bound; it reports
// false when there is no room. add counts them in any case.
func (s *staging) take(n int64) bool {
	if s.used.Add(n) > s.max {
		s.used.Add(-n)
		return false
	}
	return true
}

func (s *staging) add(n int64) { s.used.Add(n) }

// give gives back what take and add counted.
func (s *staging) give(n int64) { s.used.Add(-n) }

// put gives up one reference to b.
func (s *staging) put(b *block) {
	if b.refs.Add(-1) > 0 {
		return
	}
	s.used.Add(-int64(len(b.buf)))
	if len(b.buf) == smallBlock {
		s.small.Put(b)
	} else {
		s.large.Put(b)
	}
}
