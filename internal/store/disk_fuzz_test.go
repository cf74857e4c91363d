package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"
)

// sealedRecord is a record as it lies on disk.
func sealedRecord(h header, parts []byte, seed uint32) []byte {
	var fixed [headerSize]byte
	h.encode(&fixed)
	b := append(fixed[:], parts...)
	return binary.LittleEndian.AppendUint32(b, crc32.Update(seed, castagnoli, b))
}

// FuzzDiskRecord: bytes of a device are a record only with their checksum, and
// whatever they say its parts lie within them.
func FuzzDiskRecord(f *testing.F) {
	seed := listingSeed(3, 1<<32+7)
	whole := header{version: 1, site: 2, size: 4, born: 5, validated: 6, key: 3, meta: 2, tags: 1, body: 4}
	f.Add(sealedRecord(whole, []byte("keyme12345678body"), seed))
	large := header{version: 1, size: WholeMax + 1, key: 3}
	f.Add(sealedRecord(large, []byte("key"), seed))
	lies := whole
	lies.meta = MetaMax
	f.Add(sealedRecord(lies, []byte("keyme12345678body"), seed))
	lies = whole
	lies.tags = 1 << 30
	f.Add(sealedRecord(lies, nil, seed))
	f.Add(sealedRecord(whole, []byte("keyme12345678body"), listingSeed(3, 1<<32+6)))
	f.Add(make([]byte, headerSize+sumSize))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		right := len(b) >= headerSize+sumSize &&
			binary.LittleEndian.Uint32(b[len(b)-sumSize:]) == crc32.Update(seed, castagnoli, b[:len(b)-sumSize])
		if got := intact(b, seed); got != right {
			t.Fatalf("%d bytes: got intact %v, want %v", len(b), got, right)
		}
		// As if the checksum were right: by chance, or by somebody's will.
		rec := b[:max(len(b)-sumSize, 0)]
		var h header
		if !h.decode(rec) {
			return
		}
		n := len(h.keyOf(rec)) + len(h.metaOf(rec)) + len(h.tagsOf(rec)) + len(h.bodyOf(rec))
		if headerSize+n != h.length() || h.length() > len(rec) {
			t.Errorf("parts of %d bytes in a record of %d, %d of them there", n, h.length(), len(rec))
		}
	})
}

// FuzzDiskSlab: whatever a device gives back for a slab, what is found is what
// was put.
func FuzzDiskSlab(f *testing.F) {
	f.Add(uint32(0), []byte{0xff})
	f.Add(uint32(headerSize), []byte("other key"))
	f.Add(uint32(70<<10), bytes.Repeat([]byte{0}, 5000))
	f.Add(uint32(1<<31), []byte{1, 2, 3})
	d := openTestDisk(f, func(o *DiskOptions) { o.Idle = time.Hour })
	for i := range 10 {
		putDisk(f, d, i)
	}
	version := d.Version()
	if err := d.PutSegment(version, 0, 0, [][]byte{diskBody(3, 200<<10)}); err != nil {
		f.Fatal(err)
	}
	settle(f, d)
	file := d.v.f.(*heapFile)
	whole := bytes.Clone(file.b)
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		bodies := file.b[d.v.slabAt(0):]
		copy(bodies[int(at)%len(bodies):], with)
		for i := range 10 {
			lookDisk(t, d, i)
		}
		for i := range d.slabs {
			d.slabs[i].verified.Store(0)
		}
		if s, ok := d.Segment(version, 0, 1000, 100<<10); ok {
			if !bytes.Equal(s.Mem, diskBody(3, 200<<10)[1000:][:100<<10]) {
				t.Error("segment: got other bytes than were put")
			}
			s.Release()
		}
		copy(file.b, whole)
		for i := range 10 { // what was dropped is put again
			if !lookDisk(t, d, i) {
				_ = d.Put(diskRecord(d, i))
			}
		}
	})
}
