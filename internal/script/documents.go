package script

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
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
		s.documents = s.play.documentsOf("")
	}
	for name, text := range s.play.files {
		rest, ok := strings.CutPrefix(name, "dir/")
		if !ok {
			continue
		}
		if _, err := s.expandFlags([]string{dirWord}); err != nil {
			return nil, err
		}
		name = filepath.Join(s.dir, filepath.FromSlash(rest))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o750), os.WriteFile(name, []byte(text), 0o600)); err != nil {
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
