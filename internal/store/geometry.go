package store

import "fmt"

const (
	// directoriesAt is where the directory area begins; before it is the superblock.
	directoriesAt = 64 << 10
	// minVolume is the smallest volume on disk: with less, queues have no room.
	minVolume = 8 << 20
	// mostListings bounds a directory's share of a volume of small objects:
	// one listing for so many bytes, unless the mean object is smaller than that.
	mostListings = 1 << 10
)

// A geometry is where everything lies in the file of a volume:
//
//	superblock | directory area: one slot a slab | slabs
//
// It is settled when the volume is made.
type geometry struct {
	size     int64 // of the file
	mean     int64 // bytes of a record that it was laid out for
	slab     int   // bytes of a slab
	slabs    int
	listings int // of a slot
	segment  int // bytes of a segment
}

// geometryOf lays out a new volume of size bytes for records of mean bytes.
func geometryOf(size, mean int64) (geometry, error) {
	g := geometry{size: size, mean: mean, slab: smallSlab}
	if size < minVolume || mean < 1 {
		return g, fmt.Errorf("disk volume of %d bytes with objects of %d: at least %d bytes, objects of one or more", size, mean, minVolume)
	}
	if size >= largeVolume {
		g.slab = largeSlab
	}
	g.segment = min(SegmentSize, g.slab)
	slab := int64(g.slab)
	// A mix of sizes must not seal slabs that are half empty; the index has
	// room for 5/4 of the records.
	n := min(max(4*slab/mean, 64), slab/mostListings)
	g.listings = int(min(max(n, 5*slab/(4*mean)), slab/unit/2))
	g.slabs = int((size - directoriesAt) / (slab + int64(g.slotSize())))
	for g.slabs > 0 && g.slabAt(g.slabs) > size {
		g.slabs--
	}
	if g.slabs > slabMask {
		return g, fmt.Errorf("disk volume of %d bytes: at most %d", size, int64(slabMask)*slab)
	}
	return g, nil
}

// slotSize is the bytes of a slot: whole pages.
func (g *geometry) slotSize() int {
	return slotHeader + (g.listings*directorySize+pageSize-1)&^(pageSize-1)
}

// slotAt and slabAt are where slot and bytes of slab n begin.
func (g *geometry) slotAt(n int) int64 { return directoriesAt + int64(n)*int64(g.slotSize()) }

func (g *geometry) slabAt(n int) int64 {
	slab := int64(g.slab)
	return (g.slotAt(g.slabs)+slab-1)/slab*slab + int64(n)*slab
}

// plausible: numbers that this program could have written.
func (g *geometry) plausible() bool {
	switch {
	case g.slab != smallSlab && g.slab != largeSlab, g.segment != min(SegmentSize, g.slab):
		return false
	case g.slabs < 1 || g.slabs > slabMask, g.listings < 1 || g.listings > g.slab/unit/2:
		return false
	}
	return g.mean >= 1 && g.slabAt(g.slabs) <= g.size
}
