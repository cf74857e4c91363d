package config

// A Node is what holds for a machine whatever its sites say. Documents
// opencache:nodeConfigDefaults and opencache:nodeConfig:<POP_ID>.
type Node struct {
	// Cache is where the node stores.
	Cache NodeCache `json:"cache,omitzero"`
	// Network is how it is reached.
	Network Network `json:"network,omitzero"`
	// Monitoring is what it tells.
	Monitoring Monitoring `json:"monitoring,omitzero"`
	// Availability is when it is not to be asked.
	Availability Availability `json:"availability,omitzero"`
	// Filters are who is refused.
	Filters Filters `json:"filters,omitzero"`
	// Compression bounds what compressing costs.
	Compression NodeCompression `json:"compression,omitzero"`
	// Geo is which databases say where clients are.
	Geo Geo `json:"geo,omitzero"`
	// Retries are the defaults for going around failing upstreams.
	Retries Retries `json:"retries,omitzero"`
	// ACME is how certificates are got.
	ACME *ACME `json:"acme,omitzero"`
	// CacheTierPolicy is what the fleet's operator adds to every site.
	CacheTierPolicy *CacheTierPolicy `json:"cacheTierPolicy,omitzero"`
}

// A NodeCache is where a node stores.
type NodeCache struct {
	// Memory is for all zones in memory together; 0 is none, where there are
	// volumes. Default MEMORY_CACHE_SIZE of the environment, or 256M.
	Memory *Size `json:"memory,omitzero"`
	// MeanObject is the mean size of stored responses. Default 2K in memory.
	MeanObject *Size `json:"meanObject,omitzero" is:"positive" default:"2K"`
	// Volumes are the disks.
	Volumes []Volume `json:"volumes,omitzero"`
	// ZoneOverrides change zones of these names on this node: what is said replaces.
	ZoneOverrides map[string]ZoneOverride `json:"zoneOverrides,omitzero" is:"name"`
}

// A Volume is a disk, or several that are used as one.
type Volume struct {
	// Name is what zones call it.
	Name string `json:"name" is:"name"`
	// Dirs are its folders; keys are striped over several.
	Dirs []VolumeDir `json:"dirs"`
	// Memory is kept over it for zones of storage both. Default 64M when there is one.
	Memory *Size `json:"memory,omitzero" default:"64M"`
	// MeanObject is default 16K.
	MeanObject *Size `json:"meanObject,omitzero" is:"positive" default:"16K"`
	// Verify is first (default: a block is compared with its checksum when it
	// is first read) or always.
	Verify string `json:"verify,omitzero" is:"one of first always" default:"first"`
	// Timeout is how long a read may take. Default 1s.
	Timeout *Duration `json:"timeout,omitzero" is:"positive" default:"1s"`
	// SweepRate is how much of each folder is read a second to drop what was
	// purged by tag, prefix, pattern or site; 0: as much as it gives. Default 32M.
	SweepRate *Size `json:"sweepRate,omitzero" default:"32M"`
}

// A VolumeDir is a folder of a Volume.
type VolumeDir struct {
	// Path is a folder of its own, or of a file system of its own.
	Path string `json:"path" is:"path"`
	// Size is how much of it is used.
	Size Size `json:"size" is:"positive"`
	// Low is what stays of it when it is full and room is made. Default nearly all.
	Low *Size `json:"low,omitzero" is:"positive"`
}

// A ZoneOverride changes a zone on one node.
type ZoneOverride struct {
	// Storage is memory, disk or both.
	Storage string `json:"storage,omitzero" is:"one of memory disk both"`
	// MaxSize is what the zone may hold here.
	MaxSize *Size `json:"maxSize,omitzero" is:"positive"`
	// Inactive drops what was not asked for so long.
	Inactive *Duration `json:"inactive,omitzero" is:"positive"`
	// Volumes are the node's volumes that it lies on.
	Volumes []string `json:"volumes,omitzero" is:"name"`
}

