package store

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/wire"
)

// Reasons not to have read.
var (
	errBusy   = errors.New("too many reads wait for the device")
	errLate   = errors.New("the device did not answer in time")
	errDamage = errors.New("bytes are not those that were written")
)

// A readBuffer is memory from which what was read is lent.
type readBuffer struct {
	p    []byte // as much as was asked for
	all  []byte
	pool *readBuffers
	refs atomic.Int32 // of the requester, and of a worker that reads into it
}

var _ wire.Owner = (*readBuffer)(nil)

// Release ends a loan.
func (b *readBuffer) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		b.pool.put(b)
	case n < 0:
		panic("store: read buffer: released more often than lent")
	}
}

// Expose returns -1: a buffer has no descriptor.
func (b *readBuffer) Expose() int { return -1 }

// Pressure is Leave when half of the buffers are lent, and Yield when most are.
func (b *readBuffer) Pressure() wire.Pressure {
	switch lent := b.pool.lent.Load(); {
	case lent >= b.pool.most/8*7:
		return wire.Yield
	case lent >= b.pool.most/2:
		return wire.Leave
	}
	return wire.Keep
}

// readBuffers lend read buffers of a few sizes, of most bytes together.
type readBuffers struct {
	most   int64
	lent   atomic.Int64
	loans  atomic.Int64
	poison bool
	pools  [bufferSizes]sync.Pool
}

const (
	smallestBuffer = 4 << 10
	bufferSizes    = 6 // each four times the one before
)

// take returns a buffer for n bytes; nil when too much is lent.
func (r *readBuffers) take(n int) *readBuffer {
	class := (bits.Len(uint((n-1)/smallestBuffer)) + 1) / 2
	size := smallestBuffer << (2 * class)
	if r.lent.Add(int64(size)) > r.most || class >= bufferSizes {
		r.lent.Add(-int64(size))
		return nil
	}
	r.loans.Add(1)
	b, ok := r.pools[class].Get().(*readBuffer)
	if !ok {
		b = &readBuffer{pool: r, all: make([]byte, size)}
	}
	b.p = b.all[:n]
	b.refs.Store(1)
	return b
}

func (r *readBuffers) put(b *readBuffer) {
	if r.poison {
		poison(b.all)
	}
	size := len(b.all)
	r.pools[bits.Len(uint(size/smallestBuffer))/2].Put(b)
	r.loans.Add(-1)
	r.lent.Add(-int64(size))
}

// tokens bound the calls that a device can keep waiting. A goroutine in such a
// call has a thread of its own, and ten thousand of these are a fatal error of
// the runtime.
type tokens struct {
	free  chan struct{}
	stuck atomic.Int32 // held by calls that nobody waits for any more
	wait  time.Duration
}

func newTokens(n int, wait time.Duration) *tokens {
	t := &tokens{free: make(chan struct{}, n), wait: wait}
	for range n {
		t.free <- struct{}{}
	}
	return t
}

func (t *tokens) give() { t.free <- struct{}{} }

// try takes a token if there is one.
func (t *tokens) try() bool {
	select {
	case <-t.free:
		return true
	default:
		return false
	}
}

// hung reports whether the device keeps calls that were given up: an eighth of
// the tokens says that it answers nobody. Who came with each of the others would
// wait as long to learn that. It is tried again when it answers one of those.
func (t *tokens) hung() bool { return int(t.stuck.Load()) >= max(cap(t.free)/8, 1) }

// take waits a moment for a token, and not at all when the device hangs.
func (t *tokens) take() bool {
	if t.hung() {
		return false
	}
	if t.try() {
		return true
	}
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case <-t.free:
		return true
	case <-timer.C:
		return false
	}
}

// load fills b.p from off of the file, which is in s: from memory at once, or
// by a worker, for which it waits until then at most; zero: the volume's time
// for a read. On an error a worker may still be at it, with b and s pinned.
func (d *Disk) load(s *diskSlab, b *readBuffer, off int64, until time.Time) error {
	n, err := d.v.f.readNow(b.p, off)
	if err == nil && n == len(b.p) {
		d.read(n)
		return nil
	}
	if err != nil && !errors.Is(err, errWait) {
		d.unread(err)
		return err
	}
	if !d.tokens.take() {
		d.device.busy.Add(1)
		return errBusy
	}
	d.device.waits.Add(1)
	j := &readJob{s: s, b: b, off: off + int64(n), skip: n, done: make(chan error, 1)}
	s.pins.Add(1)
	b.refs.Add(1)
	d.workers.Add(1)
	go j.run()
	wait := d.o.ReadTimeout
	if !until.IsZero() {
		wait = time.Until(until)
	}
	return d.await(j, wait)
}

// A readJob is a read that may wait for the device, in a goroutine of its own
// with a token, a pin and a loan of its own.
type readJob struct {
	s     *diskSlab
	b     *readBuffer
	off   int64
	skip  int // of b.p, read already
	done  chan error
	state atomic.Int32
}

const (
	jobRunning = iota
	jobDone
	jobLeft // the requester went away
)

func (j *readJob) run() {
	d := j.s.d
	defer d.workers.Done()
	err := d.v.f.read(j.b.p[j.skip:], j.off)
	if err != nil {
		d.unread(err)
	} else {
		d.read(len(j.b.p))
	}
	// Everything is given back before the requester goes on, so that whoever
	// waited finds the volume as if nobody had read.
	left := !j.state.CompareAndSwap(jobRunning, jobDone)
	j.b.Release()
	j.s.Release()
	if left {
		d.tokens.stuck.Add(-1)
	}
	d.tokens.give()
	j.done <- err
}

