package main

import (
	"strings"
	"testing"
)

// TestMirror: what casserole's flags come to in serve's own.
func TestMirror(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	yes, no := true, false
	for _, tt := range []struct {
		name string
		c    serveCmd
		want string // origin listen memory disk low, or what the error says
	}{
		{"none", serveCmd{}, "  256M  0"},
		{"defaults", serveCmd{Mirror: mirrorOptions{MirrorURL: "http://a:1", DiskCacheDir: "."}}, "http://a:1 localhost:8080 100M .=1G 800M"},
		{"all", serveCmd{Mirror: mirrorOptions{Address: "[::]:80", MaxMemoryUsage: 1 << 30, MaxDiskUsage: 100 << 30, CleanedDiskUsage: 90 << 30, DiskCacheDir: dir, DiskCacheEnabled: &yes}},
			"http://localhost:9000 [::]:80 1G " + dir + "=100G 90G"},
		{"no disk", serveCmd{Mirror: mirrorOptions{Address: "localhost:1", DiskCacheEnabled: &no}}, "http://localhost:9000 localhost:1 100M  0"},
		{"another size", serveCmd{Mirror: mirrorOptions{MaxDiskUsage: 2 << 30, DiskCacheDir: "."}}, "http://localhost:9000 localhost:8080 100M .=2G 1600M"},
		{"beside serve's own", serveCmd{Listen: "h:1", Options: serveOptions{Origin: "http://b", diskOptions: diskOptions{Disk: diskSizes{{Dir: "/d", Size: 1 << 30}}}}, Mirror: mirrorOptions{MaxMemoryUsage: 64 << 20}},
			"http://b h:1 64M /d=1G 0"},
		{"two origins", serveCmd{Options: serveOptions{Origin: "http://b"}, Mirror: mirrorOptions{MirrorURL: "http://a"}}, "--origin and --mirror-url: they say the same"},
		{"two addresses", serveCmd{Listen: "h:1", Mirror: mirrorOptions{Address: "h:2"}}, "--listen and --address"},
		{"two memories", serveCmd{Options: serveOptions{Memory: 64 << 20}, Mirror: mirrorOptions{MaxMemoryUsage: 1 << 30}}, "--memory and --max-memory-usage"},
		{"two disks", serveCmd{Options: serveOptions{diskOptions: diskOptions{Disk: diskSizes{{Dir: "/d", Size: 1 << 30}}}}, Mirror: mirrorOptions{MaxDiskUsage: 1 << 30}}, "--disk and --disk-cache-dir"},
		{"off and on", serveCmd{Mirror: mirrorOptions{DiskCacheEnabled: &no, DiskCacheDir: "."}}, "--disk-cache-enabled: false, and a disk is described"},
		{"no folder", serveCmd{Mirror: mirrorOptions{MirrorURL: "http://a"}}, "--disk-cache-dir: data: expected a folder that is there"},
		{"low above high", serveCmd{Mirror: mirrorOptions{MaxDiskUsage: 1 << 30, CleanedDiskUsage: 1 << 30, DiskCacheDir: "."}}, "--cleaned-disk-usage: 1G of --max-disk-usage 1G"},
		{"etcd", serveCmd{Mirror: mirrorOptions{Etcd: []string{"http://e"}}}, "--etcd: caches that share what they have are not there yet"},
		{"peers", serveCmd{Mirror: mirrorOptions{PeeringAddress: "http://p"}}, "--peering-address: caches that share what they have are not there yet"},
	} {
		c := tt.c
		if c.Options.Memory == 0 {
			c.Options.Memory = usualMemory
		}
		var got string
		if err := c.Mirror.apply(&c); err != nil {
			got = err.Error()
		} else {
			low := size(0)
			if len(c.Options.Disk) > 0 {
				low = c.Options.Disk[0].low
			}
			got = strings.Join([]string{string(c.Options.Origin), c.Listen, c.Options.Memory.String(), c.Options.Disk.String(), low.String()}, " ")
		}
		if got != tt.want && (tt.want[0] != '-' || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
