package telemetry

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// asked is a request for a key that was answered from the cache.
func asked(key string, at time.Time) *Record {
	return &Record{Time: at, Status: 200, CacheStatus: "HIT", Key: []byte(key), Origin: min(len(key), 8), Bytes: 10}
}

var epoch = time.Unix(1_700_000_000, 0)

// At a rate that all requests are counted at, the numbers are true.
func TestTopExact(t *testing.T) {
	m := NewMetrics(Source{})
	for i := range 100 {
		for range 100 - i {
			m.Observe(asked(fmt.Sprintf("http://a/%d", i), epoch.Add(time.Duration(i)*time.Second)))
		}
	}
	m.Observe(&Record{Time: epoch, Status: 200, CacheStatus: "MISS", Key: []byte("http://a/0"), Origin: 8, Bytes: 5000})
	m.Observe(&Record{Time: epoch, Status: 200, CacheStatus: "MISS", Key: []byte("http://a/cold"), Origin: 8, Bytes: 100_000})
	m.Observe(&Record{Time: epoch, Status: 200})
	keys, floor, every := m.Top(ByHits, 3)
	if len(keys) != 3 || floor != 0 || every != 1 {
		t.Fatalf("got %d keys, floor %d, every %d, want 3, 0, 1", len(keys), floor, every)
	}
	want := TopKey{Key: "http://a/0", Site: "http://a", Requests: 101, Hits: 100, Bytes: 6000, Since: epoch}
	if keys[0] != want {
		t.Errorf("got %+v, want %+v", keys[0], want)
	}
	if keys[2].Key != "http://a/2" || keys[2].Hits != 98 {
		t.Errorf("third: got %+v, want http://a/2 with 98", keys[2])
	}
	if keys, _, _ = m.Top(ByBytes, 1); keys[0].Key != "http://a/cold" || keys[0].Hits != 0 || keys[0].Bytes != 100_000 {
		t.Errorf("by bytes: got %+v, want the cold one", keys[0])
	}
	if k, ok := m.TopOf([]byte("http://a/7")); !ok || k.Hits != 93 {
		t.Errorf("TopOf: got %+v, %v, want 93 hits", k, ok)
	}
	if _, ok := m.TopOf([]byte("http://a/none")); ok {
		t.Error("TopOf: a key that was never asked for is known")
	}
}

// Many more keys than are followed: the heavy ones are found, and their
// numbers are not above what was.
func TestTopHeavy(t *testing.T) {
	m := NewMetrics(Source{})
	chance := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(chance, 1.1, 1, 100_000)
	const n = 200_000
	truth := map[string]uint64{}
	for i := range n {
		key := fmt.Sprintf("http://b/%d", zipf.Uint64())
		truth[key]++
		// 500 a second: each is counted.
		m.Observe(asked(key, epoch.Add(time.Duration(i)*2*time.Millisecond)))
	}
	keys, floor, _ := m.Top(ByHits, 10)
	for i, k := range keys {
		if k.Key != fmt.Sprintf("http://b/%d", i) && i < 3 {
			t.Errorf("place %d: got %s", i, k.Key)
		}
		if k.Hits > truth[k.Key] || k.Hits < truth[k.Key]*95/100 || k.Estimated {
			t.Errorf("%s: got %d hits (estimated %v), want nearly %d", k.Key, k.Hits, k.Estimated, truth[k.Key])
		}
	}
	if floor == 0 || floor > n/topKeys {
		t.Errorf("floor %d, want 1 to %d", floor, n/topKeys)
	}
}

