package h1

import (
	"context"
	"sync"
	"time"
)

// watchAfter is how long a Handler that asks has to wait before the client is
// watched: most are done by then, and watching costs a goroutine and a system
// call or two.
const watchAfter = 20 * time.Millisecond

// A watcher notices a client that goes away while the Handler works: it reads
// ahead into what is free of the input buffer. It runs only while nobody else
// reads, so only once the request's content is complete, and only when asked.
type watcher struct {
	c     *conn
	watch func() context.Context // the method value of context, made once

	mu      sync.Mutex // guards the fields below
	ctx     context.Context
	cancel  context.CancelFunc
	timer   *time.Timer   // calls due; nil until first asked
	armed   bool          // due is to start the goroutine
	running chan struct{} // closed when the goroutine ends; nil: there is none
	retired bool          // the connection is somebody else's
	left    bool          // the client went away in the middle of its content
}

// context returns a context that ends when the client has gone away or the
// Handler has returned. It is Request.Watch. A Handler that asks is about to
// wait, so what earlier requests' replies hold back goes out.
func (w *watcher) context() context.Context {
	w.c.reply.flushEarlier()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == nil {
		w.ctx, w.cancel = context.WithCancel(context.Background())
		switch {
		case w.left:
			w.cancel()
		case w.c.body.whole.Load():
			w.armLocked()
		}
	}
	return w.ctx
}

// contentRead says that the request's content is complete. Its caller is the
// one who read it, and reads no more.
func (w *watcher) contentRead() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx != nil {
		w.armLocked()
	}
}

func (w *watcher) armLocked() {
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.due)
		return
	}
	w.timer.Reset(watchAfter)
}

// due starts to watch. When it comes late, for a request that is gone, the one
// at hand is watched early.
func (w *watcher) due() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed {
		w.armed = false
		w.startLocked()
	}
}

// gone says that whoever read the request's content found the client gone.
func (w *watcher) gone() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = true
	if w.ctx != nil {
		w.cancel()
	}
}

func (w *watcher) startLocked() {
	if w.running == nil && !w.retired {
		w.running = make(chan struct{})
		go w.run(w.running, w.cancel)
	}
}

// run reads ahead until the client goes, the buffer is full or stop.
func (w *watcher) run(done chan<- struct{}, gone context.CancelFunc) {
	defer close(done)
	c := w.c
	for c.in.W < len(c.in.Buf) {
		if _, ok := c.rd.within(0); !ok {
			return
		}
		n, err := c.nc.Read(c.in.Buf[c.in.W:])
		c.in.W += n
		c.count.in.Add(uint64(n))
		if err != nil {
			if !c.rd.isStopped() {
				gone()
			}
			return
		}
	}
}

// stop ends the goroutine, if there is one, and waits for it: what it read is
// in the input buffer. The context goes on.
func (w *watcher) stop() {
	w.mu.Lock()
	if w.armed {
		w.armed = false
		w.timer.Stop()
	}
	running := w.running
	w.running = nil
	w.mu.Unlock()
	if running == nil {
		return
	}
	w.c.rd.stop()
	<-running
	w.c.rd.resume()
}

// retire stops watching for good: nobody but a tunnel reads from here on.
func (w *watcher) retire() {
	w.mu.Lock()
	w.retired = true
	w.mu.Unlock()
	w.stop()
}

// end stops watching for this request and ends its context.
func (w *watcher) end() {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx != nil {
		w.cancel()
		w.ctx, w.cancel = nil, nil
	}
	w.retired, w.left = false, false
}
