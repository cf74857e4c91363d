package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// journalSlack is how much a journal may grow beyond twice what was in force
	// when it was written anew.
	journalSlack = 1 << 20
	// journalBound times as long as that it does not become: appends wait then.
	journalBound = 4
	// journalQueue bounds the appends that wait for the writer.
	journalQueue = 1024
	// journalWait is how long an append waits when its options do not say.
	journalWait = time.Second
)

// errUnsafe: what had to be remembered is not, nor could the volume be told to
// come back empty. Unless its device answers later, the next start may bring
// back what must not come back.
var errUnsafe = errors.New("the journal cannot be written")

// A journal is the facts about a volume that its directories do not hold,
// appended to one file. One goroutine writes; those who append wait until it
// has, but not longer than a set time: a hung device must not hang them.
//
// When the file has doubled it is written anew in the background from what is
// in force, and takes the old one's place with what was appended meanwhile.
//
// When an append cannot be written the volume is told to come back empty at
// the next start (volume.forget), and the journal ends: nothing is left that
// it would have to say.
type journal struct {
	v    *volume
	wait time.Duration

	queue   chan *appending
	quit    chan struct{}
	stopped chan struct{}
	ended   atomic.Bool  // nothing is written any more
	unsafe  atomic.Bool  // an append was given up, and forget has not succeeded yet
	lost    atomic.Int64 // appends that were not written
	rewrote atomic.Int64 // how often it was written anew
	size    atomic.Int64 // bytes of the file, as end has it

	// The writer's alone.
	f    file
	seed uint32
	end  int64         // where the next entry goes
	most int64         // when to write it anew
	anew chan *rewrite // of the one that is under way
	busy bool
	once sync.Once
}

// An appending is entries on their way, and what became of them.
type appending struct {
	entries []entry
	done    chan error
}

// A rewrite is a journal that is to take the old one's place.
type rewrite struct {
	f         file
	seed      uint32
	from, end int64 // it says what the old one said up to from, and ends at end
	most      int64 // how long it may become before it is written anew
	err       error
}

