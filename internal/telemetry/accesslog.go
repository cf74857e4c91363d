package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	blockSize    = 64 << 10
	defaultQueue = 1 << 20
	defaultFlush = time.Second
	// writeTogether is how many full blocks are written together.
	writeTogether = 4
)

// LogOptions are the ways to keep an access log.
type LogOptions struct {
	// Path is the file to append to, created when it is not there (mode
	// 0640). "-" or empty: Out.
	Path string
	// Out is written to when Path names no file; nil: standard output. It is
	// not closed.
	Out io.Writer
	// Format is how a Record is written; nil: as JSON.
	Format *Format
	// Queue is how many bytes may wait for a slow disk; above it records are
	// dropped and counted. 0: 1 MiB; never under three blocks of 64 KiB.
	Queue int
	// Flush is the longest time that a record waits when no others push it
	// out. 0: a second.
	Flush time.Duration
	// Log is told when writing begins to fail and when it works again; nil: nobody.
	Log *slog.Logger
}

// An AccessLog writes Records as lines. Requests never wait for it:
// Write copies the line into a block of 64 KiB; full blocks, once there are
// enough of them, and every second all there is, are written by a goroutine
// that Close ends. A write has the runtime look after who takes long, which
// costs more than the write: so it is done seldom, for several blocks.
//
// A block is free, then being filled, then full, then written and free again.
// There are never more than LogOptions.Queue allows; when none is free, a line
// that needs one is dropped.
//
// The nil AccessLog takes Records and does nothing.
type AccessLog struct {
	o       LogOptions
	dropped atomic.Uint64
	pens    sync.Pool // of *pen
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}
	enough  int // full blocks that are worth waking the goroutine for

	mu     sync.Mutex // guards the fields below
	fill   []byte     // the block being filled
	full   [][]byte
	free   [][]byte
	next   *os.File // opened by Reopen, to be used from now on
	closed bool
	err    error // of the last write, nil when it worked

	// The goroutine's own.
	out  io.Writer
	file *os.File // out when it is to be closed
}

