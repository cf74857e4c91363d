package config

// Log is the access log.
type Log struct {
	// Path is a file, or - for standard output. Default none.
	Path string `json:"path,omitzero" is:"path"`
	// Format is json (default) or combined.
	Format string `json:"format,omitzero" is:"one of json combined" default:"json"`
	// Text is what a line is in place of a format: text with the log's fields as
	// variables, like $remote_addr $status.
	Text string `json:"text,omitzero"`
	// If is a condition: where it does not hold, a request is not logged, in
	// Loki neither. It may speak of the answer, like $status.
	If string `json:"if,omitzero" is:"log condition"`
	// Sample is the share of these that are logged, drawn by lot. Default 1.
	Sample *float64 `json:"sample,omitzero" is:"0..1" default:"1"`
}

// Loki is where the access log is pushed to.
type Loki struct {
	// URL is where to, with the path.
	URL string `json:"url" is:"url"`
	// User is for basic authentication.
	User string `json:"user,omitzero"`
	// Password goes with User.
	Password *Secret `json:"password,omitzero"`
	// Tenant is sent as X-Scope-OrgID.
	Tenant string `json:"tenant,omitzero" is:"field value"`
	// Batch is how much is pushed together, 128K at least. Default 1M.
	Batch *Size `json:"batch,omitzero" is:"positive" default:"1M"`
	// Wait is how long a line waits for others. Default 1s.
	Wait *Duration `json:"wait,omitzero" is:"positive" default:"1s"`
	// Queue is what may wait while Loki is away, two batches at least; then lines
	// are dropped. Default 8M.
	Queue *Size `json:"queue,omitzero" is:"positive" default:"8M"`
	// Gzip compresses what is pushed.
	Gzip bool `json:"gzip,omitzero"`
	// Streams is how many countries have a stream of their own; all others have
	// one together. Default 100.
	Streams *int `json:"streams,omitzero" is:"1..676" default:"100"`
}

// Tracing is what becomes of traces (W3C Trace Context).
type Tracing struct {
	// Propagate passes a client's traceparent and tracestate on, whatever
	// passThroughRequest says. With an endpoint it is so in any case.
	Propagate bool `json:"propagate,omitzero"`
	// Endpoint is where spans are sent, by OTLP over HTTP in JSON, with the path.
	Endpoint string `json:"endpoint,omitzero" is:"url"`
	// Sample is the share of requests without a trace that begin one; those
	// that come with one are as it says. Default 0.
	Sample *float64 `json:"sample,omitzero" is:"0..1" default:"0"`
	// Queue is what may wait while the collector is away; then spans are
	// dropped. Default 4M.
	Queue *Size `json:"queue,omitzero" is:"positive" default:"4M"`
	// Wait is how long a span waits for others. Default 5s.
	Wait *Duration `json:"wait,omitzero" is:"positive" default:"5s"`
	// Gzip compresses what is sent.
	Gzip bool `json:"gzip,omitzero"`
}
