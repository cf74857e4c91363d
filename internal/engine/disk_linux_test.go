package engine

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A diskRig is a rig with all that is stored on disk, and its file.
type diskRig struct {
	rig
	dir     string
	content string
	ranges  []string // what the origin was asked for by range; to be read when it is not asked
}

// newDiskRig has content under /a brought to the disk. Nothing of it is in the
// memory of the store.
func newDiskRig(t *testing.T, size int, fields string) *diskRig {
	t.Helper()
	g := &diskRig{dir: t.TempDir(), content: noise(size)}
	g.rig.t = t
	o := object{content: g.content, fields: "\r\nCache-Control: max-age=60" + fields}
	if tag, ok := strings.CutPrefix(fields, "\r\nETag: "); ok {
		o = object{content: g.content, tag: tag, fields: "\r\nCache-Control: max-age=60"}
	}
	g.origin = &scripted{answer: func(_ int, r *wire.Request) (*wire.Response, error) {
		if r.Has(wire.Range) {
			g.ranges = append(g.ranges, string(r.Get(wire.Range)))
		}
		return o.answer(r), nil
	}}
	g.pol = Policy{Upstream: g.origin, Rules: rfc9111.Policy{}}
	g.open()
	if s := g.get("/a"); s.body.String() != g.content || !s.out.Stored {
		t.Fatalf("got %d bytes, %+v, want %d and stored", s.body.Len(), s.out, size)
	}
	g.close()
	g.open()
	t.Cleanup(g.close)
	return g
}

// noise is content of which each piece is found in one place.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // does not fail
	return string(b)
}

func (g *diskRig) open() {
	s, err := store.Open(store.ZoneOptions{Disks: []store.DiskOptions{{Dir: g.dir, Size: 16 << 20}}})
	if err != nil {
		g.t.Fatal(err)
	}
	g.store, g.e = s, New(Options{Store: s})
}

func (g *diskRig) close() {
	g.e.Close()
	_ = g.store.Close() // a volume that was cut says so
}

// volume changes the volume's file.
func (g *diskRig) volume(change func(name string, b []byte)) {
	g.t.Helper()
	name := filepath.Join(g.dir, "opencache.volume")
	b, err := os.ReadFile(name)
	if err != nil {
		g.t.Fatal(err)
	}
	change(name, b)
}

// flip turns a bit of the content at off.
func (g *diskRig) flip(off int) {
	g.t.Helper()
	g.volume(func(name string, b []byte) {
		at := bytes.Index(b, []byte(g.content[off:off+64]))
		if at < 0 {
			g.t.Fatal("the content is not on the disk")
		}
		b[at] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			g.t.Fatal(err)
		}
	})
}

// A piecemeal client takes spans 64 KiB at a time, as most do.
type piecemeal struct {
	sink
	spans  int
	before func(sent int) // of each piece
}

func (s *piecemeal) Span(sp wire.Span) error {
	defer sp.Release()
	if sp.Mem == nil {
		s.spans++
	}
	for sp.N > 0 {
		b := make([]byte, min(sp.N, 64<<10))
		if s.before != nil {
			s.before(s.body.Len())
		}
		if err := sp.Copy(b); err != nil {
			return err
		}
		if _, err := s.Write(b); err != nil {
			return err
		}
		sp = sp.Slice(len(b), sp.N-len(b))
	}
	return nil
}

func (g *diskRig) take(s *piecemeal, fields string) {
	g.t.Helper()
	var r wire.Request
	if _, err := wire.ParseRequest(&r, []byte("GET /a HTTP/1.1\r\nHost: cache.test\r\n"+fields+"\r\n"), wire.Limits{}); err != nil {
		g.t.Fatal(err)
	}
	s.reply.Sink = s
	s.out = g.e.Serve(&r, &s.reply, []byte("http://origin.test/a"), &g.pol)
}

const tagged = "\r\nETag: \"1\""

