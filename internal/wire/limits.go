package wire

// Limits bound what a parser takes. Zero fields mean the default's.
type Limits struct {
	Line   int // bytes of the start line; above it 414 (request) or 502
	Head   int // bytes of start line and field section; above it 431 or 502
	Fields int // number of field lines; above it 431 or 502
	Chunk  int // bytes of one chunk-size line with its extensions; above it 400 or 502
}

// DefaultLimits are the bounds in force when nothing else is said.
var DefaultLimits = Limits{Line: 16 << 10, Head: 64 << 10, Fields: 256, Chunk: 4 << 10}

// complete puts the defaults in place of zeros.
func (l *Limits) complete() {
	if l.Line <= 0 {
		l.Line = DefaultLimits.Line
	}
	if l.Head <= 0 {
		l.Head = DefaultLimits.Head
	}
	if l.Fields <= 0 {
		l.Fields = DefaultLimits.Fields
	}
	if l.Chunk <= 0 {
		l.Chunk = DefaultLimits.Chunk
	}
}
