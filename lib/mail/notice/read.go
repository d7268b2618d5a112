package notice

import (
	"fmt"
	"os"
	"strings"
	"unicode"
)

// Read returns the built-in templates with those replaced that the file has.
// A template with an error in it is left out, and named among the errors:
// a notice in other words is better than none.
func Read(path string) (Templates, []error) {
	t := Builtin()
	text, err := os.ReadFile(path)
	if err != nil {
		return t, []error{err}
	}
	return t, t.parse(path, string(text))
}

// parse takes a file of templates apart: name = <<END, lines, END.
func (t *Templates) parse(path, text string) (trouble []error) {
	complain := func(line int, format string, args ...any) {
		trouble = append(trouble, fmt.Errorf("%s, line %d: %s", path, line, fmt.Sprintf(format, args...)))
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		start := i + 1
		line := strings.TrimSpace(lines[i])
		i++
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok {
			complain(start, "missing '=' after template name: %q", line)
			return trouble
		}
		body := []string{value}
		if end, here := strings.CutPrefix(value, "<<"); here {
			if end = strings.TrimSpace(end); !validMarker(end) {
				complain(start, "malformed end marker after <<")
				return trouble
			}
			from := i
			for i < len(lines) && lines[i] != end {
				i++
			}
			body = lines[from:i]
			if i == len(lines) {
				complain(i, "missing %q end marker", end)
			}
			i++
		}
		kind := t.find(name)
		if kind == nil {
			complain(start, "unknown template name: %s -- ignoring this template", name)
			continue
		}
		if err := kind.set(path, body); err != nil {
			complain(start, "%s template: %v -- ignoring this template", kind.Name, err)
		}
	}
	return trouble
}

func validMarker(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// set replaces a template by the lines of the file, if they are good.
func (t *Template) set(path string, lines []string) error {
	standard := Builtin()
	replaced := *standard.find(t.Name + "_template")
	replaced.Origin = path
	rest := lines
	for len(rest) > 0 && replaced.header(rest[0]) {
		rest = rest[1:]
	}
	if len(rest) < len(lines) && len(rest) > 0 && rest[0] == "" {
		rest = rest[1:]
	}
	for _, h := range []struct{ name, value string }{
		{"Charset", replaced.Charset}, {"From", replaced.From},
		{"Subject", replaced.Subject}, {"Postmaster-Subject", replaced.PostmasterSubject},
	} {
		if !ascii(h.value) {
			return fmt.Errorf("non-ASCII %q header value", h.name)
		}
	}
	replaced.Text = strings.Join(rest, "\n")
	if strings.TrimSpace(replaced.Text) == "" {
		return fmt.Errorf("missing message text")
	}
	if !ascii(replaced.Text) && strings.EqualFold(replaced.Charset, "us-ascii") {
		return fmt.Errorf("8-bit message text needs a Charset: header other than us-ascii")
	}
	if !strings.HasSuffix(replaced.Text, "\n") {
		replaced.Text += "\n"
	}
	*t = replaced
	return nil
}

// header takes a template header; a line that is none begins the text.
func (t *Template) header(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return false
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(name) {
	case "charset":
		t.Charset = value
	case "from":
		t.From, t.OwnFrom = value, true
	case "subject":
		t.Subject = value
	case "postmaster-subject":
		t.PostmasterSubject = value
	default:
		return false
	}
	return true
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 || r == 0 })
}