// TestDiskHit: content on disk goes out as spans of its file, whole and in part.
func TestDiskHit(t *testing.T) {
	for _, size := range []int{100_000, 1_500_000} {
		g := newDiskRig(t, size, tagged)
		for ranges, want := range map[string]string{
			"":                             g.content,
			"Range: bytes=70001-99998\r\n": g.content[70001:99999],
			"Range: bytes=-5\r\n":          g.content[size-5:],
		} {
			var s piecemeal
			g.take(&s, ranges)
			if s.body.String() != want || s.out.Status != Hit || s.spans == 0 {
				t.Errorf("%d bytes, %q: got %d bytes, %v, %d spans of a file, want %d, a hit and some", size, ranges, s.body.Len(), s.out, s.spans, len(want))
			}
		}
		var s piecemeal
		g.take(&s, "Range: bytes=1-2,90000-99998\r\n")
		if got := s.body.String(); !strings.Contains(got, g.content[90000:99999]) || s.out.Status != Hit {
			t.Errorf("%d bytes, two ranges: got %d bytes, %v", size, len(got), s.out)
		}
	}
}

// TestDiskRefuses: what the disk does not give before the head goes out is
// asked for as if it were not there; nothing is cut.
func TestDiskRefuses(t *testing.T) {
	for name, fields := range map[string]string{"no validator": "", "strong validator": tagged} {
		for _, size := range []int{100_000, 1_500_000} {
			g := newDiskRig(t, size, fields)
			g.flip(40_000)
			asked := g.origin.n.Load()
			for range 2 {
				var s piecemeal
				g.take(&s, "")
				if s.body.String() != g.content || s.aborted {
					t.Errorf("%s, %d bytes: got %d, aborted %t, %v", name, size, s.body.Len(), s.aborted, s.out)
				}
			}
			if got := g.origin.n.Load() - asked; got == 0 || got > 2 {
				t.Errorf("%s, %d bytes: %d requests to the origin, want one or two", name, size, got)
			}
		}
	}
}

// TestDiskRefusesCached: who wants only what is stored gets a 504.
func TestDiskRefusesCached(t *testing.T) {
	g := newDiskRig(t, 100_000, "")
	g.flip(40_000)
	asked := g.origin.n.Load()
	var s piecemeal
	g.take(&s, "Cache-Control: only-if-cached\r\n")
	if s.reply.Status != 504 || g.origin.n.Load() != asked {
		t.Errorf("got %d, %v, want 504 and no request", s.reply.Status, s.out)
	}
}

// TestDiskLost: what the disk stops giving under an answer comes from the origin
// under the strong validator; without one the answer is cut, visibly.
func TestDiskLost(t *testing.T) {
	for name, fields := range map[string]string{"no validator": "", "strong validator": tagged} {
		for _, size := range []int{300_000, 1_500_000} {
			for _, at := range []int{0, 128 << 10} {
				g := newDiskRig(t, size, fields)
				s := piecemeal{before: func(sent int) {
					if sent == at {
						g.volume(func(file string, _ []byte) {
							if err := os.Truncate(file, 0); err != nil {
								t.Error(err)
							}
						})
					}
				}}
				g.take(&s, "")
				got := s.body.String()
				if !strings.HasPrefix(g.content, got) {
					t.Fatalf("%s, %d bytes, cut at %d: got other bytes", name, size, at)
				}
				if whole := fields != ""; whole != (len(got) == size) || whole == s.aborted {
					t.Errorf("%s, %d bytes, cut at %d: got %d, aborted %t, %v", name, size, at, len(got), s.aborted, s.out)
				}
			}
		}
	}
}

// TestDiskJoins: parts of which some lie on disk become one record.
func TestDiskJoins(t *testing.T) {
	g := newDiskRig(t, 60_000, tagged)
	g.pol.PassRange = true
	g.store.Purge(store.Purge{Key: []byte("http://origin.test/a")})
	for _, part := range []string{"0-29999", "30000-59999"} {
		g.close()
		g.open()
		var s piecemeal
		g.take(&s, "Range: bytes="+part+"\r\n")
		if s.reply.Status != 206 || s.body.Len() != 30_000 {
			t.Fatalf("%s: got %d, %d bytes, %+v", part, s.reply.Status, s.body.Len(), s.out)
		}
	}
	g.close() // waits for what the fetch stores
	g.open()
	var s piecemeal
	g.take(&s, "")
	if s.out.Status != Hit || s.body.String() != g.content || len(g.ranges) != 2 {
		t.Errorf("got %v, %d bytes, after %q; want a hit with all of it, after two ranges", s.out, s.body.Len(), g.ranges)
	}
}
