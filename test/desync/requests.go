package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A class is what became of a case, from the best to the worst.
type class int

const (
	refused   class = iota // requests: nothing whole reached the origin; responses: the proxy's own 5xx
	cut                    // responses: an answer that is visibly incomplete
	safe                   // requests forwarded in the one way that they can be read; responses whole and right
	ambiguous              // bytes passed on that the grammar does not take, or a wrong answer taken for right
	desync                 // an answer or a request that was not this one's
)

func (c class) String() string {
	return [...]string{"refused", "cut", "safe", "ambiguous", "desync"}[c]
}

// A result is what became of a case on one peer.
type result struct {
	class class
	// told is what the client was told: statuses, and whether the connection
	// was closed.
	told string
	why  []string // of ambiguous and desync
	// missed is how it differs from what the case wants; it counts for
	// opencache alone. Empty: it does not.
	missed string
}

// worst joins what became of a case in several modes.
func worst(all []result) result {
	w := all[0]
	for _, r := range all[1:] {
		if r.class > w.class {
			w.class, w.told = r.class, r.told
		}
		w.why = append(w.why, r.why...)
		if w.missed == "" {
			w.missed = r.missed
		}
	}
	slices.Sort(w.why)
	w.why = slices.Compact(w.why)
	return w
}

// blame notes the worst that became of a case, and why.
func (r *result) blame(c class, format string, args ...any) {
	r.class = max(r.class, c)
	r.why = append(r.why, fmt.Sprintf(format, args...))
}

// A trial is one request case on one rig.
type trial struct {
	*testCase
	rig    *rig
	id     string
	client *client
	res    result

	first  []int // statuses before the probe
	closed bool  // before the probe
	probed bool  // the probe was answered
	late   int   // answers behind first, the probe's among them
}

// word returns a word for a case, six bytes long as the cases' lengths want.
func (r *rig) word() string {
	r.cases++
	return fmt.Sprintf("c%05d", r.cases)
}

// request runs one case: the bytes, a probe behind them, another client's
// probe, and another client's request for the same target.
func (r *rig) request(c *testCase) result {
	t := &trial{testCase: c, rig: r, id: r.word()}
	r.origin.play(&act{id: t.id, early: c.early, status: c.status})
	t.speak()
	arrivals, _ := r.origin.saw()
	cross := r.ask("/probe/"+t.id+"/b", 200)
	again := r.ask("/"+t.id, max(c.status, 200))
	after, faults := r.origin.saw()
	t.judge(arrivals)
	for _, why := range []string{cross, again} {
		if why != "" {
			t.res.blame(desync, "another client: %s", why)
		}
	}
	t.judgeBytes(after, faults)
	if t.res.missed = t.missed(arrivals); t.res.missed != "" {
		t.res.missed = r.name + ": " + t.res.missed
	}
	t.res.told = told(t.first, t.closed)
	return t.res
}

// speak is the client's part.
func (t *trial) speak() {
	c, err := dial(t.rig.addr, t.head)
	if err != nil {
		t.res.blame(desync, "the proxy takes no connection: %v", err)
		t.client = &client{ended: true}
		return
	}
	t.client = c
	defer c.close()
	for _, s := range t.steps {
		switch s.do {
		case "":
			c.send(expand(s.send, t.id))
		case "next":
			time.Sleep(segment)
		case "await":
			n := len(c.answers) + c.interim
			c.until(func() bool { return len(c.answers)+c.interim > n }, t.rig.patience)
		case "fin":
			_ = c.nc.(interface{ CloseWrite() error }).CloseWrite()
		}
	}
	w := t.want[0]
	patience := t.rig.patience
	if w.what == "waits" {
		patience = 50 * time.Millisecond
	}
	c.until(func() bool { return w.what != "waits" && w.what != "dropped" && len(c.answers) >= t.answers() }, patience)
	if w.closed { // an answer and the connection's end are two steps
		c.until(func() bool { return false }, t.rig.end)
	}
	t.first, t.closed = c.statuses(), c.over()
	if t.closed || t.noprobe || w.what == "waits" {
		return
	}
	mark := "/probe/" + t.id + "/a"
	c.send([]byte("GET " + mark + " HTTP/1.1\r\nHost: desync.test\r\n\r\n"))
	var probe *message
	c.until(func() bool {
		probe = nil
		for _, m := range c.answers[len(t.first):] {
			// Some wait for more bytes before they answer what came before.
			if echo := m.field("x-echo"); echo == "" || strings.Contains(echo, "/probe/") || strings.Contains(echo, "/smuggled/") {
				probe = m
			}
		}
		return probe != nil
	}, t.rig.patience)
	switch {
	case probe == nil: // closed, or nothing: judge knows
	case probe.start[1] != "200":
		// Told off: the connection was not the case's to go on with.
	default:
		t.probed = true
		if fault := t.rig.echoFault(probe, mark); fault != "" {
			t.res.blame(desync, "the probe: %s", fault)
		}
	}
	t.late = len(c.answers) - len(t.first)
}

