// Postmap makes lookup tables from text files, changes them, and looks things up
// in tables of any type.
//
// # SYNOPSIS
//
//	postmap [-bfFhijmnNoprsuUvw] [-c config_dir] [-d key] [-q key] [type:]file ...
//
// # DESCRIPTION
//
// The postmap(1) command writes a table for each file that it is given. Without
// a type the table is of the type that the parameter default_database_type
// names. The table is made beside its source, and put in the place of the old
// one only when it is complete and on disk: programs that use the old one find
// it whole until then, and notice the new one by themselves.
//
// A table gets the permissions of its source, as far as reading is concerned.
// When root runs the command, it acts as the owner of the source.
//
// # SOURCE FILES
//
// Each entry of the source has the form
//
//	key whitespace value
//
// The key ends at the first white space that is not between double quotes.
// Empty lines and lines that begin with # are ignored, and a line that begins
// with white space continues the line before it.
//
// Letter case does not count: keys are stored in lower case. When a key comes
// again, the first entry stays, with a warning.
//
// # TYPES
//
// Types that can be made are cdb, lmdb, hash and btree. The last two are names of
// Berkeley DB files; what is there of these is read, and a new table of such a
// type is written in the form of cdb. The command postconf -m lists all types
// that can be looked up.
//
// # OPTIONS
//
//   - -b: with -q - only: the input is a message; look up the lines of its body.
//   - -c config_dir: the directory with main.cf.
//   - -d key: remove a key from the tables. With - the keys are the lines of
//     standard input. The exit status is 0 when something was removed.
//   - -f: letter case counts.
//   - -F: values in the source are names of files; the table gets what is in
//     them, in base64. With -q, decode that.
//   - -h: with -q - only: the input is a message; look up its headers.
//   - -i: read entries from standard input and add them to the table. This costs
//     as much as writing the whole table, but for the type lmdb.
//   - -j: with -q or -s: print a JSON object for each entry, in a line of its own:
//     {"key": "value"}. What is no UTF-8 becomes question marks.
//   - -m: with -b or -h: know the parts of a MIME message; header lines in its
//     body are then no body lines, and with -h the headers of parts are looked
//     up too.
//   - -n: leave out the NUL at the end of keys and values. This is the form of
//     cdb.
//   - -N: keys and values end with NUL.
//   - -o: stay root when the source is not root's.
//   - -p: do not take the permissions of the source; make the table with mode
//     0644, less what umask takes away.
//   - -q key: look up a key in the tables until one has it, and print its value.
//     With - the keys are the lines of standard input, and each line that is
//     found is printed with its value. The exit status is 0 when something was
//     found.
//   - -r: an entry replaces one that is there, without a warning.
//   - -s: print all entries.
//   - -u: do not ask for UTF-8. By default, with smtputf8_enable, lines that are
//     not UTF-8 are skipped.
//   - -U: ask for UTF-8 with -b and -h, too.
//   - -v: log more for debugging. May be repeated.
//   - -w: no warning for an entry that is there.
//
// # DIAGNOSTICS
//
// Bad lines are reported with file and line, and skipped. After any other
// trouble the exit status is 1, and tables are as they were.
package main

import (
	"os"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all"
	"postrider/lib/base/text"
	"postrider/lib/daemon/maptool"
)

// conf shows what postmap(1) reads of main.cf.
var conf struct {
	maptool.Params
}

var tool = maptool.Tool{
	Name:    "postmap",
	Letters: "bc:d:fFhijmnNopq:rsuUvw",
	Usage:   "[-bfFhijmnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
	Entry:   entry,
	Message: lookupMessage,
	Params:  &conf.Params,
}

func main() { tool.Run(os.Args[1:]) }

// entry adds the entry of one line.
func entry(w *maptool.Writer, line text.Line) {
	key, value, balanced := table.CutEntry(line.Text)
	switch {
	case !balanced:
		msg.Warn(`%s, line %d: unbalanced '"' in '%s' -- ignoring this line`, w.Source, line.First, line.Text)
		return
	case value == "":
		msg.Warn("%s, line %d: expected format: key whitespace value", w.Source, line.First)
		return
	case key[len(key)-1] == ':':
		msg.Warn(`%s, line %d: record is in "key: value" format; is this an alias file?`, w.Source, line.First)
	}
	w.Put(line.First, key, value)
}
