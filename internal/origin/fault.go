package origin

import (
	"context"
	"errors"
	"fmt"

	"opencache/internal/wire"
)

// A Fault says why an exchange failed. It is an error, so that errors.Is and
// errors.As find it in what Exchange and Body.Read return.
type Fault uint8

// The faults. Their side is the upstream's unless something else is said.
const (
	None         Fault = iota
	Dial               // no connection could be made: 502
	DialTimeout        // not in time: 504
	TLS                // the handshake failed: 502, or 504 when it was not done in time
	HeadTimeout        // no final response head in time: 504
	BodyTimeout        // content stood still: 504
	Closed             // the connection ended before the answer began: 502
	Cut                // it ended in the middle of the answer: 502
	BadResponse        // what came is not a response to the request: 502
	QueueFull          // too many exchanges wait for a connection: ours, 503
	QueueTimeout       // none became free in time: ours, 503
	Canceled           // the context ended: the client's, 499
	Content            // the content of the request could not be read: the client's
	NumFaults    int   = iota
)

var faults = [NumFaults]string{
	"none", "dial", "dial-timeout", "tls", "head-timeout", "body-timeout", "closed", "cut",
	"bad-response", "queue-full", "queue-timeout", "canceled", "content",
}

// String returns the fault as logs and Cache-Status print it: a token.
func (f Fault) String() string { return faults[f] }

// Error returns the same as String.
func (f Fault) Error() string { return faults[f] }

// faultOf returns the Fault in err, None when there is none.
func faultOf(err error) (f Fault) {
	errors.As(err, &f)
	return f
}

// wordOf returns the word for an error of an exchange.
func wordOf(err error) string {
	if f := faultOf(err); f != None {
		return f.String()
	}
	return "refused" // by the client itself, before anybody was asked
}

// statusCanceled is what an access log shows for a client that went away; it
// is never sent.
const statusCanceled = 499

// blame gives a fault the side and status that go with it.
func (u *Upstream) blame(f Fault, err error) *wire.Error {
	e := &wire.Error{Side: wire.Upstream, Status: 502, Err: fmt.Errorf("origin %s: %w: %w", u.Addr, f, err)}
	switch f {
	case DialTimeout, HeadTimeout, BodyTimeout:
		e.Status = 504
	case QueueFull, QueueTimeout:
		e.Side, e.Status = wire.Us, 503
	case Canceled:
		e.Side, e.Status = wire.Client, statusCanceled
	}
	return e
}

// canceled is the error of an exchange whose context has ended.
func (u *Upstream) canceled(ctx context.Context) *wire.Error {
	return u.blame(Canceled, context.Cause(ctx))
}

func (u *Upstream) named(what string) error { return fmt.Errorf("origin %s: %s", u.Addr, what) }

// report counts the fault that an exchange ended with.
func (u *Upstream) report(err *wire.Error) *wire.Error {
	u.counts.faults[faultOf(err)].Add(1)
	return err
}
