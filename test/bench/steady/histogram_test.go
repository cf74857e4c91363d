package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	// Every bucket begins where the one before it ends, and ends where bucket says.
	for i := range buckets {
		end := bucketEnd(i)
		if got := bucket(end); got != i && end <= valueMax {
			t.Fatalf("bucket(%d): got %d, want %d", end, got, i)
		}
		if got := bucket(end + 1); got != i+1 && end < valueMax {
			t.Fatalf("bucket(%d): got %d, want %d", end+1, got, i+1)
		}
	}
	if got := bucket(valueMax); got >= buckets {
		t.Errorf("bucket(%d): got %d, want less than %d", int64(valueMax), got, buckets)
	}
}

func TestQuantiles(t *testing.T) {
	for _, size := range []int{1, 2, 10, 999, 10000} {
		r := rand.New(rand.NewPCG(1, uint64(size)))
		var h histogram
		values := make([]int64, size)
		for i := range values {
			values[i] = int64(r.ExpFloat64() * float64(time.Millisecond))
			h.add(values[i])
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
			rank := max(int(q*float64(size)+0.999999), 1)
			want := values[rank-1]
			if got := h.quantile(q); got < want || float64(got) > float64(want)*1.008+1 {
				t.Errorf("quantile %v of %d values: got %d, want from %d to 0.8 %% above", q, size, got, want)
			}
		}
		if got, want := h.top, values[size-1]; got != want {
			t.Errorf("maximum of %d values: got %d, want %d", size, got, want)
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing: got %d, want 0", got)
	}
	h.add(-5)
	h.add(1 << 62)
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("quantile 0.5 of -5 and 1<<62: got %d, want 0", got)
	}
	if h.n != 2 || h.top != 1<<62 {
		t.Errorf("count and maximum: got %d and %d, want 2 and %d", h.n, h.top, int64(1<<62))
	}
}
