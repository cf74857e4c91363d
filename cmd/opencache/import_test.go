package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const importedConf = `http {
  proxy_cache_path /var/cache/nginx keys_zone=pages:1m max_size=64m;
  server {
    listen 8080; server_name a.example;
    gunzip on;
    location / { proxy_pass http://127.0.0.1:9000; proxy_cache pages; }
  }
}`

func TestImport(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(importedConf)
	code, stdout, stderr := run(t, nil, "import", conf)
	if code != 1 || !strings.Contains(stdout, "// nginx.conf:4:18 server_name a.example\n") || !strings.Contains(stdout, "// -- "+siteKeys+"a.example.jsonc --") ||
		!strings.Contains(stderr, "nginx.conf:5:5: gunzip on: lost: ") || !strings.Contains(stderr, "1 directives were not carried over") {
		t.Errorf("got code %d\n%s\n%s", code, stdout, stderr)
	}
	code, stdout, _ = run(t, nil, "import", conf, "-o", "json")
	var report importReport
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 1 || report.Lost != 1 || len(report.Documents) != 2 || report.Notes[0].Line != 5 {
		t.Errorf("got code %d, %v of\n%s", code, err, stdout)
	}

	write(strings.Replace(importedConf, "gunzip on;", "", 1))
	out := filepath.Join(t.TempDir(), "new", "folder")
	if code, stdout, stderr := run(t, nil, "import", conf, "--out", out); code != 0 || stderr != "" || strings.Count(stdout, "\n") != 2 {
		t.Errorf("got code %d\n%s\n%s", code, stdout, stderr)
	}
	if code, stdout, _ := run(t, nil, "check", out); code != 0 {
		t.Errorf("check: got code %d\n%s", code, stdout)
	}
	if code, _, stderr := run(t, nil, "import", conf, "--out", out); code != 2 || !strings.Contains(stderr, "is there: expected a folder without it, or --force") {
		t.Errorf("again: got code %d, %s", code, stderr)
	}
	if code, _, stderr := run(t, nil, "import", conf, "--out", out, "--force"); code != 0 {
		t.Errorf("by force: got code %d, %s", code, stderr)
	}
	write("http {")
	if code, stdout, stderr := run(t, nil, "import", conf); code != 1 || stdout != "" || !strings.Contains(stderr, "nginx.conf:1:6: a { without its }") {
		t.Errorf("a fault: got code %d, %q, %s", code, stdout, stderr)
	}
}

// nginxFrame is what the configurations of TestImportIsNginx stand in.
const nginxFrame = `daemon off; pid DIR/nginx.pid; error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  proxy_cache_path DIR/cache levels=1:2 keys_zone=z:1m max_size=64m inactive=1h;
  proxy_cache_path DIR/cache2 keys_zone=z2:1m max_size=64m inactive=1h;
  add_header X-Cache-Status $upstream_cache_status always;
  upstream origin { server ORIGIN; }
  %s
}`

