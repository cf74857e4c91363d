package kvs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An etcd is documents under a prefix of an etcd's keys. What is there is read
// at one revision, then etcd tells of each change behind it; when it no longer
// remembers them, or is away for a while, all is read again.
type etcd struct {
	name   string // without secrets
	at     etcdAddress
	prefix string // of keys in etcd, with the slash
	o      Options

	message int // the longest that etcd sends
}

const (
	// etcdPage is how many keys one request reads.
	etcdPage = 1000
	// etcdShort takes its place where the documents of a page are longer than
	// etcdMessage together: so many of the longest that etcd takes are not.
	etcdShort = 64
	// etcdMessage bounds what etcd sends at once.
	etcdMessage = 128 << 20
	// gather is how long more changes are waited for before they are told.
	gather = 20 * time.Millisecond
)

func newEtcd(name string, o Options) (*etcd, error) {
	at, prefix, err := parseEtcd(name)
	if err != nil {
		return nil, err
	}
	return &etcd{name: "etcd://" + at.user() + strings.Join(at.hosts, ",") + "/" + prefix, at: at, prefix: prefix + "/", o: o, message: etcdMessage}, nil
}

func (e *etcd) String() string { return e.name }

// Watch is part of Source.
func (e *etcd) Watch(ctx context.Context, again <-chan struct{}, tell func(Set, error)) {
	p := patience{least: time.Second / 4, most: 30 * time.Second, random: e.o.Random}
	for ctx.Err() == nil {
		err := e.session(ctx, again, tell, &p)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			tell(Set{}, err)
			pause(ctx, again, p.wait())
		}
	}
}

// session reads all and follows the changes. It returns nil when all is to be
// read again at once, else why etcd can not be followed.
func (e *etcd) session(ctx context.Context, again <-chan struct{}, tell func(Set, error), p *patience) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := e.config(ctx)
	if err != nil {
		return err
	}
	client, err := clientv3.New(config)
	if err != nil {
		return e.plain(err)
	}
	defer client.Close()
	f := follower{etcd: e, client: client, docs: map[string]Document{}, faults: map[string]Fault{}, tell: tell}
	if err := f.snapshot(ctx); err != nil {
		return e.plain(e.reason(ctx, config.TLS, err))
	}
	if err := f.told(); err != nil {
		return err
	}
	begun := time.Now()
	err = f.follow(ctx, again)
	if err == nil || time.Since(begun) > p.most {
		p.reset() // else all is read more and more seldom: it is there, and can not be followed
	}
	return e.plain(err)
}

// config is how a client is made; secrets are read for each anew.
func (e *etcd) config(ctx context.Context) (clientv3.Config, error) {
	c := clientv3.Config{
		Context: ctx, DialTimeout: e.o.Timeout, DialKeepAliveTime: e.o.Net, DialKeepAliveTimeout: e.o.Timeout,
		MaxCallRecvMsgSize: e.message, Username: e.at.name, Logger: zap.NewNop(),
	}
	scheme := "http://"
	var err error
	if c.TLS, err = e.at.tls(); err != nil {
		return c, err
	}
	if c.TLS != nil {
		scheme = "https://"
	}
	if e.at.server != "" { // gRPC has the certificate be for this, and does not ask the tls.Config
		c.DialOptions = []grpc.DialOption{grpc.WithAuthority(e.at.server)}
	}
	for _, h := range e.at.hosts {
		c.Endpoints = append(c.Endpoints, scheme+h)
	}
	if c.Password, err = e.at.password.Read(); err != nil {
		return c, err
	}
	return c, nil
}

// reason adds to an error that came of waiting why there is no connection: the
// client tries again and again, and does not say.
func (e *etcd) reason(ctx context.Context, secure *tls.Config, err error) error {
	if secure == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.o.Timeout)
	defer cancel()
	own := secure.Clone()
	own.NextProtos = []string{"h2"}
	c, failure := (&tls.Dialer{Config: own}).DialContext(ctx, "tcp", e.at.hosts[0])
	if failure == nil {
		// Who asks for a client's certificate says behind the handshake whether
		// he takes it; HTTP/2 begins with a frame of the server's.
		deadline, _ := ctx.Deadline()
		_ = c.SetReadDeadline(deadline)
		_, failure = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	var late net.Error
	if failure == nil || errors.As(failure, &late) && late.Timeout() {
		return err
	}
	return fmt.Errorf("%w: %w", err, failure)
}

// plain names the source in an error.
func (e *etcd) plain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", e.name, err)
}

// A follower is what is known of etcd's keys, through one client.
type follower struct {
	*etcd
	client   *clientv3.Client
	docs     map[string]Document // by key
	faults   map[string]Fault
	revision int64 // as of which they are known
	tell     func(Set, error)
	away     bool // an error was told last
}

