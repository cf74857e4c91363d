package store

import "encoding/binary"

// headerSize is the bytes in front of a record's key.
const headerSize = 48

// recordMagic marks the first bytes of a record: "oc".
const recordMagic = 0x636f

// unit is what records are aligned to, so that their place fits in an index
// entry.
const unit = 16

// A header is the fixed part of a record in a slab. Behind it follow the full
// key, Meta, tags of 8 bytes, and the content when that is one record with its
// head.
type header struct {
	version         uint64
	site            uint64
	size            int64 // of the content
	born, validated Seq
	key, meta, body int // lengths in bytes
	tags            int // their number
}

// length returns the bytes of the whole record.
func (h *header) length() int { return headerSize + h.key + h.meta + h.tags*tagSize + h.body }

func (h *header) encode(b *[headerSize]byte) {
	le := binary.LittleEndian
	le.PutUint16(b[0:], recordMagic)
	le.PutUint16(b[2:], uint16(h.key))
	le.PutUint32(b[4:], uint32(h.meta))
	le.PutUint32(b[8:], uint32(h.body))
	le.PutUint32(b[12:], uint32(h.born))
	le.PutUint32(b[16:], uint32(h.validated))
	le.PutUint32(b[20:], uint32(h.tags))
	le.PutUint64(b[24:], h.version)
	le.PutUint64(b[32:], h.site)
	le.PutUint64(b[40:], uint64(h.size))
}

// decode reads the header of the record that begins b. It is false when b
// does not begin with a record that lies in b whole and within the bounds.
func (h *header) decode(b []byte) bool {
	if len(b) < headerSize {
		return false
	}
	le := binary.LittleEndian
	if le.Uint16(b) != recordMagic {
		return false
	}
	h.key = int(le.Uint16(b[2:]))
	h.meta = int(le.Uint32(b[4:]))
	h.body = int(le.Uint32(b[8:]))
	h.born = Seq(le.Uint32(b[12:]))
	h.validated = Seq(le.Uint32(b[16:]))
	h.tags = int(le.Uint32(b[20:]))
	h.version = le.Uint64(b[24:])
	h.site = le.Uint64(b[32:])
	h.size = int64(le.Uint64(b[40:]))
	return h.valid() && h.length() <= len(b)
}

// valid reports whether the lengths are within the bounds and agree.
func (h *header) valid() bool {
	switch {
	case h.key > KeyMax || h.meta > MetaMax || h.tags > TagsMax || h.size < 0:
		return false
	case h.size <= WholeMax:
		return int64(h.body) == h.size
	}
	return h.body == 0
}

// keyOf, metaOf, tagsOf and bodyOf are the parts of the record that begins b.
func (h *header) keyOf(b []byte) []byte { return b[headerSize : headerSize+h.key] }

func (h *header) metaOf(b []byte) []byte {
	at := headerSize + h.key
	return b[at : at+h.meta : at+h.meta]
}

func (h *header) tagsOf(b []byte) []byte {
	at := headerSize + h.key + h.meta
	return b[at : at+h.tags*tagSize]
}

func (h *header) bodyOf(b []byte) []byte {
	at := headerSize + h.key + h.meta + h.tags*tagSize
	return b[at : at+h.body : at+h.body]
}

// header returns the header for r, or ErrTooLarge.
func (r *Record) header() (header, error) {
	h := header{
		version: r.Version, site: r.Site, size: r.Size,
		born: r.Born, validated: r.Validated,
		key: len(r.Key), meta: len(r.Meta), body: total(r.Body), tags: len(r.Tags),
	}
	if h.key > KeyMax || h.meta > MetaMax || h.body > WholeMax || h.tags > TagsMax {
		return h, ErrTooLarge
	}
	if !h.valid() {
		return h, errSize
	}
	return h, nil
}

func total(pieces [][]byte) (n int) {
	for _, p := range pieces {
		n += len(p)
	}
	return n
}

func aligned(n int) int { return (n + unit - 1) &^ (unit - 1) }
