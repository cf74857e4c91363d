package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// aVolume leaves a volume with something in it in a real folder.
func aVolume(t *testing.T, clean bool) (string, *drama) {
	t.Helper()
	dir := t.TempDir()
	d := dramaOn(t, 1, volumeOptions{dir: dir, boot: "b1"})
	if err := d.v.journal.append(entry{kind: entrySite, number: 1, hash: Hash{1}, text: []byte("http://one")}); err != nil {
		t.Fatal(err)
	}
	for key := range 40 {
		d.put(key, 1, 20<<10)
	}
	d.flush()
	if err := d.v.shut(clean); err != nil {
		t.Fatal(err)
	}
	return dir, d
}

// snapshot is the bytes of a folder's files.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{volumeName, journalName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	return files
}

func flip(t *testing.T, dir, name string, off int64) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err = f.ReadAt(b[:], off); err == nil {
		b[0] ^= 4
		_, err = f.WriteAt(b[:], off)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheck: damage is found and named, nothing is written without leave, and
// what is repaired is sound and serves nothing that was damaged.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name         string
		clean, quick bool
		boot         string
		harm         func(t *testing.T, dir string, v *volume)
		damage, note string
		left         int64 // records after the repair
		unseen       bool  // by --quick
	}{
		{name: "sound", clean: true, left: 40},
		{name: "sound, quick", clean: true, quick: true, left: 40},
		{name: "killed", left: 40},
		{name: "crashed with its machine", boot: "b2", note: "to be validated: the machine crashed", left: 40},
		{name: "a body", clean: true, harm: func(t *testing.T, dir string, v *volume) { flip(t, dir, volumeName, v.slabAt(0)+100<<10) },
			damage: "bodies: 4 records are not what was written, the first in slab 0", left: 36, unseen: true},
		{name: "a listing", clean: true, harm: func(t *testing.T, dir string, v *volume) { flip(t, dir, volumeName, v.slotAt(0)+slotHeader+3) },
			damage: "1 listings are not what was written", left: 39},
		{name: "a slot", clean: true, harm: func(t *testing.T, dir string, v *volume) { flip(t, dir, volumeName, v.slotAt(1)+20) },
			damage: "1 slots are neither empty nor whole", left: 25},
		{name: "a superblock", clean: true, harm: func(t *testing.T, dir string, v *volume) { flip(t, dir, volumeName, 20) },
			damage: "1 of 2 copies is good", left: 40},
		{name: "the journal", clean: true, harm: func(t *testing.T, dir string, v *volume) { flip(t, dir, journalName, journalHeader+3) },
			damage: "nothing comes back: its journal is not as it was left", left: 0},
		{name: "the journal is gone", harm: func(t *testing.T, dir string, _ *volume) {
			if err := os.Remove(filepath.Join(dir, journalName)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, journalName), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, damage: "nothing comes back: its journal is missing", left: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, d := aVolume(t, test.clean)
			if test.harm != nil {
				test.harm(t, dir, d.v)
			}
			if test.boot == "" {
				test.boot = "b1"
			}
			before := snapshot(t, dir)
			look := func(o CheckOptions) *VolumeReport {
				t.Helper()
				r, err := checkVolume(volumeOptions{dir: dir, existing: true, boot: test.boot}, o)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			r := look(CheckOptions{Quick: test.quick})
			if got := fmt.Sprint(r.Damage); (len(r.Damage) > 0) != (test.damage != "") || !strings.Contains(got, test.damage) {
				t.Errorf("got damage %s, want %q", got, test.damage)
			}
			if got := fmt.Sprint(r.Notes); !strings.Contains(got, test.note) {
				t.Errorf("got notes %s, want %q", got, test.note)
			}
			if quick := look(CheckOptions{Quick: true}); test.unseen && len(quick.Damage) > 0 || quick.Verified != 0 {
				t.Errorf("quick: got %q, %d bytes read", quick.Damage, quick.Verified)
			}
			if after := snapshot(t, dir); after[volumeName] != before[volumeName] || after[journalName] != before[journalName] {
				t.Error("a check without leave has written")
			}
			look(CheckOptions{Repair: true})
			r = look(CheckOptions{})
			if len(r.Damage) > 0 || r.Objects+r.Segments != test.left {
				t.Errorf("repaired: got %q and %d records, want none and %d", r.Damage, r.Objects+r.Segments, test.left)
			}
			if test.boot == "b2" != (r.Soft > 0) {
				t.Errorf("repaired: %d to be validated", r.Soft)
			}
		})
	}
}

// TestCheckReport: what a report says of a volume.
func TestCheckReport(t *testing.T) {
	dir, _ := aVolume(t, true)
	var seen, of int64
	r, err := CheckVolume(dir, CheckOptions{Progress: func(done, total int64) { seen, of = done, total }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != minVolume || r.SlabSize != smallSlab || r.Used != 2 || r.Opens != 1 || !r.Clean || r.Stripes != 1 ||
		r.Objects != 20 || r.Segments != 20 || r.Live != 40*20<<10 || r.Verified != r.Live || seen != of || of != r.Live {
		t.Errorf("got %+v, progress %d of %d", r, seen, of)
	}
	if len(r.Sites) != 3 || r.Sites[0].Records != 14 || r.Sites[1].Name != "http://one" || r.Sites[1].Records != 13 {
		t.Errorf("got sites %+v", r.Sites)
	}
}

func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := CheckVolume(dir, CheckOptions{}); err == nil || !strings.Contains(err.Error(), "there is no opencache.volume") {
		t.Errorf("an empty folder: got %v", err)
	}
	v := mustVolume(t, smallVolume(dir))
	defer stop(t, v)
	if _, err := CheckVolume(dir, CheckOptions{}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("one in use: got %v", err)
	}
}
