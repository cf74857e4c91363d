package script

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	headMax = 1 << 20  // of a head, in bytes
	bodyMax = 64 << 20 // of a message's content
)

type field struct{ name, value string }

type fields []field

// get returns the values of name combined. // RFC 9110, 5.2
func (fs fields) get(name string) (string, bool) {
	var values []string
	for _, f := range fs {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return strings.Join(values, ", "), values != nil
}

// A message is a request or an answer as far as it was read.
type message struct {
	raw      []byte // the head's bytes
	start    string // its first line
	fields   fields
	body     []byte
	trailers fields
}

var errMalformed = errors.New("malformed message")

// readHead reads a head and takes nothing but what the grammar has.
// RFC 9112, 2.1.
func readHead(br *bufio.Reader) (*message, error) {
	m := &message{}
	for {
		line, err := readLine(br)
		m.raw = append(m.raw, line...)
		if err != nil {
			return m, err
		}
		if len(m.raw) > headMax {
			return m, fmt.Errorf("head above %d bytes: %w", headMax, errMalformed)
		}
		text := string(line[:len(line)-2])
		switch {
		case m.start == "" && text == "":
			return m, fmt.Errorf("empty line before the message: %w", errMalformed)
		case m.start == "":
			m.start = text
		case text == "":
			return m, nil
		default:
			f, err := parseField(text)
			if err != nil {
				return m, err
			}
			m.fields = append(m.fields, f)
		}
	}
}

// readLine reads up to and with CR LF. The bytes that came before an error
// are returned.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= headMax:
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, io.ErrUnexpectedEOF
		case err != nil:
			return line, err
		case !bytes.HasSuffix(line, []byte("\r\n")) || bytes.IndexByte(line, '\r') != len(line)-2:
			return line, fmt.Errorf("line %q does not end in CR LF: %w", line, errMalformed)
		}
		return line, nil
	}
}

func parseField(line string) (field, error) {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !isToken(name) {
		return field{}, fmt.Errorf("field line %q: %w", line, errMalformed)
	}
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return field{}, fmt.Errorf("field line %q: %w", line, errMalformed)
		}
	}
	return field{name, value}, nil
}

// framing is how a message's content ends.
type framing struct {
	chunked, untilClose bool
	length              int64
}

// frame finds the framing that the fields tell; more than one is malformed.
// RFC 9112, 6.3.
func (fs fields) frame(otherwise framing) (framing, error) {
	te, chunked := fs.get("Transfer-Encoding")
	cl, length := fs.get("Content-Length")
	switch {
	case chunked && (length || !strings.EqualFold(te, "chunked")):
		return framing{}, fmt.Errorf("Transfer-Encoding %q, Content-Length %q: %w", te, cl, errMalformed)
	case chunked:
		return framing{chunked: true}, nil
	case length:
		n, err := strconv.ParseUint(cl, 10, 62)
		if err != nil {
			return framing{}, fmt.Errorf("Content-Length %q: %w", cl, errMalformed)
		}
		return framing{length: int64(n)}, nil
	}
	return otherwise, nil
}

// readBody reads content as f frames it and hands its pieces to sink.
func readBody(br *bufio.Reader, f framing, sink func([]byte) error) (fields, error) {
	switch {
	case f.chunked:
		return readChunks(br, sink)
	case f.untilClose:
		err := copyN(br, -1, sink)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, err
	}
	return nil, copyN(br, f.length, sink)
}

// copyN hands n bytes to sink as they come; with n < 0 all until an error.
func copyN(br *bufio.Reader, n int64, sink func([]byte) error) error {
	for n != 0 {
		if _, err := br.Peek(1); err != nil {
			if errors.Is(err, io.EOF) && n > 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		part := br.Buffered()
		if n > 0 {
			part = int(min(int64(part), n))
			n -= int64(part)
		}
		piece, _ := br.Peek(part) // buffered, so there
		if err := sink(piece); err != nil {
			return err
		}
		_, _ = br.Discard(part)
	}
	return nil
}

// readChunks reads chunked content with its trailers. // RFC 9112, 7.1
func readChunks(br *bufio.Reader, sink func([]byte) error) (fields, error) {
	for {
		line, err := readLine(br)
		if err != nil {
			return nil, noEOF(err)
		}
		digits, _, _ := strings.Cut(string(line[:len(line)-2]), ";")
		n, err := strconv.ParseUint(strings.TrimRight(digits, " \t"), 16, 31)
		if err != nil {
			return nil, fmt.Errorf("chunk size %q: %w", digits, errMalformed)
		}
		if n == 0 {
			return readTrailers(br)
		}
		if err := copyN(br, int64(n), sink); err != nil {
			return nil, err
		}
		if line, err := readLine(br); err != nil {
			return nil, noEOF(err)
		} else if len(line) != 2 {
			return nil, fmt.Errorf("chunk of %d bytes goes on with %q: %w", n, line, errMalformed)
		}
	}
}

func readTrailers(br *bufio.Reader) (fields, error) {
	var trailers fields
	for {
		line, err := readLine(br)
		if err != nil {
			return nil, noEOF(err)
		}
		if len(line) == 2 {
			return trailers, nil
		}
		f, err := parseField(string(line[:len(line)-2]))
		if err != nil {
			return nil, err
		}
		trailers = append(trailers, f)
	}
}

// noEOF tells an end within a message from one after it.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// grow appends piece to body within bodyMax.
func grow(body *[]byte, piece []byte) error {
	if len(*body)+len(piece) > bodyMax {
		return fmt.Errorf("content above %d bytes", bodyMax)
	}
	*body = append(*body, piece...)
	return nil
}
