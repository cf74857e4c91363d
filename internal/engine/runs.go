package engine

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"opencache/internal/rfc9111"
)

// maxRuns bounds the ranges that are kept of one stored response; beyond it
// the smallest goes.
const maxRuns = 64

// A run is a range of a stored response's content. Its bytes are the segments
// of a content of their own, which is named by version and begins with byte
// base: what is cut off a run stays there unused.
type run struct {
	rfc9111.Part
	base    int64
	version uint64
}

// runs are the ranges of the content that are stored: in order, apart from
// each other, at most maxRuns. They are never changed, only replaced.
type runs []run

const runSize = 4 * 8

var errRuns = errors.New("stored head: ranges out of order or beyond the content")

// with returns rs with r: where they overlap r takes the place, unless one of
// rs has all of it.
func (rs runs) with(r run) runs {
	out := make(runs, 0, len(rs)+1)
	for _, o := range rs {
		switch {
		case o.Has(r.Part):
			return rs
		case r.Has(o.Part):
			continue
		case o.First < r.First:
			o.Last = min(o.Last, r.First-1)
		default:
			o.First = max(o.First, r.Last+1)
		}
		out = append(out, o)
	}
	i, _ := slices.BinarySearchFunc(out, r.First, func(o run, first int64) int { return cmp.Compare(o.First, first) })
	return slices.Insert(out, i, r).bounded(-1, r)
}

// without returns rs without the bytes of p.
func (rs runs) without(p rfc9111.Part) runs {
	out := make(runs, 0, len(rs)+1)
	for _, o := range rs {
		left, right := o, o
		left.Last = min(o.Last, p.First-1)
		right.First = max(o.First, p.Last+1)
		if left.First <= left.Last {
			out = append(out, left)
		}
		if right.First <= right.Last && right.First > left.Last {
			out = append(out, right)
		}
	}
	return out.bounded(-1, run{})
}

// bounded returns rs without the smallest of them, other than keep, until
// there are at most maxRuns and they have at most size bytes (-1: any).
func (rs runs) bounded(size int64, keep run) runs {
	for len(rs) > maxRuns || size >= 0 && len(rs) > 1 && rs.size() > size {
		least := -1
		for i, r := range rs {
			if r.version != keep.version && (least < 0 || r.Size() < rs[least].Size()) {
				least = i
			}
		}
		if least < 0 {
			least = 0 // all are pieces of it
		}
		rs = slices.Delete(slices.Clone(rs), least, least+1)
	}
	return rs
}

// size returns the number of bytes.
func (rs runs) size() (n int64) {
	for _, r := range rs {
		n += r.Size()
	}
	return n
}

// at returns the run that has byte pos.
func (rs runs) at(pos int64) (r run, ok bool) {
	i, _ := slices.BinarySearchFunc(rs, pos, func(r run, pos int64) int {
		if r.Last < pos {
			return -1
		}
		return 1
	})
	if i < len(rs) && rs[i].First <= pos {
		return rs[i], true
	}
	return run{}, false
}

// lack returns the bytes of p that are missing: from the first to the last of
// them.
func (rs runs) lack(p rfc9111.Part) (missing rfc9111.Part, ok bool) {
	for p.First <= p.Last {
		r, has := rs.at(p.First)
		if !has {
			break
		}
		p.First = r.Last + 1
	}
	for p.First <= p.Last {
		r, has := rs.at(p.Last)
		if !has {
			break
		}
		p.Last = r.First - 1
	}
	return p, p.First <= p.Last
}

// append appends rs as they are in a record's Meta.
func (rs runs) append(dst []byte) []byte {
	dst = append(dst, byte(len(rs)))
	for _, r := range rs {
		for _, v := range [...]int64{r.First, r.Last, r.base, int64(r.version)} {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
		}
	}
	return dst
}

// readRuns reads what append wrote off the start of src, for content of length
// bytes.
func readRuns(src []byte, length int64) (rs runs, rest []byte, err error) {
	if len(src) == 0 || int(src[0]) > maxRuns || len(src) < 1+int(src[0])*runSize {
		return nil, nil, errRuns
	}
	rs, rest = make(runs, src[0]), src[1+int(src[0])*runSize:]
	end := int64(-1)
	for i := range rs {
		at := func(n int) uint64 { return binary.LittleEndian.Uint64(src[1+i*runSize+8*n:]) }
		r := run{rfc9111.Part{First: int64(at(0)), Last: int64(at(1))}, int64(at(2)), at(3)}
		if r.base < 0 || r.First < r.base || r.First <= end || r.Last < r.First || r.Last >= length {
			return nil, nil, errRuns
		}
		rs[i], end = r, r.Last
	}
	return rs, rest, nil
}
