package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
)

// A device lends a reader's bytes, without a descriptor.
type device struct {
	io.ReaderAt
	plain
}

func (device) Enter(int64, int) int { return 0 }
func (device) Leave()               {}

// A plain owner lends a file's bytes.
type plain struct{ fd int }

func (plain) Release()           {}
func (p plain) Expose() int      { return p.fd }
func (plain) Pressure() Pressure { return Keep }

// A failing reader answers n bytes and err.
type failing struct {
	n   int
	err error
}

func (f failing) ReadAt(p []byte, _ int64) (int, error) { return min(f.n, len(p)), f.err }

func TestSpanCopy(t *testing.T) {
	content := []byte("0123456789")
	f, err := os.Create(t.TempDir() + "/span")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	file, far := plain{int(f.Fd())}, errors.New("far away")
	for name, tt := range map[string]struct {
		span Span
		want string
		is   error
	}{
		"empty":                 {Span{}, "", nil},
		"memory":                {Span{Mem: content, N: 10}, "0123456789", nil},
		"slice of memory":       {Span{Mem: content, N: 10}.Slice(3, 4), "3456", nil},
		"file":                  {Span{Off: 2, N: 5, Owner: file}, "23456", nil},
		"slice of a file":       {Span{Off: 2, N: 5, Owner: file}.Slice(1, 2), "34", nil},
		"beyond a file":         {Span{Off: 8, N: 5, Owner: file}, "", io.ErrUnexpectedEOF},
		"no file":               {Span{N: 5, Owner: plain{-1}}, "", errNowhere},
		"nobody's":              {Span{N: 5}, "", errNowhere},
		"device":                {Span{Off: 2, N: 5, Owner: device{bytes.NewReader(content), plain{-1}}}, "23456", nil},
		"to a device's end":     {Span{Off: 5, N: 5, Owner: device{bytes.NewReader(content), plain{-1}}}, "56789", nil},
		"beyond a device's end": {Span{Off: 8, N: 5, Owner: device{bytes.NewReader(content), plain{-1}}}, "", io.ErrUnexpectedEOF},
		"short without a word":  {Span{N: 5, Owner: device{failing{3, nil}, plain{-1}}}, "", io.ErrUnexpectedEOF},
		"device's error":        {Span{N: 5, Owner: device{failing{0, far}, plain{-1}}}, "", far},
		"device's loss":         {Span{N: 5, Owner: device{failing{0, ErrLost}, plain{-1}}}, "", ErrLost},
	} {
		got := make([]byte, tt.span.N)
		err := tt.span.Copy(got)
		if !errors.Is(err, tt.is) || (err != nil) != errors.Is(err, ErrLost) || err == nil && string(got) != tt.want {
			t.Errorf("%s: got %q, %v, want %q, %v", name, got, err, tt.want, tt.is)
		}
	}
}
