package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFileExposed: bytes that wait in a socket by reference do not change when
// their place is written over, whatever the file system makes of O_DIRECT.
func TestFileExposed(t *testing.T) {
	for name, test := range map[string]struct {
		dir      string
		buffered bool
	}{
		"direct":   {dir: t.TempDir()},
		"buffered": {dir: t.TempDir(), buffered: true},
		"tmpfs":    {dir: "/dev/shm"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.CreateTemp(test.dir, "opencache-test")
			if err != nil {
				t.Skipf("no file system at %s: %v", test.dir, err)
			}
			path := filepath.Join(test.dir, filepath.Base(f.Name()))
			defer os.Remove(path)
			old := bytes.Repeat([]byte("old."), blockSize/4)
			if _, err := f.Write(old); err != nil {
				t.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			f.Close()
			r, err := openFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			if test.buffered {
				unix.Close(int(r.direct.Swap(-1)))
			}
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pair[1])
			off := int64(0)
			sent, err := unix.Sendfile(pair[0], r.descriptor(), &off, 32<<10)
			if err != nil {
				t.Fatal(err)
			}
			young := mapped(t, blockSize)
			copy(young, bytes.Repeat([]byte("new!"), blockSize/4))
			if err := r.writeSlab(young, 0, true); err != nil {
				t.Fatal(err)
			}
			unix.Close(pair[0])
			got := make([]byte, sent)
			for n := 0; n < sent; {
				m, err := unix.Read(pair[1], got[n:])
				if err != nil || m == 0 {
					t.Fatalf("got %d bytes and %v, want %d", n, err, sent)
				}
				n += m
			}
			if !bytes.Equal(got, old[:sent]) {
				t.Error("bytes in flight changed")
			}
			back := make([]byte, blockSize)
			if err := r.read(back, 0); err != nil || !bytes.Equal(back, young) {
				t.Errorf("got %v and other bytes than were written", err)
			}
		})
	}
}
