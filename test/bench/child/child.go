// Package child starts the servers that a measurement or a show needs, tells
// how much processor time and memory they used, and ends them again. It is no
// supervisor: a child that ends by itself is not started anew.
//
//	port, err := child.Port()
//	c, err := child.Start(child.Command{Args: []string{"nginx", "-c", conf}})
//	defer c.Stop()
//	err = c.Listening(ctx, port)
//	before, _ := child.CPU(c.PID())
//	// load
//	after, _ := child.CPU(c.PID())
package child

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	grace   = 5 * time.Second // from SIGTERM to SIGKILL
	tailMax = 4 << 10         // bytes of a child's output that are kept for an error
)

// Command is what to start. Core is the processor core to pin it to; negative: any.
type Command struct {
	Args   []string // program and arguments
	Env    []string // added to the environment
	Core   int
	Output string // file that standard output is appended to; empty: kept for an error
}

// Child is a running process. Stop it once.
type Child struct {
	cmd  *exec.Cmd
	out  tail
	done chan struct{} // closed when the process has ended
}

// Start starts c. The process ends with the thread that started it, so that
// nothing outlives a driver that is killed: call it from a goroutine that is
// locked to its thread (runtime.LockOSThread) and lives as long as the child.
func Start(c Command) (*Child, error) {
	args := c.Args
	if c.Core >= 0 {
		args = append([]string{"taskset", "-c", strconv.Itoa(c.Core)}, args...)
	}
	child := &Child{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	child.cmd.Env = append(os.Environ(), c.Env...)
	child.cmd.Stdout, child.cmd.Stderr = &child.out, &child.out
	if c.Output != "" {
		file, err := os.OpenFile(c.Output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return nil, fmt.Errorf("output of %s: %w", c.Args[0], err)
		}
		defer func() { _ = file.Close() }() // the child has its own
		child.cmd.Stdout = file
	}
	child.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := child.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start of %s: %w", c.Args[0], err)
	}
	go func() {
		_ = child.cmd.Wait() // how it ended shows in its output
		close(child.done)
	}()
	return child, nil
}

// PID is the process' number.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Listening waits until the port on loopback takes connections. The error
// carries the last output of a child that ended instead.
func (c *Child) Listening(ctx context.Context, port int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("tcp", Addr(port)); err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-c.done:
			return fmt.Errorf("%s ended before it listened: %s", c.cmd.Path, c.out.String())
		case <-ctx.Done():
			return fmt.Errorf("%s on port %d: %w: %s", c.cmd.Path, port, ctx.Err(), c.out.String())
		}
	}
}

// Stop asks the process to end, and after five seconds ends it.
func (c *Child) Stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // gone already: done tells
	select {
	case <-c.done:
	case <-time.After(grace):
		_ = syscall.Kill(-c.PID(), syscall.SIGKILL)
		<-c.done
	}
}

// Port returns a free port on loopback.
func Port() (int, error) {
	l, err := net.Listen("tcp", Addr(0))
	if err != nil {
		return 0, fmt.Errorf("free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// Addr is the port on loopback as an address.
func Addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu sync.Mutex // guards the field below

	b []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - tailMax; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
