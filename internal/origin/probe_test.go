package origin

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheckFits(t *testing.T) {
	for _, tt := range []struct {
		statuses string
		status   int
		want     bool
	}{
		{"", 200, true}, {"", 302, true}, {"", 404, false}, {"", 500, false},
		{"204", 204, true}, {"204", 200, false}, {"200 4xx", 404, true}, {"200 4xx", 500, false}, {"any", 500, true},
	} {
		if got := (&Check{Statuses: tt.statuses}).fits(tt.status); got != tt.want {
			t.Errorf("%q, %d: got %t", tt.statuses, tt.status, got)
		}
	}
}

// How many checks in a row change what holds.
func TestStreak(t *testing.T) {
	for _, tt := range []struct{ checks, want string }{
		{"+++", "uuu"},
		{"--+--+", "uuuuuu"},
		{"---", "uud"},
		{"---+-++", "uuddddu"},
		{"----++---", "uuddduuud"},
	} {
		var s streak
		got := ""
		for _, c := range tt.checks {
			s.note(c == '+', 2, 3)
			got += map[bool]string{true: "d", false: "u"}[s.down]
		}
		if want := strings.ReplaceAll(tt.want, " ", ""); got != want {
			t.Errorf("%s: got %s, want %s", tt.checks, got, want)
		}
	}
}

// A Probe asks for its path again and again, ejects a server that fails and
// brings it back; one that does not answer in time fails; and Close gives up
// what is under way.
func TestProbe(t *testing.T) {
	ok, no := "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
	var heads atomic.Int32
	say := func(what string) func(p *peer) {
		return func(p *peer) {
			if head := p.head(); !strings.HasPrefix(head, "GET /well HTTP/1.1\r\nHost: health.test\r\n") {
				t.Errorf("the origin got %q", head)
			}
			heads.Add(1)
			if what != "" {
				p.say(what)
			}
			p.expectEnd()
		}
	}
	play(t, func(t *testing.T, u *Upstream) {
		u.MaxIdle, u.Host = -1, ""
		var circuit Circuit
		var tally Tally
		p := &Probe{Upstream: u, Circuit: &circuit, Tally: &tally, Slots: make(chan struct{}, 1), Random: func() uint64 { return 1 << 63 },
			Check: Check{Path: "/well", Host: "health.test", Interval: 10 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 2}}
		p.Start()
		p.Start()
		states := ""
		time.Sleep(time.Second)
		for range 9 {
			time.Sleep(10 * time.Second)
			states += circuit.State(time.Now()).String() + " "
		}
		p.Close()
		p.Close()
		if want := "up down down up up up down down down "; states != want {
			t.Errorf("got %q, want %q", states, want)
		}
		if got := fmt.Sprint(tally.Checks[0].Load(), tally.Checks[1].Load(), heads.Load()); got != "6 3 9" {
			t.Errorf("failed, went well, asked: got %s, want 6 3 9", got)
		}
	}, say(no), say(no), say(ok), say(ok), say(ok), say(""), say("nonsense\r\n\r\n"), say(no), say(no))
}

// A Probe that is closed before it starts never asks.
func TestProbeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Probe{Upstream: &Upstream{}, Circuit: new(Circuit)}
		p.Close()
		p.Start()
		time.Sleep(time.Hour)
	})
}

// Checks of many servers do not come together.
func TestJittered(t *testing.T) {
	for random, want := range map[uint64]time.Duration{0: 9 * time.Second, 1 << 63: 10 * time.Second, 1<<64 - 1: 11*time.Second - 1} {
		if got := jittered(10*time.Second, random); got != want {
			t.Errorf("%#x: got %v, want %v", random, got, want)
		}
	}
}
