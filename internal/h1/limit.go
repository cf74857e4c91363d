package h1

import (
	"iter"
	"sync/atomic"
)

// A limit is one of the bounds that a client can run into.
type limit uint8

const (
	limitHandshake  limit = iota // TLS handshake not done within HeadTimeout
	limitHead                    // no whole head within HeadTimeout
	limitIdle                    // no request within IdleTimeout
	limitBody                    // no request content within BodyTimeout
	limitWrite                   // nothing of a reply taken within WriteTimeout
	limitSlowReader              // a reply taken slower than MinRate
	limitSlowSender              // content sent slower than MinRate
	limitYield                   // a slow reader held memory that was needed
	limitHeadSize                // a head above Limits
	limitContent                 // content above MaxContent
	limitDrain                   // more unread content than MaxDrain, or not in time: not kept
	limitConns                   // above MaxConns
	limitCount
)

// String is the limit's name in Stats.Limited and for Server.Limited.
func (l limit) String() string {
	return [limitCount]string{
		"handshake_timeout", "head_timeout", "idle_timeout", "body_timeout", "write_timeout", "min_rate", "min_rate",
		"yield", "head_size", "content_size", "drain", "connections",
	}[l]
}

// reached counts that the limit l ended something of c's, and tells of it.
func (c *conn) reached(l limit) {
	c.srv.tally.limits[l].Add(1)
	if f := c.srv.Limited; f != nil && l != limitIdle { // an idle connection's end is nothing to tell
		f(l.String(), c.remote)
	}
}

// limits counts what each limit did.
type limits [limitCount]atomic.Uint64

func (l *limits) load() (n [limitCount]uint64) {
	for i := range l {
		n[i] = l[i].Load()
	}
	return n
}

// Limited yields how often each limit ended a request, a reply or a
// connection, by the limit's name.
func (s Stats) Limited() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for l, n := range s.limits {
			switch limit(l) {
			case limitSlowReader:
				continue // with the senders
			case limitSlowSender:
				n += s.limits[limitSlowReader]
			}
			if !yield(limit(l).String(), n) {
				return
			}
		}
	}
}
