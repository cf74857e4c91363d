package h1

import "golang.org/x/sys/unix"

const canSplice = true

// spliceOut moves what the socket takes of the next n bytes in the pipe.
func spliceOut(pipe, socket, n int) (int, error) {
	m, err := unix.Splice(pipe, nil, socket, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return int(m), err
}
