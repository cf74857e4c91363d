package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustVolume opens a volume of a real folder and begins it.
func mustVolume(t *testing.T, o volumeOptions) *volume {
	t.Helper()
	v, err := openVolume(o)
	if err == nil {
		err = v.slots(func(*slot, []foundListing) {})
	}
	if err == nil {
		err = v.begin()
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// stop shuts a volume down as a kill leaves it.
func stop(t *testing.T, v *volume) {
	t.Helper()
	if err := v.shut(false); err != nil {
		t.Error(err)
	}
}

func smallVolume(dir string) volumeOptions {
	return volumeOptions{dir: dir, size: minVolume, mean: 8 << 10}
}

// TestRefusals: what is no volume, or not the one that is asked for, is named
// with what was found and what is expected, and not a byte of it changes.
func TestRefusals(t *testing.T) {
	resuper := func(change func(b []byte, s *superblock)) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, volumeName))
			if err != nil {
				t.Fatal(err)
			}
			s, _, err := superOf(b)
			if err != nil {
				t.Fatal(err)
			}
			change(b, &s)
			if err := os.WriteFile(filepath.Join(dir, volumeName), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := newIdentity(2)
	for _, test := range []struct {
		name   string
		before func(t *testing.T, dir string)
		o      volumeOptions
		want   []string
	}{
		{"another size", nil, volumeOptions{size: 16 << 20}, []string{"its size: found 8388608 bytes, expected 16777216", "neither grows nor shrinks"}},
		{"another set", nil, volumeOptions{stripe: other}, []string{"its place in a set: found stripe 1 of 1", "expected stripe 1 of 2"}},
		{"a foreign file", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, volumeName), []byte(strings.Repeat("my thesis ", 2000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, volumeOptions{}, []string{"it is no volume of opencache", "it is left as it is", "remove opencache.volume"}},
		{"an empty file", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, volumeName), 0); err != nil {
				t.Fatal(err)
			}
		}, volumeOptions{}, []string{"it is no volume of opencache"}},
		{"a damaged superblock", func(t *testing.T, dir string) {
			flip(t, dir, volumeName, 100)
			flip(t, dir, volumeName, superSize+100)
		}, volumeOptions{}, []string{"its superblock is damaged in both copies", "it is left as it is"}},
		{"a later version", resuper(func(b []byte, s *superblock) {
			for i := range superCopies {
				c := b[i*superSize:][:superSize]
				c[len(superMagic)] = superVersion + 1
				copy(c, sealed(c, superSize-4, 0, superSize-4, 0))
			}
		}), volumeOptions{}, []string{"its format is version 2; this program knows version 1"}},
		{"truncated", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, volumeName), minVolume-1); err != nil {
				t.Fatal(err)
			}
		}, volumeOptions{}, []string{"its file's length: found 8388607, expected 8388608"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := mustVolume(t, smallVolume(dir)).shut(true); err != nil {
				t.Fatal(err)
			}
			if test.before != nil {
				test.before(t, dir)
			}
			before, err := os.ReadFile(filepath.Join(dir, volumeName))
			if err != nil {
				t.Fatal(err)
			}
			o := test.o
			o.dir = dir
			_, err = openVolume(o)
			if err == nil {
				t.Fatal("got a volume, want a refusal")
			}
			for _, want := range append(test.want, "disk volume in "+dir) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if after, err := os.ReadFile(filepath.Join(dir, volumeName)); err != nil || string(after) != string(before) {
				t.Errorf("the file has changed (%v)", err)
			}
		})
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	v := mustVolume(t, smallVolume(dir))
	if _, err := openVolume(smallVolume(dir)); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: got %v, want %v with the folder's name", err, errInUse)
	}
	if err := v.shut(true); err != nil {
		t.Fatal(err)
	}
	if err := mustVolume(t, smallVolume(dir)).shut(true); err != nil {
		t.Fatal(err)
	}
}

