package store

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// A layout is where the tables are: header, index, ghosts, directories.
type layout struct {
	slabs, size int64
	shards      int
	per         uint64 // buckets in a shard
	ghosts      int64
	remembered  int64 // bytes
	listings    int64 // entries of a directory
}

const (
	layoutHeader  = 4096
	layoutMagic   = "opencache tables"
	layoutVersion = 1
)

func layoutOf(slabs, size, mean int64) layout {
	objects := max(slabs*size/mean, 1)
	l := layout{slabs: slabs, size: size, ghosts: (objects + ways) &^ (ways - 1)}
	l.remembered = slabs * size * 9 / 10
	l.shards, l.per = indexShape(objects + objects/4)
	l.listings = min(max(4*size/mean, 64), size/unit/4)
	return l
}

// remember has the ghost remember what more would fit in so many bytes.
func (l *layout) remember(bytes, records int64) {
	l.remembered += bytes * 9 / 10
	l.ghosts += records &^ (ways - 1)
}

func (l *layout) indexBytes() int64 { return int64(l.shards) * int64(l.per) * bucketWords * 8 }
func (l *layout) ghostBytes() int64 { return (l.ghosts*4 + 4095) &^ 4095 }

func (l *layout) bytes() int64 {
	return layoutHeader + l.indexBytes() + l.ghostBytes() + l.slabs*l.listings*directorySize
}

// layOut writes the header, by which another process can tell what is here.
func (m *Memory) layOut(l layout) {
	b := m.tables.b
	copy(b, layoutMagic)
	le := binary.LittleEndian
	for i, v := range []uint64{
		layoutVersion, uint64(l.size), uint64(l.slabs), uint64(l.shards), l.per,
		uint64(l.ghosts), uint64(l.listings), m.k0, m.k1,
	} {
		le.PutUint64(b[len(layoutMagic)+8*i:], v)
	}
	m.index, m.ghost, m.listings = l.cut(b)
}

// cut cuts the tables out of their memory.
func (l *layout) cut(b []byte) (index, ghost, []byte) {
	b = b[layoutHeader:]
	words := unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(b))), l.indexBytes()/8)
	x := newIndex(words, l.shards, l.per)
	b = b[l.indexBytes():]
	slots := unsafe.Slice((*atomic.Uint32)(unsafe.Pointer(unsafe.SliceData(b))), l.ghosts)
	return x, newGhost(slots, l.remembered), b[l.ghostBytes():]
}
