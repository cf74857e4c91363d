package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"slices"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// What follows the key of the target in the full keys of its QUERYs: a zero
// byte, this, another one, and the digest of the content. No variant's key
// goes on like this: field names are in lower case there (variantKey).
const queryMark = "\x00QUERY"

// maxQuery is what Policy.MaxQuery is by default.
const maxQuery = 64 << 10

// keepQuery is the capacity of a question's content that a call keeps for the next.
const keepQuery = 4 << 10

// A question is the content of a QUERY, which names what is asked for together
// with the target (RFC 10008, Caching): it is read whole before anything is
// looked up. Nothing of it is normalised, as the request's no-transform could
// ask for, so equal bytes with equal metadata are one question, all else are two.
type question struct {
	asked   bool // the request is a QUERY and all of its content was read
	content []byte
	err     error      // what came behind content: nil when more may come, io.EOF at the end
	trailer *wire.Head // nil: none
	digest  [sha256.Size]byte
	base    store.Hash // of the target's key and queryMark
	key     []byte     // the full key
	held    int64      // what the content takes of staging
}

// readQuery reads the content of a QUERY and makes the key of it. Otherwise it
// returns why the request is handed through; what was read goes first then.
func (c *call) readQuery() (Forward, Reason) {
	q := &c.query
	most := c.pol.maxQuery()
	switch {
	case most <= 0:
		return ForMethod, MethodNotCached
	case !c.r.Has(wire.ContentType):
		// RFC 10008: servers must fail it. That is the origin's to say.
		return ForRequest, QueryUntyped
	case c.r.Length > most:
		return ForRequest, QueryTooLong
	}
	for c.r.Body != nil && q.err == nil {
		if int64(len(q.content)) > most {
			return ForRequest, QueryTooLong
		}
		if len(q.content) == cap(q.content) && !q.grow(&c.e.staging, c.r.Length, most) {
			return ForRequest, StagingFull
		}
		var n int
		n, q.err = c.r.Body.Read(q.content[len(q.content):cap(q.content)])
		q.content = q.content[:len(q.content)+n]
	}
	switch {
	case c.r.Body == nil:
	case q.err != io.EOF:
		return ForRequest, RequestContent // pass tells the client
	case int64(len(q.content)) > most:
		return ForRequest, QueryTooLong
	default:
		if t := c.r.Body.Trailer(); t != nil {
			q.trailer = new(wire.Head)
			q.trailer.CopyFrom(t)
		}
	}
	c.digestQuery()
	q.asked = true
	q.key = append(append(q.key[:0], c.key...), queryMark...)
	q.base = c.e.store.Hash(q.key)
	q.key = append(append(q.key, 0), q.digest[:]...)
	c.key = q.key
	return NotForwarded, 0
}

// grow makes room for more content: what was announced, else twice what there
// is. One byte more than most shows that there is more. It reports false when
// staging, which bounds the content of all QUERYs with that of fetches, is full.
func (q *question) grow(s *staging, announced, most int64) bool {
	want := max(2*int64(cap(q.content)), 1<<10)
	if announced >= int64(cap(q.content)) {
		want = announced + 1 // room to see the end
	}
	want = min(want, most+1)
	if !s.take(want - q.held) {
		return false
	}
	q.held = want
	q.content = slices.Grow(q.content, int(want)-len(q.content))[:len(q.content):want]
	return true
}

// forget empties q for the next request.
func (q *question) forget(s *staging) {
	s.give(q.held)
	content, key := q.content[:0], q.key[:0]
	if cap(content) > keepQuery {
		content = nil
	}
	*q = question{content: content, key: key}
}

// metadata are the fields that say what content is (RFC 9110, 8), in the order
// in which they are digested.
var metadata = [...]wire.Name{wire.ContentType, wire.ContentEncoding, wire.ContentLanguage, wire.ContentLocation}

