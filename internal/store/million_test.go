package store

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// gcSeconds is the CPU that the collector has used so far.
func gcSeconds() float64 {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64()
}

const blockOfGarbage = 64 << 10

var garbage []byte // keeps the compiler from leaving the garbage out

// TestMillion: a million objects of 1 KiB body, 250 bytes of head and 80 of
// key take at most 1.15 times their bytes, index and directories included,
// and the collector next to nothing: it sees none of them.
func TestMillion(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("short or with the race detector: it fills 1.4 GiB")
	}
	const objects, body, head, keyLen = 1_000_000, 1 << 10, 250, 80
	const bytes = body + head + keyLen
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := newTest(t, Options{Size: 1400 << 20, MeanObject: 1 << 10})
	r := Record{Key: make([]byte, keyLen), Meta: make([]byte, head), Version: 1, Body: [][]byte{make([]byte, body)}, Size: body}
	for i := range objects {
		copy(r.Key, fmt.Sprintf("https://million.example/%056d", i))
		r.Hash = m.Hash(r.Key)
		if err := m.Put(&r); err != nil {
			t.Fatalf("object %d: %v", i, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	st := m.Stats()
	if st.Objects < objects-100 {
		t.Errorf("got %d objects, want a million (lost: %v)", st.Objects, st.Lost)
	}
	resident := float64(st.Resident) + float64(after.HeapInuse) - float64(before.HeapInuse)
	ratio := resident / float64(st.Objects) / bytes
	if ratio > 1.15 {
		t.Errorf("got %.3f times their bytes resident, want at most 1.15", ratio)
	}
	const cycles = 10
	cpu, start := gcSeconds(), time.Now()
	for range cycles {
		runtime.GC()
	}
	cycle := (gcSeconds() - cpu) / cycles
	took := time.Since(start) / cycles
	// What a busy second of misses makes: 400 MB of garbage, over the floor
	// that cmd/opencache puts under the heap.
	floor := make([]byte, 64<<20)
	runtime.GC()
	cpu = gcSeconds()
	for range 400 << 20 / blockOfGarbage {
		garbage = make([]byte, blockOfGarbage)
	}
	runtime.GC()
	share := gcSeconds() - cpu - cycle
	runtime.KeepAlive(floor)
	t.Logf("%d objects: %.1f bytes resident each, %.3f times their %d bytes; a GC cycle %.2f ms of CPU, %v of time; GC takes %.2f %% of a CPU at 400 MB of garbage a second",
		st.Objects, resident/float64(st.Objects), ratio, bytes, cycle*1e3, took, share*100)
}
