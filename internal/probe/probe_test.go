package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A server answers as a test says.
type server struct {
	mu     sync.Mutex
	status int           // 0: nobody is there
	delay  time.Duration // before the answer
	asked  int
}

func (s *server) set(status int, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.delay = status, delay
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *server) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	status, delay := s.status, s.delay
	if status == 0 {
		return nil, errors.New("refused")
	}
	near, far := net.Pipe()
	go func() {
		defer func() { _ = far.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
			time.Sleep(delay)
			_, _ = fmt.Fprintf(far, "HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n", status)
		}
	}()
	return near, nil
}

// A target fails before it was asked, by its first answer, and later after so
// many bad ones in a row; so many good ones end it.
func TestRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &server{status: 200}
		p := &Prober{Dial: at.dial}
		t1 := Target{URL: "http://a.test/live", Interval: time.Second, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 3}
		p.Use([]Target{t1})
		if n, why := p.Failing(); n != 1 || why != "not asked yet" {
			t.Errorf("at first: got %d, %q", n, why)
		}
		for i, step := range []struct {
			status int
			delay  time.Duration
			want   string
		}{
			{200, 0, ""}, {503, 0, ""}, {503, 0, ""}, {200, 0, ""}, {503, 0, ""}, {0, 0, ""}, {503, 0, "status 503"},
			{200, 0, "status 503"}, {0, 0, "no answer"}, {200, 0, "no answer"}, {200, 0, ""},
			{200, time.Minute, ""}, {200, time.Minute, ""}, {200, time.Minute, "timeout"}, {301, 0, "status 301"},
		} {
			at.set(step.status, step.delay)
			if i > 0 {
				time.Sleep(400 * time.Millisecond)
			}
			time.Sleep(600 * time.Millisecond)
			synctest.Wait()
			if _, why := p.Failing(); why != step.want {
				t.Errorf("step %d, %d: got %q, want %q", i, step.status, why, step.want)
			}
		}
		p.Close()
		time.Sleep(time.Minute) // the server is slow to end
	})
}

// What stays among the targets is asked on, what goes is not asked any more,
// and the first that fails is named.
func TestUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &server{status: 200}
		p := &Prober{Dial: at.dial}
		good, other := Target{URL: "http://a.test/"}, Target{URL: "http://b.test/"}
		p.Use([]Target{good})
		synctest.Wait()
		if n, why := p.Failing(); n != 0 {
			t.Errorf("got %d, %q, want none", n, why)
		}
		at.set(500, 0)
		p.Use([]Target{good, other})
		synctest.Wait()
		if n, why := p.Failing(); n != 2 || why != "status 500" {
			t.Errorf("got %d, %q, want 2, status 500", n, why)
		}
		p.Use(nil)
		asked := at.count()
		time.Sleep(time.Hour)
		if n, _ := p.Failing(); n != 0 || at.count() != asked {
			t.Errorf("got %d failing and %d questions, want 0 and %d", n, at.count(), asked)
		}
		p.Close()
		(&Prober{}).Close()
	})
}

func TestBare(t *testing.T) {
	if got, want := bare("https://u:p@h.test/live?token=x"), "https://h.test/live"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
