package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cases lists the faults.
func cases() []scene {
	return []scene{
		{"full-create", "no room for the volume: a tmpfs of 32 MiB, a volume of 128", fullCreate},
		{"full-write", "no room behind the file system: ext4 of 160 MiB on a tmpfs of 48, so that writes fail though the file has its blocks", fullWrite},
		{"full", "every write answers ENOSPC", onMedium(func(m *medium) { m.write = syscall.ENOSPC })},
		{"read-errors", "every read answers EIO", onMedium(func(m *medium) { m.read = syscall.EIO })},
		{"write-errors", "every write answers EIO", onMedium(func(m *medium) { m.write = syscall.EIO })},
		{"short-writes", "every write takes half", shortWrites},
		{"truncate", "the volume is cut to a third, then to nothing, under us", truncate},
		{"flip-stopped", "a bit is flipped in every 64 KiB of a volume that is stopped", flipStopped},
		{"flip-head", "both copies of the superblock are damaged", flipHead},
		{"flip-live", "a bit is flipped in every 64 KiB under us, with --disk-verify always", flipLive},
		{"permission", "every call answers EACCES; then the folder is another user's", permission},
		{"hang", "the disk does not answer, for ever; 2000 clients ask for what is on it", hang},
		{"crash", "the machine crashes: kill -9, another boot id, what was written last is gone", crash},
		{"kill", "kill -9 under load, five times", killed},
	}
}

// before fills the volume and looks at it while all is well.
func (s *stage) before() (reading, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	if err := s.fill(); err != nil {
		return nil, err
	}
	fmt.Println(header)
	s.ask("before")
	return s.metrics(), nil
}

// live plays a fault that comes and goes while opencache runs.
func (s *stage) live(fault, heal func() error) error {
	r, err := s.before()
	if err != nil {
		return err
	}
	if err := fault(); err != nil {
		return err
	}
	s.ask("during")
	s.moved(r, true)
	if heal == nil {
		return nil
	}
	if err := heal(); err != nil {
		return err
	}
	s.ask("after")
	return nil
}

// onMedium has the volume on a medium of which something fails.
func onMedium(fault func(m *medium)) func(*stage) error {
	return func(s *stage) error {
		m, err := s.medium()
		if err != nil {
			return err
		}
		err = s.live(func() error { m.set(fault); return nil }, func() error { m.heal(); return nil })
		_, calls := m.counted()
		fmt.Printf("  %d calls failed\n", calls)
		if err == nil && calls == 0 {
			err = errors.New("the fault was never met")
		}
		return err
	}
}

// medium puts a medium under the volume.
func (s *stage) medium() (*medium, error) {
	back := filepath.Join(s.dir, "back")
	if err := os.Mkdir(back, 0o700); err != nil {
		return nil, err
	}
	m, err := mount(back, s.disk)
	if err == nil {
		s.undo = append(s.undo, m.close)
	}
	return m, err
}

// tmpfs mounts one of so many MiB on dir.
func (s *stage) tmpfs(dir string, mib int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		return fmt.Errorf("tmpfs on %s: %w", dir, err)
	}
	s.undo = append(s.undo, func() error { return unix.Unmount(dir, 0) })
	return nil
}

func fullCreate(s *stage) error {
	if err := s.tmpfs(s.disk, 32); err != nil {
		return err
	}
	return s.refused("no space left")
}

// refused wants opencache not to start, with these words among its last.
func (s *stage) refused(words string) error {
	var r *refusal
	switch err := s.start(); {
	case err == nil:
		return errors.New("it starts, and should not")
	case !errors.As(err, &r):
		return err
	}
	fmt.Println("  refused:", r.words)
	if !strings.Contains(r.words, words) {
		s.miss("its words do not have %q", words)
	}
	return nil
}

func fullWrite(s *stage) error {
	below := filepath.Join(s.dir, "below")
	if err := s.tmpfs(below, 48); err != nil {
		return err
	}
	image := filepath.Join(below, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, 160<<20); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1", image},
		{"mount", "-o", "loop,errors=continue", image, s.disk},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	s.undo = append(s.undo, func() error { return unix.Unmount(s.disk, 0) })
	if err := s.start(); err != nil {
		return err
	}
	r := s.metrics()
	if err := s.fill(); err != nil {
		return err
	}
	fmt.Println(header)
	s.ask("during")
	s.moved(r, true)
	return nil
}

// shortWrites is no fault to a client, nor to us: the rest is written.
func shortWrites(s *stage) error {
	m, err := s.medium()
	if err != nil {
		return err
	}
	m.set(func(m *medium) { m.short, m.direct = true, true })
	r, err := s.before()
	if err != nil {
		return err
	}
	m.forget()
	s.ask("again")
	s.moved(r, false)
	if _, calls := m.counted(); calls == 0 {
		return errors.New("no write was short")
	}
	return nil
}

func (s *stage) volume() string { return filepath.Join(s.disk, "opencache.volume") }

func truncate(s *stage) error {
	r, err := s.before()
	if err != nil {
		return err
	}
	st, err := os.Stat(s.volume())
	if err != nil {
		return err
	}
	for i, size := range []int64{st.Size() / 3 &^ 4095, 0} {
		if err := os.Truncate(s.volume(), size); err != nil {
			return err
		}
		s.ask([]string{"to 1/3", "to 0"}[i])
	}
	s.moved(r, true)
	if err := s.stop(); err != nil {
		s.miss("stopping: %v", err)
	}
	return s.refused("opencache.volume")
}

