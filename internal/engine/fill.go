package engine

import (
	"errors"
	"io"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// fill reads the content at the upstream's speed and publishes it as it
// comes. Each full segment goes to the store and leaves the staging blocks;
// content of up to store.WholeMax becomes one record at its end.
//
// What has come already is not published piece by piece: a small response that
// is all here is stored first, so that whoever has it and asks again gets a hit.
func (f *fetch) fill(resp *wire.Response) {
	if resp.Body == nil {
		f.complete()
		return
	}
	for {
		if f.length >= store.WholeMax || !wire.Ready(resp.Body) {
			f.publish()
		}
		f.keepPace()
		if f.crew != nil && f.enough() {
			closeBody(resp)
			f.completeSpread()
			return
		}
		b, at := f.room()
		if b == nil {
			f.hand(resp, StagingFull)
			return
		}
		n, err := resp.Body.Read(b.buf[at:])
		if f.exact && f.length+int64(n) > f.size { // nobody is to see what is behind the end
			closeBody(resp)
			f.distrust()
			f.fail(OriginBroken, errPart)
			return
		}
		if n > 0 {
			f.grow(b, n)
		}
		switch {
		case err == io.EOF:
			f.keepTrailer(resp.Body.Trailer())
			closeBody(resp)
			f.complete()
			return
		case err != nil:
			closeBody(resp)
			f.fail(reasonOf(err), err)
			return
		}
		if why := f.storeSegments(); why != 0 {
			f.hand(resp, why)
			return
		}
		if f.length > f.e.maxObject && f.crew == nil {
			f.hand(resp, TooLarge)
			return
		}
		if !f.e.store.Fits(f.account(), f.length) {
			f.hand(resp, QuotaReached)
			return
		}
	}
}

// keepTrailer keeps the trailer of content that has ended for those who read
// along. What is stored goes without (RFC 9111, 3.1).
func (f *fetch) keepTrailer(t *wire.Head) {
	if t == nil {
		return
	}
	f.mu.Lock()
	f.trailer = new(wire.Head)
	f.trailer.CopyFrom(t)
	f.mu.Unlock()
}

// trailerFor returns the trailer that c's client takes, nil: none.
func (f *fetch) trailerFor(c *call) *wire.Head {
	if !c.r.Trailers { // RFC 9110, 6.5.1
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full != nil && f.leader != c { // it may hold fields that are nobody else's, as the head does
		return nil
	}
	return f.trailer
}

// keepPace waits while the content is too far ahead of its fastest reader to
// be asked for again. Without readers nothing holds it.
func (f *fetch) keepPace() {
	for {
		f.mu.Lock()
		ahead := max(f.ahead, f.window)
		wait := ahead > 0 && f.readers > 0 && f.length-f.reached > ahead && (f.crew == nil || f.part.First+f.length <= f.last)
		f.mu.Unlock()
		if !wait {
			return
		}
		select {
		case <-f.pace:
		case <-f.e.ctx.Done():
			return
		}
	}
}

// room returns a block with free space and where that begins, nil when
// staging is full.
func (f *fetch) room() (b *block, at int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.blocks); n > 0 && f.blocks[n-1].n < len(f.blocks[n-1].buf) {
		return f.blocks[n-1], f.blocks[n-1].n
	}
	want := int64(-1)
	if len(f.blocks) == 0 && f.length == 0 {
		want = f.size
	}
	if b = f.e.staging.get(want); b != nil {
		f.blocks = append(f.blocks, b)
	}
	return b, 0
}

func (f *fetch) grow(b *block, n int) {
	f.mu.Lock()
	b.n += n
	f.length += int64(n)
	f.mu.Unlock()
}

// publish shows readers what has come.
func (f *fetch) publish() {
	f.mu.Lock()
	f.publishLocked()
	f.mu.Unlock()
}

// storeSegments moves what fills a segment from staging to the store.
func (f *fetch) storeSegments() Reason {
	for f.length-f.saved >= f.e.segment {
		if why := f.saveSegment(f.e.segment); why != 0 {
			return why
		}
	}
	f.trim()
	return 0
}

// saveSegment stores the next size bytes as a segment.
func (f *fetch) saveSegment(size int64) Reason {
	first := (f.saved - f.base) / blockSize
	blocks := f.blocks[first : first+(size+blockSize-1)/blockSize]
	if err := f.putSegment(blocks, f.firstSegment+f.saved/f.e.segment); err != nil {
		return storeReason(err)
	}
	f.saved += size
	return 0
}

func (f *fetch) putSegment(blocks []*block, n int64) error {
	pieces := make([][]byte, len(blocks))
	for i, b := range blocks {
		pieces[i] = b.buf[:b.n]
	}
	return f.e.store.PutSegment(f.version, int(n), f.account(), pieces)
}

// trim drops the blocks whose content is in the store; when it can not be
// asked for again, only those that the fastest reader has left behind.
func (f *fetch) trim() {
	f.mu.Lock()
	to := f.saved
	if f.ahead > 0 && f.readers > 0 {
		to = min(to, f.reached)
	}
	n := max(0, (to-f.base)/blockSize)
	gone := f.blocks[:n:n]
	if n > 0 {
		f.blocks = append([]*block(nil), f.blocks[n:]...)
		f.base += n * blockSize
	}
	f.mu.Unlock()
	for _, b := range gone {
		f.e.staging.put(b)
	}
}

// complete stores what is left and the head record, then tells everybody.
// Readers find the content in staging or, when it is large, in the store.
func (f *fetch) complete() {
	if f.crew == nil && !f.read() {
		f.fail(ClientGone, errUnread)
		return
	}
	if f.exact && f.length != f.size {
		f.distrust()
		f.fail(OriginBroken, errPart)
		return
	}
	if f.crew != nil {
		f.completeSpread()
		return
	}
	large := f.length > store.WholeMax
	why := f.keep(large)
	f.pol.Trace.kept(why)
	f.mu.Lock()
	if why != 0 {
		f.why, f.stored = why, false
		f.e.Stats.Refused.Add(1)
	}
	f.size = f.length
	f.phase = done
	if large && why == 0 && f.ahead == 0 {
		f.dropBlocksLocked()
	}
	f.publishLocked()
	f.mu.Unlock()
}

// distrust drops the record of spread content when an answer was not as long as
// it said: pieces of it are stored already.
func (f *fetch) distrust() {
	if f.crew != nil {
		f.forget()
	}
}

// keep makes the record of a complete response.
func (f *fetch) keep(large bool) Reason {
	if f.partial {
		return f.keepPart()
	}
	head := f.head // readers look at f.head
	head.facts.Length = f.length
	rec := f.record()
	rec.Version, rec.Size, rec.Meta = f.version, f.length, head.appendMeta(nil)
	if large && f.length > f.saved {
		if why := f.saveSegment(f.length - f.saved); why != 0 {
			return why
		}
	}
	if !large {
		for _, b := range f.blocks {
			rec.Body = append(rec.Body, b.buf[:b.n])
		}
	}
	return f.put(&rec)
}

// put stores rec.
func (f *fetch) put(rec *store.Record) Reason {
	if err := f.e.store.Put(rec); err != nil {
		return storeReason(err)
	}
	f.supersede()
	if f.varies && (f.old == nil || f.old.hash != f.at) {
		f.noteVariant()
	}
	return 0
}

// record returns the record of the response without what is in it.
func (f *fetch) record() store.Record {
	rec := store.Record{Hash: f.hash, Key: f.primary, Site: f.account(), Born: f.seq, Validated: f.seq, Tags: f.tagged.tags}
	if f.varies {
		rec.Hash, rec.Key = f.at, variantKey(f.primary, f.e.store.Fields(f.set), f.values)
	}
	return rec
}

// hand gives the rest of the response to the first reader that asks for it:
// from here on nobody stores, and back-pressure reaches the upstream.
func (f *fetch) hand(resp *wire.Response, why Reason) {
	f.e.Stats.Refused.Add(1)
	f.pol.Trace.kept(why)
	if !f.partial && f.crew == nil { // of a part nothing is remembered: what is stored stays
		f.markMiss()
	}
	f.mu.Lock()
	f.phase, f.why, f.rest, f.stored, f.anyone = handed, why, resp, false, true
	f.publishLocked()
	f.mu.Unlock()
}

func storeReason(err error) Reason {
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return TooLarge
	case errors.Is(err, store.ErrQuota):
		return QuotaReached
	default:
		return StoreFull
	}
}
