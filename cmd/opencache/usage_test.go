package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What cannot work ends in one line on standard error that says what was
// found and what is expected, with exit code 2.
func TestUsage(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	used := taken.Addr().String()
	_, port, _ := net.SplitHostPort(used)
	short := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(short, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const origin = "--origin=http://127.0.0.1:1"
	for _, c := range []struct{ env, args, want string }{
		{"", "", `expected one of "serve", "edge"`},
		{"", "srve", `unexpected argument srve, did you mean "serve"?`},
		{"", "serve --memry 1G", `unknown flag --memry, did you mean "--memory"?`},
		{"", "serve", `--origin is missing: expected http[s]://host[:port][/base]`},
		{"", "serve --origin ftp://x", `--origin: origin "ftp://x": scheme "ftp"; expected http[s]://host[:port][/path]`},
		{"", "serve --origin example.org", `--origin: origin "example.org": no scheme; expected`},
		{"OPENCACHE_ORIGIN=http://", "serve", `--origin: origin "http://": no host; expected`},
		{"", "serve --memory 12Q " + origin, `--memory: "12Q" is no size: expected a number with K, M, G or T (powers of 1024), like 256M`},
		{"OPENCACHE_MEMORY=-1", "serve " + origin, `--memory: "-1" is no size: expected a number with K, M, G or T`},
		{"", "serve --memory 1M " + origin, `--memory: 1048576 bytes: expected at least 8M`},
		{"", "serve --memory 4000T " + origin, `--memory: 4000T: expected less than the `},
		{"", "serve --memory 0 " + origin, `--memory: 0 and no --disk: expected one of them, or at least 8M of memory`},
		{"", "serve --memory 8M --disk /nowhere=1G " + origin, `--memory: 8M over a disk of 256M or more: expected at least 16M, or 0 for none`},
		{"", "serve --disk /var/cache " + origin, `--disk: "/var/cache": expected DIR=SIZE, like /var/cache/opencache=100G`},
		{"", "serve --disk /var/cache=12Q " + origin, `--disk: "12Q" is no size: expected a number with K, M, G or T`},
		{"", "serve --disk /a=1G --disk /a/=2G " + origin, `--disk: /a/: named twice: expected each folder once`},
		{"", "serve --listen 127.0.0.1:0 --admin off --disk /nowhere/at/all=64M " + origin, `--disk: disk volume: mkdir /nowhere/at/all: no such file or directory`},
		{"", "serve --listen 127.0.0.1:0 --admin off --disk " + short + "=64M " + origin, `not a directory`},
		{"", "serve --listen 127.0.0.1:0 --admin off --disk " + filepath.Dir(short) + "=1M " + origin, `=1M: expected at least 8M`},
		{"", "serve --listen 127.0.0.1:0 --admin off --disk " + filepath.Dir(short) + "=7T " + origin, `--disk, --disk-mean-object: indexes and buffers of `},
		{"", "serve --listen 127.0.0.1:0 --admin off --disk-mean-object 1M --disk " + filepath.Dir(short) + "=7T " + origin, `no space left on device`},
		{"", "serve --disk-mean-object 10 " + origin, `--disk-mean-object: 10: expected at least 64`},
		{"", "serve --disk-verify never " + origin, `--disk-verify must be one of "start","always" but got "never"`},
		{"", "serve --disk-timeout 0s " + origin, `--disk-timeout: 0s: expected more than nothing, like 30s`},
		{"", "serve --default-ttl 30 " + origin, `--default-ttl: "30" has no unit: expected a duration like 30s, 30m or 30h`},
		{"", "serve --default-ttl (=1h " + origin, `--default-ttl: error parsing regexp: missing closing )`},
		{"", "serve --default-ttl soon " + origin, `--default-ttl: "soon" is no duration: expected [REGEX=]DURATION`},
		{"", "serve --passthrough a{2,1} " + origin, `--passthrough: error parsing regexp: invalid repeat count`},
		{"", "serve --grace 10 " + origin, `--grace: expected duration but got "10"`},
		{"", "serve --grace 0s " + origin, `--grace: 0s: expected more than nothing, like 30s`},
		{"", "serve --log-level loud " + origin, `--log-level must be one of "debug","info","warn","error" but got "loud"`},
		{"", "serve --min-uses 0 " + origin, `--min-uses: 0: expected 1 to 15`},
		{"", "serve --min-uses 16 " + origin, `--min-uses: 16: expected 1 to 15`},
		{"", "serve --mean-object 10 " + origin, `--mean-object: 10: expected at least 64`},
		{"", "simulate --generate zipf --policies opencache+disk", `--policies: opencache+disk without --disk: expected the size of one`},
		{"", "simulate --generate zipf --disk 1", `--disk: 1: expected at least 8M`},
		{"", "simulate --generate zipf --disk 1G --sizes 4M,64M", `--sizes: 4M over a disk of 256M or more: expected at least 16M`},
		{"", "simulate --generate zipf:requests=10 --warmup 10 --sizes 4M", `--warmup: 10 of 10 requests: expected less`},
		{"", "simulate --generate zipf --mean-object 10", `--mean-object: 10: expected at least 64`},
		{"", "serve --max-conns 0 " + origin, `--max-conns: 0: expected 1 or more`},
		{"", "serve --max-variants 5000 " + origin, `--max-variants: 5000: expected 1 to 4096`},
		{"", "serve --via a,b " + origin, `--via: "a,b": expected a name of letters, digits and -._`},
		{"", "serve --targeted-field a:b " + origin, `--targeted-field: "a:b" is no field name: expected one like CDN-Cache-Control, or none`},
		{"", "serve --targeted-field X-Control --targeted-field none " + origin, `--targeted-field: none beside others: expected it alone`},
		{"", "serve --targeted-field none --targeted-field X-Control " + origin, `--targeted-field: none beside others: expected it alone`},
		{"", "serve --targeted-field cache-control " + origin, `--targeted-field: cache-control: expected a field that stands in for it, or none`},
		{"", "serve --port 99999 " + origin, `--port: `},
		{"", "serve --stale-if-error -1s " + origin, `--stale-if-error`},
		{"", "serve --origin http://127.0.0.1:1/a/../b", `dot segments`},
		{"", "healthcheck garbage", `expected a URL`},
		{"", "serve --listen 8080 " + origin, `listen "8080": expected host:port or unix:/path`},
		{"", "serve --port " + port + " " + origin, `listen ` + used + `: another process listens there already`},
		{"", "serve --listen 127.0.0.1:0 --admin " + used + " " + origin, `--admin: listen ` + used + `: another process listens there already`},
		{"", "serve --admin 0.0.0.0:0 " + origin, `--admin: other machines reach 0.0.0.0:0: expected an address of this machine alone, or --admin-token-file`},
		{"", "serve --admin-token-file /nowhere/token " + origin, `--admin-token-file: open /nowhere/token: no such file or directory`},
		{"", "serve --admin-token-file " + short + " " + origin, `a token of 6 bytes: expected at least 16`},
		{"", "serve --listen 127.0.0.1:0 --admin off --access-log /nowhere/log " + origin, `access log: open /nowhere/log: no such file or directory`},
		{"", "serve --max-conns-per-address=-1 " + origin, `--max-conns-per-address: -1: expected 0 (any number) or more`},
		{"", "serve --listen-backlog=-1 " + origin, `--listen-backlog: -1: expected 0 (the system's) to 1073741824`},
		{"", "serve --notsent-lowat 2G " + origin, `--notsent-lowat: 2G: expected 0 (none) to 1G`},
		{"", "serve --tls-cert /nowhere/cert " + origin, `--tls-key is missing: expected the file with the key to --tls-cert`},
		{"", "serve --tls-key /nowhere/key " + origin, `--tls-cert is missing: expected the file with the certificate for --tls-key`},
		{"", "serve --tls-cert /nowhere/cert --tls-key /nowhere/key " + origin, `--tls-cert, --tls-key: certificate: open /nowhere/cert: no such file or directory`},
		{"", "serve --tls-cert " + short + " --tls-key " + short + " " + origin, `tls: failed to find any PEM data in certificate input`},
		{"", "demo --seconds=-1", `--seconds: -1: expected 0 or more`},
		{"", "check", `expected "<source> ..."`},
		{"", "check /nowhere/at/all", `stat /nowhere/at/all: no such file or directory`},
		{"", "check " + short, short + ": expected a file whose name is its document's key and .json or .jsonc"},
		{"", "check ftp://x", `ftp://: expected a folder, etcd://HOST/PREFIX or https://HOST`},
		{"", "schema fleet", `must be one of "site","node"`},
		{"", "volume check", `expected "<dir> ..."`},
		{"", "simulate", `--trace is missing: expected a file of requests, or --generate`},
		{"", "simulate --trace x --generate zipf", `--trace and --generate: expected one of them`},
		{"", "simulate --trace /nowhere/trace", `--trace: open /nowhere/trace: no such file or directory`},
		{"", "simulate --generate pareto", `--generate: generator "pareto": expected one of zipf, wonders, scan, shift, cdn`},
		{"", "simulate --generate zipf --sizes 4M,1M", `--sizes: 1M: expected at least 4M`},
		{"", "simulate --generate zipf --sizes 900T", `--sizes: 900T together, and each is memory: expected less than the `},
		{"", "simulate --generate zipf --policies arc", `--policies: "arc": expected some of lru, s3-fifo, w-tinylfu, opencache, opencache+disk`},
		{"OPENCACHE_ADMIN=off", "healthcheck", `healthcheck: administration is off: expected a URL`},
	} {
		var env []string
		if c.env != "" {
			env = append(env, c.env)
		}
		code, stdout, stderr := run(t, env, strings.Fields(c.args)...)
		if code != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "opencache: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("%s %q: got code %d, output %q, error %q; want 2 and one line with %q", c.env, c.args, code, stdout, stderr, c.want)
		}
	}
}

