package plot

import (
	"fmt"
	"io"
)

// Group is bars that are compared with each other, such as a workload.
type Group struct {
	Label string
	Bars  []Bar
}

// Bar is one of them, such as a server. Bars of one name have one colour in
// all groups. A Value that is no number (NaN) was not measured; it leaves a
// gap that says so.
type Bar struct {
	Name  string
	Value float64
}

const (
	barThick = 15.0
	barGap   = 3.0
	groupGap = 16.0
	barsMax  = 16 // in a group
	plotWide = 760.0
	absent   = "not measured"
)

// Bars draws a group below the other, each with its bars lying: so labels of
// any length and values stand beside their bars and nothing overlaps. Values
// below 0 are drawn as 0. The error is w's, or ErrTooMuch for more than 8
// names, 64 groups or 16 bars in a group.
func Bars(w io.Writer, title, unit string, groups []Group) error {
	names, labels, top, height, err := survey(groups)
	if err != nil {
		return err
	}
	left := margin + longest(labels) + 10
	width := max(plotWide, left+420, wide(title)*1.3+2*margin)
	// Behind the longest bar its value must still fit.
	at := ticks(0, top)
	x := scale{0, at[len(at)-1], left, width - margin - wide("00000")}
	y := 34 + line + legendHeight(names, width)

	var c canvas
	c.begin(width, y+height+2*line+margin, title)
	c.legend(names, 34+line, width)
	for _, v := range at {
		c.rule(x.at(v), y, x.at(v), y+height, faint)
		c.text(x.at(v), y+height+line, "middle", muted, short(v))
	}
	c.text(width-margin, y+height+2*line, "end", muted, unit)
	below := y
	for _, g := range groups {
		below = c.group(g, names, x, below)
	}
	c.rule(left, y, left, y+height, muted)
	return c.end(w)
}

// survey finds the names in the order in which they first occur, the labels,
// the greatest value and the height of all groups.
func survey(groups []Group) (names, labels []string, top, height float64, err error) {
	for _, g := range groups {
		labels = append(labels, g.Label)
		height += groupHeight(g)
		for _, b := range g.Bars {
			names, _ = add(names, b.Name)
			if finite(b.Value) {
				top = max(top, b.Value)
			}
		}
		if len(g.Bars) > barsMax {
			err = ErrTooMuch
		}
	}
	if err != nil || len(names) > seriesMax || len(groups) > groupsMax {
		return nil, nil, 0, 0, fmt.Errorf("%w: %d groups of %d names", ErrTooMuch, len(groups), len(names))
	}
	return names, labels, top, height, nil
}

func groupHeight(g Group) float64 {
	return groupGap + float64(max(len(g.Bars), 1))*(barThick+barGap)
}

// group draws g from y on and returns where the next begins.
func (c *canvas) group(g Group, names []string, x scale, y float64) float64 {
	next := y + groupHeight(g)
	c.text(x.a-10, (y+next)/2+4, "end", ink, g.Label)
	y += groupGap / 2
	for _, b := range g.Bars {
		_, i := add(names, b.Name)
		if !finite(b.Value) {
			c.text(x.a+5, y+barThick-3, "start", muted, absent)
		} else {
			end := x.at(max(b.Value, 0))
			c.box(x.a, y, end-x.a, barThick, colours[i])
			c.text(end+5, y+barThick-3, "start", ink, short(b.Value))
		}
		y += barThick + barGap
	}
	return next
}
