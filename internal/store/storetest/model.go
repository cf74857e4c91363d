package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// A forgetter can lose what it has in memory, as if that had been evicted.
type forgetter interface{ ForgetMemory() }

// model: whatever a few workers do to their keys while strangers push
// everything out, each finds under a key what it did there last, or nothing.
// An old copy that turns up when a younger one was evicted is what this is for.
func model(t *testing.T, v Volume) {
	steps := 1500
	if testing.Short() {
		steps = 500
	}
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			w := worker{
				t: t, v: v, name: fmt.Sprint("worker", n), rng: rand.New(rand.NewPCG(uint64(n), 5)),
				site: v.Site(fmt.Append(nil, "site", n)), under: map[string]*known{},
			}
			for range steps {
				w.step()
			}
			for _, l := range w.lent {
				l.release(t)
			}
		})
	}
	wg.Wait()
}

// known is what a worker knows of a key of its own. The volume may have
// forgotten it; it must have nothing else.
type known struct {
	kind            store.Kind
	item            item
	meta            string
	born, validated store.Seq
	soft            bool // hit by a soft purge since it was validated
	tags            []uint64
	sets            []store.Set
	generation      uint32
	tally           int
	trace           []string // for the failure
}

type worker struct {
	t     *testing.T
	v     Volume
	name  string
	site  uint64
	rng   *rand.Rand
	under map[string]*known
	next  uint64
	lent  []lent
}

type lent struct {
	e    store.Entry
	want item
}

func (l *lent) release(t testing.TB) {
	if at := wrong(l.e.Body.Mem, l.want.seed()); at >= 0 {
		t.Errorf("%s version %d: what was lent changed at %d", l.want.key, l.want.version, at)
	}
	l.e.Release()
}

const modelKeys = 40

func (w *worker) step() {
	key := fmt.Sprintf("%s/%d", w.name, w.rng.IntN(modelKeys))
	k := w.under[key]
	if k == nil {
		k = &known{item: item{key: key}}
		w.under[key] = k
	}
	switch p := w.rng.IntN(100); {
	case p < 35:
		w.look(k)
	case p < 55:
		w.put(k)
	case p < 62:
		w.freshen(k)
	case p < 67:
		w.mark(k)
	case p < 69:
		w.tally(k)
	case p < 72:
		w.v.Remove(w.v.Hash([]byte(key)), []byte(key))
		k.gone("remove")
	case p < 77:
		w.purge(k)
	case p < 82:
		w.segment(k)
	case p < 83:
		if f, ok := w.v.(forgetter); ok {
			f.ForgetMemory()
		}
	default:
		w.strangers()
	}
}

// strangers push: some of them come a second time, and so are kept.
func (w *worker) strangers() {
	for range 2 {
		n := w.rng.IntN(300)
		i := item{key: fmt.Sprintf("%s/stranger%d", w.name, n), version: 1, size: 30000 + n}
		if e := lookup(w.v, i.key); e.Kind == store.Object {
			i.check(w.t, &e)
			e.Release()
			continue
		}
		w.allow(i.key, w.v.Put(i.record(w.v, 0)))
	}
}

func (k *known) gone(why string) {
	k.kind, k.soft = store.Nothing, false
	k.note("%s", why)
}

func (k *known) note(format string, args ...any) {
	k.trace = append(k.trace, fmt.Sprintf(format, args...))
	if len(k.trace) > 12 {
		k.trace = k.trace[1:]
	}
}

func (w *worker) fail(k *known, format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("%s: %s\nbefore: %q", k.item.key, fmt.Sprintf(format, args...), k.trace)
}

func (w *worker) allow(key string, err error) bool {
	// What shares a slot with two purges counts as purged (recent).
	for _, e := range []error{nil, store.ErrFull, store.ErrPurged} {
		if errors.Is(err, e) {
			return err == nil
		}
	}
	w.t.Errorf("%s: %v", key, err)
	return false
}

func (w *worker) look(k *known) {
	e := lookup(w.v, k.item.key)
	k.note("look: %d", e.Kind)
	switch {
	case e.Kind == store.Nothing:
		return
	case e.Kind != k.kind:
		w.fail(k, "got kind %d, want %d", e.Kind, k.kind)
		e.Release()
		return
	case e.Kind == store.Variants:
		if e.Generation != k.generation || !slices.Equal(e.Sets[:e.NumSets], k.sets) {
			w.fail(k, "got generation %d with sets %v, want %d with %v", e.Generation, e.Sets[:e.NumSets], k.generation, k.sets)
		}
		return
	case e.Kind == store.HitForMiss:
		return
	}
	if string(e.Meta) != k.meta || e.Version != k.item.version || e.Born != k.born || e.Validated != k.validated || e.Soft != k.soft {
		w.fail(k, "got %q version %d born %d validated %d soft %v, want %q %d %d %d %v",
			e.Meta, e.Version, e.Born, e.Validated, e.Soft, k.meta, k.item.version, k.born, k.validated, k.soft)
	}
	if at := wrong(e.Body.Mem, k.item.seed()); at >= 0 || k.item.size <= store.WholeMax && e.Body.N != k.item.size {
		w.fail(k, "got %d bytes that differ at %d, want %d", e.Body.N, at, k.item.size)
	}
	if got := w.v.AppendTags(nil, w.v.Hash([]byte(k.item.key)), []byte(k.item.key)); got != nil && !slices.Equal(got, k.tags) {
		w.fail(k, "got tags %v, want %v", got, k.tags)
	}
	if w.rng.IntN(8) > 0 {
		e.Release()
		return
	}
	if len(w.lent) == 3 {
		w.lent[0].release(w.t)
		w.lent = w.lent[1:]
	}
	w.lent = append(w.lent, lent{e, k.item})
}

