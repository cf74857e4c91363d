package main

import (
	"testing"
	"time"
)

func TestScheduleAt(t *testing.T) {
	for _, c := range []struct {
		rate uint64
		i    int64
		want int64
	}{
		{1000, 0, 0},
		{1000, 1, 1_000_000},
		{3, 1, 333_333_333},
		{3, 2, 666_666_666},
		{3, 3, 1_000_000_000},
		{70000, 7, 100_000},
		{70000, 70000 * 3600, int64(time.Hour)},
		{rateMax, rateMax * 7200, int64(2 * time.Hour)},
	} {
		if got := (schedule{c.rate}).at(c.i); got != c.want {
			t.Errorf("request %d at %d a second: got %d, want %d", c.i, c.rate, got, c.want)
		}
	}
}

func TestScheduleCount(t *testing.T) {
	for _, rate := range []uint64{1, 3, 7, 1000, 70000, 999_983} {
		s := schedule{rate}
		for _, d := range []time.Duration{0, 1, time.Millisecond, 333_333_333, 333_333_334, time.Second, 2*time.Second + 1} {
			n := s.count(d)
			if n > 0 && s.at(n-1) >= int64(d) && d > 0 {
				t.Errorf("%d a second for %v: got %d, but the last is due at %d", rate, d, n, s.at(n-1))
			}
			if s.at(n) < int64(d)-1 { // at rounds down
				t.Errorf("%d a second for %v: got %d, but one more is due at %d", rate, d, n, s.at(n))
			}
		}
		if got := s.count(time.Second); got != int64(rate) {
			t.Errorf("%d a second for 1 s: got %d, want %d", rate, got, rate)
		}
	}
}
