package h1

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Small calls on a socket that does not block are made without telling the
// scheduler: they take about as long as telling it does. Above this many bytes
// they take longer, and another goroutine could run.
const briefMax = 64 << 10

// readFD reads from a socket that does not block.
func readFD(fd int, p []byte) (int, error) {
	if raceEnabled || len(p) == 0 || len(p) > briefMax {
		return syscall.Read(fd, p)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// readByte reads one byte from a socket that does not block.
func readByte(fd uintptr, b *[1]byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(b)), 1)
	return int(n), errno
}

// writeFD writes to a socket that does not block. The race detector takes
// package syscall's Write, and no call of our own, as ordered before the Read
// of it.
func writeFD(fd int, p []byte) (int, error) {
	if raceEnabled || len(p) == 0 || len(p) > briefMax {
		return syscall.Write(fd, p)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// sendmsg sends msg, of size bytes, on a socket that does not block.
func sendmsg(fd int, msg *unix.Msghdr, size int) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	if size > briefMax {
		n, _, errno = syscall.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(msg)), unix.MSG_NOSIGNAL)
	} else {
		n, _, errno = syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(msg)), unix.MSG_NOSIGNAL)
	}
	return int(n), errno
}

// sendfile sends n bytes of file, which lies in memory, on a socket that does
// not block.
func sendfile(socket, file int, off *int64, n int) (int, error) {
	if raceEnabled || n > briefMax {
		return syscall.Sendfile(socket, file, off, n)
	}
	sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDFILE, uintptr(socket), uintptr(file), uintptr(unsafe.Pointer(off)), uintptr(n), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), nil
}
