package main

import (
	"strings"

	"postrider/lib/base/jsonline"
)

// width is how long a folded line may be; indent is how far the lines after the
// first one are moved.
const (
	width  = 80
	indent = 4
)

// printSetting prints one name and value in the form that the options ask for.
func (p *postconf) printSetting(name, value string) {
	text := name + " = " + value
	switch {
	case p.modes['j']:
		p.out.Write(jsonline.AppendPair(nil, name, value))
		return
	case p.modes['h']:
		text = value
	case p.modes['H']:
		text = name
	}
	p.printLine(text)
}

// printLine prints text with one blank between words, folded on request.
func (p *postconf) printLine(text string) {
	var b strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case p.modes['f'] && length > indent && length+1+len(word) >= width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			length = indent
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	b.WriteByte('\n')
	p.out.Write([]byte(b.String()))
}
