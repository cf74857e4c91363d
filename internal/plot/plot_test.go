package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func groups() []Group {
	nan := math.NaN()
	return []Group{
		{"hit of 1 KiB", []Bar{{"opencache", 4.12}, {"nginx", 7.93}, {"Varnish", 15.2}, {"HAProxy", 9.4}, {"ATS", 21.07}}},
		{"hit of 64 KiB", []Bar{{"opencache", 11.6}, {"nginx", 18.4}, {"Varnish", 30}, {"HAProxy", nan}, {"ATS", 41.9}}},
		{"conditional <304> & \"all\"", []Bar{{"opencache", 0}, {"nginx", 0.0123}, {"Varnish", 9.999}}},
		{"nothing here", nil},
	}
}

func lines() []Line {
	return []Line{
		{"opencache", [][2]float64{{7000, 81}, {21000, 90.5}, {49000, 170}}},
		{"nginx", [][2]float64{{7000, 95}, {21000, math.NaN()}, {49000, 402}}},
		{"Varnish", [][2]float64{{7000, 140}, {21000, 220}, {49000, 1013}}},
		{"ATS", nil},
	}
}

func draw(t *testing.T, f func(w io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// golden has the pictures whose look was judged; -update writes them anew, and
// then they want to be looked at again.
var update = flag.Bool("update", false, "write the golden files")

func TestGolden(t *testing.T) {
	for name, f := range map[string]func(io.Writer) error{
		"bars.svg":  func(w io.Writer) error { return Bars(w, "Processor time per request", "µs", groups()) },
		"lines.svg": func(w io.Writer) error { return Lines(w, "p99 by offered load", "requests/s", "µs", lines()) },
	} {
		got := draw(t, f)
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %s, want the file", name, got)
		}
	}
}

// A shape is an element of a picture.
type shape struct {
	name string
	attr map[string]string
	text string
}

func (s shape) num(t *testing.T, name string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s.attr[name], 64)
	if err != nil {
		t.Fatalf("%s of %v: %v", name, s, err)
	}
	return v
}

func parse(t *testing.T, svg []byte) (shapes []shape) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return shapes
		}
		if err != nil {
			t.Fatalf("%s: %v", svg, err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			s := shape{name: e.Name.Local, attr: map[string]string{}}
			for _, a := range e.Attr {
				s.attr[a.Name.Local] = a.Value
			}
			shapes = append(shapes, s)
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				shapes[len(shapes)-1].text = text
			}
		}
	}
}

type area struct {
	x1, y1, x2, y2 float64
	what           string
}

func (a area) meets(b area) bool { return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2 }

// areas are what the texts of a picture take, or a little more.
func areas(t *testing.T, shapes []shape) (all []area) {
	t.Helper()
	for _, s := range shapes {
		if s.name != "text" {
			continue
		}
		x, y, width := s.num(t, "x"), s.num(t, "y"), wide(s.text)*0.97
		if s.attr["font-size"] != "" {
			width *= 1.25
		}
		switch s.attr["text-anchor"] {
		case "middle":
			x -= width / 2
		case "end":
			x -= width
		}
		all = append(all, area{x, y - 10, x + width, y + 3, s.text})
	}
	return all
}

func TestNothingOverlaps(t *testing.T) {
	long := groups()
	long[0].Label = strings.Repeat("a long label ", 5)
	long[1].Bars[0].Name = strings.Repeat("a long name ", 5)
	long[2].Bars[2].Value = 123456789
	for name, f := range map[string]func(io.Writer) error{
		"bars":  func(w io.Writer) error { return Bars(w, "Processor time per request", "µs", groups()) },
		"long":  func(w io.Writer) error { return Bars(w, strings.Repeat("a long title ", 9), "µs per request", long) },
		"tiny":  func(w io.Writer) error { return Bars(w, "t", "s", []Group{{"g", []Bar{{"a", 0.000123}}}}) },
		"empty": func(w io.Writer) error { return Bars(w, "t", "s", nil) },
		"lines": func(w io.Writer) error { return Lines(w, "p99 by offered load", "requests/s", "µs", lines()) },
		"none":  func(w io.Writer) error { return Lines(w, "t", "x", "y", nil) },
		"point": func(w io.Writer) error { return Lines(w, "t", "x", "y", []Line{{"a", [][2]float64{{3, 3}}}}) },
		"below": func(w io.Writer) error {
			return Lines(w, "t", "x", "y", []Line{{"a", [][2]float64{{-3, -30}, {5, 1e7}}}})
		},
	} {
		shapes := parse(t, draw(t, f))
		width, height := shapes[0].num(t, "width"), shapes[0].num(t, "height")
		all := areas(t, shapes)
		for i, a := range all {
			if a.x1 < 0 || a.y1 < 0 || a.x2 > width || a.y2 > height {
				t.Errorf("%s: %q is at %v, outside of %v x %v", name, a.what, a, width, height)
			}
			for _, b := range all[i+1:] {
				if a.meets(b) {
					t.Errorf("%s: %q at %v and %q at %v overlap", name, a.what, a, b.what, b)
				}
			}
			for _, s := range shapes[2:] { // past the title and the paper
				if s.name != "rect" || s.attr["rx"] != "" {
					continue
				}
				x, y := s.num(t, "x"), s.num(t, "y")
				b := area{x, y, x + s.num(t, "width"), y + s.num(t, "height"), "bar"}
				if a.meets(b) {
					t.Errorf("%s: %q at %v and a bar at %v overlap", name, a.what, a, b)
				}
			}
		}
	}
}

