package main

import (
	"iter"

	"opencache/internal/engine"
	"opencache/internal/store"
	"opencache/internal/telemetry"
)

// A volumeStats is a volume of the store when it was looked at.
type volumeStats struct {
	zone  string
	tier  store.Tier
	name  string // its directory; "": in memory
	stats store.Stats
	disk  *store.DiskStats // nil: in memory
}

// volumesOf are the volumes in a look at a zone.
func volumesOf(zone string, st *store.ZoneStats) (list []volumeStats) {
	if st.Memory.Capacity > 0 || len(st.Disks) == 0 {
		list = append(list, volumeStats{zone: zone, tier: store.InMemory, stats: st.Memory})
	}
	for i := range st.Disks {
		d := &st.Disks[i]
		list = append(list, volumeStats{zone: zone, tier: store.OnDisk, name: d.Dir, stats: d.Stats, disk: d})
	}
	return list
}

// A storeMetric is a number that volumes have: a gauge or a counter.
type storeMetric struct {
	name, help string
	gauge      func(*volumeStats) int64
	counter    func(*volumeStats) uint64
	// Of volumes on disk alone.
	diskGauge   func(*store.DiskStats) float64
	diskCounter func(*store.DiskStats) uint64
}

// of is the metric's value of a volume; false where it has none.
func (m *storeMetric) of(v *volumeStats) (value float64, ok bool) {
	switch {
	case m.gauge != nil:
		return float64(m.gauge(v)), true
	case m.counter != nil:
		return float64(m.counter(v)), true
	case v.disk == nil:
		return 0, false
	case m.diskGauge != nil:
		return m.diskGauge(v.disk), true
	}
	return float64(m.diskCounter(v.disk)), true
}

// counts reports whether the metric only grows.
func (m *storeMetric) counts() bool { return m.counter != nil || m.diskCounter != nil }