// Each configuration is nginx's and, imported, this program's. Both are asked
// the same of an origin of their own, which numbers its answers by URL: bodies
// agree only where the same requests were answered from the store.
var importedAndReal = []struct {
	name, conf string
	requests   []string // ["later "][METHOD ]HOST/PATH["|"NAME: VALUE]...
}{
	{"upstream freshness", `server { listen ADDR; location / { proxy_pass http://origin; proxy_cache z; } }`, []string{
		"a.test/max-age=60", "a.test/max-age=60", "a.test/max-age=60?x=1", "a.test/max-age=60?x=1", "HEAD a.test/max-age=60",
		"a.test/plain", "a.test/plain", "a.test/no-store", "a.test/no-store", "a.test/private", "a.test/private",
		"a.test/cookie", "a.test/cookie", "a.test/expires", "a.test/expires", "a.test/404", "a.test/404", "a.test/500", "a.test/500",
		"a.test/s-maxage=60", "a.test/s-maxage=60", "POST a.test/posted", "POST a.test/posted", "a.test/vary|Accept-Language: de", "a.test/vary|Accept-Language: de", "a.test/vary|Accept-Language: fr",
	}},
	{"times by status", `proxy_cache z; proxy_cache_valid 10m; proxy_cache_valid 404 1m; proxy_cache_valid 500 0;
		server { listen ADDR; location / { proxy_pass http://origin; } location /any { proxy_pass http://origin; proxy_cache_valid any 1m; } location /off { proxy_pass http://origin; proxy_cache off; } }`, []string{
		"a.test/plain", "a.test/plain", "a.test/404", "a.test/404", "a.test/500", "a.test/500", "a.test/403", "a.test/403", "a.test/301", "a.test/301",
		"a.test/no-store", "a.test/no-store", "a.test/any/403", "a.test/any/403", "a.test/any/500", "a.test/any/500", "a.test/off/max-age=60", "a.test/off/max-age=60",
	}},
	{"keys", `proxy_cache_valid 1h;
		server { listen ADDR; server_name a.test b.test; 
		location / { proxy_pass http://origin; proxy_cache z; proxy_cache_key $scheme$host$request_uri; }
		location /uri/ { proxy_pass http://origin; proxy_cache z; proxy_cache_key $host$uri; }
		location /any/ { proxy_pass http://origin; proxy_cache z2; proxy_cache_key $uri$is_args$args; }
		location /lang/ { proxy_pass http://origin; proxy_cache z2; proxy_cache_key $host$request_uri$http_accept_language$cookie_group; }
		location /arg/ { proxy_pass http://origin; proxy_cache z2; proxy_cache_key $host$uri$arg_page; } }`, []string{
		"a.test/x", "b.test/x", "a.test/x", "a.test/x?1", "a.test/x?1",
		"a.test/uri/x?1", "a.test/uri/x?2", "b.test/uri/x?1", "a.test/any/x", "b.test/any/x", "b.test/any/x?1",
		"a.test/lang/x|Accept-Language: de", "a.test/lang/x|Accept-Language: fr", "a.test/lang/x|Accept-Language: de", "a.test/lang/x|Cookie: group=1", "a.test/lang/x|Cookie: group=2; a=b", "a.test/lang/x|Cookie: z=1; group=1",
		"a.test/arg/x?page=1&y=1", "a.test/arg/x?page=1&y=2", "a.test/arg/x?page=2",
	}},
	{"conditions", `map $http_cookie $member { default 0; "~*session" 1; }
		server { listen ADDR; proxy_cache z; proxy_cache_valid 1h;
		set $skip 0; if ($request_uri ~* "/admin/|\.php") { set $skip 1; } if ($http_x_force = "no") { set $skip 0; } if ($query_string != "") { set $skip 1; }
		location / { proxy_pass http://origin; proxy_cache_bypass $skip $member; proxy_no_cache $skip $member; }
		location /words/ { proxy_pass http://origin; proxy_cache_bypass $http_pragma$arg_a $cookie_no; proxy_no_cache $cookie_no; } }`, []string{
		"a.test/x", "a.test/x", "a.test/x|Cookie: Session=1", "a.test/x|Cookie: session=1", "a.test/x", "a.test/admin/x", "a.test/admin/x", "a.test/admin/x|X-Force: no", "a.test/admin/x|X-Force: no",
		"a.test/i.PHP", "a.test/i.PHP", "a.test/x?q", "a.test/x?q", "a.test/words/x", "a.test/words/x?a=0", "a.test/words/x?a=0", "a.test/words/x?a=1", "a.test/words/x?a=1", "a.test/words/x|Cookie: no=0", "a.test/words/x|Cookie: no=1", "a.test/words/x",
	}},
	{"ignored fields and uses", `server { listen ADDR; proxy_cache z; proxy_cache_valid 200 404 1h;
		location / { proxy_pass http://origin; proxy_ignore_headers Cache-Control Expires; }
		location /e/ { proxy_pass http://origin; proxy_ignore_headers Expires; }
		location /c/ { proxy_pass http://origin; proxy_ignore_headers Cache-Control; }
		location /uses/ { proxy_pass http://origin; proxy_cache_min_uses 3; } }`, []string{
		"a.test/no-store", "a.test/no-store", "a.test/private", "a.test/private", "a.test/500", "a.test/500", "a.test/expired", "a.test/expired", "a.test/cookie", "a.test/cookie",
		"a.test/e/expired", "a.test/e/expired", "a.test/e/no-store", "a.test/e/no-store", "a.test/c/no-store", "a.test/c/no-store", "a.test/c/expired", "a.test/c/expired",
		"a.test/uses/x", "a.test/uses/x", "a.test/uses/x", "a.test/uses/x",
	}},
	{"locations", `server { listen ADDR default_server; server_name a.test .wild.test; 
		location / { proxy_pass http://origin; add_header X-At root always; } location = /exact { return 204; } location ^~ /first/ { add_header X-At first always; proxy_pass http://origin; }
		location ~ \.png$ { add_header X-At png always; proxy_pass http://origin; } location ~* \.JPG$ { add_header X-At jpg always; proxy_pass http://origin; } location /long/ { add_header X-At long always; proxy_pass http://origin; }
		location /long/er/ { return 200 "at $uri of $host\n"; } location = /gone { return 410; } location /moved { return 301 https://$host$request_uri; } location ~ ^/to/(.*)$ { return 302 /from/$1?x; }
		location /denied/ { deny all; } location /in/ { internal; } location /slash/ { proxy_pass http://origin; } location /api/ { proxy_pass http://origin/v1/api/; }
		rewrite ^/old/(.*)$ /new/$1 permanent; location /rw/ { rewrite ^ http://other.test$uri? redirect; } location /nested/ { proxy_pass http://origin; location /nested/in/ { return 403; } location ~ \.php$ { deny all; } } }
		server { listen ADDR; server_name b.test; root DIR/files; location = /data/e.txt { expires 1h; } location /data/sub/ { alias DIR/files/data/sub/; } location ~ /\. { deny all; } }`, []string{
		"a.test/", "a.test/exact", "a.test/exact/", "a.test/first/x.png", "a.test/x.png", "a.test/x.PNG", "a.test/x.jpg", "a.test/long/x", "a.test/long/x.png", "a.test/long/er/x?y", "a.test/gone", "a.test/moved/x?y=1",
		"a.test/to/x/y", "a.test/denied/x", "a.test/in/x", "a.test/slash", "a.test/slash?x=1", "a.test/slash/", "a.test/api/x?y", "a.test/api", "a.test/old/x?y=1", "a.test/rw/x?y", "a.test/nested/x", "a.test/nested/in/x", "a.test/nested/x.php",
		"www.wild.test/", "wild.test/", "other.test/", "b.test/data/f.txt", "b.test/data/e.txt", "b.test/data/none", "b.test/data", "b.test/data/sub/f.txt", "b.test/data/sub", "b.test/.git/x", "HEAD b.test/data/f.txt", "b.test/data/f.txt|Range: bytes=1-2",
	}},
	{"access", `limit_req_zone $http_x_client zone=few:1m rate=1r/m; client_max_body_size 10;
		server { listen ADDR; server_name a.test; auth_basic_user_file DIR/users; if ($request_method !~ ^(GET|HEAD|POST|PUT)$) { return 405; }
		location / { proxy_pass http://origin; } location /own/ { allow 127.0.0.0/8; deny all; proxy_pass http://origin; } location /others/ { allow 192.0.2.0/24; deny all; proxy_pass http://origin; }
		location /but/ { allow 192.0.2.0/24; deny 127.0.0.1; proxy_pass http://origin; } location /part/ { allow 127.0.0.1; deny 127.0.0.0/8; proxy_pass http://origin; } location /first/ { deny 127.0.0.1; allow all; return 204; }
		location /read/ { limit_except GET { deny all; } proxy_pass http://origin; } location /more/ { client_max_body_size 0; proxy_pass http://origin; }
		location /secret/ { auth_basic who; proxy_pass http://origin; } location /both/ { auth_basic who; allow 192.0.2.1; deny all; proxy_pass http://origin; } }`, []string{
		"a.test/x", "DELETE a.test/x", "a.test/own/x", "a.test/others/x", "a.test/but/x", "a.test/part/x", "a.test/first/x", "a.test/read/x", "HEAD a.test/read/x",
		"a.test/secret/x", "a.test/secret/x|Authorization: Basic Ym9iOnRlYQ==", "a.test/secret/x|Authorization: Basic Ym9iOnRlYX==", "a.test/both/x|Authorization: Basic Ym9iOnRlYQ==",
	}},
	{"stale", `server { listen ADDR; proxy_cache z; location / { proxy_pass http://origin; }
		location /stale/ { proxy_pass http://origin; proxy_cache_use_stale error http_500; }
		location /updating/ { proxy_pass http://origin; proxy_cache_use_stale updating; proxy_cache_background_update on; } }`, []string{
		"a.test/brief", "a.test/failing", "a.test/stale/failing", "a.test/updating/brief", "a.test/stale/failing", "later a.test/brief", "later a.test/failing", "later a.test/stale/failing", "a.test/stale/failing", "later a.test/updating/brief",
	}},
	{"fields", `server { listen ADDR; proxy_set_header Host inner.test; proxy_hide_header X-Powered-By; proxy_cache z; proxy_cache_valid 1h;
		location / { proxy_pass http://origin; add_header X-Say "$request_uri at $host" always; }
		location /h/ { proxy_set_header Host $http_host; proxy_pass http://origin; } location /d/ { proxy_set_header X-None ""; proxy_pass http://origin; }
		location /ex/ { proxy_pass http://origin; expires 1h; } location /ep/ { proxy_pass http://origin; expires epoch; } }`, []string{
		"a.test/max-age=60", "a.test/max-age=60", "a.test/404", "a.test/h/x", "a.test/d/x", "a.test/ex/plain", "a.test/ex/plain", "a.test/ex/max-age=60", "a.test/ep/plain", "a.test/ep/plain",
	}},
}

