package address

import "strings"

// A Span is an address in the text of a header.
type Span struct {
	Address string // external form, without comments and white space
}

// Find returns the addresses in the text of an address header, such as To:.
// Names, comments and groups are passed over; text that makes no sense is
// taken as well as it can be, because mail with it exists.
func Find(text string) []Span {
	var found []Span
	for _, e := range parse(text) {
		if e.mailbox {
			found = append(found, Span{e.address})
		}
	}
	return found
}

// lineLength is more than a line of a rewritten header has, unless it has one
// address only.
const lineLength = 70

// Rewrite replaces each address of a header "Name: text" by what f returns for
// it. When that changes nothing the header stays as it is. Else it gets a new
// layout: comments stand behind their address, and lines end behind a comma.
func Rewrite(header string, f func(external string) string) (result string, changed bool) {
	colon := strings.IndexByte(header, ':')
	list := parse(header[colon+1:])
	for i := range list {
		if e := &list[i]; e.mailbox {
			external := f(e.address)
			changed = changed || external != e.written
			e.address = external
		}
	}
	if !changed {
		return header, false
	}
	result = strings.TrimRight(header[:colon], " \t") + ":"
	column := len(result)
	for _, item := range layOut(list) {
		if column > 1 && column+1+len(item) >= lineLength && strings.HasSuffix(result, ",") {
			result, column = result+"\n\t"+item, len(item)
			continue
		}
		result, column = result+" "+item, column+1+len(item)
	}
	return result, true
}

// layOut gives the pieces of a header, each up to and including a comma.
func layOut(list []element) []string {
	items := []string{""}
	for i, e := range list {
		last := &items[len(items)-1]
		switch text := e.String(); {
		case *last == "" || text == ";":
			*last += text
		default:
			*last += " " + text
		}
		if i+1 < len(list) && !e.group && !list[i+1].end {
			*last += ","
			items = append(items, "")
		}
	}
	return items
}

// An element of a header is a mailbox, the beginning or the end of a group.
type element struct {
	mailbox  bool
	group    bool   // "name:"
	end      bool   // ";"
	name     string // as it was written
	written  string // the address as it was, without white space
	address  string // external form
	angle    bool   // brackets around the address
	comments []string
}

func (e element) String() string {
	switch {
	case e.group:
		return e.name + ":"
	case e.end:
		return ";"
	}
	text := e.address
	if e.angle {
		text = strings.TrimLeft(e.name+" <"+e.address+">", " ")
	}
	for _, c := range e.comments {
		text += " " + c
	}
	return text
}

// Limit returns the part of an address header with at most that many tokens: words,
// quoted strings, comments and special characters.
func Limit(text string, tokens int) string {
	if len(text) <= tokens {
		return text
	}
	p := parser{text: text}
	for ; p.at < len(text); tokens-- {
		p.at += len(text[p.at:]) - len(strings.TrimLeft(text[p.at:], " \t\r\n"))
		switch {
		case p.at == len(text):
		case tokens <= 0:
			return text[:p.at]
		case text[p.at] == '(':
			p.at = skipComment(text, p.at)
		default:
			p.at = p.wordEnd()
		}
	}
	return text
}