// Network is how a node is reached.
type Network struct {
	// Listeners are where clients come. Default 127.0.0.1:8080.
	Listeners []Listener `json:"listeners,omitzero"`
	// Admin is the address of administration, or off. Default 127.0.0.1:9180.
	Admin string `json:"admin,omitzero" is:"address or off" default:"127.0.0.1:9180"`
	// AdminToken is what others than this machine must bear there.
	AdminToken *Secret `json:"adminToken,omitzero"`
	// TrustedProxies are networks whose word on who the client is counts: by
	// X-Forwarded-For, Forwarded without that, or the PROXY protocol.
	TrustedProxies []string `json:"trustedProxies,omitzero" is:"network"`
	// UpstreamFields are what upstreams are told of every request, whatever sites
	// say: all (default), forwarded (X-Forwarded-For and its like) or none.
	UpstreamFields string `json:"upstreamFields,omitzero" is:"one of all forwarded none" default:"all"`
	// Forwarded tells them in Forwarded (RFC 7239), too.
	Forwarded bool `json:"forwarded,omitzero"`
	// VisitorKey is what OC-Visitor is made with; nodes with the same key tell the
	// same visitors apart. Default one of the node's own.
	VisitorKey *Secret `json:"visitorKey,omitzero"`
	// MaxConns is how many clients' connections are open. Default 16384.
	MaxConns *int `json:"maxConns,omitzero" is:"1..10000000" default:"16384"`
	// MaxConnsPerAddress is default 0: any.
	MaxConnsPerAddress *int `json:"maxConnsPerAddress,omitzero" is:"0..10000000" default:"0"`
	// HeadTimeout is for a request's head. Default 10s.
	HeadTimeout *Duration `json:"headTimeout,omitzero" is:"positive" default:"10s"`
	// IdleTimeout is of a connection without a request. Default 75s.
	IdleTimeout *Duration `json:"idleTimeout,omitzero" is:"positive" default:"75s"`
	// BodyTimeout is between two reads of a request's content. Default 60s.
	BodyTimeout *Duration `json:"bodyTimeout,omitzero" is:"positive" default:"60s"`
	// WriteTimeout is for a client to take some of an answer. Default 60s.
	WriteTimeout *Duration `json:"writeTimeout,omitzero" is:"positive" default:"60s"`
	// MinRate is what a client must send or take a second. Default 240.
	MinRate *Size `json:"minRate,omitzero" default:"240"`
	// MaxBody is a request's largest content. Default any.
	MaxBody *Size `json:"maxBody,omitzero"`
	// Via is what the node calls itself in Via and Cache-Status.
	Via string `json:"via,omitzero" is:"token" default:"opencache"`
	// CDNID is what it calls itself in CDN-Loop (RFC 8586); nodes that ask each
	// other have different ones. Default random at start.
	CDNID string `json:"cdnId,omitzero" is:"token"`
	// MaxHops is how many caches a request may have been through, by CDN-Loop;
	// one from further is answered 508. Default 10.
	MaxHops *int `json:"maxHops,omitzero" is:"1..100" default:"10"`
}

// A Listener is an address for clients.
type Listener struct {
	// Address is host:port or unix:/path.
	Address string `json:"address" is:"address"`
	// ProxyProtocol says that trustedProxies begin connections here with a header
	// of the PROXY protocol, version 1 or 2, which says who the client is.
	ProxyProtocol bool `json:"proxyProtocol,omitzero"`
}

// A Secret is where a secret is read, never the secret.
type Secret struct {
	// File names a file that holds the secret and nothing else; blanks at its ends
	// do not count.
	File string `json:"file,omitzero" is:"path"`
	// Env names a variable of the environment.
	Env string `json:"env,omitzero" is:"variable"`
}

// Monitoring is what a node tells.
type Monitoring struct {
	// Log is the access log.
	Log Log `json:"log,omitzero"`
	// Loki is where the access log is pushed to.
	Loki *Loki `json:"loki,omitzero"`
	// Tracing is what becomes of traces. Default: they are not passed on.
	Tracing *Tracing `json:"tracing,omitzero"`
	// MetricsAllow are networks that may read /oc-cgi/metrics beside this machine.
	MetricsAllow []string `json:"metricsAllow,omitzero" is:"network"`
	// ClientFields tells every client which node answered and how long it took:
	// Pf-Cache-Timing, Pf-Served-By, PF-Pop and PF-Server. Default true.
	ClientFields *bool `json:"clientFields,omitzero" default:"true"`
	// MetricsSites is how many sites have a label of their own in metrics; the
	// others have one together. Default 100.
	MetricsSites *int `json:"metricsSites,omitzero" is:"0..10000" default:"100"`
	// ServerTiming tells it in Server-Timing, too, where browsers show it.
	ServerTiming bool `json:"serverTiming,omitzero"`
	// ServerSuffixes are endings of the node's name that clients do not see.
	ServerSuffixes []string `json:"serverSuffixes,omitzero" default:".pfsdns.com .ocs.p.foundation"`
	// CacheStatusKey tells the key in Cache-Status.
	CacheStatusKey bool `json:"cacheStatusKey,omitzero"`
	// CacheStatusTier tells there whether a hit came from memory or disk.
	CacheStatusTier bool `json:"cacheStatusTier,omitzero"`
	// RequestID is new (default), keep or off.
	RequestID string `json:"requestId,omitzero" is:"one of new keep off" default:"new"`
	// ProxyStatusNextHop tells in Proxy-Status which upstream was asked.
	ProxyStatusNextHop bool `json:"proxyStatusNextHop,omitzero"`
}

