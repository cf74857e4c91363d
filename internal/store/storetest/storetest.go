// Package storetest is the contract of a volume as tests. A kind of volume
// passes when Run does. It is no benchmark, and no test of what only one kind
// of volume has.
//
//	func TestMemory(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) storetest.Volume {
//			z, err := store.Open(store.ZoneOptions{Memory: 8 << 20})
//			if err != nil {
//				t.Fatal(err)
//			}
//			return z
//		})
//	}
package storetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// A Volume is what the engine uses of a store.
type Volume interface {
	naming
	reading
	writing
	looking
	Stats() store.ZoneStats
	Close() error
}

type naming interface {
	Hash(key []byte) store.Hash
	Variant(primary store.Hash, generation uint32, set store.Set, values []byte) store.Hash
	Site(name []byte) uint64
	Tag(site uint64, text []byte) uint64
	Version() uint64
	Intern(fields []byte) (store.Set, bool)
	Fields(s store.Set) []byte
}

type reading interface {
	Seq() store.Seq
	Lookup(h store.Hash, key []byte, now int64, e *store.Entry)
	Segment(version uint64, n, off, size int) (wire.Span, bool)
	Has(version uint64, n int) bool
	SegmentSize() int
	AppendTags(dst []uint64, h store.Hash, key []byte) []uint64
}

type writing interface {
	Put(r *store.Record) error
	PutSegment(version uint64, n int, site uint64, pieces [][]byte) error
	Freshen(h store.Hash, key []byte, version uint64, meta []byte, validated store.Seq) error
	Mark(h store.Hash, mk store.Marker) error
	Tally(h store.Hash, generation uint32) int
	Remove(h store.Hash, key []byte)
	Purge(p store.Purge) (store.Seq, int)
	Purged(key []byte, site uint64, since store.Seq) (store.Seq, bool)
	SetShare(site uint64, share, limit int64) error
}

// Run runs the contract on volumes from open: empty ones, of some 8 MiB (the
// tests fill them several times over). Run closes them, and wants no pin left.
func Run(t *testing.T, open func(t testing.TB) Volume) {
	elsewhere := notHere(t, open)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, v Volume)
	}{
		{"put and get", putAndGet},
		{"bounds", bounds},
		{"supersede", supersede},
		{"wrong key", wrongKey},
		{"variants", variants},
		{"marks", marks},
		{"tally", tally},
		{"expiry", expiry},
		{"intern", intern},
		{"freshen", freshen},
		{"segments", segments},
		{"remove", remove},
		{"quota", quota},
		{"share", share},
		{"site accounts", siteAccounts},
		{"walk", walk},
		{"walk beside writers", walkBeside},
		{"purge key", purgeKey},
		{"purge kinds", purgeKinds},
		{"purge pattern", purgePattern},
		{"purge counts", purgeCounts},
		{"purge races", purgeRaces},
		{"purge soft", purgeSoft},
		{"purge variants", purgeVariants},
		{"purge tags", purgeTags},
		{"purge tags many", purgeTagsMany},
		{"purge many", purgeMany},
		{"purge unseen", purgeUnseen},
		{"purge wins", purgeWins},
		{"budget", budget},
		{"ghost", ghost},
		{"never missed", neverMissed},
		{"pinned", pinned},
		{"pressure", pressure},
		{"full", full},
		{"exposed", exposed},
		{"torture", torture},
		{"model", model},
	} {
		if elsewhere[test.name] {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			v := open(t)
			defer func() {
				if err := v.Close(); err != nil { // it says how many pins are left
					t.Errorf("Close: %v", err)
				}
			}()
			test.run(t, v)
		})
	}
}

// notHere are the tests of what other kinds of volume have.
func notHere(t *testing.T, open func(t testing.TB) Volume) map[string]bool {
	v := open(t)
	defer func() {
		if err := v.Close(); err != nil {
			t.Errorf("Close of an empty volume: %v", err)
		}
	}()
	joint, disks := len(tiers(v)) > 1, len(v.Stats().Disks) > 0
	return map[string]bool{
		"pressure": disks, // what a disk lends is a copy, or in a stage that is asked back at once
		"ghost":    joint, // what falls out of memory is found on disk
		"share":    joint, // of the queues of one volume
	}
}

// An item is a record whose bytes all follow from its key and version.
type item struct {
	key     string
	version uint64
	size    int
}

func (i item) body() []byte {
	b := make([]byte, i.size)
	fill(b, i.seed())
	return b
}

func (i item) meta() []byte { return fmt.Appendf(nil, "meta of %s version %d", i.key, i.version) }

func (i item) seed() uint64 {
	s := i.version * 0x9e3779b97f4a7c15
	for _, c := range []byte(i.key) {
		s = (s ^ uint64(c)) * 0x100000001b3
	}
	return s
}

// block is the unit of a pattern: what fill and wrong make is compared and
// copied by blocks, which the race detector's build can do quickly.
const block = 4096

// A pattern is a block of bytes that follow from a seed.
type pattern [block]byte

func newPattern(seed uint64) (p pattern) {
	for at := 0; at < block; at += 8 {
		binary.LittleEndian.PutUint64(p[at:], (seed+uint64(at))*0x9e3779b97f4a7c15)
	}
	return p
}

func (p *pattern) number(n int, seed uint64) {
	binary.LittleEndian.PutUint64(p[:], (seed^uint64(n))*0x9e3779b97f4a7c15)
}

// fill fills b with bytes that follow from seed and their place.
func fill(b []byte, seed uint64) {
	p := newPattern(seed)
	for n := 0; len(b) > 0; n++ {
		p.number(n, seed)
		b = b[copy(b, p[:]):]
	}
}