// storeMetrics are shown for each volume, as opencache_store_… with the
// labels zone, tier and volume, and by /v1/zones.
var storeMetrics = []storeMetric{
	{name: "objects", help: "Stored responses, purged ones included until they are met.", gauge: func(v *volumeStats) int64 { return v.stats.Objects }},
	{name: "segments", help: "Segments of large content.", gauge: func(v *volumeStats) int64 { return v.stats.Segments }},
	{name: "markers", help: "Entries that hold no response: how responses vary, and what could not be shared.", gauge: func(v *volumeStats) int64 { return v.stats.Markers }},
	{name: "live_bytes", help: "Bytes of what is stored.", gauge: func(v *volumeStats) int64 { return v.stats.Live }},
	{name: "capacity_bytes", help: "Bytes that it may take.", gauge: func(v *volumeStats) int64 { return v.stats.Capacity }},
	{name: "resident_bytes", help: "Bytes of memory that slabs, index and directories have.", gauge: func(v *volumeStats) int64 { return v.stats.Resident }},
	{name: "overhead_bytes", help: "Bytes that index, directories and ghosts take at most.", gauge: func(v *volumeStats) int64 { return v.stats.Overhead }},
	{name: "index_entries", help: "Entries that the index has room for.", gauge: func(v *volumeStats) int64 { return v.stats.IndexEntries }},
	{name: "slabs", help: "Slabs.", gauge: func(v *volumeStats) int64 { return int64(v.stats.Slabs) }},
	{name: "slabs_free", help: "Slabs that are free.", gauge: func(v *volumeStats) int64 { return int64(v.stats.Free) }},
	{name: "slabs_small", help: "Slabs of the queue of newcomers.", gauge: func(v *volumeStats) int64 { return int64(v.stats.Small) }},
	{name: "slabs_aside", help: "Slabs that were emptied and wait for their last reader.", gauge: func(v *volumeStats) int64 { return int64(v.stats.Aside) }},
	{name: "slabs_exposed", help: "Slabs that sendfile has sent from.", gauge: func(v *volumeStats) int64 { return int64(v.stats.Exposed) }},
	{name: "pins", help: "Reads under way.", gauge: func(v *volumeStats) int64 { return v.stats.Pins }},
	{name: "admitted_total", help: "Records taken.", counter: func(v *volumeStats) uint64 { return v.stats.Admitted }},
	{name: "admitted_bytes_total", help: "Bytes of records taken.", counter: func(v *volumeStats) uint64 { return v.stats.AdmittedBytes }},
	{name: "forwarded_total", help: "Records copied forward because they were hit.", counter: func(v *volumeStats) uint64 { return v.stats.Forwarded }},
	{name: "forwarded_bytes_total", help: "Bytes of records copied forward because they were hit.", counter: func(v *volumeStats) uint64 { return v.stats.ForwardedBytes }},
	{name: "ghost_hits_total", help: "Records that had fallen out not long before they were stored again.", counter: func(v *volumeStats) uint64 { return v.stats.GhostHits }},
	{name: "slabs_punched_total", help: "Slabs that were given to sockets and punched out before they were used again.", counter: func(v *volumeStats) uint64 { return v.stats.Punched }},
	{name: "slabs_retired_total", help: "Slabs that were lost because they could not be punched.", counter: func(v *volumeStats) uint64 { return v.stats.Retired }},
	{name: "read_bytes_total", help: "Bytes read from the file.", diskCounter: func(d *store.DiskStats) uint64 { return d.ReadBytes }},
	{name: "lent_bytes_total", help: "Bytes of segments that were lent as parts of the file, to be sent from there.", diskCounter: func(d *store.DiskStats) uint64 { return d.LentBytes }},
	{name: "written_bytes_total", help: "Bytes written: slabs and their directories.", diskCounter: func(d *store.DiskStats) uint64 { return d.Written }},
	{name: "write_amplification_ratio", help: "Bytes written for each byte of records taken, since the start.", diskGauge: amplification},
	{name: "read_timeouts_total", help: "Reads that were given up because the device did not answer in time.", diskCounter: func(d *store.DiskStats) uint64 { return d.TimedOut }},
	{name: "reads_refused_total", help: "Reads that were not tried because too many waited for the device, or too much was lent.", diskCounter: func(d *store.DiskStats) uint64 { return d.Busy }},
	{name: "device_calls", help: "Calls that wait for the device now: tokens in use.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.Waiting) }},
	{name: "device_calls_stuck", help: "Calls that wait for the device and that nobody waits for any more.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.Stuck) }},
	{name: "swept_bytes_total", help: "Bytes read to look for what was purged.", diskCounter: func(d *store.DiskStats) uint64 { return d.SweptBytes }},
	{name: "sweep_slabs", help: "Slabs that the sweep under way has still to read.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.SweepLeft) }},
	{name: "damaged_total", help: "Records and segments whose checksum was wrong.", diskCounter: func(d *store.DiskStats) uint64 { return d.Damaged }},
	{name: "read_errors_total", help: "Reads that the device refused.", diskCounter: func(d *store.DiskStats) uint64 { return d.ReadErrors }},
	{name: "write_errors_total", help: "Writes that the device refused.", diskCounter: func(d *store.DiskStats) uint64 { return d.WriteErrors }},
	{name: "journal_errors_total", help: "Writes to the journal that failed.", diskCounter: func(d *store.DiskStats) uint64 { return d.JournalErrors }},
	{name: "ejected", help: "1: the volume was given up; nothing is found in it and nothing taken.", diskGauge: func(d *store.DiskStats) float64 { return one(d.Ejected) }},
	{name: "stages", help: "Buffers for slabs that are being filled or written.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.Stages) }},
	{name: "stages_idle", help: "Of these, those that are free.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.StagesIdle) }},
	{name: "read_buffers_bytes", help: "Bytes of read buffers that are lent.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.BuffersBytes) }},
	{name: "journal_bytes", help: "Bytes of the journal.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.JournalBytes) }},
	{name: "journal_rewrites_total", help: "How often the journal was written anew.", diskCounter: func(d *store.DiskStats) uint64 { return d.JournalRewrites }},
	{name: "recovery_seconds", help: "How long the last start took to read the volume.", diskGauge: func(d *store.DiskStats) float64 { return d.Recovered.Took.Seconds() }},
	{name: "recovered_objects", help: "Responses that the last start found.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.Recovered.Objects) }},
	{name: "recovered_segments", help: "Segments that the last start found.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.Recovered.Segments) }},
	{name: "recovered_bytes", help: "Bytes of what the last start found.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.Recovered.Bytes) }},
	{name: "recovered_damaged", help: "What the last start found that was not what had been written.", diskGauge: func(d *store.DiskStats) float64 { return float64(d.Recovered.Damaged) }},
	{name: "recovered_soft", help: "1: all that the last start found is validated before use, since the machine crashed.", diskGauge: func(d *store.DiskStats) float64 { return one(d.Recovered.Soft) }},
}

// amplification is how many bytes a volume wrote for each that it took.
func amplification(d *store.DiskStats) float64 {
	return float64(d.Written) / float64(max(d.AdmittedBytes, 1))
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// lost yields the records that a volume has lost, by reason.
func lost(v *volumeStats) iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, n := range v.stats.Lost {
			if i > 0 && !yield(store.Loss(i).String(), n) {
				return
			}
		}
	}
}

// refusals yields the records that a volume did not take, by reason.
func refusals(v *volumeStats) iter.Seq2[string, uint64] {
	s := &v.stats
	return func(yield func(string, uint64) bool) {
		_ = yield("too-large", s.RefusedLarge) && yield("quota", s.RefusedQuota) && yield("full", s.RefusedFull) &&
			yield("purged", s.RefusedPurged) && yield("older", s.RefusedOlder) && (v.disk == nil || yield("ejected", v.disk.RefusedDown))
	}
}

// reads yields how a volume on disk was read, by way.
func reads(v *volumeStats) iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		if d := v.disk; d != nil {
			_ = yield("staging", d.Staged) && yield("page-cache", d.Reads-min(d.Waited, d.Reads)) && yield("device", d.Waited)
		}
	}
}

// volumeLabels are what the metrics of a volume are told apart by.
var volumeLabels = []string{"zone", "tier", "volume"}

// families are the store's metrics, in the order in which samples emits them.
func (s *stack) families() []telemetry.Family {
	list := make([]telemetry.Family, 0, len(storeMetrics)+8)
	for _, m := range storeMetrics {
		list = append(list, telemetry.Family{Name: "store_" + m.name, Help: m.help, Counter: m.counts(), Labels: volumeLabels})
	}
	with := func(label string) []string { return append(volumeLabels[:len(volumeLabels):len(volumeLabels)], label) }
	list = append(list,
		telemetry.Family{Name: "store_lost_total", Help: "Records that left.", Counter: true, Labels: with("reason")},
		telemetry.Family{Name: "store_refused_total", Help: "Records that were not taken.", Counter: true, Labels: with("reason")},
		telemetry.Family{Name: "store_reads_total", Help: "Reads of a volume on disk: answered from memory that is yet to be written, from the page cache, or by a worker that waits for the device.", Counter: true, Labels: with("way")},
		telemetry.Family{Name: "store_purges_total", Help: "Purges.", Counter: true, Labels: []string{"zone"}},
		telemetry.Family{Name: "store_bans", Help: "Purges that are remembered and that what is met is compared with.", Labels: []string{"zone"}},
		telemetry.Family{Name: "purges_total", Help: "Purges asked for: by what, and how.", Counter: true, Labels: []string{"by", "mode"}},
		telemetry.Family{Name: "purges_pending", Help: "Remembered purges that may be met by what was not yet compared with them.", Labels: []string{"zone"}},
		telemetry.Family{Name: "purge_sweeps_total", Help: "Walks over all that is stored in a tier, behind remembered purges.", Counter: true, Labels: []string{"zone"}},
		telemetry.Family{Name: "store_promoted_total", Help: "Responses copied from disk to memory because they were hit.", Counter: true, Labels: []string{"zone"}},
		telemetry.Family{Name: "store_offered_total", Help: "What memory offered to disk, by what became of it.", Counter: true, Labels: []string{"zone", "outcome"}},
		telemetry.Family{Name: "too_many_tags_total", Help: "Responses not stored because they had more tags than are kept.", Counter: true},
		telemetry.Family{Name: "answers_resumed_total", Help: "Answers that the origin cut short and went on with when it was asked for the rest.", Counter: true},
		telemetry.Family{Name: "answers_cut_total", Help: "Answers that stayed cut short by the origin.", Counter: true},
	)
	return list
}

// samples emits what families shows.
func (s *stack) samples(emit telemetry.Emit) {
	n := len(storeMetrics)
	for i := range s.volumes {
		zone := s.volumes[i].Store
		st := zone.Stats()
		for _, v := range volumesOf(zone.Name(), &st) {
			v.sample(emit)
		}
		emit(n+3, float64(st.Purges), zone.Name())
		emit(n+4, float64(st.Bans), zone.Name())
		emit(n+6, float64(st.Pending), zone.Name())
		emit(n+7, float64(st.Sweeps), zone.Name())
		emit(n+8, float64(st.Promoted), zone.Name())
		emit(n+9, float64(st.Offered), zone.Name(), "taken")
		emit(n+9, float64(st.Unwanted), zone.Name(), "refused")
		emit(n+9, float64(st.Unasked), zone.Name(), "dropped")
	}
	for kind := range engine.NumPurgeKinds {
		emit(n+5, float64(s.sum(func(e *engine.Stats) int64 { return e.Purges[kind].Hard.Load() })), engine.PurgeKind(kind).String(), "hard")
		emit(n+5, float64(s.sum(func(e *engine.Stats) int64 { return e.Purges[kind].Soft.Load() })), engine.PurgeKind(kind).String(), "soft")
	}
	emit(n+10, float64(s.sum(func(e *engine.Stats) int64 { return e.TooTagged.Load() })))
	emit(n+11, float64(s.sum(func(e *engine.Stats) int64 { return e.Resumed.Load() })))
	emit(n+12, float64(s.sum(func(e *engine.Stats) int64 { return e.Cut.Load() })))
}

// sample emits a volume's numbers.
func (v *volumeStats) sample(emit telemetry.Emit) {
	n, labels := len(storeMetrics), []string{v.zone, v.tier.String(), v.name}
	for i := range storeMetrics {
		if value, ok := storeMetrics[i].of(v); ok {
			emit(i, value, labels...)
		}
	}
	for reason, count := range lost(v) {
		emit(n, float64(count), append(labels, reason)...)
	}
	for reason, count := range refusals(v) {
		emit(n+1, float64(count), append(labels, reason)...)
	}
	for way, count := range reads(v) {
		emit(n+2, float64(count), append(labels, way)...)
	}
}
