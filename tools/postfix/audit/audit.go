// Package audit reads the configuration as the programs will, and finds what is
// wrong with it: values that no program can use, names that nobody knows, tables
// that cannot be opened, programs that are not there. It finds everything at
// once; the programs themselves would report one thing after the other, and in
// the log, when mail is waiting already.
package audit

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"postrider/lib/mail/known"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

// A Problem is one finding. Its text begins with file and line, where it has any.
type Problem struct {
	Text string
	file string
	line int
}

func (p Problem) String() string { return p.Text }

// An audit is one look at the configuration.
type audit struct {
	settings *param.Settings
	entries  []mastercf.Entry
	names    *known.Names
	master   string // path of master.cf
	found    []Problem
	tables   map[string]bool // tables and files that were looked at
	owner    reader          // mail_owner
}

// Run finds all problems of main.cf and master.cf, those of main.cf first, in the
// order of lines. Settings are those of main.cf.
func Run(settings *param.Settings) []Problem {
	a := &audit{settings: settings, tables: make(map[string]bool),
		master: filepath.Join(param.Dir(), "master.cf")}
	if file, err := mastercf.ReadFile(a.master); err == nil { // else the caller has said so
		a.entries = file.Entries
		for _, text := range file.Warnings {
			a.report(a.master, 0, "%s", text)
		}
	}
	a.names = known.New(settings, a.entries)
	a.owner = readerNamed(settings.Value("mail_owner"))
	a.checkSettings()
	names := settings.Names()
	a.checkLists(settings, names)
	a.checkClasses()
	a.checkLimits()
	a.checkNames()
	for i := range a.entries {
		a.checkService(&a.entries[i])
	}
	a.checkTransports()
	a.checkTables(settings, allTables())
	a.checkReaders()
	slices.SortStableFunc(a.found, func(x, y Problem) int {
		return cmp.Or(x.rank(a.master)-y.rank(a.master), cmp.Compare(x.line, y.line))
	})
	return slices.CompactFunc(a.found, func(x, y Problem) bool { return x.Text == y.Text })
}

// checkLists looks at what is said in several words, of the settings among names.
func (a *audit) checkLists(s *param.Settings, names []string) {
	a.checkRestrictions(s, names)
	a.checkOrder(s, names)
	a.checkNetworks(s, names)
	a.checkWords(s, names)
	a.checkCertificates(s, names)
}

// rank is the place of a file among the files.
func (p *Problem) rank(master string) int {
	switch p.file {
	case "":
		return 2
	case master:
		return 1
	}
	return 0
}

// report notes a problem.
func (a *audit) report(file string, line int, format string, args ...any) {
	a.found = append(a.found, Problem{fmt.Sprintf(format, args...), file, line})
}

// reportAt notes a problem with a setting, after its place and name.
func (a *audit) reportAt(s *param.Settings, name, format string, args ...any) {
	file, line := s.Place(name)
	text := name + ": " + fmt.Sprintf(format, args...)
	if file != "" {
		text = fmt.Sprintf("%s, line %d: %s", file, line, text)
	}
	a.report(file, line, "%s", text)
}
