package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	var n int
	onDescriptor(ours, func(fd int) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

func termios(t *testing.T, f *os.File) (m unix.Termios) {
	t.Helper()
	onDescriptor(f, func(fd int) {
		got, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			t.Error(err)
			return
		}
		m = *got
	})
	return m
}

// A key, or a signal, ends the screen; the terminal is as it was before.
func TestTopTerminal(t *testing.T) {
	c, client := startAway(t)
	for _, end := range []string{"q", "Q", "\x03", "signal"} {
		c.away.Store(false)
		ours, theirs := openTerminal(t)
		before := termios(t, theirs)
		cmd := opencache(t, nil, "top", "--interval", "100ms", "--admin", client.addr)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		screen := readUntil(t, ours, "zone default")
		if !strings.HasPrefix(screen, enterScreen+topLeft) {
			t.Errorf("%q: got %.60q, want the screen taken first", end, screen)
		}
		if during := termios(t, theirs); during == before {
			t.Errorf("%q: keys come processed", end)
		}
		if end == "signal" {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		} else if _, err := ours.WriteString("x" + end); err != nil {
			t.Fatal(err)
		}
		readUntil(t, ours, leaveScreen)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%q: got %v, want exit code 0", end, err)
		}
		if after := termios(t, theirs); after != before {
			t.Errorf("%q: the terminal is left as %+v, was %+v", end, after, before)
		}
	}
}

// readUntil reads what a program shows until some text is in it.
func readUntil(t *testing.T, f *os.File, text string) string {
	t.Helper()
	_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
	var got []byte
	b := make([]byte, 4096)
	for !bytes.Contains(got, []byte(text)) {
		n, err := f.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) || n == 0 {
				t.Fatalf("no %q: %v; got %q", text, err, got)
			}
		}
	}
	return string(got)
}
