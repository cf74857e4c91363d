package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
)

// An identity is which stripe of which set a volume is. The zero value is a
// set of one: what is there, or a new one.
type identity struct {
	set       [16]byte
	secret    [2]uint64 // of the hashes, the same in all stripes
	i, number int
	// opens is how often the set was opened. A stripe that was opened less often
	// was away, and does not know what was purged meanwhile.
	opens uint32
}

// newIdentity names a new set of n stripes.
func newIdentity(n int) identity {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	le := binary.LittleEndian
	id := identity{number: n, secret: [2]uint64{le.Uint64(b[16:]), le.Uint64(b[24:])}}
	copy(id.set[:], b[:])
	return id
}

// identify returns which stripe each folder's volume is, or is to be made as:
// of a new set when none has a volume; else of the set that is there, in
// whatever order its folders are named. Folders without a volume get the
// stripes that are missing. It only reads.
func identify(dirs []string, folders []folder) ([]identity, error) {
	ids := make([]identity, len(dirs))
	var set *superblock
	taken := make([]string, len(dirs)) // by stripe
	for i := range dirs {
		s, err := peek(folders[i])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, refusal(dirs[i], 0, err)
		case set == nil:
			set = &s
		}
		if err := belongs(&s, set, taken); err != nil {
			return nil, refusal(dirs[i], 0, err)
		}
		taken[s.stripe] = dirs[i]
		set.opens = max(set.opens, s.opens)
		ids[i] = identity{set: s.set, secret: s.secret, i: s.stripe, number: s.number}
	}
	fresh := newIdentity(len(dirs))
	if set != nil {
		fresh = identity{set: set.set, secret: set.secret, number: set.number, opens: set.opens}
	}
	next := 0
	for i := range ids {
		if ids[i].number == 0 {
			for taken[next] != "" {
				next++
			}
			taken[next] = dirs[i]
			ids[i] = fresh
			ids[i].i = next
		}
		ids[i].opens = fresh.opens
	}
	return ids, nil
}

// belongs refuses what is no stripe of the set, or one that another folder has.
func belongs(s, set *superblock, taken []string) error {
	const advice = "name the folders that were one set before, all of them, or remove the volumes to start with empty ones"
	name := func(s *superblock) string {
		return fmt.Sprintf("stripe %d of %d of set %x", s.stripe+1, s.number, s.set[:4])
	}
	switch {
	case s.number != len(taken):
		return &mismatch{"its place in a set", name(s), fmt.Sprintf("one of %d stripes", len(taken)), advice}
	case s.set != set.set || s.secret != set.secret:
		return &mismatch{"its place in a set", name(s), fmt.Sprintf("one of set %x", set.set[:4]), advice}
	case taken[s.stripe] != "":
		return &mismatch{"its place in a set", name(s), "another stripe: " + taken[s.stripe] + " has this one", advice}
	}
	return nil
}

// peek reads a volume's superblock.
func peek(d folder) (superblock, error) {
	f, err := d.open(volumeName)
	if err != nil {
		return superblock{}, err
	}
	defer f.close()
	s, _, err := readSuper(f)
	return s, err
}

// readSuper reads the superblock of f; intact is how many of its copies are good.
func readSuper(f file) (s superblock, intact int, err error) {
	end, err := f.size()
	if err != nil {
		return s, 0, err
	}
	b := make([]byte, min(superCopies*superSize, end))
	if err := f.read(b, 0); err != nil {
		return s, 0, err
	}
	if s, intact, err = superOf(b); err != nil {
		return s, 0, err
	}
	if end != s.size {
		return s, intact, &mismatch{"its file's length", fmt.Sprint(end), fmt.Sprint(s.size),
			"somebody truncated or extended it: remove it to start with an empty volume"}
	}
	return s, intact, nil
}
