package store

import (
	"math/rand/v2"
	"testing"
)

// A purge of another key is never taken for one's own, two beside each other
// may be; one's own is never missed.
func TestRecent(t *testing.T) {
	// Four keys in one slot, one elsewhere.
	keys := []Hash{{1}, {2}, {3}, {3 << 40}, {1<<63 | 1}}
	type purge struct {
		key int
		seq Seq
	}
	var r recent
	rnd := rand.New(rand.NewPCG(1, 2))
	var done []purge
	for seq := Seq(1); seq < 2000; seq++ {
		k := rnd.IntN(len(keys))
		r.note(keys[k], seq)
		done = append(done, purge{k, seq})
		for mine := range keys {
			since := seq - min(seq, Seq(rnd.IntN(6)))
			own, others := false, 0
			for _, p := range done[since:] {
				switch {
				case p.key == mine:
					own = true
				case keys[p.key][0]>>50 == keys[mine][0]>>50 && uint32(keys[p.key][0]) != uint32(keys[mine][0]):
					others++
				}
			}
			switch got := r.since(keys[mine], since); {
			case own && !got:
				t.Fatalf("key %d since %d, purges %v: its own is missed", mine, since, done[since:])
			case !own && got && others < 2:
				t.Fatalf("key %d since %d, purges %v: purged, want not", mine, since, done[since:])
			}
		}
	}
	r.reset()
	for k := range keys {
		if r.since(keys[k], 0) {
			t.Errorf("key %d: purged since the beginning behind a reset", k)
		}
	}
}
