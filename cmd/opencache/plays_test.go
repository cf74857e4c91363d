package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"github.com/alecthomas/kong"

	"opencache/internal/config"
	"opencache/internal/script"
)

// TestPlays runs what an operator could see: testdata/plays, in memory and
// over sockets. See the comment of internal/script for their language.
func TestPlays(t *testing.T) {
	script.Run(t, os.DirFS("../../testdata"), "plays/*.txtar", startForPlay)
}

// TestEdgePlays runs what operators of documents could see: testdata/plays/edge.
func TestEdgePlays(t *testing.T) {
	script.Run(t, os.DirFS("../../testdata"), "plays/edge/*.txtar", startDocuments)
}

// startDocuments is a stack of a play's documents.
func startDocuments(env script.Env) (script.Running, error) {
	if len(env.Flags) > 0 {
		return nil, fmt.Errorf("flags %q: a play of documents has none", env.Flags)
	}
	d := &documented{set: config.Set{POP: "here"}}
	var drawn atomic.Uint64
	o := &stackOptions{shot: d.load(env.Documents), pop: "here", name: "cache-here-01.pfsdns.com", build: "1.4.2", now: env.Now, dial: env.Dial, heap: true, random: func() uint64 { return drawn.Add(1) }}
	if env.Crashes > 0 {
		o.boot = fmt.Sprint("run ", env.Crashes)
	}
	var faults []error
	for _, f := range o.shot.Faults {
		faults = append(faults, errors.New(f.String()))
	}
	if len(faults) > 0 {
		return nil, refusedError{errors.Join(faults...)}
	}
	if o.shot.Node.Cache.Memory == nil {
		o.shot.Node.Cache.Memory = bytesOf(32 << 20)
	}
	var err error
	if o.visitorKey, err = visitorKey(o.shot.Node.Network.VisitorKey, "", env.Log); err != nil {
		return nil, err
	}
	s, err := openStack(o, env.Log)
	if err != nil {
		return nil, err
	}
	d.played = played{s}
	return d, nil
}

// A refusedError is what is at fault in a play's documents.
type refusedError struct{ error }

// A documented stack is made of documents.
type documented struct {
	played
	set config.Set
}

func (d *documented) load(documents map[string]string) config.Snapshot {
	texts := map[string][]byte{}
	for key, text := range documents {
		texts[key] = []byte(text)
	}
	return d.set.Load(texts)
}

// Reload implements script.Reloader.
func (d *documented) Reload(documents map[string]string) error {
	shot := d.load(documents)
	faults, err := d.Use(&shot)
	for _, f := range append(shot.Faults, faults...) {
		err = errors.Join(err, errors.New(f.String()))
	}
	return err
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
