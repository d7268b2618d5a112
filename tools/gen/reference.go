package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A reference is what Postfix has.
type reference struct {
	defaults map[string]string
	changed  map[string]string // defaults of ours that differ on purpose
}

func readReference(dir string) (*reference, error) {
	defaults, err := readList(filepath.Join(dir, "remaining.txt"))
	if err != nil {
		return nil, err
	}
	changed, err := readList(filepath.Join(dir, "changed.txt"))
	return &reference{defaults, changed}, err
}

// readList reads lines of the form "name = default".
func readList(file string) (map[string]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(strings.TrimSpace(line), " =")
		if !found {
			return nil, fmt.Errorf("%s: %q is not name = value", file, line)
		}
		value = strings.TrimSpace(value)
		if value == "(computed)" {
			value = ""
		}
		list[name] = value
	}
	return list, nil
}

// statusFile makes docs/status.md: what is known but not acted upon, and what
// is otherwise than in Postfix 3.11.
func statusFile(list []*parameter, declared map[string]*parameter, ref *reference) []byte {
	var b bytes.Buffer
	var unused, ours, other, textless []string
	for _, p := range list {
		value, known := ref.defaults[p.name]
		if changed, ok := ref.changed[p.name]; ok {
			value = changed
		}
		switch {
		case declared[p.name] == nil:
			unused = append(unused, "`"+p.name+"`")
		case !known:
			ours = append(ours, fmt.Sprintf("`%s` (%s)", p.name, p.place))
		case value != p.fallback:
			other = append(other, fmt.Sprintf("| `%s` | `%s` | `%s` | %s |", p.name, value, p.fallback, p.place))
		}
		if declared[p.name] != nil && p.text == "" {
			textless = append(textless, fmt.Sprintf("`%s` (%s)", p.name, p.place))
		}
	}
	fmt.Fprintf(&b, "# Parameters: what is done with them\n\nMade by tools/gen; do not edit.\n\n"+
		"Of %d parameters of Postfix 3.11, %d are read by a program.\n",
		len(ref.defaults), len(ref.defaults)-len(unused))
	write := func(heading, text string, items []string) {
		if len(items) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s\n", heading, text, strings.Join(items, "\n"))
		}
	}
	write("Known but not acted upon", "postconf prints them and they can be used as `$name`, but no program reads them.", bullets(unused))
	write("Not in Postfix 3.11", "Parameters of our own.", bullets(ours))
	if len(other) > 0 {
		other = append([]string{"| parameter | expected | declared | where |", "|---|---|---|---|"}, other...)
	}
	write("Defaults that differ", "Neither Postfix's default nor one of tools/gen/changed.txt.", other)
	write("Without text", "Parameters that the manual cannot explain.", bullets(textless))
	var stale []string
	for _, name := range slices.Sorted(maps.Keys(ref.changed)) {
		if _, known := ref.defaults[name]; !known {
			stale = append(stale, "`"+name+"`")
		}
	}
	write("Unknown names in tools/gen/changed.txt", "Remove them.", bullets(stale))
	return b.Bytes()
}

func bullets(items []string) []string {
	for i := range items {
		items[i] = "- " + items[i]
	}
	return items
}