// startJournal writes the facts that came back into a new journal, which takes
// the old one's place, and starts its writer.
func startJournal(v *volume) (*journal, error) {
	j := &journal{
		v: v, wait: v.o.wait, queue: make(chan *appending, journalQueue), anew: make(chan *rewrite, 1),
		quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	if j.wait == 0 {
		j.wait = journalWait
	}
	w := v.writeJournal(v.back)
	if w.err == nil {
		w.err = v.folder.rename(journalName+newSuffix, journalName)
	}
	if w.err != nil {
		j.drop(w)
		return nil, w.err
	}
	j.adopt(w)
	go j.run()
	return j, nil
}

// append writes the entries, all in one go, before it returns. It may be
// called at any time until close. errUnsafe is the only error: the volume must
// be given up then.
func (j *journal) append(entries ...entry) error {
	if j.ended.Load() {
		return j.verdict(len(entries))
	}
	a := &appending{entries, make(chan error, 1)}
	t := time.NewTimer(j.wait)
	defer t.Stop()
	select {
	case j.queue <- a:
	case <-t.C:
		return j.giveUp(len(entries))
	}
	select {
	case err := <-a.done:
		return err
	case <-t.C:
		return j.giveUp(len(entries))
	}
}

// giveUp ends the journal for an append that took too long. Its writer, when
// it gets on, has the volume come back empty.
func (j *journal) giveUp(n int) error {
	j.unsafe.Store(true)
	j.ended.Store(true)
	return j.verdict(n)
}

func (j *journal) verdict(n int) error {
	j.lost.Add(int64(n))
	if j.unsafe.Load() {
		return errUnsafe
	}
	return nil
}

func (j *journal) run() {
	defer close(j.stopped)
	for {
		select {
		case a := <-j.queue:
			j.commit(a)
		case w := <-j.anew:
			j.replace(w)
		case <-j.quit:
			for len(j.queue) > 0 {
				j.commit(<-j.queue)
			}
			if j.busy {
				j.drop(<-j.anew)
			}
			return
		}
	}
}

// commit writes what a and those behind it in the queue append.
func (j *journal) commit(a *appending) {
	all := []*appending{a}
	for n := len(j.queue); n > 0; n-- {
		all = append(all, <-j.queue)
	}
	var b []byte
	for _, a := range all {
		for i := range a.entries {
			b = a.entries[i].append(b, j.seed)
		}
	}
	err := j.put(b)
	for _, a := range all {
		if err != nil {
			j.lost.Add(int64(len(a.entries)))
		}
		a.done <- err
	}
	if !j.busy && j.end > j.most && !j.ended.Load() {
		j.busy = true
		go j.rewrite(j.f, j.seed, j.end)
	}
	if j.busy && j.end > journalBound*j.most {
		j.replace(<-j.anew)
	}
}

// put writes b behind the last entry. When it cannot, it ends the journal.
func (j *journal) put(b []byte) error {
	if !j.ended.Load() {
		if j.f.write(b, j.end) == nil {
			j.end += int64(len(b))
			j.size.Store(j.end)
			if !j.ended.Load() {
				return nil
			}
		}
	}
	j.ended.Store(true)
	if err := j.v.forget(); err != nil {
		j.unsafe.Store(true)
		return errUnsafe
	}
	j.unsafe.Store(false)
	return nil
}

// rewrite reads what is in force up to end and writes it to a new file.
func (j *journal) rewrite(f file, seed uint32, end int64) {
	r := newReplay()
	if err := r.read(&window{f: f, at: journalHeader, end: end}, seed); err != nil {
		j.anew <- &rewrite{err: err}
		return
	}
	if r.wound != whole {
		j.anew <- &rewrite{err: fmt.Errorf("journal: %v", r.wound)}
		return
	}
	w := j.v.writeJournal(r)
	w.from = end
	j.anew <- w
}

// writeJournal makes a file that says what r holds.
func (v *volume) writeJournal(r *replay) *rewrite {
	var seed [4]byte
	rand.Read(seed[:]) // never fails (crypto/rand)
	w := &rewrite{seed: binary.LittleEndian.Uint32(seed[:])}
	head := journalHead{set: v.super.set, stripe: v.super.stripe, seed: w.seed}
	b := r.facts(head.encode(), w.seed, v.o.now().UnixMilli())
	w.end = int64(len(b))
	w.most = 2*w.end + journalSlack
	if w.f, w.err = v.folder.create(journalName+newSuffix, 0, w.most); w.err != nil {
		return w
	}
	if w.err = w.f.write(b, 0); w.err == nil {
		w.err = w.f.sync()
	}
	return w
}

// replace copies what was appended meanwhile and lets w be the journal. When
// that fails the old one goes on until it has doubled again.
func (j *journal) replace(w *rewrite) {
	j.busy = false
	if w.err == nil {
		w.err = j.catchUp(w)
	}
	if w.err == nil {
		w.err = j.v.folder.rename(journalName+newSuffix, journalName)
	}
	if w.err != nil {
		j.drop(w)
		j.most = 2 * j.end
		return
	}
	j.f.close()
	j.adopt(w)
	j.rewrote.Add(1)
}

func (j *journal) catchUp(w *rewrite) error {
	b := make([]byte, j.end-w.from)
	if err := j.f.read(b, w.from); err != nil {
		return err
	}
	var e entry
	var tail []byte
	for len(b) > 0 {
		n := e.decode(b, j.seed)
		if n == 0 {
			return fmt.Errorf("journal: %v", holed)
		}
		tail = e.append(tail, w.seed)
		b = b[n:]
	}
	err := w.f.write(tail, w.end)
	w.end += int64(len(tail))
	return err
}

func (j *journal) adopt(w *rewrite) {
	j.f, j.seed, j.end, j.most = w.f, w.seed, w.end, w.most
	j.size.Store(j.end)
}

func (j *journal) drop(w *rewrite) {
	if w.f != nil {
		w.f.close()
	}
	if err := j.v.folder.remove(journalName + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return // it is overwritten the next time
	}
}

// close syncs the journal and ends it. No append is under way. A device that
// hangs is left to itself.
func (j *journal) close() error {
	j.once.Do(func() { close(j.quit) })
	select {
	case <-j.stopped:
	case <-time.After(j.wait):
		return errUnsafe
	}
	err := j.f.sync()
	if j.lost.Load() > 0 {
		err = errors.Join(err, errUnsafe)
	}
	return errors.Join(err, j.f.close())
}
