package script

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// A play is a parsed archive.
type play struct {
	name     string // of the file, without its ending
	comment  string
	files    map[string]string
	only     where
	reason   string // of only
	commands []command
}

// A command is one line of a play.
type command struct {
	line int
	text string
	do   action
}

// An action is what a command does on the stage.
type action func(s *stage) error

// A fault is an error at a line of a play.
type fault struct {
	play string
	line int
	text string
	err  error
}

func (f *fault) Error() string {
	return fmt.Sprintf("%s:%d: %s: %v", f.play, f.line, f.text, f.err)
}

func (f *fault) Unwrap() error { return f.err }

type faults []error

func (fs faults) join() error { return errors.Join(fs...) }

// parse reads a play; it reports all faults at once.
func parse(file string, data []byte) (*play, error) {
	archive := txtar.Parse(data)
	p := &play{
		name:    strings.TrimSuffix(file, ".txtar"),
		comment: strings.TrimSpace(string(archive.Comment)),
		files:   map[string]string{},
	}
	if len(archive.Files) == 0 || archive.Files[0].Name != "play" {
		return nil, fmt.Errorf("%s: no file \"-- play --\" after the comment", file)
	}
	if p.comment == "" {
		return nil, fmt.Errorf("%s: no comment that says what it proves", file)
	}
	for _, f := range archive.Files[1:] {
		p.files[f.Name] = string(f.Data)
	}
	first := strings.Count(string(archive.Comment), "\n") + 2
	lines := strings.Split(strings.TrimSuffix(string(archive.Files[0].Data), "\n"), "\n")
	var all faults
	for _, l := range gather(lines, first) {
		c, err := p.parseCommand(l)
		if err != nil {
			all = append(all, &fault{play: file, line: l.number, text: l.text, err: err})
			continue
		}
		if c.do != nil {
			p.commands = append(p.commands, c)
		}
	}
	return p, all.join()
}

// A line is a command with the indented lines below it.
type line struct {
	number int
	text   string
	below  []string
}

func gather(texts []string, first int) []line {
	var lines []line
	for i, text := range texts {
		trimmed := strings.TrimSpace(text)
		switch {
		case trimmed == "" || trimmed[0] == '#':
		case text[0] == ' ' || text[0] == '\t':
			if n := len(lines); n > 0 {
				lines[n-1].below = append(lines[n-1].below, trimmed)
				continue
			}
			fallthrough
		default:
			lines = append(lines, line{number: first + i, text: trimmed})
		}
	}
	return lines
}

func (p *play) parseCommand(l line) (command, error) {
	c := command{line: l.number, text: l.text}
	if rest, ok := strings.CutPrefix(l.text, "only "); ok { // the reason is prose
		return c, p.parseOnly(rest)
	}
	words, err := split(l.text)
	if err != nil {
		return c, err
	}
	for _, w := range words {
		if _, err := (values{files: p.files}).expand(w); err != nil {
			return c, err
		}
	}
	if words[0] == "origin" {
		c.do, err = p.parseOrigin(l, words[1:])
		return c, err
	}
	if len(l.below) > 0 {
		return c, fmt.Errorf("indented line %q: only an origin's answer has steps below it", l.below[0])
	}
	if parse, ok := stageVerbs[words[0]]; ok {
		c.do, err = parse(p, words[1:])
		return c, err
	}
	c.do, err = parseClient(words)
	return c, err
}

// stageVerbs are the commands that are neither the origin's nor a client's.
var stageVerbs = map[string]func(p *play, args []string) (action, error){
	"client": parseFrom,
	"serve": func(_ *play, args []string) (action, error) {
		return func(s *stage) error { return s.start(args) }, nil
	},
	"restart": func(_ *play, args []string) (action, error) {
		return func(s *stage) error { return s.restart(args) }, nil
	},
	"crash": func(_ *play, args []string) (action, error) {
		return func(s *stage) error { return s.crash(args) }, nil
	},
	"reload":  parseReload,
	"furnish": parseFurnish,
	"clock":   parseClock,
	"sync":    parseSync,
	"signal":  parseGate(func(o *origin, name string) error { o.signal(name); return nil }),
	"reached": parseGate((*origin).reached),
}

func (p *play) parseOnly(text string) error {
	at, reason, _ := strings.Cut(text, ":")
	reason = strings.TrimSpace(reason)
	if w := where(at); w != memory && w != sockets || reason == "" {
		return errors.New("want \"only memory: REASON\" or \"only sockets: REASON\"")
	}
	p.only, p.reason = where(at), reason
	return nil
}

