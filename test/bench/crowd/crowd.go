// Package crowd is many clients that connect first and then all ask for one
// thing at once, each over a TCP connection of its own, and what each of them
// saw. It is no load generator: every client asks once.
//
//	seen, err := crowd.Crowd{Addr: "127.0.0.1:8080", Size: 1000}.Rush(ctx, "/cold")
//	for _, s := range seen {
//		fmt.Println(s.Status, s.First, s.Done, s.Size, s.Err)
//	}
package crowd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const dialers = 64 // connections being opened at a time

// Table is the polynomial of Seen.Sum, one that processors compute themselves.
func Table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Crowd says who asks. Size is the number of clients. Asked, when not nil, is
// called once, when the last client has written its request; Begun, when the
// last client has its first byte of content or has ended.
type Crowd struct {
	Addr  string
	Size  int
	Asked func()
	Begun func()
}

// Seen is what one client saw. First is the time of the first byte of the
// content (of the end, when there was none). Err is set when the answer did
// not come or was cut short; what came until then stands in the other fields.
type Seen struct {
	Status int
	Header http.Header
	Start  time.Time
	First  time.Time
	Done   time.Time
	Size   int64
	Sum    uint32 // CRC-32C of the content
	Err    error
}

// String is what the client saw, for an error.
func (s Seen) String() string {
	text := fmt.Sprintf("status %d, %d bytes", s.Status, s.Size)
	if s.Err != nil {
		text += ", " + s.Err.Error()
	}
	return text
}

// Rush connects all clients, lets them ask for the path with GET at once, and
// returns when the last has its answer or ctx has ended, which ends them all.
// The error is that of connecting; then nobody has asked.
func (c Crowd) Rush(ctx context.Context, path string) ([]Seen, error) {
	conns, err := c.dial(ctx)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close() // nothing is left to be written
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		for _, conn := range conns {
			_ = conn.SetDeadline(time.Unix(1, 0)) // wakes its client
		}
	})
	defer stop()
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: crowd\r\nAccept: */*\r\n\r\n", path, c.Addr)
	seen := make([]Seen, c.Size)
	var asked, begun, all sync.WaitGroup
	asked.Add(c.Size)
	begun.Add(c.Size)
	start := make(chan struct{})
	for i, conn := range conns {
		all.Go(func() {
			<-start
			seen[i].Start = time.Now()
			_, err := conn.Write(request)
			asked.Done()
			if err == nil {
				err = seen[i].read(conn, begun.Done)
			}
			seen[i].Done, seen[i].Err = time.Now(), err
			if seen[i].First.IsZero() {
				seen[i].First = seen[i].Done
				begun.Done()
			}
		})
	}
	if c.Asked != nil {
		all.Go(func() { asked.Wait(); c.Asked() })
	}
	if c.Begun != nil {
		all.Go(func() { begun.Wait(); c.Begun() })
	}
	close(start)
	all.Wait()
	return seen, nil
}

func (c Crowd) dial(ctx context.Context) ([]net.Conn, error) {
	conns, errs := make([]net.Conn, c.Size), make([]error, c.Size)
	var d net.Dialer
	var all sync.WaitGroup
	token := make(chan struct{}, dialers)
	for i := range conns {
		token <- struct{}{}
		all.Go(func() {
			conns[i], errs[i] = d.DialContext(ctx, "tcp", c.Addr)
			<-token
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			return conns, fmt.Errorf("client %d: %w", i, err)
		}
	}
	return conns, nil
}

func (s *Seen) read(conn net.Conn, begun func()) error {
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // the connection is not used again
	s.Status, s.Header = response.StatusCode, response.Header
	table := Table()
	b := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(b)
		if n > 0 && s.Size == 0 {
			s.First = time.Now()
			begun()
		}
		s.Size += int64(n)
		s.Sum = crc32.Update(s.Sum, table, b[:n])
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("content after %d bytes: %w", s.Size, err)
		}
	}
}
