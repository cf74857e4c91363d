package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/origin"
)

// The keys of the documents that flags make.
const (
	flagSite = "serve"
	siteKey  = "opencache:edgeResource:" + flagSite
	nodeKey  = "opencache:nodeConfigDefaults"
)

// documents are what the flags say, as documents: a site that answers for every
// host, and the node.
func (o *serveOptions) documents() (map[string][]byte, error) {
	site, err := o.site()
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for key, doc := range map[string]any{siteKey: site, nodeKey: o.node()} {
		if texts[key], err = json.MarshalIndent(doc, "", "  "); err != nil {
			return nil, fmt.Errorf("document %s: %w", key, err)
		}
	}
	return texts, nil
}

// print writes the documents.
func (o *serveOptions) print(w io.Writer) error {
	texts, err := o.documents()
	for _, key := range []string{nodeKey, siteKey} {
		if err == nil {
			_, err = fmt.Fprintf(w, "// %s\n%s\n", key, texts[key])
		}
	}
	return err
}

// snapshot is what the documents say with all defaults.
func (o *serveOptions) snapshot() (config.Snapshot, error) {
	texts, err := o.documents()
	if err != nil {
		return config.Snapshot{}, err
	}
	shot := new(config.Set).Load(texts)
	for _, f := range shot.Faults {
		err = errors.Join(err, errors.New(f.String()))
	}
	return shot, err
}

// site is the flags' site.
func (o *serveOptions) site() (*config.Site, error) {
	up, err := origin.Parse(string(o.Origin))
	if err != nil {
		return nil, usageError{err}
	}
	off, query := false, &config.QueryNormalization{Enabled: true, SortParams: true, KeepDuplicateOrder: true}
	key, host := literal(up.Scheme+"://"+up.Host+up.Base), "$upstream_host"
	if o.PreserveHost {
		key, host = "$scheme://$host", "$http_host"
	}
	if o.NoSortQuery {
		query, key = &config.QueryNormalization{}, key+"$request_uri"
	} else {
		key += "$normalized_request_uri"
	}
	stale := &config.Stale{Enabled: &off}
	if o.StaleIfError > 0 {
		on, most := true, config.Duration(o.StaleIfError)
		stale = &config.Stale{Enabled: &on, ErrorMaxAge: &most,
			Conditions: []string{"error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504"}}
	}
	s := &config.Site{
		ID: flagSite, Hostnames: []string{"_"}, ZonesAutoManaged: &off, SpeculationRules: "pass",
		Upstreams: []config.Upstream{{
			Name: "origin", Servers: []config.Server{{URL: string(o.Origin)}}, HostHeader: host,
			ConnectTimeout: lasting(o.OriginDialTimeout), HeadTimeout: lasting(o.OriginHeadTimeout), BodyTimeout: lasting(o.OriginBodyTimeout),
			MaxConns: counted(o.OriginMaxConns), MaxQueue: &o.OriginMaxQueue, QueueTimeout: lasting(o.OriginQueueTimeout),
		}},
		Cache: config.SiteCache{
			Zones: []config.CacheZone{o.cacheZone()},
			Global: config.CacheGlobal{
				Key: key, QueryNormalization: query, PassThroughRequest: []string{"*"}, Stale: stale, Heuristics: !o.NoHeuristics, Guard: &off,
				Semantics: o.semantics(),
			},
		},
	}
	if o.Compress {
		s.Compression = &config.Compression{}
	}
	s.Cache.Rules = o.rules()
	return s, nil
}

// literal is text as an expression.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// lasting is a time as documents have it; 0: none is said.
func lasting(d time.Duration) *config.Duration {
	if d == 0 {
		return nil
	}
	return (*config.Duration)(&d)
}

