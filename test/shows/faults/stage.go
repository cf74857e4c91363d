package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A stage is what a fault is played on: an origin, a folder, and opencache
// with a volume there.
type stage struct {
	bin     string
	phase   time.Duration
	verbose bool
	ctx     context.Context

	dir    string // all is under it
	disk   string // where the volume is to be
	size   string
	flags  []string
	boot   string // a file with the id of the machine's run; "": the real one
	user   uint32 // that opencache runs as; 0: root
	book   book
	origin *origin
	small  []*object // what is asked for all the time, and stays in memory
	large  []*object // what does not fit there
	undo   []func() error
	asked  *atomic.Int64 // fresh objects
	faults []string

	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended, with exit
	exit  *error
	said  *bytes.Buffer // the end of its log
	addr  string
	admin string
}

func (s *stage) miss(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// open makes the origin and the folder.
func (s *stage) open() (err error) {
	if s.dir, err = os.MkdirTemp("", "faults"); err != nil {
		return err
	}
	s.book, s.asked = newBook(), new(atomic.Int64)
	s.small = some("small", 12, 1<<10, true)
	s.large = slices.Concat(
		some("record", 400, 48<<10, true), some("tagged", 8, 3<<20, true),
		some("plain", 12, 400<<10, false), some("long", 4, 5<<20, false))
	if s.origin, err = newOrigin(s.book, s.small, s.large); err != nil {
		return err
	}
	s.disk, s.size = filepath.Join(s.dir, "disk"), "128M"
	return os.Mkdir(s.disk, 0o700)
}

// close ends what was started and takes away what was mounted, last first.
func (s *stage) close() (errs []error) {
	s.kill()
	for _, f := range slices.Backward(s.undo) {
		if err := f(); err != nil {
			errs = append(errs, err)
		}
	}
	if s.origin != nil {
		_ = s.origin.close()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// start runs opencache and waits until it serves; an error has its last words.
func (s *stage) start() error {
	args := append([]string{"serve", "--port", "0", "--admin", "127.0.0.1:0", "--origin", "http://" + s.origin.addr,
		"--cache-status-tier", "--memory", "16M", "--disk", s.disk + "=" + s.size}, s.flags...)
	bin, err := filepath.Abs(s.bin)
	if err != nil {
		return err
	}
	s.cmd = exec.Command(bin, args...)
	attr := &syscall.SysProcAttr{}
	if s.boot != "" { // another run of the machine, for this process
		s.cmd = exec.Command("sh", append([]string{"-c", `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`, s.boot, bin}, args...)...)
		attr.Cloneflags = syscall.CLONE_NEWNS
	}
	if s.user != 0 {
		attr.Credential = &syscall.Credential{Uid: s.user, Gid: s.user}
	}
	s.cmd.SysProcAttr = attr
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	// For who ends what is left when this process is killed itself.
	if err := os.WriteFile(filepath.Join(s.dir, "pid"), strconv.AppendInt(nil, int64(s.cmd.Process.Pid), 10), 0o600); err != nil {
		return err
	}
	s.ended, s.exit = make(chan struct{}), new(error)
	serving := make(chan [2]string, 1)
	s.said = new(bytes.Buffer)
	var mu sync.Mutex // guards said
	go func(cmd *exec.Cmd, said *bytes.Buffer, ended chan<- struct{}, exit *error) {
		sc := bufio.NewScanner(out)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			if s.verbose {
				fmt.Fprintln(os.Stderr, "    |", sc.Text())
			}
			if m := servingLine.FindStringSubmatch(sc.Text()); m != nil {
				serving <- [2]string{m[1], m[2]}
			}
			mu.Lock()
			if said.Len() < 64<<10 {
				said.WriteString(sc.Text() + "\n")
			}
			mu.Unlock()
		}
		*exit = cmd.Wait()
		close(ended)
	}(s.cmd, s.said, s.ended, s.exit)
	select {
	case at := <-serving:
		s.addr, s.admin = at[0], at[1]
		return nil
	case <-s.ended:
		s.cmd = nil
		mu.Lock()
		defer mu.Unlock()
		return &refusal{*s.exit, strings.TrimSpace(s.said.String())}
	case <-time.After(60 * time.Second):
		s.kill()
		return errors.New("opencache does not serve after a minute")
	}
}

var servingLine = regexp.MustCompile(`msg=serving listen=(\S+) .*admin=(\S+)`)

// A refusal is why opencache did not start.
type refusal struct {
	err   error
	words string
}

func (r *refusal) Error() string { return fmt.Sprintf("opencache: %v: %s", r.err, r.words) }

// stop ends opencache in good order.
func (s *stage) stop() error {
	if s.cmd == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		s.cmd = nil
		return *s.exit
	case <-time.After(60 * time.Second):
		s.kill()
		return errors.New("opencache does not stop within a minute")
	}
}

// kill ends it with kill -9.
func (s *stage) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second): // it waits for a disk that hangs: undo heals that
	}
	s.cmd = nil
}

// fill has everything fetched: the large set until it lies on disk, the small
// one so often that it stays in memory.
func (s *stage) fill() error {
	c := newClient(s.book, s.addr, 1)
	defer c.close()
	for range 3 {
		for _, set := range [][]*object{s.large, s.small, s.small} {
			for _, o := range set {
				if got := c.ask(s.ctx, o, false); got.err != nil || got.wrong {
					return fmt.Errorf("filling: %s: wrong %t: %w", o.path, got.wrong, got.err)
				}
			}
		}
	}
	return nil
}

// threads returns how many threads opencache has.
func (s *stage) threads() int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "Threads:"); ok {
			v, _ := strconv.Atoi(strings.TrimSpace(n))
			return v
		}
	}
	return 0
}

// A reading is what the metrics say.
type reading map[string]float64

// metrics reads the metrics of the store.
func (s *stage) metrics() reading {
	r := reading{}
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.admin+"/metrics", nil)
	if err != nil {
		s.miss("metrics: %v", err)
		return r
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.miss("metrics: %v", err)
		return r
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(text)) {
		if m := sample.FindStringSubmatch(line); m != nil {
			v, _ := strconv.ParseFloat(m[2], 64)
			r[strings.NewReplacer(s.disk, "", `zone="default"`, "", `volume=""`, "", ",,", ",", ",}", "}", "{,", "{").Replace(m[1])] = v
		}
	}
	return r
}

var sample = regexp.MustCompile(`^(opencache_store_\S+) (\S+)`)

// moved prints the metrics that tell of a fault and grew since before. It
// notes when none did.
func (s *stage) moved(before reading, must bool) {
	now := s.metrics()
	var told []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if d := now[name] - before[name]; d > 0 && telling.MatchString(name) {
			told = append(told, fmt.Sprintf("%s +%g", strings.TrimPrefix(name, "opencache_store_"), d))
		}
	}
	fmt.Println("  metrics:", strings.Join(told, ", "))
	if must && len(told) == 0 {
		s.miss("no metric tells of it")
	}
}

var telling = regexp.MustCompile(`error|damaged|eject|down|timed_out|timeout|busy|refused|stuck`)