func (d *Disk) await(j *readJob, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err := <-j.done:
		return err
	case <-timer.C:
	}
	// Counted as stuck before the worker can know that it is to be taken off.
	d.tokens.stuck.Add(1)
	if !j.state.CompareAndSwap(jobRunning, jobLeft) {
		d.tokens.stuck.Add(-1)
		return <-j.done
	}
	d.device.timeouts.Add(1)
	return errLate
}

// record returns the bytes of the record that c points to in s, which the
// caller has pinned, and who lends them: then the pin is given up. On an error
// the pin is the caller's still.
func (d *Disk) record(s *diskSlab, c *diskCell) (rec []byte, owner wire.Owner, err error) {
	off, n := c.off(), c.length()
	if n <= sumSize || off+n > d.space.size {
		return nil, nil, errDamage
	}
	b := d.buffers.take(n)
	if b == nil {
		d.device.busy.Add(1)
		return nil, nil, errBusy
	}
	if from := s.staged(); from != nil {
		// Copied, as it would be from the page cache: a stage that is lent cannot be
		// filled again, and there are few.
		copy(b.p, from.mem[off:])
		from.Release()
		s.Release()
		d.device.staged.Add(1)
		return b.p[:n-sumSize], b, nil
	}
	if err := d.load(s, b, s.at()+int64(off), time.Time{}); err != nil {
		b.Release()
		return nil, nil, err
	}
	if !intact(b.p, s.seed) {
		b.Release()
		return nil, nil, errDamage
	}
	s.Release()
	return b.p[:n-sumSize], b, nil
}

// verify reads those blocks of [off, off+n) of s that were not read since they
// were written or since the start, and compares their checksums.
func (d *Disk) verify(s *diskSlab, off, n int, until time.Time) error {
	end := blocks(off + n)
	for i := off / blockSize; i < end; {
		run := s.unverified(i, min(end, i+4))
		if run == 0 {
			i++
			continue
		}
		if err := d.through(s, i*blockSize, run*blockSize, until, func(p []byte) error { return s.compare(p, i) }); err != nil {
			return err
		}
		i += run
	}
	return nil
}

// unverified returns how many of the blocks from i to end are in a row that
// were not compared.
func (s *diskSlab) unverified(i, end int) (run int) {
	done := s.verified.Load()
	for i+run < end && done&(1<<(i+run)) == 0 {
		run++
	}
	return run
}

// through reads [off, off+n) of s into a buffer of its own and shows it to look.
func (d *Disk) through(s *diskSlab, off, n int, until time.Time, look func(p []byte) error) error {
	b := d.buffers.take(n)
	if b == nil {
		d.device.busy.Add(1)
		return errBusy
	}
	defer b.Release()
	if err := d.load(s, b, s.at()+int64(off), until); err != nil {
		return err
	}
	return look(b.p)
}

// compare checks whole blocks of s, from number i on.
func (s *diskSlab) compare(p []byte, i int) error {
	for ; len(p) > 0; i++ {
		if checksum(p[:blockSize]) != s.sums[i] {
			s.verified.And(^(1 << i)) // the page cache has these bytes now
			return fmt.Errorf("slab %d, block %d: %w", s.n, i, errDamage)
		}
		s.verified.Or(1 << i)
		p = p[blockSize:]
	}
	return nil
}

// copied returns a copy of [off, off+n) of s whose blocks were all compared.
func (d *Disk) copied(s *diskSlab, off, n int) (wire.Span, error) {
	from, to := off/blockSize, blocks(off+n)
	b := d.buffers.take((to - from) * blockSize)
	if b == nil {
		d.device.busy.Add(1)
		return wire.Span{}, errBusy
	}
	err := d.load(s, b, s.at()+int64(from*blockSize), time.Time{})
	if err == nil {
		err = s.compare(b.p, from)
	}
	if err != nil {
		b.Release()
		return wire.Span{}, err
	}
	off -= from * blockSize
	return wire.Span{Mem: b.p[off : off+n : off+n], N: n, Owner: b}, nil
}

// warm brings the blocks of [off, off+n) of s into the page cache where some of
// that is missing. What comes from the device anew is compared anew.
func (d *Disk) warm(s *diskSlab, off, n int, until time.Time) error {
	if d.v.f.resident(s.at()+int64(off), int64(n)) {
		return nil
	}
	for i, end := off/blockSize, blocks(off+n); i < end; i += 4 {
		from, to := max(off, i*blockSize), min(off+n, (i+4)*blockSize)
		if d.v.f.resident(s.at()+int64(from), int64(to-from)) {
			continue
		}
		run := min(4, end-i)
		if err := d.through(s, i*blockSize, run*blockSize, until, func(p []byte) error { return s.compare(p, i) }); err != nil {
			return err
		}
	}
	return nil
}

// read counts a read of n bytes that went well. It ends a row of errors.
func (d *Disk) read(n int) {
	d.device.reads.Add(1)
	d.device.readBytes.Add(uint64(n))
	if d.device.row.Load() != 0 {
		d.device.row.Store(0)
	}
}

// unread counts one that the device refused. A file that ends too early was
// cut, and the volume is given up at once: what was cut off may be zeros after
// the next write, and those would pass for blocks that were compared before.
func (d *Disk) unread(err error) {
	d.device.readErrors.Add(1)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		d.eject(fmt.Errorf("the file was cut: %w", err))
		return
	}
	d.strain(err)
}
