package kvs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// never is a Net that a test does not live to see: what it finds it was told
// by the kernel.
const never = time.Hour

func TestFolderRead(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/oc:a.json", "1")
	put(t, dir+"/oc:b.jsonc", "2")
	put(t, dir+"/oc:both.json", "3")
	put(t, dir+"/oc:both.jsonc", "3")
	put(t, dir+"/oc:long.json", strings.Repeat("x", 11))
	put(t, dir+"/oc:secret.json", "4")
	must(t, os.Chmod(dir+"/oc:secret.json", 0))
	must(t, os.Mkdir(dir+"/oc:dir.json", 0o700))
	must(t, os.Symlink("nowhere", dir+"/oc:link.json"))
	must(t, os.Symlink(dir+"/oc:a.json", dir+"/oc:c.json"))
	for _, odd := range []string{"README", "oc:d.yaml", "other:a.json", ".json"} {
		put(t, dir+"/"+odd, "?")
	}
	for _, editors := range []string{".oc:a.json.swp", "oc:a.json~", "4913", "#oc:a.json#", "oc:a.json.tmp", "oc:a.json.swp"} {
		put(t, dir+"/"+editors, "?")
	}
	s, err := Open(dir, Options{Prefix: "oc:", MaxDocument: 10})
	must(t, err)
	set, err := Read(context.Background(), s)
	must(t, err)
	want := "oc:a=1 oc:b=2 oc:c=1 ! ! ! !oc:both !oc:dir !oc:link !oc:long"
	if os.Getuid() != 0 { // whom no mode keeps out
		want += " !oc:secret"
	} else {
		want = strings.Replace(want, " ! ", " oc:secret=4 ! ", 1)
	}
	if got := say(set.Documents, set.Faults); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, f := range set.Faults {
		if f.Where == "" || f.Err == nil {
			t.Errorf("a fault that does not say where and what: %v", f)
		}
	}
}

func TestFolderTells(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a.json", "1")
	s, err := Open(dir, Options{Net: never})
	must(t, err)
	told := follow(t, s, nil)
	await(t, told, "a=1")

	put(t, dir+"/b.json", "2")
	await(t, told, "a=1 b=2")
	put(t, dir+"/a.json", "3") // of the same length, in place
	await(t, told, "a=3 b=2")
	put(t, dir+"/.new", "4") // as editors do
	must(t, os.Rename(dir+"/.new", dir+"/a.json"))
	await(t, told, "a=4 b=2")
	put(t, dir+"/c.json~", "?")
	must(t, os.Rename(dir+"/b.json", dir+"/c.jsonc"))
	await(t, told, "a=4 c=2")
	must(t, os.Remove(dir+"/a.json"))
	must(t, os.Mkdir(dir+"/a.json", 0o700))
	await(t, told, "c=2 !a")
	must(t, os.Remove(dir+"/a.json"))
	await(t, told, "c=2")
}

// TestFolderKubernetes swaps the link through which all files of a volume are
// seen, as a kubelet does.
func TestFolderKubernetes(t *testing.T) {
	dir := t.TempDir()
	version := func(name, text string) {
		must(t, os.Mkdir(dir+"/"+name, 0o700))
		put(t, dir+"/"+name+"/a.json", text)
		must(t, os.Symlink(name, dir+"/..data_tmp"))
		must(t, os.Rename(dir+"/..data_tmp", dir+"/..data"))
	}
	version("..1", "1")
	must(t, os.Symlink("..data/a.json", dir+"/a.json"))
	s, err := Open(dir, Options{Net: never})
	must(t, err)
	told := follow(t, s, nil)
	await(t, told, "a=1")
	version("..2", "2")
	must(t, os.RemoveAll(dir+"/..1"))
	await(t, told, "a=2")
}

// TestFolderAway takes the folder away, gives it back, and swaps it when it is
// a link.
func TestFolderAway(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "conf")
	s, err := Open(dir, Options{Net: never})
	must(t, err)
	told := follow(t, s, nil)
	if err := awaitError(t, told); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("no folder: got %v", err)
	}
	for i, text := range []string{"1", "2", "2"} {
		real := filepath.Join(parent, "v"+string(rune('0'+i)))
		must(t, os.Mkdir(real, 0o700))
		put(t, real+"/a.json", text)
		must(t, os.Symlink(real, parent+"/next"))
		must(t, os.Rename(parent+"/next", dir))
		if i < 2 {
			await(t, told, "a="+text)
		}
	}
	must(t, os.Remove(dir))
	_ = awaitError(t, told)
	must(t, os.Mkdir(dir, 0o700))
	put(t, dir+"/b.json", "3")
	await(t, told, "b=3")
}

// TestFolderNet has the kernel tell nothing, as for network file systems.
func TestFolderNet(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	put(t, elsewhere+"/x", "1")
	must(t, os.Symlink(elsewhere+"/x", dir+"/a.json"))
	s, err := Open(dir, Options{Net: 5 * time.Millisecond})
	must(t, err)
	told := follow(t, s, nil)
	await(t, told, "a=1")
	put(t, elsewhere+"/x", "2")
	await(t, told, "a=2")
}

func TestFolderAgain(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	put(t, elsewhere+"/x", "1")
	must(t, os.Symlink(elsewhere+"/x", dir+"/a.json"))
	s, err := Open(dir, Options{Net: never})
	must(t, err)
	again := make(chan struct{}, 1)
	told := follow(t, s, again)
	await(t, told, "a=1")
	put(t, elsewhere+"/x", "2")
	for range 2 { // the second time nothing has changed
		again <- struct{}{}
		await(t, told, "a=2")
	}
}

// TestFolderPipe has a pipe where a file is expected: opening one may wait
// forever.
func TestFolderPipe(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/a.json", 0o600))
	put(t, dir+"/b.json", "1")
	s, err := Open(dir, Options{})
	must(t, err)
	set, err := Read(context.Background(), s)
	must(t, err)
	if got, want := say(set.Documents, set.Faults), "b=1 !a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f := newFolder(dir, Options{}.withDefaults())
	if _, err := f.read(dir + "/a.json"); err == nil {
		t.Error("a pipe was read")
	}
}

func TestFolderTooMany(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a.json", "1")
	put(t, dir+"/b.json", "1")
	s, err := Open(dir, Options{MaxDocuments: 1})
	must(t, err)
	if _, err := Read(context.Background(), s); err == nil || !strings.Contains(err.Error(), "2 documents: expected at most 1") {
		t.Errorf("got %v", err)
	}
}
