package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"opencache/internal/config"
	"opencache/internal/store"
)

// TestVolumesOfDocuments: what a node's document says of its volumes is what
// they are opened with, each field apart from the others.
func TestVolumesOfDocuments(t *testing.T) {
	const plain = `{"name": "v", "dirs": [{"path": "/d", "size": "1G"`
	for text, want := range map[string]func(z *store.ZoneOptions) bool{
		`{"cache": {"meanObject": "8K"}}`:                                              func(z *store.ZoneOptions) bool { return z.MeanObject == 8<<10 },
		`{"cache": {"memory": 0, "volumes": [` + plain + `, "low": "512M"}]}]}}`:       func(z *store.ZoneOptions) bool { return z.Disks[0].Low == 512<<20 },
		`{"cache": {"memory": 0, "volumes": [` + plain + `}], "meanObject": "32K"}]}}`: func(z *store.ZoneOptions) bool { return z.Disks[0].MeanObject == 32<<10 },
		`{"cache": {"memory": 0, "volumes": [` + plain + `}], "verify": "always"}]}}`:  func(z *store.ZoneOptions) bool { return z.Disks[0].VerifyAlways },
		`{"cache": {"memory": 0, "volumes": [` + plain + `}], "timeout": "3s"}]}}`:     func(z *store.ZoneOptions) bool { return z.Disks[0].ReadTimeout == 3*time.Second },
		`{"cache": {"memory": 0, "volumes": [` + plain + `}], "sweepRate": "7M"}]}}`:   func(z *store.ZoneOptions) bool { return z.Disks[0].SweepRate == 7<<20 },
		`{"cache": {"memory": 0, "volumes": [` + plain + `}], "sweepRate": 0}]}}`:      func(z *store.ZoneOptions) bool { return z.Disks[0].SweepRate < 0 },
		`{"cache": {"memory": 0, "volumes": [` + plain + `}], "memory": "16M"}]}}`:     func(z *store.ZoneOptions) bool { return z.Memory == 16<<20 },
		`{"cache": {"memory": "96M", "volumes": [` + plain + `}], "memory": "16M"}]}}`: func(z *store.ZoneOptions) bool { return z.Name == zoneName && z.Memory == 96<<20 },
		`{"cache": {"memory": 0, "volumes": [` + plain + `}, {"path": "/e", "size": 9}]}]}}`: func(z *store.ZoneOptions) bool {
			return len(z.Disks) == 2 && z.Disks[1].Dir == "/e" && z.Disks[1].Size == 9
		},
	} {
		var set config.Set
		shot := set.Load(map[string][]byte{nodeKey: []byte(text)})
		for _, f := range shot.Faults {
			t.Fatal(f)
		}
		list, err := zoneOptions(shot.Node, &stackOptions{}, slog.New(slog.DiscardHandler))
		if err != nil || len(list) == 0 || !want(&list[0]) {
			t.Errorf("%s: got %+v, %v", text, list, err)
		}
	}
}

// TestEdgeNode: where clients and operators reach a node, what operators bear,
// and how long answers have at the end, are its document's.
func TestEdgeNode(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		_, _ = io.WriteString(w, "late")
	}))
	defer origin.Close()
	defer close(release)
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("swordfish-swordfish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for where, token := range map[string]string{"file": `{"file": "` + secret + `"}`, "env": `{"env": "EDGE_TOKEN"}`} {
		t.Run(where, func(t *testing.T) {
			dir := t.TempDir()
			writeDocument(t, dir, siteKeys+"a", `{"id": "a", "hostnames": ["_"], "upstreams": [{"name": "o", "servers": [{"url": "`+origin.URL+`"}]}]}`)
			writeDocument(t, dir, nodeKey, `{"network": {"listeners": [{"address": "127.0.0.1:0"}], "admin": "127.0.0.1:0", "adminToken": `+token+`},
				"cache": {"memory": "16M"}, "availability": {"drain": "1s"}}`)
			p := begin(t, []string{"EDGE_TOKEN=swordfish-swordfish"}, "edge", "--config", dir, "--state", filepath.Join(dir, "state"))
			if p.listen == "http://127.0.0.1:8080" || p.admin == "" {
				t.Errorf("got %s and %s, want the document's addresses", p.listen, p.admin)
			}
			for bearer, want := range map[string]int{"swordfish-swordfish": 200, "swordfish-of-others": 403} {
				r, err := http.NewRequest("GET", p.listen+"/oc-cgi/metrics", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+bearer)
				r.Header.Set("X-Forwarded-For", "192.0.2.1") // not this machine's
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("bearer %s: got %d, want %d", bearer, resp.StatusCode, want)
				}
			}
			if where == "env" {
				return
			}
			go get(p.listen + "/slow")
			<-asked
			p.signal(t, syscall.SIGTERM)
			p.await(t, "grace=1s")
		})
	}
}
