package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another page of the terminal, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	topLeft     = "\x1b[H"
	restOfLine  = "\x1b[K"
	restOfPage  = "\x1b[J"

	interruptKey = 3 // Ctrl-C, which is no signal while keys come unprocessed
)

// A screen paints over a terminal. Between open and close the terminal is
// its own: what was there before comes back with close.
type screen struct {
	out *os.File

	keys    *os.File // nil: none are read
	was     *term.State
	reading sync.WaitGroup
}

// open takes the terminal. quit is called when a key asks to end.
func (s *screen) open(quit func()) error {
	keys, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err == nil {
		s.keys = keys
		onDescriptor(keys, func(fd int) { s.was, err = term.MakeRaw(fd) })
	}
	if s.keys != nil && err != nil {
		_ = s.keys.Close()
		s.keys = nil
	}
	if s.keys != nil {
		s.reading.Go(func() { readKeys(s.keys, quit) })
	}
	if _, err := io.WriteString(s.out, enterScreen); err != nil {
		s.close()
		return fmt.Errorf("terminal: %w", err)
	}
	return nil
}

// onDescriptor calls f with the descriptor of a file. Fd would have its reads
// block for ever.
func onDescriptor(file *os.File, f func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// readKeys calls quit when a key asks to end; it returns then, or when there
// are no more keys.
func readKeys(keys io.Reader, quit func()) {
	var b [64]byte
	for {
		n, err := keys.Read(b[:])
		for _, key := range b[:n] {
			if key == 'q' || key == 'Q' || key == interruptKey {
				quit()
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// close gives the terminal back as it was.
func (s *screen) close() {
	_, _ = io.WriteString(s.out, leaveScreen) // a terminal that is gone needs nothing
	if s.keys == nil {
		return
	}
	onDescriptor(s.keys, func(fd int) { _ = term.Restore(fd, s.was) })
	_ = s.keys.Close()
	s.reading.Wait()
	s.keys = nil
}

// paint fills the terminal with a sight.
func (s *screen) paint(v *sight) error {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	_, err = io.WriteString(s.out, frame(v.lines(), width, height))
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	return nil
}

// frame is what paints lines over a terminal of that size.
func frame(lines []string, width, height int) string {
	var b strings.Builder
	b.WriteString(topLeft)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(cut(line, width))
		b.WriteString(restOfLine)
	}
	b.WriteString(restOfPage)
	return b.String()
}

// cut is line as far as it fits.
func cut(line string, width int) string {
	n := 0
	for i := range line {
		if n == width {
			return line[:i]
		}
		n++
	}
	return line
}
