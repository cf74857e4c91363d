package storetest

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"opencache/internal/wire"
)

// exposed: what went out by sendfile and still sits in a socket does not
// change when its slab is used again.
func exposed(t *testing.T, v Volume) {
	version := v.Version()
	i := item{key: "sent", version: version, size: v.SegmentSize()}
	if err := v.PutSegment(version, 0, 0, [][]byte{i.body()}); err != nil {
		t.Fatal(err)
	}
	s, _ := v.Segment(version, 0, 0, v.SegmentSize())
	fd := s.Owner.Expose()
	if fd < 0 {
		if got := total(v).Exposed; got != 0 {
			t.Errorf("got %d slabs exposed, want none without a descriptor", got)
		}
		s.Release()
		return
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	reader := os.NewFile(uintptr(pair[1]), "reader")
	defer reader.Close()
	sent := send(t, pair[0], fd, s)
	unix.Close(pair[0])
	s.Release()
	if got := total(v).Exposed; got != 1 {
		t.Errorf("got %d slabs exposed, want 1", got)
	}
	churn(t, v, "over", 4*total(v).Capacity)
	if st := total(v); st.Exposed != 0 || st.Punched == 0 {
		t.Errorf("after reuse: got %d slabs exposed and %d punched, want 0 and some", st.Exposed, st.Punched)
	}
	got, err := io.ReadAll(reader)
	if err != nil || len(got) != sent {
		t.Fatalf("got %d bytes and %v, want %d", len(got), err, sent)
	}
	if at := wrong(got, i.seed()); at >= 0 {
		t.Errorf("bytes in flight changed at %d of %d", at, sent)
	}
	refilled(t, v)
}

// send sends as much of s as the socket takes.
func send(t *testing.T, to, fd int, s wire.Span) (sent int) {
	t.Helper()
	off := s.Off
	for sent < s.N {
		n, err := unix.Sendfile(to, fd, &off, s.N-sent)
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			t.Fatalf("sendfile: %v", err)
		}
		sent += n
	}
	if sent < 4096 {
		t.Fatalf("the socket took %d bytes, want some pages", sent)
	}
	return sent
}

// refilled: slabs that were punched hold what is written to them after.
func refilled(t *testing.T, v Volume) {
	for round := range 3 {
		var items []item
		for n := range 100 {
			i := item{key: "refill", version: uint64(100*round + n + 1), size: 1 + 577*n}
			i.key += string(rune('a'+round)) + string(rune('0'+n))
			i.put(t, v)
			e := i.want(t, v)
			if e.Body.Owner.Expose() < 0 {
				t.Errorf("%s: no descriptor", i.key)
			}
			e.Release()
			items = append(items, i)
		}
		for _, i := range items {
			i.has(t, v)
		}
		churn(t, v, "refill", total(v).Capacity)
	}
	if got := total(v).Retired; got != 0 {
		t.Errorf("got %d slabs that could not be punched", got)
	}
}