// TestOneCopyOfTheSuperblock is enough, and the next start mends the other.
func TestOneCopyOfTheSuperblock(t *testing.T) {
	for i := range superCopies {
		dir := t.TempDir()
		if err := mustVolume(t, smallVolume(dir)).shut(true); err != nil {
			t.Fatal(err)
		}
		flip(t, dir, volumeName, int64(i*superSize+50))
		v := mustVolume(t, smallVolume(dir))
		if v.found.superCopies != 1 {
			t.Errorf("copy %d torn: got %d good, want 1", i, v.found.superCopies)
		}
		if err := v.shut(true); err != nil {
			t.Fatal(err)
		}
		if s, intact, err := peekAll(dir); err != nil || intact != superCopies || s.opens != 2 {
			t.Errorf("copy %d torn: mended to %d copies, opens %d, %v", i, intact, s.opens, err)
		}
	}
}

func peekAll(dir string) (superblock, int, error) {
	f, err := openFile(filepath.Join(dir, volumeName))
	if err != nil {
		return superblock{}, 0, err
	}
	defer f.close()
	return readSuper(f)
}

// TestNoRoom: a volume that does not fit is refused with words, and leaves
// nothing behind.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	_, err := openVolume(volumeOptions{dir: dir, size: 4 << 40, mean: 1 << 20})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "smaller size") {
		t.Errorf("got %v, want that there is no room", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestFirstStart makes the folder, but not what it is in.
// A size of which no volume can be made leaves no folder behind.
func TestNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	if _, err := openVolume(volumeOptions{dir: dir, size: 1, mean: 1 << 10}); err == nil {
		t.Error("got a volume of one byte, want none")
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	if err := mustVolume(t, smallVolume(filepath.Join(dir, "a"))).shut(true); err != nil {
		t.Error(err)
	}
	if _, err := openVolume(smallVolume(filepath.Join(dir, "b", "c"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
	st, err := os.Stat(filepath.Join(dir, "a", volumeName))
	if err != nil || st.Sys().(*syscall.Stat_t).Blocks*512 < minVolume {
		t.Errorf("got %v, want all of it allocated (%v)", st, err)
	}
}

// TestJournalWounds: what is missing in the middle of a journal may have been
// any purge.
func TestJournalWounds(t *testing.T) {
	for _, test := range []struct {
		name    string
		clean   bool
		boot    string
		harm    func(b []byte) []byte
		nothing string
		doubt   bool
		marks   int64
	}{
		{name: "whole", boot: "b1", marks: 3},
		{name: "whole, clean, another boot", clean: true, boot: "b2", marks: 3},
		{name: "whole, another boot", boot: "b2", doubt: true, marks: 3},
		{name: "torn", boot: "b1", harm: func(b []byte) []byte { return b[:len(b)-5] }, marks: 2},
		{name: "torn, clean", clean: true, boot: "b1", harm: func(b []byte) []byte { return b[:len(b)-5] }, nothing: "not as it was left: torn"},
		{name: "an entry short, clean", clean: true, boot: "b1", harm: func(b []byte) []byte { return b[:len(b)-56] }, nothing: "not as it was left: whole"},
		{name: "holed", boot: "b1", harm: func(b []byte) []byte { b[len(b)-60] ^= 1; return b }, nothing: "damaged in the middle"},
		{name: "holed, another boot", boot: "b2", harm: func(b []byte) []byte { b[len(b)-60] ^= 1; return b }, doubt: true, marks: 2},
		{name: "its head", boot: "b1", harm: func(b []byte) []byte { b[3] ^= 1; return b }, nothing: "missing"},
		{name: "missing", boot: "b2", harm: func([]byte) []byte { return nil }, nothing: "missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			o := smallVolume(dir)
			o.boot = "b1"
			v := mustVolume(t, o)
			for i := range uint64(3) {
				mk := Marker{Kind: Variants, Generation: 1}
				c := mk.cell()
				if err := v.journal.append(entry{kind: entryMark, hash: hashOf(int(i) + 1), stamp: i + 1, place: c.place, state: c.state}); err != nil {
					t.Fatal(err)
				}
			}
			if err := v.shut(test.clean); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, journalName)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if test.harm != nil {
				if b = test.harm(b); b == nil {
					err = os.Remove(name)
				} else {
					err = os.WriteFile(name, b, 0o600)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			o.boot = test.boot
			v = mustVolume(t, o)
			defer stop(t, v)
			f := &v.found
			if f.nothing != (test.nothing != "") || !strings.Contains(f.why, test.nothing) || f.doubtful != test.doubt || f.marks != test.marks {
				t.Errorf("got nothing %v, doubtful %v (%s), %d markers, want %q, %v, %d", f.nothing, f.doubtful, f.why, f.marks, test.nothing, test.doubt, test.marks)
			}
		})
	}
}

// TestCompaction: a journal that says the same again and again stays short, and
// nothing is lost on the way.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	v := mustVolume(t, smallVolume(dir))
	mk := Marker{Kind: Variants, Generation: 1}
	c := mk.cell()
	var e []entry
	for i := range 200_000 {
		e = append(e, entry{kind: entryMark, hash: hashOf(i%10 + 1), stamp: uint64(i + 1), place: c.place, state: c.state},
			entry{kind: entryKill, slab: i % 4, generation: uint64(i/100_000 + 1), listings: []uint16{uint16(i % 256)}})
		if len(e) >= 200 {
			if err := v.journal.append(e...); err != nil {
				t.Fatal(err)
			}
			e = e[:0]
		}
	}
	if err := v.shut(true); err != nil {
		t.Fatal(err)
	}
	if v.journal.rewrote.Load() == 0 || v.journal.end > 5*journalSlack {
		t.Errorf("written anew %d times, %d bytes at the end", v.journal.rewrote.Load(), v.journal.end)
	}
	v = mustVolume(t, smallVolume(dir))
	defer stop(t, v)
	if v.found.nothing || v.found.marks != 10 || v.back.stamp != 200_000 {
		t.Errorf("got %+v, stamp %d, want 10 markers, stamp 200000", v.found, v.back.stamp)
	}
	for slab := range 4 {
		if l := v.back.dead[slab]; l == nil || l.generation != 2 || len(l.listings()) != 64 {
			t.Errorf("slab %d: got %+v, want 64 listings of generation 2", slab, l)
		}
	}
}

// TestJournalThatFails: the next start is empty, and no caller is told a lie.
func TestJournalThatFails(t *testing.T) {
	full := errors.New("no space left on device")
	for _, test := range []struct {
		name        string
		superBroken bool
		want        error
	}{{"the superblock still can", false, nil}, {"nor can the superblock", true, errUnsafe}} {
		t.Run(test.name, func(t *testing.T) {
			d := newHeapFolder()
			o := volumeOptions{dir: "heap", size: minVolume, mean: 8 << 10, folder: d, boot: "b1"}
			v := mustVolume(t, o)
			broken := &faultyFile{file: v.journal.f}
			broken.setWrite(func([]byte, int64) error { return full })
			v.journal.f = broken // nothing is appended yet, so the writer waits
			if test.superBroken {
				super := &faultyFile{file: v.f}
				super.setWrite(func([]byte, int64) error { return full })
				v.f = super
			}
			for range 2 {
				if err := v.journal.append(entry{kind: entrySeq, ban: ban{seq: 1}}); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			}
			_ = v.shut(true)
			v = mustVolume(t, o)
			defer stop(t, v)
			if want := test.want == nil; v.found.nothing != want {
				t.Errorf("got nothing %v (%s), want %v", v.found.nothing, v.found.why, want)
			}
		})
	}
}

// TestForgottenAtLast: when neither journal nor superblock could be written, and
// the device answers again by the end, the next start is empty.
func TestForgottenAtLast(t *testing.T) {
	o := volumeOptions{dir: "heap", size: minVolume, mean: 8 << 10, folder: newHeapFolder(), boot: "b1"}
	v := mustVolume(t, o)
	journal, super := &faultyFile{file: v.journal.f}, &faultyFile{file: v.f}
	v.journal.f, v.f = journal, super
	for _, f := range []*faultyFile{journal, super} {
		f.setWrite(func([]byte, int64) error { return syscall.EIO })
	}
	if err := v.journal.append(entry{kind: entrySeq, ban: ban{seq: 1}}); !errors.Is(err, errUnsafe) {
		t.Errorf("got %v, want %v", err, errUnsafe)
	}
	journal.setWrite(nil)
	super.setWrite(nil)
	_ = v.shut(false)
	v = mustVolume(t, o)
	defer stop(t, v)
	if !v.found.nothing {
		t.Error("something comes back, want nothing")
	}
}

// TestJournalThatHangs: an append does not wait longer than it is told, and
// when the device answers again the next start is empty.
func TestJournalThatHangs(t *testing.T) {
	d := newHeapFolder()
	o := volumeOptions{dir: "heap", size: minVolume, mean: 8 << 10, folder: d, boot: "b1", wait: 10 * time.Millisecond}
	v := mustVolume(t, o)
	release, hung := make(chan struct{}), &faultyFile{file: v.journal.f}
	hung.setWrite(func([]byte, int64) error { <-release; return nil })
	v.journal.f = hung
	if err := v.journal.append(entry{kind: entrySeq, ban: ban{seq: 1}}); !errors.Is(err, errUnsafe) {
		t.Errorf("got %v, want %v", err, errUnsafe)
	}
	close(release)
	_ = v.shut(true)
	<-v.journal.stopped
	v = mustVolume(t, o)
	defer stop(t, v)
	if !v.found.nothing {
		t.Error("something comes back, want nothing")
	}
}

// TestStripes: a set is what it was made as, in whatever order it is named.
func TestStripes(t *testing.T) {
	folders := []folder{newHeapFolder(), newHeapFolder(), newHeapFolder()}
	dirs := []string{"a", "b", "c"}
	start := func(t *testing.T, dirs []string, folders []folder) (vs []*volume) {
		t.Helper()
		ids, err := identify(dirs, folders)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			o := volumeOptions{dir: dirs[i], size: minVolume, mean: 8 << 10, folder: folders[i], stripe: id, boot: "b1"}
			vs = append(vs, mustVolume(t, o))
		}
		return vs
	}
	end := func(vs []*volume) {
		for _, v := range vs {
			if err := v.shut(true); err != nil {
				t.Error(err)
			}
		}
	}
	vs := start(t, dirs, folders)
	set, secret := vs[0].super.set, vs[0].super.secret
	end(vs)
	vs = start(t, []string{"c", "a", "b"}, []folder{folders[2], folders[0], folders[1]})
	for i, want := range []int{2, 0, 1} {
		if s := &vs[i].super; s.stripe != want || s.set != set || s.secret != secret || vs[i].found.nothing {
			t.Errorf("folder %d: got stripe %d of set %x, nothing %v, want %d of %x", i, s.stripe, s.set, vs[i].found.nothing, want, set)
		}
	}
	end(vs)
	for _, test := range []struct {
		dirs    []string
		folders []folder
		want    string
	}{
		{dirs[:2], folders[:2], "found stripe 1 of 3"},
		{[]string{"a", "a", "c"}, []folder{folders[0], folders[0], folders[2]}, "a has this one"},
	} {
		if _, err := identify(test.dirs, test.folders); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.dirs, err, test.want)
		}
	}
	// A stripe that was away does not know what was purged meanwhile.
	away := folders[1]
	folders[1] = newHeapFolder()
	end(start(t, dirs, folders))
	folders[1] = away
	vs = start(t, dirs, folders)
	defer end(vs)
	for i, want := range []bool{false, true, false} {
		if vs[i].found.nothing != want {
			t.Errorf("stripe %d: got nothing %v (%s), want %v", i, vs[i].found.nothing, vs[i].found.why, want)
		}
	}
}
