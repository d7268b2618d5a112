package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"postrider/lib/base/file"
	"postrider/lib/base/text"
)

// editParameters changes main.cf.
func (p *postconf) editParameters() error {
	edit, err := p.parameterEdit()
	if err != nil {
		return err
	}
	return editFile(filepath.Join(p.dir, "main.cf"), edit.apply)
}

// A parameterEdit is what is to be done with which names.
type parameterEdit struct {
	path   string
	warn   func(format string, args ...any)
	mode   byte // e, X or #
	names  []string
	values map[string]string
	found  map[string]int
}

// parameterEdit reads the arguments.
func (p *postconf) parameterEdit() (*parameterEdit, error) {
	e := &parameterEdit{
		path: filepath.Join(p.dir, "main.cf"), warn: p.warn, mode: p.editMode(),
		values: make(map[string]string), found: make(map[string]int),
	}
	if len(p.args) == 0 {
		if e.mode == 'e' {
			return nil, errors.New("-e requires name=value argument")
		}
		return nil, errors.New("missing service argument")
	}
	for _, arg := range p.args {
		name, value, found := strings.Cut(arg, "=")
		name = text.Trim(name)
		switch {
		case strings.ContainsAny(arg, "\r\n"):
			return nil, errors.New("-e, -X, or -# accepts no multi-line input")
		case name == "":
			return nil, fmt.Errorf("missing attribute name: %q", arg)
		case strings.HasPrefix(name, "#"):
			return nil, fmt.Errorf("-e, -X, or -# accepts no comment input")
		case e.mode == 'e' && !found, strings.ContainsAny(name, " \t"):
			return nil, fmt.Errorf("missing '=' after attribute name: %q", arg)
		}
		if old, twice := e.values[name]; twice {
			if e.mode == 'e' {
				p.warn("ignoring earlier request: '%s = %s'", name, old)
			}
		} else {
			e.names = append(e.names, name)
		}
		e.values[name] = text.Trim(value)
	}
	return e, nil
}

func (p *postconf) editMode() byte {
	for _, mode := range []byte("X#") {
		if p.modes[mode] {
			return mode
		}
	}
	return 'e'
}

// apply returns the text of the file after the edit. Comments inside an entry
// that is replaced stay, behind the new entry.
func (e *parameterEdit) apply(old string) (string, error) {
	var b strings.Builder
	for _, piece := range text.Pieces(old) {
		name, _, _ := strings.Cut(piece.Line.Text, "=")
		name = text.Trim(name)
		value, wanted := e.values[name]
		if piece.Line.First == 0 || !wanted {
			b.WriteString(piece.Raw)
			continue
		}
		if e.found[name]++; e.found[name] == 2 {
			e.warn("%s: multiple entries for %q", e.path, name)
		}
		switch e.mode {
		case 'e':
			b.WriteString(setting(name, value) + piece.Comments)
		case 'X':
			b.WriteString(piece.Comments)
		case '#':
			b.WriteString(commented(piece.Raw))
		}
	}
	if e.mode == 'e' {
		for _, name := range e.names {
			if e.found[name] == 0 {
				if n := b.Len(); n > 0 && b.String()[n-1] != '\n' {
					b.WriteByte('\n')
				}
				b.WriteString(setting(name, e.values[name]))
			}
		}
	}
	return b.String(), nil
}

func setting(name, value string) string { return name + " = " + value + "\n" }

// commented makes comments of all lines that are none yet.
func commented(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		if trimmed := text.Trim(line); trimmed != "" && trimmed[0] != '#' {
			b.WriteByte('#')
		}
		b.WriteString(line)
	}
	return b.String()
}

// editFile replaces a file by what change makes of it. Others that want to edit
// it wait, so that no edit is lost; readers see the old file or the new one. It
// keeps owner, group and mode.
func editFile(path string, change func(old string) (string, error)) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := file.Lock(dir, file.Flock, file.Exclusive); err != nil {
		return fmt.Errorf("lock %s: %w", dir.Name(), err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open %s for reading: %w", path, errors.Unwrap(err))
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("open %s for reading: %w", path, errors.Unwrap(err))
	}
	changed, err := change(string(old))
	if err != nil || changed == string(old) {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	pending, err := renameio.NewPendingFile(target, renameio.WithTempDir(filepath.Dir(target)),
		renameio.WithPermissions(info.Mode().Perm()), renameio.IgnoreUmask())
	if err != nil {
		return err
	}
	defer pending.Cleanup()
	if err := pending.Chown(file.Owner(info), file.Group(info)); err != nil {
		return fmt.Errorf("keep the owner of %s: %w", path, err)
	}
	if _, err := pending.WriteString(changed); err != nil {
		return err
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return file.SyncDir(filepath.Dir(target))
}