// digestQuery digests the content with what is said about it: those fields,
// whatever else begins with "Content-", and trailers. Each part is behind its
// length, the content last, so no two questions have the same bytes to digest.
func (c *call) digestQuery() {
	q := &c.query
	if c.sum == nil {
		c.sum = sha256.New()
	}
	d := digester{sum: c.sum, buf: c.scratch[:0]}
	d.sum.Reset()
	for _, name := range metadata {
		for i := range c.r.Len() {
			if id, _, value, ok := c.r.At(i); ok && id == name {
				d.line(name.String(), value)
			}
		}
	}
	for i := range c.r.Len() {
		id, name, value, ok := c.r.At(i)
		if ok && !slices.Contains(metadata[:], id) && len(name) > 8 && wire.EqualFold(name[:8], "content-") {
			d.lower(name, value)
		}
	}
	d.part(nil)
	if q.trailer != nil {
		for i := range q.trailer.Len() {
			if _, name, value, ok := q.trailer.At(i); ok {
				d.lower(name, value)
			}
		}
	}
	d.part(nil)
	d.sum.Write(d.buf) // hash.Hash: never fails
	d.sum.Write(q.content)
	c.scratch = d.sum.Sum(d.buf[:0])
	copy(q.digest[:], c.scratch)
}

// A digester gathers what is digested in front of the content.
type digester struct {
	sum hash.Hash
	buf []byte
}

func (d *digester) part(b []byte) {
	d.buf = append(binary.AppendUvarint(d.buf, uint64(len(b))), b...)
}

func (d *digester) line(name string, value []byte) {
	d.buf = append(binary.AppendUvarint(d.buf, uint64(len(name))), name...)
	d.part(value)
}

// lower is line for a name as it was spelt.
func (d *digester) lower(name, value []byte) {
	d.buf = binary.AppendUvarint(d.buf, uint64(len(name)))
	for _, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		d.buf = append(d.buf, b)
	}
	d.part(value)
}

// queryHash is the hash of what is stored for the call's QUERY. The marker
// under base has a generation, so that a purge of the target drops all its
// QUERYs by dropping that; while there is none, it is 0.
func (c *call) queryHash(now int64) store.Hash {
	var marker store.Entry
	c.e.store.Lookup(c.query.base, c.key[:len(c.key)-len(c.query.digest)-1], now, &marker)
	defer marker.Release()
	if marker.Kind != store.Variants {
		return c.e.questionHash(c.query.base, 0, &c.query.digest)
	}
	return c.e.questionHash(c.query.base, marker.Generation, &c.query.digest)
}

func (e *Engine) questionHash(base store.Hash, generation uint32, digest *[sha256.Size]byte) store.Hash {
	return e.store.Variant(base, generation, 0, digest[:])
}

// queryOf has f ask what q asks.
func (f *fetch) queryOf(q *question) {
	f.e.queries.Store(true)
	f.query = &question{
		asked: true, content: slices.Clone(q.content), err: io.EOF, trailer: q.trailer, digest: q.digest, base: q.base,
		held: int64(len(q.content)),
	}
	f.e.staging.add(f.query.held)
}

// settle gives what is about to be stored its place: that of a QUERY is under
// the generation of the target's marker, which is there from now on.
func (f *fetch) settle() {
	if f.query == nil {
		return
	}
	key := f.key[:len(f.key)-len(f.query.digest)-1]
	at := f.e.questionHash(f.query.base, f.e.mark(f.query.base, key, 0, f.seq), &f.query.digest)
	f.moveTo(at, f.primary)
}

// body is the content of q, to be sent: all of it, and what is left of from
// where that was not read to its end.
func (q *question) body(from wire.Body) wire.Body {
	switch {
	case q.asked && q.length() == 0:
		return nil
	case q.asked:
		return &replay{rest: q.content, trailer: q.trailer}
	}
	return &begun{Body: from, head: q.content, err: q.err}
}

// length is how the content of q is announced: trailers need chunks (RFC 9112, 7.1.2).
func (q *question) length() int64 {
	if q.trailer != nil {
		return wire.Unknown
	}
	return int64(len(q.content))
}

// anew has r ask for what the call's request asks for, whatever else r says:
// by GET, or by QUERY with its content.
func (c *call) anew(r *wire.Request) {
	r.Upgrade, r.Continue = false, false
	if !c.query.asked {
		r.SetMethod(wire.GET)
		r.Body, r.Length = nil, 0
		return
	}
	r.Body, r.Length = c.query.body(nil), c.query.length()
}

// A replay is content that was read before.
type replay struct {
	rest    []byte
	trailer *wire.Head
}

var _ wire.Body = (*replay)(nil)

// Read implements wire.Body.
func (b *replay) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Ready says that reading does not have to wait; see wire.Ready.
func (b *replay) Ready() bool { return true }

// Trailer implements wire.Body.
func (b *replay) Trailer() *wire.Head { return b.trailer }

// Close implements wire.Body.
func (b *replay) Close() error { return nil }