// counted is a number as documents have it; 0: none is said.
func counted(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func bytesOf(n size) *config.Size { return (*config.Size)(&n) }

// semantics are the flags that concern what the RFCs leave to a cache.
func (o *serveOptions) semantics() config.Semantics {
	return config.Semantics{
		TargetedFields: listed(o.targets()), TagFields: o.TagFields.names(), PassTags: o.PassTags,
		EarlyHints: o.EarlyHints, PassHead: o.PassHead, PassRange: o.PassRange, ColdRange: o.ColdRange, ReadAhead: bytesOf(o.ReadAhead),
		NoStoreSetCookie: o.NoCookies, IgnoreNoVarySearch: o.IgnoreNoVarySearch, MaxVariants: counted(o.MaxVariants), MaxQuery: bytesOf(o.MaxQuery),
		StoreForValidation: true,
	}
}

// listed is a list in which none says so, and does not mean the default.
func listed(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// cacheZone is the flags' one zone: each host has an account of its own in it.
func (o *serveOptions) cacheZone() config.CacheZone {
	z := config.CacheZone{Name: zoneName, Hosts: &config.ZoneHosts{}}
	switch {
	case len(o.Disk) > 0 && o.Memory > 0:
		z.Storage = "both"
	case len(o.Disk) > 0:
		z.Storage = "disk"
	}
	z.Hosts.Share, z.Hosts.Limit = o.SiteShare.config(""), o.SiteLimit.config("")
	for _, sizes := range []siteSizes{o.SiteShare, o.SiteLimit} {
		for _, one := range sizes {
			if one.site == "" {
				continue
			}
			if z.Hosts.Named == nil {
				z.Hosts.Named = map[string]config.HostShare{}
			}
			z.Hosts.Named[one.site] = config.HostShare{Share: o.SiteShare.config(one.site), Limit: o.SiteLimit.config(one.site)}
		}
	}
	return z
}

// rules are the flags' rules: paths that are never cached, then freshness by
// path, then the rest.
func (o *serveOptions) rules() []config.CacheRule {
	off := false
	uses := max(o.MinUses, 1)
	cache := config.RuleCache{MinUses: &uses, LockTimeout: lasting(o.LockTimeout), LockAge: lasting(o.LockAge)}
	var rules []config.CacheRule
	for i, p := range o.Passthrough {
		rules = append(rules, config.CacheRule{ID: fmt.Sprintf("passthrough-%d", i+1), Priority: 2,
			Match: config.RuleMatch{TargetPattern: p.String()}, Cache: config.RuleCache{Enabled: &off}})
	}
	for i, t := range o.DefaultTTL {
		r := config.CacheRule{ID: fmt.Sprintf("default-ttl-%d", i+1), Priority: 1, Cache: cache}
		r.Cache.ValidResponses = map[string]config.TTL{"200": {For: config.Duration(t.TTL)}}
		if t.TTL == 0 {
			r.Cache.ValidResponses = nil
		}
		if t.Path != nil {
			r.Match.TargetPattern = t.Path.String()
		}
		rules = append(rules, r)
	}
	return append(rules, config.CacheRule{ID: "rest", Cache: cache})
}

// node is the flags' node.
func (o *serveOptions) node() *config.Node {
	n := &config.Node{
		Network: config.Network{
			Via: o.Via, CDNID: o.CDNID, Admin: o.Admin, MaxConns: counted(o.MaxConns), MaxConnsPerAddress: counted(o.Socket.MaxConnsPerAddress),
			HeadTimeout: lasting(o.HeadTimeout), IdleTimeout: lasting(o.IdleTimeout), BodyTimeout: lasting(o.BodyTimeout),
			WriteTimeout: lasting(o.WriteTimeout), MinRate: bytesOf(o.MinRate), UpstreamFields: "forwarded",
		},
		Monitoring: config.Monitoring{
			Log: config.Log{Path: o.AccessLog}, ClientFields: new(bool), ServerTiming: o.ServerTiming, RequestID: o.RequestID,
			CacheStatusKey: o.TellKey, CacheStatusTier: o.TellTier, ProxyStatusNextHop: o.TellNextHop,
		},
		Availability: config.Availability{Drain: lasting(o.Grace)},
	}
	if o.MaxBody > 0 {
		n.Network.MaxBody = bytesOf(o.MaxBody)
	}
	if o.AdminTokenFile != "" {
		n.Network.AdminToken = &config.Secret{File: o.AdminTokenFile}
	}
	if o.MeanObject > 0 {
		n.Cache.MeanObject = bytesOf(o.MeanObject)
	}
	if len(o.Disk) == 0 {
		n.Cache.Memory = bytesOf(o.Memory)
		return n
	}
	v := config.Volume{Name: zoneName, Memory: bytesOf(o.Memory), Timeout: lasting(o.DiskTimeout), SweepRate: bytesOf(o.DiskSweep), Verify: "first"}
	if o.DiskMean > 0 {
		v.MeanObject = bytesOf(o.DiskMean)
	}
	if o.DiskVerify == "always" {
		v.Verify = o.DiskVerify
	}
	for _, d := range o.Disk {
		dir := config.VolumeDir{Path: d.Dir, Size: config.Size(d.Size)}
		if d.low > 0 {
			dir.Low = bytesOf(d.low)
		}
		v.Dirs = append(v.Dirs, dir)
	}
	n.Cache.Memory, n.Cache.Volumes = new(config.Size), []config.Volume{v}
	return n
}
