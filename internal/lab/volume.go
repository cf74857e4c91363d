package lab

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"time"

	"opencache/internal/store"
)

// volume is the store itself, with real records of real bytes. An object above
// 64 KiB is a head and segments, as the engine stores it: when some segments
// are there, those bytes are hit and only the others are put anew. Slabs are
// emptied beside the requests, so that two runs differ by hundredths of a
// point.
type volume struct {
	zone    *store.Zone
	content []byte // of every object
	refused int64
	dir     string // of the disk, removed by Close; "": none
}

var _ Policy = (*volume)(nil)

func newVolume(size, mean int64) (*volume, error) {
	return openVolume(store.ZoneOptions{Memory: size, MeanObject: mean, Seed: [32]byte{1}})
}

// newTiered is memory of size bytes over a disk. Requests come faster than any
// disk writes, so that they wait for it where a cache would not store.
func newTiered(size int64, o *Options) (*volume, error) {
	dir, err := os.MkdirTemp(o.Dir, "opencache-simulate")
	if err != nil {
		return nil, err
	}
	v, err := openVolume(store.ZoneOptions{
		Memory: size, MeanObject: o.MeanObject, Seed: [32]byte{1},
		Disks: []store.DiskOptions{{Dir: dir, Size: o.Disk, PutWait: time.Minute}},
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	v.dir = dir
	return v, nil
}

func openVolume(o store.ZoneOptions) (*volume, error) {
	z, err := store.Open(o)
	if err != nil {
		return nil, err
	}
	return &volume{zone: z, content: make([]byte, max(z.SegmentSize(), store.WholeMax))}, nil
}

// keyOf writes the object's key as text.
func keyOf(key uint64) (text [16]byte) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], key)
	hex.Encode(text[:], b[:])
	return text
}

// Request is Policy's.
func (v *volume) Request(r Request) (there int64, hit bool) {
	key := keyOf(r.Key)
	h := v.zone.Hash(key[:])
	var e store.Entry
	if v.zone.Lookup(h, key[:], 0, &e); e.Kind != store.Object {
		v.put(h, key[:], r.Size)
		return 0, false
	}
	size, version := e.Size, e.Version
	e.Release()
	if size <= store.WholeMax {
		return r.Size, true
	}
	there = v.segments(version, size)
	return min(there, r.Size), there == size
}

// segments asks for each segment, puts those that are not there, and returns
// how many bytes were.
func (v *volume) segments(version uint64, size int64) (there int64) {
	each := int64(v.zone.SegmentSize())
	for n := 0; int64(n)*each < size; n++ {
		length := min(each, size-int64(n)*each)
		if span, ok := v.zone.Segment(version, n, 0, int(length)); ok {
			span.Release()
			there += length
			continue
		}
		v.taken(v.zone.PutSegment(version, n, 0, [][]byte{v.content[:length]}))
	}
	return there
}

// put stores an object: segments first, then the head that names them.
func (v *volume) put(h store.Hash, key []byte, size int64) {
	r := store.Record{Hash: h, Key: key, Version: v.zone.Version(), Size: size}
	if size <= store.WholeMax {
		r.Body = [][]byte{v.content[:size]}
	} else {
		v.segments(r.Version, size)
	}
	v.taken(v.zone.Put(&r))
}

func (v *volume) taken(err error) {
	if err != nil {
		v.refused++
	}
}

// tell fills in what the store alone knows.
func (v *volume) tell(r *Result) {
	st := v.zone.Stats()
	r.Admitted, r.Copied, r.Refused = int64(st.Memory.AdmittedBytes), int64(st.Memory.ForwardedBytes), v.refused
	for i := range st.Disks {
		r.DiskAdmitted += int64(st.Disks[i].AdmittedBytes)
		r.DiskWritten += int64(st.Disks[i].Written)
		r.DiskPassed = int64(st.Unasked)
	}
}

// Close is Policy's.
func (v *volume) Close() error {
	err := v.zone.Close()
	if v.dir != "" {
		err = errors.Join(err, os.RemoveAll(v.dir))
	}
	return err
}
