package wire

// A Trace is the trace that a request belongs to (W3C Trace Context). It is
// not changed once it hangs on a Request, whose copies have it together.
type Trace struct {
	ID      [16]byte
	Span    [8]byte // of the sender; of this process where Own says so
	Sampled bool
	Own     bool   // this process sends spans of it
	State   []byte // what tracestate says
}
