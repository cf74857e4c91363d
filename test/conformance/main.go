// Conformance judges what the public suite http-cache-tests found: each of its
// tests must end as a committed file expects. It does not run the suite (run.sh
// does) and it decides nothing about HTTP: why a test may fail stands, with the
// section of the RFC, in exceptions.tsv.
//
//	test/conformance/run.sh                                            # run the suite and judge
//	go run ./test/conformance -results FILE                            # judge alone
//	go run ./test/conformance -but test/conformance/expect-transport.tsv -results FILE
//	go run ./test/conformance -write docs/conformance.md               # the exceptions
//
// It exits with 1 when a test ended otherwise than expected, when one that is
// excepted passes, and when the suite and the file have not the same tests.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.expect, "expect", "test/conformance/expect.tsv", "how each test ends; exceptions.tsv is beside it")
	flag.StringVar(&o.but, "but", "", "how tests end otherwise than -expect says")
	flag.Func("results", "judge these results of the suite's client; repeated, later ones count", func(name string) error {
		o.results = append(o.results, name)
		return nil
	})
	flag.StringVar(&o.again, "again", "", "write the tests that ended otherwise into this file, one a line")
	flag.StringVar(&o.compare, "compare", "", "with -write: write what the caches with results in this folder did instead")
	flag.StringVar(&o.write, "write", "", "write the exceptions of all subjects into this page")
	flag.Parse()
	if err := o.main(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	expect, but, again, compare, write string
	results                            []string
}

func (o *options) main() error {
	dir := filepath.Dir(o.expect)
	if o.write != "" {
		return o.page(dir)
	}
	plan, err := readPlan(filepath.Join(dir, "exceptions.tsv"), o.expect, o.but)
	if err != nil {
		return err
	}
	ran := run{}
	for _, name := range o.results {
		tests, err := readTests(name)
		if err != nil {
			return err
		}
		ran.add(tests)
	}
	faults := plan.judge(ran)
	ids := make([]string, len(faults))
	for i, f := range faults {
		fmt.Println(f.text)
		ids[i] = f.id + "\n"
	}
	fmt.Print(summary(plan, ran))
	if o.again != "" {
		if err := os.WriteFile(o.again, []byte(strings.Join(ids, "")), 0o600); err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d of %d tests ended otherwise than expected", len(faults), len(ran))
	}
	return nil
}

// page writes a part of the page anew, from the tables in dir.
func (o *options) page(dir string) error {
	all, err := plans(dir)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(o.write)
	if err != nil {
		return err
	}
	if o.compare != "" {
		rows, err := compare(all[0], o.compare)
		if err != nil {
			return err
		}
		fmt.Print(rows)
		b, err = replaced(b, peersBegin, rows, peersEnd)
		if err != nil {
			return err
		}
	} else if b, err = into(b, all); err != nil {
		return err
	}
	return os.WriteFile(o.write, b, 0o644)
}
