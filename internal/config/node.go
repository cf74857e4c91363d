package config

// A Node is what holds for a machine whatever its sites say. Documents
// opencache:nodeConfigDefaults and opencache:nodeConfig:<POP_ID>.
type Node struct {
	Cache           NodeCache        `json:"cache,omitzero"`
	Network         Network          `json:"network,omitzero"`
	Monitoring      Monitoring       `json:"monitoring,omitzero"`
	Availability    Availability     `json:"availability,omitzero"`
	Filters         Filters          `json:"filters,omitzero"`
	Retries         Retries          `json:"retries,omitzero"`
	ACME            *ACME            `json:"acme,omitempty"`
	CacheTierPolicy *CacheTierPolicy `json:"cacheTierPolicy,omitempty"`
}

// A NodeCache is where a node stores.
type NodeCache struct {
	// Memory is for all zones in memory together; default MEMORY_CACHE_SIZE of
	// the environment, or 256M.
	Memory *Size `json:"memory,omitempty"`
	// MeanObject is the mean size of stored responses. Default 2K in memory.
	MeanObject *Size `json:"meanObject,omitempty"`
	// Volumes are the disks.
	Volumes []Volume `json:"volumes,omitempty"`
	// ZoneOverrides change zones of these names on this node: what is said replaces.
	ZoneOverrides map[string]ZoneOverride `json:"zoneOverrides,omitempty"`
}

// A Volume is a disk, or several that are used as one.
type Volume struct {
	Name string `json:"name"`
	// Dirs are its folders; keys are striped over several.
	Dirs []VolumeDir `json:"dirs"`
	// Memory is kept over it for zones of storage both. Default 64M when there is one.
	Memory *Size `json:"memory,omitempty"`
	// MeanObject is default 16K.
	MeanObject *Size `json:"meanObject,omitempty"`
	// Verify is first (default: a block is compared with its checksum when it
	// is first read) or always.
	Verify string `json:"verify,omitempty"`
	// Timeout is how long a read may take. Default 1s.
	Timeout *Duration `json:"timeout,omitempty"`
}

// A VolumeDir is a folder of a Volume.
type VolumeDir struct {
	Path string `json:"path"`
	Size Size   `json:"size"`
}

// A ZoneOverride changes a zone on one node.
type ZoneOverride struct {
	Storage  string    `json:"storage,omitempty"`
	MaxSize  *Size     `json:"maxSize,omitempty"`
	Inactive *Duration `json:"inactive,omitempty"`
	Volumes  []string  `json:"volumes,omitempty"`
}

// Network is how a node is reached.
type Network struct {
	// Listeners are where clients come. Default 127.0.0.1:8080.
	Listeners []Listener `json:"listeners,omitempty"`
	// Admin is the address of administration, or off. Default 127.0.0.1:9180.
	Admin string `json:"admin,omitempty"`
	// AdminToken is what others than this machine must bear there.
	AdminToken *Secret `json:"adminToken,omitempty"`
	// TrustedProxies are networks whose X-Forwarded-For names the client.
	TrustedProxies []string `json:"trustedProxies,omitempty"`
	// MaxConns is how many clients' connections are open. Default 16384.
	MaxConns *int `json:"maxConns,omitempty"`
	// MaxConnsPerAddress is default 0: any.
	MaxConnsPerAddress *int `json:"maxConnsPerAddress,omitempty"`
	// HeadTimeout is for a request's head. Default 10s.
	HeadTimeout *Duration `json:"headTimeout,omitempty"`
	// IdleTimeout is of a connection without a request. Default 75s.
	IdleTimeout *Duration `json:"idleTimeout,omitempty"`
	// BodyTimeout is between two reads of a request's content. Default 60s.
	BodyTimeout *Duration `json:"bodyTimeout,omitempty"`
	// WriteTimeout is for a client to take some of an answer. Default 60s.
	WriteTimeout *Duration `json:"writeTimeout,omitempty"`
	// MinRate is what a client must send or take a second. Default 240.
	MinRate *Size `json:"minRate,omitempty"`
	// MaxBody is a request's largest content. Default any.
	MaxBody *Size `json:"maxBody,omitempty"`
}

// A Listener is an address for clients.
type Listener struct {
	// Address is host:port or unix:/path.
	Address string `json:"address"`
}

// A Secret is where a secret is read, never the secret.
type Secret struct {
	File string `json:"file,omitempty"`
	Env  string `json:"env,omitempty"`
}

// Monitoring is what a node tells.
type Monitoring struct {
	Log  Log   `json:"log,omitzero"`
	Loki *Loki `json:"loki,omitempty"`
	// MetricsAllow are networks that may read /oc-cgi/metrics beside this machine.
	MetricsAllow []string `json:"metricsAllow,omitempty"`
	// ServerTiming tells clients how long cache and origin took.
	ServerTiming bool `json:"serverTiming,omitempty"`
	// CacheStatusKey and CacheStatusTier tell key and tier in Cache-Status.
	CacheStatusKey  bool `json:"cacheStatusKey,omitempty"`
	CacheStatusTier bool `json:"cacheStatusTier,omitempty"`
	// RequestID is new (default), keep or off.
	RequestID string `json:"requestId,omitempty"`
}

// Log is the access log.
type Log struct {
	// Path is a file, or - for standard output. Default none.
	Path string `json:"path,omitempty"`
	// Format is json (default).
	Format string `json:"format,omitempty"`
}

// Loki is where the access log is pushed to.
type Loki struct {
	URL      string  `json:"url"`
	User     string  `json:"user,omitempty"`
	Password *Secret `json:"password,omitempty"`
}

// Availability is when a node says that it is not to be asked.
type Availability struct {
	Probes []Probe `json:"probes,omitempty"`
	// EjectRatio is the share of failed volumes at which it is not ready; 0: never.
	EjectRatio *float64 `json:"ejectRatio,omitempty"`
	// Drain is how long answers under way have when stopping. Default 30s.
	Drain *Duration `json:"drain,omitempty"`
}

// A Probe is what is asked now and then to know that all is well.
type Probe struct {
	URL      string    `json:"url"`
	Interval *Duration `json:"interval,omitempty"`
}

// Filters are who is refused.
type Filters struct {
	Deny Deny `json:"deny,omitzero"`
}

// Deny is who is answered 403: whoever any of it names.
type Deny struct {
	CIDRs     []string `json:"cidrs,omitempty"`
	Countries []string `json:"countries,omitempty"`
	ASNs      []uint32 `json:"asns,omitempty"`
	// UserAgents are regular expressions, whatever the case.
	UserAgents []string `json:"userAgents,omitempty"`
}

// Retries are a node's defaults for going around failing upstreams.
type Retries struct {
	// Budget is the share of requests of the last 10 s that may be tried again. Default 0.2.
	Budget *float64 `json:"budget,omitempty"`
	ProxySettings
}

// ACME is how certificates are got.
type ACME struct {
	Email     string `json:"email"`
	Directory string `json:"directory,omitempty"`
}