// Bars are as long as their values say, of one colour for one name, and what
// was not measured is said to be so.
func TestBars(t *testing.T) {
	shapes := parse(t, draw(t, func(w io.Writer) error { return Bars(w, "t", "µs", groups()) }))
	var texts []string
	colourOf, pixels := map[string]string{}, 0.0
	for i, s := range shapes {
		texts = append(texts, s.text)
		if s.name == "rect" && s.attr["height"] == num(barThick) {
			value, err := strconv.ParseFloat(shapes[i+1].text, 64)
			if err != nil {
				t.Fatalf("%q: no value beside its bar", shapes[i+1].text)
			}
			if value == 4.12 {
				pixels = s.num(t, "width") / value
			}
			if got, want := s.num(t, "width"), value*pixels; math.Abs(got-want) > 0.11+0.005*want {
				t.Errorf("bar of %v: got %v pixels, want %v", value, got, want)
			}
		}
		if s.name == "rect" && s.attr["height"] == "11" {
			colourOf[shapes[i+1].text] = s.attr["fill"]
		}
	}
	for _, want := range []string{"t", "µs", "hit of 1 KiB", `conditional <304> & "all"`, "4.12", "21.1", "0.0123", absent, "20"} {
		if !slices.Contains(texts, want) {
			t.Errorf("texts: got %q, want %q among them", texts, want)
		}
	}
	if len(colourOf) != 5 || colourOf["opencache"] != colours[0] {
		t.Errorf("colours: got %v, want one for each of 5", colourOf)
	}
}

// A line is interrupted where nothing was measured.
func TestLines(t *testing.T) {
	shapes := parse(t, draw(t, func(w io.Writer) error { return Lines(w, "t", "x", "y", lines()) }))
	var moves []int
	dots := 0
	for _, s := range shapes {
		switch s.name {
		case "path":
			moves = append(moves, strings.Count(s.attr["d"], "M"))
		case "circle":
			dots++
		}
	}
	if want := []int{1, 2, 1}; !slices.Equal(moves, want) || dots != 8 {
		t.Errorf("got pieces %v with %d dots, want %v with 8", moves, dots, want)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		from, to float64
		want     []float64
	}{
		{0, 1, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{0, 0.3, []float64{0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3}},
		{0, 21.07, []float64{0, 5, 10, 15, 20, 25}},
		{7000, 49000, []float64{0, 10000, 20000, 30000, 40000, 50000}},
		{-3, 5, []float64{-4, -2, 0, 2, 4, 6}},
		{0, 0, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{5, 5, []float64{5, 6, 7, 8, 9, 10}},
	} {
		if got := ticks(c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("from %v to %v: got %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.3: "0.3", 0.01234: "0.0123", 4.1: "4.1", 12.34: "12.3", 99.96: "100", 123.4: "123", 1234: "1234",
		12345: "12.3k", 70000: "70k", 1.5e6: "1.5M", 2e9: "2G", -12: "-12",
	} {
		if got := short(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
}

func TestTooMuch(t *testing.T) {
	many := Group{"g", nil}
	for i := range 9 {
		many.Bars = append(many.Bars, Bar{strconv.Itoa(i), 1})
	}
	for name, err := range map[string]error{
		"9 names":     Bars(io.Discard, "t", "u", []Group{many}),
		"65 groups":   Bars(io.Discard, "t", "u", make([]Group, 65)),
		"17 bars":     Bars(io.Discard, "t", "u", []Group{{"g", make([]Bar, 17)}}),
		"9 lines":     Lines(io.Discard, "t", "x", "y", make([]Line, 9)),
		"many points": Lines(io.Discard, "t", "x", "y", []Line{{"a", make([][2]float64, 4097)}}),
	} {
		if !errors.Is(err, ErrTooMuch) {
			t.Errorf("%s: got %v, want %v", name, err, ErrTooMuch)
		}
	}
}
