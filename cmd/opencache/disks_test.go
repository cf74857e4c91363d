package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The log says at each start what a disk has brought back, and when it is
// nothing, why.
func TestDiskFoundIsSaid(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ lose, want string }{
		{"", `level=INFO msg="a disk is open" dir=` + dir + ` objects=0 `},
		{"", `level=INFO msg="a disk is open"`},
		{"opencache.journal", `level=WARN msg="a disk brings nothing back" dir=` + dir},
	} {
		if tt.lose != "" {
			if err := os.Remove(filepath.Join(dir, tt.lose)); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		o := serveOptions{diskOptions: diskOptions{Disk: diskSizes{{Dir: dir, Size: 8 << 20}}, DiskMean: 8 << 10, DiskTimeout: time.Second}}
		s := slog.New(slog.NewTextHandler(&log, nil))
		so := &stackOptions{}
		so.shot.Node = o.node()
		var opened stack
		if err := opened.openVolumes(so.shot.Node, so, s); err != nil {
			t.Fatal(err)
		}
		opened.volumes[0].Engine.Close()
		if err := opened.volumes[0].Store.Close(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), tt.want) || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("without %q: got %q, want %q in it", tt.lose, log.String(), tt.want)
		}
	}
}
