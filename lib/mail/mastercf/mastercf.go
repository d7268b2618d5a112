// Package mastercf reads and edits master.cf, the list of the services that
// master(8) runs.
//
// An entry has eight fields and the arguments of the command:
//
//	service type private unprivileged chroot wakeup process_limit command arguments...
//
// White space separates them; between { and } it does not. "-" stands for the
// default of a field. Source: master(5).
package mastercf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/text"
)

// The numbers of the fields of an entry.
const (
	Service = iota
	Type
	Private
	Unprivileged
	Chroot
	Wakeup
	ProcessLimit
	Command
	fields
)

// FieldNames are the names of the fields, as postconf -F shows them.
var FieldNames = [fields]string{
	"service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command",
}

// DefaultLimit as MaxProc means $default_process_limit.
const DefaultLimit = -1

// An Entry is one service.
type Entry struct {
	Name         string // of the socket, or [host:]port
	Type         string // inet, unix, unix-dgram, fifo or pass
	Private      bool
	Unprivileged bool
	Chroot       bool
	ChrootUnset  bool // the field is "-": Chroot is false, as from compatibility_level 1 on
	Wakeup       time.Duration
	WakeupIfUsed bool     // only when the service has been used
	MaxProc      int      // 0: no limit; DefaultLimit: $default_process_limit
	Command      string   // a file in $daemon_directory
	Args         []string // without the braces around them

	Fields  [fields]string // as they are written
	RawArgs []string       // with braces
	Line    int            // where the entry begins
}

// A File is the contents of master.cf.
type File struct {
	Entries  []Entry
	Warnings []string // about services that are there twice
}

// Read reads a master.cf file and returns its services. Of several entries with
// the same name and type the last one counts.
func Read(path string) ([]Entry, error) {
	file, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return file.Entries, nil
}

// ReadFile is Read with warnings.
func ReadFile(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would make us wait
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s: %d bytes; a master.cf file has at most %d", path, info.Size(), maxFile)
	}
	return Parse(path, io.LimitReader(f, maxFile))
}

// maxFile is how large master.cf may be.
const maxFile = 16 << 20

// maxErrors is how many errors are worth reading.
const maxErrors = 100

// Parse reads entries from r; path is for messages. All bad entries are
// reported at once.
func Parse(path string, r io.Reader) (*File, error) {
	file := &File{}
	index := make(map[string]int) // "name/type" to its place
	var errs []error
	lines := text.NewLines(r, 0)
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return file, errors.Join(errs...)
		}
		if err != nil {
			return file, errors.Join(append(errs, fmt.Errorf("%s, %w", path, err))...)
		}
		entry, err := ParseEntry(line.Text)
		if err != nil {
			if errs = append(errs, fmt.Errorf("%s, line %d: %w", path, line.First, err)); len(errs) == maxErrors {
				return file, errors.Join(append(errs, fmt.Errorf("%s: too many errors", path))...)
			}
			continue
		}
		entry.Line = line.First
		if i, twice := index[entry.ID()]; twice {
			file.Warnings = append(file.Warnings, fmt.Sprintf(
				"%s, line %d: duplicate entry for service %q, type %q; it replaces the one in line %d",
				path, line.First, entry.Name, entry.Type, file.Entries[i].Line))
			file.Entries[i] = entry
			continue
		}
		index[entry.ID()] = len(file.Entries)
		file.Entries = append(file.Entries, entry)
	}
}

// ID returns "name/type", the text that names the entry.
func (e *Entry) ID() string { return e.Name + "/" + e.Type }

