package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"opencache/internal/listen"
)

// A process is a stack with its listeners, from start to end:
// running until a signal or the end of its context, then draining until the
// last answer is out, the grace is over or another signal comes, then closed.
type process struct {
	stack  *stack
	public []net.Listener
	admin  net.Listener    // nil: off
	keys   *listen.KeyPair // of public; nil: plain
	token  string
	grace  time.Duration
	log    *slog.Logger
	again  func() // has documents looked at anew; nil: there are none

	floor      []byte // of the heap
	foreground bool   // a terminal that hangs up ends it
}

var errSecondSignal = errors.New("stopped at once by a second signal")

// newLog returns the operator's log as the flags ask for it.
func newLog(o *serveOptions) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
		level = slog.LevelInfo // the flag's enum allows no other word
	}
	options := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// newProcess builds what o describes around a listener, which it closes when
// that does not work.
func newProcess(o *serveOptions, public net.Listener, log *slog.Logger) (p *process, err error) {
	defer func() {
		if err != nil {
			_ = public.Close()
		}
	}()
	so, err := o.stackOptions()
	if err != nil {
		return nil, err
	}
	return startProcess(so, []net.Listener{public}, log)
}

// startProcess builds what documents describe around listeners.
func startProcess(so *stackOptions, public []net.Listener, log *slog.Logger) (*process, error) {
	node := so.shot.Node
	list, err := zoneOptions(node, so, log)
	if err != nil {
		return nil, usageError{err}
	}
	memory, beside := memoryOf(list)
	if err := limitHeap(memory, beside, log); err != nil {
		return nil, usageError{err}
	}
	said := "--admin"
	if so.live != nil {
		said = "network.admin"
	}
	adminListener, err := listenAdmin(said, node.Network.Admin, log)
	if err != nil {
		return nil, err
	}
	s, err := openStack(so, log)
	if err != nil {
		if adminListener != nil {
			_ = adminListener.Close()
		}
		return nil, err
	}
	return &process{stack: s, public: public, admin: adminListener, token: so.token, grace: timeIn(node.Availability.Drain), log: log, floor: heapFloor(memory)}, nil
}

// run serves until ctx ends or a signal asks to stop, and drains. The error is
// why it could not go on; nil when it was asked to stop.
func (p *process) run(ctx context.Context) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)

	quiet, stop := context.WithCancel(ctx)
	defer stop()
	go giveBack(quiet)

	broken := make(chan error, len(p.public)+1)
	for _, l := range p.public {
		go func() { broken <- p.stack.server.Serve(l) }()
	}
	var adm *http.Server
	if p.admin != nil {
		a := &admin{stack: p.stack, token: p.token, log: p.log}
		adm = a.server()
		go func() {
			if err := adm.Serve(p.admin); !errors.Is(err, http.ErrServerClosed) {
				broken <- fmt.Errorf("administration: %w", err)
			}
		}()
	}

	stopLimits := p.logLimits()
	err := p.wait(ctx, signals, broken)
	err = errors.Join(err, p.drain(signals))
	stopLimits()
	// The administration answers until the end, so that draining can be seen.
	if adm != nil {
		ctx, cancel := context.WithTimeout(context.Background(), unwind)
		defer cancel()
		if adm.Shutdown(ctx) != nil { // what still runs looks at the store
			_ = adm.Close()
		}
	}
	return errors.Join(err, p.stack.Close())
}

// logLimits logs the limits that clients reach until the function that it
// returns is called.
func (p *process) logLimits() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		p.stack.limits.Run(ctx)
		close(ended)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// wait returns nil when it is time to drain.
func (p *process) wait(ctx context.Context, signals <-chan os.Signal, broken <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return err
		case sig := <-signals:
			if p.ends(sig) {
				p.log.Info("draining", "signal", sig.String(), "grace", p.grace, "connections", p.stack.server.Stats().Open)
				return nil
			}
			p.attend(sig)
		}
	}
}

// ends reports whether a signal asks to stop.
func (p *process) ends(sig os.Signal) bool {
	return sig != syscall.SIGUSR1 && (sig != syscall.SIGHUP || p.foreground)
}

// attend does what a signal asks for that does not stop the process.
func (p *process) attend(sig os.Signal) {
	if sig == syscall.SIGHUP {
		p.reload(sig)
		return
	}
	if err := p.stack.access.Reopen(); err != nil {
		p.log.Error("the old access log stays in use", "error", err)
		return
	}
	p.log.Info("access log opened anew")
}

// reload reads what is read from files anew.
func (p *process) reload(sig os.Signal) {
	if p.again != nil {
		p.log.Info("looking for other documents", "signal", sig.String())
		p.again()
		return
	}
	if p.keys == nil {
		p.log.Info("nothing to load anew: there is no configuration file", "signal", sig.String())
		return
	}
	if err := p.keys.Load(); err != nil {
		p.log.Error("the old certificate stays in use", "error", err)
		return
	}
	tellCertificate(p.keys, p.log)
}

// sameSignal is how soon a second signal counts as the first one, delivered
// twice: a terminal and timeout(1) signal the process and its group.
const sameSignal = 300 * time.Millisecond

// drain lets answers under way come to their end.
func (p *process) drain(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.grace)
	defer cancel()
	begun := time.Now()
	p.stack.Drain()
	done := make(chan error, 1)
	go func() { done <- p.stack.server.Shutdown(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				p.log.Warn("grace is over", "error", err)
			}
			return nil
		case sig := <-signals:
			switch {
			case !p.ends(sig):
				p.attend(sig)
			case time.Since(begun) >= sameSignal:
				cancel()
				p.log.Debug("stopped at once", "left", <-done)
				return errSecondSignal
			}
		}
	}
}
