package script

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"opencache/internal/geo/geotest"
)

// documentMark is what keys of documents, and so the names of their files in an
// archive, begin with.
const documentMark = "opencache:"

// A Reloader is a Running that takes other documents while it serves.
type Reloader interface {
	// Reload puts documents in place of those that it has. The error is what is
	// at fault in them; what is not is in effect all the same.
	Reload(documents map[string]string) error
}

// documentsOf are the documents that the play begins with, or, with a number,
// those that come then: files called N/KEY.
func (p *play) documentsOf(number string) map[string]string {
	texts := map[string]string{}
	for name, text := range p.files {
		if number != "" {
			var ok bool
			if name, ok = strings.CutPrefix(name, number+"/"); !ok {
				continue
			}
		}
		if strings.HasPrefix(name, documentMark) {
			texts[strings.TrimSuffix(strings.TrimSuffix(name, "c"), ".json")] = text
		}
	}
	return texts
}

// furnish puts the archive's files called dir/… into {dir}, and fills in {dir}
// in the documents that the subject is to have.
func (s *stage) furnish() (documents map[string]string, err error) {
	if s.documents == nil {
		s.documents, s.files = s.play.documentsOf(""), s.play.filesOf("")
	}
	for name, text := range s.files {
		if err := s.putFile(name, text); err != nil {
			return nil, err
		}
	}
	documents = map[string]string{}
	for key, text := range s.documents {
		expanded, err := s.expandFlags([]string{text})
		if err != nil {
			return nil, err
		}
		documents[key] = expanded[0]
	}
	return documents, nil
}

// filesOf are the files of {dir} that the play begins with, or, with a number,
// those that come then: files called N/dir/…
func (p *play) filesOf(number string) map[string]string {
	begin := "dir/"
	if number != "" {
		begin = number + "/dir/"
	}
	texts := map[string]string{}
	for name, text := range p.files {
		if rest, ok := strings.CutPrefix(name, begin); ok {
			texts[rest] = text
		}
	}
	return texts
}

// putFile puts a file in {dir}, whole or not at all. One called .mmdb that is a
// JSON object becomes the database that it describes.
func (s *stage) putFile(name, text string) error {
	if _, err := s.expandFlags([]string{dirWord}); err != nil {
		return err
	}
	to, content := filepath.Join(s.dir, filepath.FromSlash(name)), []byte(text)
	if strings.HasSuffix(name, ".mmdb") && strings.HasPrefix(text, "{") {
		var err error
		if content, err = geotest.Database(content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o750), os.WriteFile(to+".new", content, 0o600), os.Rename(to+".new", to))
}

// parseFurnish reads "furnish N".
func parseFurnish(p *play, args []string) (action, error) {
	if len(args) != 1 || len(p.filesOf(args[0])) == 0 {
		return nil, errors.New("want \"furnish N\", and files called N/dir/…")
	}
	return func(s *stage) error {
		if s.running == nil {
			return errors.New("the subject is not running")
		}
		s.place.settle()
		for name, text := range p.filesOf(args[0]) {
			if text == "" {
				delete(s.files, name)
				if err := os.Remove(filepath.Join(s.dir, filepath.FromSlash(name))); err != nil {
					return err
				}
				continue
			}
			s.files[name] = text
			if err := s.putFile(name, text); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// parseReload reads "reload N", and "reload N refused" when something is to be
// at fault in the documents.
func parseReload(p *play, args []string) (action, error) {
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && args[1] != "refused" {
		return nil, errors.New("want \"reload N\" or \"reload N refused\"")
	}
	number, refused := args[0], len(args) == 2
	if len(p.documentsOf(number)) == 0 {
		return nil, fmt.Errorf("no file is called %s/%s…", number, documentMark)
	}
	return func(s *stage) error { return s.reload(number, refused) }, nil
}

// reload gives the subject the documents of a number in place of those with the
// same keys; one that is empty is gone.
func (s *stage) reload(number string, refused bool) error {
	r, ok := s.running.(Reloader)
	if !ok {
		return errors.New("the subject is not running, or takes no documents")
	}
	maps.Copy(s.documents, s.play.documentsOf(number))
	maps.DeleteFunc(s.documents, func(_, text string) bool { return strings.TrimSpace(text) == "" })
	documents, err := s.furnish()
	if err != nil {
		return err
	}
	s.place.settle()
	switch err := r.Reload(documents); {
	case err != nil && !refused:
		return err
	case err == nil && refused:
		return errors.New("nothing was at fault in the documents")
	case err != nil:
		s.log.add("play", "at fault: %v", err)
	}
	return nil
}
