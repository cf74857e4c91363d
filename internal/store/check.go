package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// CheckOptions say how a volume is checked.
type CheckOptions struct {
	Quick  bool // the bodies stay unread
	Repair bool // what is damaged is dropped; else nothing is written
	// Progress is called now and then with the bytes of bodies that were read,
	// of so many. nil: nobody looks.
	Progress func(done, total int64)
}

// A VolumeReport is what a disk volume is, and how it fares.
type VolumeReport struct {
	Dir        string    `json:"dir"`
	Size       int64     `json:"size"`
	SlabSize   int       `json:"slabSize"`
	Slabs      int       `json:"slabs"`
	Used       int       `json:"usedSlabs"` // with something that comes back
	MeanObject int64     `json:"meanObject"`
	Set        string    `json:"set"`
	Stripe     int       `json:"stripe"` // from 1
	Stripes    int       `json:"stripes"`
	Created    time.Time `json:"created"`
	Opens      uint32    `json:"opens"`
	Clean      bool      `json:"clean"`

	Objects  int64        `json:"objects"`
	Segments int64        `json:"segments"`
	Live     int64        `json:"liveBytes"`
	Soft     int64        `json:"toBeValidated"` // of the records
	Dead     int64        `json:"dead"`          // listed, and not to come back
	Markers  int64        `json:"markers"`
	Bans     int          `json:"bans"`
	Lists    int          `json:"varyLists"`
	Sites    []SiteReport `json:"sites"`

	Journal        int64  `json:"journalBytes"`
	JournalEntries int    `json:"journalEntries"`
	JournalState   string `json:"journal"`

	Verified int64    `json:"verifiedBytes"` // of bodies
	Notes    []string `json:"notes,omitempty"`
	Damage   []string `json:"damage,omitempty"`
	Repaired []string `json:"repaired,omitempty"`
}

