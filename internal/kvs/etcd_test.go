package kvs

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startEtcd runs an etcd of one member in this process and returns a client
// and its address.
func startEtcd(t *testing.T) (*clientv3.Client, string) {
	t.Helper()
	client := freeURL(t)
	runEtcd(t, client, func(*embed.Config) {})
	cl, err := clientv3.New(clientv3.Config{Endpoints: []string{client.String()}, Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(func() { _ = cl.Close() })
	return cl, client.Host
}

// runEtcd runs an etcd whose clients come to a URL.
func runEtcd(t *testing.T, client url.URL, set func(*embed.Config)) {
	t.Helper()
	c := embed.NewConfig()
	c.Dir, c.ZapLoggerBuilder, c.UnsafeNoFsync = t.TempDir(), embed.NewZapLoggerBuilder(zap.NewNop()), true
	c.TickMs, c.ElectionMs = 20, 200
	peer := freeURL(t)
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	set(c)
	e, err := embed.StartEtcd(c)
	must(t, err)
	t.Cleanup(e.Close)
	select {
	case <-e.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		t.Fatal("etcd is not ready")
	}
}

// freeURL is an address that was free a moment ago.
func freeURL(t *testing.T) url.URL {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}
}

func putKey(t *testing.T, c *clientv3.Client, key, text string) {
	t.Helper()
	_, err := c.Put(context.Background(), key, text)
	must(t, err)
}

func TestEtcd(t *testing.T) {
	c, host := startEtcd(t)
	t.Run("tells", func(t *testing.T) {
		putKey(t, c, "prod/oc:a", "1")
		putKey(t, c, "prod/other", "?")
		putKey(t, c, "prodoc:a", "?")
		putKey(t, c, "prod/oc:long", strings.Repeat("x", 11))
		s, err := Open("etcd://"+host+"/prod", Options{Prefix: "oc:", MaxDocument: 10})
		must(t, err)
		again := make(chan struct{})
		told := follow(t, s, again)
		n := await(t, told, "oc:a=1 !oc:long")
		if d := n.set.Documents[0]; d.Revision == "" || d.Where != "etcd://"+host+"/prod/oc:a" {
			t.Errorf("got revision %q, where %q", d.Revision, d.Where)
		}
		putKey(t, c, "prod/oc:b", "2")
		await(t, told, "oc:a=1 oc:b=2 !oc:long")
		_, err = c.Delete(context.Background(), "prod/oc:long")
		must(t, err)
		await(t, told, "oc:a=1 oc:b=2")
		_, err = c.Txn(context.Background()).Then(clientv3.OpPut("prod/oc:a", "3"), clientv3.OpDelete("prod/oc:b")).Commit()
		must(t, err)
		await(t, told, "oc:a=3")
		again <- struct{}{}
		await(t, told, "oc:a=3")
	})
	t.Run("many", func(t *testing.T) { manyKeys(t, c, host) })
	t.Run("away", func(t *testing.T) { etcdAway(t, c, host) })
	t.Run("users", func(t *testing.T) { etcdUsers(t, c, host) })
}

// manyKeys are more than one request reads.
func manyKeys(t *testing.T, c *clientv3.Client, host string) {
	const n = 2*etcdPage + 1
	for i := 0; i < n; {
		var ops []clientv3.Op
		for ; i < n && len(ops) < 128; i++ {
			ops = append(ops, clientv3.OpPut("many/"+strings.Repeat("k", i%7)+string(rune(0x4e00+i)), "1"))
		}
		_, err := c.Txn(context.Background()).Then(ops...).Commit()
		must(t, err)
	}
	s, err := Open("etcd://"+host+"/many", Options{})
	must(t, err)
	set, err := Read(context.Background(), s)
	if err != nil || len(set.Documents) != n {
		t.Errorf("got %d documents, %v, want %d", len(set.Documents), err, n)
	}
	s, err = Open("etcd://"+host+"/many", Options{MaxDocuments: n - 1})
	must(t, err)
	if _, err := Read(context.Background(), s); err == nil || !strings.Contains(err.Error(), "more than 2000 documents") {
		t.Errorf("too many: got %v", err)
	}
}

// etcdAway cuts the connection. What changes meanwhile is told when etcd is
// back, also when it no longer remembers the changes.
func etcdAway(t *testing.T, c *clientv3.Client, host string) {
	line := newLine(t, host)
	putKey(t, c, "cut/a", "1")
	s, err := Open("etcd://"+line.addr+"/cut", Options{Net: 20 * time.Millisecond, Timeout: 200 * time.Millisecond})
	must(t, err)
	told := follow(t, s, nil)
	await(t, told, "a=1")
	for i, compact := range []bool{false, true} {
		line.cut()
		if err := awaitError(t, told); !strings.Contains(err.Error(), s.String()) {
			t.Errorf("an error that does not name its source: %v", err)
		}
		text := string(rune('2' + i))
		putKey(t, c, "cut/b", "passing")
		r, err := c.Delete(context.Background(), "cut/b")
		must(t, err)
		putKey(t, c, "cut/a", text)
		if compact {
			_, err := c.Compact(context.Background(), r.Header.Revision, clientv3.WithCompactPhysical())
			must(t, err)
		}
		line.mend()
		await(t, told, "a="+text)
	}
}

// etcdUsers asks with the right password, a wrong one and none.
func etcdUsers(t *testing.T, c *clientv3.Client, host string) {
	ctx := context.Background()
	putKey(t, c, "own/a", "1")
	do := func(err error) { t.Helper(); must(t, err) }
	_, err := c.RoleAdd(ctx, "root")
	do(err)
	for _, user := range []string{"root", "edge"} {
		_, err = c.UserAdd(ctx, user, "swordfish")
		do(err)
		_, err = c.RoleAdd(ctx, user+"-role")
		do(err)
	}
	_, err = c.UserGrantRole(ctx, "root", "root")
	do(err)
	_, err = c.RoleGrantPermission(ctx, "edge-role", "own/", "own0", clientv3.PermissionType(clientv3.PermRead))
	do(err)
	_, err = c.UserGrantRole(ctx, "edge", "edge-role")
	do(err)
	_, err = c.AuthEnable(ctx)
	do(err)
	t.Setenv("KVS_RIGHT", "swordfish")
	t.Setenv("KVS_WRONG", "hunter2")
	for query, want := range map[string]string{
		"?user=edge&password-env=KVS_RIGHT": "",
		"?user=edge&password-env=KVS_WRONG": "authentication failed",
		"?user=edge&password-env=KVS_UNSET": "the environment has no KVS_UNSET",
		"":                                  "user name is empty",
	} {
		s, err := Open("etcd://"+host+"/own"+query, Options{})
		do(err)
		set, err := Read(ctx, s)
		switch {
		case want == "" && (err != nil || say(set.Documents, nil) != "a=1"):
			t.Errorf("%q: got %q, %v", query, say(set.Documents, nil), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", query, err, want)
		case err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "swordfish")):
			t.Errorf("%q: a secret shows: %v", query, err)
		}
	}
}

func TestEtcdFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/no.pem", "no certificate")
	for query, want := range map[string]string{
		"?ca=" + dir + "/none.pem":                                "no such file",
		"?ca=" + dir + "/no.pem":                                  "no certificate in PEM",
		"?cert=" + dir + "/no.pem&key=" + dir + "/no.pem":         "etcd: tls:",
		"?user=edge&password-file=" + dir + "/none":               "no such file",
		"?tls&server-name=x&user=edge&password-env=KVS_NOT_THERE": "KVS_NOT_THERE",
	} {
		s, err := Open("etcd://127.0.0.1:1/p"+query, Options{})
		must(t, err)
		if _, err := Read(context.Background(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", query, err, want)
		}
	}
}

// A line is a connection to a server that can be cut.
type line struct {
	addr string
	to   string
	done sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	l     net.Listener
	conns []net.Conn
}

func newLine(t *testing.T, to string) *line {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	n := &line{addr: l.Addr().String(), to: to}
	n.run(l)
	t.Cleanup(n.cut)
	return n
}

func (n *line) run(l net.Listener) {
	n.l = l
	n.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", n.to)
			if err != nil {
				_ = c.Close()
				continue
			}
			n.mu.Lock()
			n.conns = append(n.conns, c, up)
			n.mu.Unlock()
			for _, way := range [][2]net.Conn{{c, up}, {up, c}} {
				n.done.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_ = way[0].Close()
				})
			}
		}
	})
}

func (n *line) cut() {
	n.mu.Lock()
	_ = n.l.Close()
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
	n.mu.Unlock()
	n.done.Wait()
}

func (n *line) mend() {
	for {
		l, err := net.Listen("tcp", n.addr)
		if err == nil {
			n.run(l)
			return
		}
	}
}
