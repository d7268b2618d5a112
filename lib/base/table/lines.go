package table

import (
	"io"
	"strings"

	"postrider/lib/base/text"
)

// ReadLines calls each for the logical lines of the text file of a table, until
// it returns an error. The Source stays open for Changed. A path in braces is the
// table itself, "{{line}, {line}}", and has no Source.
func ReadLines(path string, each func(text.Line) error) (*Source, error) {
	if strings.HasPrefix(path, "{") {
		return nil, inlineLines(path, each)
	}
	source, err := OpenSource(path)
	if err != nil {
		return nil, err
	}
	lines := text.NewLines(source, 0)
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return source, nil
		}
		if err == nil {
			err = each(line)
		}
		if err != nil {
			source.Close()
			return nil, err
		}
	}
}

// inlineLines is ReadLines for a table that stands where it is used.
func inlineLines(list string, each func(text.Line) error) error {
	inside, ok := text.Unbrace(list)
	if !ok {
		return Mistake("missing '}', or text after it, in %q", list)
	}
	for n, item := range text.SplitBraces(inside) {
		line, ok := text.Unbrace(item)
		if !ok || item[0] != '{' {
			return Mistake("need {{rule}, {rule}}, not %q", list)
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if err := each(text.Line{Text: line, First: n + 1, Last: n + 1}); err != nil {
			return err
		}
	}
	return nil
}

// Entry splits a line of a table's source: the key goes up to the first white
// space that is not in double quotes and has no backslash before it. Quotes and
// backslashes are part of the key. See postmap(1).
func Entry(line string) (key, value string) {
	key, value, _ = CutEntry(line)
	return key, value
}

// CutEntry is Entry that also tells whether the quotes of the key are balanced.
func CutEntry(line string) (key, value string, balanced bool) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && text.IsBlank(c):
			return line[:i], text.Trim(line[i:]), true
		}
	}
	return line, "", !quoted
}
