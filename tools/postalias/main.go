// Postalias makes tables of local aliases, changes them, and looks aliases up.
//
// # SYNOPSIS
//
//	postalias [-Nfijnoprsuvw] [-c config_dir] [-d key] [-q key] [type:]file ...
//
// # DESCRIPTION
//
// The postalias(1) command writes a table of aliases for each file that it is
// given. Without a type the table is of the type that the parameter
// default_database_type names. The command newaliases(1) runs it for all files
// in the parameter alias_database. The form of the source is in aliases(5).
//
// The new table is put in the place of the old one only when it is complete and
// on disk. It gets the permissions of its source, as far as reading is
// concerned; when root runs the command, it acts as the owner of the source.
//
// Besides the aliases, a table has an entry @ that says that it is complete, and
// two entries, YP_LAST_MODIFIED and YP_MASTER_NAME, that programs of NIS look
// for.
//
// # OPTIONS
//
//   - -c config_dir: the directory with main.cf.
//   - -d key: remove a key from the tables. With - the keys are the lines of
//     standard input. The exit status is 0 when something was removed.
//   - -f: letter case counts.
//   - -i: read aliases from standard input and add them to the table. This costs
//     as much as writing the whole table.
//   - -j: with -q or -s: print a JSON object for each alias, in a line of its own:
//     {"name": "value"}. What is no UTF-8 becomes question marks.
//   - -n: leave out the NUL at the end of keys and values. This is the form of
//     cdb.
//   - -N: keys and values end with NUL, except those of the entries for NIS.
//   - -o: stay root when the source is not root's.
//   - -p: do not take the permissions of the source; make the table with mode
//     0644, less what umask takes away.
//   - -q key: look up a key in the tables until one has it, and print its value.
//     With - the keys are the lines of standard input, and each line that is
//     found is printed with its value. The exit status is 0 when something was
//     found.
//   - -r: an alias replaces one that is there, without a warning.
//   - -s: print all entries.
//   - -u: do not ask for UTF-8. By default, with smtputf8_enable, lines that are
//     not UTF-8 are skipped.
//   - -v: log more for debugging. May be repeated.
//   - -w: no warning for an alias that is there.
//
// # DIAGNOSTICS
//
// Bad lines are reported with file and line, and skipped. After any other
// trouble the exit status is 1, and tables are as they were.
package main

import (
	"fmt"
	"os"
	"time"

	"postrider/lib/base/msg"
	_ "postrider/lib/base/table/all"
	"postrider/lib/base/text"
	"postrider/lib/daemon/maptool"
)

// conf shows what postalias(1) reads of main.cf.
var conf struct {
	maptool.Params
}

var tool = maptool.Tool{
	Name:      "postalias",
	Letters:   "Nc:d:fijnopq:rsuvw",
	Usage:     "[-Nfijnoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
	Entry:     entry,
	Separator: ":",
	Finish:    signature,
	Params:    &conf.Params,
}

func main() { tool.Run(os.Args[1:]) }

// entry adds the alias of one line.
func entry(w *maptool.Writer, line text.Line) {
	if name, value, ok := plain(line.Text); ok {
		w.Put(line.First, name, value)
		return
	}
	name, value := split(tokenize(line.Text))
	switch key, list := name.internal(), value.external(); {
	case key == "" || list == "":
		msg.Warn("%s, line %d: need name:value pair", w.Source, line.First)
	case name.has('@'):
		msg.Warn("%s, line %d: name must be local", w.Source, line.First)
	default:
		w.Put(line.First, key, list)
	}
}

// signature adds what says that the table is complete, and what NIS wants.
func signature(w *maptool.Writer) {
	w.Set("@", "@")
	w.SetPlain("YP_LAST_MODIFIED", fmt.Sprintf("%010d", time.Now().Unix()))
	w.SetPlain("YP_MASTER_NAME", w.MyHostname)
}
