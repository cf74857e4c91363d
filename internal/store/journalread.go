package store

const (
	// journalWindow is how much of a journal is read at a time; more only for
	// an entry that is longer.
	journalWindow = 1 << 20
	// resyncMost bounds the entries that are looked for behind damage.
	resyncMost = 256 << 10
	// vainMost bounds what is looked at, and what checksums are made of, to find
	// them: a file of any length and content costs no more than that.
	vainMost = 64 << 20
)

// A window is a journal's file from one place to its end, read piece by piece:
// memory for it does not grow with the file.
type window struct {
	f   file
	at  int64 // of the next entry
	end int64
	b   []byte // what was read last
	off int64  // where that lies in the file
}

// bytes returns n bytes at off, less where the file ends, until the next call.
func (w *window) bytes(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.end-off))
	if from := off - w.off; from >= 0 && from+int64(n) <= int64(len(w.b)) {
		return w.b[from:][:n], nil
	}
	size := int(min(int64(max(n, journalWindow)), w.end-off))
	if cap(w.b) < size {
		w.b = make([]byte, size)
	}
	w.b, w.off = w.b[:size], off
	if err := w.f.read(w.b, off); err != nil {
		w.b = w.b[:0]
		return nil, err
	}
	return w.b[:n], nil
}

// entry decodes the entry at a place, and returns its bytes, padding included;
// 0 when none begins there, or none of at most most bytes. cost is what was
// looked at.
func (w *window) entry(e *entry, at int64, most int, seed uint32) (n, cost int, err error) {
	head, err := w.bytes(at, entryHeader)
	if err != nil || len(head) < entryHeader {
		return 0, entryHeader, err
	}
	n, fits := entrySpan(head)
	if !fits || n > most || int64(n) > w.end-at {
		return 0, entryHeader, nil
	}
	b, err := w.bytes(at, n)
	if err != nil {
		return 0, n, err
	}
	return e.decode(b, seed), n, nil
}

// read replays the entries in w, which is the journal from entry to entry.
// Behind damage it goes on with the next entry that is whole. The error is the
// device's.
func (r *replay) read(w *window, seed uint32) error {
	var e entry
	for w.at < w.end {
		n, _, err := w.entry(&e, w.at, entryHeader+entryMost+entryAlign, seed)
		if err != nil {
			return err
		}
		if n > 0 {
			r.apply(&e)
			w.at += int64(n)
			r.bytes += int64(n)
			continue
		}
		next, found, err := r.resync(w, seed)
		if err != nil {
			return err
		}
		r.lost += next - w.at
		w.at = next
		if next == w.end && found {
			r.wound = max(r.wound, torn)
		} else {
			r.wound = max(r.wound, holed)
		}
	}
	return nil
}

// resync returns where the next entry behind w.at begins, or the end of w:
// there is none then or, with found false, it was not looked for to the end.
func (r *replay) resync(w *window, seed uint32) (next int64, found bool, err error) {
	var e entry
	for at := w.at + entryAlign; at+entryHeader <= w.end; at += entryAlign {
		n, cost, err := w.entry(&e, at, resyncMost, seed)
		if err != nil {
			return 0, false, err
		}
		if n > 0 {
			return at, true, nil
		}
		if r.vain += int64(cost); r.vain > vainMost {
			return w.end, false, nil
		}
	}
	return w.end, true, nil
}
