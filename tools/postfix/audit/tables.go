package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postrider/lib/base/macro"
	"postrider/lib/base/msg"
	"postrider/lib/base/table"
	_ "postrider/lib/base/table/all" // what the programs can open
	"postrider/lib/base/text"
	"postrider/lib/mail/param"
)

// allTables are the parameters whose value names tables: those that proxymap(8)
// may be asked for, and some more. What is written to is made when it is used.
func allTables() []string {
	names := macro.Names(param.Lookup("proxy_read_maps").Default)
	for _, b := range param.Builtins() {
		if strings.HasSuffix(b.Name, "_maps") && !strings.HasPrefix(b.Name, "proxy_") {
			names = append(names, b.Name)
		}
	}
	names = append(names, "smtpd_data_restrictions", "smtpd_end_of_data_restrictions",
		"smtpd_etrn_restrictions")
	slices.Sort(names)
	return slices.Compact(names)
}

func (a *audit) namesTables(name string) bool {
	_, found := slices.BinarySearch(allTables(), name)
	return found || strings.HasSuffix(name, "_restrictions")
}

// checkTables opens the tables that parameters name. Many defaults repeat what
// another parameter says: those come last.
func (a *audit) checkTables(s *param.Settings, names []string) {
	classes := text.Split(s.Value("smtpd_restriction_classes"))
	names = append(slices.Clone(names), classes...)
	for _, set := range []bool{true, false} {
		for _, name := range names {
			place, value, b := settingOf(s, name)
			if b != nil && b.Unread { // which was said
				continue
			}
			if file, _ := s.Place(place); set == (file != "") {
				a.checkList(s, place, value, strings.HasSuffix(name, "_restrictions") || slices.Contains(classes, name))
			}
		}
	}
}

// checkList opens the tables and files of one value.
func (a *audit) checkList(s *param.Settings, name, value string, restrictions bool) {
	value, err := s.Evaluate(value)
	if err != nil {
		return // which was said
	}
	before := ""
	for _, item := range text.SplitBraces(value) {
		word := strings.TrimLeft(item, "!")
		switch {
		case isTable(word, before, restrictions, strings.HasSuffix(name, "_maps")):
			a.checkTable(s, name, word)
		case strings.HasPrefix(word, "/") && !restrictions:
			a.checkListFile(s, name, word)
		}
		before = item
	}
}

// settingOf returns the name under which a parameter is set, which may be an old
// one, and its value before expansion.
func settingOf(s *param.Settings, name string) (place, value string, b *param.Builtin) {
	b = param.Lookup(name)
	if value, set := s.Get(name); set || b == nil {
		return name, value, b
	}
	for old := range strings.FieldsSeq(b.Old) {
		if value, set := s.Get(old); set {
			return old, value, b
		}
	}
	return name, b.Default, b
}

// kinds are the types that this program or another mail system has.
var kinds = strings.Fields("btree cdb cidr dbm environ fail hash inline internal ldap lmdb memcache mongodb mysql " +
	"netinfo nis nisplus pcre pgsql pipemap proxy randmap regexp sdbm socketmap sqlite static tcp texthash unionmap unix")

// isTable reports whether a word of a list is "type:name", or should be one, since
// the parameter has only tables.
func isTable(word, before string, restrictions, only bool) bool {
	kind, _, found := strings.Cut(word, ":")
	switch {
	case only:
		return true
	case !found || strings.HasPrefix(kind, "{") || strings.HasPrefix(kind, "["):
		return false
	case restrictions && before == "check_policy_service":
		return false
	case restrictions && strings.HasPrefix(before, "check_") && strings.HasSuffix(before, "_access"):
		return true
	}
	return slices.Contains(kinds, kind)
}

// checkListFile looks at a file with a part of a list.
func (a *audit) checkListFile(s *param.Settings, name, path string) {
	if !a.first(s, name, path) {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		a.reportAt(s, name, "%v", err)
		return
	}
	f.Close()
}

// first reports whether a table is new here. What main.cf says twice is looked at
// twice.
func (a *audit) first(s *param.Settings, name, spec string) bool {
	file, _ := s.Place(name)
	seen := a.tables[spec]
	a.tables[spec] = true
	return !seen || file != ""
}

// checkTable opens one table the way that the programs do, and reports what
// they would say about it.
func (a *audit) checkTable(s *param.Settings, name, spec string) {
	if !a.first(s, name, spec) {
		return
	}
	proxied := strings.HasPrefix(spec, "proxy:")
	if proxied && !slices.Contains(text.SplitBraces(s.Value("proxy_read_maps")), spec) {
		a.reportAt(s, name, "proxymap(8) does not open %s, because proxy_read_maps does not have it", spec)
	}
	for strings.HasPrefix(spec, "proxy:") {
		spec = spec[len("proxy:"):]
	}
	t, said, err := open(spec)
	for _, line := range said {
		a.reportAt(s, name, "%s", line)
	}
	if err != nil {
		a.reportAt(s, name, "table %s: %v%s", spec, err, remedy(spec, err))
		return
	}
	if c, ok := t.(io.Closer); ok {
		defer c.Close()
	}
	a.checkAge(s, name, spec, t)
	a.checkAccess(s, name, t, proxied)
}

// open opens a table, and collects what is said meanwhile.
func open(spec string) (t table.Table, said []string, err error) {
	restore := msg.SetOutput(func(_ msg.Level, line string) {
		if !strings.Contains(line, "is older than source file") { // see checkAge
			said = append(said, line)
		}
	})
	defer restore()
	t, err = table.Open(spec, 0)
	return t, said, err
}

// remedy tells how a table is made that is not there, but whose text is.
func remedy(spec string, err error) string {
	_, path, _ := table.Split(spec)
	if _, failed := os.Stat(path); failed != nil || !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return "; it is made by: " + maker(spec)
}

func maker(spec string) string {
	_, path, _ := table.Split(spec)
	if strings.Contains(filepath.Base(path), "aliases") {
		return "postalias " + spec
	}
	return "postmap " + spec
}

// checkAge compares a database with the text that it was made from.
func (a *audit) checkAge(s *param.Settings, name, spec string, t table.Table) {
	source := sourceOf(t)
	if source == nil {
		return
	}
	_, path, _ := table.Split(spec)
	info, err := os.Stat(path)
	if err == nil && source.Name() != path && info.ModTime().After(source.Modified()) {
		a.reportAt(s, name, "database %s is older than source file %s; it is made anew by: %s", source.Name(), path, maker(spec))
	}
}

func sourceOf(t table.Table) *table.Source {
	if sourced, ok := t.(table.Sourced); ok {
		return sourced.Source()
	}
	return nil
}
