// Gen writes what is derived from the source: the table of parameters in
// lib/mail/param/builtin.go, the manual pages in docs/man, conf/main.cf.default,
// docs/protocols.md and docs/status.md.
//
// # USAGE
//
//	go generate ./...
//
// Run it after changing a parameter or the manual text of a program. With -n it
// writes nothing, and fails when a file is not what it would write.
//
// Parameters come from the structs that declare them; see package param. Those
// of Postfix that no program declares stand in remaining.txt beside this file.
package main

//go:generate go run . -C ../..

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	check := flag.Bool("n", false, "write nothing; fail when a file is stale")
	root := flag.String("C", ".", "the root of the source tree")
	flag.Parse()
	stale, err := run(*root, !*check)
	for _, name := range stale {
		fmt.Println(name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
	if *check && len(stale) > 0 {
		os.Exit(1)
	}
}

// A product is a file that is derived from the source.
type product struct {
	name string // below the root
	text []byte
}

// run makes all files, and returns the names of those that were not as they
// should be. They are written when write is true.
func run(root string, write bool) (stale []string, err error) {
	products, err := generate(root)
	if err != nil {
		return nil, err
	}
	for _, p := range products {
		path := filepath.Join(root, p.name)
		old, err := os.ReadFile(path)
		if err == nil && bytes.Equal(old, p.text) {
			continue
		}
		stale = append(stale, p.name)
		if !write {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return stale, err
		}
		if err := os.WriteFile(path, p.text, 0o644); err != nil {
			return stale, err
		}
	}
	return stale, nil
}

// generate makes all files from the source below root.
func generate(root string) ([]product, error) {
	src, err := readSource(root, func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "gen: warning: "+format+"\n", args...)
	})
	if err != nil {
		return nil, err
	}
	reference, err := readReference(filepath.Join(root, "tools/gen"))
	if err != nil {
		return nil, err
	}
	declared, errs := src.declared(reference)
	list := merge(declared, reference)
	for _, err := range append(errs, reference.judge(list, declared)...) {
		fmt.Fprintln(os.Stderr, "gen: warning:", err)
	}
	markUnread(list, declared, src.asked)
	table, err := builtinTable(list)
	if err != nil {
		return nil, err
	}
	products := []product{
		{"lib/mail/param/builtin.go", table},
		{"conf/main.cf.default", defaultsFile(list)},
		{"docs/status.md", statusFile(list, declared, reference)},
	}
	messages, err := protocols(root)
	if err != nil {
		return nil, err
	}
	products = append(products, product{"docs/protocols.md", messages})
	pages, err := src.pages(list)
	return append(products, pages...), err
}

// merge returns the declared parameters and those that only the reference has,
// sorted by name.
func merge(declared map[string]*parameter, reference *reference) []*parameter {
	var list []*parameter
	for _, p := range declared {
		slices.Sort(p.users)
		list = append(list, p)
	}
	for name, value := range reference.defaults {
		if declared[name] != nil {
			continue
		}
		p := &parameter{name: name, fallback: value}
		if changed, ok := reference.changed[name]; ok {
			p.fallback = changed
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *parameter) int { return strings.Compare(a.name, b.name) })
	return list
}
