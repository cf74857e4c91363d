package coding

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Level is how hard an encoder tries.
type Level uint8

// The levels: about 1, 5 and 9 of gzip's.
const (
	Default Level = iota
	Fast
	Best
	numLevels
)

// ParseLevel returns the level of a name: default, fast, best.
func ParseLevel(name string) (l Level, ok bool) {
	for i, known := range [numLevels]string{"default", "fast", "best"} {
		if name == known {
			return Level(i), true
		}
	}
	return Default, false
}

// Encoders are what compresses, kept for the next content. There are so many
// at a time as NewEncoders was told, at most 4 MiB each.
type Encoders struct {
	slots  chan struct{}
	pools  [numCodings][numLevels]sync.Pool // of encoder
	pieces sync.Pool                        // of *[piece]byte
	Stats  Stats
}

// Stats count what Encoders did; read them with Load.
type Stats struct {
	Contents [numCodings]atomic.Int64 // begun, by coding
	In, Out  atomic.Int64             // bytes
	Busy     atomic.Int64             // left as they were, since all encoders were in use
}

// NewEncoders returns Encoders for so many contents at a time.
func NewEncoders(most int) *Encoders { return &Encoders{slots: make(chan struct{}, max(most, 1))} }

// Most returns for how many they are.
func (e *Encoders) Most() int { return cap(e.slots) }

// Active returns how many are in use.
func (e *Encoders) Active() int { return len(e.slots) }

// An encoder writes one content after another in one coding.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// take returns an encoder that writes to w, nil when all are in use.
func (e *Encoders) take(c Coding, l Level, w io.Writer) encoder {
	select {
	case e.slots <- struct{}{}:
	default:
		e.Stats.Busy.Add(1)
		return nil
	}
	enc, _ := e.pools[c][l].Get().(encoder)
	if enc == nil {
		enc = newEncoder(c, l)
	}
	enc.Reset(w)
	e.Stats.Contents[c].Add(1)
	return enc
}

// give takes an encoder back.
func (e *Encoders) give(c Coding, l Level, enc encoder) {
	enc.Reset(nil)
	e.pools[c][l].Put(enc)
	<-e.slots
}

// window is how far back encoders look, in bits: what a page has in common
// with itself is near.
const window = 19

// newEncoder makes an encoder. Its options are constants that the libraries
// take.
func newEncoder(c Coding, l Level) encoder {
	switch c {
	case Zstd:
		level := [numLevels]zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedFastest, zstd.SpeedBestCompression}[l]
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<window), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err)
		}
		return enc
	case Brotli:
		return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: [numLevels]int{5, 1, 9}[l], LGWin: window})
	}
	enc, err := gzip.NewWriterLevel(nil, [numLevels]int{5, 1, 9}[l])
	if err != nil {
		panic(err)
	}
	return enc
}
