package model

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

var (
	steps = flag.Int("steps", 6000, "how many steps TestModel takes")
	seed  = flag.Uint64("seed", 0, "the seed of TestModel's only sequence; 0: many, from 1 on")
)

// length is how many steps a sequence has.
const length = 60

// sequence returns the bytes of a seed.
func sequence(seed uint64) []byte {
	rnd := rand.New(rand.NewPCG(seed, 9111))
	b := make([]byte, (length+1)*stepSize)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rnd.Uint64())
	}
	return b
}

// every is what must have occurred when as many steps were taken that it would
// be strange if it had not.
var every = []Kind{First, Shared, Hit, Stale, OnError, Validated, NotModified, Partial, Multipart, OfParts, Unsatisfied, NotCached, Failure,
	CutShort, OfHead, OfQuery, OfAnother, OfUnsafe}

// TestModel plays random sequences until -steps are done, on all processors.
func TestModel(t *testing.T) {
	if *seed != 0 {
		sum := tally{kinds: map[Kind]int{}}
		if fault, said := run(t, sequence(*seed), &bend{}, &sum); fault != "" {
			report(t, fmt.Sprintf("seed %d", *seed), sequence(*seed), fault, said)
		}
		return
	}
	var next atomic.Uint64
	sums := make([]tally, runtime.GOMAXPROCS(0))
	t.Run("workers", func(t *testing.T) {
		for i := range sums {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				sums[i] = tally{kinds: map[Kind]int{}}
				for sums[i].steps < *steps/len(sums)+1 {
					s := next.Add(1)
					if fault, said := run(t, sequence(s), &bend{}, &sums[i]); fault != "" {
						report(t, fmt.Sprintf("seed %d", s), sequence(s), fault, said)
						return
					}
				}
			})
		}
	})
	if !t.Failed() {
		account(t, sums)
	}
}

// account tells what has happened, and fails when something never has.
func account(t *testing.T, sums []tally) {
	all := tally{kinds: map[Kind]int{}}
	for _, s := range sums {
		all.steps += s.steps
		all.sequences += s.sequences
		for k, n := range s.kinds {
			all.kinds[k] += n
		}
	}
	t.Logf("%d steps in %d sequences: nothing that an RFC forbids", all.steps, all.sequences)
	for _, k := range every {
		t.Logf("%8d %s", all.kinds[k], k)
		if all.kinds[k] == 0 && all.steps >= 100_000 {
			t.Errorf("in %d steps no answer was: %s", all.steps, k)
		}
	}
}

// FuzzModel has the fuzzer choose the steps.
func FuzzModel(f *testing.F) {
	for s := range uint64(4) {
		f.Add(sequence(s)[:12*stepSize])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2*stepSize || len(data) > 40*stepSize {
			return
		}
		if fault, said := run(t, data, &bend{}, &tally{kinds: map[Kind]int{}}); fault != "" {
			report(t, fmt.Sprintf("%q", data), data, fault, said)
		}
	})
}

// report tells of a sequence that failed, made as short as can be; what fails
// only now and then as it was.
func report(t *testing.T, name string, data []byte, fault string, said []string) {
	less := shrink(t, data, fault)
	for range 20 {
		if again, now := run(t, less, &bend{}, &tally{kinds: map[Kind]int{}}); again != "" && sort(again) == sort(fault) {
			t.Errorf("%s: %s\nshrunk to %d steps: %s\n%s", name, fault, len(less)/stepSize-1, again, strings.Join(now, "\n"))
			return
		}
	}
	t.Errorf("%s, not each time: %s\n%s", name, fault, strings.Join(said, "\n"))
}

// shrink drops steps while the sequence still fails in the same way.
func shrink(t *testing.T, data []byte, fault string) []byte {
	fails := func(b []byte) bool {
		for range 3 { // what happens at one time happens in any order
			if again, _ := run(t, b, &bend{}, &tally{kinds: map[Kind]int{}}); again != "" && sort(again) == sort(fault) {
				return true
			}
		}
		return false
	}
	for size := len(data) / stepSize / 2; size > 0; size /= 2 {
		for at := 1; at+size <= len(data)/stepSize; {
			less := slices.Concat(data[:at*stepSize], data[(at+size)*stepSize:])
			if fails(less) {
				data = less
			} else {
				at += size
			}
		}
	}
	return data
}

// sort is what a fault says without the numbers of this sequence.
func sort(fault string) string {
	_, rule, _ := strings.Cut(fault, ": ")
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, rule)[:min(len(rule)/2, 20)]
}
