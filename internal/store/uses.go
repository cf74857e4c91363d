package store

import "sync"

// uses counts requests for what is not stored, for policies that store only
// what is asked for again. Like ghost it is a table of fixed size whose slots
// are fingerprints: 18 bits of hash, 4 of count, 10 of age. A key is forgotten
// when as many others have come as the table has slots, or sooner when its
// bucket overflows. Of keys with one fingerprint some are counted too soon.
type uses struct {
	mu    sync.Mutex // guards the fields below
	slots []uint32   // nil: nobody counts
	keys  int64      // that ever came
	swept int64      // steps of age that the sweep has done
}

const (
	useSlots = 1 << 20 // 4 MiB
	// MaxUses is the most that Uses counts to.
	MaxUses = 15

	useAges  = 1<<10 - 1 // where ages go round
	useSpan  = 256       // ages that count as remembered
	useSweep = 512       // steps in which the table is swept
	useUnit  = useSlots / useSpan
	useShift = 10 // of the count
	useMask  = useAges | MaxUses<<useShift
)

// Uses counts a request for h, and returns how many there were: up to MaxUses,
// the first of them forgotten in time (uses).
func (r *registry) Uses(h Hash) int { return r.uses.count(h) }

func (u *uses) count(h Hash) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.slots == nil {
		u.slots = make([]uint32, useSlots)
	}
	now := u.nowLocked()
	print := max(uint32(h[1]>>14)&^useMask, useMask+1)
	bucket := u.slots[h[0]%(useSlots/ways)*ways:][:ways]
	oldest, most := 0, -1
	for i, v := range bucket {
		age := int((now - v) & useAges)
		switch {
		case v != 0 && v&^useMask == print && age <= useSpan:
			n := min(int(v>>useShift&MaxUses)+1, MaxUses)
			bucket[i] = print | uint32(n)<<useShift | now
			return n
		case v == 0:
			age = useAges + 1
		}
		if age > most {
			oldest, most = i, age
		}
	}
	bucket[oldest] = print | 1<<useShift | now
	u.keys++
	u.sweepLocked()
	return 1
}

func (u *uses) nowLocked() uint32 { return uint32(u.keys/useUnit) & useAges }

// sweepLocked forgets what is too old before its age goes round.
func (u *uses) sweepLocked() {
	step, now := u.keys/useUnit, u.nowLocked()
	for from := max(u.swept, step-useSweep); from < step; from++ {
		part := u.slots[from%useSweep*(useSlots/useSweep):][:useSlots/useSweep]
		for i, v := range part {
			if v != 0 && (now-v)&useAges > useSpan {
				part[i] = 0
			}
		}
	}
	u.swept = step
}
