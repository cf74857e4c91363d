package main

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"opencache/internal/config"
	"opencache/internal/kvs"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// openLogs opens what a node's document says of telling what happened.
func (s *stack) openLogs(o *stackOptions, log *slog.Logger) error {
	m := &o.shot.Node.Monitoring
	if m.Log.Path != "" {
		format, err := formatOf(&m.Log)
		if err == nil {
			s.access, err = telemetry.OpenLog(telemetry.LogOptions{Path: m.Log.Path, Format: format, Log: log})
		}
		if err != nil {
			return usageError{err}
		}
	}
	if m.Loki != nil {
		lo, err := lokiOptions(m.Loki)
		if err != nil {
			return usageError{fmt.Errorf("monitoring.loki.password: %w", err)}
		}
		lo.POP, lo.Node, lo.Log, lo.Carrier = o.pop, o.name, log, o.carrier
		s.loki = telemetry.StartLoki(lo)
	}
	if m.Tracing != nil && m.Tracing.Endpoint != "" {
		to := tracerOptions(m.Tracing)
		to.POP, to.Node, to.Version, to.Log, to.Carrier = o.pop, o.name, version, log, o.carrier
		s.tracer = telemetry.StartTracer(to)
	}
	return nil
}

// formatOf is how lines of the access log are written; nil: as JSON.
func formatOf(l *config.Log) (*telemetry.Format, error) {
	switch {
	case l.Text != "":
		return telemetry.ParseFormat(l.Text)
	case l.Format == "combined":
		return telemetry.ParseFormat(telemetry.Combined)
	}
	return nil, nil
}

// lokiOptions are what a document says of Loki.
func lokiOptions(l *config.Loki) (o telemetry.LokiOptions, err error) {
	o = telemetry.LokiOptions{
		URL: l.URL, User: l.User, Tenant: l.Tenant, Gzip: l.Gzip, Streams: numberIn(l.Streams), Wait: timeIn(l.Wait),
		Batch: int(sizeIn(l.Batch)), Queue: int(sizeIn(l.Queue)),
	}
	if l.Password != nil {
		o.Password, err = kvs.Secret{File: l.Password.File, Env: l.Password.Env}.Read()
	}
	return o, err
}

// tracerOptions are what a document says of spans.
func tracerOptions(t *config.Tracing) telemetry.TracerOptions {
	o := telemetry.TracerOptions{URL: t.Endpoint, Queue: int(sizeIn(t.Queue)), Wait: timeIn(t.Wait), Gzip: t.Gzip}
	if t.Sample != nil {
		o.Sample = *t.Sample
	}
	return o
}

// count is what stands before each server: its exchanges are counted, and told
// of their trace.
func (s *stack) count(next wire.Exchanger) wire.Exchanger {
	return s.metrics.Upstream(s.tracer.Upstream(next))
}

// closeLogs writes and sends what was noted, for a few seconds at most.
func (s *stack) closeLogs() (err error) {
	var ends sync.WaitGroup
	ends.Go(s.loki.Close)
	ends.Go(s.tracer.Close)
	err = errors.Join(err, s.access.Close())
	ends.Wait()
	return err
}

// foldersOf are the folders of a node's volumes.
func foldersOf(node *config.Node) (dirs []string) {
	for i := range node.Cache.Volumes {
		for _, d := range node.Cache.Volumes[i].Dirs {
			dirs = append(dirs, d.Path)
		}
	}
	return dirs
}
