package origin

import (
	"testing"
	"time"
)

// How many of a burst of retries a Budget allows, behind so many requests.
func TestBudget(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1e9, 0).Add(time.Duration(seconds) * time.Second) }
	for _, tt := range []struct {
		name     string
		b        *Budget
		requests int // at 0 s
		asked    int // for the retries, s
		want     int
	}{
		{"quiet", &Budget{Share: 0.2}, 1, 0, 10},
		{"quiet, with another least", &Budget{Share: 0.2, Least: 3}, 1, 0, 3},
		{"a fifth", &Budget{Share: 0.2}, 1000, 0, 200},
		{"of the last ten seconds", &Budget{Share: 0.2}, 1000, 9, 200},
		{"of no longer", &Budget{Share: 0.2}, 1000, 10, 10},
		{"long ago", &Budget{Share: 0.2}, 1000, 1000, 10},
		{"the clock was set back", &Budget{Share: 0.2}, 1000, -1000, 10},
		{"none", &Budget{Least: -1}, 1000, 0, 0},
		{"all", &Budget{Share: 1, Least: -1}, 50, 0, 50},
	} {
		for range tt.requests {
			tt.b.request(at(0))
		}
		got := 0
		for got < 10_000 && tt.b.spend(at(tt.asked)) {
			got++
		}
		if got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Over any time retries stay within the share, and come back as time passes.
func TestBudgetOverTime(t *testing.T) {
	b := Budget{Share: 0.1, Least: -1}
	now, retries := time.Unix(1e9, 0), 0
	for i := range 60_000 { // 100 requests a second for ten minutes, each of which would be tried again
		now = now.Add(10 * time.Millisecond)
		b.request(now)
		if b.spend(now) {
			retries++
		}
		if i > 10_000 && retries > i/10+100 {
			t.Fatalf("%d retries of %d requests", retries, i)
		}
	}
	if retries < 5_800 {
		t.Errorf("%d retries of 60000 requests, want about 6000", retries)
	}
	var none *Budget
	none.request(now)
	if !none.spend(now) {
		t.Error("no budget refuses")
	}
}