func (w *worker) put(k *known) {
	w.next++
	i := item{key: k.item.key, version: w.next, size: w.rng.IntN(40000)}
	if w.rng.IntN(5) == 0 {
		i.size = store.WholeMax + 1 + w.rng.IntN(1<<20)
	}
	r := i.record(w.v, w.site)
	r.Tags = []uint64{w.v.Tag(w.site, []byte("all")), w.v.Tag(w.site, []byte(k.item.key))}
	err := w.v.Put(r)
	k.note("put version %d of %d bytes born %d: %v", i.version, i.size, r.Born, err)
	if w.allow(k.item.key, err) {
		k.kind, k.item, k.meta, k.born, k.validated, k.soft, k.tags = store.Object, i, string(i.meta()), r.Born, r.Validated, false, r.Tags
	}
}

func (w *worker) freshen(k *known) {
	w.next++
	meta, seq := fmt.Sprintf("meta %d of %s", w.next, k.item.key), w.v.Seq()
	err := w.v.Freshen(w.v.Hash([]byte(k.item.key)), []byte(k.item.key), k.item.version, []byte(meta), seq)
	k.note("freshen version %d at %d: %v", k.item.version, seq, err)
	switch {
	case errors.Is(err, store.ErrGone):
	case w.allow(k.item.key, err) && k.kind != store.Object:
		w.fail(k, "freshened what is not there")
	case err == nil:
		k.meta, k.validated, k.soft = meta, seq, false
	}
}

func (w *worker) mark(k *known) {
	set, ok := w.v.Intern(fmt.Append(nil, "set-", w.rng.IntN(8)))
	if !ok {
		w.t.Fatal("Intern: full")
	}
	mk := store.Marker{Kind: store.Variants, Sets: [4]store.Set{set}, NumSets: 1, Born: w.v.Seq()}
	if w.rng.IntN(6) == 0 {
		mk = store.Marker{Kind: store.HitForMiss, Born: w.v.Seq()}
	}
	err := w.v.Mark(w.v.Hash([]byte(k.item.key)), mk)
	k.note("mark %d set %d: %v", mk.Kind, set, err)
	if !w.allow(k.item.key, err) {
		return
	}
	was := k.kind
	k.kind, k.soft = mk.Kind, false
	if mk.Kind != store.Variants {
		return
	}
	e := lookup(w.v, k.item.key)
	switch {
	case e.Kind != store.Variants || e.NumSets == 0 || e.Sets[0] != set:
		w.fail(k, "got kind %d with sets %v behind Mark, want %d first", e.Kind, e.Sets[:e.NumSets], set)
	case was != store.Variants || e.Generation != k.generation:
		k.tally = 0
	}
	k.generation, k.sets = e.Generation, slices.Clone(e.Sets[:e.NumSets])
}

func (w *worker) tally(k *known) {
	if k.kind != store.Variants {
		return
	}
	got := w.v.Tally(w.v.Hash([]byte(k.item.key)), k.generation)
	k.note("tally: %d", got)
	if k.tally++; got != 0 && got != k.tally {
		w.fail(k, "got a tally of %d, want %d", got, k.tally)
	}
}

func (w *worker) purge(k *known) {
	p := store.Purge{Key: []byte(k.item.key), Soft: w.rng.IntN(2) == 0}
	hit := []*known{k}
	switch w.rng.IntN(6) {
	case 0:
		p.Key, p.Tags = nil, k.tags[min(1, len(k.tags)):]
	case 1:
		p.Key, p.Prefix = nil, []byte(k.item.key)
		hit = nil
		for key, other := range w.under {
			if len(key) >= len(k.item.key) && key[:len(k.item.key)] == k.item.key {
				hit = append(hit, other)
			}
		}
	}
	seq, _ := w.v.Purge(p)
	for _, k := range hit {
		k.note("purge %+v: %d", p, seq)
		switch {
		case p.Key == nil && k.kind != store.Object: // markers are met by their key alone
		case !p.Soft:
			k.kind = store.Nothing
		case k.kind == store.Object:
			k.soft = true
		}
	}
}

// segment puts or reads a segment of the version that is there.
func (w *worker) segment(k *known) {
	if k.kind != store.Object || k.item.size <= store.WholeMax {
		return
	}
	n := w.rng.IntN(3)
	i := item{key: fmt.Sprint("segment ", n), version: k.item.version<<8 | uint64(w.name[len(w.name)-1]), size: 100000}
	s, ok := w.v.Segment(i.version, n, 100, 5000)
	if !ok {
		w.allow(k.item.key, w.v.PutSegment(i.version, n, w.site, [][]byte{i.body()}))
		return
	}
	defer s.Release()
	if got := bytesOf(w.t, s); s.N != 5000 || string(got) != string(i.body()[100:5100]) {
		w.fail(k, "segment %d: got %d bytes, or others", n, s.N)
	}
}

// bytesOf returns a copy of what a span lends.
func bytesOf(t testing.TB, s wire.Span) []byte {
	t.Helper()
	b := make([]byte, s.N)
	if err := s.Copy(b); err != nil {
		t.Errorf("span of %d bytes at %d: %v", s.N, s.Off, err)
	}
	return b
}
