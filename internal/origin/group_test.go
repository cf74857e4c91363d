package origin

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"opencache/internal/wire"
)

// A stand is a server that answers as it is told and notes that it was asked.
type stand struct {
	name   string
	asked  *[]string
	status int
	err    error
	closed *int
}

func (s stand) Exchange(context.Context, *wire.Request) (*wire.Response, error) {
	*s.asked = append(*s.asked, s.name)
	if s.err != nil {
		return nil, s.err
	}
	return &wire.Response{Status: s.status, Body: closeCounter{s.closed}}, nil
}

type closeCounter struct{ n *int }

func (closeCounter) Read([]byte) (int, error) { return 0, fmt.Errorf("not to be read") }
func (closeCounter) Trailer() *wire.Head      { return nil }
func (c closeCounter) Close() error           { *c.n++; return nil }

func failure(f Fault, sent bool) error {
	e := (&Upstream{Addr: "o"}).blame(f, fmt.Errorf("as told"))
	e.Sent = sent
	return e
}

// Which servers a request is sent to, by what they answer.
func TestGroupNext(t *testing.T) {
	dial, cut, late, bad := failure(Dial, false), failure(Cut, true), failure(HeadTimeout, true), failure(BadResponse, true)
	for _, tt := range []struct {
		name    string
		method  wire.Method
		next    Condition
		tries   int
		answers []any // of a, b, c: a status or an error
		want    string
		status  int
	}{
		{"the first answers", wire.GET, OnError, 0, []any{200, 200, 200}, "a", 200},
		{"no connection", wire.GET, OnError, 0, []any{dial, 200, 200}, "a b", 200},
		{"all down", wire.GET, OnError, 0, []any{dial, dial, dial}, "a b c", 0},
		{"tries", wire.GET, OnError, 2, []any{dial, dial, 200}, "a b", 0},
		{"off", wire.GET, 0, 0, []any{dial, 200, 200}, "a", 0},
		{"a timeout is no error", wire.GET, OnError, 0, []any{late, 200, 200}, "a", 0},
		{"a timeout", wire.GET, OnTimeout, 0, []any{late, 200, 200}, "a b", 200},
		{"not HTTP", wire.GET, OnError | OnTimeout, 0, []any{bad, 200, 200}, "a", 0},
		{"not HTTP, said", wire.GET, OnInvalidHeader, 0, []any{bad, 200, 200}, "a b", 200},
		{"500 stays", wire.GET, OnError | OnTimeout, 0, []any{500, 200, 200}, "a", 500},
		{"500 said", wire.GET, On500, 0, []any{500, 200, 200}, "a b", 200},
		{"the last 502 stays", wire.GET, On502, 0, []any{502, 502, 502}, "a b c", 502},
		{"404 said", wire.GET, On404, 0, []any{404, 404, 200}, "a b c", 200},
		{"another status", wire.GET, On404, 0, []any{403, 200, 200}, "a", 403},
		{"POST that nobody saw", wire.POST, OnError, 0, []any{dial, 200, 200}, "a b", 200},
		{"POST that may have arrived", wire.POST, OnError, 0, []any{cut, 200, 200}, "a", 0},
		{"POST, said", wire.POST, OnError | NonIdempotent, 0, []any{cut, 200, 200}, "a b", 200},
		{"POST answered 503", wire.POST, On503, 0, []any{503, 200, 200}, "a", 503},
		{"PUT", wire.PUT, OnError, 0, []any{cut, 200, 200}, "a b", 200},
		{"a client that left", wire.GET, OnError, 0, []any{failure(Canceled, true), 200, 200}, "a", 0},
		{"too many wait", wire.GET, OnError, 0, []any{failure(QueueFull, false), 200, 200}, "a b", 200},
	} {
		var asked []string
		closed := 0
		g := &Group{Next: tt.next, Tries: tt.tries}
		for i, answer := range tt.answers {
			s := stand{name: "abc"[i : i+1], asked: &asked, closed: &closed}
			if s.err, _ = answer.(error); s.err == nil {
				s.status = answer.(int)
			}
			g.Members = append(g.Members, Member{Exchanger: s})
		}
		var r wire.Request
		r.SetMethod(tt.method)
		resp, err := g.Exchange(t.Context(), &r)
		status := 0
		if err == nil {
			status = resp.Status
		}
		given := 0
		for i := range asked[:len(asked)-1] {
			if _, isErr := tt.answers[i].(error); !isErr {
				given++
			}
		}
		if got := strings.Join(asked, " "); got != tt.want || status != tt.status || closed != given {
			t.Errorf("%s: got %q, status %d, %d responses given back, want %q, %d, %d", tt.name, got, status, closed, tt.want, tt.status, given)
		}
	}
}