// snapshot reads all keys as they were at one revision.
func (f *follower) snapshot(ctx context.Context) error {
	from, end := f.prefix+f.o.Prefix, clientv3.GetPrefixRangeEnd(f.prefix+f.o.Prefix)
	limit, bytes := int64(etcdPage), 0
	for {
		r, err := f.get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(limit), clientv3.WithRev(f.revision))
		if status.Code(err) == codes.ResourceExhausted && limit > etcdShort {
			limit = etcdShort
			continue
		}
		if err != nil {
			return err
		}
		f.revision = r.Header.Revision
		if len(f.docs)+len(r.Kvs) > f.o.MaxDocuments {
			return fmt.Errorf("more than %d documents", f.o.MaxDocuments)
		}
		for _, kv := range r.Kvs {
			f.put(kv)
			bytes += len(f.docs[strings.TrimPrefix(string(kv.Key), f.prefix)].Text)
		}
		if bytes > f.o.MaxBytes {
			return fmt.Errorf("documents of more than %d bytes together", f.o.MaxBytes)
		}
		if !r.More || len(r.Kvs) == 0 {
			return nil
		}
		from = string(r.Kvs[len(r.Kvs)-1].Key) + "\x00"
	}
}

func (f *follower) get(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	return f.client.Get(ctx, key, options...)
}

// put notes what a key holds now.
func (f *follower) put(kv *mvccpb.KeyValue) {
	key := strings.TrimPrefix(string(kv.Key), f.prefix)
	d := Document{Key: key, Text: kv.Value, Revision: strconv.FormatInt(kv.ModRevision, 10), Where: f.name + "/" + key}
	delete(f.docs, key)
	delete(f.faults, key)
	if len(d.Text) > f.o.MaxDocument {
		f.faults[key] = Fault{key, d.Where, f.o.tooLong(int64(len(d.Text)))}
		return
	}
	f.docs[key] = d
}

// told tells what is known.
func (f *follower) told() error {
	set, err := assemble(slices.Collect(maps.Values(f.docs)), slices.Collect(maps.Values(f.faults)), &f.o)
	if err != nil {
		return err
	}
	f.away = false
	f.tell(set, nil)
	return nil
}

// follow tells of changes until something ends that; nil when all is to be
// read again.
func (f *follower) follow(ctx context.Context, again <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	begun := make(chan clientv3.WatchChan, 1)
	go func() {
		defer close(begun)
		// It returns when etcd has agreed. A member that lost its leader says
		// so rather than to fall silent.
		begun <- f.client.Watch(clientv3.WithRequireLeader(ctx), f.prefix+f.o.Prefix, clientv3.WithPrefix(), clientv3.WithRev(f.revision+1))
	}()
	defer func() {
		cancel()
		for range begun { // until it has returned
		}
	}()
	pending, changes := begun, clientv3.WatchChan(nil)
	net := time.NewTicker(f.o.Net)
	defer net.Stop()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			return nil
		case <-due:
			due = nil
			if err := f.told(); err != nil {
				return err
			}
		case <-net.C:
			if err := f.ping(ctx); err != nil {
				return err
			}
		case changes = <-pending:
			pending = nil
		case r, ok := <-changes:
			switch {
			case !ok:
				return errors.New("the watch ended")
			case errors.Is(r.Err(), rpctypes.ErrCompacted):
				return nil
			case r.Err() != nil:
				return r.Err()
			}
			if f.apply(r.Events) && due == nil {
				due = time.After(gather)
			}
		}
	}
}

// apply reports whether the events changed anything.
func (f *follower) apply(events []*clientv3.Event) bool {
	for _, e := range events {
		if e.Type == clientv3.EventTypePut {
			f.put(e.Kv)
			continue
		}
		key := strings.TrimPrefix(string(e.Kv.Key), f.prefix)
		delete(f.docs, key)
		delete(f.faults, key)
	}
	return len(events) > 0
}

// ping asks whether etcd is there, which a watch alone does not tell. One that
// comes back is told of; the watch goes on where it was by itself. An error
// is one that only a new client may mend.
func (f *follower) ping(ctx context.Context) error {
	_, err := f.get(ctx, f.prefix+f.o.Prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if errors.Is(err, rpctypes.ErrUserEmpty) || errors.Is(err, rpctypes.ErrPermissionDenied) || errors.Is(err, rpctypes.ErrInvalidAuthToken) {
		return err // with another secret, which is read anew
	}
	was := f.away
	f.away = err != nil && ctx.Err() == nil
	switch {
	case f.away:
		f.tell(Set{}, f.plain(err))
	case was:
		return f.told()
	}
	return nil
}
