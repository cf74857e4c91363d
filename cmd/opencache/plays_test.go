package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"github.com/alecthomas/kong"

	"opencache/internal/script"
)

// TestPlays runs what an operator could see: testdata/plays, in memory and
// over sockets. See the comment of internal/script for their language.
func TestPlays(t *testing.T) {
	script.Run(t, os.DirFS("../../testdata"), "plays/*.txtar", startForPlay)
}

// startForPlay is the one-line mode with the play's flags, network and time.
func startForPlay(env script.Env) (script.Running, error) {
	var c struct {
		Options serveOptions `embed:""`
	}
	parser, err := kong.New(&c, kong.Vars{"adminDefault": adminDefault}, kong.Exit(func(int) {}))
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(append([]string{"--origin", env.Origin, "--memory", "32M"}, env.Flags...)); err != nil {
		return nil, err
	}
	o := &c.Options
	o.now, o.dial, o.heap = env.Now, env.Dial, true
	if env.Crashes > 0 {
		o.boot = fmt.Sprint("run ", env.Crashes)
	}
	var drawn atomic.Uint64
	o.random = func() uint64 { return drawn.Add(1) }
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := newStack(o, env.Log)
	if err != nil {
		return nil, err
	}
	return played{s}, nil
}

// played is a stack whose end is looked at.
type played struct{ *stack }

func (p played) ServeConn(c net.Conn) { p.stack.ServeConn(c) }

// Close reports what was left behind.
func (p played) Close() error {
	err := p.stack.Close()
	for i := range p.volumes {
		if n := p.volumes[i].Engine.StagingInUse(); n != 0 {
			err = errors.Join(err, fmt.Errorf("staging: %d bytes are still held", n))
		}
	}
	return err
}