// What prints and ends.
func TestPrinting(t *testing.T) {
	for args, want := range map[string]string{
		"version":         "opencache " + version + " build ",
		"--version":       "opencache " + version + " build ",
		"version -o json": `{"version":"` + version + `"`,
		"man":             ".TH OPENCACHE 1",
		"completion bash": "complete ",
		"completion zsh":  "bashcompinit",
		"completion fish": "complete",
		"--help":          "Usage: opencache <command>",
		"serve --help":    "($OPENCACHE_DEFAULT_TTL)",
		"demo --help":     "--seconds",
		"simulate --help": "--generate",
		"volume --help":   "check",
		"check --help":    "--print",
		"schema --help":   "JSON Schema",
		"explain --help":  "--response-header",
		"diff --help":     "--urls",
	} {
		code, stdout, stderr := run(t, nil, strings.Fields(args)...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("%q: got code %d, output %.100q, error %q; want 0 and %q", args, code, stdout, stderr, want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "4096": 4096, "1K": 1 << 10, "64k": 64 << 10, "256M": 256 << 20, "1.5G": 3 << 29, "2T": 2 << 40,
		"2KiB": 2 << 10, "2KB": 2 << 10, "7B": 7, "2mib": 2 << 20,
	} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
		var again size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q: as text %q, which is %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "M", "1Q", "-1", "+1", "1e3", "0x10", "Inf", "NaN", "1 M", "1KK", "1.2.3", "9999999T", "1i", "1_000"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil && text != "1i" {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestTTLRules(t *testing.T) {
	var got ttlRules
	for _, text := range []string{`\.(zip|mod)$=24h`, "a=b=90s\n1h30m"} {
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	want := []struct {
		path string
		ttl  time.Duration
	}{{`\.(zip|mod)$`, 24 * time.Hour}, {"a=b", 90 * time.Second}, {"", 90 * time.Minute}}
	if len(got) != len(want) {
		t.Fatalf("got %d rules, want %d", len(got), len(want))
	}
	for i, w := range want {
		path := ""
		if got[i].Path != nil {
			path = got[i].Path.String()
		}
		if path != w.path || got[i].TTL != w.ttl {
			t.Errorf("rule %d: got %q %v, want %q %v", i, path, got[i].TTL, w.path, w.ttl)
		}
	}
	for _, text := range []string{"", "=1h", "x=", "24", "x=24", "-1h", "10ms", "(=1h"} {
		if _, err := parseTTLRule(text); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}

func TestMemoryHere(t *testing.T) {
	const meminfo = "/proc/meminfo"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing known":    {nil, 0},
		"machine":          {map[string]string{meminfo: "MemTotal:       4096 kB\nMemFree: 1 kB\n"}, 4 << 20},
		"container":        {map[string]string{meminfo: "MemTotal: 4096 kB\n", "/sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20},
		"no limit":         {map[string]string{meminfo: "MemTotal: 4096 kB\n", "/sys/fs/cgroup/memory.max": "max\n"}, 4 << 20},
		"no limit, old":    {map[string]string{meminfo: "MemTotal: 4096 kB\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 4 << 20},
		"only a container": {map[string]string{"/sys/fs/cgroup/memory.max": "1048576"}, 1 << 20},
	} {
		got := memoryHere(func(name string) ([]byte, error) {
			if text, ok := c.files[name]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

// The page has a line for each flag, none of which runs into another's.
func TestMan(t *testing.T) {
	code, page, stderr := run(t, nil, "man")
	if code != 0 || stderr != "" {
		t.Fatalf("got code %d, %q", code, stderr)
	}
	if strings.Contains(page, `\fPFor`) || untagged.MatchString(page) {
		t.Error("a line runs into the next, or a flag has no tag")
	}
	for _, want := range []string{".TP\n\\fB--access-log=FILE\\fP\n", ".SH ENVIRONMENT\n", ".SH EXIT STATUS\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in it", want)
		}
	}
}
