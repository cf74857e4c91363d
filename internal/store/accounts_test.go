package store

import (
	"fmt"
	"strings"
	"testing"
)

// bytesOf returns the live bytes of a site with an account.
func (z *Zone) bytesOf(site uint64) (memory, disk int64) {
	for _, s := range z.Sites() {
		if s.Site == site {
			return s.Memory, s.Disk
		}
	}
	return -1, -1
}

func (z *Zone) storeOf(t *testing.T, site uint64, key string, size int) Hash {
	t.Helper()
	h := z.Hash([]byte(key))
	if err := z.Put(&Record{Hash: h, Key: []byte(key), Site: site, Version: 1, Body: [][]byte{make([]byte, size)}, Size: int64(size)}); err != nil {
		t.Fatalf("Put(%s): %v", key, err)
	}
	return h
}

// TestAccountOfWhatWasThere: what was stored of a site before it had an account
// is on that account from when it is copied: forward, up or down.
func TestAccountOfWhatWasThere(t *testing.T) {
	for name, disk := range map[string]bool{"memory": false, "tiers": true} {
		t.Run(name, func(t *testing.T) {
			o := ZoneOptions{Memory: 8 << 20, MeanObject: 4 << 10, Heap: true}
			if disk {
				o.Disks = []DiskOptions{{Dir: "heap", Size: 8 << 20, Heap: true}}
			}
			z, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := z.Close(); err != nil {
					t.Error(err)
				}
			}()
			site := z.Site([]byte("s"))
			h := z.storeOf(t, site, "its own", 1000)
			z.OpenSite([]byte("s"))
			if m, d := z.bytesOf(site); m != 0 || d != 0 {
				t.Fatalf("got %d and %d bytes on the new account, want none yet", m, d)
			}
			if disk {
				z.memory.drop(h, Cold)
			}
			n := 0
			for ; n < 100_000; n++ {
				var e Entry
				z.Lookup(h, []byte("its own"), 0, &e)
				kind := e.Kind
				if e.Release(); kind != Object {
					t.Fatalf("it is gone behind %d others", n)
				}
				if m, _ := z.bytesOf(site); m > 0 {
					break
				}
				z.storeOf(t, 0, fmt.Sprint("other", n), 4000)
			}
			if m, _ := z.bytesOf(site); m != int64(aligned(headerSize+len("its own")+1000)) {
				t.Errorf("got %d bytes on its account behind %d others, want those of one record", m, n)
			}
			z.Remove(h, []byte("its own"))
			if m, d := z.bytesOf(site); m != 0 || d != 0 {
				t.Errorf("got %d and %d bytes when it is removed, want 0", m, d)
			}
		})
	}
}

// TestNamesOfSites: sites have their names after a restart, those that a name
// was told later, and long ones as much of it as is kept.
func TestNamesOfSites(t *testing.T) {
	folders := []folder{newHeapFolder(), newHeapFolder()}
	long := "http://" + strings.Repeat("x", 300)
	var known [3]uint64
	for start := range 3 {
		o := ZoneOptions{Memory: 8 << 20, Heap: true}
		for i, f := range folders {
			o.Disks = append(o.Disks, DiskOptions{Dir: fmt.Sprint("d", i), Size: 8 << 20, Heap: true, folder: f})
		}
		z, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if start == 0 {
			known = [3]uint64{z.Site([]byte("http://a.test")), z.Site([]byte("b")), z.Site([]byte(long))}
			if err := z.SetShare(known[1], 1000, 0); err != nil { // opens an account without a name
				t.Fatal(err)
			}
			for _, name := range []string{"http://a.test", "b", long} {
				z.OpenSite([]byte(name))
			}
			z.storeOf(t, known[1], "its own", 1000)
		}
		for i, want := range []string{"http://a.test", "b", long[:siteName]} {
			if got := z.SiteName(known[i]); got != want {
				t.Errorf("start %d: site %d: got %q, want %q", start+1, i, got, want)
			}
		}
		if _, d := z.bytesOf(known[1]); d == 0 {
			t.Errorf("start %d: got no bytes on disk of b", start+1)
		}
		if n := len(z.Sites()); n != 4 {
			t.Errorf("start %d: got %d accounts, want 4", start+1, n)
		}
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}
}
