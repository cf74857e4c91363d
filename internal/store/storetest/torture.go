package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// torture: writers, readers, purgers and validators at once. Every byte read
// is checked against what its key and version make it.
func torture(t *testing.T, v Volume) {
	rounds := 2000
	if testing.Short() {
		rounds = 600
	}
	tt := tormentor{t: t, v: v}
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 42))
			var lent []wire.Span
			for n := range rounds {
				lent = tt.step(rng, lent, n)
			}
			for _, s := range lent {
				s.Release()
			}
		})
	}
	wg.Wait()
	st := total(v)
	if tt.hits.Load() == 0 || st.Admitted == 0 {
		t.Errorf("got %d hits and %d admitted, want some", tt.hits.Load(), st.Admitted)
	}
	v.Purge(store.Purge{All: true})
	if st = total(v); st.Live != 0 || st.Objects != 0 || st.Segments != 0 || st.Markers != 0 {
		t.Errorf("after a purge of all: got %d live bytes, %d objects, %d segments, %d markers, want none",
			st.Live, st.Objects, st.Segments, st.Markers)
	}
}

type tormentor struct {
	t    *testing.T
	v    Volume
	hits atomic.Int64
}

const torturedKeys = 400

// step does one random thing. It keeps at most a few spans lent.
func (m *tormentor) step(rng *rand.Rand, lent []wire.Span, n int) []wire.Span {
	k := rng.IntN(torturedKeys)
	i := item{key: fmt.Sprint("key", k), version: uint64(rng.IntN(5) + 1), size: 100 + (k*k*37)%60000}
	h := m.v.Hash([]byte(i.key))
	switch p := rng.IntN(100); {
	case p < 45:
		lent = m.read(i.key, rng, lent)
	case p < 80:
		m.allow(i.key, m.v.Put(i.record(m.v, uint64(k%3))))
	case p < 85:
		e := lookup(m.v, i.key)
		if e.Kind == store.Object {
			i.version = e.Version
			m.allow(i.key, m.v.Freshen(h, []byte(i.key), e.Version, i.meta(), m.v.Seq()))
		}
		e.Release()
	case p < 87:
		lent = m.segment(k, lent)
	case p < 93:
		m.allow(i.key, m.v.Mark(h, store.Marker{Kind: store.HitForMiss, Born: m.v.Seq()}))
	case p < 96:
		m.v.Purge(store.Purge{Key: []byte(i.key), Soft: p == 95})
	case p < 97:
		m.v.Purge(store.Purge{Prefix: []byte(i.key), Soft: n%2 == 0})
	case p < 98:
		m.v.Purge(store.Purge{Site: uint64(k%2 + 1)})
	default:
		m.v.Remove(h, []byte(i.key))
	}
	return lent
}

// allow takes the errors that races bring.
func (m *tormentor) allow(key string, err error) {
	for _, e := range []error{nil, store.ErrPurged, store.ErrOlder, store.ErrGone, store.ErrFull} {
		if errors.Is(err, e) {
			return
		}
	}
	m.t.Errorf("%s: %v", key, err)
}

func (m *tormentor) read(key string, rng *rand.Rand, lent []wire.Span) []wire.Span {
	e := lookup(m.v, key)
	if e.Kind != store.Object {
		return lent
	}
	m.hits.Add(1)
	i := item{key: key, version: e.Version, size: int(e.Size)}
	i.check(m.t, &e)
	if rng.IntN(4) > 0 {
		e.Release()
		return lent
	}
	if len(lent) == 4 {
		lent[0].Release()
		lent = lent[1:]
	}
	return append(lent, e.Body)
}

func (m *tormentor) segment(k int, lent []wire.Span) []wire.Span {
	i := item{key: "segment", version: uint64(k + 1), size: m.v.SegmentSize() - 4*k}
	s, ok := m.v.Segment(i.version, 0, 0, i.size)
	if !ok {
		m.allow(i.key, m.v.PutSegment(i.version, 0, 0, [][]byte{i.body()}))
		return lent
	}
	if at := wrong(s.Mem, i.seed()); at >= 0 || s.N != i.size {
		m.t.Errorf("segment %d: %d bytes, differs at %d", k, s.N, at)
	}
	s.Release()
	return lent
}

// purgeWins: with writers at work, nothing fetched before a purge is found
// once that has returned.
func purgeWins(t *testing.T, v Volume) {
	i := item{key: "x/contended", version: 1, size: 100}
	x := v.Site([]byte("x"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := v.Put(i.record(v, x)); err != nil && !errors.Is(err, store.ErrPurged) && !errors.Is(err, store.ErrOlder) && !errors.Is(err, store.ErrFull) {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	kinds := []store.Purge{{Key: []byte(i.key)}, {Prefix: []byte("x/")}, {Site: x}, {All: true}}
	for n := range 2000 {
		p := kinds[n%len(kinds)]
		p.Soft = n%3 == 0
		seq, _ := v.Purge(p)
		e := lookup(v, i.key)
		if e.Kind == store.Object && e.Born < seq && (!p.Soft || e.Validated < seq && !e.Soft) {
			t.Errorf("purge %d %+v: got a record born %d validated %d soft %v after it", seq, p, e.Born, e.Validated, e.Soft)
		}
		e.Release()
	}
	close(stop)
	wg.Wait()
}

// neverMissed: a record that is asked for all the time is found all the time,
// also at the moment when it is copied forward.
func neverMissed(t *testing.T, v Volume) {
	hot := item{key: "hot", version: 1, size: 30000}
	hot.put(t, v)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if e := lookup(v, hot.key); e.Kind == store.Object {
					hot.check(t, &e)
					e.Release()
				} else {
					t.Errorf("got kind %d, want Object", e.Kind)
					return
				}
			}
		})
	}
	for n := range 8 {
		for step := range 20 {
			strangers(t, v, fmt.Sprint("hot", n, step), total(v).Capacity/20)
			hot.has(t, v) // so that it was hit however the others are scheduled
		}
	}
	if total(v).Forwarded == 0 {
		t.Errorf("got nothing copied forward, want the hot record")
	}
}
