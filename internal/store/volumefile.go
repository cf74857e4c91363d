package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A volume is the files of a disk volume, locked: what is written of it apart
// from the slabs. openVolume, slots, begin, …, shut; until begin nothing is
// written but a volume that was not there.
type volume struct {
	geometry
	o      volumeOptions
	folder folder
	f      file
	super  superblock // as it was left; from begin on guarded by mu
	back   *replay    // what the journal says; nil once a Disk is in use
	found  findings   // of slots

	journal *journal // from begin on
	lives   atomic.Uint64

	mu     sync.Mutex // guards super from begin on, and the field below; held while it is written
	buried []entry
}

// volumeOptions say what to open, and as what.
type volumeOptions struct {
	dir        string
	size, mean int64 // of a volume that is there the mean is what it was made with
	stripe     identity
	existing   bool             // none is made
	folder     folder           // nil: the real one at dir
	boot       string           // of the machine; empty: what the kernel says
	now        func() time.Time // nil: the clock
	wait       time.Duration    // how long an append to the journal may take; 0: a second
}

// bootID is what names this run of the machine; empty where there is none,
// then every start counts as one after a crash of the machine.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

func bootBytes(id string) (b [16]byte) {
	_, _ = hex.Decode(b[:], []byte(strings.ReplaceAll(id, "-", "")))
	return b
}

// openVolume opens the volume in a folder, or makes one, and locks it. The
// error says what was found, what is expected, and what to do.
func openVolume(o volumeOptions) (*volume, error) {
	v := &volume{o: o, folder: o.folder}
	if v.folder == nil {
		if err := o.makeFolder(); err != nil {
			return nil, fmt.Errorf("disk volume: %w", err)
		}
		v.folder = &realFolder{path: o.dir}
	}
	if v.o.now == nil {
		v.o.now = time.Now
	}
	if v.o.boot == "" {
		v.o.boot = bootID()
	}
	if err := v.open(); err != nil {
		if v.f != nil {
			v.f.close()
		}
		v.folder.close()
		return nil, refusal(v.o.dir, v.o.size, err)
	}
	return v, nil
}

