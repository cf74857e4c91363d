package origin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a Circuit makes of what a server does, step by step: +N moves the time by
// N seconds, ask begins a request (ask! one that is to tell how the server is),
// ok and fail end the one asked last, gone gives it up, down and rise are what
// checks come to.
func TestCircuit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		c     *Circuit
		steps string
		want  string // state and share
	}{
		{"at first", &Circuit{}, "", "up 1000"},
		{"a failure ejects", &Circuit{}, "ask fail", "ejected 1000"},
		{"for failTimeout", &Circuit{}, "ask fail +9", "ejected 1000"},
		{"then it is tried", &Circuit{}, "ask fail +10", "trying 1000"},
		{"by one request", &Circuit{}, "ask fail +10 ask! +1", "trying 1000"},
		{"that may not come back", &Circuit{}, "ask fail +10 ask! +10 ask!", "trying 1000"},
		{"an answer brings it back", &Circuit{}, "ask fail +10 ask! ok", "up 1000"},
		{"a failure does not", &Circuit{}, "ask fail +10 ask! fail +9", "ejected 1000"},
		{"nor does a client that leaves, but the next request is a trial", &Circuit{}, "ask fail +10 ask! gone +0 ask! ok", "up 1000"},
		{"asked since nobody else is left", &Circuit{}, "ask fail +1 ask! ok", "up 1000"},
		{"an answer from before says nothing", &Circuit{}, "ask fail ok", "ejected 1000"},
		{"of three", &Circuit{MaxFails: 3}, "ask fail ask fail", "up 1000"},
		{"of three, the third", &Circuit{MaxFails: 3}, "ask fail +9 ask fail +9 ask fail", "ejected 1000"},
		{"answers between do not matter, as in nginx", &Circuit{MaxFails: 2}, "ask fail ask ok ask fail", "ejected 1000"},
		{"unless later", &Circuit{MaxFails: 2}, "ask fail +10 ask! ok ask fail", "up 1000"},
		{"never", &Circuit{MaxFails: -1}, "ask fail ask fail ask fail", "up 1000"},
		{"in another time", &Circuit{FailTimeout: time.Minute}, "ask fail +59", "ejected 1000"},
		{"slowly", &Circuit{SlowStart: 20 * time.Second}, "ask fail +10 ask! ok +5", "up 250"},
		{"at once hardly at all", &Circuit{SlowStart: 20 * time.Second}, "ask fail +10 ask! ok", "up 1"},
		{"until it is whole", &Circuit{SlowStart: 20 * time.Second}, "ask fail +10 ask! ok +20", "up 1000"},
		{"not slowly at first", &Circuit{SlowStart: 20 * time.Second}, "+1", "up 1000"},
		{"checks", &Circuit{}, "down", "down 1000"},
		{"checks are not outwaited", &Circuit{}, "down +100 ask ok", "down 1000"},
		{"checks clear what failed before", &Circuit{}, "ask fail down rise", "up 1000"},
		{"checks bring it back slowly", &Circuit{SlowStart: 20 * time.Second}, "down rise +10", "up 500"},
		{"checks that never failed clear nothing", &Circuit{}, "ask fail rise", "ejected 1000"},
	} {
		now, trial := time.Unix(1e9, 0), false
		for _, step := range strings.Fields(tt.steps) {
			var seconds int
			switch _, err := fmt.Sscanf(step, "+%d", &seconds); {
			case err == nil:
				now = now.Add(time.Duration(seconds) * time.Second)
			case step == "ask", step == "ask!":
				if trial = tt.c.begin(now); trial != (step == "ask!") {
					t.Errorf("%s: %q: trial is %t at %s", tt.name, tt.steps, trial, step)
				}
			case step == "down", step == "rise":
				tt.c.check(step == "down", now)
			default:
				tt.c.end(map[string]ending{"ok": well, "fail": failed, "gone": untold}[step], now, trial)
			}
		}
		_, share := tt.c.look(now)
		if got := fmt.Sprint(tt.c.State(now), " ", share); got != tt.want {
			t.Errorf("%s: %q: got %q, want %q", tt.name, tt.steps, got, tt.want)
		}
	}
}

// A Circuit takes over what another one knew; of checks only where there are
// some.
func TestCircuitInherit(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		checked bool
		do      func(*Circuit)
		want    State
	}{
		{false, func(c *Circuit) { c.end(failed, now, false) }, Ejected},
		{true, func(c *Circuit) { c.check(true, now) }, Down},
		{false, func(c *Circuit) { c.check(true, now) }, Up},
	} {
		var was, is Circuit
		tt.do(&was)
		is.Inherit(&was, tt.checked)
		if got := is.State(now); got != tt.want || is.Ejections() != 1 {
			t.Errorf("checked %t: got %s after %d ejections, want %s after 1", tt.checked, got, is.Ejections(), tt.want)
		}
	}
}

// TestCircuitChanged: who is told of changes hears of each once, whoever noticed.
func TestCircuitChanged(t *testing.T) {
	var told []State
	c := Circuit{MaxFails: 2, Changed: func(s State) { told = append(told, s) }}
	at := time.Unix(1000, 0)
	c.end(failed, at, false)
	c.end(failed, at, false)
	c.end(failed, at, false)
	c.check(false, at)
	c.end(well, at.Add(11*time.Second), c.begin(at.Add(11*time.Second)))
	c.check(true, at)
	c.check(true, at)
	c.end(failed, at, false)
	c.end(failed, at, false)
	c.check(false, at)
	if want := []State{Ejected, Up, Down, Up}; !slices.Equal(told, want) {
		t.Errorf("got %v, want %v", told, want)
	}
}