// numbering answers by what the path ends with; each URL's answers are numbered.
func numbering() http.Handler {
	var mu sync.Mutex
	seen := map[string]int{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		as := r.Method + " " + r.Host + r.RequestURI
		mu.Lock()
		seen[as]++
		n := seen[as]
		mu.Unlock()
		h, status := w.Header(), 200
		h.Set("X-Powered-By", "numbers")
		switch kind := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; kind {
		case "max-age=60", "s-maxage=60", "no-store", "private":
			h.Set("Cache-Control", kind)
		case "brief":
			h.Set("Cache-Control", "max-age=1")
		case "failing":
			h.Set("Cache-Control", "max-age=1")
			if n > 1 {
				status = 500
				h.Set("Cache-Control", "no-store")
			}
		case "cookie":
			h.Set("Cache-Control", "max-age=60")
			h.Set("Set-Cookie", "a=b")
		case "expires":
			h.Set("Expires", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		case "expired":
			h.Set("Expires", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		case "vary":
			h.Set("Cache-Control", "max-age=60")
			h.Set("Vary", "Accept-Language")
		case "301":
			status = 301
			h.Set("Location", "/elsewhere")
		case "403", "404", "500":
			_, _ = fmt.Sscan(kind, &status)
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "%s number %d\n", as, n)
	})
}

// TestImportIsNginx asks nginx and this program, by what was imported, the same.
func TestImportIsNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if _, err = os.Stat("/usr/sbin/nginx"); err != nil {
			t.Skip("nginx is not installed: apt-get install nginx-light")
		}
		nginx = "/usr/sbin/nginx"
	}
	for _, c := range importedAndReal {
		t.Run(c.name, func(t *testing.T) {
			real, own := realNginx(t, nginx, c.conf), importedEdge(t, c.conf)
			for _, line := range c.requests {
				want, how := askFor(t, real, line)
				got, ownHow := askFor(t, own, line)
				// nginx says nothing of methods that are not cached, nor where a
				// location's add_header stands in place of those around it.
				if got != want || how != "" && ownHow != how {
					t.Errorf("%s\n got %s %s\nwant %s %s", line, ownHow, got, how, want)
				}
			}
		})
	}
}

