package maptool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	"postrider/lib/base/text"
)

// A Writer writes one table.
type Writer struct {
	*Order
	Source string // name of the source file, for messages
	table  string // name of the table in messages about duplicates
	b      table.Builder
}

// build makes a table from its source, or adds to one what standard input says.
func (t *Tool) build(o *Order, spec string) {
	kind, name, err := table.Split(spec)
	if err != nil {
		Fail(err)
	}
	var w *Writer
	source := os.Stdin
	if o.Incremental {
		w = o.change(spec)
	} else {
		if source, err = os.Open(name); err != nil {
			Fail(err)
		}
		defer source.Close()
		w = o.create(kind, name, spec, source)
	}
	for line, err := range ahead(text.NewLines(source, 0)) {
		if err != nil {
			w.fail(err)
		}
		t.line(w, line)
	}
	if t.Finish != nil {
		t.Finish(w)
	}
	w.commit()
}

// line checks what is the same in both kinds of source.
func (t *Tool) line(w *Writer, line text.Line) {
	switch {
	case *w.utf8 && !utf8.ValidString(line.Text):
		msg.Warn("%s, line %d: non-UTF-8 input %s -- ignoring this line", w.Source, line.First, quoted(line.Text))
	case text.IsBlank(line.Text[0]):
		msg.Warn("%s: logical line must not start with whitespace: %s", w.Source, quoted(line.Text))
	case strings.IndexByte(line.Text, 0) >= 0:
		msg.Warn("%s, line %d: null byte in input -- ignoring this line", w.Source, line.First)
	default:
		t.Entry(w, line)
	}
}

// quoted puts the begin of a line between quotes.
func quoted(s string) string { return `"` + msg.Printable(s[:min(len(s), 50)]) + `"` }

// create begins a table that gets owner and permissions of its source. As root it
// becomes the owner of the source, so that a user's folder cannot make it touch
// what is not the user's.
func (o *Order) create(kind, name, spec string, source *os.File) *Writer {
	info, err := source.Stat()
	if err != nil {
		Fail(err)
	}
	if info.IsDir() {
		msg.Fatal("open %s: Is a directory", name)
	}
	if o.Files { // the values may be secret, and only root may read them
		o.keepRoot = o.keepRoot || file.Owner(info) == 0
	}
	if !o.keepRoot {
		become(info)
	}
	b, err := table.Build(spec, o.flags)
	if errors.Is(err, table.ErrCannotMake) {
		msg.Fatal("unsupported dictionary type: %s does not support bulk-mode creation.", kind)
	}
	if err != nil {
		openFailed(err)
	}
	w := &Writer{Order: o, Source: name, table: tableName(kind, name), b: b}
	if late, ok := b.(table.LateBuilder); ok {
		late.OnDuplicate(w.duplicate)
	}
	if !o.ownMode {
		if err := b.File().Chmod(0o600 | info.Mode().Perm()&0o044); err != nil {
			w.fail(err)
		}
	}
	return w
}

// change begins to change a table. Owner and permissions stay as they are.
func (o *Order) change(spec string) *Writer {
	kind, name, err := table.Split(spec)
	if err != nil {
		Fail(err)
	}
	old := newest(name)
	if old != nil && !o.keepRoot {
		become(old)
	}
	if old == nil && o.remove != nil {
		if _, err := table.Open(spec, 0); err != nil { // the type may be one without files
			Fail(err)
		}
	}
	b, err := table.Build(spec, o.flags|table.Writable)
	if errors.Is(err, table.ErrCannotMake) {
		what := "update"
		if o.remove != nil {
			what = "delete"
		}
		msg.Fatal("table %s: %s operation is not supported", kind+":"+name, what)
	}
	if err != nil {
		openFailed(err)
	}
	w := &Writer{Order: o, Source: name, table: tableName(kind, name), b: b}
	if old != nil {
		if err := b.File().Chmod(old.Mode().Perm()); err != nil {
			w.fail(err)
		}
	}
	return w
}

// tableName is what messages call a table that is written: as those who read logs
// know it.
func tableName(kind, name string) string {
	if kind == "lmdb" {
		return kind + ":" + name
	}
	return name
}

// newest returns the file of a table that was written last, or nil.
func newest(name string) (info fs.FileInfo) {
	for _, suffix := range []string{".cdb", ".db", ".lmdb"} {
		if other, err := os.Stat(name + suffix); err == nil && (info == nil || other.ModTime().After(info.ModTime())) {
			info = other
		}
	}
	return info
}

func openFailed(err error) {
	var path *os.PathError
	if errors.As(err, &path) {
		msg.Fatal("open database %s: %s", filepath.Clean(path.Path), capital(path.Err.Error()))
	}
	Fail(err)
}

// Put adds an entry. What happens with one that is there already depends on the
// options.
func (w *Writer) Put(line int, key, value string) {
	if w.Files {
		data, err := table.Files(value)
		if err != nil {
			msg.Warn("%s, line %d: %s: skipping this entry", w.Source, line, Spoken(err))
			return
		}
		value = data
	}
	key = w.key(key)
	var err error
	if w.replace {
		err = w.b.Replace(key, value)
	} else {
		err = w.b.Add(key, value)
	}
	switch {
	case err == table.ErrDuplicate:
		w.duplicate(key)
	case err != nil:
		w.fail(err)
	}
}

// duplicate tells of a key that was there already.
func (w *Writer) duplicate(key string) {
	if !w.ignore {
		msg.Warn("%s: duplicate entry: \"%s\"", w.table, key)
	}
}

// Set adds an entry in place of one that may be there, with its key as it is.
func (w *Writer) Set(key, value string) {
	if err := w.b.Replace(key, value); err != nil {
		w.fail(err)
	}
}

// SetPlain is Set for an entry without NUL, whatever the options say.
func (w *Writer) SetPlain(key, value string) {
	plain, ok := w.b.(interface{ AddPlain(key, value string) error })
	if !ok {
		w.Set(key, value)
		return
	}
	if _, err := w.b.Delete(key); err != nil {
		w.fail(err)
	}
	if err := plain.AddPlain(key, value); err != nil {
		w.fail(err)
	}
}

// key returns the form of a key that is in the table.
func (o *Order) key(key string) string {
	if o.NoFold {
		return key
	}
	if *o.utf8 {
		return text.Fold(key)
	}
	return text.FoldASCII(key)
}

func (w *Writer) commit() {
	if err := w.b.Commit(); err != nil {
		w.fail(err)
	}
}

// fail ends the process and leaves the old table as it was.
func (w *Writer) fail(err error) {
	w.b.Abort()
	Fail(err)
}
