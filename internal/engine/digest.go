package engine

import (
	"iter"
	"slices"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// fieldLines walks over the field lines of a head.
type fieldLines = iter.Seq2[wire.Name, wire.Line]

// digest makes h the stored form of a response whose exchange took from asked
// to answered. Fields that are not stored by the origin's word (RFC 9111,
// 5.2.2.4 and 5.2.2.7) are in full alone, which is nil when there are none.
func (h *storedHead) digest(resp *wire.Response, asked, answered time.Time, pol *Policy) (full *storedHead) {
	h.facts.Reset(resp.Status, asked.UnixMilli(), answered.UnixMilli())
	if resp.Framing() == wire.UntilClose {
		h.facts.UntilClose()
	}
	control := h.heed(linesOf(resp), resp.Names(), pol)
	h.facts.Done()
	h.names = resp.Names()
	drop := notStored
	if resp.Status == 206 { // elsewhere it has no meaning and is a field like any (RFC 9110, 14.4)
		drop.Add(wire.ContentRange)
	}
	h.block = resp.AppendFields(make([]byte, 0, usualHead), drop)
	// A recipient with a clock adds the Date that is missing (RFC 9110, 6.6.1).
	if !resp.Has(wire.Date) {
		h.block = append(h.block, "Date: "...)
		h.block = append(wire.AppendDate(h.block, answered.Unix()), "\r\n"...)
		h.names.Add(wire.Date)
	}
	if (resp.Status == 200 || resp.Status == 206) && !resp.Has(wire.AcceptRanges) {
		h.block = wire.AppendField(h.block, wire.AcceptRanges, "bytes")
		h.names.Add(wire.AcceptRanges)
	}
	for name := range wire.NumNames {
		if drop.Has(wire.Name(name)) {
			h.names.Remove(wire.Name(name))
		}
	}
	return h.withhold(control, pol)
}

// freshened returns h as resp, digested into answer, changes it (RFC 9111,
// 3.2): the answer to a validation, or to a HEAD (4.3.4 and 4.3.5). What the
// rules go by is read from the new head; only Date and Age are resp's. What is
// coded keeps its Vary: a 304 may come from somebody who knows of no codings,
// and whoever has the content next must not give it to all. full is as of digest.
func (h *storedHead) freshened(resp *wire.Response, answer *storedHead, pol *Policy) (fresh storedHead, full *storedHead) {
	fresh.runs = h.runs
	kept := notUpdated
	if h.names.Has(wire.ContentEncoding) && h.names.Has(wire.Vary) {
		kept.Add(wire.Vary)
	}
	add := func(id wire.Name, name, value []byte) {
		fresh.block = wire.AppendNamed(fresh.block, name, value)
		fresh.names.Add(id)
	}
	for id, line := range wire.Lines(h.block) {
		replaced := (resp.Has(id) || id == wire.Date) && !kept.Has(id)
		if id == wire.Other {
			replaced = hasNamed(resp, line.Name)
		}
		if !replaced {
			add(id, line.Name, line.Value)
		}
	}
	for id, line := range linesOf(resp) {
		if !kept.Has(id) && !notStored.Has(id) {
			add(id, line.Name, line.Value)
		}
	}
	if !resp.Has(wire.Date) {
		add(wire.Date, []byte(wire.Date.String()), answer.value(wire.Date))
	}
	fresh.facts.Renew(&h.facts, answer.facts.RequestTime, answer.facts.ResponseTime)
	control := fresh.heed(untimed(wire.Lines(fresh.block)), fresh.names, pol)
	for id, line := range linesOf(resp) {
		if id == wire.Date || id == wire.Age {
			fresh.facts.Field(fieldOf[id], line.Value)
		}
	}
	fresh.facts.Done()
	full = fresh.withhold(control, pol)
	return fresh, full
}

// heed feeds lines, whose names are in names, to the rules. It returns the
// lines of the field that decides on caching when that field names others.
func (h *storedHead) heed(lines fieldLines, names wire.NameSet, pol *Policy) (control [][]byte) {
	heeded := wire.CacheControl.String()
	for _, target := range pol.Targets {
		control = valuesIn(lines, names, target)
		if len(control) > 0 && h.facts.Target(control) {
			heeded = target
			break
		}
	}
	for id, line := range lines {
		if f := fieldOf[id]; f != rfc9111.None {
			h.facts.Field(f, line.Value)
		}
	}
	if !h.facts.Withholds(&pol.Rules) {
		return nil
	}
	return valuesIn(lines, names, heeded)
}

// withhold takes the fields that control names out of h and returns what h
// was with them; nil when nothing is to be taken out.
func (h *storedHead) withhold(control [][]byte, pol *Policy) (full *storedHead) {
	if control == nil {
		return nil
	}
	names := h.facts.Withheld(control, &pol.Rules)
	named := func(name string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return wire.EqualFold(name, n) })
	}
	if slices.ContainsFunc(pol.Targets, named) {
		h.facts.WithholdNone() // a head without it would be read otherwise the next time
		return nil
	}
	was := *h
	h.block, h.names = nil, wire.NameSet{}
	for id, line := range wire.Lines(was.block) {
		if named(string(line.Name)) {
			h.facts.Lost(fieldOf[id])
			continue
		}
		h.block = wire.AppendNamed(h.block, line.Name, line.Value)
		h.names.Add(id)
	}
	return &was
}

// linesOf walks over the field lines of a response.
func linesOf(resp *wire.Response) fieldLines {
	return func(yield func(wire.Name, wire.Line) bool) {
		for i := range resp.Len() {
			if id, name, value, ok := resp.At(i); ok && !yield(id, wire.Line{Name: name, Value: value}) {
				return
			}
		}
	}
}

// untimed walks over lines without Date and Age.
func untimed(lines fieldLines) fieldLines {
	return func(yield func(wire.Name, wire.Line) bool) {
		for id, line := range lines {
			if id != wire.Date && id != wire.Age && !yield(id, line) {
				return
			}
		}
	}
}

// valuesIn returns the values of the lines named name, in order.
func valuesIn(lines fieldLines, names wire.NameSet, name string) (values [][]byte) {
	want := wire.Lookup([]byte(name))
	if !names.Has(want) {
		return nil
	}
	for id, line := range lines {
		if id == want && (id != wire.Other || wire.EqualFold(line.Name, name)) {
			values = append(values, line.Value)
		}
	}
	return values
}

func hasNamed(resp *wire.Response, name []byte) bool {
	if !resp.Names().Has(wire.Other) {
		return false
	}
	for id, line := range linesOf(resp) {
		if id == wire.Other && wire.EqualFold(line.Name, name) {
			return true
		}
	}
	return false
}
