package script

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"
	"testing"
	"testing/synctest"
)

// A Play is what stands in a file, for tests that perform it with other
// documents than it has.
type Play struct{ play *play }

// Plays returns those that glob finds in fsys and that run in memory.
func Plays(fsys fs.FS, glob string) (all []Play, err error) {
	plays, err := load(fsys, glob)
	for _, one := range plays {
		if one.only != sockets {
			all = append(all, Play{one})
		}
	}
	return all, err
}

// Name is the file's, without its ending.
func (p Play) Name() string { return p.play.name }

// Documents are the texts of all documents in the archive by the names of their
// files, those that come with a reload among them.
func (p Play) Documents() map[string]string {
	texts := map[string]string{}
	for name, text := range p.play.files {
		if strings.HasPrefix(path.Base(name), documentMark) {
			texts[name] = text
		}
	}
	return texts
}

// Perform performs the play in memory, with these texts in place of those of
// Documents, and returns what was not as the play says.
func (p Play) Perform(t *testing.T, documents map[string]string, subject Subject) (faults []error) {
	t.Helper()
	changed := *p.play
	changed.files = maps.Clone(changed.files)
	maps.Copy(changed.files, documents)
	defer func() {
		if r := recover(); r != nil { // a bubble whose goroutines did not end
			faults = append(faults, fmt.Errorf("%s: %v", p.Name(), r))
		}
	}()
	synctest.Test(t, func(*testing.T) { faults = perform(&changed, newMemory(), subject).faults })
	return faults
}
