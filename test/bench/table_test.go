package main

import (
	"strings"
	"testing"
)

func TestMarkdown(t *testing.T) {
	r := &result{Rows: []row{
		{Workload: "hit-1k", Server: "opencache", sample: sample{Requests: 9, CPU: 5.12, Rate: 190_447, P50: 280, P99: 1207, Peak: 16 << 20}},
		{Workload: "hit-1k", Server: "nginx", sample: sample{Requests: 9, CPU: 6.4, Rate: 9447, P50: 427, P99: 589, Peak: 23 << 20}},
		{Workload: "stampede", Server: "opencache", sample: sample{Requests: 1000, CPU: 324, Fetches: 1, AllMS: 484, FirstMS: 74, Peak: 59 << 20}},
		{Workload: "stampede", Server: "nginx"},
		{Workload: "mem-idle", Server: "opencache", sample: sample{Requests: 5000, Bytes: 3999.6}},
		{Workload: "mem-idle", Server: "nginx", sample: sample{Requests: 5000, Bytes: 500}},
	}}
	for i := range r.Rows {
		if r.Rows[i].Requests > 0 {
			r.Rows[i].Samples = []sample{r.Rows[i].sample}
		}
	}
	for i := 0; i < len(r.Rows); i += 2 {
		relate(r.Rows[i : i+2])
	}
	var text strings.Builder
	r.markdown(&text)
	for _, want := range []string{
		"| workload | opencache | nginx | of nginx's | of Varnish's |\n| --- | --- | --- | --- | --- |\n",
		"| hit-1k | 5.1 | 6.4 | 0.80 | - |\n",
		"| stampede | 324 | - | - | - |\n",
		"| mem-idle | 4000 | 500 | 8.00 | - |\n",
		"| hit-1k | 190k; 280 / 1207 | 9447; 427 / 589 |\n",
		"| stampede | 484 ms; 74 ms | - |\n",
		"| stampede | 59; 1 | - |\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got\n%s\nwant in it %q", text.String(), want)
		}
	}
}

func TestPrintRows(t *testing.T) {
	for _, tt := range []struct {
		load workload
		row  row
		want string
	}{
		{workload{name: "hit-1k"}, row{Server: "nginx", sample: sample{CPU: 6.85, Rate: 144793}, Samples: make([]sample, 1)}, "6.85"},
		{workload{name: "hit-1k"}, row{Server: "nginx"}, "nginx                -\n"},
		{workload{name: "stampede", way: crowded}, row{Server: "nginx", sample: sample{AllMS: 484}, Samples: make([]sample, 1)}, " 484 "},
		{workload{name: "mem-idle", way: idle}, row{Server: "nginx", sample: sample{Bytes: 527}, Samples: make([]sample, 1)}, " 527 "},
		{workload{name: "mem-object", way: objects}, row{Server: "nginx", sample: sample{Bytes: 1527, Requests: 19, Fetches: 20}, Samples: make([]sample, 1)}, " 19       20 "},
		{workload{name: "zipf-100k", way: skewed}, row{Server: "nginx", sample: sample{Hits: 77.8}, Samples: make([]sample, 1)}, " 77.80 "},
		{workload{name: "disk-cold", way: cold}, row{Server: "nginx", sample: sample{Quiet: 123, P99: 234, Disk: 345}, Samples: make([]sample, 1)}, "123          234          345"},
	} {
		var text strings.Builder
		printRows(&text, tt.load, []row{tt.row})
		if !strings.Contains(text.String(), tt.want) {
			t.Errorf("%s: got %q, want in it %q", tt.load.name, text.String(), tt.want)
		}
	}
}