// makeFolder makes the folder, but not what it is in: that may be a mount that
// is missing.
func (o *volumeOptions) makeFolder() error {
	if o.existing {
		return nil
	}
	// What no volume can be made of leaves no empty folder behind; in one that
	// is there it may be a volume of another size that is asked for, which says so.
	if _, err := os.Stat(o.dir); errors.Is(err, fs.ErrNotExist) {
		if _, err := geometryOf(o.size, o.mean); err != nil {
			return err
		}
	}
	if err := os.Mkdir(o.dir, 0o750); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// A mismatch is what a volume is and what it should be.
type mismatch struct{ what, found, expected, advice string }

func (m *mismatch) Error() string {
	return fmt.Sprintf("%s: found %s, expected %s; %s", m.what, m.found, m.expected, m.advice)
}

// refusal puts a folder's name to err, and what to do about it.
func refusal(dir string, size int64, err error) error {
	advice := ""
	switch {
	case errors.Is(err, errInUse):
		advice = "; give each process a folder of its own, or stop the other one"
	case errors.Is(err, errNoVolume), errors.Is(err, errSuperDamage), errors.As(err, new(versionError)):
		advice = "; it is left as it is: give another folder, or remove " + volumeName + " and " + journalName + " from this one to start with an empty volume"
	case errors.Is(err, syscall.ENOSPC):
		advice = fmt.Sprintf("; the volume takes all of its %d bytes at once: free some room, or give it a smaller size", size)
	case errors.Is(err, errors.ErrUnsupported):
		advice = "; disk volumes need Linux"
	}
	return fmt.Errorf("disk volume in %s: %w%s", dir, err, advice)
}

func (v *volume) open() error {
	if err := v.folder.lock(); err != nil {
		return err
	}
	f, err := v.folder.open(volumeName)
	switch {
	case errors.Is(err, fs.ErrNotExist) && v.o.existing:
		return errNone
	case errors.Is(err, fs.ErrNotExist):
		return v.create()
	case err != nil:
		return err
	}
	v.f = f
	if v.super, v.found.superCopies, err = readSuper(f); err != nil {
		return err
	}
	v.geometry = v.super.geometry
	if err := v.matches(); err != nil {
		return err
	}
	return v.replayJournal()
}

// create makes the volume under another name and gives it its own when it is
// whole: a start that was cut short leaves none.
func (v *volume) create() error {
	g, err := geometryOf(v.o.size, v.o.mean)
	if err != nil {
		return err
	}
	if v.f, err = v.folder.create(volumeName+newSuffix, g.size, g.size); err != nil {
		return err
	}
	id := v.o.stripe
	if id.number == 0 {
		id = newIdentity(1)
	}
	v.geometry = g
	v.super = superblock{
		geometry: g, secret: id.secret, set: id.set, stripe: id.i, number: id.number,
		created: v.o.now().Unix(), boot: bootBytes(v.o.boot), clean: true,
	}
	v.back = newReplay()
	w := v.writeJournal(v.back)
	if w.f != nil {
		w.f.close()
	}
	if w.err != nil {
		return w.err
	}
	v.super.journal = w.end
	if err := v.super.write(v.f); err != nil {
		return err
	}
	if err := v.folder.rename(journalName+newSuffix, journalName); err != nil {
		return err
	}
	return v.folder.rename(volumeName+newSuffix, volumeName)
}

// matches compares what is there with what is asked for.
func (v *volume) matches() error {
	s, id := &v.super, &v.o.stripe
	if v.o.size != 0 && v.o.size != s.size {
		return &mismatch{"its size", fmt.Sprintf("%d bytes", s.size), fmt.Sprintf("%d", v.o.size),
			fmt.Sprintf("a volume neither grows nor shrinks: give it the size it has, or remove %s and %s to start with an empty one", volumeName, journalName)}
	}
	if id.number == 0 {
		return nil
	}
	if id.set != s.set || id.number != s.number || id.i != s.stripe {
		return &mismatch{"its place in a set", fmt.Sprintf("stripe %d of %d of set %x", s.stripe+1, s.number, s.set[:4]),
			fmt.Sprintf("stripe %d of %d of set %x", id.i+1, id.number, id.set[:4]),
			"name the folders that were one set before, all of them, or remove the volumes to start with empty ones"}
	}
	return nil
}

// generation returns the number of a new life of a slab. None is taken twice,
// not after a crash of the machine either: the upper half counts the starts,
// and that is on the device before anything is written.
func (v *volume) generation() uint64 { return v.lives.Add(1) }

// begin makes the volume one that is being written: from here on it counts as
// crashed until shut. It is called once, after slots.
func (v *volume) begin() error {
	v.super.opens = max(v.super.opens, v.o.stripe.opens) + 1
	v.lives.Store(uint64(v.super.opens) << 32)
	v.settle()
	// The superblock first: whatever the journal's new file meets, the old one
	// is not taken for that of a volume that was closed in order.
	if err := v.super.write(v.f); err != nil {
		return refusal(v.o.dir, v.o.size, err)
	}
	j, err := startJournal(v)
	if err != nil {
		return refusal(v.o.dir, v.o.size, err)
	}
	v.journal = j
	return nil
}

// settle puts what slots found out into superblock and journal-to-be.
func (v *volume) settle() {
	s := &v.super
	switch {
	case v.found.nothing:
		s.cleared = v.back.stamp
	case v.found.doubtful:
		s.doubted = v.back.stamp
	}
	s.clean, s.empty, s.boot = false, false, bootBytes(v.o.boot)
	v.back.cleared = max(v.back.cleared, s.cleared)
	for i := range v.buried {
		addTo(v.back.dead, &v.buried[i])
	}
}

// mend writes superblock and journal anew as those of a volume that was closed
// in order. It stands for begin and shut, and does not count as a start: the
// other stripes had none.
func (v *volume) mend() error {
	v.settle()
	if err := v.super.write(v.f); err != nil {
		return err
	}
	w := v.writeJournal(v.back)
	if w.f != nil {
		w.f.close()
	}
	if w.err == nil {
		w.err = v.folder.rename(journalName+newSuffix, journalName)
	}
	if w.err != nil {
		return w.err
	}
	v.super.clean, v.super.journal = true, w.end
	return v.super.write(v.f)
}

// forget lets the next start begin empty. It is what is left to do when
// something that must not be lost cannot be written; it takes no room.
func (v *volume) forget() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.super
	if s.empty {
		return nil
	}
	s.empty = true
	err := s.write(v.f)
	if err == nil {
		v.super = s
	}
	return err
}

// shut syncs and unlocks the volume; all slots are written, and no call is
// under way. With clean it comes back at the next start as it is now, after
// whatever happens to the machine.
func (v *volume) shut(clean bool) error {
	var err error
	if v.journal != nil {
		err = v.journal.close()
		if errors.Is(err, errUnsafe) {
			err = errors.Join(err, v.forget()) // the device may answer again
		}
		err = errors.Join(err, v.f.sync())
		v.mu.Lock()
		v.super.clean = clean && err == nil && !v.super.empty
		v.super.journal = v.journal.end
		if v.super.clean {
			err = v.super.write(v.f)
		}
		v.mu.Unlock()
	}
	err = errors.Join(err, v.f.close(), v.folder.close())
	if err != nil {
		return fmt.Errorf("disk volume in %s: %w", v.o.dir, err)
	}
	return nil
}