// confFor writes a configuration for a folder, an address and an origin.
func confFor(t *testing.T, conf, addr string) (dir, name string) {
	t.Helper()
	origin := httptest.NewServer(numbering())
	t.Cleanup(origin.Close)
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "files", "data", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("DIR", dir, "ADDR", addr, "ORIGIN", origin.Listener.Addr().String()).Replace(fmt.Sprintf(nginxFrame, conf))
	if os.Getuid() == 0 { // its workers read and write below a folder of ours
		text = "user root;\n" + text
	}
	data := filepath.Join(dir, "files", "data")
	for path, text := range map[string]string{name: text, data + "/f.txt": "a file\n", data + "/e.txt": "a file\n", data + "/sub/f.txt": "below\n",
		dir + "/users": "bob:$2a$04$w7IJMA7c23qccEs3JBxRXeXNkuW42DfItub9.8IXHHYBB3l3uXm2S\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, name
}

// realNginx starts nginx and returns where it listens.
func realNginx(t *testing.T, nginx, conf string) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	dir, name := confFor(t, conf, addr)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-e", "stderr", "-c", name)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	var end error // once ended is closed
	go func() {
		end = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		select {
		case <-ended:
			t.Fatalf("nginx: %v\n%s", end, said.String())
		default:
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return addr
		}
	}
	t.Fatal("nginx does not listen")
	return ""
}

