package store

import (
	"container/list"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"testing"
)

// A trace is a fixed sequence of requests: Zipf over keys, with one-hit
// wonders between them.
type trace struct {
	keys    int
	alpha   float64
	wonders float64 // part of the requests that nobody repeats
	size    func(key uint64) int
}

// each calls f for n requests.
func (tr *trace) each(n int, f func(key uint64, size int)) {
	rng := rand.New(rand.NewPCG(7, 9))
	sums := make([]float64, tr.keys)
	sum := 0.0
	for i := range sums {
		sum += 1 / math.Pow(float64(i+1), tr.alpha)
		sums[i] = sum
	}
	fresh := uint64(tr.keys)
	for range n {
		var key uint64
		if rng.Float64() < tr.wonders {
			fresh++
			key = fresh
		} else {
			key = uint64(sort.SearchFloat64s(sums, rng.Float64()*sum))
		}
		f(key, tr.size(key))
	}
}

// mixed is the sizes of a CDN: mostly small, a few of many segments' worth
// cut off at what one record takes.
func mixed(key uint64) int {
	rng := rand.New(rand.NewPCG(key, 3))
	return int(min(max(math.Exp(9.2+1.3*rng.NormFloat64()), 200), WholeMax))
}

// itemwise is S3-FIFO as its paper has it, item by item, with the rules of
// this volume: one hit in the small queue promotes, a ghost goes to main.
type itemwise struct {
	capacity, smallBytes, mainBytes, ghostBytes int
	small, main, ghosts                         *list.List
	at                                          map[uint64]*list.Element
	ghost                                       map[uint64]*list.Element
}

type itemEntry struct {
	key        uint64
	size, freq int
	main       bool
}

func newItemwise(capacity int) *itemwise {
	return &itemwise{
		capacity: capacity, small: list.New(), main: list.New(), ghosts: list.New(),
		at: map[uint64]*list.Element{}, ghost: map[uint64]*list.Element{},
	}
}

func (s *itemwise) request(key uint64, size int) (hit bool) {
	if e := s.at[key]; e != nil {
		it := e.Value.(*itemEntry)
		it.freq = min(it.freq+1, freqMax)
		return true
	}
	for s.smallBytes+s.mainBytes+size > s.capacity {
		if s.smallBytes > s.capacity/10 || s.main.Len() == 0 {
			s.evictSmall()
		} else {
			s.evictMain()
		}
	}
	it := &itemEntry{key: key, size: size}
	if g := s.ghost[key]; g != nil {
		s.dropGhost(g)
		it.main = true
	}
	s.push(it)
	return false
}

func (s *itemwise) push(it *itemEntry) {
	q, n := s.small, &s.smallBytes
	if it.main {
		q, n = s.main, &s.mainBytes
	}
	*n += it.size
	s.at[it.key] = q.PushBack(it)
}

func (s *itemwise) pop(q *list.List, n *int) *itemEntry {
	it := q.Remove(q.Front()).(*itemEntry)
	*n -= it.size
	delete(s.at, it.key)
	return it
}

func (s *itemwise) evictSmall() {
	it := s.pop(s.small, &s.smallBytes)
	if it.freq > 0 {
		it.freq, it.main = 0, true
		s.push(it)
		return
	}
	s.ghost[it.key] = s.ghosts.PushBack(it)
	s.ghostBytes += it.size
	for s.ghostBytes > s.capacity*9/10 {
		s.dropGhost(s.ghosts.Front())
	}
}

func (s *itemwise) dropGhost(e *list.Element) {
	it := s.ghosts.Remove(e).(*itemEntry)
	s.ghostBytes -= it.size
	delete(s.ghost, it.key)
}

func (s *itemwise) evictMain() {
	it := s.pop(s.main, &s.mainBytes)
	if it.freq > 0 {
		it.freq--
		s.push(it)
	}
}

// TestHitRatio: on slabs S3-FIFO hits nearly as often as item by item.
func TestHitRatio(t *testing.T) {
	for _, test := range []struct {
		name     string
		size     int64
		mean     int64
		trace    trace
		requests int
		points   float64 // how much worse it may be
	}{
		{
			"1.4 KiB records in 64 MiB", 64 << 20, 1 << 10,
			trace{keys: 400_000, alpha: 0.9, wonders: 0.3, size: func(uint64) int { return 1400 }}, 1_200_000, 1,
		},
		{
			"CDN sizes in 256 MiB", 256 << 20, 12 << 10,
			trace{keys: 100_000, alpha: 0.9, wonders: 0.3, size: mixed}, 500_000, 0.5,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() || raceEnabled {
				t.Skip("short or with the race detector: it moves gigabytes")
			}
			m := newTest(t, Options{Size: test.size, MeanObject: test.mean})
			ref := newItemwise(int(test.size))
			body := make([]byte, WholeMax)
			key := make([]byte, 0, 20)
			var n, hits, want int
			test.trace.each(test.requests, func(k uint64, size int) {
				n++
				warm := n > test.requests/3
				key = fmt.Appendf(key[:0], "%d", k)
				h := m.Hash(key)
				hit := ref.request(k, aligned(size+headerSize+len(key)))
				if hit && warm {
					want++
				}
				var e Entry
				if m.Lookup(h, key, 0, &e); e.Kind == Object {
					e.Release()
					if warm {
						hits++
					}
					return
				}
				err := m.Put(&Record{Hash: h, Key: key, Version: 1, Body: [][]byte{body[:size]}, Size: int64(size)})
				if err != nil {
					t.Fatalf("request %d: %v", n, err)
				}
			})
			part := 100 / float64(n-n/3)
			got, item := float64(hits)*part, float64(want)*part
			st := m.Stats()
			t.Logf("hit ratio %.2f %% on slabs, %.2f %% item by item; copied forward %.2f of admitted, %d behind",
				got, item, float64(st.ForwardedBytes)/float64(st.AdmittedBytes), st.Lost[Behind])
			if item-got > test.points {
				t.Errorf("got %.2f %%, want at most %.1f points less than %.2f %%", got, test.points, item)
			}
		})
	}
}
