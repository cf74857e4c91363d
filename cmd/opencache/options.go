package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"opencache/internal/engine"
	"opencache/internal/store"
)

// serveOptions are what a cache in front of an origin is made of; serve and
// demo share them. Defaults are in the tags, so that --help shows them.
type serveOptions struct {
	Origin     originURL `placeholder:"URL" help:"Where answers come from: http[s]://host[:port][/base]."`
	Memory     size      `default:"256M" placeholder:"SIZE" help:"Memory for stored responses; K, M, G, T are powers of 1024; 0 is none, with --disk (default ${default})."`
	MeanObject size      `default:"2K" placeholder:"SIZE" help:"Mean size of stored responses, heads included: the index of the memory is made for it and takes about 80 bytes for each that fits. When they are smaller, memory lies idle (default ${default})."`
	Via        string    `default:"opencache" placeholder:"NAME" help:"This cache's name in Via, Cache-Status and Proxy-Status (default ${default})."`
	CDNID      string    `name:"cdn-id" placeholder:"ID" help:"This deployment's id in CDN-Loop, the same for all its caches: a host name or a pseudonym (default one made at random at each start)."`
	MaxConns   int       `default:"16384" placeholder:"N" help:"Client connections open at a time; one more is answered 503 (default ${default})."`

	SiteShare siteSizes `group:"Caching" placeholder:"[SITE=]SIZE" help:"What a site may have of the store before what is asked for often of it is kept no longer than the rest; for each site, or for one host with --preserve-host (default none). Repeatable; one a line in the environment."`
	SiteLimit siteSizes `group:"Caching" placeholder:"[SITE=]SIZE" help:"What a site may have of the store at all: at it, its newcomers take the place of its own (default none). Repeatable, as --site-share."`

	MaxBody size `placeholder:"SIZE" help:"Largest content of a request; more is answered 413 (default any: it is streamed)."`

	PreserveHost       bool          `group:"Caching" help:"Send the origin the client's Host instead of its own."`
	DefaultTTL         ttlRules      `name:"default-ttl" group:"Caching" placeholder:"[REGEX=]DURATION" help:"Freshness of 200 answers that carry none, for all paths or those that match; the first that matches counts. Repeatable; one a line in the environment."`
	Passthrough        patterns      `group:"Caching" placeholder:"REGEX" help:"Paths that are never cached. Repeatable; one a line in the environment."`
	EarlyHints         bool          `group:"Caching" help:"Send 103 with the preload links of a stored answer while the origin validates it."`
	Compress           bool          `group:"Caching" help:"Compress answers of text for clients that take zstd, br or gzip, and store each coding once."`
	PassHead           bool          `group:"Caching" help:"Send the origin a HEAD as it came; otherwise as a GET, whose answer is stored."`
	NoSortQuery        bool          `group:"Caching" help:"Keep the order of query parameters in the cache key."`
	ColdRange          string        `default:"segments" enum:"segments,whole" placeholder:"HOW" group:"Caching" help:"What a range of an object that is not stored asks the origin for: the segments of up to 2 MiB that have it, or the whole (default ${default})."`
	ReadAhead          size          `default:"8M" placeholder:"SIZE" group:"Caching" help:"How far a large object is fetched ahead of a client that reads on; 0 is not at all (default ${default})."`
	PassRange          bool          `group:"Caching" help:"Send the origin a request for one range as it is, and keep the part that comes; it goes before --cold-range."`
	NoHeuristics       bool          `group:"Caching" help:"Give no freshness to answers that carry none; otherwise those with a Last-Modified are fresh for a tenth of their age, at most a day."`
	NoCookies          bool          `name:"no-store-set-cookie" group:"Caching" help:"Store no answers with Set-Cookie; otherwise those are whose freshness the origin itself gives."`
	Targeted           fieldNames    `name:"targeted-field" group:"Caching" placeholder:"NAME" help:"Response field that decides on caching in place of Cache-Control and Expires (RFC 9213), the most applicable first; none is to heed none (default CDN-Cache-Control). Repeatable; one a line in the environment."`
	TagFields          tagFields     `name:"tag-field" group:"Caching" placeholder:"NAME" help:"Response field that tags what is stored, for purges by tag; none is to heed none but Cache-Groups (default Surrogate-Key, Cache-Tag, Edge-Cache-Tag, xkey). Repeatable; one a line in the environment."`
	PassTags           bool          `name:"pass-tags" group:"Caching" help:"Leave these fields in answers, for caches in front of this one; otherwise no client sees them."`
	StaleIfError       time.Duration `default:"24h" group:"Caching" help:"How long past its freshness an answer may stand in for an origin that fails, when nothing forbids it; 0s is not at all (default ${default})."`
	IgnoreNoVarySearch bool          `name:"ignore-no-vary-search" group:"Caching" help:"Have answers answer for their own URL alone, whatever their No-Vary-Search says of query parameters."`
	MaxVariants        int           `default:"64" group:"Caching" placeholder:"N" help:"Stored answers of one URL that Vary keeps apart; beyond it the oldest falls (default ${default})."`
	MinUses            int           `default:"1" group:"Caching" placeholder:"N" help:"Requests for a URL before its answer is stored, 1 to 15; the first ones are handed through (default ${default})."`
	MaxQuery           size          `default:"64K" group:"Caching" placeholder:"SIZE" help:"Longest content of a QUERY that is cached; longer ones are handed through, and with 0 all are (default ${default})."`
	LockTimeout        time.Duration `default:"15s" group:"Caching" help:"How long a request waits for another one's fetch before it asks the origin itself (default ${default})."`
	LockAge            time.Duration `default:"5s" group:"Caching" help:"How long a fetch may make no progress before another is started (default ${default})."`

	HeadTimeout       time.Duration `default:"10s" group:"Limits" help:"For a client to send a request's head (default ${default})."`
	IdleTimeout       time.Duration `default:"75s" group:"Limits" help:"Of a client connection without a request (default ${default})."`
	BodyTimeout       time.Duration `default:"60s" group:"Limits" help:"Between two reads of a request's content (default ${default})."`
	MinRate           size          `default:"240" group:"Limits" placeholder:"SIZE" help:"What a client must send or take a second, once it was waited for longer than 10s; 0 is any (default ${default})."`
	WriteTimeout      time.Duration `default:"60s" group:"Limits" help:"For a client to take some of an answer (default ${default})."`
	OriginDialTimeout time.Duration `default:"5s" group:"Limits" help:"To connect to the origin (default ${default})."`
	OriginHeadTimeout time.Duration `default:"60s" group:"Limits" help:"For the origin to send an answer's head (default ${default})."`
	OriginBodyTimeout time.Duration `default:"60s" group:"Limits" help:"For the origin to send more of an answer (default ${default})."`
	OriginMaxConns    int           `default:"1024" group:"Limits" placeholder:"N" help:"Connections to the origin at a time (default ${default})."`
	OriginMaxQueue    int           `default:"4096" group:"Limits" placeholder:"N" help:"Requests that wait for one of them; one more is answered 503 (default ${default})."`

	OriginQueueTimeout time.Duration `default:"10s" group:"Limits" help:"How long a request waits for one before it is answered 503 (default ${default})."`
	Grace              time.Duration `default:"30s" group:"Limits" help:"For answers under way when stopping (default ${default})."`

	diskOptions `embed:""`
	Socket      listenOptions `embed:""`

	Admin          string `group:"Operation" placeholder:"ADDR" help:"Address of the administration interface, or off (default ${adminDefault}, or none when that is taken)."`
	AdminTokenFile string `group:"Operation" placeholder:"FILE" help:"File with the token that administration asks of clients that are not on this machine."`
	RequestID      string `name:"request-id" default:"new" enum:"new,keep,off" placeholder:"HOW" group:"Operation" help:"X-Request-ID of answers and towards the origin: new for each request, keep the client's when it has a fit one, off leaves the field alone (default ${default})."`
	ServerTiming   bool   `group:"Operation" help:"Tell clients in Server-Timing how long cache and origin took."`
	TellKey        bool   `name:"cache-status-key" group:"Operation" help:"Tell clients the cache key in Cache-Status."`
	TellTier       bool   `name:"cache-status-tier" group:"Operation" help:"Tell clients in Cache-Status whether an answer came from memory or from disk."`
	TellNextHop    bool   `name:"proxy-status-next-hop" group:"Operation" help:"Name the origin's address in Proxy-Status of answers that came of a failure."`
	AccessLog      string `group:"Operation" placeholder:"FILE" help:"File for a line of JSON per request; - is standard output (default none). SIGUSR1 reopens it."`
	LogLevel       string `default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" group:"Operation" help:"Least level to log: debug, info, warn, error (default ${default})."`
	LogFormat      string `default:"text" enum:"text,json" placeholder:"FORM" group:"Operation" help:"Form of the log on standard error: text, json (default ${default})."`

	token string // what AdminTokenFile holds

	// What tests put in place of the machine; nil and false: the machine.
	now    func() time.Time
	random func() uint64
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	heap   bool   // stored responses on the Go heap
	boot   string // names the run of the machine
}