func TestGroupWeights(t *testing.T) {
	var asked []string
	g := &Group{}
	for i, weight := range []int{3, 1, 0} {
		g.Members = append(g.Members, Member{Exchanger: stand{name: "abc"[i : i+1], asked: &asked, status: 200, closed: new(int)}, Weight: weight})
	}
	g.Members = append(g.Members, Member{Exchanger: stand{name: "backup", asked: &asked, status: 200}, Backup: true})
	for range 10 {
		if _, err := g.Exchange(t.Context(), new(wire.Request)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := strings.Join(asked, " "), "a b a c a a b a c a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A server that answers is not left out, whatever its answer, unless that is one
// to pass on.
func TestGroupAnswersAreNoFailure(t *testing.T) {
	for status, want := range map[int]string{404: "a b a b", 403: "a b a b", 500: "a b a b", 429: "a b a b", 503: "a b b b b"} {
		var asked []string
		g := &Group{Next: On404 | On503, Tries: 2, Now: func() time.Time { return time.Unix(1e9, 0) }}
		for i, status := range []int{status, 200} {
			g.Members = append(g.Members, Member{Exchanger: stand{name: "ab"[i : i+1], asked: &asked, status: status, closed: new(int)}})
		}
		var r wire.Request
		r.SetMethod(wire.POST) // passed on by nothing but a failure to connect
		if status == 503 {
			r.SetMethod(wire.GET)
		}
		for range 4 {
			if _, err := g.Exchange(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(asked, " "); got != want {
			t.Errorf("%d: got %q, want %q", status, got, want)
		}
	}
}

// One that failed rests while others answer; the backup answers when all rest,
// and when it fails too they are asked again.
func TestGroupRest(t *testing.T) {
	var asked []string
	now := time.Unix(1e9, 0)
	dial := failure(Dial, false)
	g := &Group{Next: OnError, Now: func() time.Time { return now }}
	for i, backup := range []bool{false, false, true} {
		g.Members = append(g.Members, Member{Exchanger: stand{name: "abc"[i : i+1], asked: &asked, status: 200, closed: new(int)}, Backup: backup})
	}
	set := func(i int, err error) {
		s := g.Members[i].Exchanger.(stand)
		s.err = err
		g.Members[i].Exchanger = s
	}
	step := func(what, want string) {
		t.Helper()
		asked = asked[:0]
		var r wire.Request
		r.SetMethod(wire.GET)
		_, _ = g.Exchange(t.Context(), &r)
		if got := strings.Join(asked, " "); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	set(0, dial)
	step("a fails", "a b")
	step("a rests", "b")
	step("a rests still", "b")
	set(1, dial)
	step("b fails, too", "b c")
	step("both rest", "c")
	set(2, dial)
	set(1, nil)
	step("nobody is left but those that rest", "c b")
	set(0, nil)
	now = now.Add(11 * time.Second)
	step("all are back", "a")
	step("in turn", "b")
}

// What is withheld, and why; a first attempt never is.
func TestGroupWithheld(t *testing.T) {
	dial := failure(Dial, false)
	for _, tt := range []struct {
		name string
		g    *Group
		took time.Duration // by each attempt
		want string        // who was asked, why no more were
	}{
		{"nothing", &Group{}, 0, "a b c "},
		{"tries", &Group{Tries: 2}, 0, "a b next-upstream-tries"},
		{"time", &Group{Timeout: 3 * time.Second}, 2 * time.Second, "a b next-upstream-timeout"},
		{"budget", &Group{Budget: &Budget{Least: 1}}, 0, "a b retry-budget"},
		{"no budget at all", &Group{Budget: &Budget{Least: -1}}, 0, "a retry-budget"},
	} {
		var asked []string
		now := time.Unix(1e9, 0)
		g, tally := tt.g, new(Tally)
		g.Next, g.Tally, g.Now = OnError, tally, func() time.Time { return now }
		for i := range 3 {
			g.Members = append(g.Members, Member{Exchanger: passing{stand{name: "abc"[i : i+1], asked: &asked, err: dial}, func() { now = now.Add(tt.took) }}})
		}
		var r wire.Request
		r.SetMethod(wire.GET)
		r.Attempts = new(wire.Attempts)
		if _, err := g.Exchange(t.Context(), &r); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
		why := r.Attempts.Withheld
		if got := strings.Join(asked, " ") + " " + why.String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if got := tally.Retries.Load(); int(got) != len(asked)-1 || why != 0 && tally.Withheld[why].Load() != 1 {
			t.Errorf("%s: counted %d retries of %d attempts, %d withheld", tt.name, got, len(asked), tally.Withheld[why].Load())
		}
	}
}

// A passing server takes its time.
type passing struct {
	stand
	pass func()
}

func (p passing) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	p.pass()
	return p.stand.Exchange(ctx, r)
}

// The ways of picking, by whom they ask; who fails is gone around in each.
func TestGroupBalance(t *testing.T) {
	load := []int{3, 0, 5, 0}
	for _, tt := range []struct {
		balance Balance
		want    string
	}{
		{RoundRobin, "a b d d a b"},
		{LeastConn, "b d b d b d"},
		{RandomTwo, "d d d d d d"},
		{Hash, "b b b b b b"},
	} {
		var asked []string
		g := &Group{Balance: tt.balance, Next: OnError, Random: func() uint64 { return 1 << 62 }, Key: func(*wire.Request) uint64 { return HashKey([]byte("/x")) }}
		for i := range 4 {
			s := stand{name: "abcd"[i : i+1], asked: &asked, status: 200, closed: new(int)}
			if i == 2 { // the third is down
				s.err, s.asked = failure(Dial, false), new([]string)
			}
			g.Members = append(g.Members, Member{Exchanger: s, Name: s.name, Load: func() int { return load[i] }})
		}
		for range 6 {
			var r wire.Request
			r.SetMethod(wire.GET)
			if _, err := g.Exchange(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(asked, " "); got != tt.want {
			t.Errorf("%d: got %q, want %q", tt.balance, got, tt.want)
		}
	}
}

// A server whose content breaks off is left out, as one that fails before it.
func TestCutEjects(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.Circuit = new(Circuit)
		if _, _, err := fetch(u, get(t)); err == nil {
			t.Error("no error")
		}
		if got := u.Circuit.State(time.Now()); got != Ejected {
			t.Errorf("got %s, want %s", got, Ejected)
		}
	}, func(p *peer) { p.head(); p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut") })
}
