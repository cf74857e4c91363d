package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// response runs one case of a malicious origin: a client asks and gets what
// the script makes of it, then the same connection and another client send
// probes, and at last the same target is asked for again, of an origin that
// answers in order.
func (r *rig) response(c *testCase) result {
	t := &trial{testCase: c, rig: r, id: r.word()}
	a := &act{id: t.id, script: c}
	r.origin.play(a)
	got, body := t.listen()
	cross := r.ask("/probe/"+t.id+"/b", 200)
	if cross != "" {
		t.res.blame(desync, "another client: %s", cross)
	}
	t.again(got, body)
	arrivals, faults := r.origin.saw()
	for _, f := range faults {
		t.res.blame(ambiguous, "%s", f)
	}
	t.judgeAnswer(got, body)
	t.judgeReuse(got, arrivals)
	if t.res.class > safe {
		t.res.missed = fmt.Sprintf("%s: %v: %s", r.name, t.res.class, strings.Join(t.res.why, "; "))
	} else if !t.wanted(got, body, true) {
		t.res.missed = fmt.Sprintf("%s: the client got %s", r.name, describe(got, body))
	}
	t.res.told = describe(got, body)
	return t.res
}

func describe(got want, body string) string {
	switch got.what {
	case "cut":
		return "cut"
	case "whole":
		return fmt.Sprintf("whole %d %.40q", got.status, body)
	}
	return strconv.Itoa(got.status)
}

// listen asks and returns what the client got. Its probe comes behind it.
func (t *trial) listen() (got want, body string) {
	c, err := dial(t.rig.addr, t.head)
	if err != nil {
		t.res.blame(desync, "the proxy takes no connection: %v", err)
		return want{what: "cut"}, ""
	}
	t.client = c
	defer c.close()
	ask := t.ask
	if ask == "" {
		ask = "GET /$ID HTTP/1.1\r\nHost: desync.test\r\n\r\n"
	}
	c.send(expand([]byte(ask), t.id))
	c.until(func() bool { return len(c.answers) > 0 }, t.rig.patience)
	if len(c.answers) == 0 && !c.over() {
		// Some take a length that they can not read for none.
		t.rig.origin.hangUp()
		c.until(func() bool { return len(c.answers) > 0 }, t.rig.patience)
	}
	got = want{what: "cut"}
	if len(c.answers) > 0 {
		got.what, got.status, body = "whole", c.statuses()[0], string(c.answers[0].body)
		if got.status >= 500 && !strings.Contains(body, "hello") {
			got.what = "status"
		}
	}
	if c.fault != "" {
		t.res.blame(ambiguous, "the client reads: %s", c.fault)
	}
	t.rig.origin.finish()
	if c.over() {
		return got, body
	}
	if len(c.answers) == 0 {
		t.res.blame(ambiguous, "no answer, and no end")
		return got, body
	}
	n, interim := len(c.answers), c.interim
	mark := "/probe/" + t.id + "/a"
	c.send([]byte("GET " + mark + " HTTP/1.1\r\nHost: desync.test\r\n\r\n"))
	c.until(func() bool { return len(c.answers) > n }, t.rig.patience)
	switch {
	case c.interim > interim:
		t.res.blame(desync, "the next request gets an interim answer that is another's")
	case c.fault != "":
		t.res.blame(desync, "behind the answer the client reads: %s", c.fault)
	case len(c.answers) > n:
		if fault := t.rig.echoFault(c.answers[n], mark); fault != "" {
			t.res.blame(desync, "the next request: %s", fault)
		}
	case !c.over():
		t.res.blame(desync, "the next request is not answered")
	}
	return got, body
}

// again asks for the same target of an origin that answers in order: what is
// stored must be what the client was given whole.
func (t *trial) again(got want, body string) {
	if t.ask != "" && !strings.HasPrefix(t.ask, "GET /$ID HTTP/1.1") && !strings.HasPrefix(t.ask, "HEAD /$ID HTTP/1.1") {
		return
	}
	c, err := dial(t.rig.addr, "GET")
	if err != nil {
		t.res.blame(desync, "the proxy takes no connection: %v", err)
		return
	}
	defer c.close()
	c.send([]byte("GET /" + t.id + " HTTP/1.1\r\nHost: desync.test\r\nConnection: close\r\n\r\n"))
	c.until(func() bool { return len(c.answers) > 0 }, max(t.rig.patience, 3*time.Second))
	if len(c.answers) == 0 {
		t.res.blame(desync, "asked again it is not answered: %s %q", c.fault, brief(c.raw))
		return
	}
	if t.rig.echoFault(c.answers[0], "/"+t.id) == "" {
		return
	}
	if status := c.statuses()[0]; got.what != "whole" || status != got.status || string(c.answers[0].body) != body {
		t.res.blame(desync, "asked again it is answered %d %.40q", status, c.answers[0].body)
	}
}

// wanted reports whether got is among what the case wants; own leaves out
// what is for others.
func (t *trial) wanted(got want, body string, own bool) bool {
	for _, w := range t.want {
		if w.others && own || w.what != got.what {
			continue
		}
		if w.what == "cut" || w.status == got.status && (w.what == "status" || w.body == body) {
			return true
		}
	}
	return false
}

// judgeAnswer: a 5xx and an answer that is visibly cut are always safe, a
// whole one only when it is the one that the RFC reads there.
func (t *trial) judgeAnswer(got want, body string) {
	switch got.what {
	case "status":
		t.res.class = max(t.res.class, refused)
	case "cut":
		t.res.class = max(t.res.class, cut)
	default:
		t.res.class = max(t.res.class, safe)
		if !t.wanted(got, body, false) {
			t.res.blame(ambiguous, "the client takes for whole: %s", describe(got, body))
		}
	}
}

// judgeReuse: a connection on which the end of an answer can not be told, or
// on which came what nobody asked for, carries no other request. RFC 9112, 6.3
// lets a client throw such bytes away and go on; who does so depends on all of
// them being there.
func (t *trial) judgeReuse(got want, arrivals []arrival) {
	if !t.alone && (got.what == "whole" || t.framed || t.client.fault != "") {
		return
	}
	bad := 0
	for _, a := range arrivals {
		switch {
		case strings.Contains(a.start[1], t.id) && !strings.HasPrefix(a.start[1], "/probe/") && bad == 0:
			if t.head != "GET" && a.start[0] == "GET" {
				return // a cache asked for the content, and got it
			}
			bad = a.conn
		case a.conn == bad:
			t.res.blame(ambiguous, "the connection is used again, for %s", a.start[1])
			return
		}
	}
}
