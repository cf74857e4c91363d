package store

import (
	"encoding/binary"
	"slices"

	"github.com/dchest/siphash"
)

const tagSize = 8

// Tag returns the keyed hash of what records of a site have in common, which
// is what Record.Tags and Purge.Tags hold. Two sites have no tag in common.
func (r *registry) Tag(site uint64, text []byte) uint64 {
	return siphash.Hash(r.k0^site, ^r.k1, text)
}

// AppendTags is Zone.AppendTags.
func (m *Memory) AppendTags(dst []uint64, h Hash, key []byte) []uint64 {
	var e Entry
	_, tags, ok := m.pinned(h, key, &e)
	if !ok {
		return dst
	}
	e.Release()
	return append(dst, tags...)
}

func appendTags(dst []byte, tags []uint64) []byte {
	for _, t := range tags {
		dst = binary.LittleEndian.AppendUint64(dst, t)
	}
	return dst
}

func parseTags(b []byte) (tags []uint64) {
	for ; len(b) >= tagSize; b = b[tagSize:] {
		tags = append(tags, binary.LittleEndian.Uint64(b))
	}
	return tags
}

// hasTag reports whether one of a record's tags is in the list.
func hasTag(tags []byte, list []uint64) bool {
	for ; len(tags) >= tagSize; tags = tags[tagSize:] {
		if slices.Contains(list, binary.LittleEndian.Uint64(tags)) {
			return true
		}
	}
	return false
}
