// Package child starts the servers that a measurement or a show needs, tells
// how much processor time they used, and ends them again. It is no supervisor:
// a child that ends by itself is not started anew.
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
	"errors"
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
	Args []string // program and arguments
	Env  []string // added to the environment
	Core int
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

// CPU is the processor time, of user and system together, that the process and
// its descendants have used. Its grain is 10 ms.
func CPU(pid int) (time.Duration, error) {
	children, err := tree()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	queue := []int{pid}
	for len(queue) > 0 {
		p, err := read(queue[0])
		if err != nil && queue[0] == pid {
			return 0, err
		}
		sum += p.cpu
		queue = append(queue[1:], children[queue[0]]...)
	}
	return sum, nil
}

// tree maps each process to its children.
func tree() (map[int][]int, error) {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("processes: %w", err)
	}
	children := map[int][]int{}
	for _, d := range dir {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if p, err := read(pid); err == nil {
			children[p.parent] = append(children[p.parent], pid)
		}
	}
	return children, nil
}

type process struct {
	parent int
	cpu    time.Duration
}

var errStat = errors.New("unreadable stat")

// read reads /proc/PID/stat. The name, field 2, is in brackets and may hold
// blanks: fields are counted from the last bracket.
func read(pid int) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	_, rest, _ := cutLast(string(text), ")")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return process{}, fmt.Errorf("process %d: %w", pid, errStat)
	}
	parent, err1 := strconv.Atoi(f[1])
	user, err2 := strconv.ParseInt(f[11], 10, 64)
	system, err3 := strconv.ParseInt(f[12], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return process{}, fmt.Errorf("process %d: %w: %w", pid, errStat, err)
	}
	// The kernel's interface counts in hundredths whatever its own clock is.
	return process{parent, time.Duration(user+system) * 10 * time.Millisecond}, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

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