// Availability is when a node says that it is not to be asked.
type Availability struct {
	// Probes are what must answer for the node to be ready.
	Probes []Probe `json:"probes,omitzero"`
	// EjectRatio is the share of the volumes' folders that were given up, since
	// their disks fail, at which the node is not ready; 0: never.
	EjectRatio *float64 `json:"ejectRatio,omitzero" is:"0..1" default:"0"`
	// Drain is how long answers under way have when stopping. Default 30s.
	Drain *Duration `json:"drain,omitzero" default:"30s"`
}

// A Probe is what is asked now and then to know that all is well: an answer of
// a status from 200 to 299 is a good one. The first answer decides.
type Probe struct {
	// URL is what is asked.
	URL string `json:"url" is:"url"`
	// Interval is how often. Default 15s.
	Interval *Duration `json:"interval,omitzero" is:"positive" default:"15s"`
	// Timeout is for the head of the answer. Default 3s.
	Timeout *Duration `json:"timeout,omitzero" is:"positive" default:"3s"`
	// Rise is how many good answers in a row end a failure. Default 2.
	Rise *int `json:"rise,omitzero" is:"1..100" default:"2"`
	// Fall is how many bad answers in a row are one. Default 3.
	Fall *int `json:"fall,omitzero" is:"1..100" default:"3"`
}

// Filters are who is refused.
type Filters struct {
	// Deny is who is answered 403.
	Deny Deny `json:"deny,omitzero"`
}

// Deny is who is answered 403: whoever any of it names.
type Deny struct {
	// CIDRs are networks or addresses.
	CIDRs []string `json:"cidrs,omitzero" is:"network"`
	// Countries are two letters, like DE.
	Countries []string `json:"countries,omitzero" is:"country"`
	// ASNs are numbers of autonomous systems.
	ASNs []uint32 `json:"asns,omitzero"`
	// UserAgents are regular expressions, whatever the case.
	UserAgents []string `json:"userAgents,omitzero" is:"regexp"`
}

// Geo is which databases say where clients are: the variables $geoip_….
type Geo struct {
	// City is a MaxMind database of places: City, Country or Enterprise. What
	// there is none for is empty, and so it is while the file is missing. Default none.
	City string `json:"city,omitzero" is:"path"`
	// ASN is a MaxMind database of networks: ASN or ISP. Default none.
	ASN string `json:"asn,omitzero" is:"path"`
	// Language is the one of names; those without one in it are in English.
	Language string `json:"language,omitzero" is:"one of de en es fr ja pt-BR ru zh-CN" default:"en"`
	// Interval is how often the files are looked at, to be read again when they
	// have changed. Default 10s.
	Interval *Duration `json:"interval,omitzero" is:"positive" default:"10s"`
	// MaxSize is how large each file may be; it is read into memory. Default 512M.
	MaxSize *Size `json:"maxSize,omitzero" is:"positive" default:"512M"`
}

// Retries are a node's defaults for going around failing upstreams.
type Retries struct {
	// Budget is the share of a pool's requests of the last 10 s that may be tried
	// again, and 10 of them in any case; 0: none may. Default 0.2.
	Budget *float64 `json:"budget,omitzero" is:"0..1" default:"0.2"`
	ProxySettings
}

// ACME is how certificates are got.
type ACME struct {
	// Email is who the authority writes to.
	Email string `json:"email" is:"email"`
	// Directory is the authority's. Default Let's Encrypt's.
	Directory string `json:"directory,omitzero" is:"url"`
}
