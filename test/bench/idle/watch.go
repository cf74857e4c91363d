package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const watchStep = 100 // ms between two looks whether to stop

// A watch tells when the other end has closed connections, without reading
// from them. Its clients' numbers are below the size it was made with.
type watch struct {
	epoll int
	end   chan struct{}
	ended sync.WaitGroup

	mu sync.Mutex // guards the field below

	closed []time.Time // zero: not yet
}

func newWatch(size int) (*watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	w := &watch{epoll: fd, end: make(chan struct{}), closed: make([]time.Time, size)}
	w.ended.Go(w.run)
	return w, nil
}

// add watches conn as number i.
func (w *watch) add(conn *net.TCPConn, i int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	event := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(i)} // errors and hang-ups always come
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, int(fd), &event) }); err != nil {
		return err
	}
	return failed
}

func (w *watch) run() {
	var events [256]unix.EpollEvent
	for {
		n, err := unix.EpollWait(w.epoll, events[:], watchStep)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		now := time.Now()
		w.mu.Lock()
		for _, e := range events[:max(n, 0)] {
			w.closed[e.Fd] = now
		}
		w.mu.Unlock()
		select {
		case <-w.end:
			return
		default:
		}
	}
}

// when is when connection i was closed by the other end; zero: not yet.
func (w *watch) when(i int) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed[i]
}

// count is how many connections the other end has closed.
func (w *watch) count() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.closed {
		if !t.IsZero() {
			n++
		}
	}
	return n
}

func (w *watch) stop() {
	close(w.end)
	w.ended.Wait()
	_ = unix.Close(w.epoll)
}