// OpenLog opens an access log and starts its goroutine.
func OpenLog(o LogOptions) (*AccessLog, error) {
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.Flush == 0 {
		o.Flush = defaultFlush
	}
	l := &AccessLog{o: o, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	l.pens.New = func() any { return new(pen) }
	l.out = o.Out
	if l.out == nil {
		l.out = os.Stdout
	}
	if l.named() {
		f, err := openAppend(o.Path)
		if err != nil {
			return nil, err
		}
		l.out, l.file = f, f
	}
	blocks := max(o.Queue/blockSize, 3)
	memory := make([]byte, blocks*blockSize)
	for i := range blocks {
		at := i * blockSize
		l.free = append(l.free, memory[at:at:at+blockSize])
	}
	l.full = make([][]byte, 0, blocks)
	l.enough = min(max(blocks/4, 1), writeTogether)
	l.fill = l.takeLocked()
	go l.run()
	return l, nil
}

func (l *AccessLog) named() bool { return l.o.Path != "" && l.o.Path != "-" }

func openAppend(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return f, nil
}

// Write logs r. It does not wait: what finds no room is dropped and counted.
// r and what it points to are the caller's again afterwards.
func (l *AccessLog) Write(r *Record) {
	if l == nil {
		return
	}
	p := l.pens.Get().(*pen)
	if l.o.Format == nil {
		p.line = p.json(p.line[:0], r)
	} else {
		p.line = l.o.Format.append(p.line[:0], r)
	}
	if !l.add(p.line) {
		l.dropped.Add(1)
	}
	l.pens.Put(p)
}

// add copies a line into the block being filled and reports whether there was
// room.
func (l *AccessLog) add(line []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if len(l.fill)+len(line) > cap(l.fill) {
		if len(l.free) == 0 || len(line) > blockSize {
			return false
		}
		l.full = append(l.full, l.fill)
		l.fill = l.takeLocked()
		if len(l.full) >= l.enough {
			l.rouse()
		}
	}
	l.fill = append(l.fill, line...)
	return true
}

// rouse wakes the goroutine, unless it is about to run anyway.
func (l *AccessLog) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// takeLocked takes a free block; there must be one.
func (l *AccessLog) takeLocked() []byte {
	last := len(l.free) - 1
	b := l.free[last]
	l.free = l.free[:last]
	return b
}

// Dropped returns how many records found no room, or were lost to a write
// that did not work.
func (l *AccessLog) Dropped() uint64 {
	if l == nil {
		return 0
	}
	return l.dropped.Load()
}

// Reopen opens the file anew by its name, for after a rotation; what was
// logged before goes to the old file. On an error the old file stays in use.
// It does nothing when the log is no file.
func (l *AccessLog) Reopen() error {
	if l == nil || !l.named() {
		return nil
	}
	f, err := openAppend(l.o.Path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	unused := l.next
	l.next = f
	if l.closed {
		unused, l.next = f, nil
	}
	l.mu.Unlock()
	l.rouse()
	if unused != nil {
		return unused.Close()
	}
	return nil
}

// Close writes what was logged, ends the goroutine and closes the file. It
// returns the error of the last write when that did not work. Records that
// come later are dropped.
func (l *AccessLog) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if !again {
		close(l.stop)
	}
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// run writes blocks until Close.
func (l *AccessLog) run() {
	defer close(l.done)
	tick := time.NewTicker(l.o.Flush)
	defer tick.Stop()
	for {
		select {
		case <-l.wake:
			l.drain(false)
		case <-tick.C:
			l.drain(true)
		case <-l.stop:
			l.drain(true)
			l.closeFile()
			return
		}
	}
}

// closeFile ends the goroutine's use of the file.
func (l *AccessLog) closeFile() {
	if l.file == nil {
		return
	}
	if err := l.file.Close(); err != nil {
		l.note(err)
	}
}

// drain writes the full blocks and, with all or before a change of files, the
// one being filled; then it changes to the file that Reopen brought.
func (l *AccessLog) drain(all bool) {
	for {
		b, next, last := l.take(all)
		if b != nil {
			l.write(b)
		}
		if next != nil {
			l.closeFile()
			l.out, l.file = next, next
		}
		if last {
			return
		}
	}
}

// take takes the block that was full first. When none is, it is the last one
// for now: the block being filled where it is wanted, and Reopen's file.
func (l *AccessLog) take(all bool) (b []byte, next *os.File, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.full) > 0 {
		b = l.full[0]
		l.full = append(l.full[:0], l.full[1:]...)
		return b, nil, false
	}
	next, l.next = l.next, nil
	// None is full and none is being written, so one is free.
	if (all || next != nil) && len(l.fill) > 0 {
		b, l.fill = l.fill, l.takeLocked()
	}
	return b, next, true
}

// write writes a block and frees it.
func (l *AccessLog) write(b []byte) {
	n, err := l.out.Write(b)
	if err != nil {
		l.dropped.Add(lines(b[n:]))
	}
	l.note(err)
	l.mu.Lock()
	l.free = append(l.free, b[:0])
	l.mu.Unlock()
}

// note keeps the outcome of the last operation on the file and tells of a
// change from working to failing and back.
func (l *AccessLog) note(err error) {
	l.mu.Lock()
	before := l.err
	l.err = err
	l.mu.Unlock()
	switch {
	case l.o.Log == nil:
	case err != nil && before == nil:
		l.o.Log.Error("access log cannot be written, records are dropped", "path", l.o.Path, "error", err)
	case err == nil && before != nil:
		l.o.Log.Info("access log is written again", "path", l.o.Path, "dropped", l.dropped.Load())
	}
}

// lines counts the lines in b.
func lines(b []byte) (n uint64) {
	for _, c := range b {
		if c == '\n' {
			n++
		}
	}
	return n
}
