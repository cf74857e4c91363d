package engine

import (
	"golang.org/x/sys/unix"

	"opencache/internal/wire"
)

// openPipe makes a pipe of about size bytes; nil: the system has none left.
func openPipe(size int) *wire.Pipe {
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	// A user may have only so much in pipes: then this one stays small.
	if n, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, size); err == nil {
		size = n
	} else if size, err = unix.FcntlInt(uintptr(fds[1]), unix.F_GETPIPE_SZ, 0); err != nil {
		size = 4 << 10 // what any pipe holds
	}
	return &wire.Pipe{R: fds[0], W: fds[1], Size: size}
}

// emptyPipe asks the kernel whether nothing is left in p.
func emptyPipe(p *wire.Pipe) bool {
	n, err := unix.IoctlGetInt(p.R, unix.TIOCINQ)
	return err == nil && n == 0
}

func closePipe(p *wire.Pipe) {
	_ = unix.Close(p.R)
	_ = unix.Close(p.W)
}
