package main

import (
	"math/bits"
	"time"
)

// A schedule says when each request is intended to go out: rate of them a
// second, evenly, the first at 0. Times are nanoseconds since the start.
type schedule struct {
	rate uint64
}

// at is when request i is due. It is computed from i alone, so that no error
// adds up.
func (s schedule) at(i int64) int64 {
	hi, lo := bits.Mul64(uint64(i), uint64(time.Second))
	ns, _ := bits.Div64(hi, lo, s.rate)
	return int64(ns)
}

// count is how many requests are due before d is over.
func (s schedule) count(d time.Duration) int64 {
	hi, lo := bits.Mul64(uint64(d), s.rate)
	n, rest := bits.Div64(hi, lo, uint64(time.Second))
	if rest > 0 {
		n++
	}
	return int64(n)
}
