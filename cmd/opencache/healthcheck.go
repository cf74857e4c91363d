package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthcheckCmd is opencache healthcheck, for HEALTHCHECK of a container.
type healthcheckCmd struct {
	URL     string        `arg:"" optional:"" placeholder:"URL" help:"What must answer 200 (default /readyz of --admin)."`
	Admin   string        `default:"${adminDefault}" placeholder:"ADDR" help:"Address of the administration interface (default ${default})."`
	Timeout time.Duration `default:"3s" help:"For the answer (default ${default})."`
}

// Run asks once.
func (c *healthcheckCmd) Run() error {
	if c.Timeout <= 0 {
		return usageError{fmt.Errorf("healthcheck: --timeout %s: expected more than nothing, like 3s", c.Timeout)}
	}
	if c.URL != "" && !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
		return usageError{fmt.Errorf("healthcheck: %q: expected a URL, like http://127.0.0.1:8080/health", c.URL)}
	}
	url, client := c.URL, &http.Client{Timeout: c.Timeout}
	if url == "" {
		switch path, unix := strings.CutPrefix(c.Admin, "unix:"); {
		case c.Admin == "off":
			return usageError{fmt.Errorf("healthcheck: administration is off: expected a URL, like http://127.0.0.1:8080/health")}
		case unix:
			url = "http://localhost/readyz"
			client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}}
		default:
			url = "http://" + c.Admin + "/readyz"
		}
	}
	resp, err := client.Get(url)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("healthcheck: %s: %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
