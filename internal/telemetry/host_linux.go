package telemetry

import (
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Host are metrics of the machine: its processors, its memory, and the file
// systems that folders are on. What can not be read is not shown.
func Host(dirs []string) Part {
	return Part{
		Families: []Family{
			{Name: "host_cpu_seconds_total", Help: "Time that the machine's processors spent, by what on.", Counter: true, Labels: []string{"mode"}},
			{Name: "host_memory_bytes", Help: "The machine's memory: total, and available without swapping.", Labels: []string{"state"}},
			{Name: "host_load1", Help: "Load average over a minute."},
			{Name: "host_disk_bytes", Help: "The file system of a folder: total, and available.", Labels: []string{"dir", "state"}},
		},
		Samples: func(emit Emit) {
			if fs, err := procfs.NewDefaultFS(); err == nil {
				sampleMachine(fs, emit)
			}
			for _, dir := range dirs {
				var st unix.Statfs_t
				if unix.Statfs(dir, &st) == nil {
					emit(3, float64(st.Blocks)*float64(st.Bsize), dir, "total")
					emit(3, float64(st.Bavail)*float64(st.Bsize), dir, "available")
				}
			}
		},
	}
}

func sampleMachine(fs procfs.FS, emit Emit) {
	if st, err := fs.Stat(); err == nil {
		c := &st.CPUTotal
		for mode, seconds := range map[string]float64{
			"user": c.User, "nice": c.Nice, "system": c.System, "idle": c.Idle, "iowait": c.Iowait, "irq": c.IRQ, "softirq": c.SoftIRQ, "steal": c.Steal,
		} {
			emit(0, seconds, mode)
		}
	}
	if m, err := fs.Meminfo(); err == nil && m.MemTotal != nil && m.MemAvailable != nil {
		emit(1, float64(*m.MemTotal)*1024, "total")
		emit(1, float64(*m.MemAvailable)*1024, "available")
	}
	if l, err := fs.LoadAvg(); err == nil {
		emit(2, l.Load1)
	}
}
