package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"opencache/internal/listen"
)

// listenOptions are those of the socket that clients connect to.
type listenOptions struct {
	MaxConnsPerAddress int  `group:"Limits" placeholder:"N" help:"Client connections from one IPv4 address or IPv6 /64 at a time; one more is closed (default any number)."`
	ListenBacklog      int  `group:"Listening" placeholder:"N" help:"Connections that wait to be accepted (default as many as the system allows)."`
	DeferAccept        bool `group:"Listening" help:"Have the kernel hold connections back until their request comes, for up to --head-timeout."`
	ReusePort          bool `group:"Listening" help:"Let other processes of this user listen on the same port; the kernel spreads connections."`
	NotsentLowat       size `group:"Listening" placeholder:"SIZE" help:"Bytes of an answer that wait in a connection's socket unsent (default as many as its buffer holds)."`
}

// check refuses what cannot work.
func (o *listenOptions) check() error {
	const most = 1 << 30
	switch {
	case o.MaxConnsPerAddress < 0:
		return fmt.Errorf("--max-conns-per-address: %d: expected 0 (any number) or more", o.MaxConnsPerAddress)
	case o.ListenBacklog < 0 || o.ListenBacklog > most:
		return fmt.Errorf("--listen-backlog: %d: expected 0 (the system's) to %d", o.ListenBacklog, most)
	case o.NotsentLowat < 0 || o.NotsentLowat > most:
		return fmt.Errorf("--notsent-lowat: %s: expected 0 (none) to 1G", o.NotsentLowat)
	}
	return nil
}

// socket returns what they mean to a socket; a connection is held back for
// patience at most.
func (o *listenOptions) socket(patience time.Duration) listen.Options {
	s := listen.Options{ReusePort: o.ReusePort, NotSentLowat: int(o.NotsentLowat), Backlog: o.ListenBacklog}
	if o.DeferAccept {
		s.DeferAccept = patience
	}
	return s
}

// tlsOptions are the files to speak TLS with.
type tlsOptions struct {
	Cert string `name:"tls-cert" group:"TLS" placeholder:"FILE" help:"Speak HTTPS with this certificate and chain (PEM). SIGHUP reads it anew."`
	Key  string `name:"tls-key" group:"TLS" placeholder:"FILE" help:"The key to --tls-cert (PEM)."`
}

// load returns the keys that the flags name; nil when they name none.
func (o *tlsOptions) load(log *slog.Logger) (*listen.KeyPair, error) {
	switch {
	case o.Cert == "" && o.Key == "":
		return nil, nil
	case o.Key == "":
		return nil, errors.New("--tls-key is missing: expected the file with the key to --tls-cert")
	case o.Cert == "":
		return nil, errors.New("--tls-cert is missing: expected the file with the certificate for --tls-key")
	}
	keys := &listen.KeyPair{CertFile: o.Cert, KeyFile: o.Key}
	if err := keys.Load(); err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	tellCertificate(keys, log)
	return keys, nil
}

// tellCertificate logs which certificate is in use from now on.
func tellCertificate(keys *listen.KeyPair, log *slog.Logger) {
	leaf := keys.Leaf()
	level, words := slog.LevelInfo, "certificate"
	if keys.Expired(time.Now()) {
		level, words = slog.LevelWarn, "certificate that clients will refuse: it is not valid now"
	}
	log.Log(context.Background(), level, words, "file", keys.CertFile, "names", leaf.DNSNames, "addresses", leaf.IPAddresses,
		"from", leaf.NotBefore.UTC().Format(time.RFC3339), "until", leaf.NotAfter.UTC().Format(time.RFC3339))
}

// secured returns l with TLS when there are keys.
func secured(l net.Listener, keys *listen.KeyPair) net.Listener {
	if keys == nil {
		return l
	}
	return listen.Secure(l, keys.Config("http/1.1"))
}
