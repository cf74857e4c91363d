package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// printRows prints what a workload has shown, as soon as it has.
func printRows(w io.Writer, load workload, rows []row) {
	head := fmt.Sprintf("%9s %6s %8s %8s %8s %9s %9s %8s  %s", "CPU µs", "noise", "req/s", "p50 µs", "p99 µs", "peak MiB", "held MiB", "fetches", "CPU against")
	switch {
	case load.way == crowded:
		head = fmt.Sprintf("%9s %6s %8s %8s %12s %9s", "CPU µs", "noise", "fetches", "all ms", "worst 1st ms", "peak MiB")
	case load.way == skewed:
		head = fmt.Sprintf("%9s %6s %8s %8s %8s %9s %9s %8s  %s", "CPU µs", "noise", "hits %", "req/s", "p99 µs", "told MiB", "held MiB", "fetches", "CPU against")
	case load.way == cold:
		head = fmt.Sprintf("%9s %6s %8s %12s %12s %12s %9s", "CPU µs", "noise", "hits/s", "quiet p99 µs", "p99 µs", "disk p99 µs", "fetches")
	case load.way == objects:
		head = fmt.Sprintf("%9s %8s %8s %9s  %s", "bytes", "stored", "sent", "peak MiB", "memory against")
	case load.memory():
		head = fmt.Sprintf("%9s %8s %9s  %s", "bytes", "of", "peak MiB", "memory against")
	}
	_, _ = fmt.Fprintf(w, "%-14s %-12s %s\n", load.name, "server", head)
	for _, r := range rows {
		text := fmt.Sprintf("%9s", "-")
		switch peak := mebibytes(r.Peak); {
		case len(r.Samples) == 0:
		case load.way == crowded:
			text = fmt.Sprintf("%9.1f %5.0f%% %8d %8.0f %12.0f %9s", r.CPU, 100*r.Noise, r.Fetches, r.AllMS, r.FirstMS, peak)
		case load.way == skewed:
			text = fmt.Sprintf("%9.2f %5.0f%% %8.2f %8.0f %8.0f %9d %9s %8d  %s",
				r.CPU, 100*r.Noise, r.Hits, r.Rate, r.P99, r.Told, mebibytes(r.Held), r.Fetches, ratios(r))
		case load.way == cold:
			text = fmt.Sprintf("%9.2f %5.0f%% %8.0f %12.0f %12.0f %12.0f %9d",
				r.CPU, 100*r.Noise, r.Rate, r.Quiet, r.P99, r.Disk, r.Fetches)
		case load.way == objects:
			text = fmt.Sprintf("%9.0f %8d %8d %9s  %s", r.Bytes, r.Requests, r.Fetches, peak, ratios(r))
		case load.memory():
			text = fmt.Sprintf("%9.0f %8d %9s  %s", r.Bytes, r.Requests, peak, ratios(r))
		default:
			text = fmt.Sprintf("%9.2f %5.0f%% %8.0f %8.0f %8.0f %9s %9s %8d  %s",
				r.CPU, 100*r.Noise, r.Rate, r.P50, r.P99, peak, mebibytes(r.Held), r.Fetches, ratios(r))
		}
		_, _ = fmt.Fprintf(w, "%-14s %-12s %s\n", "", r.Server, text)
	}
}

func ratios(r row) string {
	var list []string
	for name, v := range r.Ratio {
		list = append(list, fmt.Sprintf("%s %.2f", name, v))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }

// markdown prints the result as tables: what a request costs, how fast it was,
// and what it took besides. "-" is what a server cannot do.
func (r *result) markdown(w io.Writer) {
	servers := r.servers()
	title := func(text string, more ...string) {
		_, _ = fmt.Fprintf(w, "%s\n\n| workload | %s |\n|%s\n", text, strings.Join(append(servers[:len(servers):len(servers)], more...), " | "),
			strings.Repeat(" --- |", 1+len(servers)+len(more)))
	}
	line := func(load string, cells []string) {
		_, _ = fmt.Fprintf(w, "| %s | %s |\n", load, strings.Join(cells, " | "))
	}
	title("CPU µs per request of the server's processes (of mem-…: resident bytes per object or connection), and opencache's as a part of the others':",
		"of nginx's", "of Varnish's")
	for _, load := range r.loads() {
		line(load, append(r.cells(load, servers, costCell), r.part(load, "nginx"), r.part(load, "varnish")))
	}
	_, _ = fmt.Fprintln(w)
	title("Requests per second; p50 / p99 µs (stampede: ms until all are done; worst first byte):")
	for _, load := range r.loads() {
		if cells := r.cells(load, servers, speedCell); !strings.HasPrefix(load, "mem-") {
			line(load, cells)
		}
	}
	_, _ = fmt.Fprintln(w)
	title("Peak memory / held with files, in MiB, all processes added up; requests that reached the origin where it is not to notice all:")
	for _, load := range r.loads() {
		line(load, r.cells(load, servers, spaceCell))
	}
}

// servers are those of the result, in its order.
func (r *result) servers() []string {
	return r.distinct(func(r row) string { return r.Server })
}

func (r *result) loads() []string {
	return r.distinct(func(r row) string { return r.Workload })
}

func (r *result) distinct(name func(row) string) []string {
	var list []string
	for _, row := range r.Rows {
		if !slices.Contains(list, name(row)) {
			list = append(list, name(row))
		}
	}
	return list
}

func (r *result) cells(load string, servers []string, cell func(row) string) []string {
	var list []string
	for _, s := range servers {
		text := "-"
		if row := r.row(load, s); len(row.Samples) > 0 {
			text = cell(row)
		}
		list = append(list, text)
	}
	return list
}

// part is opencache's cost divided by the server's.
func (r *result) part(load, server string) string {
	if v, ok := r.row(load, "opencache").Ratio[server]; ok {
		return fmt.Sprintf("%.2f", v)
	}
	return "-"
}

func costCell(r row) string {
	switch v := max(r.CPU, r.Bytes); {
	case v >= 100 || r.Bytes > 0:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.1f", v)
	}
}

func speedCell(r row) string {
	if r.AllMS > 0 {
		return fmt.Sprintf("%.0f ms; %.0f ms", r.AllMS, r.FirstMS)
	}
	if r.Quiet > 0 {
		return fmt.Sprintf("%.0f; p99 %.0f quiet, %.0f beside reads from disk of %.0f", r.Rate, r.Quiet, r.P99, r.Disk)
	}
	rate := fmt.Sprintf("%.0f", r.Rate)
	if r.Rate >= 10_000 {
		rate = fmt.Sprintf("%.0fk", r.Rate/1e3)
	}
	text := fmt.Sprintf("%s; %.0f / %.0f", rate, r.P50, r.P99)
	if r.Hits > 0 {
		text += fmt.Sprintf("; %.2f %% hits", r.Hits)
	}
	return text
}

func spaceCell(r row) string {
	text := mebibytes(r.Peak)
	if r.Held > 0 {
		text += " / " + mebibytes(r.Held)
	}
	if r.Told > 0 {
		text += fmt.Sprintf(" of what is stored, told %d", r.Told)
	}
	if r.Fetches > 0 && r.Fetches < r.Requests {
		text += fmt.Sprintf("; %d", r.Fetches)
	}
	return text
}
