package h1

// A block is the memory that connections share: for long heads, content on
// its way in, and content that is copied on its way out.
type block [64 << 10]byte

// A desk is what a connection works on while it does not wait for a request.
type desk struct {
	in, out [4 << 10]byte
}

// sit gives c a desk. It has one unless it is parked.
func (c *conn) sit() {
	if c.desk != nil {
		return
	}
	d, ok := c.srv.desks.Get().(*desk)
	if !ok {
		d = new(desk)
	}
	c.desk = d
	c.in.Buf, c.in.R, c.in.W = d.in[:], 0, 0
	c.out = d.out[:0]
}

// rise gives c's desk back: nothing is on it, and in and out are on it.
func (c *conn) rise() {
	c.in.Buf, c.in.R, c.in.W, c.out = nil, 0, 0, nil
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
	c.out = c.desk.out[:0]
	if c.bigOut != nil {
		c.lend(&c.bigOut)
	}
}
