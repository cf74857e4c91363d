package store

import "time"

const (
	// walkReads is how many records a walk reads from the device at a time,
	// and walkTime after how long it reads no more.
	walkReads = 1000
	walkTime  = 500 * time.Millisecond
)

func (d *Disk) tier() Tier { return OnDisk }

// walk implements walked. What is not wanted for its site is not read; what
// the device does not give in time is left out.
func (d *Disk) walk(at int, look *Look, visit func(*Listed) bool) (next int, more bool) {
	end := d.index.entries()
	stop, reads, until := min(at+walkCells, end), 0, time.Now().Add(walkTime)
	account := d.account(look.Site)
	var c diskCell
	for ; at < stop && !d.down(); at++ {
		if !d.index.peek(d.index.entry(at), &c.cell) || c.kind() != Object || look.Site != 0 && c.account() != account {
			continue
		}
		if !d.listed(d.index.entry(at), look, visit) {
			at++
			break
		}
		if reads++; reads == walkReads || time.Now().After(until) {
			at++
			break
		}
	}
	return at, at < end && !d.down()
}

// listed shows the object at a place of the index to visit, if there is one;
// false when visit has had enough.
func (d *Disk) listed(at int, look *Look, visit func(*Listed) bool) bool {
	var c diskCell
	for range lookupTries {
		if !d.index.peek(at, &c.cell) || c.kind() != Object {
			return true
		}
		s := d.pin(&c)
		if s == nil {
			continue // it was moved meanwhile
		}
		rec, owner, err := d.record(s, &c)
		if err != nil {
			s.Release()
			return true // whoever asks for it finds out what it is
		}
		defer owner.Release()
		var h header
		if !h.decode(rec) || look.Site != 0 && look.Site != h.site {
			return true
		}
		hard, soft := d.bans.Load().judge(h.faceOf(rec), c.checked(), c.checked())
		return hard || visit(listedOf(OnDisk, &h, rec, &c.cell, soft))
	}
	return true
}