// A SiteReport is what a site has in a volume.
type SiteReport struct {
	Name    string `json:"name"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
}

// CheckVolume looks at the volume in dir, which nobody may be using. Without
// Repair nothing is written. The error says why there is nothing to look at;
// damage is in the report.
func CheckVolume(dir string, o CheckOptions) (*VolumeReport, error) {
	return checkVolume(volumeOptions{dir: dir, existing: true}, o)
}

func checkVolume(vo volumeOptions, o CheckOptions) (*VolumeReport, error) {
	v, err := openVolume(vo)
	if err != nil {
		return nil, err
	}
	c := &check{v: v, o: o, sites: map[uint16]*SiteReport{}}
	err = c.look()
	if err == nil && o.Repair {
		err = c.repair()
	}
	if err = errors.Join(err, v.shut(false)); err != nil {
		return nil, err
	}
	return c.report(), nil
}

// A check is one look at a volume.
type check struct {
	v *volume
	o CheckOptions

	mu       sync.Mutex // guards the fields below
	sites    map[uint16]*SiteReport
	bodies   []*body // of what comes back
	verified int64
	total    int64
	r        VolumeReport
	unsound  []flaw
}

// A body is the part of a slab that what comes back of it touches.
type body struct {
	slot slot
	l    []foundListing
}

// A flaw is a listing that leads to something else than what was written.
type flaw struct {
	slab       int
	generation uint64
	at         int
}

func (c *check) look() error {
	v := c.v
	if err := v.slots(c.slot); err != nil {
		return err
	}
	if v.found.superCopies < superCopies {
		c.damage("superblock: %d of %d copies is good", v.found.superCopies, superCopies)
	}
	switch {
	case v.found.nothing:
		c.damage("nothing comes back: %s", v.found.why)
	case v.found.doubtful:
		c.note("all records come back to be validated: %s", v.found.why)
	case v.back.wound == torn:
		c.note("the journal is torn at its end (%d bytes), as a kill leaves it: what it was about to say had not taken effect", v.back.lost)
	}
	if v.back.wound == holed && !v.found.nothing {
		c.damage("journal: %d bytes in its middle are not what was written", v.back.lost)
	}
	if n := v.found.damagedSlots; n > 0 {
		c.damage("directories: %d slots are neither empty nor whole", n)
	}
	if n := v.found.damaged; n > 0 {
		c.damage("directories: %d listings are not what was written", n)
	}
	if c.o.Quick {
		return nil
	}
	slices.SortFunc(c.bodies, func(a, b *body) int { return a.slot.slab - b.slot.slab })
	buf := make([]byte, v.slab)
	for _, b := range c.bodies {
		c.read(b, buf)
	}
	if n := len(c.unsound); n > 0 {
		c.damage("bodies: %d records are not what was written, the first in slab %d", n, c.unsound[0].slab)
	}
	return nil
}

func (c *check) damage(format string, args ...any) {
	c.r.Damage = append(c.r.Damage, fmt.Sprintf(format, args...))
}

func (c *check) note(format string, args ...any) {
	c.r.Notes = append(c.r.Notes, fmt.Sprintf(format, args...))
}

// slot notes what comes back of a slab.
func (c *check) slot(s *slot, l []foundListing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range l {
		x := &l[i]
		site := c.sites[x.site]
		if site == nil {
			site = &SiteReport{}
			c.sites[x.site] = site
		}
		site.Records++
		site.Bytes += int64(aligned(x.n))
	}
	if !c.o.Quick {
		c.bodies = append(c.bodies, &body{*s, slices.Clone(l)})
		c.total += int64(s.used)
	}
}

// read compares the blocks that a slab's records touch with their checksums.
func (c *check) read(b *body, buf []byte) {
	buf = buf[:min(blocks(b.slot.used)*blockSize, len(buf))]
	var good [slotMaxSums]bool
	err := c.v.f.read(buf, c.v.slabAt(b.slot.slab))
	for i := range b.slot.sums {
		good[i] = err == nil && crc32.Checksum(buf[i*blockSize:(i+1)*blockSize], castagnoli) == b.slot.sums[i]
	}
	for i := range b.l {
		if !b.l[i].sound(good[:], buf) {
			c.unsound = append(c.unsound, flaw{b.slot.slab, b.slot.generation, b.l[i].at})
		}
	}
	c.verified += int64(b.slot.used)
	if c.o.Progress != nil {
		c.o.Progress(c.verified, c.total)
	}
}

// sound reports whether the blocks that l touches are good, and, unless it is
// a segment, whether a record is there.
func (l *foundListing) sound(good []bool, slab []byte) bool {
	if l.off+l.n > len(slab) {
		return false
	}
	for i := l.off / blockSize; i < blocks(l.off+l.n); i++ {
		if !good[i] {
			return false
		}
	}
	var h header
	return l.kind != Object || h.decode(slab[l.off:l.off+l.n])
}

// repair drops what is damaged and writes journal and superblock anew.
func (c *check) repair() error {
	v := c.v
	if len(c.r.Damage) == 0 && v.back.wound == whole {
		return nil
	}
	if n, err := c.dropSlots(); err != nil {
		return err
	} else if n > 0 {
		c.repaired("%d slots or listings cleared that were not what was written", n)
	}
	for _, f := range c.unsound {
		v.bury(f.slab, f.generation, f.at)
	}
	if n := len(c.unsound); n > 0 {
		c.repaired("%d records dropped", n)
	}
	was := journalHeader + v.back.bytes + v.back.lost
	if err := v.mend(); err != nil {
		return err
	}
	c.repaired("journal written anew: %d bytes, %d before", v.super.journal, was)
	c.repaired("superblock written in both copies, closed in order")
	return nil
}

func (c *check) repaired(format string, args ...any) {
	c.r.Repaired = append(c.r.Repaired, fmt.Sprintf(format, args...))
}

// dropSlots clears slots and listings that cannot be read.
func (c *check) dropSlots() (n int, err error) {
	v := c.v
	if v.found.damagedSlots == 0 && v.found.damaged == 0 {
		return 0, nil
	}
	b := make([]byte, v.slotSize())
	var s slot
	var l diskListing
	for i := range v.slabs {
		if err := v.f.read(b, v.slotAt(i)); err != nil {
			return n, err
		}
		switch s.decode(b, i, v.slab, v.listings) {
		case slotDamaged:
			clear(b[:slotHeader])
			if err := v.f.write(b[:slotHeader], v.slotAt(i)); err != nil {
				return n, err
			}
			n++
		case slotValid:
			for at := range s.records {
				e := b[slotHeader+at*directorySize:][:directorySize]
				if l.decode(e, listingSeed(i, s.generation), v.slab) || zeros(e) {
					continue
				}
				clear(e)
				if err := v.f.write(e, v.slotAt(i)+int64(slotHeader+at*directorySize)); err != nil {
					return n, err
				}
				n++
			}
		case slotEmpty:
		}
	}
	return n, nil
}

func (c *check) report() *VolumeReport {
	r, v := &c.r, c.v
	s, f := &v.super, &v.found
	r.Dir, r.Size, r.SlabSize, r.Slabs, r.Used, r.MeanObject = v.o.dir, s.size, s.slab, s.slabs, f.slabs, s.mean
	r.Set, r.Stripe, r.Stripes = fmt.Sprintf("%x", s.set), s.stripe+1, s.number
	r.Created, r.Opens, r.Clean = time.Unix(s.created, 0).UTC(), s.opens, s.clean
	r.Objects, r.Segments, r.Live, r.Soft, r.Dead, r.Markers = f.objects, f.segments, f.bytes, f.softened, f.dead, f.marks
	r.Bans, r.Lists = len(v.back.bans.list), len(v.back.interned)
	r.Journal, r.JournalEntries, r.JournalState = journalHeader+v.back.bytes+v.back.lost, v.back.entries, v.back.wound.String()
	r.Verified = c.verified
	for n, site := range c.sites {
		if site.Name = string(v.back.sites[n].name); n == 0 || site.Name == "" {
			site.Name = "other"
		}
		r.Sites = append(r.Sites, *site)
	}
	slices.SortFunc(r.Sites, func(a, b SiteReport) int {
		if a.Bytes != b.Bytes {
			return int(b.Bytes - a.Bytes)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return r
}

// errNone: there is nothing to check.
var errNone = fmt.Errorf("there is no %s: %w", volumeName, fs.ErrNotExist)
