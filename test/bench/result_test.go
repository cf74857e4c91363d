package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestSum(t *testing.T) {
	for _, tt := range []struct {
		cpu   []float64
		want  float64
		noise float64
	}{
		{nil, 0, 0},
		{[]float64{4}, 4, 0},
		{[]float64{6, 2}, 4, 0.5},
		{[]float64{9, 1, 5}, 5, 0.8},
	} {
		var r row
		for _, v := range tt.cpu {
			r.Samples = append(r.Samples, sample{CPU: v, Peak: int64(v), Bytes: v})
		}
		r.sum()
		if r.CPU != tt.want || r.Noise != tt.noise || r.Peak != int64(tt.want) || r.Bytes != tt.want {
			t.Errorf("%v: got median %v, noise %v, peak %d, bytes %v, want %v, %v", tt.cpu, r.CPU, r.Noise, r.Peak, r.Bytes, tt.want, tt.noise)
		}
	}
}

func TestRelate(t *testing.T) {
	rows := []row{
		{Server: "opencache", sample: sample{CPU: 6}},
		{Server: "nginx", sample: sample{CPU: 8}},
		{Server: "varnish"}, // cannot do it
	}
	relate(rows)
	if got := rows[0].Ratio; len(got) != 1 || got["nginx"] != 0.75 {
		t.Errorf("opencache: got %v, want nginx 0.75 alone", got)
	}
	if got := rows[2].Ratio; len(got) != 0 {
		t.Errorf("varnish: got %v, want nothing", got)
	}
	rows = []row{{Server: "opencache", sample: sample{Bytes: 3}}, {Server: "nginx", sample: sample{Bytes: 1}}}
	relate(rows)
	if got := rows[0].Ratio["nginx"]; got != 3 {
		t.Errorf("memory: got %v, want 3", got)
	}
}

func TestRateOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		rows []row
		want float64
	}{
		{"of the referee", []row{{Server: "opencache", sample: sample{Rate: 9}}, {Server: "nginx", sample: sample{Rate: 5}}}, 5},
		{"without it the highest", []row{{Server: "opencache", sample: sample{Rate: 9}}, {Server: "ats", sample: sample{Rate: 5}}}, 9},
		{"of nobody", nil, 0},
	} {
		if got := rateOf(tt.rows); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	want := &result{Date: "2026-11-22T03:04:05Z", Rows: []row{{Workload: "hit-1k", Server: "nginx", sample: sample{CPU: 7}}}}
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"2026-11-22T030405Z.json", "latest.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var got result
		if err := json.Unmarshal(text, &got); err != nil || len(got.Rows) != 1 || got.Rows[0].CPU != 7 {
			t.Errorf("%s: got %+v, %v, want the row of nginx", name, got, err)
		}
	}
}

func TestBusy(t *testing.T) {
	for load, want := range map[string]bool{"0.42 3.00 2.00 1/200 77": false, "1.30 0.10 0.10 1/200 77": true, "": false, "x 1": false} {
		if got := busy(load); got != want {
			t.Errorf("%q: got %v, want %v", load, got, want)
		}
	}
}
