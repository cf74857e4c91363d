package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

// stage is one performance of a play.
type stage struct {
	play      *play
	place     place
	log       *transcript
	origin    *origin
	subject   Subject
	running   Running // nil: not started
	flags     []string
	dir       string            // {dir}; "": not made yet
	documents map[string]string // by key, as they are now; nil: not started yet
	files     map[string]string // of {dir}, by name, as they were put there last
	crashes   int
	began     time.Time

	clients map[string]*client
	order   []*client
	serving sync.WaitGroup // calls of ServeConn
}

// outcome is what a performance leaves.
type outcome struct {
	faults     []error
	transcript string
}

// perform runs p once and leaves nothing behind. It stops at the first
// command that fails.
func perform(p *play, pl place, subject Subject) outcome {
	s := &stage{play: p, place: pl, subject: subject, began: pl.now(), clients: map[string]*client{}}
	s.log = newTranscript(pl.now)
	s.origin = newOrigin(pl, s.log, s.values)
	label := fmt.Sprintf("%s/%s/%p", pl.where(), p.name, s) // of this performance
	var errs []error
	// Goroutines inherit the label, which tells the play's from others'.
	pprof.Do(context.Background(), pprof.Labels("play", label), func(context.Context) {
		errs = s.run()
	})
	errs = append(errs, s.leaked(label)...)
	for _, err := range errs {
		if f := (*fault)(nil); errors.As(err, &f) {
			f.play = p.name + ".txtar"
		}
	}
	return outcome{faults: errs, transcript: s.log.String()}
}

func (s *stage) run() []error {
	var errs []error
	for _, c := range s.play.commands {
		s.log.add("play", "%d: %s", c.line, c.text)
		if err := errors.Join(c.do(s), s.origin.faulted()); err != nil {
			errs = append(errs, &fault{line: c.line, text: c.text, err: err})
			break
		}
	}
	if len(errs) == 0 {
		s.place.settle()
		if err := s.origin.faulted(); err != nil {
			errs = append(errs, fmt.Errorf("%s.txtar: at the end: %w", s.play.name, err))
		}
		errs = append(errs, s.origin.unused()...)
	}
	return append(errs, s.tearDown()...)
}

// tearDown ends clients, subject and origin, in this order.
func (s *stage) tearDown() []error {
	var errs []error
	if err := s.end(); err != nil {
		errs = append(errs, fmt.Errorf("%s.txtar: %w", s.play.name, err))
	}
	if err := os.RemoveAll(s.dir); err != nil { // "" is nothing to remove
		errs = append(errs, err)
	}
	s.origin.stop()
	if !s.within(s.serving.Wait) {
		errs = append(errs, fmt.Errorf("%s.txtar: ServeConn did not return in %s after its client had gone", s.play.name, s.place.patience()))
	}
	if err := s.place.close(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// end ends the clients' connections and the subject.
func (s *stage) end() error {
	for _, c := range s.order {
		c.close()
	}
	if s.running == nil {
		return nil
	}
	var err error
	switch ended := s.within(func() { err = s.running.Close() }); {
	case !ended:
		return fmt.Errorf("Close of the subject did not return in %s", s.place.patience())
	case err != nil:
		return fmt.Errorf("Close of the subject: %w", err)
	}
	return nil
}

// restart ends the subject and starts it again.
func (s *stage) restart(flags []string) error {
	if s.running == nil {
		return errors.New("the subject is not running")
	}
	s.place.settle()
	if err := s.end(); err != nil {
		return err
	}
	s.serving.Wait()
	s.running = nil
	if len(flags) == 0 {
		flags = s.flags
	}
	return s.start(flags)
}

// crash is restart, but that {dir} stays as the running subject has left it.
func (s *stage) crash(flags []string) error {
	if s.running == nil || s.dir == "" {
		return errors.New("no subject with a folder is running")
	}
	s.place.settle()
	left := s.dir + "-left"
	if err := os.CopyFS(left, os.DirFS(s.dir)); err != nil {
		return errors.Join(err, os.RemoveAll(left))
	}
	if err := s.end(); err != nil {
		return errors.Join(err, os.RemoveAll(left))
	}
	s.serving.Wait()
	s.running = nil
	if err := errors.Join(os.RemoveAll(s.dir), os.Rename(left, s.dir)); err != nil {
		return err
	}
	s.crashes++
	if len(flags) == 0 {
		flags = s.flags
	}
	return s.start(flags)
}

// expandFlags fills in {dir}.
func (s *stage) expandFlags(flags []string) ([]string, error) {
	expanded := make([]string, len(flags))
	for i, f := range flags {
		if s.dir == "" && strings.Contains(f, dirWord) {
			dir, err := os.MkdirTemp("", "play-"+s.play.name+"-")
			if err != nil {
				return nil, err
			}
			s.dir = dir
		}
		expanded[i] = strings.ReplaceAll(f, dirWord, s.dir)
	}
	return expanded, nil
}

const dirWord = "{dir}"

// within tells whether f returns in the place's patience.
func (s *stage) within(f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(s.place.patience())
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// leaked reports goroutines that carry label and have not ended.
func (s *stage) leaked(label string) []error {
	s.place.settle()
	var left string
	for end := time.Now().Add(quietMax); ; time.Sleep(glance) {
		if left = labelled(label); left == "" {
			return nil
		}
		if time.Now().After(end) {
			return []error{fmt.Errorf("%s.txtar: goroutines are left:\n%s", s.play.name, left)}
		}
	}
}

// labelled returns the stacks of goroutines with label.
func labelled(label string) string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return ""
	}
	var found []string
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("%q:%q", "play", label)) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

// start starts the subject unless it has; flags are for that start only.
func (s *stage) start(flags []string) error {
	if s.running != nil {
		if flags != nil {
			return errors.New("serve: the subject is running already")
		}
		return nil
	}
	s.flags = flags
	flags, err := s.expandFlags(flags)
	if err != nil {
		return err
	}
	documents, err := s.furnish()
	if err != nil {
		return err
	}
	running, err := s.subject(Env{
		Documents: documents,
		Flags:     flags, Dial: s.origin.dial, Origin: Origin, Now: s.place.now, Log: s.log.logger(), Crashes: s.crashes,
	})
	if err != nil {
		return fmt.Errorf("subject with flags %q: %w", flags, err)
	}
	s.running = running
	return nil
}

// client returns the client called name.
func (s *stage) client(name string) *client {
	c := s.clients[name]
	if c == nil {
		c = &client{name: name, from: netip.AddrFrom4([4]byte{127, 0, 0, 1}), place: s.place, log: s.log, serve: s.serveConn, board: newBoard()}
		s.clients[name] = c
		s.order = append(s.order, c)
	}
	return c
}

// serveConn hands a connection to the subject.
func (s *stage) serveConn(c net.Conn) {
	s.serving.Go(func() {
		defer c.Close()
		// A panic fails its play alone, and with its transcript.
		defer func() {
			if r := recover(); r != nil {
				s.origin.fault(fmt.Errorf("ServeConn: panic: %v\n%s", r, debug.Stack()))
			}
		}()
		s.running.ServeConn(c)
	})
}

func (s *stage) values() values {
	return values{files: s.play.files, now: s.place.now(), start: s.began}
}

// jump moves the time for a subject that has done what it had to do before.
func (s *stage) jump(d time.Duration) {
	s.place.settle()
	s.place.jump(d)
}
