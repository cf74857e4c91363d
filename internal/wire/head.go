package wire

import "iter"

// ref is a run of bytes in a Head's buffer.
type ref struct{ off, n uint32 }

// A field is one field line: where its name and its value are.
type field struct {
	name, value ref
	id          Name
	hop         bool // for this connection only: hidden from Get, All and AppendFields
}

// A Head is the field section of a message: one buffer, and offsets into it.
// Field lines keep their order, spelling and number. Fields that are for one
// connection only (RFC 9110, 7.6.1: Connection and what it names, and
// Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade…) are
// digested by the parser and hidden afterwards; so are Host and
// Content-Length, which the start line's and framing's digests replace.
//
// The values that it returns point into the buffer and live as long as it.
// What it needs beyond what it borrowed goes into memory of its own.
type Head struct {
	buf    []byte
	fields []field
	set    NameSet

	own  []byte // memory to go on in while buf is lent
	lent bool   // buf belongs to somebody else: not to be appended to
}

// Reset empties h and keeps its memory, unless that is borrowed.
func (h *Head) Reset() {
	h.reclaim()
	h.buf, h.fields, h.set = h.buf[:0], h.fields[:0], NameSet{}
}

// What a copy has room for beyond what it copies: a few fields of a proxy.
const (
	copyRoom   = 128
	copyFields = 4
)

// CopyFrom makes h a copy of o with a buffer of its own; h's memory is used
// again.
func (h *Head) CopyFrom(o *Head) {
	buf := o.buf
	h.reclaim()
	if cap(h.buf) < len(buf) { // a copy is mostly made to be added to
		h.buf = make([]byte, 0, len(buf)+copyRoom)
	}
	if cap(h.fields) < len(o.fields) {
		h.fields = make([]field, 0, len(o.fields)+copyFields)
	}
	h.buf = append(h.buf[:0], buf...)
	h.fields = append(h.fields[:0], o.fields...)
	h.set = o.set
}

// Has reports whether there is a field named n.
func (h *Head) Has(n Name) bool { return h.set.Has(n) }

// Names returns the set of interned names in h; Other stands for all names
// that are not interned.
func (h *Head) Names() NameSet { return h.set }

// Get returns the value of the first field line named n: nil when there is
// none, not nil but empty when its value is.
func (h *Head) Get(n Name) []byte {
	if !h.set.Has(n) {
		return nil
	}
	for i := range h.fields {
		if f := &h.fields[i]; f.id == n && !f.hop {
			return h.at(f.value)
		}
	}
	return nil
}

// Count returns how many field lines are named n.
func (h *Head) Count(n Name) (count int) {
	for i := range h.fields {
		if f := &h.fields[i]; f.id == n && !f.hop {
			count++
		}
	}
	return count
}

// Len returns the number of field lines, hidden ones included, for use with At.
func (h *Head) Len() int { return len(h.fields) }

// At returns the field line i: its interned name (Other when it has none),
// its name as spelt, its value; ok is false for a hidden one.
func (h *Head) At(i int) (id Name, name, value []byte, ok bool) {
	f := &h.fields[i]
	return f.id, h.at(f.name), h.at(f.value), !f.hop
}

// All yields the field lines in order: interned name and value.
func (h *Head) All() iter.Seq2[Name, []byte] {
	return func(yield func(Name, []byte) bool) {
		for i := range h.fields {
			if f := &h.fields[i]; !f.hop && !yield(f.id, h.at(f.value)) {
				return
			}
		}
	}
}

// Values yields the values of the field lines named name (any case), interned
// or not, in order.
func (h *Head) Values(name string) iter.Seq[[]byte] {
	id := Lookup(name)
	return func(yield func([]byte) bool) {
		for i := range h.fields {
			f := &h.fields[i]
			if f.hop || f.id != id || id == Other && !EqualFold(h.at(f.name), name) {
				continue
			}
			if !yield(h.at(f.value)) {
				return
			}
		}
	}
}

// Add appends a field line with an interned name. The value must not hold CR,
// LF or NUL.
func (h *Head) Add(n Name, value []byte) {
	h.addRefs(n, put(h, n.String()), put(h, value))
}

// AddNamed appends a field line with any name.
func (h *Head) AddNamed(name string, value []byte) {
	h.addRefs(Lookup(name), put(h, name), put(h, value))
}

// Del drops all field lines named n; Other drops none.
func (h *Head) Del(n Name) {
	if n == Other || !h.set.Has(n) {
		return
	}
	kept := h.fields[:0]
	for _, f := range h.fields {
		if f.id != n {
			kept = append(kept, f)
		}
	}
	h.fields = kept
	h.set.Remove(n)
}

// DelNamed drops all field lines named name (any case), interned or not.
func (h *Head) DelNamed(name string) {
	id := Lookup(name)
	if id != Other {
		h.Del(id)
		return
	}
	kept, others := h.fields[:0], false
	for _, f := range h.fields {
		if f.id == Other && EqualFold(h.at(f.name), name) {
			continue
		}
		kept, others = append(kept, f), others || f.id == Other && !f.hop
	}
	h.fields = kept
	if !others {
		h.set.Remove(Other)
	}
}

// Keep drops the field lines for which keep is false; it is not asked about
// hidden ones, which stay.
func (h *Head) Keep(keep func(id Name, name []byte) bool) {
	kept, was := h.fields[:0], h.set
	h.set = NameSet{}
	for _, f := range h.fields {
		if !f.hop && !keep(f.id, h.at(f.name)) {
			continue
		}
		kept = append(kept, f)
		if !f.hop || f.id != Other && was.Has(f.id) {
			h.set.Add(f.id)
		}
	}
	h.fields = kept
}

// AppendFields appends the field lines in wire form to dst, without those
// named in drop. Other in drop drops nothing.
func (h *Head) AppendFields(dst []byte, drop NameSet) []byte {
	for i := range h.fields {
		f := &h.fields[i]
		if f.hop || f.id != Other && drop.Has(f.id) {
			continue
		}
		dst = append(dst, h.at(f.name)...)
		dst = append(dst, ": "...)
		dst = append(dst, h.at(f.value)...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func (h *Head) at(r ref) []byte { return h.buf[r.off : r.off+r.n : r.off+r.n] }

// borrow makes buf the buffer of h without giving it away to appends.
func (h *Head) borrow(buf []byte) {
	h.reclaim()
	h.own, h.buf, h.lent = h.buf, buf[:len(buf):len(buf)], true
}

// reclaim goes back to h's own memory, whose bytes are then anything.
func (h *Head) reclaim() {
	if h.lent {
		h.buf, h.own, h.lent = h.own, nil, false
	}
}

// put copies b to the end of h's buffer, which moves to memory of h's own
// when it is borrowed.
func put[T ~string | ~[]byte](h *Head, b T) ref {
	if h.lent {
		buf := h.buf
		h.reclaim()
		h.buf = append(h.buf[:0], buf...)
	}
	off := len(h.buf)
	h.buf = append(h.buf, b...)
	return ref{uint32(off), uint32(len(b))}
}

func (h *Head) addRefs(id Name, name, value ref) {
	h.fields = append(h.fields, field{id: id, name: name, value: value})
	h.set.Add(id)
}