// randomCDNID is a pseudonym with enough entropy that nobody has the same (RFC
// 8586, 2).
func randomCDNID() string { return fmt.Sprintf("oc-%016x%016x", rand.Uint64(), rand.Uint64()) }

// adminDefault is where administration listens when nothing is said.
const adminDefault = "127.0.0.1:9180"

// check refuses what cannot work, and reads the token.
func (o *serveOptions) check() error {
	for name, d := range map[string]time.Duration{
		"lock-timeout": o.LockTimeout, "lock-age": o.LockAge, "head-timeout": o.HeadTimeout,
		"idle-timeout": o.IdleTimeout, "body-timeout": o.BodyTimeout, "write-timeout": o.WriteTimeout,
		"origin-dial-timeout": o.OriginDialTimeout, "origin-head-timeout": o.OriginHeadTimeout,
		"origin-body-timeout": o.OriginBodyTimeout, "grace": o.Grace, "origin-queue-timeout": o.OriginQueueTimeout,
		"disk-timeout": o.DiskTimeout,
	} {
		if d <= 0 {
			return fmt.Errorf("--%s: %s: expected more than nothing, like 30s", name, d)
		}
	}
	switch {
	case o.StaleIfError < 0:
		return fmt.Errorf("--stale-if-error: %s: expected 0s or more", o.StaleIfError)
	case o.MeanObject != 0 && o.MeanObject < smallestMean:
		return fmt.Errorf("--mean-object: %s: expected at least %s", o.MeanObject, smallestMean)
	case o.MinUses < 1 || o.MinUses > store.MaxUses:
		return fmt.Errorf("--min-uses: %d: expected 1 to %d", o.MinUses, store.MaxUses)
	case o.MaxVariants < 1 || o.MaxVariants > 4096:
		return fmt.Errorf("--max-variants: %d: expected 1 to 4096", o.MaxVariants)
	case o.MaxConns < 1:
		return fmt.Errorf("--max-conns: %d: expected 1 or more", o.MaxConns)
	case o.OriginMaxConns < 1:
		return fmt.Errorf("--origin-max-conns: %d: expected 1 or more", o.OriginMaxConns)
	case o.OriginMaxQueue < 0:
		return fmt.Errorf("--origin-max-queue: %d: expected 0 or more", o.OriginMaxQueue)
	case !isToken(o.Via):
		return fmt.Errorf("--via: %q: expected a name of letters, digits and -._", o.Via)
	case o.CDNID != "" && !engine.ValidCDNID(o.CDNID):
		return fmt.Errorf("--cdn-id: %q: expected a host name, with or without a port, or a token", o.CDNID)
	}
	if err := o.checkStore(); err != nil {
		return err
	}
	if err := o.Socket.check(); err != nil {
		return err
	}
	if err := o.checkSites(); err != nil {
		return err
	}
	if o.AdminTokenFile != "" {
		text, err := os.ReadFile(o.AdminTokenFile)
		if err != nil {
			return fmt.Errorf("--admin-token-file: %w", err)
		}
		o.token = strings.TrimSpace(string(text))
		if len(o.token) < 16 {
			return fmt.Errorf("--admin-token-file: %s: a token of %d bytes: expected at least 16", o.AdminTokenFile, len(o.token))
		}
	}
	if o.token == "" && o.Admin != "" && o.Admin != "off" && !loopbackAddr(o.Admin) {
		return errors.New("--admin: other machines reach " + o.Admin + ": expected an address of this machine alone, or --admin-token-file")
	}
	return nil
}

// isToken reports whether s can stand in Via and Cache-Status as it is.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
	}) && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
}

// loopbackAddr reports whether only this machine reaches a listener on addr.
func loopbackAddr(addr string) bool {
	if strings.HasPrefix(addr, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return true // not an address at all: listening will say so
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// targets are the targeted fields that are heeded.
func (o *serveOptions) targets() []string {
	switch {
	case len(o.Targeted) == 0:
		return []string{"CDN-Cache-Control"}
	case o.Targeted[0] == "none":
		return nil
	}
	return o.Targeted
}
