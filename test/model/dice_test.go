package model

import (
	"hash/fnv"
	"math/rand/v2"
)

// dice are the choices of a step or of the origin: the bytes first, so that a
// fuzzer has a hand in them, then what follows from the bytes.
type dice struct {
	bytes []byte
	rnd   *rand.Rand
}

func newDice(bytes []byte, salt uint64) *dice {
	h := fnv.New64a()
	_, _ = h.Write(bytes)
	return &dice{bytes: bytes, rnd: rand.New(rand.NewPCG(h.Sum64(), salt))}
}

// n returns one of 0 … k-1.
func (d *dice) n(k int) int {
	if len(d.bytes) > 0 {
		v := int(d.bytes[0])
		d.bytes = d.bytes[1:]
		return v % k
	}
	return d.rnd.IntN(k)
}

// once reports true once in k times.
func (d *dice) once(k int) bool { return d.n(k) == k-1 }

func (d *dice) of(list ...string) string { return list[d.n(len(list))] }

func (d *dice) num(list ...int) int { return list[d.n(len(list))] }
