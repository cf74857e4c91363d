package listen

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestListenErrors(t *testing.T) {
	taken, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	sock := "unix:" + filepath.Join(t.TempDir(), "s")
	here, err := Listen(sock)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = here.Close() }()
	for addr, want := range map[string]string{
		"":                      `listen "": expected host:port or unix:/path`,
		"8080":                  `listen "8080": expected host:port or unix:/path`,
		"127.0.0.1:http":        `listen "127.0.0.1:http": port "http": expected a number from 0 to 65535`,
		"127.0.0.1:70000":       `listen "127.0.0.1:70000": port "70000": expected a number from 0 to 65535`,
		"127.0.0.1:":            `listen "127.0.0.1:": port "": expected a number from 0 to 65535`,
		"unix:":                 `listen "unix:": expected a path after unix:, like unix:/run/opencache.sock`,
		"192.0.2.1:0":           `listen 192.0.2.1:0: no address of this machine`,
		taken.Addr().String():   `listen ` + taken.Addr().String() + `: another process listens there already`,
		sock:                    `listen ` + sock + `: another process listens there already`,
		"unix:/nowhere/at/all":  `listen unix:/nowhere/at/all: bind: no such file or directory`,
		"[::1":                  `listen "[::1": expected host:port or unix:/path`,
		"no.such.host.invalid:": `listen "no.such.host.invalid:": port "": expected a number from 0 to 65535`,
	} {
		l, err := Listen(addr)
		if err == nil {
			_ = l.Close()
			t.Errorf("%q: got no error, want %q", addr, want)
			continue
		}
		if err.Error() != want {
			t.Errorf("%q: got %q, want %q", addr, err, want)
		}
		if strings.HasSuffix(want, "already") && !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%q: %#v is not EADDRINUSE", addr, err)
		}
	}
}

// A socket that nobody listens on any more is replaced.
func TestListenAbandonedSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
