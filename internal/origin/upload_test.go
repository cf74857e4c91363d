package origin

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"opencache/internal/wire"
)

// slowBody is content that comes a while after it was asked for, and fails then
// if that is said.
type slowBody struct {
	givenBody
	wait time.Duration
	err  error
}

func (b *slowBody) Read(p []byte) (int, error) {
	time.Sleep(b.wait)
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}

// TestTwoUploads: content of requests goes out at the client's pace, and whose
// fault it is when it does not is told.
func TestTwoUploads(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprintf(w, "%d", len(text))
	}
	refuse := func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(413) }
	for _, tt := range []struct {
		name, head string
		body       *slowBody
		h          http.HandlerFunc
		want       string // status and content, or the fault
	}{
		{"a slow client", "POST /a HTTP/1.1\nHost: x\nContent-Length: 4", &slowBody{givenBody{Reader: strings.NewReader("abcd")}, 10 * time.Minute, nil}, read, "200 4"},
		{"less than it said", "POST /a HTTP/1.1\nHost: x\nContent-Length: 9", &slowBody{givenBody{Reader: strings.NewReader("abcd")}, 0, nil}, read, "content"},
		{"a client that breaks off", "POST /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked",
			&slowBody{givenBody{Reader: strings.NewReader("abcd")}, 0, &wire.Error{Side: wire.Client, Status: 408, Err: errors.New("gone")}}, read, "content"},
		{"100 (Continue)", "POST /a HTTP/1.1\nHost: x\nContent-Length: 4\nExpect: 100-continue", &slowBody{givenBody{Reader: strings.NewReader("abcd")}, 0, nil}, read, "200 4"},
		{"refused at once", "POST /a HTTP/1.1\nHost: x\nContent-Length: 4\nExpect: 100-continue", &slowBody{givenBody{Reader: strings.NewReader("abcd")}, 0, nil}, refuse, "413 "},
		{"a server that takes nothing", "POST /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked", &slowBody{givenBody{Reader: strings.NewReader(strings.Repeat("x", 4<<20))}, 0, nil},
			func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "body-timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTwo(t, &http2.Server{}, tt.h, func(t *testing.T, u *Upstream) {
				r := twoRequest(t, tt.head, "")
				r.Body = tt.body
				resp, err := u.Exchange(t.Context(), r)
				if err != nil {
					if got := faultOf(err); got.String() != tt.want {
						t.Errorf("got %v, want %s", err, tt.want)
					}
					return
				}
				got := fmt.Sprintf("%d ", resp.Status)
				if resp.Body != nil {
					text, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Error(err)
					}
					got += string(text)
					_ = resp.Body.Close()
				}
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestTwoNginx: a server of others' making, over TLS and without.
func TestTwoNginx(t *testing.T) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	dir := t.TempDir()
	roots, cert := authority(t)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var ports []int
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		_ = l.Close()
	}
	large := strings.Repeat("0123456789abcdef", 1<<17)
	files := map[string]string{
		"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})),
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		"large":    large,
		"small":    "ok",
		"nginx.conf": fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log; events {}
http { access_log off; root %[1]s; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
server { listen 127.0.0.1:%[2]d ssl http2; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem; location = /proto { return 200 $server_protocol; } }
server { listen 127.0.0.1:%[3]d http2; location = /proto { return 200 $server_protocol; } } }
`, dir, ports[0], ports[1]),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, "-c", filepath.Join(dir, "nginx.conf"), "-p", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for range 200 { // until it listens
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[1]))
		if err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, u := range []*Upstream{
		{Scheme: "https", Addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), TLS: &tls.Config{RootCAs: roots}, Protocol: Auto},
		{Scheme: "http", Addr: fmt.Sprintf("127.0.0.1:%d", ports[1]), Protocol: H2C},
	} {
		for target, want := range map[string]string{"/proto": "HTTP/2.0", "/small": "ok", "/large": large} {
			resp, err := u.Exchange(t.Context(), twoRequest(t, "GET "+target+" HTTP/1.1\nHost: x", ""))
			if err != nil {
				log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
				t.Fatalf("%s: %v; nginx says %q", target, err, log)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != want || resp.Length != int64(len(want)) {
				t.Errorf("%s: got %d bytes %.20q, length %d, %v", target, len(got), got, resp.Length, err)
			}
			_ = resp.Body.Close()
		}
		if st := u.Stats(); st.Dials != 1 {
			t.Errorf("%d connections, want one", st.Dials)
		}
		_ = u.Close()
	}
}
