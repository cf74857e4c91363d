package lab

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/dchest/siphash"
)

// lineMax is the longest line of a trace: an access log's block.
const lineMax = 64 << 10

// quoteMax is how much of a faulty line an error quotes.
const quoteMax = 80

// A Log is a trace of lines, each either
//
//	time key size
//
// with the time in seconds, a key of any bytes but white space, and the bytes
// of the object's content; or a line of opencache's access log (telemetry), or
// of another one with nginx's names of variables. Empty lines and those that
// begin with # are no requests. Of an access log count the requests that a
// cache answers from what it has: GETs that were not to bypass the cache, whose
// answer was whole (200, 203, 301, 404 and so on) or a part; a size is what was
// sent then, so that an object that was only asked for in parts is thought
// too small. What does not count is Skipped.
type Log struct {
	// Skipped is how many lines of an access log did not count so far.
	Skipped int64

	name string
	in   *bufio.Reader
	line int64
}

var _ Trace = (*Log)(nil)

// NewLog reads a trace from r, which may be compressed by gzip; name is for errors.
func NewLog(name string, r io.Reader) (*Log, error) {
	l := &Log{name: name, in: bufio.NewReaderSize(r, lineMax)}
	magic, err := l.in.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("trace %s: %w", name, err)
	}
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(l.in)
		if err != nil {
			return nil, fmt.Errorf("trace %s: %w", name, err)
		}
		l.in = bufio.NewReaderSize(z, lineMax)
	}
	return l, nil
}

// Next is Trace's. An error names the line, what was found and what was expected.
func (l *Log) Next(r *Request) error {
	for {
		text, err := l.in.ReadSlice('\n')
		if len(text) == 0 && errors.Is(err, io.EOF) {
			return io.EOF
		}
		l.line++
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return l.fault(fmt.Errorf("a line of more than %d bytes, %q…: expected shorter ones", lineMax, text[:quoteMax/2]))
		case err != nil && !errors.Is(err, io.EOF):
			return l.fault(err)
		}
		counts, err := parseLine(bytes.TrimSpace(text), r)
		if err != nil {
			return l.fault(err)
		}
		if counts {
			return nil
		}
		if len(text) > 0 && text[0] == '{' {
			l.Skipped++
		}
	}
}

func (l *Log) fault(err error) error { return fmt.Errorf("trace %s:%d: %w", l.name, l.line, err) }

// parseLine reads one line, and reports whether it is a request that counts.
func parseLine(text []byte, r *Request) (counts bool, err error) {
	switch {
	case len(text) == 0 || text[0] == '#':
		return false, nil
	case text[0] == '{':
		return parseAccess(text, r)
	}
	f := bytes.Fields(text)
	if len(f) != 3 {
		return false, fmt.Errorf("%s in %d columns: expected three, time key size, or a line of JSON", quoted(text), len(f))
	}
	if at, err := strconv.ParseFloat(string(f[0]), 64); err != nil || !(at >= 0) || math.IsInf(at, 0) {
		return false, fmt.Errorf("time %s: expected seconds, 0 or more", quoted(f[0]))
	}
	size, err := strconv.ParseInt(string(f[2]), 10, 64)
	if err != nil || size < 0 || size > sizeMax {
		return false, fmt.Errorf("size %s: expected bytes, from 0 to %d", quoted(f[2]), int64(sizeMax))
	}
	*r = Request{Key: keyHash(f[1]), Size: size}
	return true, nil
}

// sizeMax bounds an object: sums of them must not overflow.
const sizeMax = 1 << 40

// An access is what counts of a line of an access log.
type access struct {
	Method string `json:"request_method"`
	Host   string `json:"host"`
	Target string `json:"request_uri"`
	Key    string `json:"log_cache_key"`
	OldKey string `json:"cache_key"` // what it was called once
	Status int    `json:"status"`
	Bytes  *int64 `json:"body_bytes_sent"`
	Cache  string `json:"upstream_cache_status"`
}

// wholeOrPart are the statuses of answers that stand for an object.
var wholeOrPart = []int{
	http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusPartialContent, http.StatusMultipleChoices,
	http.StatusMovedPermanently, http.StatusPermanentRedirect, http.StatusNotFound, http.StatusGone,
}

func parseAccess(text []byte, r *Request) (counts bool, err error) {
	var a access
	if err := json.Unmarshal(text, &a); err != nil {
		return false, fmt.Errorf("%s: %w: expected a line of an access log", quoted(text), err)
	}
	a.Key = cmp.Or(a.Key, a.OldKey)
	switch {
	case a.Bytes == nil || *a.Bytes < 0 || *a.Bytes > sizeMax:
		return false, fmt.Errorf("%s: no body_bytes_sent from 0 to %d: expected a line of an access log", quoted(text), int64(sizeMax))
	case a.Key == "" && a.Target == "":
		return false, fmt.Errorf("%s: neither log_cache_key nor request_uri: expected a line of an access log", quoted(text))
	case a.Method != http.MethodGet || a.Cache == "BYPASS" || !slices.Contains(wholeOrPart, a.Status):
		return false, nil
	case a.Key == "":
		a.Key = a.Host + " " + a.Target
	}
	*r = Request{Key: keyHash([]byte(a.Key)), Size: *a.Bytes}
	return true, nil
}

func quoted(text []byte) string {
	if len(text) > quoteMax {
		return strconv.Quote(string(text[:quoteMax])) + "…"
	}
	return strconv.Quote(string(text))
}

// keyHash makes a number of a key, the same one in each run.
func keyHash(key []byte) uint64 { return siphash.Hash(0x6f70656e, 0x6361636865, key) }
