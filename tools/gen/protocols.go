package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// protocols makes docs/protocols.md: the attribute lists that programs exchange,
// from the structs in lib/service. The order of fields is that on the wire.
func protocols(root string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Protocols between the programs\n\nMade by tools/gen from lib/service; do not edit.\n\n" +
		"A request and its reply are lists of attributes: name, NUL, value, NUL, and one more NUL at the end. Their order is that of\n" +
		"the tables. Numbers travel as decimal text, yes and no as 1 and 0, bytes as base64.\n")
	dirs, err := filepath.Glob(filepath.Join(root, "lib/service/*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		if err := protocol(&b, dir); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// protocol writes the messages of one service.
func protocol(b *bytes.Buffer, dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	var intro, messages string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if _, broken := err.(*fs.PathError); err != nil && broken {
			return err
		}
		if err != nil { // somebody is editing it
			continue
		}
		if file.Doc != nil {
			intro = markdown(file.Doc.Text())
		}
		messages += messagesOf(fset, file)
	}
	if messages != "" {
		fmt.Fprintf(b, "\n## %s\n\n%s%s", filepath.Base(dir), intro, messages)
	}
	return nil
}

func markdown(text string) string {
	var p comment.Parser
	printer := comment.Printer{HeadingLevel: 4}
	return string(printer.Markdown(p.Parse(text)))
}

// messagesOf returns a table for each struct that is sent.
func messagesOf(fset *token.FileSet, file *ast.File) string {
	var b strings.Builder
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			t, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			structure, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			doc := t.Doc
			if doc == nil {
				doc = general.Doc
			}
			if rows := attributes(fset, structure); rows != "" {
				fmt.Fprintf(&b, "\n### %s\n\n%s\n| attribute | type | meaning |\n|---|---|---|\n%s", t.Name.Name, markdown(doc.Text()), rows)
			}
		}
	}
	return b.String()
}

// attributes returns a line for each attribute of a message, and for each group
// of attributes that it shares with others.
func attributes(fset *token.FileSet, structure *ast.StructType) string {
	var b strings.Builder
	sent := false
	for _, field := range structure.Fields.List {
		var kind bytes.Buffer
		if err := printer.Fprint(&kind, fset, field.Type); err != nil {
			continue
		}
		text := strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
		text = strings.ReplaceAll(text, "|", "\\|")
		if field.Tag == nil {
			if len(field.Names) == 0 {
				fmt.Fprintf(&b, "| (those of %s) | | %s |\n", kind.String(), text)
			}
			continue
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			continue
		}
		if name := reflect.StructTag(tag).Get("attr"); name != "" {
			sent = true
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, kind.String(), text)
		}
	}
	if !sent {
		return ""
	}
	return b.String()
}
