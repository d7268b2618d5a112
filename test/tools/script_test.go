package tools

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A script is one file of testdata: a sentence about it, files to make, and
// commands, which a shell runs one after another in a new directory.
//
//	What postmap(1) makes of two tables.
//	-- main.cf --
//	settings that come behind those of all scripts
//	-- file NAME --
//	text; the name is absolute, or that of a file in the directory
//	-- commands --
//	# a comment
//	> chmod 600 one          prepares; it must succeed on both sides
//	$ postmap -q key cdb:one is compared
//	~ stderr: reason         the case above differs here (stdout, stderr or
//	                         status), because of what docs/differences.md says
//	                         in these words
//
// A line that ends with a backslash goes on in the next one.
type script struct {
	name  string
	about string
	conf  string
	files []file
	steps []*step
}

type file struct{ name, text string }

// A step is one command.
type step struct {
	line     int
	command  string
	prepares bool
	differs  map[string]string // part -> reason
}

func (s *script) path() string { return "testdata/" + s.name + ".txt" }

func readScripts(pattern string) ([]*script, error) {
	if pattern == "" {
		pattern = "*"
	}
	var list []*script
	paths, err := filepath.Glob("testdata/*.txt")
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		if yes, _ := filepath.Match(pattern, name); !yes {
			continue
		}
		s, err := readScript(path, name)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("no scripts %s in testdata", pattern)
	}
	return list, err
}

func readScript(path, name string) (*script, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &script{name: name}
	section := &s.about
	commands := false
	number, begun := 0, ""
	for line := range strings.Lines(string(data)) {
		number++
		heading, isHeading := strings.CutPrefix(strings.TrimSuffix(line, " --\n"), "-- ")
		switch {
		case isHeading && strings.HasSuffix(line, " --\n"):
			commands = heading == "commands"
			name, isFile := strings.CutPrefix(heading, "file ")
			switch {
			case isFile:
				s.files = append(s.files, file{name: name})
				section = &s.files[len(s.files)-1].text
			case heading == "main.cf":
				section = &s.conf
			case !commands:
				return nil, fmt.Errorf("%s:%d: unknown section %q", path, number, heading)
			}
		case !commands:
			*section += line
		case strings.HasSuffix(line, "\\\n"):
			begun += strings.TrimSuffix(line, "\\\n")
		default:
			if err := s.command(number, begun+strings.TrimSuffix(line, "\n")); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, number, err)
			}
			begun = ""
		}
	}
	if strings.TrimSpace(s.about) == "" || len(s.steps) == 0 {
		return nil, fmt.Errorf("%s: says nothing, or does nothing", path)
	}
	return s, nil
}

func (s *script) command(line int, text string) error {
	if text == "" || text[0] == '#' {
		return nil
	}
	kind, rest, _ := strings.Cut(text, " ")
	switch kind {
	case "$", ">":
		s.steps = append(s.steps, &step{line: line, command: rest, prepares: kind == ">", differs: map[string]string{}})
	case "~":
		part, reason, ok := strings.Cut(rest, ": ")
		if !ok || len(s.steps) == 0 {
			return fmt.Errorf("bad note %q", text)
		}
		s.steps[len(s.steps)-1].differs[part] = reason
	default:
		return fmt.Errorf("what is %q?", text)
	}
	return nil
}