func parseFrom(_ *play, args []string) (action, error) {
	if len(args) != 3 || args[1] != "from" {
		return nil, errors.New("want \"client NAME from IP\"")
	}
	names, err := parseNames(args[0])
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(args[2])
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", args[0], err)
	}
	return func(s *stage) error {
		for _, name := range names {
			s.client(name).from = addr
		}
		return nil
	}, nil
}

func parseClock(_ *play, args []string) (action, error) {
	if len(args) != 1 || args[0] == "" || args[0][0] != '+' && args[0][0] != '-' {
		return nil, errors.New("want \"clock +61s\", or -61s")
	}
	d, err := time.ParseDuration(args[0])
	if err != nil || d == 0 {
		return nil, fmt.Errorf("clock %q: want a time such as +61s", args[0])
	}
	return func(s *stage) error { s.jump(d); return nil }, nil
}

func parseSync(_ *play, args []string) (action, error) {
	if len(args) != 0 {
		return nil, errors.New("sync takes no word")
	}
	return func(s *stage) error { s.place.settle(); return nil }, nil
}

func parseGate(do func(*origin, string) error) func(*play, []string) (action, error) {
	return func(_ *play, args []string) (action, error) {
		if len(args) != 1 {
			return nil, errors.New("want one name")
		}
		return func(s *stage) error { return do(s.origin, args[0]) }, nil
	}
}

// parseOrigin reads what follows "origin".
func (p *play) parseOrigin(l line, words []string) (action, error) {
	if len(words) == 0 {
		return nil, errors.New("origin: want METHOD TARGET, saw, idle, up, down or unreachable")
	}
	switch words[0] {
	case "saw":
		return parseSaw(words[1:])
	case "idle":
		return func(s *stage) error { return s.origin.idle() }, nil
	case string(unreachable):
		if p.only != memory {
			return nil, errors.New("unreachable: only after \"only memory\", since dialling takes its time")
		}
		fallthrough
	case string(up), string(down):
		return func(s *stage) error {
			s.origin.change(func() { s.origin.state = originState(words[0]) })
			return nil
		}, nil
	}
	r, err := p.parseRule(l, words)
	if err != nil {
		return nil, err
	}
	return func(s *stage) error {
		mine := *r // counts its uses in this performance
		s.origin.change(func() { s.origin.rules = append(s.origin.rules, &mine) })
		return nil
	}, nil
}

func (p *play) parseRule(l line, words []string) (*rule, error) {
	if len(words) < 2 || words[0] != "*" && words[0] != strings.ToUpper(words[0]) {
		return nil, fmt.Errorf("origin %s: want METHOD TARGET", strings.Join(words, " "))
	}
	r := &rule{line: l.number, text: l.text, method: words[0], target: words[1], left: 1}
	words = words[2:]
	for len(words) > 0 && words[0] != "->" {
		word := words[0]
		words = words[1:]
		if times, ok := strings.CutPrefix(word, "x"); ok {
			if times == "*" {
				r.any, r.left = true, 0
				continue
			}
			if n, err := strconv.Atoi(times); err == nil && n > 0 {
				r.left = n
				continue
			}
		}
		w, err := parseWant(word)
		if err != nil {
			return nil, err
		}
		r.wants = append(r.wants, w)
	}
	steps, err := stepLines(words, l.below)
	if err != nil {
		return nil, err
	}
	return r, r.parseSteps(steps, p)
}

// stepLines gathers the steps after the arrow and those below the line.
func stepLines(words, below []string) ([][]string, error) {
	var steps [][]string
	if len(words) > 0 { // the first is the arrow
		step := []string{}
		for _, w := range words[1:] {
			if w == ";" {
				steps, step = append(steps, step), []string{}
				continue
			}
			step = append(step, w)
		}
		steps = append(steps, step)
	}
	for _, text := range below {
		step, err := split(text)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// census says how many plays can run in one place only, and why.
func census(plays []*play) string {
	var b strings.Builder
	one := 0
	for _, p := range plays {
		if p.only != anywhere {
			one++
			fmt.Fprintf(&b, "\n  %s, only %s: %s", p.name, p.only, p.reason)
		}
	}
	return fmt.Sprintf("%d plays, %d of them in one place only%s", len(plays), one, b.String())
}