// answers is how many final answers are wanted.
func (t *trial) answers() int {
	switch w := t.want[0]; w.what {
	case "refused":
		return w.n + 1
	case "forwarded":
		return w.n
	case "answered":
		return 1
	}
	return 0
}

// ask is another client's GET; it returns what was wrong with its answer.
func (r *rig) ask(target string, status int) string {
	c, err := dial(r.addr, "GET")
	if err != nil {
		return err.Error()
	}
	defer c.close()
	c.send([]byte("GET " + target + " HTTP/1.1\r\nHost: desync.test\r\nConnection: close\r\n\r\n"))
	c.until(func() bool { return len(c.answers) > 0 }, max(r.patience, 3*time.Second))
	switch {
	case len(c.answers) == 0:
		return fmt.Sprintf("%s is not answered: %s %q", target, c.fault, brief(c.raw))
	case c.interim > 0:
		return fmt.Sprintf("%s is answered with an interim answer that is another's", target)
	case c.answers[0].start[1] != fmt.Sprint(status):
		return fmt.Sprintf("%s is answered %s", target, c.answers[0].start[1])
	}
	return r.echoFault(c.answers[0], target)
}

// echoFault returns how an answer differs from that to a GET of target.
func (r *rig) echoFault(m *message, target string) string {
	host := r.origin.addr()
	if r.keepsHost {
		host = "desync.test"
	}
	want := fmt.Sprintf("GET %s host=%s content=0", target, host)
	if got := m.field("x-echo"); got != want || string(m.body) != want {
		return fmt.Sprintf("%s is answered with %q %q", target, got, brief(m.body))
	}
	return ""
}

// own are the requests among all that are the case's; probes are not.
func (t *trial) own(all []arrival) (own []arrival) {
	for _, a := range all {
		if !strings.HasPrefix(a.start[1], "/probe/") && !strings.HasPrefix(a.start[1], "/smuggled/") {
			own = append(own, a)
		}
	}
	return own
}

// judge looks at what came before another client asked.
func (t *trial) judge(arrivals []arrival) {
	own := t.own(arrivals)
	if len(own) > 0 {
		t.res.class = max(t.res.class, safe)
	}
	for _, a := range arrivals {
		switch {
		case strings.HasPrefix(a.start[1], "/smuggled"):
			t.res.blame(desync, "content became a request: %s %s", a.start[0], a.start[1])
		case strings.HasPrefix(a.start[1], "/probe/"):
			if a.start[0] != "GET" || len(a.body) > 0 {
				t.res.blame(desync, "the probe became %s %s with %d bytes of content", a.start[0], a.start[1], len(a.body))
			}
		case strings.Contains(string(a.body), "GET /probe/"):
			t.res.blame(desync, "the probe became content")
		}
	}
	most := t.want[0].n
	if t.want[0].what != "forwarded" {
		most++
	}
	if t.most >= 0 {
		most = t.most
	}
	if len(own) > most {
		t.res.blame(desync, "%d requests of at most %d", len(own), most)
	}
	good := slices.DeleteFunc(slices.Clone(t.first), func(status int) bool { return status >= 400 })
	if len(good) > max(most, t.answers(), 1) {
		t.res.blame(desync, "%d answers", len(good))
	}
	if len(own) > 0 && !t.closed && !t.noprobe && !t.probed && !t.client.over() && t.want[0].what != "waits" && t.late == 0 {
		t.res.blame(desync, "the probe is not answered")
	}
	for _, s := range t.sees {
		if fault := t.unseen(own, s); fault != "" {
			t.res.blame(ambiguous, "%s", fault)
		}
	}
}

