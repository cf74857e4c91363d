package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// A cache is opencache serve as a process of its own.
type cache struct {
	bin      string
	memory   int64 // MiB
	disk     string
	diskSize int64 // MiB

	url string
	cmd *exec.Cmd
}

func (c *cache) start(originURL string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	_ = l.Close()
	args := []string{"serve", "--origin", originURL, "--listen", addr, "--admin", "off",
		"--memory", fmt.Sprintf("%dM", c.memory), "--read-ahead", fmt.Sprintf("%dM", readAhead/mib)}
	if c.disk != "" {
		args = append(args, "--disk", fmt.Sprintf("%s=%dM", c.disk, c.diskSize))
	}
	c.cmd = exec.Command(c.bin, args...)
	c.cmd.Stderr = os.Stderr
	c.cmd.Env = append(os.Environ(), "OPENCACHE_LOG_LEVEL=warn")
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.url = "http://" + addr
	for range 200 {
		if resp, err := http.Get(c.url + "/oc-cgi/health"); err == nil {
			_ = resp.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("%s serves nothing at %s", c.bin, addr), c.stop())
}

func (c *cache) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	return c.cmd.Wait()
}

// segment is the size of the segments of such a cache, in bytes.
func (c *cache) segment() int64 {
	size := c.memory
	if c.disk != "" {
		size = c.diskSize
	}
	if size < 256 {
		return 512 << 10
	}
	return 2 * mib
}

func (c *cache) describe() string {
	s := fmt.Sprintf("memory %d MiB", c.memory)
	if c.disk != "" {
		s += fmt.Sprintf(" over %d MiB on disk", c.diskSize)
	}
	return s
}

// beside is what the cache may take beside what is configured, in MiB: the
// program, its stacks, the garbage of a collection, sockets' desks.
const beside = 64

// peak prints the most memory that the cache ever had, and holds it to what it
// was given: the store, a quarter of that for fetches, on disk the slabs that
// are on their way, and the rest.
func (c *cache) peak() error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return err
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	number, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	kib, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return fmt.Errorf("VmHWM: %w", err)
	}
	limit, parts := c.memory+c.memory/4+beside, fmt.Sprintf("store %d, fetches %d, all else %d", c.memory, c.memory/4, beside)
	if c.disk != "" {
		stages := 12 * c.segment() / mib
		lent := int64(64)
		limit += stages + lent
		parts += fmt.Sprintf(", slabs on their way to disk %d, read from it %d", stages, lent)
	}
	fmt.Printf("peak of resident memory %d MiB, limit %d MiB (%s)\n", kib>>10, limit, parts)
	if kib>>10 > limit {
		return errors.New("more memory than it was given")
	}
	return nil
}
