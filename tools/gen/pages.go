package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// pages makes all manual pages: one per program, postconf(5), and those whose
// text is in docs/man/source.
func (s *source) pages(list []*parameter) ([]product, error) {
	var products []product
	for _, program := range s.programs() {
		if program.doc == "" {
			continue
		}
		name, number := program.command(), program.chapter()
		products = append(products, product{
			fmt.Sprintf("docs/man/man%d/%s.%d", number, name, number),
			s.programPage(program, number),
		})
	}
	products = append(products, product{"docs/man/man5/postconf.5", s.parameterPage(list)})
	others, err := formatPages(filepath.Join(s.root, "docs/man/source"))
	return append(products, others...), err
}

// chapter is 1 for commands, 8 for daemons.
func (p *pkg) chapter() int {
	if strings.HasPrefix(p.dir, "tools/") || p.dir == "postdrop" {
		return 1
	}
	return 8
}

// programPage makes the page of a program from its package comment.
func (s *source) programPage(program *pkg, number int) []byte {
	name := program.command()
	p := newPage(name, number)
	body := program.doc
	if !strings.HasPrefix(body, "# ") {
		p.heading("NAME")
		fmt.Fprintf(p, "%s \\- %s\n", label(name), escape(summary(body, name)))
		synopsis, rest, found := cutSection(body, "SYNOPSIS")
		if !found {
			synopsis, rest, found = cutUsage(body)
		}
		p.heading("SYNOPSIS")
		switch {
		case found:
			p.synopsis(synopsis)
			body = rest
		case number == 8:
			fmt.Fprintf(p, "\\fB%s\\fR [generic daemon options]\n", label(name))
		default:
			fmt.Fprintf(p, "\\fB%s\\fR\n", label(name))
		}
		p.heading("DESCRIPTION")
		body = strings.Replace(body, "# DESCRIPTION\n", "", 1)
	}
	p.doc(body)
	if sections := s.sections(program); len(sections) > 0 {
		p.heading("CONFIGURATION PARAMETERS")
		p.line("These main.cf parameters are used by this program. After a change, say \"postfix reload\". More is in postconf(5).")
		for _, section := range sections {
			if section.heading != "" {
				fmt.Fprintf(p, ".SS \"%s\"\n", label(section.heading))
			}
			for _, q := range section.parameters {
				p.parameter(q)
			}
		}
	}
	p.heading("SEE ALSO")
	p.line("postconf(5), main.cf parameters")
	p.WriteString(".br\n")
	p.line("master(5), services in master.cf")
	return p.Bytes()
}

// summary makes the line for whatis(1) out of the first sentence: "Pickup moves
// mail ..." is "moves mail ...".
func summary(doc, name string) string {
	text := strings.Join(strings.Fields(doc), " ")
	if end := strings.IndexAny(text, ".:;"); end > 0 {
		for end+1 < len(text) && text[end+1] != ' ' { // a dot inside a word: main.cf
			next := strings.IndexAny(text[end+1:], ".:;")
			if next < 0 {
				end = len(text)
				break
			}
			end += 1 + next
		}
		text = text[:min(end, len(text))]
	}
	if first, rest, found := strings.Cut(text, " "); found && strings.EqualFold(first, name) {
		text = rest
	}
	return text
}

// cutSection takes a section out of a doc comment.
func cutSection(doc, heading string) (section, rest string, found bool) {
	before, after, found := strings.Cut(doc, "# "+heading+"\n")
	if !found {
		return "", doc, false
	}
	section, others, more := strings.Cut(after, "\n# ")
	if more {
		return section, before + "# " + others, true
	}
	return section, before, true
}

// cutUsage takes the lines that show how to call a command out of a section
// USAGE; what explains them stays.
func cutUsage(doc string) (usage, rest string, found bool) {
	before, after, found := strings.Cut(doc, "# USAGE\n\n\t")
	if !found {
		return "", doc, false
	}
	end := strings.Index(after, "\n\n")
	if end < 0 {
		end = len(after)
	}
	return "\t" + after[:end] + "\n", before + strings.TrimLeft(after[end:], "\n"), true
}

// parameterPage makes postconf(5).
func (s *source) parameterPage(list []*parameter) []byte {
	p := newPage("postconf", 5)
	p.heading("NAME")
	p.WriteString("postconf \\- main.cf parameters\n")
	if text, err := os.ReadFile(filepath.Join(s.root, "docs/man/source/postconf.5.intro")); err == nil {
		p.doc(string(text))
	}
	p.heading("PARAMETERS")
	var unused []string
	for _, q := range list {
		switch {
		case q.kind == "":
			unused = append(unused, q.name)
		case q.text != "":
			p.parameter(q)
			p.line(readBy(q))
		}
	}
	if len(unused) > 0 {
		p.heading("NOT ACTED UPON")
		p.line("These parameters are known, so that a main.cf file that sets them or uses them as $name is accepted, but no program reads them:")
		p.WriteString(".sp\n")
		p.line(strings.Join(unused, ",\n") + ".")
	}
	p.heading("SEE ALSO")
	p.line("postconf(1), print and change parameters")
	return p.Bytes()
}

// readBy names the programs that read a parameter; the usual ones for everybody
// are not worth a line.
func readBy(q *parameter) string {
	if len(q.users) == 0 || len(q.users) > 6 {
		return ""
	}
	return "Used by: " + strings.Join(q.users, ", ") + "."
}

// formatPages makes the pages whose text is in files such as access.5.
func formatPages(dir string) ([]product, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	var products []product
	for _, entry := range entries {
		name, number, found := strings.Cut(entry.Name(), ".")
		if !found || len(number) != 1 || entry.Type()&fs.ModeType != 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		n := int(number[0] - '0')
		p := newPage(name, n)
		p.doc(p.name(string(text)))
		products = append(products, product{fmt.Sprintf("docs/man/man%d/%s.%d", n, name, n), p.Bytes()})
	}
	return products, nil
}

// name writes the section NAME, and returns the text after it.
func (p *page) name(text string) string {
	rest, found := strings.CutPrefix(text, "# NAME\n\n")
	line, rest, _ := strings.Cut(rest, "\n")
	name, summary, dash := strings.Cut(line, " - ")
	if !found || !dash {
		return text
	}
	p.heading("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", label(name), escape(summary))
	return rest
}
