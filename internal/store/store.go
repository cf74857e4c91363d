// Package store keeps stored responses: slab volumes, the index over them,
// variants, purges. It knows nothing of HTTP: what a record's Meta holds is
// its user's. Nor does it fetch, or decide what is fresh.
//
//	z, err := store.Open(store.ZoneOptions{Memory: 1 << 30})
//	born := z.Seq() // before the Lookup: a purge from here on wins
//	h := z.Hash(key)
//	var e store.Entry
//	switch z.Lookup(h, key, now, &e); e.Kind {
//	case store.Object: // pinned: use e.Meta, hand on e.Body or e.Release()
//	case store.Variants: // look again under z.Variant(h, e.Generation, e.Sets[0], values)
//	case store.Nothing:
//		err = z.Put(&store.Record{Hash: h, Key: key, Born: born, Validated: born, …})
//	}
//
// A zone is made of tiers (Memory) with one registry of hashes, versions and
// purges. A tier is a volume: an array of slabs (slab). A record is appended to an open slab
// of one of two queues (space), listed in the slab's directory (listing) and
// found through the index (index). Slabs are emptied whole, by S3-FIFO
// (reclaim.go); who reads a record pins its slab, and a pinned slab is not
// used again. Of a purge either the entry is dropped at once or it is
// remembered and each entry is checked against it when it is met (bans).
//
// Locks, outermost first: Memory.reclaiming or purges.mu; a shard of the
// index, or space.mu. None is held while records are copied but reclaiming,
// and Lookup takes none.
package store

import (
	"errors"

	"opencache/internal/wire"
)

const (
	// SegmentSize is the unit of large content: memory, disk and cluster deal
	// in segments of at most so many bytes.
	SegmentSize = 2 << 20
	// WholeMax is the largest content that is one record with its head;
	// above it a head record names a version and segments carry the content.
	WholeMax = 64 << 10
	// KeyMax is the longest full key.
	KeyMax = 16 << 10
	// MetaMax is the longest Meta.
	MetaMax = 128 << 10
	// TagsMax is how many tags a record may have.
	TagsMax = 1024
)

// A Hash is the 128-bit keyed hash of a full key. The secret is the zone's.
type Hash [2]uint64

// A Seq is a place in the order of fetches and purges. A purge takes the next
// one; a fetch notes the newest when it STARTS, so that a purge that races it wins.
type Seq uint32

// Kind is what a Lookup found.
type Kind uint8

// The kinds of what can be under a key.
const (
	Nothing    Kind = iota
	Object          // a stored response
	Variants        // a marker: the stored responses are under variant keys
	HitForMiss      // a marker: responses here could not be shared a moment ago
)

// Reasons not to keep something.
var (
	ErrTooLarge = errors.New("larger than a record may be")
	ErrQuota    = errors.New("above the site's hard limit")
	ErrFull     = errors.New("no slab is free: all are pinned or being written")
	ErrPurged   = errors.New("purged since its fetch started")
	ErrOlder    = errors.New("what is stored under the key is younger")
	ErrGone     = errors.New("the record is gone or has another version")
)

// A Set is the number of an interned set of field names (Intern).
type Set uint16

// An Entry is what Lookup found. An Object is pinned: Release it once, after
// its Body (when it has one) was not handed on; a Span handed on carries the
// pin with it.
type Entry struct {
	Kind Kind
	// Object
	Meta      []byte    // in the store's memory until Release
	Body      wire.Span // the content when Size <= WholeMax, in memory; holds the same pin as the Entry
	Size      int64     // size of the content in bytes
	Version   uint64    // names the segments of larger content
	Born      Seq       // when its fetch started
	Validated Seq       // when its fetch or its last validation started
	Soft      bool      // a soft purge hit it: to be validated before use
	// Doubt, which is Soft too, says that the machine has crashed since: it may
	// have been purged or superseded, and is not even to stand in for an error.
	Doubt bool
	Tier  Tier // where it was found
	// Variants
	Sets       [4]Set // newest first
	NumSets    int
	Generation uint32

	owner wire.Owner // whose pin an Object holds
}

// A Record is a stored response on its way in.
type Record struct {
	Hash      Hash
	Key       []byte // the full key
	Site      uint64 // keyed hash of the site (Zone.Site)
	Version   uint64 // of the content; 0: the store picks one at random
	Born      Seq
	Validated Seq
	Meta      []byte
	Tags      []uint64 // what purges by tag find it by (Zone.Tag)
	Body      [][]byte // the whole content in pieces when Size <= WholeMax, else nil
	Size      int64
}

// A Marker is an index entry without a record.
type Marker struct {
	Kind       Kind // Variants or HitForMiss
	Sets       [4]Set
	NumSets    int
	Generation uint32
	Expires    int64 // Unix milliseconds
	Born       Seq

	tally int // of Tally
}
