package main

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// A client is one connection to a proxy and the answers that came on it.
type client struct {
	nc   net.Conn
	head string // the method that the first answer is to

	raw     []byte // not yet cut into answers
	answers []*message
	interim int
	ended   bool   // in order
	reset   bool   // otherwise
	fault   string // why raw is no answer
}

func dial(addr, head string) (*client, error) {
	nc, err := net.DialTimeout("tcp", addr, holdTime)
	if err != nil {
		return nil, err
	}
	return &client{nc: nc, head: head}, nil
}

func (c *client) close() { _ = c.nc.Close() }

// send writes b; a proxy that reads no more is found out by reading.
func (c *client) send(b []byte) {
	_ = c.nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.nc.Write(b)
}

// over reports that nothing more can come.
func (c *client) over() bool { return c.ended || c.reset || c.fault != "" }

// until reads until done, the end, or patience is.
func (c *client) until(done func() bool, patience time.Duration) {
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	piece := make([]byte, 64<<10)
	for !c.over() && !done() {
		n, err := c.nc.Read(piece)
		c.raw = append(c.raw, piece[:n]...)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			c.ended = errors.Is(err, io.EOF)
			c.reset = !c.ended
		}
		c.cut()
	}
}

// cut makes answers of what came.
func (c *client) cut() {
	for len(c.raw) > 0 && c.fault == "" {
		method := "GET"
		if len(c.answers) == 0 {
			method = c.head
		}
		m, n, err := scanAnswer(c.raw, method, c.ended)
		if err == errMore {
			return
		}
		if err != nil {
			c.fault = err.Error()
			return
		}
		c.raw = c.raw[n:]
		if m.start[1][0] == '1' && m.start[1] != "101" {
			c.interim++
			continue
		}
		c.answers = append(c.answers, m)
	}
}

// statuses are the statuses of the answers.
func (c *client) statuses() (s []int) {
	for _, a := range c.answers {
		n, _ := strconv.Atoi(a.start[1]) // three digits: scanAnswer has looked
		s = append(s, n)
	}
	return s
}
