package main

import (
	"bytes"
	"fmt"
	"go/doc/comment"
	"regexp"
	"strings"
)

// A page is a manual page in the making.
type page struct {
	bytes.Buffer
}

// newPage begins a page such as pickup(8).
func newPage(name string, number int) *page {
	p := &page{}
	p.WriteString(".\\\" Made by tools/gen from the source. Do not edit.\n")
	fmt.Fprintf(p, ".TH %s %d \"\" \"Postrider\" \"Postrider mail system\"\n", strings.ToUpper(name), number)
	p.WriteString(".ad l\n.nh\n")
	return p
}

// heading begins a section.
func (p *page) heading(text string) {
	fmt.Fprintf(p, ".SH \"%s\"\n", strings.ReplaceAll(escape(strings.ToUpper(text)), `"`, `\(dq`))
}

// doc writes text in the syntax of Go doc comments.
func (p *page) doc(text string) {
	parser := comment.Parser{}
	p.blocks(parser.Parse(text).Content, false)
}

// synopsis writes the ways to call a program: text, or just lines that are
// indented.
func (p *page) synopsis(text string) {
	text = strings.Trim(text, "\n")
	if !strings.HasPrefix(text, "\t") || strings.Contains(text, "\n\n") {
		p.doc(text)
		return
	}
	p.WriteString(".nf\n")
	for line := range strings.Lines(text + "\n") {
		p.code(strings.TrimPrefix(line, "\t"))
	}
	p.WriteString(".fi\n")
}

// code writes a line as it is.
func (p *page) code(line string) {
	p.WriteString(guard(strings.ReplaceAll(escape(strings.ReplaceAll(line, "\t", "        ")), "-", `\-`)))
}

// blocks writes paragraphs and the like. Inside a list item or a parameter,
// paragraphs must not end the indentation.
func (p *page) blocks(blocks []comment.Block, inside bool) {
	for i, block := range blocks {
		switch block := block.(type) {
		case *comment.Heading:
			p.heading(plain(block.Text))
		case *comment.Paragraph:
			if i > 0 {
				if inside {
					p.WriteString(".sp\n")
				} else if _, after := blocks[i-1].(*comment.Heading); !after {
					p.WriteString(".PP\n")
				}
			}
			p.line(plain(block.Text))
		case *comment.Code:
			p.WriteString(".sp\n.in +4\n.nf\n")
			for line := range strings.Lines(strings.TrimRight(block.Text, "\n") + "\n") {
				p.code(line)
			}
			p.WriteString(".fi\n.in -4\n")
		case *comment.List:
			for _, entry := range block.Items {
				mark := `\(bu`
				if entry.Number != "" {
					mark = entry.Number + "."
				}
				fmt.Fprintf(p, ".IP \"%s\" 4\n", mark)
				p.blocks(entry.Content, true)
			}
			if inside {
				p.WriteString(".sp\n")
			}
		}
	}
}

// plain returns the words of text.
func plain(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		switch t := t.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.Link:
			b.WriteString(plain(t.Text))
		case *comment.DocLink:
			b.WriteString(plain(t.Text))
		}
	}
	return b.String()
}

var (
	pagePattern   = regexp.MustCompile(`\b[a-z][a-z0-9_.-]*\([1-9]\)`)
	optionPattern = regexp.MustCompile(`(^|[\s("\[])(--?)([A-Za-z#0-9])`)
)

// line writes running text, with names of manual pages in bold.
func (p *page) line(text string) {
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		line = escape(strings.TrimLeft(line, " \t"))
		line = optionPattern.ReplaceAllStringFunc(line, func(s string) string { return strings.ReplaceAll(s, "-", `\-`) })
		line = pagePattern.ReplaceAllStringFunc(line, func(s string) string { return `\fB` + s + `\fR` })
		p.WriteString(guard(line))
	}
}

// escape makes text harmless for roff.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "…", "...", "–", "-", "—", "-", "’", "'", "‘", "'", "“", `"`, "”", `"`,
		"→", "->", "≥", ">=", "≤", "<=", "×", "x").Replace(text)
}

// guard keeps a line of text from being a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// parameter writes one parameter with its default and text.
func (p *page) parameter(q *parameter) {
	if fallback := showDefault(q); len(q.name)+len(fallback) < 60 {
		p.WriteString(".IP \"\\fB" + label(q.name) + " (" + label(fallback) + ")\\fR\" 4\n")
	} else {
		p.WriteString(".IP \"\\fB" + label(q.name) + "\\fR\" 4\n")
		p.WriteString("Default: " + breakable(fallback) + "\n.sp\n")
	}
	parser := comment.Parser{}
	p.blocks(parser.Parse(q.text).Content, true)
	if q.old != "" {
		p.line("Older name: " + strings.ReplaceAll(q.old, " ", ", ") + ".")
	}
}

// breakable lets long words end at the end of a line.
func breakable(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if r == ' ' || r == ',' || n == 30 {
			n = -1
		}
		b.WriteString(strings.ReplaceAll(escape(string(r)), "-", `\-`))
		if n++; n == 0 && r != ' ' {
			b.WriteString(`\:`)
		}
	}
	return b.String()
}

// label escapes text inside quotes of a request.
func label(text string) string {
	text = strings.ReplaceAll(escape(text), "-", `\-`)
	return strings.ReplaceAll(text, `"`, `\(dq`)
}

func showDefault(q *parameter) string {
	switch {
	case q.fallback != "":
		return q.fallback
	case q.computed():
		return "see \"postconf -d\" output"
	}
	return "empty"
}

// computed reports whether the default is not text; see lib/mail/param.
func (q *parameter) computed() bool {
	switch q.name {
	case "myhostname", "mydomain", "mynetworks", "config_directory", "process_name", "process_id",
		"service_name", "mail_version", "mail_release_date":
		return true
	}
	return false
}
