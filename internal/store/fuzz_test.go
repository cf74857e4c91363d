package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// FuzzRecord: whatever a slab holds, decoding it stays inside, and what is
// decoded is what would be written.
func FuzzRecord(f *testing.F) {
	var b [headerSize]byte
	(&header{key: 3, meta: 4, body: 5, size: 5}).encode(&b)
	f.Add(append(b[:], "keymetabody!"...))
	(&header{key: KeyMax, meta: MetaMax, size: math.MaxInt64}).encode(&b)
	f.Add(b[:])
	(&header{key: 1, meta: 1, tags: 1, body: 1, size: 1}).encode(&b)
	f.Add(append(b[:], "kmtag-tagb!"...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h header
		if !h.decode(b) {
			return
		}
		if h.length() > len(b) || h.key < 0 || h.meta < 0 || h.body < 0 || h.size < 0 {
			t.Fatalf("got a record of %d bytes in %d: %+v", h.length(), len(b), h)
		}
		parts := bytes.Join([][]byte{h.keyOf(b), h.metaOf(b), h.tagsOf(b), h.bodyOf(b)}, nil)
		if want := b[headerSize:h.length()]; !bytes.Equal(parts, want) {
			t.Errorf("got parts %q, want %q", parts, want)
		}
		var again [headerSize]byte
		var g header
		h.encode(&again)
		if !g.decode(append(again[:], b[headerSize:]...)) || g != h {
			t.Errorf("encoded and decoded: got %+v, want %+v", g, h)
		}
		for i := range h.length() { // cut short it is no record
			if g.decode(b[:i]) {
				t.Fatalf("%d of %d bytes: got a record", i, h.length())
			}
		}
	})
}

// FuzzListing: a directory entry is what was written, or refused; one bit that
// is not what was written refuses it.
func FuzzListing(f *testing.F) {
	var b [directorySize]byte
	(&listing{hash: Hash{1, 2}, off: 16, n: 100, site: 3}).encode(b[:])
	f.Add(b[:], uint16(3))
	b[3] ^= 1
	f.Add(b[:], uint16(300))
	f.Fuzz(func(t *testing.T, b []byte, bit uint16) {
		var l listing
		if l.decode(b, smallSlab) && (l.off < 0 || l.n <= 0 || l.off+l.n > smallSlab) {
			t.Errorf("got %d bytes at %d in a slab of %d", l.n, l.off, smallSlab)
		}
		if len(b) < directorySize {
			return
		}
		le := binary.LittleEndian
		want := listing{
			hash: Hash{le.Uint64(b), le.Uint64(b[8:])}, off: int(le.Uint32(b[16:])) % smallSlab &^ (unit - 1), site: le.Uint16(b[24:]),
			segment: b[26]&1 != 0,
		}
		want.n = 1 + int(le.Uint32(b[20:]))%(smallSlab-want.off)
		var e [directorySize]byte
		want.encode(e[:])
		if !l.decode(e[:], smallSlab) || l != want {
			t.Fatalf("got %+v, want %+v", l, want)
		}
		i := int(bit) % (8 * directorySize)
		if e[i/8] ^= 1 << (i % 8); l.decode(e[:], smallSlab) {
			t.Errorf("%+v with bit %d flipped: got %+v, want none", want, i, l)
		}
	})
}

// A model is what a volume may hold under a few keys: nothing, or what was put
// there last. A volume may forget; it may not mistake.
type model struct {
	t      *testing.T
	m      *Memory
	trace  strings.Builder // for the failure
	puts   int
	under  map[string]put1
	purged []purge1
	lent   []loan
}

type put1 struct {
	meta      string
	fill      byte
	size      int
	version   uint64
	born      Seq
	validated Seq
}

type purge1 struct {
	seq    Seq
	prefix string
	soft   bool
}

type loan struct {
	e    Entry
	want put1
}

// hit reports whether a purge behind since hit the key.
func (m *model) hit(key string, since Seq, soft bool) bool {
	for _, p := range m.purged {
		if p.soft == soft && p.seq > since && strings.HasPrefix(key, p.prefix) {
			return true
		}
	}
	return false
}

func (m *model) put(key string, size int, born Seq) {
	m.puts++
	p := put1{fmt.Sprint("meta of ", m.puts), byte(m.puts), size, uint64(m.puts), born, born}
	r := Record{
		Hash: m.m.Hash([]byte(key)), Key: []byte(key), Version: p.version, Born: born, Validated: born,
		Meta: []byte(p.meta), Body: [][]byte{bytes.Repeat([]byte{p.fill}, size)}, Size: int64(size),
	}
	err := m.m.Put(&r)
	fmt.Fprintf(&m.trace, "put %s %d bytes born %d: %v\n", key, size, born, err)
	if err == nil {
		if m.hit(key, born, false) {
			m.t.Fatalf("stored though purged since its fetch started:\n%s", m.trace.String())
		}
		m.under[key] = p
	}
}

