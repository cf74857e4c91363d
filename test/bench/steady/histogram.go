package main

import (
	"math"
	"math/bits"
)

const (
	subBits  = 7       // a bucket is at most 1/128 wide of its value
	valueMax = 1 << 40 // ns: 18 minutes; what is longer counts as this
	buckets  = (40-subBits)<<subBits + 2<<subBits
)

// A histogram counts times in nanoseconds. It has a fixed size and an error
// below 0.8 % of the value; the maximum is exact. The zero value is empty.
type histogram struct {
	counts [buckets]uint64
	n      uint64
	top    int64
}

// add counts ns; what is negative counts as 0.
func (h *histogram) add(ns int64) {
	ns = max(ns, 0)
	h.top = max(h.top, ns)
	h.counts[bucket(min(ns, valueMax))]++
	h.n++
}

// quantile is the least time that the part q (0 to 1) of all times does not
// exceed, rounded up to the end of its bucket; 0 when nothing was counted.
func (h *histogram) quantile(q float64) int64 {
	rank := max(uint64(math.Ceil(q*float64(h.n))), 1)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(bucketEnd(i), h.top)
		}
	}
	return h.top
}

// bucket is the number of v's bucket: below 256 each value has its own, above
// each power of two has 128.
func bucket(v int64) int {
	shift := max(bits.Len64(uint64(v))-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// bucketEnd is the greatest value in bucket i.
func bucketEnd(i int) int64 {
	if i < 2<<subBits {
		return int64(i)
	}
	shift := i>>subBits - 1
	return int64(i-shift<<subBits+1)<<shift - 1
}
