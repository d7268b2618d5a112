package rules

import (
	"fmt"
	"strings"

	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

// A Regexp is what "/text/options" is about in the dialect of a type.
type Regexp interface {
	MatchString(text string) (bool, error)
	// Find returns the text that the pattern matches and that of its groups.
	Find(text string) ([]string, error)
	Groups() int
}

// A Dialect is a kind of regular expression.
type Dialect struct {
	Kind     string // the type of table: "regexp"
	Obsolete string // options that are ignored, with a warning
	// Compile makes a Regexp. For a bad option the error is an OptionError.
	Compile func(pattern, options string, fold bool) (Regexp, error)
}

// OptionError says that there is no such option.
type OptionError byte

func (e OptionError) Error() string {
	return fmt.Sprintf("unknown option \"%c\"", byte(e))
}

// Open reads a table of regular expressions.
func (d Dialect) Open(name string, flags table.Flags) (table.Table, error) {
	r := reader{d, NewList(d.Kind, name), flags}
	source, err := table.ReadLines(name, func(line text.Line) error {
		r.line(line.First, line.Text)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.list.Finish(source)
	return r.list, nil
}

type reader struct {
	Dialect
	list  *List
	flags table.Flags
}

// line adds the rule of a line. A bad line is skipped with a warning.
func (r *reader) line(number int, line string) {
	line = text.Trim(line)
	if !alphanumeric(line[0]) {
		r.rule(number, line)
		return
	}
	n := 0
	for n < len(line) && alphanumeric(line[n]) {
		n++
	}
	verb, rest := line[:n], text.Trim(line[n:])
	switch {
	case strings.EqualFold(verb, "if"):
		r.condition(number, rest)
	case strings.EqualFold(verb, "endif"):
		if rest != "" {
			r.list.Warn(number, "ignoring extra text after ENDIF")
		}
		if !r.list.EndIf() {
			r.list.Warn(number, "ignoring ENDIF without matching IF")
		}
	default:
		r.list.Warn(number, "ignoring unrecognized request")
	}
}

// condition begins a block.
func (r *reader) condition(number int, line string) {
	re, not, rest, ok := r.pattern(number, line)
	if !ok {
		return
	}
	if rest != "" {
		r.list.Warn(number, "ignoring extra text after IF statement: %q", rest)
		r.list.Warn(number, "do not prepend whitespace to statements between IF and ENDIF")
	}
	r.list.If(number, not, condition{re})
}

// rule adds a pattern with its value.
func (r *reader) rule(number int, line string) {
	re, not, replacement, ok := r.pattern(number, line)
	if !ok {
		return
	}
	if replacement == "" {
		r.list.Warn(number, "no replacement text: using empty string")
	}
	if r.flags&table.SourceIsFile != 0 {
		data, err := table.Files(replacement)
		if err != nil {
			r.list.Warn(number, "%v: skipping this rule", err)
			return
		}
		r.list.Add(number, not, condition{re}, Text(data))
		return
	}
	pieces, err := parseReplacement(replacement)
	if err != nil {
		r.list.Warn(number, "%v", err)
		r.list.Warn(number, "bad replacement syntax: skipping this rule")
		return
	}
	switch highest := pieces.highest(); {
	case highest > re.Groups():
		r.list.Warn(number, `out of range replacement index "%d": skipping this rule`, highest)
	case highest >= 0 && not:
		r.list.Warn(number, "$number found in negative match replacement text: skipping this rule")
	case highest >= 0 && r.flags&table.NoSubstitute != 0:
		r.list.Warn(number, "regular expression substitution is not allowed: skipping this rule")
	case highest < 0:
		r.list.Add(number, not, condition{re}, Text(pieces.text()))
	default:
		r.list.Add(number, not, condition{re}, substitution{re, pieces})
	}
}

// pattern reads [!]/pattern/options, with any delimiter, and returns what comes
// after it.
func (r *reader) pattern(number int, line string) (re Regexp, not bool, rest string, ok bool) {
	for strings.HasPrefix(line, "!") {
		not, line = !not, text.Trim(line[1:])
	}
	if line == "" {
		r.list.Warn(number, "no regular expression: skipping this rule")
		return nil, not, "", false
	}
	delimiter := line[0]
	end := 1
	for end < len(line) && line[end] != delimiter {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(line) {
		r.list.Warn(number, `no closing regexp delimiter "%c": skipping this rule`, delimiter)
		return nil, not, "", false
	}
	pattern, rest := line[1:end], line[end+1:]
	n := 0
	for n < len(rest) && !text.IsBlank(rest[n]) {
		n++
	}
	options := rest[:n]
	for _, old := range r.Obsolete {
		if strings.ContainsRune(options, old) {
			r.list.Warn(number, `ignoring obsolete regexp option "%c"`, old)
			options = strings.ReplaceAll(options, string(old), "")
		}
	}
	re, err := r.Compile(pattern, options, r.flags&table.FoldPattern != 0)
	if option, bad := err.(OptionError); bad {
		r.list.Warn(number, `unknown regexp option "%c": skipping this rule`, byte(option))
		return nil, not, "", false
	}
	if err != nil {
		r.list.Warn(number, "%v", err)
		return nil, not, "", false
	}
	return re, not, text.Trim(rest[n:]), true
}

// condition is a Pattern.
type condition struct{ re Regexp }

func (c condition) Match(key string) (matches, applies bool, err error) {
	matches, err = c.re.MatchString(key)
	return matches, true, err
}