// unseen returns how the first request differs from what is to be seen of it.
func (t *trial) unseen(own []arrival, s pair) string {
	if s.name == "host" && !t.rig.keepsHost || len(own) == 0 {
		return ""
	}
	return sees(own[0], s, t.id)
}

// judgeBytes looks at all that came in the act.
func (t *trial) judgeBytes(all []arrival, faults []string) {
	for _, f := range faults {
		t.res.blame(ambiguous, "%s", f)
	}
	for _, a := range all {
		if strings.HasPrefix(a.start[1], "/smuggled") {
			t.res.blame(desync, "content became a request: %s %s", a.start[0], a.start[1])
		}
	}
}

// sees returns how a request differs from what the origin is to see.
func sees(a arrival, s pair, id string) string {
	want := string(expand([]byte(s.value), id))
	var got string
	switch s.name {
	case "method":
		got = a.start[0]
	case "target": // RFC 9112, 3.2.2: a server takes both forms
		got = strings.TrimPrefix(a.start[1], "http://"+a.field("host"))
	case "body":
		got = string(a.body)
	case "host":
		got = a.field("host")
	case "lacks":
		if v := a.values(strings.ToLower(want)); v != nil {
			return fmt.Sprintf("the origin sees %s %q", want, v)
		}
		return ""
	case "field":
		name, value, _ := strings.Cut(want, ": ")
		want, got = value, strings.Join(a.values(strings.ToLower(name)), " | ")
	default:
		return "no such thing to see: " + s.name
	}
	if got != want {
		return fmt.Sprintf("the origin sees %s %q, want %q", s.name, got, want)
	}
	return ""
}

// missed returns how the case differs from all that it wants.
func (t *trial) missed(arrivals []arrival) (fault string) {
	if t.res.class > safe {
		return fmt.Sprintf("%v: %s", t.res.class, strings.Join(t.res.why, "; "))
	}
	for _, w := range t.want {
		f := t.missedOne(w, t.own(arrivals))
		if f == "" {
			return ""
		}
		fault = cmp.Or(fault, f)
	}
	return fault
}

func (t *trial) missedOne(w want, own []arrival) string {
	statuses := slices.Repeat([]int{max(t.status, 200)}, w.n)
	if w.status > 0 {
		statuses = append(statuses, w.status)
	}
	switch {
	case t.client.fault != "":
		return "its answer: " + t.client.fault
	case len(own) != w.n:
		return fmt.Sprintf("%d requests reached the origin, want %d; told %s", len(own), w.n, told(t.first, t.closed))
	case !slices.Equal(t.first, statuses) || t.closed != w.closed:
		return fmt.Sprintf("told %s, want %s", told(t.first, t.closed), told(statuses, w.closed))
	case !w.closed && !t.noprobe && w.what != "waits" && !t.probed:
		return "the probe behind it is not answered"
	}
	for _, s := range t.ours {
		if fault := t.unseen(own, s); fault != "" {
			return fault
		}
	}
	return ""
}

// told is what a client was told, in words.
func told(statuses []int, closed bool) string {
	text := strings.Trim(fmt.Sprint(statuses), "[]")
	if text == "" {
		text = "nothing"
	}
	if closed {
		text += ", closed"
	}
	return text
}
