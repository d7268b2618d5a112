// Package maptool is what postmap(1) and postalias(1) have in common: they write
// tables, change them, and look things up in them. They differ in the form of
// the text that a table is made from.
package maptool

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"unicode"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
	"postrider/lib/daemon/command"
	"postrider/lib/mail/param"
	"postrider/lib/mail/site"
	_ "postrider/lib/service/proxymap" // the table type "proxy"
)

// Params are the parameters of the commands that write tables.
type Params struct {
	site.Params

	// The type of tables whose type is not given.
	DefaultDatabaseType string `param:"default_database_type" default:"cdb"`
}

// A Tool is one of the commands.
type Tool struct {
	Name    string
	Letters string // options that it knows, as for option.Parse
	Usage   string
	// Separator is what stands between keys and white space in a listing.
	Separator string
	// Entry adds what a line of the source says, with w.Put.
	Entry func(w *Writer, line text.Line)
	// Finish adds what comes after the last line; may be nil.
	Finish func(w *Writer)
	// Message looks up the parts of a message on standard input, when one of
	// the options -b, -h and -m is given; may be nil.
	Message func(o *Order, specs []string) (found bool)
	// Params is filled with what main.cf says.
	Params *Params
}

// An Order is what the command line asks for.
type Order struct {
	*Params
	config    string
	separator string

	Incremental bool // -i: entries from standard input, added to what is there
	NoFold      bool // -f: letter case is important
	keepRoot    bool // -o: stay root although the source is another user's
	ownMode     bool // -p: the table does not get the permissions of the source
	replace     bool // -r: an entry replaces one that is there
	ignore      bool // -w: no warning for an entry that is there
	list        bool // -s
	json        bool // -j: print objects
	Files       bool // -F: values are contents of files
	Body        bool // -b
	Headers     bool // -h
	MIME        bool // -m
	utf8        *bool
	flags       table.Flags // -n and -N

	lookup *string // -q
	remove *string // -d
}

// Run does what the command line says, and ends the process.
func (t *Tool) Run(args []string) {
	msg.Open(msg.Options{Program: t.Name, Name: "postfix", Facility: "mail", Stderr: true, NoSyslog: true})
	debug.SetGCPercent(50) // tables are large, and have few pointers
	o, rest := t.options(args)
	if len(rest) == 0 {
		t.usage()
	}
	o.settle(command.Load(o.Params))
	specs := make([]string, len(rest))
	for i, spec := range rest {
		specs[i] = o.spec(spec)
	}
	os.Exit(t.run(o, specs))
}

func (t *Tool) run(o *Order, specs []string) (status int) {
	part := o.Body || o.Headers
	if o.MIME && !part {
		msg.Warn("ignoring -m option without -b or -h")
	}
	switch {
	case part && (o.lookup == nil || *o.lookup != "-" || t.Message == nil):
		msg.Fatal(`specify -b -h or -m only with "-q -"`)
	case part:
		if !t.Message(o, specs) {
			return 1
		}
	case o.remove != nil:
		return o.removeKeys(specs)
	case o.lookup != nil && *o.lookup == "-":
		return o.lookupLines(specs)
	case o.lookup != nil:
		return o.lookupKey(specs)
	case o.list:
		for _, spec := range specs {
			o.listEntries(spec)
		}
	default:
		for _, spec := range specs {
			t.build(o, spec)
		}
	}
	return 0
}

func (t *Tool) usage() { msg.Fatal("usage: %s %s", t.Name, t.Usage) }

func (t *Tool) options(args []string) (*Order, []string) {
	o := &Order{Params: t.Params, separator: t.Separator}
	list, rest, err := option.Parse(args, t.Letters)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", t.Name, err)
		t.usage()
	}
	yes, no := true, false
	switches := map[byte]*bool{
		'b': &o.Body, 'f': &o.NoFold, 'F': &o.Files, 'h': &o.Headers, 'i': &o.Incremental, 'j': &o.json, 'm': &o.MIME, 'o': &o.keepRoot,
		'p': &o.ownMode, 'r': &o.replace, 's': &o.list, 'w': &o.ignore,
	}
	for _, opt := range list {
		switch opt.Letter {
		case 'c':
			o.config = opt.Value
		case 'd':
			o.remove = &opt.Value
		case 'q':
			o.lookup = &opt.Value
		case 'n':
			o.flags |= table.WithoutNUL
		case 'N':
			o.flags |= table.WithNUL
		case 'u':
			o.utf8 = &no
		case 'U':
			o.utf8 = &yes
		case 'v':
			msg.Verbose++
		default:
			*switches[opt.Letter] = true
		}
	}
	if count(o.list, o.lookup != nil, o.remove != nil) > 1 {
		msg.Fatal("specify only one of -s -q or -d")
	}
	if o.json && !o.list && o.lookup == nil {
		msg.Fatal("option -j requires -q or -s")
	}
	if o.config != "" {
		command.Configure(o.config)
	}
	return o, rest
}

// settle makes the flags for opening tables.
func (o *Order) settle(settings *param.Settings) {
	if o.flags&table.WithNUL != 0 && o.flags&table.WithoutNUL != 0 {
		o.flags &^= table.WithNUL | table.WithoutNUL
	}
	wanted := !o.Body && !o.Headers // messages have text of all kinds
	if o.utf8 != nil {
		wanted = *o.utf8
	}
	wanted = wanted && strings.EqualFold(settings.Value("smtputf8_enable"), "yes")
	if o.utf8 = &wanted; wanted {
		o.flags |= table.UTF8
	} else {
		o.flags |= table.ASCII
	}
	if !o.NoFold {
		o.flags |= table.FoldKey
	}
}

// spec completes "name" to "type:name".
func (o *Order) spec(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return o.DefaultDatabaseType + ":" + name
}

// open opens a table for reading.
func (o *Order) open(spec string) table.Table {
	flags := o.flags
	if o.Files {
		flags |= table.SourceIsFile
	}
	if kind, name, _ := strings.Cut(spec, ":"); name == "" && kind != "environ" {
		msg.Fatal(`open dictionary: expecting "type:name" form instead of "%s"`, spec)
	}
	t, err := table.Open(spec, flags)
	if err != nil {
		Fail(err)
	}
	return t
}

// Open opens the tables of a lookup.
func (o *Order) Open(specs []string) []table.Table {
	var all []table.Table
	for _, spec := range specs {
		all = append(all, o.open(spec))
	}
	return all
}

// Fail ends the process. The words of the system are written as other programs
// write them, since scripts look for them.
func Fail(err error) { msg.Fatal("%s", Spoken(err)) }

// Spoken returns the text of an error.
func Spoken(err error) string {
	var path *os.PathError
	if errors.As(err, &path) && err == error(path) {
		return fmt.Sprintf("%s %s: %s", path.Op, path.Path, capital(path.Err.Error()))
	}
	return err.Error()
}

func capital(s string) string {
	for i, c := range s {
		return string(unicode.ToUpper(c)) + s[i+len(string(c)):]
	}
	return s
}

func count(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}
