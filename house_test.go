// Package postrider holds no code, only the tests of the house: what must be true
// of the source tree as a whole.
package postrider

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/macro"
	"postrider/lib/mail/mastercf"
	"postrider/lib/mail/param"
)

const module = "postrider/"

// A sourceFile is a Go file with its imports of this module.
type sourceFile struct {
	name, dir string
	syntax    *ast.File
	imports   []string // folders
	lines     int
}

// sourceFiles parses all Go files of the tree.
func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(base, ".go"):
			return nil
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			return nil
		}
		f := sourceFile{name: name, dir: filepath.Dir(name), syntax: syntax, lines: fset.File(syntax.FileStart).LineCount()}
		for _, spec := range syntax.Imports {
			if dir, own := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); own {
				f.imports = append(f.imports, dir)
			}
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// floors are the floors of lib, the lowest first.
var floors = []string{"lib/base/", "lib/mail/", "lib/service/", "lib/net/", "lib/daemon/"}

// floor returns the height of a package; programs are above all.
func floor(dir string) int {
	for i, prefix := range floors {
		if strings.HasPrefix(dir+"/", prefix) {
			return i
		}
	}
	return len(floors)
}

// A package imports its own floor of lib or lower ones. Programs never import
// each other; the parts of a program are its own.
func TestFloors(t *testing.T) {
	for _, f := range sourceFiles(t) {
		test := strings.HasSuffix(f.name, "_test.go") || strings.HasPrefix(f.dir, "test/")
		for _, dir := range f.imports {
			switch {
			case strings.HasPrefix(dir, "test/"):
				if !test {
					t.Errorf("%s imports %s: only tests may", f.name, dir)
				}
			case floor(dir) > floor(f.dir):
				t.Errorf("%s imports %s, which is on a higher floor", f.name, dir)
			case floor(dir) == len(floors) && program(dir) != program(f.dir) && !strings.HasPrefix(f.dir, "test/"):
				t.Errorf("%s imports %s, a part of another program", f.name, dir)
			}
		}
	}
}

// program returns the folder of the program that a package belongs to.
func program(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "tools" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// Each package has one package comment, which says what it is; that of a program
// is its manual page.
func TestPackageComments(t *testing.T) {
	comments := make(map[string][]string)
	programs := make(map[string]bool)
	for _, f := range sourceFiles(t) {
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		programs[f.dir] = f.syntax.Name.Name == "main"
		if _, seen := comments[f.dir]; !seen {
			comments[f.dir] = nil
		}
		if f.syntax.Doc != nil && !ast.IsGenerated(f.syntax) {
			comments[f.dir] = append(comments[f.dir], f.name)
			text := f.syntax.Doc.Text()
			if !programs[f.dir] && !strings.HasPrefix(text, "Package "+f.syntax.Name.Name+" ") {
				t.Errorf("%s: the package comment does not begin with \"Package %s\"", f.name, f.syntax.Name.Name)
			}
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("%s has %d package comments: %v", dir, len(files), files)
		}
	}
}

// No file is so long that nobody reads it. Tests may be: they are looked up.
func TestLengths(t *testing.T) {
	for _, f := range sourceFiles(t) {
		if f.lines > 500 && !strings.HasSuffix(f.name, "_test.go") && !ast.IsGenerated(f.syntax) {
			t.Errorf("%s has %d lines; 500 is the limit", f.name, f.lines)
		}
	}
}

// What is derived from the source is as "go generate" would write it; every
// parameter has a text and one default.
func TestGenerated(t *testing.T) {
	out, err := exec.Command("go", "run", "./tools/gen", "-n").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("run \"go generate ./...\": %v\n%s", err, out)
	}
}

// Manual pages are well-formed.
func TestManuals(t *testing.T) {
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("groff is not installed")
	}
	pages, err := filepath.Glob("docs/man/man?/*")
	if err != nil || len(pages) == 0 {
		t.Fatal("no manual pages", err)
	}
	for _, page := range pages {
		out, err := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", page, err, out)
		}
	}
}

// The suite's one setgid program is small, and links nothing that could be
// turned against it: no network, no patterns, no cryptography, no databases.
func TestPostdropImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./postdrop").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{"net/netip": true}
	for _, kind := range []string{"", "/inline", "/static", "/texthash"} { // $authorized_submit_users
		allowed[module+"lib/base/table"+kind] = true
	}
	for name := range strings.FieldsSeq(string(out)) {
		for _, forbidden := range []string{
			"net", "regexp", "crypto", "encoding/gob", "os/user", "plugin", "text/template", "log/syslog",
			module + "lib/base/table", module + "lib/net", module + "lib/daemon/server", module + "lib/daemon/agent",
		} {
			if (name == forbidden || strings.HasPrefix(name, forbidden+"/")) && !allowed[name] {
				t.Errorf("postdrop depends on %s", name)
			}
		}
	}
	t.Logf("postdrop imports %s", strings.Join(strings.Fields(string(out)), " "))
}

// The configuration for a new installation has no mistakes, and names no
// parameter that there is not. S4.1.
func TestConfiguration(t *testing.T) {
	for _, dir := range []string{"conf", "conf/classic"} {
		s, err := param.Read(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		if warnings := s.Warnings(); len(warnings) > 0 {
			t.Error(warnings)
		}
		for _, name := range s.Names() {
			value, _ := s.Get(name)
			if _, err := s.Evaluate(value); err != nil {
				t.Errorf("%s: %s: %v", dir, name, err)
			}
			for _, used := range append(macro.Names(value), name) {
				if param.Lookup(used) == nil {
					t.Errorf("%s: there is no parameter %s", dir, used)
				}
			}
		}
	}
	file, err := mastercf.ReadFile("conf/master.cf")
	if err != nil || len(file.Warnings) > 0 {
		t.Fatal(err, file)
	}
	for i := range file.Entries {
		e := &file.Entries[i]
		if _, err := os.Stat(e.Command); err != nil && e.Command != "lmtp" {
			t.Errorf("conf/master.cf, line %d: there is no program %s", e.Line, e.Command)
		}
	}
}
