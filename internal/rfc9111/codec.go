package rfc9111

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// FactsSize is the size in bytes of encoded Facts. Each stored response has
// them beside its fields: seconds take four bytes, which MaxDelta leaves room for.
const FactsSize = 8 + 6*8 + 5*4 + 16

// layout numbers the encoding; it changes whenever that, or the meaning of a
// flag, changes.
const layout = 3

// ErrFacts is in every error of Facts.Get.
var ErrFacts = errors.New("not facts of a response")

const (
	tagPresent = 1 << iota
	tagWeak
)

// Put encodes f into the first FactsSize bytes of dst, which must have them.
func (f *Facts) Put(dst []byte) {
	dst = dst[:FactsSize]
	dst[0], dst[1] = layout, 0
	if f.ETag.Present {
		dst[1] |= tagPresent
	}
	if f.ETag.Weak {
		dst[1] |= tagWeak
	}
	le := binary.LittleEndian
	le.PutUint16(dst[2:], uint16(f.Status))
	le.PutUint32(dst[4:], uint32(f.flags))
	for i, v := range f.wide() {
		le.PutUint64(dst[8+8*i:], uint64(*v))
	}
	for i, v := range f.seconds() {
		le.PutUint32(dst[8+6*8+4*i:], uint32(*v-Absent))
	}
	copy(dst[FactsSize-16:], f.ETag.Sum[:])
}

// Get decodes what Put wrote from the first FactsSize bytes of src. Bytes that
// no Put can have written are an error that wraps ErrFacts; f then is not to
// be used.
func (f *Facts) Get(src []byte) error {
	if len(src) < FactsSize {
		return fmt.Errorf("facts: %d bytes of %d: %w", len(src), FactsSize, ErrFacts)
	}
	src = src[:FactsSize]
	if src[0] != layout {
		return fmt.Errorf("facts: layout %d, this is %d: %w", src[0], layout, ErrFacts)
	}
	le := binary.LittleEndian
	f.Status = int(le.Uint16(src[2:]))
	f.flags = factFlag(le.Uint32(src[4:]))
	for i, v := range f.wide() {
		*v = int64(le.Uint64(src[8+8*i:]))
	}
	for i, v := range f.seconds() {
		*v = int64(le.Uint32(src[8+6*8+4*i:])) + Absent
	}
	f.ETag.Present = src[1]&tagPresent != 0
	f.ETag.Weak = src[1]&tagWeak != 0
	copy(f.ETag.Sum[:], src[FactsSize-16:])
	if src[1] > tagPresent|tagWeak || !f.valid() {
		return fmt.Errorf("facts: a value out of its range: %w", ErrFacts)
	}
	return nil
}

// wide returns the numbers of f that are encoded in eight bytes, in their order.
func (f *Facts) wide() [6]*int64 {
	return [...]*int64{&f.Date, &f.Expires, &f.LastModified, &f.RequestTime, &f.ResponseTime, &f.Length}
}

// seconds returns those that are from Absent to MaxDelta.
func (f *Facts) seconds() [5]*int64 {
	return [...]*int64{&f.MaxAge, &f.SMaxAge, &f.StaleWhileRevalidate, &f.StaleIfError, &f.AgeValue}
}

// valid reports whether all values are in their ranges: within them no
// calculation overflows.
func (f *Facts) valid() bool {
	times := isTime(f.Date) && isTime(f.Expires) && isTime(f.LastModified) &&
		isTime(f.RequestTime) && isTime(f.ResponseTime)
	deltas := isDelta(f.MaxAge) && isDelta(f.SMaxAge) && isDelta(f.StaleWhileRevalidate) && isDelta(f.StaleIfError)
	empty := (f.has(hasDate) || f.Date == 0) && (f.has(sawExpires) || f.Expires == 0) &&
		(f.has(hasLastModified) || f.LastModified == 0) && (f.ETag.Present || f.ETag == Tag{})
	part := !f.has(partial) || f.Status == 200 && f.Length > 0
	return times && deltas && empty && part &&
		f.Status >= 100 && f.Status <= 999 && f.flags < endOfFlags &&
		f.AgeValue >= 0 && f.AgeValue <= MaxDelta && f.Length >= Absent
}

func isTime(ms int64) bool       { return firstTime <= ms && ms <= lastTime+999 }
func isDelta(seconds int64) bool { return Absent <= seconds && seconds <= MaxDelta }