func (m *model) look(key string, keep bool) {
	var e Entry
	m.m.Lookup(m.m.Hash([]byte(key)), []byte(key), 0, &e)
	want, known := m.under[key]
	fmt.Fprintf(&m.trace, "look %s: %d\n", key, e.Kind)
	if e.Kind == Nothing {
		delete(m.under, key) // what is gone does not come back
		return
	}
	if !known || e.Kind != Object || m.hit(key, want.born, false) {
		m.t.Fatalf("found what was never put, or purged:\n%s", m.trace.String())
	}
	if m.hit(key, want.validated, true) && !e.Soft {
		m.t.Fatalf("not to be validated though purged softly:\n%s", m.trace.String())
	}
	m.same(&e, want)
	if keep && len(m.lent) < 4 {
		m.lent = append(m.lent, loan{e, want})
		return
	}
	e.Release()
}

func (m *model) same(e *Entry, want put1) {
	body := e.Body.Mem
	if string(e.Meta) != want.meta || e.Size != int64(want.size) || e.Version != want.version || e.Born != want.born || e.Validated != want.validated ||
		len(body) != want.size || bytes.Count(body, []byte{want.fill}) != want.size {
		m.t.Fatalf("got meta %q, version %d, born %d, validated %d, %d bytes, want %+v:\n%s",
			e.Meta, e.Version, e.Born, e.Validated, len(body), want, m.trace.String())
	}
}

func (m *model) purge(p Purge) {
	prefix := string(p.Prefix)
	if len(p.Key) > 0 {
		prefix = string(p.Key) // no key begins another one
	}
	seq, _ := m.m.Purge(p)
	fmt.Fprintf(&m.trace, "purge %q soft %v: %d\n", prefix, p.Soft, seq)
	m.purged = append(m.purged, purge1{seq, prefix, p.Soft})
}

func (m *model) freshen(key string) {
	want, known := m.under[key]
	m.puts++
	meta, now := fmt.Sprint("meta of ", m.puts), m.m.Seq()
	err := m.m.Freshen(m.m.Hash([]byte(key)), []byte(key), want.version, []byte(meta), now)
	fmt.Fprintf(&m.trace, "freshen %s: %v\n", key, err)
	if err != nil {
		return
	}
	if !known || m.hit(key, want.born, false) {
		m.t.Fatalf("freshened what is not there:\n%s", m.trace.String())
	}
	want.meta, want.validated = meta, now
	m.under[key] = want
}

// FuzzVolume: whatever is put, looked up, purged, freshened and evicted in
// whatever order, what is found is what was put last and not purged since, and
// what is lent does not change.
func FuzzVolume(f *testing.F) {
	f.Add([]byte("\x00\x10\x02\x00\x04\x00\x02\x00\x00\x21\x06\x00\x02\x00\x07\x00\x02\x00"))
	f.Add(bytes.Repeat([]byte("\x00\xff\x08\xff\x12\x01\x10\xff\x18\xff\x20\xff\x28\xff\x30\xff\x38\xff"), 20))
	f.Add([]byte("\x01\x31\x05\x02\x01\x31\x03\x00\x06\x03\x03\x01\x07\x00\x03\x00"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := model{t: t, m: newTest(t, Options{Size: minSlabs * smallSlab}), under: map[string]put1{}}
		var before Seq
		for ops = ops[:min(len(ops), 600)]; len(ops) >= 2; ops = ops[2:] {
			op, arg := ops[0]&7, ops[1]
			key := string([]byte{'a' + ops[0]>>3&1, '0' + ops[0]>>4})
			switch op {
			case 0:
				m.put(key, int(arg)*257, m.m.Seq())
			case 1:
				m.put(key, int(arg), before)
			case 2, 3:
				m.look(key, arg&1 != 0)
			case 4:
				m.purge(Purge{Key: []byte(key), Soft: arg&1 != 0})
			case 5:
				m.purge(Purge{Prefix: []byte(key[:1]), Soft: arg&1 != 0})
			case 6:
				m.purge(Purge{All: true, Soft: arg&1 != 0})
				before = m.m.Seq() - Seq(arg>>1&1)
			case 7:
				m.freshen(key)
			}
		}
		for i := range m.lent {
			m.same(&m.lent[i].e, m.lent[i].want)
			m.lent[i].e.Release()
		}
		if st := m.m.Stats(); st.Pins != 0 {
			t.Errorf("%d pins are left:\n%s", st.Pins, m.trace.String())
		}
	})
}
