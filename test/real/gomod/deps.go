// Package gomod has many dependencies, for gomod.sh to download. Nothing in it
// is ever called; it is a module of its own so that they stay out of the
// project's.
package gomod

import (
	_ "github.com/alecthomas/kong"
	_ "github.com/alecthomas/mango-kong"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/quic-go/quic-go/http3"
	_ "go.etcd.io/etcd/client/v3"
	_ "go.uber.org/goleak"
	_ "golang.org/x/net/http2"
	_ "golang.org/x/tools/go/packages"
)
