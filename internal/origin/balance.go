package origin

import (
	"math"
	"math/bits"
)

// A Balance is how a Group picks among the members that may be asked.
type Balance uint8

// The ways, as nginx names them.
const (
	RoundRobin Balance = iota // each in turn, by weight
	LeastConn                 // who has the fewest exchanges for its weight
	RandomTwo                 // of two by chance, who has fewer
	Hash                      // who has most of the request's key: the same for the same key
)

// A candidate is a member that may be picked.
type candidate struct {
	at     int    // its place in the Group
	weight int    // above 0
	load   int    // exchanges under way
	seed   uint64 // tells members apart: Hash
}

// lighter reports whether a has less to do for its weight than b.
func lighter(a, b *candidate) bool {
	return int64(a.load)*int64(b.weight) < int64(b.load)*int64(a.weight)
}

// lightest returns those that have the least to do for their weights, in all's
// memory.
func lightest(all []candidate) []candidate {
	least := all[0]
	for i := range all {
		if lighter(&all[i], &least) {
			least = all[i]
		}
	}
	kept := all[:0]
	for _, c := range all {
		if !lighter(&least, &c) {
			kept = append(kept, c)
		}
	}
	return kept
}

// turn returns whose turn it is by nginx's smooth weighted round robin: each
// gets its weight as credit, and the one with most pays for all. credit is by
// place in the Group.
func turn(all []candidate, credit []int) int {
	best, total := 0, 0
	for i := range all {
		c := &all[i]
		credit[c.at] += c.weight
		total += c.weight
		if credit[c.at] > credit[all[best].at] {
			best = i
		}
	}
	credit[all[best].at] -= total
	return all[best].at
}

// lighterOfTwo picks two by weight and chance, of which random is 64 bits, and
// returns who of them has less to do. It changes all.
func lighterOfTwo(all []candidate, random uint64) int {
	i := drawn(all, random<<32)
	first := all[i]
	if len(all) == 1 {
		return first.at
	}
	all[i] = all[len(all)-1]
	all = all[:len(all)-1]
	second := all[drawn(all, random)]
	if lighter(&second, &first) {
		return second.at
	}
	return first.at
}

// drawn returns the index of one of all, by weight; random is evenly spread.
func drawn(all []candidate, random uint64) int {
	total := uint64(0)
	for i := range all {
		total += uint64(all[i].weight)
	}
	at, _ := bits.Mul64(random, total)
	for i := range all {
		if w := uint64(all[i].weight); at >= w {
			at -= w
			continue
		}
		return i
	}
	return len(all) - 1
}

// ownerOf returns who has most of a key: weighted rendezvous hashing. When a
// member goes, its keys go to the others by their weights, and no other key
// moves.
func ownerOf(all []candidate, key uint64) int {
	best, most := 0, math.Inf(-1)
	for i := range all {
		// Evenly spread between 0 and 1, neither of them.
		u := (float64(mixed(key^all[i].seed)>>11) + 0.5) / (1 << 53)
		if score := -float64(all[i].weight) / math.Log(u); score > most {
			best, most = i, score
		}
	}
	return all[best].at
}

// HashKey returns what Group.Key gives for a text: FNV-1a, finished as in
// SplitMix64, so that it is the same in every process.
func HashKey(text []byte) uint64 { return mixed(hashed(text)) }

func hashed[T ~string | ~[]byte](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

func mixed(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
