package h1

import (
	"time"

	"opencache/internal/wire"
)

// A block is the memory that connections share: for long heads, content on
// its way in, and content that is copied on its way out.
type block [64 << 10]byte

// A desk is what a connection works on while it does not wait for a request:
// what is on it does not exist for a connection that waits.
type desk struct {
	input, output [4 << 10]byte

	grown  []byte                // a head that is longer than input
	stage  []byte                // content that was not there with the head
	out    []byte                // what is to be written: output, but for
	bigOut []byte                // content that is copied
	writes func(fd uintptr) bool // cargo.writeTo

	req      wire.Request
	rep      wire.Reply
	reply    reply
	body     body
	watcher  watcher
	cargo    cargo
	by       time.Time // the limit for readUntil
	date     []byte    // a Date field line
	dateUnix int64     // and its moment
}

func newDesk() *desk {
	d := &desk{}
	d.body.content.Side = wire.Client
	d.body.none()
	d.reply.before = d.reply.beforeContent
	d.reply.stage = stageDone
	d.watcher.watch = d.watcher.context
	d.writes = d.cargo.writeTo
	return d
}

// sit gives c a desk. It has one unless it waits.
func (c *conn) sit() {
	if c.desk != nil {
		return
	}
	d, ok := c.srv.desks.Get().(*desk)
	if !ok {
		d = newDesk()
	}
	c.desk = d
	d.reply.c, d.body.c, d.watcher.c, d.cargo.c = c, c, c, c
	c.in.Buf, c.in.R, c.in.W = d.input[:], 0, 0
	d.out = d.output[:0]
}

// rise gives c's desk back, if it has one: nothing is on it, and in and out
// are on it.
func (c *conn) rise() {
	if c.desk == nil {
		return
	}
	c.in.Buf, c.in.R, c.in.W = nil, 0, 0
	if cap(c.rep.Fields) > len(c.output) {
		c.rep.Fields = nil
	}
	c.srv.desks.Put(c.desk)
	c.desk = nil
}

// borrow returns n bytes of memory or more, of a block where that is enough.
func (s *Server) borrow(n int) []byte {
	if n > len(block{}) {
		return make([]byte, n)
	}
	b, ok := s.blocks.Get().(*block)
	if !ok {
		b = new(block)
	}
	return b[:]
}

// lend gives *p back and makes it nil.
func (c *conn) lend(p *[]byte) {
	if len(*p) == len(block{}) {
		c.srv.blocks.Put((*block)(*p))
	}
	*p = nil
}

// reserve makes room for n more bytes in out, which it moves into a block for
// that; what fits nowhere is left to append.
func (c *conn) reserve(n int) {
	if len(c.out)+n <= cap(c.out) || c.bigOut != nil || len(c.out)+n > len(block{}) {
		return
	}
	c.bigOut = c.srv.borrow(len(block{}))
	c.out = append(c.bigOut[:0], c.out...)
}

// shrinkOut gives out's block back. out is empty.
func (c *conn) shrinkOut() {
	c.out = c.output[:0]
	if c.bigOut != nil {
		c.lend(&c.bigOut)
	}
}
