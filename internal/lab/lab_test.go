package lab

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"opencache/internal/store"
)

// A list is a trace of what a test says.
type list []Request

func (l *list) Next(r *Request) error {
	if len(*l) == 0 {
		return io.EOF
	}
	*r, *l = (*l)[0], (*l)[1:]
	return nil
}

// generate returns the trace of a spec.
func generate(t *testing.T, spec string) *Generator {
	t.Helper()
	g, err := ParseGenerator(spec)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// playTrace plays the trace as o says.
func playTrace(t *testing.T, trace Trace, o Options) *Report {
	t.Helper()
	report, err := Run(context.Background(), trace, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Every policy hits what is asked for again while there is room, and keeps
// within its size.
func TestPolicies(t *testing.T) {
	const each = 100 << 10 // above what one record takes
	for _, name := range Names() {
		var trace list
		for range 3 {
			for key := range uint64(10) {
				trace = append(trace, Request{key, each})
			}
		}
		trace = append(trace, Request{100, 9 << 20}, Request{100, 9 << 20}) // above half of the cache
		dir := t.TempDir()
		got := playTrace(t, &trace, Options{Sizes: []int64{Smallest}, Policies: []string{name}, Disk: 16 << 20, Dir: dir})
		if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
		r := got.Results[0]
		if got.Requests != 32 || got.Counted != 32 || got.Bytes != 30*each+18<<20 || r.Hits != 20 || r.HitBytes != 20*each {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// An object of many segments that lost some is no hit, but the bytes that are
// there count, and the others are put again.
func TestSegments(t *testing.T) {
	v, err := newVolume(4*Smallest, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	each := int64(v.zone.SegmentSize())
	r := Request{Key: 1, Size: 3*each + 5}
	key := keyOf(r.Key)
	if err := v.zone.Put(&store.Record{Hash: v.zone.Hash(key[:]), Key: key[:], Version: 7, Size: r.Size}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 3} {
		if err := v.zone.PutSegment(7, n, 0, [][]byte{v.content[:min(each, r.Size-int64(n)*each)]}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int64{each + 5, r.Size} {
		if there, hit := v.Request(r); there != want || hit != (want == r.Size) {
			t.Errorf("request %d: got %d of %d, %v; want %d", i, there, r.Size, hit, want)
		}
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// Memory over a disk keeps what memory alone does not, and says what it wrote.
func TestTiered(t *testing.T) {
	var trace list
	for range 2 {
		for key := range uint64(1000) {
			trace = append(trace, Request{key, 10 << 10})
		}
	}
	got := playTrace(t, &trace, Options{
		Sizes: []int64{Smallest}, Policies: []string{"opencache", Tiered}, Disk: 32 << 20, Dir: t.TempDir(), Warmup: 1000,
	})
	memory, tiered := got.Results[0], got.Results[1]
	if memory.Hits > 500 || tiered.Hits < 900 || memory.DiskWritten != 0 || tiered.DiskWritten == 0 || tiered.DiskAdmitted < 1000*10<<10 {
		t.Errorf("got %+v without a disk, %+v with one", memory, tiered)
	}
}

func TestWarmup(t *testing.T) {
	trace := list{{1, 10}, {1, 10}, {2, 10}, {1, 10}, {2, 10}}
	for warmup, want := range map[int64][3]int64{0: {5, 3, 30}, 1: {4, 3, 30}, 3: {2, 2, 20}, 5: {}, 9: {}} {
		again := append(list(nil), trace...)
		got := playTrace(t, &again, Options{Sizes: []int64{Smallest}, Policies: []string{"lru"}, Warmup: warmup})
		if r := got.Results[0]; [3]int64{got.Counted, r.Hits, r.HitBytes} != want || got.Requests != 5 {
			t.Errorf("warm-up of %d: got %+v, want %v", warmup, got, want)
		}
	}
}

// What ends a run early.
func TestRunErrors(t *testing.T) {
	if _, err := Run(context.Background(), &list{}, Options{Sizes: []int64{Smallest - 1}}); err == nil {
		t.Error("a cache too small: got no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, generate(t, "zipf"), Options{Sizes: []int64{Smallest}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// On slabs S3-FIFO hits nearly as often as item by item. All bounds, of more
// traces and sizes, are held by show 5-4.
func TestHitRatio(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("short or with the race detector: it moves gigabytes")
	}
	for _, test := range []struct {
		name, trace string
		size, mean  int64
		points      float64 // how much worse it may be
	}{
		{"1.4 KiB records in 64 MiB", "wonders:keys=400000,requests=1200000,size=1400", 64 << 20, 1 << 10, 1},
		{"small records in 256 MiB", "wonders:keys=100000,requests=500000", 256 << 20, 12 << 10, 0.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := generate(t, test.trace)
			got := playTrace(t, g, Options{
				Sizes: []int64{test.size}, Policies: []string{"s3-fifo", "opencache"},
				MeanObject: test.mean, Warmup: g.Requests / 3,
			})
			item, own := 100*got.Results[0].HitRatio, 100*got.Results[1].HitRatio
			t.Logf("hit ratio %.2f %% on slabs, %.2f %% item by item", own, item)
			if item-own > test.points {
				t.Errorf("got %.2f %%, want at most %.1f points less than %.2f %%", own, test.points, item)
			}
		})
	}
}
