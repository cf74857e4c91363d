package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// What a burst leaves behind on the heap is given back to the machine when it
// is quiet again: the collector, with a floor under it, would keep it.
const (
	quietTime  = 3 * time.Second
	quietAlloc = 4 << 20 // bytes allocated in quietTime: no more is quiet
	worthwhile = 2 << 20 // bytes that are free and not given back
)

// A heapState is what the runtime says of the heap.
type heapState struct {
	allocated uint64 // bytes since the start
	free      uint64 // bytes free, or garbage for all that is known, and not given back
}

// quiet reports whether giving memory back is worth a collection: little was
// allocated since then, and there is much to give.
func (h heapState) quiet(then heapState) bool {
	return h.allocated-then.allocated <= quietAlloc && h.free >= worthwhile
}

// giveBack gives memory back whenever it is quiet, until ctx ends.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(quietTime)
	defer tick.Stop()
	was, given := readHeap(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := readHeap()
		// Once for each burst: what cannot be given back stays free.
		if now.quiet(was) && now.allocated-given > worthwhile {
			debug.FreeOSMemory()
			given = now.allocated
		}
		was = now
	}
}

// readHeap costs a few microseconds and stops nobody.
func readHeap() heapState {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"}, // by the last collection
	}
	metrics.Read(s)
	garbage := uint64(0)
	if objects, live := s[2].Value.Uint64(), s[3].Value.Uint64(); objects > live {
		garbage = objects - live
	}
	return heapState{allocated: s[0].Value.Uint64(), free: s[1].Value.Uint64() + garbage}
}
