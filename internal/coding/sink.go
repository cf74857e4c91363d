package coding

import (
	"bytes"

	"opencache/internal/wire"
)

// Onto has an answer that no upstream gave leave through p compressed, for the
// client that sent r, where the policy says so. It is called before Start; done
// is called when the answer has ended, one way or another.
func (p *Policy) Onto(r *wire.Request, reply *wire.Reply) (done func()) {
	s := &sink{Sink: reply.Sink, p: p, r: r, reply: reply}
	reply.Sink = s
	return s.done
}

// A sink compresses what it is given, if Start has found that it is to.
type sink struct {
	wire.Sink
	p     *Policy
	r     *wire.Request
	reply *wire.Reply
	c     Coding
	enc   encoder // nil: content goes as it is
	out   bytes.Buffer
}

var _ wire.Sink = (*sink)(nil)

func (s *sink) done() {
	s.reply.Sink = s.Sink
	if s.enc != nil {
		s.p.Encoders.give(s.c, s.p.Level, s.enc)
		s.enc = nil
	}
}

// Start implements wire.Sink.
func (s *sink) Start() error {
	var h wire.Head
	for _, line := range wire.Lines(bytes.Clone(s.reply.Fields)) {
		h.AddNamed(string(line.Name), line.Value)
	}
	if s.reply.Status == 304 {
		if s.p.asked(s.r) != Identity && confirm(s.r, &h) {
			vary(&h) // nobody else has coded it
			s.reply.Fields = h.AppendFields(s.reply.Fields[:0], wire.NameSet{})
		}
		return s.Sink.Start()
	}
	if s.p.fits(s.reply.Status, &h, s.reply.Length) {
		vary(&h)
		if s.c = s.p.asked(s.r); s.c != Identity {
			s.code(&h)
		}
		s.reply.Fields = h.AppendFields(s.reply.Fields[:0], wire.NameSet{})
	}
	return s.Sink.Start()
}

func (s *sink) code(h *wire.Head) {
	if s.r.Method != wire.HEAD {
		if s.enc = s.p.Encoders.take(s.c, s.p.Level, &s.out); s.enc == nil {
			return
		}
	}
	code(h, s.c)
	s.reply.Length = wire.Unknown
}

// Write implements wire.Sink.
func (s *sink) Write(b []byte) (int, error) {
	if s.enc == nil {
		return s.Sink.Write(b)
	}
	s.p.Encoders.Stats.In.Add(int64(len(b)))
	if _, err := s.enc.Write(b); err != nil {
		return 0, err
	}
	if s.out.Len() < piece {
		return len(b), nil
	}
	return len(b), s.send()
}

// send gives on what is coded.
func (s *sink) send() error {
	s.p.Encoders.Stats.Out.Add(int64(s.out.Len()))
	_, err := s.Sink.Write(s.out.Bytes())
	s.out.Reset()
	return err
}

// Span implements wire.Sink.
func (s *sink) Span(span wire.Span) error {
	if s.enc == nil {
		return s.Sink.Span(span)
	}
	defer span.Release()
	buf := make([]byte, min(span.N, piece))
	for at := 0; at < span.N; {
		n := min(len(buf), span.N-at)
		if err := span.Slice(at, n).Copy(buf[:n]); err != nil {
			return err
		}
		if _, err := s.Write(buf[:n]); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// Flush implements wire.Sink.
func (s *sink) Flush() error {
	if s.enc != nil {
		if err := s.enc.Flush(); err != nil {
			return err
		}
		if err := s.send(); err != nil {
			return err
		}
	}
	return s.Sink.Flush()
}

// End implements wire.Sink.
func (s *sink) End(trailer *wire.Head) error {
	if s.enc != nil {
		if err := s.enc.Close(); err != nil {
			return err
		}
		if err := s.send(); err != nil {
			return err
		}
	}
	return s.Sink.End(trailer)
}
