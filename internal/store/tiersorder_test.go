package store

import (
	"testing"
	"testing/synctest"
	"time"
)

// seen is what a lookup of key finds: its kind, and of an object the version
// and when it was validated.
func (z *Zone) seen(key string) (k Kind, version uint64, validated Seq) {
	var e Entry
	z.Lookup(z.Hash([]byte(key)), []byte(key), 0, &e)
	defer e.Release()
	return e.Kind, e.Version, e.Validated
}

// TestChangedInBothTiers: what was seen under a hash is not followed by what
// it took the place of, not while the disk is on its way to know and memory
// has dropped the new one.
func TestChangedInBothTiers(t *testing.T) {
	const key = "key"
	for name, change := range map[string]func(z *Zone, h Hash) error{
		"a marker over an object": func(z *Zone, h Hash) error {
			return z.Mark(h, Marker{Kind: Variants, Generation: 9, Born: z.Seq()})
		},
		"a word that it cannot be shared over an object": func(z *Zone, h Hash) error {
			return z.Mark(h, Marker{Kind: HitForMiss, Born: z.Seq()})
		},
		"a validation": func(z *Zone, h Hash) error {
			return z.Freshen(h, []byte(key), 1, []byte("new"), z.Seq())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := newTiers(t, 8<<20, nil)
				h := z.Hash([]byte(key))
				err := z.Put(&Record{Hash: h, Key: []byte(key), Version: 1, Born: z.Seq(), Validated: z.Seq(), Body: [][]byte{{1}}, Size: 1})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // the disk has written it: replacing it takes a word in the journal
				z.Purge(Purge{Key: []byte("another")})
				release := z.hangJournals()
				done := make(chan error)
				go func() { done <- change(z, h) }()
				synctest.Wait()
				kind, _, validated := z.seen(key)
				changed := kind != Object || validated > 0
				z.memory.drop(h, Cold)
				if kind, version, validated := z.seen(key); changed && kind == Object && validated == 0 {
					t.Errorf("got object %d again, of before", version)
				}
				release()
				if err := <-done; err != nil {
					t.Errorf("got %v", err)
				}
				z.memory.drop(h, Cold)
				if kind, _, validated := z.seen(key); kind == Object && validated == 0 {
					t.Error("got the object of before in the end")
				}
			})
		})
	}
}
