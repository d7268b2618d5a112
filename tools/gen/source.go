package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// module is the module path of the suite.
const module = "postrider"

// A source is the source tree.
type source struct {
	root     string
	packages map[string]*pkg // by folder below the root
	complain func(format string, args ...any)
	asked    map[string]bool // parameters that code asks for by name
}

// A pkg is what a package says about itself.
type pkg struct {
	dir, name string
	doc       string
	structs   map[string]*family
	order     []string // names of structs, in the order of the files
	imports   []string // folders of this module
}

// A family is a struct with parameters.
type family struct {
	items []item
}

// An item of a family is a parameter, an embedded family, or a heading.
type item struct {
	parameter *parameter
	dir, name string // of a struct in it
	heading   string
}

// readSource parses all packages below root. A file that cannot be parsed, since
// somebody is editing it, is left out with a warning.
func readSource(root string, complain func(string, ...any)) (*source, error) {
	s := &source{root: root, packages: make(map[string]*pkg), complain: complain, asked: make(map[string]bool)}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != root && (strings.HasPrefix(base, ".") || base == "testdata" || base == "docs") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		return s.readFile(name, filepath.ToSlash(dir))
	})
	return s, err
}

// readFile adds one file to its package.
func (s *source) readFile(name, dir string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		s.complain("%v", err)
		return nil
	}
	p := s.packages[dir]
	if p == nil {
		p = &pkg{dir: dir, name: file.Name.Name, structs: make(map[string]*family)}
		s.packages[dir] = p
	}
	if file.Doc != nil && !generated(file) {
		p.doc = file.Doc.Text()
	}
	imports := p.addImports(file)
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			s.readCall(node)
		case *ast.TypeSpec:
			if structure, ok := node.Type.(*ast.StructType); ok {
				p.add(node.Name.Name, s.readStruct(fset, file, structure, dir, imports))
			}
		case *ast.ValueSpec:
			if structure, ok := node.Type.(*ast.StructType); ok {
				p.add(node.Names[0].Name, s.readStruct(fset, file, structure, dir, imports))
			}
		}
		return true
	})
	return nil
}

// readCall notes what settings.Value("name") asks for.
func (s *source) readCall(call *ast.CallExpr) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || method.Sel.Name != "Value" || len(call.Args) != 1 {
		return
	}
	if literal, ok := call.Args[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
		if name, err := strconv.Unquote(literal.Value); err == nil {
			s.asked[name] = true
		}
	}
}

func generated(file *ast.File) bool { return ast.IsGenerated(file) }

// addImports notes the imports of this module, and returns the folder for each
// name that the file uses.
func (p *pkg) addImports(file *ast.File) map[string]string {
	names := make(map[string]string)
	for _, spec := range file.Imports {
		full, err := strconv.Unquote(spec.Path.Value)
		dir, own := strings.CutPrefix(full, module+"/")
		if err != nil || !own {
			continue
		}
		if !slices.Contains(p.imports, dir) {
			p.imports = append(p.imports, dir)
		}
		name := path.Base(dir)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = dir
	}
	return names
}

// add keeps a struct that has parameters or embeds other structs.
func (p *pkg) add(name string, f *family) {
	if f != nil {
		p.structs[name] = f
		p.order = append(p.order, name)
	}
}

var headingPattern = regexp.MustCompile(`^[A-Z][A-Z0-9 ,/()-]+$`)

// readStruct returns the parameters of a struct; nil when it has none and
// embeds nothing.
func (s *source) readStruct(fset *token.FileSet, file *ast.File, structure *ast.StructType, dir string, imports map[string]string) *family {
	f := &family{}
	used := make(map[*ast.CommentGroup]bool)
	type placed struct {
		pos token.Pos
		item
	}
	var items []placed
	for _, field := range structure.Fields.List {
		used[field.Doc], used[field.Comment] = true, true
		it, ok := s.readField(fset, field, dir, imports)
		if ok {
			items = append(items, placed{field.Pos(), it})
		}
	}
	if len(items) == 0 {
		return nil
	}
	for _, group := range file.Comments {
		text := strings.TrimSpace(group.Text())
		inside := group.Pos() > structure.Fields.Opening && group.End() < structure.Fields.Closing
		if inside && !used[group] && headingPattern.MatchString(text) {
			items = append(items, placed{group.Pos(), item{heading: text}})
		}
	}
	slices.SortFunc(items, func(a, b placed) int { return int(a.pos - b.pos) })
	for _, it := range items {
		f.items = append(f.items, it.item)
	}
	return f
}

// readField returns the parameter that a field declares, or the struct that it
// holds.
func (s *source) readField(fset *token.FileSet, field *ast.Field, dir string, imports map[string]string) (item, bool) {
	if field.Tag == nil {
		switch t := field.Type.(type) {
		case *ast.Ident:
			return item{dir: dir, name: t.Name}, true
		case *ast.SelectorExpr:
			if ident, ok := t.X.(*ast.Ident); ok && imports[ident.Name] != "" {
				return item{dir: imports[ident.Name], name: t.Sel.Name}, true
			}
		}
		return item{}, false
	}
	text, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return item{}, false
	}
	tag := reflect.StructTag(text)
	name := tag.Get("param")
	if name == "" {
		return item{}, false
	}
	where := fset.Position(field.Pos())
	p := &parameter{
		name: name, fallback: tag.Get("default"), min: tag.Get("min"), max: tag.Get("max"), old: tag.Get("old"),
		tag: tag, kind: kindOf(field.Type), text: strings.TrimSpace(field.Doc.Text()),
		place: fmt.Sprintf("%s:%d", relative(s.root, where.Filename), where.Line),
	}
	if p.text == "" {
		p.text = strings.TrimSpace(field.Comment.Text())
	}
	return item{parameter: p}, true
}

func relative(root, name string) string {
	if rel, err := filepath.Rel(root, name); err == nil {
		return rel
	}
	return name
}

// kindOf returns the constant of package param for a Go type.
func kindOf(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		switch t.Name {
		case "int":
			return "Int"
		case "int64":
			return "Long"
		case "bool":
			return "Bool"
		}
	case *ast.SelectorExpr:
		switch t.Sel.Name {
		case "Duration":
			return "Time"
		case "Raw":
			return "RawText"
		}
	}
	return "Text"
}