// flip turns a bit in every so many bytes of the volume from off on.
func (s *stage) flip(off, every int64) error {
	f, err := os.OpenFile(s.volume(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(5, 3))
	n := 0
	for ; off+every <= st.Size(); off += every {
		at := off + rnd.Int64N(every)
		var b [1]byte
		if _, err := f.ReadAt(b[:], at); err != nil {
			return err
		}
		b[0] ^= 1 << rnd.IntN(8)
		if _, err := f.WriteAt(b[:], at); err != nil {
			return err
		}
		n++
	}
	fmt.Printf("  %d bits flipped\n", n)
	return f.Sync()
}

// heads is where the superblock's two copies end.
const heads = 64 << 10

func flipStopped(s *stage) error {
	if _, err := s.before(); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	if err := s.flip(heads, 64<<10); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	r := reading{}
	s.warm()
	s.ask("started")
	s.moved(r, true)
	return nil
}

// warm has the small set in memory again.
func (s *stage) warm() {
	c := newClient(s.book, s.addr, 2)
	defer c.close()
	for range 3 {
		for _, o := range s.small {
			if got := c.ask(s.ctx, o, false); got.err != nil || got.wrong {
				s.miss("%s: %v, wrong %t", o.path, got.err, got.wrong)
			}
		}
	}
}

func flipHead(s *stage) error {
	if _, err := s.before(); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	f, err := os.OpenFile(s.volume(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, heads)
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	for i := 50; i < len(b); i += 512 {
		b[i] ^= 1
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	return s.refused("opencache.volume")
}

func flipLive(s *stage) error {
	s.flags = append(s.flags, "--disk-verify", "always")
	return s.live(func() error { return s.flip(heads, 64<<10) }, nil)
}

func permission(s *stage) error {
	m, err := s.medium()
	if err != nil {
		return err
	}
	if err := s.live(func() error {
		m.set(func(m *medium) { m.read, m.write = syscall.EACCES, syscall.EACCES })
		return nil
	}, func() error { m.heal(); return nil }); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		fmt.Println("  stopped:", err) // its journal could not be written
	}
	s.disk = filepath.Join(s.dir, "root's")
	if err := os.Mkdir(s.disk, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	s.user = 65534
	return s.refused("permission denied")
}

func hang(s *stage) error {
	m, err := s.medium()
	if err != nil {
		return err
	}
	r, err := s.before()
	if err != nil {
		return err
	}
	calm := s.threads()
	m.hang()
	most, stop := s.watchThreads()
	s.ask("during")
	var t tally
	var wg sync.WaitGroup
	for i := range 2000 {
		wg.Go(func() {
			c := newClient(s.book, s.addr, 100+i)
			defer c.close()
			o := s.large[i%len(s.large)]
			began := time.Now()
			got := c.ask(s.ctx, o, i%2 == 0)
			t.note(o, got, time.Since(began), s.mayCut(o))
		})
	}
	wg.Wait()
	fmt.Println(t.line("crowd", "large"))
	if t.wrong+t.failed > 0 {
		s.miss("crowd: %d wrong, %d failed; the first: %s", t.wrong, t.failed, t.first)
	}
	s.ask("still")
	stop()
	held, _ := m.counted()
	fmt.Printf("  threads: %d before, at most %d; %d calls hang\n", calm, *most, held)
	if *most > calm+100 {
		s.miss("%d threads: they pile up", *most)
	}
	s.moved(r, true)
	m.heal()
	s.ask("after")
	return nil
}

// watchThreads looks for the most threads until stop.
func (s *stage) watchThreads() (most *int, stop func()) {
	most = new(int)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			*most = max(*most, s.threads())
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return most, func() { close(done); <-ended }
}

// crash is a crash of the machine, as far as a process can have one: it ends
// without a word, another boot id is there when it starts again, and the last
// slabs are as they were before they were written: nothing.
func crash(s *stage) error {
	if _, err := s.before(); err != nil {
		return err
	}
	s.kill()
	f, err := os.OpenFile(s.volume(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(make([]byte, 4<<20), st.Size()/2&^(1<<20-1)); err != nil {
		return err
	}
	s.boot = filepath.Join(s.dir, "boot_id")
	if err := os.WriteFile(s.boot, []byte("01234567-89ab-cdef-0123-456789abcdef\n"), 0o444); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	asked := s.origin.asked.Load()
	s.warm()
	s.ask("started")
	s.moved(reading{}, false)
	fmt.Printf("  %d requests to the origin: what was on disk is validated before use\n", s.origin.asked.Load()-asked)
	if s.origin.asked.Load() == asked {
		s.miss("nothing was validated")
	}
	return nil
}

func killed(s *stage) error {
	if _, err := s.before(); err != nil {
		return err
	}
	for i := range 5 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			quiet := *s // who is cut off by the kill is no fault
			quiet.phase = time.Second
			quiet.ask("")
		}()
		time.Sleep(500 * time.Millisecond)
		s.kill()
		<-done
		if err := s.start(); err != nil {
			return fmt.Errorf("start %d: %w", i+1, err)
		}
		s.warm()
		s.ask(fmt.Sprintf("start %d", i+1))
	}
	return nil
}
