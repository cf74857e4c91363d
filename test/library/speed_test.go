package library

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// held is how many responses of 1 KiB are stored to see what one takes.
const held = 20000

// origin1K gives 1 KiB under the fields of an ordinary response.
func origin1K(vary string) http.RoundTripper {
	return base(func(r *http.Request) (*http.Response, error) {
		resp := answer(200, "Cache-Control: max-age=3600\nContent-Type: application/json\nServer: origin\nETag: \"0123456789\"", strings.Repeat("x", 1024))
		resp.Header.Set("Content-Length", "1024")
		if vary != "" {
			resp.Header.Set("Vary", vary)
		}
		resp.Request = r
		return resp, nil
	})
}

type base func(*http.Request) (*http.Response, error)

func (b base) RoundTrip(r *http.Request) (*http.Response, error) { return b(r) }

func fetch(rt http.RoundTripper, r *http.Request) error {
	resp, err := rt.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != 1024 || err != nil {
		return fmt.Errorf("got %d bytes, %v", n, err)
	}
	return nil
}

func request(t testing.TB, path string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://a.test"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "speed")
	return r
}

func BenchmarkHit(b *testing.B) {
	for _, cache := range Caches() {
		b.Run(cache.Name, func(b *testing.B) {
			rt := cache.New(b, origin1K(cache.Vary))
			r := request(b, "/")
			b.ReportAllocs()
			for b.Loop() {
				if err := fetch(rt, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A figure is what a hit costs, and what a stored response takes.
type figure struct {
	cpu           time.Duration // processor time, the collector's included
	bytes, allocs uint64
	held          int64
}

// hits measures n hits.
func hits(t *testing.T, cache Cache, n int) figure {
	rt := cache.New(t, origin1K(cache.Vary))
	r := request(t, "/")
	for range 100 {
		if err := fetch(rt, r); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from := processorTime(t)
	for range n {
		if err := fetch(rt, r); err != nil {
			t.Fatal(err)
		}
	}
	took := processorTime(t) - from
	runtime.ReadMemStats(&after)
	return figure{
		cpu: took / time.Duration(n), bytes: (after.TotalAlloc - before.TotalAlloc) / uint64(n),
		allocs: (after.Mallocs - before.Mallocs) / uint64(n),
	}
}

func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestSpeed prints what a hit of 1 KiB costs in each cache, measured in turns
// in one run, and fails when opencache's costs more than gregjones' does.
// Processor time is compared, since others may share the machine. It takes
// some seconds and is asked for by SPEED=1.
func TestSpeed(t *testing.T) {
	if os.Getenv("SPEED") == "" {
		t.Skip("set SPEED=1")
	}
	best := map[string]figure{}
	for round := range 7 {
		for _, cache := range Caches() {
			f := hits(t, cache, 30000)
			if was, ok := best[cache.Name]; ok {
				f.held = was.held
				f.cpu = min(f.cpu, was.cpu)
			}
			if round == 0 {
				f.held = memory(t, cache)
			}
			best[cache.Name] = f
		}
	}
	var table strings.Builder
	fmt.Fprint(&table, "| cache | hits in a second of processor time | to gregjones | allocations a hit | bytes allocated a hit | bytes held a response |\n| --- | --- | --- | --- | --- | --- |\n")
	ours, theirs := best["opencache"], best["gregjones"]
	for _, cache := range Caches() {
		f := best[cache.Name]
		fmt.Fprintf(&table, "| %s | %d | %.2f | %d | %d | %d |\n", cache.Name, time.Second/f.cpu, float64(theirs.cpu)/float64(f.cpu), f.allocs, f.bytes, f.held)
	}
	t.Logf("a hit of 1 KiB, one goroutine, best of 7 rounds\n%s", &table)
	if ours.cpu > theirs.cpu {
		t.Errorf("a hit takes %v, gregjones' %v", ours.cpu, theirs.cpu)
	}
}

// memory returns what the process grows by for a stored response of 1 KiB.
func memory(t *testing.T, cache Cache) int64 {
	rt := cache.New(t, origin1K(cache.Vary))
	r := request(t, "/")
	_ = fetch(rt, r)
	before := resident(t)
	for i := range held {
		r.URL.Path = fmt.Sprintf("/responses/of/1KiB/%d", i)
		if err := fetch(rt, r); err != nil {
			t.Fatal(err)
		}
	}
	grown := resident(t) - before
	r.URL.Path = "/" // rt is in use up to here
	_ = fetch(rt, r)
	return grown / held
}

// resident is the memory of the process, mappings outside the heap included.
func resident(t *testing.T) int64 {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("no VmRSS in /proc/self/status")
	return 0
}
