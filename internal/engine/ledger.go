package engine

import (
	"encoding/binary"
	"slices"
	"sync"

	"opencache/internal/store"
)

// A ledger lists the variants of a URL in the order in which they came, so
// that the oldest can fall: whoever varies a field that no other client sends
// (RFC 9111, 4.1) then pushes out what he brought himself. It is a record under
// the primary key and ledgerMark, of a hash a variant, and lives no longer than
// the marker of variants, whose generation is in its hash.
//
// Most URLs have a few variants, and no ledger: the marker counts the first
// eighth of what is allowed. These are in no list and never fall for others.
type ledger []store.Hash

const (
	ledgerMark = "\x00VARIANTS"
	// maxVariants is what Policy.MaxVariants is by default, mostVariants what
	// one record can list.
	maxVariants  = 64
	mostVariants = 4096

	hashSize = 16
)

// hashLocks serialise who changes what is stored by what was, by its hash.
type hashLocks [64]sync.Mutex

func (l *hashLocks) of(h store.Hash) *sync.Mutex { return &l[h[1]%uint64(len(l))] }

// noteVariant notes that f's response, or that it can not be shared, is stored
// as a variant, and drops the oldest beyond the policy's bound.
func (f *fetch) noteVariant() {
	most := f.pol.maxVariants()
	unlisted := most / 8
	if n := f.e.store.Tally(f.hash, f.generation); n <= unlisted { // 0: the marker is gone, and with it all variants
		return
	}
	mu := f.e.ledgers.of(f.hash)
	mu.Lock()
	defer mu.Unlock()
	key := append(slices.Clip(f.primary), ledgerMark...)
	hash := f.e.store.Variant(f.hash, f.generation, 0, []byte(ledgerMark))
	list, born := f.e.ledger(hash, key)
	list = append(slices.DeleteFunc(list, func(h store.Hash) bool { return h == f.at }), f.at)
	for over := len(list) - (most - unlisted); over > 0; over-- {
		f.e.store.Remove(list[0], nil)
		list = list[1:]
		f.e.Stats.Variants.Add(1)
		f.e.log.Debug("variant dropped", "key", string(f.key), "why", TooManyVariants.String())
	}
	body := make([]byte, 0, hashSize*len(list))
	for _, h := range list {
		body = binary.LittleEndian.AppendUint64(body, h[0])
		body = binary.LittleEndian.AppendUint64(body, h[1])
	}
	// Unless it is stored, the list starts anew. Then it would have been
	// evicted, and so will the variants in it, which are older.
	_ = f.e.store.Put(&store.Record{
		Hash: hash, Key: key, Site: f.account(), Born: max(born, f.seq), Validated: max(born, f.seq),
		Body: [][]byte{body}, Size: int64(len(body)),
	})
}

// ledger reads what is listed, and when that was born.
func (e *Engine) ledger(hash store.Hash, key []byte) (list ledger, born store.Seq) {
	var ent store.Entry
	e.store.Lookup(hash, key, e.now().UnixMilli(), &ent)
	if ent.Kind != store.Object {
		return nil, 0
	}
	defer ent.Release()
	for b := ent.Body.Mem; len(b) >= hashSize; b = b[hashSize:] {
		list = append(list, store.Hash{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
	}
	return list, ent.Born
}

func (p *Policy) maxVariants() int {
	if p.MaxVariants <= 0 {
		return maxVariants
	}
	return min(p.MaxVariants, mostVariants)
}
