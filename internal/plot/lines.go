package plot

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Line is one series. Points are joined in their order; one with a number
// that is none (NaN) was not measured and interrupts the line.
type Line struct {
	Name   string
	Points [][2]float64 // x and y
}

const (
	plotTall = 300.0
	dot      = 3.0
)

// Lines draws lines over common axes; that of y begins at 0 unless there is
// less, that of x where the points do. x and y name the axes with their units.
// The error is w's, or ErrTooMuch for more than 8 lines or 4,096 points in one.
func Lines(w io.Writer, title, x, y string, lines []Line) error {
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.Name
		if len(l.Points) > pointsMax || i >= seriesMax {
			return fmt.Errorf("%w: %d lines, %d points in %q", ErrTooMuch, len(lines), len(l.Points), l.Name)
		}
	}
	low, high := extent(lines)
	across, up := ticks(low[0], high[0]), ticks(min(low[1], 0), high[1])
	width := max(plotWide, wide(title)*1.3+2*margin)
	upper := 34 + line + legendHeight(names, width) + line
	sx := scale{across[0], across[len(across)-1], margin + axis, width - margin - 24}
	sy := scale{up[0], up[len(up)-1], upper + plotTall, upper}

	var c canvas
	c.begin(width, upper+plotTall+2*line+margin, title)
	c.legend(names, 34+line, width)
	c.text(margin, upper-line+4, "start", muted, y)
	for _, v := range up {
		c.rule(sx.a, sy.at(v), sx.b, sy.at(v), faint)
		c.text(sx.a-8, sy.at(v)+4, "end", muted, short(v))
	}
	for _, v := range across {
		c.rule(sx.at(v), sy.a, sx.at(v), sy.a+5, muted)
		c.text(sx.at(v), sy.a+line, "middle", muted, short(v))
	}
	c.rule(sx.a, sy.at(max(up[0], 0)), sx.b, sy.at(max(up[0], 0)), muted)
	c.text(sx.b, sy.a+2*line, "end", muted, x)
	for i, l := range lines {
		c.series(l, sx, sy, colours[i])
	}
	return c.end(w)
}

// extent is the least and the greatest of both coordinates.
func extent(lines []Line) (low, high [2]float64) {
	low, high = [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, l := range lines {
		for _, p := range l.Points {
			if !finite(p[0]) || !finite(p[1]) {
				continue
			}
			for i := range p {
				low[i], high[i] = min(low[i], p[i]), max(high[i], p[i])
			}
		}
	}
	if low[0] > high[0] { // nothing was measured
		return [2]float64{}, [2]float64{1, 1}
	}
	return low, high
}

func (c *canvas) series(l Line, x, y scale, colour string) {
	var path, dots strings.Builder
	step := "M"
	for _, p := range l.Points {
		if !finite(p[0]) || !finite(p[1]) {
			step = "M"
			continue
		}
		px, py := num(x.at(p[0])), num(y.at(p[1]))
		fmt.Fprintf(&path, "%s%s %s", step, px, py)
		fmt.Fprintf(&dots, `<circle cx="%s" cy="%s" r="%s" fill="%s"><title>%s: %s, %s</title></circle>`+"\n",
			px, py, num(dot), colour, escape(l.Name), short(p[0]), short(p[1]))
		step = "L"
	}
	if path.Len() > 0 {
		fmt.Fprintf(c, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"/>`+"\n", path.String(), colour)
	}
	c.WriteString(dots.String())
}
