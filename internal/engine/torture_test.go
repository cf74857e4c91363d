package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"opencache/internal/wire"
)

// TestTorture has many clients ask a store that is far too small for objects
// of all sizes from an origin that lies, cuts, changes and refuses, while
// others purge. Whatever ends whole must be one version's bytes, all of them.
func TestTorture(t *testing.T) {
	g := newRigOf(t, 8<<20, func(n int, r *wire.Request) (*wire.Response, error) { return tortured(r) })
	g.pol.HitForMiss = time.Millisecond
	g.pol.LockAge = 20 * time.Millisecond
	defer g.close()
	end := time.Now().Add(2 * time.Second)
	var wg sync.WaitGroup
	for i := range 24 {
		rnd := rand.New(rand.NewPCG(uint64(i), 7))
		wg.Go(func() {
			for time.Now().Before(end) {
				torment(t, g, rnd)
			}
		})
	}
	wg.Wait()
}

func torment(t *testing.T, g *rig, rnd *rand.Rand) {
	target := fmt.Sprintf("/o%d", rnd.IntN(12))
	if rnd.IntN(40) == 0 {
		g.e.Purge([]byte("http://origin.test"+target), rnd.IntN(2) == 0)
		return
	}
	var fields []string
	switch rnd.IntN(6) {
	case 0:
		fields = append(fields, fmt.Sprintf("Range: bytes=%d-%d", rnd.IntN(1<<19), 1<<19+rnd.IntN(1<<19)))
	case 1:
		fields = append(fields, "Cache-Control: no-cache")
	case 2:
		fields = append(fields, fmt.Sprintf("X-Lang: %d", rnd.IntN(3)))
	}
	s := newSink()
	if rnd.IntN(4) == 0 {
		gone := rnd.IntN(1 << 20)
		s.gate = func(n int) error {
			if gone -= n; gone < 0 {
				return errGone
			}
			time.Sleep(time.Duration(rnd.IntN(200)) * time.Microsecond)
			return nil
		}
	}
	g.run(s, "GET", target, fields...)
	if !s.ended || s.aborted || s.reply.Err != nil || s.reply.Status >= 416 {
		return
	}
	seed, err := strconv.Atoi(s.field("X-Version"))
	if err != nil {
		t.Errorf("%s: status %d without a version: %q", target, s.reply.Status, s.fields)
		return
	}
	want := content(target, seed)
	if s.reply.Status == 206 {
		var first, last, size int
		if n, _ := fmt.Sscanf(s.field("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); n != 3 || size != len(want) {
			t.Errorf("%s: Content-Range %q for %d bytes", target, s.field("Content-Range"), len(want))
			return
		}
		want = want[first : last+1]
	}
	if got := s.body.String(); got != want {
		t.Errorf("%s %v: got %d bytes of version %d, want %d; %+v", target, fields, len(got), seed, len(want), s.out)
	}
}

// tortured answers from a version of the object that changes every few
// milliseconds.
func tortured(r *wire.Request) (*wire.Response, error) {
	target := string(r.Target())
	version := int(time.Now().UnixMilli() / 40)
	tag := fmt.Sprintf("%q", strconv.Itoa(version))
	if string(r.Get(wire.IfNoneMatch)) == tag {
		return streamed(fmt.Sprintf("304 Not Modified\r\nETag: %s\r\nX-Version: %d", tag, version), nil), nil
	}
	body := content(target, version)
	head := fmt.Sprintf("200 OK\r\nX-Version: %d\r\nContent-Length: %d", version, len(body))
	var from, to int
	if n, _ := fmt.Sscanf(string(r.Get(wire.Range)), "bytes=%d-%d", &from, &to); n == 2 && string(r.Get(wire.IfRange)) == tag {
		head = fmt.Sprintf("206 Partial Content\r\nX-Version: %d\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d",
			version, from, to, len(body), to-from+1)
		body = body[from : to+1]
	}
	switch rand.IntN(12) {
	case 0:
		return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: io.ErrUnexpectedEOF}
	case 1:
		body = body[:rand.IntN(len(body)+1)] // cut short
	case 2:
		return streamed(head+"\r\nCache-Control: private", strings.NewReader(body)), nil
	case 3:
		return streamed("503 Busy\r\nContent-Length: 0", strings.NewReader("")), nil
	case 4:
		return streamed(head+"\r\nCache-Control: max-age=1\r\nVary: X-Lang\r\nETag: "+tag, strings.NewReader(body)), nil
	case 5:
		return streamed(head+"\r\nCache-Control: max-age=1", strings.NewReader(body)), nil // no validator
	}
	return streamed(head+"\r\nCache-Control: max-age=0, stale-while-revalidate=1\r\nETag: "+tag, strings.NewReader(body)), nil
}

// content is what an object's version holds: 0 to 3 MiB.
func content(target string, version int) string {
	rnd := rand.New(rand.NewPCG(uint64(version), uint64(len(target))+uint64(target[len(target)-1])))
	size := rnd.IntN(3 << 20)
	if rnd.IntN(2) == 0 {
		size = rnd.IntN(80 << 10)
	}
	stamp := fmt.Sprintf("%s@%d|", target, version)
	var b strings.Builder
	b.Grow(size + 64)
	for i := 0; b.Len() < size; i++ {
		b.WriteString(stamp)
		b.WriteString(strconv.Itoa(i))
	}
	return b.String()[:size]
}
