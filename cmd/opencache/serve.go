package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
)

// serveCmd is opencache serve.
type serveCmd struct {
	Listen string  `placeholder:"ADDR" help:"Address for clients: host:port or unix:/path (default 127.0.0.1:8080)."`
	Port   *uint16 `placeholder:"N" help:"The same as --listen 127.0.0.1:N, and stronger; 0 is any free port."`

	Print bool `env:"-" help:"Print the documents that the flags make, as opencache edge takes them, and end."`

	TLS     tlsOptions    `embed:""`
	Options serveOptions  `embed:""`
	Mirror  mirrorOptions `embed:""`
}

// Run serves until a signal stops it. The origin need not be there yet.
func (c *serveCmd) Run() error {
	o := &c.Options
	if err := c.Mirror.apply(c); err != nil {
		return usageError{err}
	}
	if o.Origin == "" {
		return usageError{errors.New("--origin is missing: expected http[s]://host[:port][/base]")}
	}
	if err := o.check(); err != nil {
		return usageError{err}
	}
	if c.Print {
		return o.print(os.Stdout)
	}
	log := newLog(o)
	keys, err := c.TLS.load(log)
	if err != nil {
		return usageError{err}
	}
	public, err := o.Socket.socket(o.HeadTimeout).Listen(c.addr())
	if err != nil {
		return usageError{err}
	}
	p, err := newProcess(o, secured(public, keys), log)
	if err != nil {
		return err
	}
	p.keys = keys
	started := []any{"listen", public.Addr().String(), "origin", string(o.Origin), "memory", o.Memory.String(), "version", version}
	if len(o.Disk) > 0 {
		started = append(started, "disk", o.Disk.String())
	}
	if p.admin != nil {
		started = append(started, "admin", p.admin.Addr().String())
	}
	log.Info("serving", started...)
	if err := p.run(context.Background()); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// addr is where clients are to come. A flag's own default would count as said
// beside the other one.
func (c *serveCmd) addr() string {
	switch {
	case c.Port != nil:
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(*c.Port)))
	case c.Listen != "":
		return c.Listen
	}
	return "127.0.0.1:8080"
}
