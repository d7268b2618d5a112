package mastercf

import (
	"strings"
)

// columns are where the fields begin, when those before them are not too long.
var columns = [fields]int{0, 11, 17, 25, 33, 41, 49, 57}

// width is how long a line may be when it is folded.
const width = 80

// Format returns an entry as a line, as postconf -M prints it. With fold, long
// lines are folded and each -o option has a line of its own.
func (e *Entry) Format(fold bool) string {
	var b strings.Builder
	for i, field := range e.Fields {
		if i > 0 {
			b.WriteByte(' ')
			for b.Len() < columns[i] {
				b.WriteByte(' ')
			}
		}
		b.WriteString(field)
	}
	e.formatArgs(&b, fold)
	return b.String()
}

// FormatCommand returns the command with its arguments behind other text.
func (e *Entry) FormatCommand(text string, fold bool) string {
	var b strings.Builder
	b.WriteString(text + e.Fields[Command])
	e.formatArgs(&b, fold)
	return b.String()
}

func (e *Entry) formatArgs(b *strings.Builder, fold bool) {
	start, alone := 0, false // of the line; whether it is full after an option
	for i := 0; i < len(e.RawArgs); i++ {
		arg := e.RawArgs[i]
		option := arg == "-o" && i+1 < len(e.RawArgs)
		if option {
			i++
			arg += " " + e.RawArgs[i]
		}
		if fold && (option || alone || b.Len()-start+1+len(arg) >= width) {
			b.WriteString("\n   ")
			start = b.Len() - 3
		}
		b.WriteString(" " + arg)
		alone = option
	}
}

// Options returns the parameters that the entry sets with -o: name and value
// in turns of their place in Args.
func (e *Entry) Options() []Option {
	var list []Option
	for i := 0; i < len(e.Args); i++ {
		if value, ok := strings.CutPrefix(e.Args[i], "-o"); ok {
			at := i
			if value == "" {
				if i++; i == len(e.Args) {
					break
				}
				value = e.Args[i]
			}
			name, value, found := strings.Cut(value, "=")
			if found {
				list = append(list, Option{strings.TrimSpace(name), strings.TrimSpace(value), at, i})
			}
		} else if !strings.HasPrefix(e.Args[i], "-") {
			break // arguments of another kind: those of pipe(8)
		}
	}
	return list
}

// An Option is a main.cf setting in an entry.
type Option struct {
	Name, Value string
	first, last int // of the arguments that it consists of
}

// SetOption sets a parameter. Braces protect a value with white space.
func (e *Entry) SetOption(name, value string) {
	text := rebrace(name+"="+value, true)
	if e.replaceOption(name, text) {
		return
	}
	at := 0
	for at < len(e.RawArgs) && strings.HasPrefix(e.RawArgs[at], "-") {
		if e.RawArgs[at] == "-o" {
			at++
		}
		at++
	}
	at = min(at, len(e.RawArgs))
	args := append([]string{}, e.RawArgs[:at]...)
	args = append(args, "-o", text)
	e.setArgs(append(args, e.RawArgs[at:]...))
}

// replaceOption changes a setting in its place, if there is exactly one.
func (e *Entry) replaceOption(name, text string) bool {
	var found []Option
	for _, o := range e.Options() {
		if o.Name == name {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		e.RemoveOption(name)
		return false
	}
	args := append([]string{}, e.RawArgs[:found[0].first]...)
	args = append(args, "-o", text)
	e.setArgs(append(args, e.RawArgs[found[0].last+1:]...))
	return true
}

// RemoveOption removes all settings of a parameter, and reports whether there
// was one.
func (e *Entry) RemoveOption(name string) bool {
	options := e.Options()
	found := false
	for i := len(options) - 1; i >= 0; i-- {
		if o := options[i]; o.Name == name {
			args := append([]string{}, e.RawArgs[:o.first]...)
			e.setArgs(append(args, e.RawArgs[o.last+1:]...))
			found = true
		}
	}
	return found
}

// setArgs replaces the arguments.
func (e *Entry) setArgs(raw []string) {
	e.RawArgs = raw
	e.Args = nil
	for _, arg := range raw {
		plain, err := unbrace(arg)
		if err != nil { // it was checked when it was read
			plain = arg
		}
		e.Args = append(e.Args, plain)
	}
}

// SetField changes one field. Field Command is the command with its arguments.
func (e *Entry) SetField(field int, value string) error {
	changed := *e
	if field != Command {
		changed.Fields[field] = value
		if strings.ContainsAny(value, blanks) || value == "" {
			return changed.bad(field, "write one word")
		}
	} else {
		words := strings.Join(e.Fields[:Command], " ") + " " + value
		entry, err := ParseEntry(words)
		if err != nil {
			return err
		}
		entry.Line = e.Line
		*e = entry
		return nil
	}
	if err := changed.interpret(); err != nil {
		return err
	}
	*e = changed
	return nil
}

// Disabled reports whether a list such as $master_service_disable names the
// entry: "name/type", "name.type", a type alone, "*" for any name. The first
// item that matches decides; one that begins with ! means no.
func (e *Entry) Disabled(list string) bool {
	for item := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || strings.ContainsRune(blanks, r) }) {
		pattern := strings.TrimLeft(item, "!")
		if e.matches(pattern) {
			return (len(item)-len(pattern))%2 == 0
		}
	}
	return false
}

func (e *Entry) matches(pattern string) bool {
	if pattern == e.Type {
		return true
	}
	for _, separator := range []string{"/", "."} {
		i := strings.LastIndex(pattern, separator)
		if i >= 0 && pattern[i+1:] == e.Type && (pattern[:i] == e.Name || pattern[:i] == "*") {
			return true
		}
	}
	return false
}