// Under load one request in so many is counted, for as many.
func TestTopSamples(t *testing.T) {
	m := NewMetrics(Source{})
	const n, seconds = 200_000, 10
	for s := range seconds {
		at := epoch.Add(time.Duration(s) * time.Second)
		for i := range n / seconds {
			m.Observe(asked([]string{"http://c/1", "http://c/2", "http://c/1", "http://c/1"}[i%4], at))
		}
	}
	keys, _, every := m.Top(ByHits, 2)
	if every < 8 || every > 128 {
		t.Errorf("one in %d, want 8 to 128 at %d a second", every, n/seconds)
	}
	for i, want := range []float64{n * 3 / 4, n / 4} {
		if got := float64(keys[i].Hits); got < want*0.9 || got > want*1.1 || !keys[i].Estimated {
			t.Errorf("%s: got %.0f hits (estimated %v), want about %.0f", keys[i].Key, got, keys[i].Estimated, want)
		}
	}
	// Quiet again, all are counted again.
	for i := range 200 {
		m.Observe(asked("http://c/quiet", epoch.Add(time.Minute+time.Duration(i)*time.Minute)))
	}
	if _, _, every = m.Top(ByHits, 1); every != 1 {
		t.Errorf("quiet: one in %d, want all", every)
	}
}

// What is asked for now takes the place of what was asked for once.
func TestTopForgets(t *testing.T) {
	m := NewMetrics(Source{})
	for i := range topKeys {
		for j := range 64 {
			m.Observe(asked(fmt.Sprintf("http://d/old%d", i), epoch.Add(time.Duration(i*64+j)*time.Millisecond*2)))
		}
	}
	later := epoch.Add(2 * time.Hour)
	for i := range 1000 {
		m.Observe(asked("http://d/tick", later.Add(time.Duration(i)*time.Minute)))
	}
	for i := range topKeys {
		for j := range 5 {
			m.Observe(asked(fmt.Sprintf("http://d/new%d", i), later.Add(24*time.Hour+time.Duration(i*5+j)*2*time.Millisecond)))
		}
	}
	keys, _, _ := m.Top(ByHits, topKeys)
	fresh := 0
	for _, k := range keys {
		if strings.Contains(k.Key, "new") {
			fresh++
		}
	}
	if fresh < topKeys/2 {
		t.Errorf("%d of %d keys are those of now", fresh, len(keys))
	}
}

func TestTopCutsKeys(t *testing.T) {
	m := NewMetrics(Source{})
	long := "http://e/" + strings.Repeat("x", 20_000)
	m.Observe(asked(long+"1", epoch))
	m.Observe(asked(long+"2", epoch))
	keys, _, _ := m.Top(ByHits, 10)
	if len(keys) != 2 || keys[0].Key != long[:topText] || !keys[0].Cut || keys[0].Hits != 1 {
		t.Errorf("got %d keys, the first %.40q… with %d hits, want 2 that were cut", len(keys), keys[0].Key, keys[0].Hits)
	}
}

// The table and the heap hold under any order of keys.
func TestTopStructure(t *testing.T) {
	var r ranking
	r.init()
	chance := rand.New(rand.NewPCG(3, 4))
	for i := range 50_000 {
		h := uint64(chance.IntN(3 * topKeys)) // neighbours in the table
		r.count(&sighting{hash: h, key: fmt.Append(nil, h), every: 1, hits: 1}, uint64(chance.IntN(3)))
		if i%1000 == 0 {
			r.halve()
		}
	}
	for i, s := range r.heap {
		if int(r.seats[s].at) != i {
			t.Fatalf("heap %d: its seat says %d", i, r.seats[s].at)
		}
		if i > 0 && r.lighter(i, (i-1)/2) {
			t.Fatalf("heap %d is lighter than what is above it", i)
		}
		if got := r.find(r.seats[s].hash); got != s {
			t.Fatalf("seat %d is found at %d", s, got)
		}
	}
	seats := 0
	for _, s := range r.table {
		if s != 0 {
			seats++
		}
	}
	if seats != len(r.seats) || len(r.heap) != len(r.seats) {
		t.Errorf("table of %d, heap of %d, %d seats", seats, len(r.heap), len(r.seats))
	}
}
