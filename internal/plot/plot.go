// Package plot draws measurements as SVG: groups of bars, and lines. It is no
// charting library: two forms, one size, no choices. A picture brings its own
// background, so that it reads the same on a light and on a dark page, and the
// same data make the same bytes.
//
//	err := plot.Bars(w, "Hit of 1 KiB", "µs", []plot.Group{
//		{Label: "hit-1k", Bars: []plot.Bar{{"opencache", 4.1}, {"nginx", 7.9}}},
//		{Label: "hit-64k", Bars: []plot.Bar{{"opencache", 9.6}, {"nginx", math.NaN()}}},
//	})
//	err = plot.Lines(w, "p99 by load", "requests/s", "µs", []plot.Line{
//		{Name: "opencache", Points: [][2]float64{{7000, 81}, {21000, 90}}},
//	})
package plot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ErrTooMuch is returned for more than can be told apart in a picture.
var ErrTooMuch = errors.New("plot: too much for one picture")

const (
	seriesMax = 8    // names in a legend, and colours
	groupsMax = 64   // of bars
	pointsMax = 4096 // of a line

	margin  = 16.0
	glyph   = 7.2 // width of a character at 12 px, rather too wide
	line    = 18.0
	axis    = 60.0 // room for the ticks of the vertical axis
	ticksUp = 6    // about so many intervals on an axis
)

const (
	paper = "#fbfbf9"
	ink   = "#22262b"
	faint = "#d9dadd"
	muted = "#5c636b"
)

// colours are told apart by those who see no red or no green, too (after
// Okabe and Ito), and stand out from the paper.
var colours = [seriesMax]string{"#0072b2", "#d55e00", "#009e73", "#b0578d", "#c28e00", "#3a9bd0", "#5b5b66", "#8a5a2b"}

// A canvas collects a picture. Coordinates are pixels from the upper left.
type canvas struct {
	bytes.Buffer
}

func (c *canvas) begin(width, height float64, title string) {
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%[1]s" height="%[2]s" role="img" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12">`+"\n", num(width), num(height))
	fmt.Fprintf(c, "<title>%s</title>\n", escape(title))
	fmt.Fprintf(c, `<rect x="0.5" y="0.5" width="%s" height="%s" rx="6" fill="%s" stroke="%s"/>`+"\n", num(width-1), num(height-1), paper, faint)
	fmt.Fprintf(c, `<text x="%s" y="28" font-size="15" font-weight="600" fill="%s">%s</text>`+"\n", num(margin), ink, escape(title))
}

func (c *canvas) end(w io.Writer) error {
	c.WriteString("</svg>\n")
	if _, err := w.Write(c.Bytes()); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	return nil
}

// text writes s with its anchor ("start", "middle", "end") at x on the
// baseline y.
func (c *canvas) text(x, y float64, anchor, colour, s string) {
	fmt.Fprintf(c, `<text x="%s" y="%s" text-anchor="%s" fill="%s">%s</text>`+"\n", num(x), num(y), anchor, colour, escape(s))
}

func (c *canvas) rule(x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(c, `<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`+"\n", num(x1), num(y1), num(x2), num(y2), colour)
}

func (c *canvas) box(x, y, width, height float64, colour string) {
	fmt.Fprintf(c, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`+"\n", num(x), num(y), num(width), num(height), colour)
}

// legend writes the names from (margin, y) on, in as many lines as they need,
// and returns where the next thing may begin.
func (c *canvas) legend(names []string, y, width float64) float64 {
	x := margin
	for i, name := range names {
		need := 18 + wide(name) + 16
		if x > margin && x+need > width-margin {
			x, y = margin, y+line
		}
		c.box(x, y-9, 11, 11, colours[i])
		c.text(x+16, y+1, "start", ink, name)
		x += need
	}
	return y + line
}

// legendHeight is what legend will add to y.
func legendHeight(names []string, width float64) float64 {
	var c canvas
	return c.legend(names, 0, width)
}

// A scale maps values to pixels: from stands at pixel a, to at pixel b.
type scale struct {
	from, to, a, b float64
}

func (s scale) at(v float64) float64 { return s.a + (v-s.from)/(s.to-s.from)*(s.b-s.a) }

// ticks are round numbers, about ticksUp intervals of 1, 2 or 5 times a power
// of ten; the first is not above from and the last not below to.
func ticks(from, to float64) []float64 {
	if !(to > from) {
		to = from + max(math.Abs(from), 1)
	}
	rough := (to - from) / ticksUp
	step := math.Pow(10, math.Floor(math.Log10(rough)))
	switch r := rough / step; {
	case r > 5:
		step *= 10
	case r > 2:
		step *= 5
	case r > 1:
		step *= 2
	}
	var at []float64
	first, last := math.Floor(from/step+1e-9), math.Ceil(to/step-1e-9)
	for i := first; i <= last; i++ {
		// Through text, so that 3*0.1 is 0.3.
		v, _ := strconv.ParseFloat(strconv.FormatFloat(i*step, 'g', 12, 64), 64)
		at = append(at, v)
	}
	return at
}

// short writes v with three significant digits, as people do: 0.125, 12.5,
// 1250, 15k, 1.5M.
func short(v float64) string {
	unit := ""
	switch a := math.Abs(v); {
	case a >= 1e9:
		v, unit = v/1e9, "G"
	case a >= 1e6:
		v, unit = v/1e6, "M"
	case a >= 1e4:
		v, unit = v/1e3, "k"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(round3(v), 'f', -1, 64) + unit
}

func round3(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return r
}

// num writes a coordinate: a tenth of a pixel is fine enough, and stays the
// same whatever the processor does with the last bit.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// wide is how wide s is at most, in pixels.
func wide(s string) float64 { return glyph * float64(utf8.RuneCountInString(s)) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func longest(names []string) (width float64) {
	for _, name := range names {
		width = max(width, wide(name))
	}
	return width
}

// add appends name unless it is there, and returns its place.
func add(names []string, name string) ([]string, int) {
	if i := slices.Index(names, name); i >= 0 {
		return names, i
	}
	return append(names, name), len(names)
}
