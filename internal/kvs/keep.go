package kvs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Keep is a folder in which documents survive a restart: KEY.jsonc each, in
// the form that a folder as a Source has. Only one process may save to it at
// a time. The zero value keeps nothing.
type Keep struct {
	Dir string // empty: none

	kept map[string]string // digest by key, as of the last Load or Save
}

// manySaves is how many files are rather brought to the disk together than
// one by one.
const manySaves = 16

// Load returns what is kept, as far as it can be read; what can not is left
// out and told in the error.
func (k *Keep) Load(o Options) ([]Document, error) {
	k.kept = map[string]string{}
	if k.Dir == "" {
		return nil, nil
	}
	f := newFolder(k.Dir, o.withDefaults())
	if _, err := f.scan(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	set, err := f.set()
	for _, f := range set.Faults {
		err = errors.Join(err, f)
	}
	for i, d := range set.Documents {
		if key, e := url.PathUnescape(d.Key); e == nil {
			d.Key = key
		}
		set.Documents[i] = d
		k.kept[d.Key] = digest(d.Text)
	}
	return set.Documents, err
}

// Save has docs be what is kept. Each document is whole at any time; should
// the machine fail meanwhile, some are of before.
func (k *Keep) Save(docs []Document) (err error) {
	if k.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return err
	}
	dir, err := os.Open(k.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	var changed []Document
	still := make(map[string]bool, len(docs))
	for _, d := range docs {
		still[d.Key] = true
		if k.kept[d.Key] != digest(d.Text) {
			changed = append(changed, d)
		}
	}
	if k.kept == nil {
		k.kept = map[string]string{}
	}
	err = k.write(dir, changed)
	for key := range k.kept {
		if !still[key] {
			err = errors.Join(err, os.Remove(k.path(key)))
			delete(k.kept, key)
		}
	}
	if err = errors.Join(err, dir.Sync()); err != nil {
		err = fmt.Errorf("keeping documents: %w", err)
	}
	return err
}

// write puts documents into their files: first all beside them, then, once
// the disk has them, in place. One that can not be written hinders no other.
func (k *Keep) write(dir *os.File, docs []Document) (err error) {
	var written []Document
	for _, d := range docs {
		if e := writeFile(k.path(d.Key)+".tmp", d.Text, len(docs) < manySaves); e != nil {
			err = errors.Join(err, e)
			continue
		}
		written = append(written, d)
	}
	if len(docs) >= manySaves {
		if e := unix.Syncfs(int(dir.Fd())); e != nil {
			return errors.Join(err, e)
		}
	}
	for _, d := range written {
		if e := os.Rename(k.path(d.Key)+".tmp", k.path(d.Key)); e != nil {
			err = errors.Join(err, e)
			continue
		}
		k.kept[d.Key] = digest(d.Text)
	}
	return err
}

// path is the file of a key. What is odd in a key is escaped: it must not lead
// elsewhere, and a name that begins with a dot would be passed over.
func (k *Keep) path(key string) string {
	name := url.PathEscape(key)
	if passedOver(name) {
		name = fmt.Sprintf("%%%02X%s", name[0], name[1:])
	}
	return filepath.Join(k.Dir, name+".jsonc")
}

func writeFile(path string, text []byte, sync bool) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// WriteFile puts text into a file as a whole: who reads it sees the old one
// or the new one, also after the machine failed.
func WriteFile(path string, text []byte) error {
	if err := writeFile(path+".tmp", text, true); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
