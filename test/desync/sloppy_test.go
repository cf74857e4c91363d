package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A sloppy proxy makes the mistakes that the corpus is about: it ends lines at
// any LF, counts the content of POST alone, by the first Content-Length, takes
// everything else as it comes, and sends all of it on one connection to the
// origin, of which it hands out whatever is next.
type sloppy struct {
	l    net.Listener
	up   net.Conn
	back *bufio.Reader
	turn chan struct{}
}

func startSloppy(t *testing.T) *rig {
	t.Helper()
	o, err := newOrigin()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sloppy{l: l, turn: make(chan struct{}, 1)}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return // the listener was closed
			}
			go s.serve(nc, o.addr())
		}
	}()
	t.Cleanup(func() { _ = l.Close(); o.stop() })
	return &rig{
		mode: mode{name: "sloppy", keepsHost: true, patience: 200 * time.Millisecond, end: 10 * time.Millisecond},
		addr: l.Addr().String(), origin: o,
	}
}

func (s *sloppy) serve(nc net.Conn, origin string) {
	defer func() { _ = nc.Close() }()
	in := bufio.NewReader(nc)
	for {
		head, length := "", 0
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			head += line
			if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "content-length") && strings.HasPrefix(head, "POST") && length == 0 {
				length, _ = strconv.Atoi(strings.TrimSpace(value))
			}
			if strings.TrimSpace(line) == "" {
				break
			}
		}
		body := make([]byte, min(max(length, 0), 1<<10))
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		if !s.relay(nc, head+string(body), origin) {
			return
		}
	}
}

// relay sends a request and hands back what comes.
func (s *sloppy) relay(nc net.Conn, request, origin string) bool {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.up == nil {
		up, err := net.Dial("tcp", origin)
		if err != nil {
			return false
		}
		s.up, s.back = up, bufio.NewReader(up)
	}
	_ = s.up.SetDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = io.WriteString(s.up, request)
	var raw []byte
	for {
		b, err := s.back.ReadByte()
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				_ = s.up.Close()
				s.up = nil
			}
			return len(raw) > 0
		}
		raw = append(raw, b)
		if _, _, err := scanAnswer(raw, "GET", false); err != errMore {
			_, err := nc.Write(raw)
			return err == nil
		}
	}
}

// TestJudgeSees makes sure that the judge finds what a bad proxy does: a case
// that cannot be failed proves nothing.
func TestJudgeSees(t *testing.T) {
	want := map[string]class{
		"cl-0/get-with-content":              desync,
		"te-cl/get-te-0":                     desync,
		"cl-te/length-zero":                  ambiguous,
		"te-te/space-before-colon":           ambiguous,
		"bare/lf-in-value":                   ambiguous,
		"bare/nul-in-value":                  ambiguous,
		"fold/blank":                         ambiguous,
		"host/twice-different":               ambiguous,
		"host/absolute-form-other-host":      ambiguous,
		"version/1.2":                        ambiguous,
		"length/twice-different":             ambiguous,
		"trailers/plain":                     desync,
		"pipeline/two":                       safe,
		"length/body-is-a-request":           safe,
		"surplus/answer-later":               desync,
		"surplus/answer-behind-length":       desync,
		"framing/length-and-chunks":          ambiguous,
		"head/value-with-nul":                ambiguous,
		"framing/length":                     safe,
		"surplus/content-longer-than-length": desync,
	}
	c := loadAll(t)
	seen := 0
	try := func(tc *testCase, run func(*rig, *testCase) result) {
		class, ok := want[tc.String()]
		if !ok {
			return
		}
		seen++
		t.Run(tc.String(), func(t *testing.T) {
			r := run(startSloppy(t), tc)
			if r.class < class || class == safe && r.class != safe {
				t.Errorf("got %v (%s; %s), want %v", r.class, r.told, strings.Join(r.why, "; "), class)
			}
		})
	}
	for _, tc := range c.requests {
		try(tc, (*rig).request)
	}
	for _, tc := range c.responses {
		try(tc, (*rig).response)
	}
	if seen != len(want) {
		t.Errorf("%d of %d cases are in the corpus", seen, len(want))
	}
}
