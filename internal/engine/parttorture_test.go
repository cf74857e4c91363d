package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// TestTortureParts has clients ask for random ranges of objects that change,
// some of which have no strong validator, in a store that is too small, while
// others purge: what ends whole is of the version that its ETag names.
func TestTortureParts(t *testing.T) {
	g := newRigOf(t, 8<<20, func(n int, r *wire.Request) (*wire.Response, error) { return torturedPart(r), nil })
	g.pol.PassRange = true
	g.pol.HitForMiss = time.Millisecond
	g.pol.LockAge = 20 * time.Millisecond
	defer g.close()
	end := time.Now().Add(2 * time.Second)
	var wg sync.WaitGroup
	for i := range 16 {
		rnd := rand.New(rand.NewPCG(uint64(i), 14))
		wg.Go(func() {
			for time.Now().Before(end) {
				tormentPart(t, g, rnd)
			}
		})
	}
	wg.Wait()
}

func tormentPart(t *testing.T, g *rig, rnd *rand.Rand) {
	target := fmt.Sprintf("/p%d", rnd.IntN(6))
	if rnd.IntN(100) == 0 {
		g.e.Purge([]byte("http://origin.test"+target), rnd.IntN(2) == 0)
		return
	}
	length := len(partContent(target, 0))
	one := func() string {
		switch at := rnd.IntN(length); rnd.IntN(4) {
		case 0:
			return fmt.Sprintf("-%d", 1+rnd.IntN(length/4))
		case 1:
			return fmt.Sprintf("%d-", at)
		default:
			return fmt.Sprintf("%d-%d", at, at+rnd.IntN(length/4))
		}
	}
	var fields []string
	switch rnd.IntN(8) {
	case 0:
	case 1:
		fields = append(fields, "Range: bytes="+one()+","+one()+","+one())
	case 2:
		fields = append(fields, "Range: bytes="+one(), "Cache-Control: no-cache")
	default:
		fields = append(fields, "Range: bytes="+one())
	}
	s := g.get(target, fields...)
	if !s.ended || s.aborted || s.reply.Err != nil || s.reply.Status >= 416 {
		return
	}
	var version int
	if n, _ := fmt.Sscanf(strings.TrimPrefix(s.field("ETag"), "W/"), `"%d"`, &version); n != 1 {
		t.Errorf("%s %q: %d without a version: %q", target, fields, s.reply.Status, s.fields)
		return
	}
	content := partContent(target, version)
	switch kind := s.field("Content-Type"); {
	case s.reply.Status == 200:
		if s.body.String() != content {
			t.Errorf("%s %q: got %d bytes of version %d, want %d; %+v", target, fields, s.body.Len(), version, len(content), s.out)
		}
	case strings.HasPrefix(kind, "multipart/"):
		wantAnyParts(t, s, content)
	default:
		var p rfc9111.Part
		p, n, ok := rfc9111.ParseContentRange([]byte(s.field("Content-Range")))
		if !ok || n != int64(len(content)) || s.body.String() != content[p.First:p.Last+1] {
			t.Errorf("%s %q: got %d bytes of version %d as %q; %+v", target, fields, s.body.Len(), version, s.field("Content-Range"), s.out)
		}
	}
}

// wantAnyParts compares each part of a multipart answer with the content.
func wantAnyParts(t *testing.T, s *sink, content string) {
	t.Helper()
	var parts []rfc9111.Part
	for line := range strings.SplitSeq(s.body.String(), "\r\n") {
		if value, ok := strings.CutPrefix(line, "Content-Range: "); ok {
			if p, _, ok := rfc9111.ParseContentRange([]byte(value)); ok {
				parts = append(parts, p)
			}
		}
	}
	wantParts(t, s, s.field("X-Cache-Status"), content, parts...)
}

// torturedPart answers from a version that changes every few milliseconds.
func torturedPart(r *wire.Request) *wire.Response {
	target := string(r.Target())
	version := int(time.Now().UnixMilli() / 100)
	o := object{partContent(target, version), fmt.Sprintf(`"%d"`, version), fresh}
	if target == "/p0" {
		o.tag = "W/" + o.tag
	}
	switch rand.IntN(12) {
	case 0:
		r.Del(wire.Range) // ranges are ignored
	case 1:
		return respond("503 Busy", "")
	case 2: // an unasked or another part
		n := len(o.content)
		from := rand.IntN(n)
		to := from + rand.IntN(n-from)
		return respond(fmt.Sprintf("206 x\r\nETag: %s\r\nContent-Range: bytes %d-%d/%d", o.tag, from, to, n)+fresh, o.content[from:to+1])
	case 3:
		o.fields = "\r\nCache-Control: max-age=0\r\nContent-Type: text/x"
	case 4: // cut short
		resp := o.answer(r)
		if b, ok := resp.Body.(*body); ok && b.left > 1 {
			b.r = io.LimitReader(b.r, b.left/2)
		}
		return resp
	}
	return o.answer(r)
}

// partContent is what an object's version holds: always as much, and no byte
// as in another version or as the one 256 bytes on.
func partContent(target string, version int) string {
	b := make([]byte, []int{1000, 9000, 70 << 10, 150 << 10, 300 << 10, 700 << 10}[target[2]-'0'])
	for i := range b {
		b[i] = byte(version) ^ byte(i*7) ^ byte(i>>8)*13 ^ target[2]
	}
	return string(b)
}