// wrong returns where b is not what fill made of seed, to a block; -1 when
// nowhere.
func wrong(b []byte, seed uint64) int {
	p := newPattern(seed)
	for n := 0; n*block < len(b); n++ {
		p.number(n, seed)
		have := b[n*block : min(len(b), (n+1)*block)]
		if !bytes.Equal(have, p[:len(have)]) {
			return n * block
		}
	}
	return -1
}

func (i item) record(v Volume, site uint64) *store.Record {
	r := &store.Record{
		Hash: v.Hash([]byte(i.key)), Key: []byte(i.key), Site: site, Version: i.version,
		Born: v.Seq(), Validated: v.Seq(), Meta: i.meta(), Size: int64(i.size),
	}
	if i.size <= store.WholeMax {
		b := i.body()
		r.Body = [][]byte{b[:i.size/3], b[i.size/3:]}
	}
	return r
}

func (i item) put(t testing.TB, v Volume) {
	t.Helper()
	if err := patiently(v, func() error { return v.Put(i.record(v, 0)) }); err != nil {
		t.Fatalf("Put(%s): %v", i.key, err)
	}
}

// patiently does what a disk may have no room for at once: tests put more
// than it can write meanwhile.
func patiently(v Volume, do func() error) error {
	err := do()
	for try := 0; try < 1000 && errors.Is(err, store.ErrFull) && len(v.Stats().Disks) > 0; try++ {
		err = do()
	}
	return err
}

// tiers returns the numbers of the memory, of all disks together, or of both.
func tiers(v Volume) (list []store.Stats) {
	st := v.Stats()
	if st.Memory.Capacity > 0 {
		list = append(list, st.Memory)
	}
	if len(st.Disks) > 0 {
		list = append(list, st.Disk())
	}
	return list
}

// most returns the largest of a number of the tiers. What is small enough is
// in all of them.
func most(v Volume, number func(*store.Stats) int64) (n int64) {
	for _, st := range tiers(v) {
		n = max(n, number(&st))
	}
	return n
}

func objects(v Volume) int64 { return most(v, func(st *store.Stats) int64 { return st.Objects }) }

// total returns the numbers of the volume.
func total(v Volume) store.Stats {
	st := v.Stats()
	return st.Total()
}

// lookup returns what is under key.
func lookup(v Volume, key string) (e store.Entry) {
	v.Lookup(v.Hash([]byte(key)), []byte(key), 0, &e)
	return e
}

// kind returns what kind of thing is under key, and lets go of it.
func kind(v Volume, key string) store.Kind {
	e := lookup(v, key)
	defer e.Release()
	return e.Kind
}

// want checks that i is under its key, and returns its Entry.
func (i item) want(t testing.TB, v Volume) store.Entry {
	t.Helper()
	e := lookup(v, i.key)
	if e.Kind != store.Object {
		t.Fatalf("Lookup(%s): got kind %d, want Object", i.key, e.Kind)
	}
	i.check(t, &e)
	return e
}

// has checks that i is under its key.
func (i item) has(t testing.TB, v Volume) {
	t.Helper()
	e := i.want(t, v)
	e.Release()
}

func (i item) check(t testing.TB, e *store.Entry) {
	t.Helper()
	if e.Version != i.version || e.Size != int64(i.size) {
		t.Errorf("%s: got version %d of %d bytes, want %d of %d", i.key, e.Version, e.Size, i.version, i.size)
	}
	if string(e.Meta) != string(i.meta()) {
		t.Errorf("%s: got meta %q, want %q", i.key, e.Meta, i.meta())
	}
	if i.size > store.WholeMax {
		return
	}
	if e.Body.N != i.size || len(e.Body.Mem) != i.size {
		t.Errorf("%s: got a body of %d bytes, %d in memory, want %d", i.key, e.Body.N, len(e.Body.Mem), i.size)
	}
	if at := wrong(e.Body.Mem, i.seed()); at >= 0 {
		t.Errorf("%s: body of %d bytes differs at %d", i.key, i.size, at)
	}
}

// absent checks that nothing is under the keys.
func absent(t testing.TB, v Volume, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if got := kind(v, key); got != store.Nothing {
			t.Errorf("Lookup(%s): got kind %d, want Nothing", key, got)
		}
	}
}

// churn puts n bytes of strangers through the volume, and no two in one place:
// their slabs stay full, so what was hit before them is moved to the main
// queue, which does not come around. A disk under a memory takes, once it is
// full, only what comes again when memory has dropped it.
func churn(t testing.TB, v Volume, name string, n int64) {
	t.Helper()
	if len(tiers(v)) == 1 {
		strangers(t, v, name, n)
		return
	}
	admitted := func() int64 { st := v.Stats(); d := st.Disk(); return int64(d.AdmittedBytes) }
	until, round := admitted()+n, v.Stats().Memory.Capacity/strange
	for turn := range 1000 {
		var again []item
		for i := range int(round) {
			s, before := stranger(fmt.Sprint(name, "/", turn), i), admitted()
			if before >= until {
				return
			}
			if s.put(t, v); admitted() == before {
				again = append(again, s)
			}
		}
		for _, s := range again {
			if admitted() >= until {
				return
			}
			s.put(t, v)
		}
	}
	t.Errorf("got %d bytes to the disk, want %d", n-(until-admitted()), n)
}

// strange is the size of strangers.
const strange = 20 << 10

func stranger(name string, n int) item {
	return item{key: fmt.Sprintf("churn/%s/%d", name, n), version: 1, size: strange}
}

// strangers puts n bytes of records, the same for the same name.
func strangers(t testing.TB, v Volume, name string, n int64) {
	t.Helper()
	for i := 0; n > 0; i++ {
		stranger(name, i).put(t, v)
		n -= strange
	}
}
