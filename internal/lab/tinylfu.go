package lab

import (
	"math"

	"github.com/maypok86/otter/v2"
)

// tinyLFU is W-TinyLFU of the library otter, by weight. The library is made
// for many goroutines, and not exact: it counts hits through a buffer, so that
// its order lags behind by some of them; one of 128 candidates that lose
// against a victim is admitted by chance, so that two runs differ; and which
// of two items goes is decided by how often they were asked for alone,
// whatever they weigh. Here its upkeep runs in the call that wants it, not
// beside it, and it keeps within its size at the end of each request.
type tinyLFU struct {
	cache *otter.Cache[uint64, uint32]
}

var _ Policy = (*tinyLFU)(nil)

func newTinyLFU(size int64) (*tinyLFU, error) {
	c, err := otter.New(&otter.Options[uint64, uint32]{
		MaximumWeight: uint64(size),
		Weigher:       func(_ uint64, weight uint32) uint32 { return weight },
		Executor:      func(f func()) { f() },
	})
	return &tinyLFU{c}, err
}

// Request is Policy's.
func (s *tinyLFU) Request(r Request) (there int64, hit bool) {
	if _, ok := s.cache.GetIfPresent(r.Key); ok {
		return r.Size, true
	}
	s.cache.Set(r.Key, uint32(min(weight(r.Size), math.MaxUint32)))
	s.cache.CleanUp()
	return 0, false
}

// Close is Policy's.
func (s *tinyLFU) Close() error {
	s.cache.StopAllGoroutines()
	return nil
}
