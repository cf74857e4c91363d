package main

import (
	"errors"
	"strings"
	"testing"
)

func TestSum(t *testing.T) {
	for _, tt := range []struct {
		cpu   []float64
		want  float64
		noise float64
	}{
		{[]float64{4}, 4, 0},
		{[]float64{6, 2}, 4, 0.5},
		{[]float64{9, 1, 5}, 5, 0.8},
	} {
		var r row
		for _, v := range tt.cpu {
			r.Samples = append(r.Samples, sample{CPU: v})
		}
		r.sum()
		if r.CPU != tt.want || r.Noise != tt.noise {
			t.Errorf("%v: got median %v, noise %v, want %v, %v", tt.cpu, r.CPU, r.Noise, tt.want, tt.noise)
		}
	}
}

func TestAssert(t *testing.T) {
	for _, tt := range []struct {
		servers []string
		cpu     []float64
		want    string // in the error; empty: none
	}{
		{[]string{"opencache", "nginx"}, []float64{8, 10}, ""},
		{[]string{"opencache", "nginx"}, []float64{8.1, 10}, errMissed.Error()},
		{[]string{"nginx", "varnish"}, []float64{8, 10}, "no limit could be tried"},
	} {
		rows := make([]row, len(tt.servers))
		for i, s := range tt.servers {
			rows[i] = row{Workload: "hit-1k", Server: s, sample: sample{CPU: tt.cpu[i]}}
		}
		relate(rows)
		var printed strings.Builder
		err := (&result{Rows: rows}).assert(&printed)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v %v: got %v, want %q", tt.servers, tt.cpu, err, tt.want)
		}
		if missed := errors.Is(err, errMissed); strings.Contains(printed.String(), "MISSED") != missed {
			t.Errorf("%v %v: got %q printed with error %v", tt.servers, tt.cpu, printed.String(), err)
		}
	}
}
