package access

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A bucket, step by step: three tokens, one in ten seconds.
func TestRate(t *testing.T) {
	r := Rate{Every: 10 * time.Second, Burst: 3}
	var full int64
	for i, c := range []struct {
		at   time.Duration
		ok   bool
		left int
		wait time.Duration
	}{
		{0, true, 2, 0}, {0, true, 1, 0}, {0, true, 0, 10 * time.Second}, {0, false, 0, 10 * time.Second},
		{9 * time.Second, false, 0, time.Second}, {10 * time.Second, true, 0, 10 * time.Second}, {15 * time.Second, false, 0, 5 * time.Second},
		{30 * time.Second, true, 1, 0}, {time.Hour, true, 2, 0},
		{-time.Hour, false, 0, 10 * time.Second}, // the clock was set back: no worse than an empty bucket
		{10*time.Second - time.Hour, true, 0, 10 * time.Second},
	} {
		var got Taken
		full, got = r.take(full, int64(24*time.Hour+c.at))
		if got.OK != c.ok || got.Left != c.left || got.Wait != c.wait {
			t.Errorf("%d, at %s: got %+v, want %+v", i, c.at, got, c)
		}
	}
}

// The longest times with the largest bursts that documents may say still let
// requests through.
func TestRateOfLongTimes(t *testing.T) {
	now := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	for _, r := range []Rate{{24 * time.Hour, 200_000}, {24 * time.Hour, 10_000_000}, {time.Hour, 3_000_000}, {1 << 62, 2}} {
		full, got := r.take(0, now)
		if want := int(r.Window()/r.Every) - 1; !got.OK || got.Left != want || full <= now || r.Window() <= 0 {
			t.Errorf("%+v: got %+v, full in %d, want %d left", r, got, full-now, want)
		}
	}
}

// Whatever comes when: never more than burst and rate*time, in any stretch of
// time; and whoever waits as long as he was told gets his token.
func TestRateNeverGivesMore(t *testing.T) {
	for seed := range uint64(300) {
		x := rand.New(rand.NewPCG(seed, 1))
		r := Rate{Every: time.Duration(1 + x.Int64N(int64(time.Minute))), Burst: 1 + x.IntN(20)}
		var full int64
		now := int64(1e18)
		var given []int64
		for range 500 {
			now += x.Int64N(int64(r.Every) * 2 * int64(1+x.IntN(2)*x.IntN(r.Burst)))
			var got Taken
			if full, got = r.take(full, now); !got.OK {
				if _, after := r.take(full, now+int64(got.Wait)); !after.OK {
					t.Fatalf("seed %d: nothing after waiting for %s", seed, got.Wait)
				}
				continue
			}
			given = append(given, now)
		}
		for i := range given {
			for j := i; j < len(given); j++ {
				if most := int64(r.Burst) + (given[j]-given[i])/int64(r.Every); int64(j-i+1) > most {
					t.Fatalf("seed %d: %+v gave %d in %s, want %d at most", seed, r, j-i+1, time.Duration(given[j]-given[i]), most)
				}
			}
		}
	}
}

// However many others come in between, and push a client out of the table, it
// never gets more than its rate; and the table does not grow.
func TestRatesAreBounded(t *testing.T) {
	for seed := range uint64(20) {
		x := rand.New(rand.NewPCG(seed, 2))
		rates := NewRates(64)
		r := Rate{Every: time.Second, Burst: 5}
		start := time.Unix(1e9, 0)
		now := start
		given := 0
		for range 3000 {
			now = now.Add(time.Duration(x.IntN(int(20 * time.Millisecond))))
			for range x.IntN(40) { // a crowd of new clients, each asking as often as it can
				key := fmt.Appendf(nil, "crowd %d", x.IntN(5000))
				for range 1 + x.IntN(6) {
					rates.Take(key, r, now)
				}
			}
			if rates.Take([]byte("attacker"), r, now).OK {
				given++
			}
		}
		if most := r.Burst + int(now.Sub(start)/r.Every); given > most {
			t.Errorf("seed %d: got %d in %s, want %d at most", seed, given, now.Sub(start), most)
		}
		if n := len(rates.table.Load().sets) * rateWays; n < 64 || n > 128 {
			t.Errorf("got room for %d, want 64", n)
		}
	}
	if n := len(NewRates(16384).sets()) * rateWays; n != 16384 {
		t.Errorf("got room for %d, want 16384", n)
	}
}

// sets makes the table.
func (t *Rates) sets() []rateSet {
	t.Take(nil, Rate{Every: 1, Burst: 1}, time.Unix(1, 0))
	return t.table.Load().sets
}

// Clients do not take each other's tokens while there is room.
func TestRatesTellClientsApart(t *testing.T) {
	rates, now := NewRates(1<<14), time.Unix(1e9, 0)
	r := Rate{Every: time.Hour, Burst: 1}
	refused := 0
	for i := range 4000 {
		if !rates.Take(fmt.Append(nil, i), r, now).OK {
			refused++
		}
	}
	if refused > 4 { // some set of eight may be full
		t.Errorf("got %d of 4000 refused", refused)
	}
	if !testing.Short() && testing.AllocsPerRun(100, func() { rates.Take([]byte("x"), r, now) }) > 0 {
		t.Error("taking allocates")
	}
}
