package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU is the processor time, of user and system together, that the process and
// its descendants have used.
func CPU(pid int) (time.Duration, error) {
	var sum time.Duration
	err := each(pid, func(p process) error {
		sum += max(p.ticks, threads(p.id))
		return nil
	})
	return sum, err
}

// Peak is the most memory, in bytes, that the process and its descendants had
// resident since ResetPeak, each process's own peak added up. What they share
// counts once for each of them.
func Peak(pid int) (int64, error) {
	return memory(pid, "status", "VmHWM:")
}

// ResetPeak lets Peak begin anew from what is resident now.
func ResetPeak(pid int) error {
	return each(pid, func(p process) error {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.id), []byte("5"), 0); err != nil {
			return fmt.Errorf("peak memory: %w", err)
		}
		return nil
	})
}

// Resident is the memory, in bytes, that the process and its descendants have
// resident now. What they share counts once.
func Resident(pid int) (int64, error) {
	return memory(pid, "smaps_rollup", "Pss:")
}

// Read is what the process and its descendants have had read from devices, in
// bytes. What lay in the page cache is not in it.
func Read(pid int) (int64, error) {
	var sum int64
	err := each(pid, func(p process) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.id))
		if err != nil {
			return fmt.Errorf("reads: %w", err)
		}
		n, err := bytesRead(text)
		sum += n
		return err
	})
	return sum, err
}

// bytesRead finds the line "read_bytes: N".
func bytesRead(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		if v, ok := bytes.CutPrefix(line, []byte("read_bytes:")); ok {
			return strconv.ParseInt(string(bytes.TrimSpace(v)), 10, 64)
		}
	}
	return 0, errors.New(`reads: no line "read_bytes"`)
}

func memory(pid int, file, name string) (int64, error) {
	var sum int64
	err := each(pid, func(p process) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.id, file))
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		n, err := kilobytes(text, name)
		sum += n << 10
		return err
	})
	return sum, err
}

// kilobytes finds the line "NAME  N kB".
func kilobytes(text []byte, name string) (int64, error) {
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) == 3 && string(f[0]) == name && string(f[2]) == "kB" {
			return strconv.ParseInt(string(f[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("memory: no line %q", name)
}

// each calls f for the process and its descendants. One of them that has ended
// meanwhile is passed over; the process itself must be there.
func each(pid int, f func(process) error) error {
	all, err := processes()
	if err != nil {
		return err
	}
	if _, ok := all[pid]; !ok {
		return fmt.Errorf("process %d has ended", pid)
	}
	children := map[int][]int{}
	for id, p := range all {
		children[p.parent] = append(children[p.parent], id)
	}
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		if err := f(all[queue[0]]); err != nil && (queue[0] == pid || !errors.Is(err, os.ErrNotExist)) {
			return err
		}
		queue = append(queue, children[queue[0]]...)
	}
	return nil
}

func processes() (map[int]process, error) {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("processes: %w", err)
	}
	all := map[int]process{}
	for _, d := range dir {
		id, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		if err != nil {
			continue // it has ended
		}
		p, err := parseStat(string(text))
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", id, err)
		}
		p.id = id
		all[id] = p
	}
	return all, nil
}

type process struct {
	id, parent int
	ticks      time.Duration // processor time, in steps of 10 ms
}

var errStat = errors.New("unreadable stat")

// parseStat parses /proc/PID/stat. The name, field 2, is in brackets and may
// hold blanks and brackets: fields are counted from the last one.
func parseStat(text string) (process, error) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 13 {
		return process{}, errStat
	}
	parent, err1 := strconv.Atoi(f[1])
	user, err2 := strconv.ParseInt(f[11], 10, 64)
	system, err3 := strconv.ParseInt(f[12], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return process{}, fmt.Errorf("%w: %w", errStat, err)
	}
	// The kernel's interface counts in hundredths whatever its own clock is.
	return process{parent: parent, ticks: time.Duration(user+system) * 10 * time.Millisecond}, nil
}

// threads adds up what the threads that live have used, to the nanosecond. It
// is less than the process's ticks when threads have ended, and 0 where the
// kernel does not tell.
func threads(pid int) time.Duration {
	root := fmt.Sprintf("/proc/%d/task", pid)
	dir, err := os.ReadDir(root)
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, d := range dir {
		text, err := os.ReadFile(root + "/" + d.Name() + "/schedstat")
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(text), " ")
		if n, err := strconv.ParseInt(first, 10, 64); err == nil {
			sum += time.Duration(n)
		}
	}
	return sum
}
