package engine

import "opencache/internal/wire"

const (
	// spliceMin is the content from which on it is worth a pipe.
	spliceMin = 64 << 10
	// pipeSize is what a pipe is to hold: as much as sockets keep ready.
	pipeSize = 256 << 10
	// maxPipes bounds the pipes in use and kept, so what the kernel holds in
	// them, at 16 MiB. Beyond it content is copied.
	maxPipes = 64
)

// pipes lends pipes for content that is handed through.
type pipes struct {
	free chan *wire.Pipe // kept, empty
	made chan struct{}   // one for each that exists
}

func (t *pipes) init() {
	t.free, t.made = make(chan *wire.Pipe, maxPipes), make(chan struct{}, maxPipes)
}

// get lends an empty pipe; nil: there are too many, or none here.
func (t *pipes) get() *wire.Pipe {
	select {
	case p := <-t.free:
		return p
	default:
	}
	select {
	case t.made <- struct{}{}:
	default:
		return nil
	}
	p := openPipe(pipeSize)
	if p == nil {
		<-t.made
	}
	return p
}

// put takes a pipe back. It is closed when it is broken or not empty: nobody
// is to get what was another's.
func (t *pipes) put(p *wire.Pipe, whole bool) {
	if whole && emptyPipe(p) {
		t.free <- p // it has room for all
		return
	}
	closePipe(p)
	<-t.made
}

// close closes the pipes that are kept. Nobody gets one from here on.
func (t *pipes) close() {
	for {
		select {
		case p := <-t.free:
			closePipe(p)
		default:
			return
		}
	}
}
