package param

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"postrider/lib/base/text"
)

// maxFile is how large main.cf may be. What is larger is something else, such
// as a log file under a wrong name.
const maxFile = 16 << 20

// Read reads main.cf in dir. All lines that are no settings are reported at
// once, each with file and line.
func Read(dir string) (*Settings, error) {
	s := New(dir)
	name := filepath.Join(dir, "main.cf")
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// An editor may be writing the file right now.
	for range 5 {
		before, err := file.Stat()
		if err != nil {
			return nil, err
		}
		if err := checkFile(name, before); err != nil {
			return nil, err
		}
		if err := s.parse(name, io.LimitReader(file, maxFile)); err != nil {
			return nil, err
		}
		after, err := os.Stat(name)
		if err == nil && os.SameFile(before, after) &&
			before.Size() == after.Size() && before.ModTime().Equal(after.ModTime()) {
			return s, nil
		}
		again, err := open(name)
		if err != nil {
			return nil, err
		}
		file.Close()
		file, s = again, New(dir)
	}
	return nil, fmt.Errorf("%s: the file changes all the time", name)
}

// open opens a file that may be something else, such as a pipe, without waiting for
// somebody to write into it.
func open(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// checkFile refuses what cannot be a main.cf file.
func checkFile(name string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", name)
	case info.Size() > maxFile:
		return fmt.Errorf("%s: %d bytes; a main.cf file has at most %d", name, info.Size(), maxFile)
	}
	return nil
}

// parse reads settings. Where a name is set again the later value counts.
func (s *Settings) parse(name string, r io.Reader) error {
	var errs Errors
	lines := text.NewLines(r, 0)
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return errs.orNil()
		}
		if err != nil {
			return append(errs, fmt.Errorf("%s, %w", name, err))
		}
		parameter, value, err := splitSetting(line.Text)
		if err != nil {
			if errs = append(errs, fmt.Errorf("%s, line %d: %w", name, line.First, err)); len(errs) == maxErrors {
				return append(errs, fmt.Errorf("%s: too many errors", name))
			}
			continue
		}
		if old, set := s.set[parameter]; set && old.value != value {
			s.warn(fmt.Sprintf("%s, line %d: overriding earlier entry: %s=%s", name, line.First, parameter, old.value))
		}
		s.set[parameter] = setting{value, name, line.First}
	}
}

// splitSetting takes "name = value" apart.
func splitSetting(line string) (name, value string, err error) {
	switch {
	case strings.IndexByte(line, 0) >= 0:
		return "", "", fmt.Errorf("a NUL byte in %s: is this a binary file?", shorten(line))
	case line != "" && text.IsBlank(line[0]):
		return "", "", fmt.Errorf("logical line must not start with whitespace: %s", shorten(line))
	}
	name, value, found := strings.Cut(line, "=")
	name = text.Trim(name)
	switch {
	case !found || strings.ContainsAny(name, " \t\r\n\v\f"):
		return "", "", fmt.Errorf("missing '=' after attribute name: %s", shorten(line))
	case name == "":
		return "", "", fmt.Errorf("missing attribute name: %s", shorten(line))
	}
	return name, text.Trim(value), nil
}

// shorten quotes the beginning of a line for an error message.
func shorten(line string) string {
	if len(line) > 100 {
		return fmt.Sprintf("%q...", line[:100])
	}
	return fmt.Sprintf("\"%s\"", line)
}

// Errors are all the errors of a configuration.
type Errors []error

// maxErrors is how many errors are worth reading.
const maxErrors = 100

// Error returns all errors, one per line.
func (e Errors) Error() string {
	return errors.Join(e...).Error()
}

// Unwrap returns the single errors.
func (e Errors) Unwrap() []error { return e }

func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
