// Package template has what table types have in common that ask a database: a
// query is made of a key, and the answer is put into a form.
package template

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"postrider/lib/base/match"
	"postrider/lib/base/table/settings"
)

// A Form says for which keys a database is asked, and what becomes of its answer.
type Form struct {
	domains *match.List // nil when each key may be asked for
	format  string      // of each value
	limit   int         // of values; 0: none
}

// Check says what is wrong with a template.
func Check(name, text string) error {
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		if i++; i == len(text) || !strings.ContainsRune("%sudSUD123456789", rune(text[i])) {
			return fmt.Errorf("bad %s %q: unknown %% at byte %d", name, text, i-1)
		}
	}
	return nil
}

// New reads the parameters domain, result_format, which may have had other names,
// and expansion_limit.
func New(s *settings.Settings, old ...string) *Form {
	l := &Form{format: s.Text("result_format", "%s", old...), limit: s.Number("expansion_limit", 0, 0)}
	if err := Check("result_format", l.format); err != nil {
		s.Bad("%v", err)
	}
	if list := s.Text("domain", ""); list != "" {
		var err error
		if l.domains, err = match.Strings("domain", list); err != nil {
			s.Bad("domain: %v", err)
		}
	}
	return l
}

// Limit is the largest number of values; 0: there is none.
func (l *Form) Limit() int { return l.limit }

// Wanted says whether a key is asked for: it is text, and when there is a list of
// domains, it is an address in one of them.
func (l *Form) Wanted(key string) (bool, error) {
	if key == "" || !utf8.ValidString(key) {
		return false, nil
	}
	if l.domains == nil {
		return true, nil
	}
	at := strings.LastIndexByte(key, '@')
	if at <= 0 || at == len(key)-1 {
		return false, nil
	}
	return l.domains.Match(key[at+1:])
}

// Expand fills a template with a text and with the key that the user has asked for;
// in a query both are the same. Quote makes a text harmless. Ok is false when
// the text has not all parts that the template names.
func Expand(template, text, key string, quote func(string) string) (result string, ok bool) {
	if text == "" {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		if template[i] != '%' {
			b.WriteByte(template[i])
			continue
		}
		i++
		if template[i] == '%' {
			b.WriteByte('%')
			continue
		}
		piece, ok := part(template[i], text, key)
		if !ok {
			return "", false
		}
		b.WriteString(quote(piece))
	}
	return b.String(), true
}

// part returns what a letter behind % stands for.
func part(letter byte, text, key string) (string, bool) {
	if letter <= 'Z' { // upper case and digits are of the key
		text = key
	}
	local, domain, has := text, "", false
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		local, domain, has = text[:at], text[at+1:], true
	}
	switch letter {
	case 's', 'S':
		return text, true
	case 'u', 'U':
		return local, local != ""
	case 'd', 'D':
		return domain, has && domain != ""
	}
	labels := strings.Split(domain, ".")
	n := len(labels) - int(letter-'0')
	if !has || domain == "" || n < 0 {
		return "", false
	}
	return labels[n], true
}

// Raw is the quote for a place where each text is harmless.
func Raw(s string) string { return s }

// An Answer collects the values for a key.
type Answer struct {
	*Form
	key  string
	text strings.Builder
	n    int
}

// Answer begins the answer for a key.
func (l *Form) Answer(key string) *Answer { return &Answer{Form: l, key: key} }

// Add adds a value in the form that is wanted. One that is empty, or lacks a part
// that the form names, is left out.
func (a *Answer) Add(value string) error {
	formed, ok := Expand(a.format, value, a.key, Raw)
	if !ok {
		return nil
	}
	if a.n++; a.limit > 0 && a.n > a.limit {
		return fmt.Errorf("the answer for %q has more values than expansion_limit allows (%d)", a.key, a.limit)
	}
	if a.n > 1 {
		a.text.WriteByte(',')
	}
	a.text.WriteString(formed)
	return nil
}

// Result is the answer.
func (a *Answer) Result() (value string, found bool) {
	return a.text.String(), a.n > 0 && a.text.Len() > 0
}
