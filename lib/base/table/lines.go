package table

import (
	"io"

	"postrider/lib/base/text"
)

// ReadLines calls each for the logical lines of the text file of a table, until
// it returns an error. The Source stays open for Changed.
func ReadLines(path string, each func(text.Line) error) (*Source, error) {
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
