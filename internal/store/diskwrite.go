package store

import (
	"fmt"
	"hash/crc32"
	"time"
)

// A writer brings slabs to the device. It is one goroutine, so its buffers
// need no lock.
type writer struct {
	slot []byte // being written
	tail []byte // the last block of a slab, filled up with zeros
}

func (w *writer) init(slot int) {
	w.slot = make([]byte, slot)
	w.tail = pages(make([]byte, blockSize+pageSize))[:blockSize]
}

// stampsMost is how far the stamps of a slab may be apart: a listing has 32 bits.
const stampsMost = 1 << 31

// write brings slabs to the device as they fill, and what is in open ones when
// nothing came for a while.
func (d *Disk) write() {
	defer close(d.written)
	idle := time.NewTicker(max(d.o.Idle/2, time.Millisecond))
	defer idle.Stop()
	for {
		d.writeFull()
		select {
		case <-d.ticks:
		case <-idle.C:
			d.flush(false)
		case <-d.quit:
			<-d.reclaimed
			d.writeFull()
			d.flush(true)
			return
		}
	}
}

func (d *Disk) writeFull() {
	for s := d.space.ripe(); s != nil; s = d.space.ripe() {
		d.finish(&d.slabs[s.n])
	}
}

// finish writes a sealed slab and gives its stage back.
func (d *Disk) finish(s *diskSlab) {
	if err := d.bring(d.space.filling(&s.slab), true); err != nil {
		d.unwritten(err)
		d.space.breakDown(&s.slab)
		s.writers.Add(-1)
		d.nudge(d.wake)
		return
	}
	d.device.row.Store(0)
	s.unstage()
	s.writers.Add(-1)
	d.nudge(d.wake)
}

// unstage detaches the slab's stage. Its bytes are on the device, or given up.
func (s *diskSlab) unstage() {
	s.d.coming.Add(-int64(s.used))
	b := s.stage.Load()
	b.late.Store(true)
	s.stage.Store(nil)
	b.Release()
}

func (d *Disk) unwritten(err error) {
	d.device.writeErrors.Add(1)
	d.strain(err)
}

// flush writes what is new in open slabs: all, or where nothing came since the
// last look.
func (d *Disk) flush(all bool) {
	for _, f := range d.space.fillings() {
		s := &d.slabs[f.s.n]
		idle := s.seen == f.used
		s.seen = f.used
		if f.used > s.onDisk && (all || idle) {
			if err := d.bring(f, false); err != nil {
				d.unwritten(err)
			}
		}
		if b := s.stage.Load(); d.stamp.Load()-b.since() > stampsMost {
			d.space.seal(f.s)
			d.nudge(d.ticks)
		}
	}
}

// since is what the stamps in the listings are counted from.
func (b *stage) since() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.base
}

// bring writes a slab as far as it is filled: its blocks, then its slot. What
// the device had of it before it is not written again but for the last block.
// last: nothing will come behind it.
func (d *Disk) bring(f filling, last bool) error {
	s, w := &d.slabs[f.s.n], &d.writer
	if d.down() {
		return ErrDown
	}
	if err := d.whole(); err != nil {
		return err
	}
	if !s.blank && s.onDisk == 0 {
		if err := d.blank(s, w.slot[:slotHeader]); err != nil {
			return err
		}
	}
	clear(w.slot[:slotHeader])
	base, newest := s.stage.Load().begin(w.slot, f.records)
	if err := d.putBlocks(s, f.used, last); err != nil {
		return err
	}
	h := slot{
		slab: s.n, generation: s.generation, base: base, main: s.main.Load(),
		records: f.records, used: f.used, newest: newest, sums: s.sums[:blocks(f.used)],
	}
	h.encode(w.slot[:slotHeader])
	s.blank = false
	b := w.slot[:slotHeader+f.records*directorySize]
	if err := d.v.f.write(b, d.v.slotAt(s.n)); err != nil {
		return err
	}
	d.device.written.Add(uint64(len(b)))
	s.onDisk = f.used
	return nil
}

// putBlocks writes the blocks of s up to used that the device does not have, and
// notes their checksums.
func (d *Disk) putBlocks(s *diskSlab, used int, last bool) error {
	mem := s.stage.Load().mem
	from, to := s.onDisk&^(blockSize-1), used&^(blockSize-1)
	exposed := s.exposed.Load()
	if from < to {
		if err := d.put64(s, mem[from:to], from, exposed); err != nil {
			return err
		}
	}
	tail := d.writer.tail
	if used > to {
		clear(tail[copy(tail, mem[to:used]):])
		if err := d.put64(s, tail, to, exposed); err != nil {
			return err
		}
		to += blockSize
	}
	if !exposed || !last {
		return nil
	}
	// The rest is written over too, so that no page of it is in a socket any more.
	clear(tail)
	for ; to < len(mem); to += blockSize {
		if err := d.v.f.writeSlab(tail, s.at()+int64(to), true); err != nil {
			return err
		}
	}
	s.exposed.Store(false)
	d.counts.punched.Add(1)
	return nil
}

// put64 writes whole blocks at off of s.
func (d *Disk) put64(s *diskSlab, p []byte, off int, exposed bool) error {
	if err := d.v.f.writeSlab(p, s.at()+int64(off), exposed); err != nil {
		return err
	}
	d.device.written.Add(uint64(len(p)))
	for i := off / blockSize; len(p) > 0; i++ {
		s.sums[i] = checksum(p[:blockSize])
		s.verified.And(^(uint64(1) << i))
		p = p[blockSize:]
	}
	return nil
}

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// blank writes into the slot of s that it lists nothing. b is room for its header.
func (d *Disk) blank(s *diskSlab, b []byte) error {
	(&slot{slab: s.n, generation: s.generation}).encodeInvalid(b)
	if err := d.v.f.write(b, d.v.slotAt(s.n)); err != nil {
		return err
	}
	d.device.written.Add(slotHeader)
	s.blank = true
	return nil
}

// whole ejects a volume whose file was cut. Only the volume's own writes could
// make it longer again, with zeros that nobody wrote; so it looks before each.
func (d *Disk) whole() error {
	n, err := d.v.f.size()
	if err == nil && n < d.v.size {
		err = fmt.Errorf("the file was cut: %d bytes, want %d", n, d.v.size)
		d.eject(err)
	}
	return err
}