// importedEdge imports the configuration, serves what came of it and returns
// where.
func importedEdge(t *testing.T, conf string) string {
	t.Helper()
	_, name := confFor(t, conf, "127.0.0.1:1")
	out := t.TempDir()
	if code, _, stderr := run(t, nil, "import", name, "--out", out); code != 0 && !strings.Contains(stderr, "not carried over") {
		t.Fatalf("import: code %d, %s", code, stderr)
	}
	writeDocument(t, out, "opencache:nodeConfig:test", `{"network": {"admin": "127.0.0.1:0"}, "cache": {"memory": "16M"}}`)
	p := begin(t, nil, "edge", "--config", out, "--pop", "test", "--listen", "127.0.0.1:0")
	return strings.TrimPrefix(p.listen, "http://")
}

// askFor sends a request and returns what both must answer alike, and what is
// said of the cache. Where the line says later it is asked until what is stored
// is no longer fresh.
func askFor(t *testing.T, addr, line string) (text, how string) {
	t.Helper()
	line, later := strings.CutPrefix(line, "later ")
	words := strings.Split(line, "|")
	method, target, ok := strings.Cut(words[0], " ")
	if !ok {
		method, target = "GET", method
	}
	host, path, _ := strings.Cut(target, "/")
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for _, field := range words[1:] {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		text, how = answered(t, r, addr)
		if !later || how != "HIT" || time.Now().After(end) {
			return text, how
		}
	}
}

func answered(t *testing.T, r *http.Request, addr string) (text, how string) {
	t.Helper()
	resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	at := resp.Header.Get("Location")
	_, port, _ := net.SplitHostPort(addr)
	for _, own := range []string{r.Host, r.Host + ":" + port} { // nginx's are absolute
		if path, ok := strings.CutPrefix(at, "http://"+own+"/"); ok {
			at = "/" + path
		}
	}
	text = string(body)
	if strings.Contains(text, "<html>") || resp.StatusCode >= 300 && !strings.Contains(text, "number") {
		text = "words of the server's own"
	}
	told := []string{r.Method, fmt.Sprint(resp.StatusCode), at, resp.Header.Get("Content-Range"), text}
	if s := resp.StatusCode; s == 401 || s == 403 || s == 405 { // nginx leaves it to caches whether they keep a refusal
		resp.Header.Del("Cache-Control")
	}
	for _, name := range []string{"X-At", "X-Say", "X-Powered-By", "Cache-Control", "Set-Cookie"} {
		told = append(told, name+": "+strings.Join(resp.Header[http.CanonicalHeaderKey(name)], ", "))
	}
	return strings.Join(told, " | "), resp.Header.Get("X-Cache-Status")
}
