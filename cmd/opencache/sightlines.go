package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// meterWidth is how many characters a meter has.
const meterWidth = 20

// line tells a sight in one line.
func (s *sight) line() string {
	t := &s.Traffic
	b := []string{s.Time.UTC().Format(time.RFC3339)}
	if s.Fault != "" {
		return b[0] + "  " + s.fault()
	}
	if s.Restarted {
		b = append(b, "restarted")
	}
	b = append(b, fmt.Sprintf("%.0f requests/s", t.Requests), "hits "+percent(t.HitRatio), "bytes "+percent(t.ByteRatio),
		"out "+perSecond(t.Bytes), fmt.Sprintf("origin %.0f/s", t.OriginRequests), "p99 "+duration(t.Hits.Most))
	for _, z := range s.Zones {
		for _, tier := range z.Tiers {
			b = append(b, fmt.Sprintf("%s %.0f %%", tier.Tier, 100*tier.filled()))
		}
	}
	if len(s.Keys) > 0 {
		b = append(b, "top "+printable(s.Keys[0].Key))
	}
	return strings.Join(b, "  ")
}

// lines tell a sight in full.
func (s *sight) lines() (out []string) {
	say := func(format string, args ...any) {
		out = append(out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
	t := &s.Traffic
	say("opencache %s at %s, up %s%s", s.Version, s.Addr, short(s.Time.Sub(s.Started)), s.state())
	say("")
	say("%-10s %10.0f/s   hits %7s   bytes %7s   out %12s   origin %.0f/s %s", "requests", t.Requests, percent(t.HitRatio),
		percent(t.ByteRatio), perSecond(t.Bytes), t.OriginRequests, perSecond(t.OriginBytes))
	say("%-10s hits: half within %s, 99 %% within %s   misses: half within %s, 99 %% within %s", "latency",
		duration(t.Hits.Half), duration(t.Hits.Most), duration(t.Misses.Half), duration(t.Misses.Most))
	say("%-10s %10d   waiting for another one's fetch %d", "clients", t.Connections, t.Waiting)
	for _, z := range s.Zones {
		say("")
		say("zone %s: %d purges, %d of them pending", z.Name, z.Purges, z.Pending)
		for _, tier := range z.Tiers {
			say("%s", tier.line())
			if tier.Tier != "memory" {
				say("%24s %s", "", tier.health())
			}
		}
		out = append(out, z.sites()...)
	}
	return append(out, s.keys()...)
}

// state is what is not as usual.
func (s *sight) state() string {
	switch {
	case s.Fault != "":
		return "   " + s.fault()
	case s.Restarted:
		return "   RESTARTED"
	case s.Draining:
		return "   DRAINING"
	}
	return ""
}

func (s *sight) fault() string {
	return fmt.Sprintf("NO ANSWER for %s: %s", short(time.Duration(s.FaultFor*float64(time.Second))), printable(s.Fault))
}

// filled is how much of a volume is used, 0 to 1.
func (t *tierNow) filled() float64 {
	return float64(t.Bytes) / float64(max(t.Capacity, 1))
}

// line tells a volume.
func (t *tierNow) line() string {
	name := t.Tier
	if t.Volume != "" {
		name += " " + printable(t.Volume)
	}
	return fmt.Sprintf("%-24s %s %3.0f %%  %10s of %-10s %9d objects  in %s  lost %.0f/s", name, meter(t.filled()), 100*t.filled(),
		humanBytes(uint64(max(t.Bytes, 0))), humanBytes(uint64(max(t.Capacity, 0))), t.Objects,
		perSecond(t.Rates["admitted_bytes_total"]), t.Rates["lost"])
}

// health is what a disk does, and what is wrong with it.
func (t *tierNow) health() string {
	state := "ok"
	switch {
	case t.Gauges["ejected"] != 0:
		state = "EJECTED: " + printable(t.Fault)
	case t.Rates["read_errors_total"]+t.Rates["write_errors_total"]+t.Rates["journal_errors_total"] > 0:
		state = "I/O ERRORS"
	case t.Rates["damaged_total"] > 0:
		state = "DAMAGE"
	case t.Rates["read_timeouts_total"]+t.Rates["reads_refused_total"] > 0 || t.Gauges["device_calls_stuck"] > 0:
		state = "SLOW"
	}
	return fmt.Sprintf("out %s  written %s (%.2f times)  %s", perSecond(t.Rates["read_bytes_total"]+t.Rates["lent_bytes_total"]),
		perSecond(t.Rates["written_bytes_total"]), t.Gauges["write_amplification_ratio"], state)
}

// sites tells what sites have, when there is more than one.
func (z *zoneNow) sites() (out []string) {
	if len(z.Sites) < 2 {
		return nil
	}
	out = append(out, "", fmt.Sprintf("%10s %10s %10s %10s  site", "memory", "disk", "share", "limit"))
	for _, s := range z.Sites {
		out = append(out, fmt.Sprintf("%10s %10s %10s %10s  %s", humanBytes(uint64(max(s.Memory, 0))), humanBytes(uint64(max(s.Disk, 0))),
			orDash(s.Share), orDash(s.Limit), printable(s.Site)))
	}
	if z.Others > 0 {
		out = append(out, fmt.Sprintf("%46s%d more", "", z.Others))
	}
	return out
}

// keys tells the keys that are asked for most, those of now first.
func (s *sight) keys() (out []string) {
	if len(s.Keys) == 0 {
		return nil
	}
	note := ""
	if s.Every > 1 {
		note = fmt.Sprintf(" (estimated: one request in %d is counted)", s.Every)
	}
	out = append(out, "", fmt.Sprintf("%10s %14s %12s %14s  key%s", "hits/s", "bytes/s", "hits", "bytes", note))
	keys := slices.Clone(s.Keys)
	slices.SortStableFunc(keys, func(a, b keyNow) int {
		if s.By == "bytes" {
			return cmp.Compare(b.ByteRate, a.ByteRate)
		}
		return cmp.Compare(b.HitRate, a.HitRate)
	})
	for _, k := range keys {
		key := printable(k.Key)
		if k.Cut {
			key += "…"
		}
		out = append(out, fmt.Sprintf("%10.1f %14s %12d %14s  %s", k.HitRate, perSecond(k.ByteRate), k.Hits, humanBytes(k.Bytes), key))
	}
	return out
}

// meter draws how much of something is used.
func meter(filled float64) string {
	n := int(min(max(filled, 0), 1)*meterWidth + 0.5)
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", meterWidth-n) + "]"
}

// printable is text without what a terminal would obey: keys are what clients
// ask for.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func percent(p *float64) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100**p)
}

func perSecond(n float64) string { return humanBytes(uint64(max(n, 0))) + "/s" }

func orDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return humanBytes(uint64(max(n, 0)))
}

// duration is a bound in seconds with a unit.
func duration(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return time.Duration(*seconds * float64(time.Second)).String()
}

// short is d without what does not matter in it.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
