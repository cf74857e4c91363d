package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// An endlessFile is as long as it says, what it begins with, and then what more
// makes of each read.
type endlessFile struct {
	heapFile
	length int64
	more   func(p []byte, off int64)
	most   int   // bytes of the largest read
	sum    int64 // of all
}

func (f *endlessFile) size() (int64, error) { return f.length, nil }

func (f *endlessFile) read(p []byte, off int64) error {
	f.most, f.sum = max(f.most, len(p)), f.sum+int64(len(p))
	f.more(p, off)
	if off < int64(len(f.b)) {
		copy(p, f.b[off:])
	}
	return nil
}

// TestJournalOfAnyLength: a journal that is a terabyte of what no journal holds
// costs neither memory nor time in proportion, nor is it taken for a whole one.
func TestJournalOfAnyLength(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	begun := (&entry{kind: entrySeq, ban: ban{seq: 7}}).append(nil, 5)
	for name, more := range map[string]func(p []byte, off int64){
		"zeros": func(p []byte, _ int64) { clear(p) },
		"chance": func(p []byte, _ int64) {
			for i := 0; i+8 <= len(p); i += 8 {
				binary.LittleEndian.PutUint64(p[i:], chance.Uint64())
			}
		},
		// Each eight bytes begin the longest entry that is looked for.
		"long entries": func(p []byte, off int64) {
			for i := range p {
				p[i] = [8]byte{0, 0, 0, 0, 0xee, 0xff, 0x03, byte(entryBan)}[(off+int64(i))%8]
			}
		},
		// The first one is as long as an entry can be.
		"one long entry": func(p []byte, off int64) {
			clear(p)
			if at := int64(len(begun)); off <= at && at+8 <= off+int64(len(p)) {
				copy(p[at-off:], []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, byte(entryBan)})
			}
		},
	} {
		f := &endlessFile{heapFile: heapFile{b: begun}, length: 1 << 40, more: more}
		r := newReplay()
		if err := r.read(&window{f: f, end: f.length}, 5); err != nil {
			t.Fatal(err)
		}
		if r.wound != holed || r.seq < 7 || r.bytes+r.lost != f.length {
			t.Errorf("%s: got %v, sequence %d, %d bytes and %d lost of %d, want %v, 7, all", name, r.wound, r.seq, r.bytes, r.lost, f.length, holed)
		}
		if f.most > entryMost+1<<10 || f.sum > 4*vainMost {
			t.Errorf("%s: got reads of up to %d bytes, %d in all; want at most %d, %d", name, f.most, f.sum, entryMost+1<<10, 4*vainMost)
		}
	}
}

// TestJournalInPieces: entries that lie across the ends of what is read at a
// time come back as if the file was read at once.
func TestJournalInPieces(t *testing.T) {
	var b []byte
	want := newReplay()
	for i := 0; len(b) < 3*journalWindow; i++ {
		e := entry{kind: entryMark, hash: Hash{uint64(i+1) << 16, 1}, stamp: uint64(i)}
		if i%1000 == 0 {
			e = entry{kind: entryBan, ban: ban{seq: Seq(i), kind: banPrefix, text: bytes.Repeat([]byte{'x'}, 100_000+i)}}
		}
		b = e.append(b, 5)
		want.apply(&e)
	}
	damaged := bytes.Clone(b)
	copy(damaged[journalWindow-20:], make([]byte, 200))
	for name, b := range map[string][]byte{"whole": b, "damaged": damaged, "torn": b[:len(b)-3]} {
		r := newReplay()
		if err := r.read(&window{f: &heapFile{b: b}, end: int64(len(b))}, 5); err != nil {
			t.Fatal(err)
		}
		if w := map[string]wound{"whole": whole, "damaged": holed, "torn": torn}[name]; r.wound != w || r.bytes+r.lost != int64(len(b)) {
			t.Errorf("%s: got %v, %d bytes and %d lost of %d", name, r.wound, r.bytes, r.lost, len(b))
		}
		if missing := len(want.marks) - len(r.marks); missing < 0 || missing > 10 || name == "whole" && missing != 0 {
			t.Errorf("%s: got %d of %d markers", name, len(r.marks), len(want.marks))
		}
	}
}

// TestJournalOfFarListings: what an entry comes to in memory goes by how many
// listings it has, not by their numbers: those are a file's, and anybody's.
func TestJournalOfFarListings(t *testing.T) {
	r, words := newReplay(), 0
	for i := range 1000 {
		r.apply(&entry{kind: entryKill, slab: i, generation: 1, listings: []uint16{65535, uint16(i)}})
	}
	for n, l := range r.dead {
		words += cap(l.words)
		if got := l.listings(); len(got) != 2 || int(got[0]) != n || got[1] != 65535 || !l.has(1, 65535) || l.has(1, 65534) || l.has(2, 65535) || l.has(1, 1<<20) {
			t.Fatalf("slab %d: got %v", n, got)
		}
	}
	if words > 8*1000 {
		t.Errorf("2,000 listings take %d words", words)
	}
}

// TestJournalThatCannotBeRead: an error of the device is said, and is no end.
func TestJournalThatCannotBeRead(t *testing.T) {
	b := make([]byte, 2*journalWindow)
	f, broken := &faultyFile{file: &heapFile{b: b}}, errors.New("broken")
	f.setRead(func(_ []byte, off int64) error {
		if off > 0 {
			return broken
		}
		return nil
	})
	if err := newReplay().read(&window{f: f, end: int64(len(b))}, 5); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
