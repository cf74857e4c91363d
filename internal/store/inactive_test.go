package store

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// inZone stores content under a name for a site, and returns its hash and key.
func inZone(t *testing.T, z *Zone, site uint64, name string) (Hash, []byte) {
	t.Helper()
	key := []byte(name)
	h := z.Hash(key)
	if err := z.Put(&Record{Hash: h, Key: key, Site: site, Born: z.Seq(), Validated: z.Seq(), Size: 4, Meta: []byte("m"), Body: [][]byte{[]byte("body")}}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return h, key
}

// there reports whether key is stored, which counts as asking for it.
func there(z *Zone, h Hash, key []byte) bool {
	var e Entry
	z.Lookup(h, key, time.Now().UnixMilli(), &e)
	defer e.Release()
	return e.Kind == Object
}

// TestInactive: what nobody asks for falls after its site's time, an eighth of
// that later at most, and nothing else does.
func TestInactive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z, err := Open(ZoneOptions{Memory: 8 << 20, Heap: true, Poison: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := z.Close(); err != nil {
				t.Error(err)
			}
		}()
		a, b := z.OpenSite([]byte("a")), z.OpenSite([]byte("b"))
		early, earlyKey := inZone(t, z, a, "early")
		for _, d := range []time.Duration{time.Hour, 80 * time.Second, 80 * time.Second} { // the last is no change
			if err := z.SetInactive(a, d); err != nil {
				t.Fatal(err)
			}
		}
		idle, idleKey := inZone(t, z, a, "idle")
		used, usedKey := inZone(t, z, a, "used")
		other, otherKey := inZone(t, z, b, "other")
		for range 12 {
			time.Sleep(6 * time.Second)
			if !there(z, used, usedKey) {
				t.Fatal("what is asked for has fallen")
			}
		}
		if n := z.Stats().Memory.Objects; n != 4 {
			t.Errorf("%d objects after 72 seconds, want all 4", n)
		}
		time.Sleep(20 * time.Second)
		if lost := z.Stats().Memory.Lost[Inactive]; lost != 2 || there(z, idle, idleKey) || there(z, early, earlyKey) {
			t.Errorf("%d have fallen after 92 seconds, want the 2 that nobody asked for", lost)
		}
		if !there(z, used, usedKey) || !there(z, other, otherKey) {
			t.Error("what is asked for, or of another site, has fallen")
		}
		if err := z.SetInactive(a, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if !there(z, used, usedKey) {
			t.Error("it fell though nothing is to fall any more")
		}
	})
}

// TestInactiveTiers: on disk too, and what is asked for in memory counts there.
func TestInactiveTiers(t *testing.T) {
	z, err := Open(ZoneOptions{Memory: 8 << 20, Heap: true, Disks: []DiskOptions{{Dir: t.TempDir(), Size: 64 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}()
	site := z.OpenSite([]byte("a"))
	if err := z.SetInactive(site, time.Hour); err != nil {
		t.Fatal(err)
	}
	used, usedKey := inZone(t, z, site, "used")
	idle, idleKey := inZone(t, z, site, "idle")
	for _, h := range []Hash{used, idle} {
		z.offer(h)
		if !z.disk(h).contains(h) {
			t.Fatal("not on disk")
		}
	}
	due := new(dueSites)
	due[z.account(site)] = idleParts
	for range idleParts {
		if !there(z, used, usedKey) || !z.walkIdle(due) {
			t.Fatal("what is asked for has fallen")
		}
	}
	if !z.disk(idle).contains(idle) || !z.memory.contains(idle) {
		t.Error("it fell a round too early")
	}
	for range 2 {
		if !there(z, used, usedKey) || !z.walkIdle(due) {
			t.Fatal("what is asked for has fallen")
		}
	}
	if z.disk(idle).contains(idle) || z.memory.contains(idle) || there(z, idle, idleKey) {
		t.Error("it did not fall")
	}
	if !z.disk(used).contains(used) {
		t.Error("what is asked for in memory has fallen on disk")
	}
	if lost := z.Stats().Disks[0].Lost[Inactive]; lost != 1 {
		t.Errorf("%d lost on disk, want 1", lost)
	}
}

// TestIdleCounts: a count is of its entry, and begins anew with another one.
func TestIdleCounts(t *testing.T) {
	z, err := Open(ZoneOptions{Memory: 8 << 20, Heap: true})
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	x := &z.memory.index
	if x.idle.rounds(0) != 0 || x.idle.bytes() != 0 {
		t.Error("counted without counts")
	}
	x.idle.begin(x.rows())
	for n := range 20 {
		if got := x.idle.rounds(bucketWords + 3); got != min(n, idleMax) {
			t.Errorf("round %d: got %d", n, got)
		}
	}
	if x.idle.rounds(bucketWords+2) != 0 || x.idle.rounds(bucketWords+4) != 0 || x.idle.rounds(3) != 0 {
		t.Error("neighbours were counted")
	}
	x.idle.asked(bucketWords + 3)
	if x.idle.rounds(bucketWords+3) != 0 {
		t.Error("it was asked for")
	}
	for i := range 1000 {
		h, key := inZone(t, z, 0, fmt.Sprint(i))
		var c cell
		if !x.load(h, &c) || x.idle.rounds(c.at) != 0 {
			t.Fatalf("%s: a newcomer is idle", key)
		}
	}
}

// TestInactiveLonger: what nobody asked for through some rounds of a shorter
// time does not fall before the longer one that a site has got.
func TestInactiveLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newTiers(t, 8<<20, nil)
		site := z.OpenSite([]byte("a"))
		if err := z.SetInactive(site, 80*time.Second); err != nil {
			t.Fatal(err)
		}
		inZone(t, z, site, "a")
		time.Sleep(75 * time.Second)
		if err := z.SetInactive(site, 8*time.Hour); err != nil {
			t.Fatal(err)
		}
		for h := range 10 {
			if n, on := z.memory.objects(), z.disks[0].objects(); (n == 1) != (h < 9) || n != on {
				t.Errorf("%d in memory, %d on disk %d hours behind a change to 8", n, on, h)
			}
			time.Sleep(time.Hour + time.Second)
		}
	})
}

// TestInactiveBesideShares: the share that a site gets with its account is read
// while another is set.
func TestInactiveBesideShares(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range int64(100) {
			z.ShareOthers(n<<20, n<<20)
		}
	}()
	for n := range 100 {
		if err := z.SetInactive(z.Site(fmt.Append(nil, n)), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	<-done
}