// ParseEntry reads one entry from its logical line. An error names the field
// and says what to write.
func ParseEntry(line string) (Entry, error) {
	var e Entry
	if strings.IndexByte(line, 0) >= 0 {
		return e, errors.New("a NUL byte: is this a binary file?")
	}
	if line != "" && text.IsBlank(line[0]) {
		return e, errors.New("an entry must not begin with white space: there is no entry before it to continue")
	}
	rest := line
	for i := range e.Fields {
		field, after, found := text.NextBraces(rest, blanks)
		if !found {
			return e, fmt.Errorf("field %q is missing: write service, type, private, unprivileged, chroot, wakeup, process_limit and command", FieldNames[i])
		}
		e.Fields[i], rest = field, after
	}
	for {
		arg, after, found := text.NextBraces(rest, blanks)
		if !found {
			break
		}
		plain, err := unbrace(arg)
		if err != nil {
			return e, err
		}
		if arg[0] == '{' {
			n := len(e.RawArgs)
			arg = rebrace(plain, n > 0 && e.RawArgs[n-1] == "-o")
		}
		e.RawArgs, e.Args, rest = append(e.RawArgs, arg), append(e.Args, plain), after
	}
	return e, e.interpret()
}

const blanks = " \t\r\n\v\f"

// rebrace puts braces around an argument that cannot stand without them. There
// is no white space around the "=" of an option.
func rebrace(plain string, option bool) string {
	if name, value, found := strings.Cut(plain, "="); option && found {
		plain = strings.TrimSpace(name) + "=" + strings.TrimSpace(value)
	}
	if plain == "" || strings.ContainsAny(plain, blanks+"{}") {
		return "{" + plain + "}"
	}
	return plain
}

// unbrace removes the braces around an argument, with the white space inside.
func unbrace(arg string) (string, error) {
	if arg[0] != '{' {
		return arg, nil
	}
	inner, ok := text.Unbrace(arg)
	if !ok {
		return "", fmt.Errorf("argument %q: a } is missing, or there is text after it", arg)
	}
	return inner, nil
}

// interpret gives the fields their meaning.
func (e *Entry) interpret() error {
	e.Name, e.Type, e.Command = e.Fields[Service], e.Fields[Type], e.Fields[Command]
	switch e.Type {
	case "inet", "unix", "unix-dgram", "fifo", "pass":
	default:
		return e.bad(Type, "write inet, unix, unix-dgram, fifo or pass")
	}
	var err error
	if e.Private, err = e.flag(Private, true); err != nil {
		return err
	}
	if e.Type == "inet" && e.Private {
		return e.bad(Private, "write n: a service of type inet is for everybody")
	}
	if e.Unprivileged, err = e.flag(Unprivileged, true); err != nil {
		return err
	}
	if e.Chroot, err = e.flag(Chroot, false); err != nil {
		return err
	}
	e.ChrootUnset = e.Fields[Chroot] == "-"
	if err := e.wakeup(); err != nil {
		return err
	}
	e.MaxProc = DefaultLimit
	if limit := e.Fields[ProcessLimit]; limit != "-" {
		n, err := strconv.ParseUint(limit, 10, 31)
		if err != nil {
			return e.bad(ProcessLimit, "write a number, 0 for no limit, or -")
		}
		e.MaxProc = int(n)
	}
	return nil
}

// flag reads a field that is y or n.
func (e *Entry) flag(field int, fallback bool) (bool, error) {
	switch e.Fields[field] {
	case "y":
		return true, nil
	case "n":
		return false, nil
	case "-":
		return fallback, nil
	}
	return false, e.bad(field, "write y, n or -")
}

// wakeup reads a time in seconds; a ? after it means: only when in use.
func (e *Entry) wakeup() error {
	field := e.Fields[Wakeup]
	if field == "-" {
		return nil
	}
	field, e.WakeupIfUsed = strings.CutSuffix(field, "?")
	seconds, err := strconv.ParseUint(field, 10, 31)
	if err != nil {
		return e.bad(Wakeup, "write a number of seconds, with ? after it to wake up only what is in use, or -")
	}
	e.Wakeup = time.Duration(seconds) * time.Second
	return nil
}

func (e *Entry) bad(field int, want string) error {
	return fmt.Errorf("service %s: field %q is %q: %s", e.Fields[Service], FieldNames[field], e.Fields[field], want)
}
