package kvs

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestEtcdLong: documents that are longer than a message together are read in
// shorter pages, and no more of them than may be.
func TestEtcdLong(t *testing.T) {
	c, host := startEtcd(t)
	const documents = 300
	for i := range documents {
		putKey(t, c, fmt.Sprintf("prod/oc:%03d", i), strings.Repeat("x", 1000))
	}
	at, prefix, err := parseEtcd("etcd://" + host + "/prod")
	must(t, err)
	e := &etcd{name: "etcd", at: at, prefix: prefix + "/", o: Options{Prefix: "oc:"}.withDefaults(), message: 100_000}
	set, err := Read(context.Background(), e)
	if err != nil || len(set.Documents) != documents {
		t.Errorf("got %d documents, %v; want %d", len(set.Documents), err, documents)
	}
	e.o.MaxBytes = 100_000
	f := follower{etcd: e, client: c, docs: map[string]Document{}, faults: map[string]Fault{}}
	if err := f.snapshot(context.Background()); err == nil || !strings.Contains(err.Error(), "more than 100000 bytes together") {
		t.Errorf("got %v of too many bytes", err)
	}
}

// A deaf etcd has keys, and nobody can follow it: what stands in front of it
// ends each watch.
type deafEtcd struct {
	pb.UnimplementedKVServer
	pb.UnimplementedWatchServer
}

func (*deafEtcd) Range(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: 7}}, nil
}

func (*deafEtcd) Watch(pb.Watch_WatchServer) error {
	return status.Error(codes.PermissionDenied, "no")
}

// TestEtcdDeaf: an etcd that answers and cannot be followed is asked for all
// more and more seldom.
func TestEtcdDeaf(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := grpc.NewServer()
	pb.RegisterKVServer(server, &deafEtcd{})
	pb.RegisterWatchServer(server, &deafEtcd{})
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	source, err := Open("etcd://"+l.Addr().String()+"/prod", Options{})
	must(t, err)
	p := patience{least: time.Second, most: time.Minute, random: func() float64 { return 0.5 }, next: 8 * time.Second}
	told := 0
	err = source.(*etcd).session(context.Background(), nil, func(Set, error) { told++ }, &p)
	if err == nil || told != 1 || p.wait() != 16*time.Second {
		t.Errorf("got %v, told %d times, then %s; want 16s", err, told, p.next)
	}
}
