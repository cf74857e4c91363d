package main

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// An origin answers requests that its grammar takes, and keeps what came: the
// raw bytes are cut into requests by scanRequest and by nothing else. Bytes
// that it refuses end their connection.
type origin struct {
	l    net.Listener
	done sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	act   *act
	conns map[net.Conn]bool
	count int // connections so far
}

// An act is one case as the origin plays it. Its fields that the case does not
// set are guarded by the origin's mutex.
type act struct {
	id     string
	early  bool
	status int
	script *testCase // how the first phase is answered; nil: in order

	over     bool      // the answer is in order from here on
	arrivals []arrival // in the order in which they were whole
	faults   []string  // why bytes were no request
	later    func()    // plays what the script has behind !later
	played   []net.Conn
}

// An arrival is a request that reached the origin whole, on which connection.
type arrival struct {
	conn int
	*message
}

func newOrigin() (*origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &origin{l: l, act: &act{}, conns: map[net.Conn]bool{}}
	o.done.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return // the listener was closed
			}
			o.mu.Lock()
			o.count++
			n := o.count
			o.conns[nc] = true
			o.mu.Unlock()
			o.done.Go(func() { o.serve(n, nc) })
		}
	})
	return o, nil
}

func (o *origin) addr() string { return o.l.Addr().String() }

func (o *origin) stop() {
	_ = o.l.Close()
	o.mu.Lock()
	for nc := range o.conns {
		_ = nc.Close()
	}
	o.mu.Unlock()
	o.done.Wait()
}

// play makes a the act.
func (o *origin) play(a *act) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.act = a
}

// saw returns what has come in this act so far.
func (o *origin) saw() (arrivals []arrival, faults []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]arrival(nil), o.act.arrivals...), append([]string(nil), o.act.faults...)
}

// finish ends the script: what is asked from now on is answered in order.
func (o *origin) finish() {
	o.mu.Lock()
	later := o.act.later
	o.act.over, o.act.later = true, nil
	o.mu.Unlock()
	if later != nil {
		later()
	}
}

// hangUp ends the connections on which the script was played.
func (o *origin) hangUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, nc := range o.act.played {
		_ = nc.(*net.TCPConn).CloseWrite() // ended already, if it fails
	}
}

// holdTime bounds what the origin waits for on one connection.
const holdTime = 60 * time.Second

func (o *origin) serve(n int, nc net.Conn) {
	defer func() {
		o.mu.Lock()
		delete(o.conns, nc)
		o.mu.Unlock()
		_ = nc.Close()
	}()
	_ = nc.SetDeadline(time.Now().Add(holdTime))
	var buf []byte
	answered, invited := false, false // the request under way: early, to send its content
	for piece := make([]byte, 64<<10); ; {
		m, size, err := scanRequest(buf)
		switch {
		case err == nil:
			if !o.take(arrival{n, m}, nc, answered) {
				return
			}
			buf, answered, invited = buf[size:], false, false
			continue
		case err != errMore:
			o.note(fmt.Sprintf("%v, in %q", err, buf[:min(len(buf), 400)]))
			_, _ = nc.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
			return
		}
		switch {
		case m == nil || answered:
		case o.early(m):
			answered = true
			o.answer(nc, m)
		case strings.EqualFold(m.field("expect"), "100-continue") && !invited:
			invited = true
			_, _ = nc.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
		}
		k, err := nc.Read(piece)
		buf = append(buf, piece[:k]...)
		if err != nil {
			return
		}
	}
}

func (o *origin) note(fault string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.act.faults = append(o.act.faults, fault)
}

// early reports whether a request of which only the head is there is answered.
func (o *origin) early(m *message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.act.early && strings.Contains(m.start[1], o.act.id)
}

// take notes a request and answers it; false: the connection is at its end.
func (o *origin) take(a arrival, nc net.Conn, answered bool) bool {
	o.mu.Lock()
	act := o.act
	act.arrivals = append(act.arrivals, a)
	scripted := act.script != nil && !act.over && strings.Contains(a.start[1], act.id) && !strings.HasPrefix(a.start[1], "/probe/")
	o.mu.Unlock()
	switch {
	case scripted:
		o.mu.Lock()
		act.played = append(act.played, nc)
		o.mu.Unlock()
		return o.perform(act, act.script.steps, nc)
	case !answered:
		o.answer(nc, a.message)
	}
	return true
}

// perform sends what a script says, up to !later.
func (o *origin) perform(a *act, steps []step, nc net.Conn) bool {
	if i := slices.IndexFunc(steps, func(s step) bool { return s.do == "later" }); i >= 0 {
		rest := steps[i+1:]
		steps = steps[:i]
		o.mu.Lock() // before the answer goes out, since finish may be called as soon as it is there
		a.later = func() {
			if !o.perform(a, rest, nc) {
				_ = nc.Close()
			}
		}
		o.mu.Unlock()
	}
	for _, s := range steps {
		switch s.do {
		case "":
			if _, err := nc.Write(expand(s.send, a.id)); err != nil {
				return false
			}
		case "next":
			time.Sleep(segment)
		case "close":
			return false
		case "reset":
			_ = nc.(*net.TCPConn).SetLinger(0)
			return false
		}
	}
	return true
}

// segment is how long bytes are given to be read before more follow.
const segment = 3 * time.Millisecond

// answer answers in order: what was asked, as the origin understood it, is in
// a field and in the content.
func (o *origin) answer(nc net.Conn, m *message) {
	o.mu.Lock()
	status := 200
	if o.act.status > 0 && strings.Contains(m.start[1], o.act.id) && !strings.HasPrefix(m.start[1], "/probe/") {
		status = o.act.status
	}
	if m.start[0] == "CONNECT" { // 2xx would make a tunnel (RFC 9110, 9.3.6)
		status = 405
	}
	o.mu.Unlock()
	echo := echoOf(m)
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d Status\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n", status, echo, len(echo))
	if m.start[0] != "HEAD" {
		b.WriteString(echo)
	}
	_, _ = nc.Write(b.Bytes()) // a proxy that is gone shows at the next read
}

// echoOf says what a request asked for. HEAD is told as GET: caches ask so.
func echoOf(m *message) string {
	method := m.start[0]
	if method == "HEAD" {
		method = "GET"
	}
	return fmt.Sprintf("%s %s host=%s content=%d", method, m.start[1], m.field("host"), len(m.body))
}

// smuggled is a request of 52 bytes that must not be one.
const smuggled = "GET /smuggled/$ID HTTP/1.1\r\nHost: desync.test\r\n\r\n"

// expand puts a case's word into its bytes.
func expand(raw []byte, id string) []byte {
	raw = bytes.ReplaceAll(raw, []byte("$SMUGGLED"), []byte(smuggled))
	return bytes.ReplaceAll(raw, []byte("$ID"), []byte(id))
}
